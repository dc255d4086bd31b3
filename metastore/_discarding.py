"""Discarding garbage: put aside, restored, deleted; what a plan named, where it still is so, and nothing else.

An object is discarded in this order, so that a process that dies anywhere leaves nothing that refers to nothing, and the next run goes on:

1. In every root that is written, a transaction makes sure that nothing refers to it and keeps a mark, after which no write there may refer to it
   (`refuse_discarded`). Once all have it, no reference is left that could come back; snapshots, which do not change, are asked again.
2. Then, and only then, it is moved below the quarantine's folder, and stays there until it is old enough to be deleted.
3. It is deleted while the marks stand. They stay for good: who asked the store long ago, and writes only now, is refused still.

Restoring goes the other way: the object is back before the marks go. One run at a time has the roots, by a lease in each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from metastore._data import evolve
from metastore._finding import Finding, GarbagePlan, Step
from metastore._garbage import Discarded, Lease, leased, tail_of
from metastore._ids import make_id
from metastore._places import step_of
from metastore._sweeping import Ground, Place, same
from metastore.errors import ConflictError, KeyTakenError, MissingBytesError, StoreError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore._references import References
    from metastore.stores import Unfinished

__all__ = ["carry_out", "restore"]

T = TypeVar("T")
Left = dict[str, str]
"""By key, why a step was not taken."""
Progress = Callable[[int], object]

RUN = "gc://run"
HELD = timedelta(hours=1)
BATCH = 100


def carry_out(
    plan: GarbagePlan,
    roots: Sequence[Catalog],
    *steps: Step,
    take_over: bool = False,
    progress: Progress | None = None,
) -> GarbagePlan:
    """Take steps of a plan (*quarantine*, *restore*, *delete*, *abandon*; all, if none is named); return what was done, and what was left and why.

    Only what the plan names, and what is still as it says: the object is the one it was, nothing refers to it, no lease keeps it. ``roots`` are
    the catalogues of the plan, and perhaps more; those that are open for writing get the marks. ``progress`` gets the count of objects so far.
    ``take_over`` is for a run that is known to be dead: it holds the catalogues for an hour. Raises ValidationError for another
    plan's catalogues or stores; ConflictError while another run is under way; ForbiddenError for a principal.
    """
    if not isinstance(plan, GarbagePlan):
        raise ValidationError(f"expected a plan of garbage, got {plan!r:.60}: make one with plan()")
    _check_roots(plan, roots)
    ground = Ground(roots, plan.stores)
    for each in ground.places:
        if each.store.url != plan.stores[each.name]:
            raise ValidationError(f"the store {each.name} was at another url when the plan was made: make a new plan")
    wanted = [
        each
        for each in plan.items
        if each.step is not None and each.left is None and each.step in (steps or (each.step,))
    ]
    done: list[Finding] = []
    with _Run(ground, plan, take_over=take_over).held() as run:
        ground.look()
        for batch in _batches(wanted):
            left = run.take(batch)
            done += [evolve(each, left=left.get(each.key)) for each in batch]
            if progress is not None:
                progress(len(done))
    return evolve(plan, items=tuple(done), kept={})


def _check_roots(plan: GarbagePlan, roots: Sequence[Catalog]) -> None:
    lacking = Counter(plan.roots) - Counter(each.id for each in roots)
    if lacking:
        raise ValidationError(
            f"the plan was made with the catalogue {min(lacking)}, too, and without it nothing can be judged: give it as a root"
        )
    if all(each._backend.read_only for each in roots):
        raise ValidationError(
            "every catalogue is open read-only, so none could refuse a reference to what is discarded: open one for writing"
        )


def _batches(wanted: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Yield findings of one store and one step together, a hundred at a time."""
    groups: dict[tuple[str, Step | None], list[Finding]] = {}
    for each in wanted:
        groups.setdefault((each.store, each.step), []).append(each)
    for group in groups.values():
        stream = iter(group)
        while batch := list(islice(stream, BATCH)):
            yield batch


def restore(
    roots: Sequence[Catalog],
    stores: Iterable[str] | None = None,
    *,
    keys: Iterable[str] | None = None,
    plan: str | None = None,
    take_over: bool = False,
) -> list[Finding]:
    """Bring back what was put aside, all of it or the ``keys`` or what the plan of that id put there; return what was done, and what was left and why.

    A key whose bytes were deleted may be referred to again, if it is named and other bytes lie there now. Raises as `carry_out` does.
    """
    ground = Ground(roots, stores)
    _check_roots(_NOTHING, roots)
    wanted = None if keys is None else frozenset(keys)
    done: list[Finding] = []
    with _Run(ground, _NOTHING, take_over=take_over).held() as run:
        for place in ground.places:
            for batch in _batches(_restorable(ground, place, wanted, plan)):
                left = run.take(batch)
                done += [evolve(each, left=left.get(each.key)) for each in batch]
    names = ", ".join(each.name for each in ground.places)
    unknown = sorted((wanted or frozenset()) - {each.key for each in done})
    return [*done, *(Finding(names, key, "gone", _ASKED, "restore", left="it is not in quarantine") for key in unknown)]


_ASKED = "it was asked for"
_NOTHING = GarbagePlan("", datetime.min.replace(tzinfo=UTC), (), {}, 0, 0, {}, ())


def _restorable(ground: Ground, place: Place, keys: frozenset[str] | None, plan: str | None) -> Iterator[Finding]:
    marks = ground.discarded(place)
    gone = ground.discarded(place, "deleted") if keys is not None else {}
    lying = {key for key, _ in place.drive.aside()} if plan is None else set[str]()
    for key in sorted({*marks, *gone, *lying} if keys is None else keys & {*marks, *gone, *lying}):
        if plan is None or any(each.plan == plan for each in marks.get(key, ())):
            size = next((each.size for each in (*marks.get(key, ()), *gone.get(key, ()))), None)
            yield Finding(place.name, key, "quarantined", _ASKED, "restore", size)


class _Run:
    """One run: it holds the roots, and takes the steps of one store at a time, in batches."""

    def __init__(self, ground: Ground, plan: GarbagePlan, *, take_over: bool) -> None:
        self._ground, self._plan, self._take_over = ground, plan, take_over
        self._id, self._until = str(make_id()), 0.0
        self._places = {each.name: each for each in ground.places}
        self._leases: list[Lease] = []
        self._pieces: dict[str, Container[str]] = {}
        self._unfinished: dict[str, dict[tuple[str, str | None], Unfinished]] = {}
        self._written = sorted((each for each in ground.roots if not each._backend.read_only), key=lambda each: each.id)

    def take(self, batch: list[Finding]) -> Left:
        """Take the step of a batch; return by key why it was not taken."""
        self._hold_on()
        place = self._places[batch[0].store]
        steps = {
            "quarantine": self._quarantine,
            "restore": self._restore,
            "delete": self._delete,
            "abandon": self._abandon,
        }
        self._leases = self._ground.leases(datetime.now(UTC))
        left: Left = {}
        if batch[0].step != "abandon":
            left.update((each.key, "no url leads to that key") for each in batch if not place.opens(each.key))
        return left | steps[str(batch[0].step)](place, [each for each in batch if each.key not in left])

    # holding the roots

    @contextmanager
    def held(self) -> Iterator[_Run]:
        """Hold every root that is written, or none."""
        holding: list[Catalog] = []
        try:
            for root in self._written:
                for kind in (Lease, Discarded):
                    root._types.shelf(
                        kind
                    )  # stored before a transaction needs it: some servers end one by making a table
                root.run(partial(self._hold, root, first=True), message="gc: begin")
                holding.append(root)
            self._until = time.monotonic() + HELD.total_seconds() / 2
            yield self
        finally:
            for root in holding:
                root.run(partial(self._let_go, root), message="gc: end")

    def _hold_on(self) -> None:
        """Hold the roots for longer, where half of the time is over."""
        if time.monotonic() > self._until:
            for root in self._written:
                root.run(partial(self._hold, root), message="gc: go on")
            self._until = time.monotonic() + HELD.total_seconds() / 2

    def _hold(self, root: Catalog, *, first: bool = False) -> None:
        now = datetime.now(UTC)
        holders = list(root.find(Lease, Lease.url == RUN))
        self._check_holder(root, holders, now, first=first)
        for each in holders:
            root.update(each, until=now + HELD, holder=self._id)
        if not holders:
            root.add(Lease(url=RUN, until=now + HELD, holder=self._id))
        if first:
            root.delete_many(Lease, Lease.until <= now)

    def _check_holder(self, root: Catalog, holders: list[Lease], now: datetime, *, first: bool) -> None:
        ours = [each.holder for each in holders] == [self._id]
        free = first and (self._take_over or all(each.until <= now for each in holders))
        if not (ours or free):
            who = holders[0].holder if holders else "none"
            raise ConflictError(
                f"another run of gc ({who}) has catalogue {root.id}: wait for its end; take over only if it is known to be dead"
            )

    def _let_go(self, root: Catalog) -> None:
        for each in root.find(Lease, Lease.url == RUN, Lease.holder == self._id):
            root.delete(each)

    # steps

    def _quarantine(self, place: Place, batch: list[Finding]) -> Left:
        left: Left = {}
        there = [each for each in batch if self._still(place, each, left)]
        refused = self._marked(place, there)
        for each in there:
            if each.key not in refused:
                self._try(left, each.key, partial(self._put_aside, place, each.key))
        return left | refused

    def _still(self, place: Place, each: Finding, left: Left) -> bool:
        """Whether an object is still as the plan has it, and may go."""
        told = place.found(each.key)
        if told is None:
            told = place.found(_aside(each.key))  # by a run that broke off, or that no catalogue here knows of
        if told is None:
            left[each.key] = "it is not there any more"
        elif not same(each, told):
            left[each.key] = "it was written since the plan was made"
        elif each.key in self._pieces_of(place):
            left[each.key] = "another object consists of it, or leads to it"
        elif (kept := self._leased(place, each.key)) is not None:
            left[each.key] = kept
        return each.key not in left

    def _pieces_of(self, place: Place) -> Container[str]:
        if place.name not in self._pieces:
            self._pieces[place.name] = place.drive.pieces()
        return self._pieces[place.name]

    def _leased(self, place: Place, key: str) -> str | None:
        held = leased(self._leases, place.url(key))
        return None if held is None else f"it is leased by {held.holder}"

    def _put_aside(self, place: Place, key: str) -> None:
        self._hold_on()
        told, aside = place.found(key), place.found(_aside(key))
        if told is not None and aside is not None and same(told, aside):
            place.drive.remove(_aside(key))  # a copy that a run left behind
            aside = None
        if aside is None:
            place.drive.move(key, _aside(key))
        elif told is not None:
            raise KeyTakenError("other bytes of that key are in quarantine: delete or restore those first")

    def _delete(self, place: Place, batch: list[Finding]) -> Left:
        left: Left = {}
        known = [_marks_of(root, place, [each.key for each in batch]) for root in self._written]
        due = [each for each in batch if self._due(place, each, [marks.get(each.key) for marks in known], left)]
        refused = self._marked(place, due)
        for each in due:
            if each.key not in refused and each.verdict != "gone":
                self._try(left, each.key, partial(place.drive.remove, _aside(each.key)))
        gone = [each.key for each in due if each.key not in left | refused and place.found(each.key) is None]
        self._everywhere(place, gone, _as_deleted)  # where other bytes lie at the key, they are still to be put aside
        return left | refused

    def _due(self, place: Place, each: Finding, marks: list[Discarded | None], left: Left) -> bool:
        """Whether what was put aside is still as the plan has it, long enough, in every root."""
        told, until = place.found(_aside(each.key)), self._grace_over()
        if told is None and each.verdict != "gone":
            left[each.key] = "it is not in quarantine any more"
        elif told is not None and not same(each, told):
            left[each.key] = "other bytes were put aside since the plan was made"
        elif any(mark is None or mark.state != "aside" or mark.updated_at > until for mark in marks):
            left[each.key] = "not every catalogue has known of it for long enough: make a new plan"
            self._marked(place, [each])
        elif (kept := self._leased(place, each.key)) is not None:
            left[each.key] = kept
        return each.key not in left

    def _grace_over(self) -> datetime:
        return max(self._plan.at, datetime.now(UTC)) - timedelta(seconds=self._plan.grace)

    def _abandon(self, place: Place, batch: list[Finding]) -> Left:
        if place.name not in self._unfinished:
            self._unfinished[place.name] = {(each.key, each.upload): each for each in place.drive.unfinished()}
        left: Left = {}
        for each in batch:
            told = self._unfinished[place.name].get((each.key, each.upload))
            if told is None or told.modified != each.modified:
                left[each.key] = "it came to its end, or went on, since the plan was made"
            elif (kept := self._leased(place, told.target)) is not None:
                left[each.key] = kept
            else:
                self._try(left, each.key, partial(place.drive.abandon, each.key, each.upload))
        return left

    def _restore(self, place: Place, batch: list[Finding]) -> Left:
        left: Left = {}
        for each in batch:
            self._try(left, each.key, partial(self._bring_back, place, each.key))
        self._everywhere(place, [each.key for each in batch if each.key not in left], _no_more)
        return left

    def _bring_back(self, place: Place, key: str) -> None:
        self._hold_on()
        told, aside = place.found(key), place.found(_aside(key))
        if told is None and aside is None:
            raise MissingBytesError("its bytes are gone: nothing can be brought back")
        if aside is not None and told is None:
            place.drive.move(_aside(key), key)
        elif aside is not None and told is not None:
            if not same(told, aside):
                raise KeyTakenError("other bytes lie at its key")
            place.drive.remove(_aside(key))

    def _try(self, left: Left, key: str, act: Callable[[], object]) -> None:
        try:
            act()
        except StoreError as refused:
            left[key] = str(refused)

    # marks

    def _marked(self, place: Place, batch: list[Finding]) -> Left:
        """Make sure that nothing refers to objects, nor can from now on; return which may not go, of which no mark is left that was not there."""
        refused: Left = {}
        made: list[tuple[Catalog, set[str]]] = []
        for root, references in zip(self._ground.roots, self._ground.references, strict=True):
            if root._backend.read_only:
                references.catch_up()
                refused |= _named(root, references, place, batch)
        for root in self._written:
            references = self._ground.references[self._ground.roots.index(root)]
            todo = [each for each in batch if each.key not in refused]
            named, fresh = root.run(
                partial(self._mark, root, references, place, todo),
                message=f"gc: {self._plan.id}",
            )
            refused |= named
            made.append((root, fresh))
        for root, fresh in made:
            if undone := fresh & refused.keys():
                root.run(partial(_no_more, root, place, undone), message="gc: it is referred to")
        return refused

    def _mark(self, root: Catalog, references: References, place: Place, batch: list[Finding]) -> tuple[Left, set[str]]:
        self._hold(root)
        references.catch_up()
        refused = _named(root, references, place, batch)
        known, fresh = _marks_of(root, place, [each.key for each in batch]), set[str]()
        for each in batch:
            if each.key in refused or each.key in fresh:  # it may be named twice, where it lies at its key and aside
                continue
            mark = known.get(each.key)
            if mark is None:
                base, tail = str(place.base), tail_of(step_of(each.key))
                root.add(Discarded(base=base, key=each.key, tail=tail, plan=self._plan.id, size=each.size))
                fresh.add(each.key)
            elif mark.state != "aside":
                root.update(mark, state="aside", plan=self._plan.id, size=each.size)
                fresh.add(each.key)
        return refused, fresh

    def _everywhere(self, place: Place, keys: list[str], act: Callable[[Catalog, Place, Iterable[str]], None]) -> None:
        for root in self._written if keys else ():
            root.run(partial(act, root, place, keys), message=f"gc: {self._plan.id}".rstrip(": "))


def _named(root: Catalog, references: References, place: Place, batch: list[Finding]) -> Left:
    return {each.key: f"catalogue {root.id} refers to it" for each in batch if references.name(place.number, each.key)}


def _marks_of(root: Catalog, place: Place, keys: Iterable[str]) -> dict[str, Discarded]:
    wanted = set(keys)
    tails = [tail_of(step_of(each)) for each in wanted]
    found = root.find(Discarded, Discarded.base == str(place.base), Discarded.tail.in_(tails)) if wanted else ()
    return {each.key: each for each in found if each.key in wanted}


def _no_more(root: Catalog, place: Place, keys: Iterable[str]) -> None:
    for each in _marks_of(root, place, keys).values():
        root.delete(each)


def _as_deleted(root: Catalog, place: Place, keys: Iterable[str]) -> None:
    for each in _marks_of(root, place, keys).values():
        root.update(each, state="deleted")


def _aside(key: str) -> str:
    from metastore.stores._drive import aside_of

    return aside_of(key)

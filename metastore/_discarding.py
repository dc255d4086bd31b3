"""Discarding garbage: put aside, restored, deleted; what a plan named, where it still is so, and nothing else.

An object is discarded in this order, so that a process that dies anywhere leaves nothing that refers to nothing, and the next run goes on:

1. In every root that is written, a transaction makes sure that nothing refers to it and keeps a mark, after which no write there may refer to it
   (`refuse_discarded`). Once all have it, no reference is left that could come back; snapshots, which do not change, are asked again.
2. Then, and only then, it is moved below the quarantine's folder, and stays there until it is old enough to be deleted.
3. It is deleted while the marks stand. They stay for good: who asked the store long ago, and writes only now, is refused still.

Restoring goes the other way: the object is back before the marks go. One run at a time has the roots, by a lease in each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from metastore._data import evolve
from metastore._finding import Finding, GarbagePlan, Step
from metastore._garbage import Discarded, Lease, leased
from metastore._marking import Left, Marking, as_deleted, marks_of, no_more
from metastore._sweeping import Ground, Place, same
from metastore.errors import KeyTakenError, MissingBytesError, StoreError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore.stores import Unfinished

__all__ = ["carry_out", "restore"]

Progress = Callable[[int], object]

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
    marking = Marking(ground, plan.id, take_over=take_over)
    run = _Run(ground, plan, marking)
    with marking.held():
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
    marking = Marking(ground, _NOTHING.id, take_over=take_over)
    run = _Run(ground, _NOTHING, marking)
    with marking.held():
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
    """One run: it takes the steps of one store at a time, in batches."""

    def __init__(self, ground: Ground, plan: GarbagePlan, marking: Marking) -> None:
        self._ground, self._plan, self._marking = ground, plan, marking
        self._places = {each.name: each for each in ground.places}
        self._leases: list[Lease] = []
        self._pieces: dict[str, Container[str]] = {}
        self._unfinished: dict[str, dict[tuple[str, str | None], Unfinished]] = {}

    def take(self, batch: list[Finding]) -> Left:
        """Take the step of a batch; return by key why it was not taken."""
        self._marking.hold_on()
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

    # steps

    def _quarantine(self, place: Place, batch: list[Finding]) -> Left:
        left: Left = {}
        there = [each for each in batch if self._still(place, each, left)]
        refused = self._marking.marked(place, there)
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
        self._marking.hold_on()
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
        known = [marks_of(root, place, [each.key for each in batch]) for root in self._marking.written]
        due = [each for each in batch if self._due(place, each, [marks.get(each.key) for marks in known], left)]
        refused = self._marking.marked(place, due)
        for each in due:
            if each.key not in refused and each.verdict != "gone":
                self._try(left, each.key, partial(place.drive.remove, _aside(each.key)))
        gone = [each.key for each in due if each.key not in left | refused and place.found(each.key) is None]
        self._marking.everywhere(
            place, gone, as_deleted
        )  # where other bytes lie at the key, they are still to be put aside
        return left | refused

    def _due(self, place: Place, each: Finding, marks: list[Discarded | None], left: Left) -> bool:
        """Whether what was put aside is still as the plan has it, long enough, in every root."""
        told = place.found(_aside(each.key))
        if told is None and each.verdict != "gone":
            left[each.key] = "it is not in quarantine any more"
        elif told is not None and not same(each, told):
            left[each.key] = "other bytes were put aside since the plan was made"
        elif any(mark is None or mark.state != "aside" or self._waits(mark) for mark in marks):
            left[each.key] = "not every catalogue has known of it for long enough: make a new plan"
            self._marking.marked(place, [each])
        elif (kept := self._leased(place, each.key)) is not None:
            left[each.key] = kept
        return each.key not in left

    def _waits(self, mark: Discarded) -> bool:
        return max(self._plan.at, datetime.now(UTC)) - mark.updated_at < timedelta(seconds=self._plan.grace)

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
        self._marking.everywhere(place, [each.key for each in batch if each.key not in left], no_more)
        return left

    def _bring_back(self, place: Place, key: str) -> None:
        self._marking.hold_on()
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


def _aside(key: str) -> str:
    from metastore.stores._drive import aside_of

    return aside_of(key)

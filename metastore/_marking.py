"""Marking: what a run of gc keeps in the roots: that it has them, and what nothing may refer to any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from metastore._garbage import Discarded, Lease, tail_of
from metastore._ids import make_id
from metastore._places import step_of
from metastore._sweeping import Ground, Place
from metastore.errors import ConflictError

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore._finding import Finding
    from metastore._references import References

__all__ = ["Left", "Marking", "as_deleted", "marks_of", "no_more"]

Left = dict[str, str]
"""By key, why a step was not taken."""

RUN = "gc://run"
HELD = timedelta(hours=1)


class Marking:
    """One run and its roots; ``plan`` is the id of the plan by which marks are made. The roots that are written stand in one order for all runs."""

    def __init__(self, ground: Ground, plan: str, *, take_over: bool) -> None:
        self._ground, self._plan, self._take_over = ground, plan, take_over
        self._id, self._until = str(make_id()), 0.0
        self.written = sorted((each for each in ground.roots if not each._backend.read_only), key=lambda each: each.id)

    # holding the roots

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold every root that is written, or none."""
        holding: list[Catalog] = []
        try:
            for root in self.written:
                for kind in (Lease, Discarded):  # stored before a transaction needs it, as a table may end one
                    root._types.shelf(kind)
                root.run(partial(self._hold, root, first=True), message="gc: begin")
                holding.append(root)
            self._until = time.monotonic() + HELD.total_seconds() / 2
            yield
        finally:
            for root in holding:
                root.run(partial(self._let_go, root), message="gc: end")

    def hold_on(self) -> None:
        """Hold the roots for longer, where half of the time is over."""
        if time.monotonic() > self._until:
            for root in self.written:
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

    # marks

    def marked(self, place: Place, batch: list[Finding]) -> Left:
        """Make sure that nothing refers to objects, nor can from now on; return which may not go, of which no mark is left that was not there."""
        refused: Left = {}
        made: list[tuple[Catalog, set[str]]] = []
        for root, references in zip(self._ground.roots, self._ground.references, strict=True):
            if root._backend.read_only:
                references.catch_up()
                refused |= _named(root, references, place, batch)
        for root in self.written:
            references = self._ground.references[self._ground.roots.index(root)]
            todo = [each for each in batch if each.key not in refused]
            named, fresh = root.run(
                partial(self._mark, root, references, place, todo),
                message=f"gc: {self._plan}",
            )
            refused |= named
            made.append((root, fresh))
        for root, fresh in made:
            if undone := fresh & refused.keys():
                root.run(partial(no_more, root, place, undone), message="gc: it is referred to")
        return refused

    def _mark(self, root: Catalog, references: References, place: Place, batch: list[Finding]) -> tuple[Left, set[str]]:
        self._hold(root)
        references.catch_up()
        refused = _named(root, references, place, batch)
        known, fresh = marks_of(root, place, [each.key for each in batch]), set[str]()
        for each in batch:
            if each.key in refused or each.key in fresh:  # it may be named twice, where it lies at its key and aside
                continue
            mark = known.get(each.key)
            if mark is None:
                base, tail = str(place.base), tail_of(step_of(each.key))
                root.add(Discarded(base=base, key=each.key, tail=tail, plan=self._plan, size=each.size))
                fresh.add(each.key)
            elif mark.state != "aside":
                root.update(mark, state="aside", plan=self._plan, size=each.size)
                fresh.add(each.key)
        return refused, fresh

    def everywhere(self, place: Place, keys: list[str], act: Callable[[Catalog, Place, Iterable[str]], None]) -> None:
        """Do the same with the marks of some keys in every root that is written."""
        for root in self.written if keys else ():
            root.run(partial(act, root, place, keys), message=f"gc: {self._plan}".rstrip(": "))


def _named(root: Catalog, references: References, place: Place, batch: list[Finding]) -> Left:
    return {each.key: f"catalogue {root.id} refers to it" for each in batch if references.name(place.number, each.key)}


def marks_of(root: Catalog, place: Place, keys: Iterable[str]) -> dict[str, Discarded]:
    """Return what a root knows of some keys, by key."""
    wanted = set(keys)
    tails = [tail_of(step_of(each)) for each in wanted]
    found = root.find(Discarded, Discarded.base == str(place.base), Discarded.tail.in_(tails)) if wanted else ()
    return {each.key: each for each in found if each.key in wanted}


def no_more(root: Catalog, place: Place, keys: Iterable[str]) -> None:
    """Let keys be referred to again."""
    for each in marks_of(root, place, keys).values():
        root.delete(each)


def as_deleted(root: Catalog, place: Place, keys: Iterable[str]) -> None:
    """Note of keys that their objects are deleted."""
    for each in marks_of(root, place, keys).values():
        root.update(each, state="deleted")

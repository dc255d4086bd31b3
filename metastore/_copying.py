"""Copying a catalogue into another, by its history: transaction by transaction, each as it was.

The destination itself says how far it is: its last transaction, and how many of that one's changes it has. So a copy that was
killed goes on, a copy of last week catches up, and two copies at once do nothing twice. Of each artifact that a page of the history
touches comes the row that the source holds *now*; where that is newer than the page, later pages bring it again, until both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from metastore._data import Data
from metastore._quotas import QUOTAS
from metastore._transaction import patiently
from metastore._values import instant
from metastore.backend import Backend, Commit, Identity, Recorded, Row, StoredSpec, TypeSpec
from metastore.errors import ConflictError, DamagedError, RetryError, SchemaConflictError
from metastore.query import In, Path, Query

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["Copied", "copied", "copy"]

CHUNK = 500
"""Changes that are carried over in one transaction of the destination."""

Rows = list[tuple[TypeSpec, list[Row]]]
Progress = Callable[[int, int], object]

_ID, _UNIQUE = Path("id", kind="id"), Path("unique_key", kind="id")


class Copied(Data):
    """What one run of `copy` brought to the destination; nothing where that had everything already."""

    transactions: int
    changes: int


def copy(source: Catalog, destination: Catalog, *, progress: Progress | None = None) -> Copied:
    """Bring everything that the source has to the destination, types and history too, until the source has nothing new.

    The destination is empty, or was made by a copy of the same source and not written to since: then what is new is brought. It
    keeps an identity of its own. Stopped at any moment it goes on with the next call; until it returns, the destination is not
    to be worked with. ``progress`` is called with the number of changes that are there, and of those that there are. Raises ConflictError for a
    destination that is no copy of the source, before anything is written; ForbiddenError for a principal.

    >>> from metastore import Artifact, Catalog
    >>> class Note(Artifact, type_name="notes"):
    ...     pass
    >>> with Catalog.open("memory:") as old, Catalog.open("memory:") as new:
    ...     note = old.add(Note(name="first"))
    ...     copy(old, new), copy(old, new), new.get(Note, note.id) == note
    (Copied(transactions=1, changes=1), Copied(transactions=0, changes=0), True)
    """
    for each in (source, destination):
        each._check_ours("copy")
        each._check_open()
    if getattr(destination._local, "open", None) is not None:
        raise ConflictError("a copy makes transactions of its own: call it outside of one")
    try:
        return copied(source._backend, destination._backend, progress, patience=destination._patience)
    finally:
        destination._types.refresh()


def copied(source: Backend, target: Backend, progress: Progress | None = None, *, patience: float = 60.0) -> Copied:
    """Do what `copy` says; ``patience`` bounds the replays of what the destination's database undid, in seconds."""
    if source.catalogue == target.catalogue:
        raise ConflictError(
            f"source and destination are the same catalogue ({source.catalogue}), or one is a copy of the other's file: give another destination"
        )
    run, stuck_at, pauses = _Run(source, target, progress), -1, patiently(patience)
    while True:
        try:
            return run.until_nothing_is_new()
        except RetryError:
            if run.changes > stuck_at:
                stuck_at, pauses = run.changes, patiently(patience)
            if next(pauses, None) is None:
                raise


class _Place(Data):
    """How far the destination is: its last transaction, and what to ask the source for next."""

    last: Recorded | None
    after: int
    skip: int


class _Run:
    """One run: what both catalogues are known to hold of types, and what was brought."""

    def __init__(self, source: Backend, target: Backend, progress: Progress | None) -> None:
        self.source, self.target, self.progress = source, target, progress
        self.specs: dict[str, TypeSpec] = {}
        self.generations = (-1, -1)
        self.transactions = self.changes = self.before = self.total = 0

    def until_nothing_is_new(self) -> Copied:
        """Bring page by page, then what no page tells of."""
        if self.progress is not None:
            self.before = self.target.stats()["changes"] - self.changes
            self.total = self.source.stats()["changes"]
        while self._page():
            pass
        self._foreign()
        if QUOTAS in self.specs:
            with self.target.transaction():
                self.target.tally()
        return Copied(self.transactions, self.changes)

    def _page(self) -> bool:
        """Bring the next page of the history, unless another copy did meanwhile; return whether there was one."""
        place = _place(self.source, self.target)
        page = self.source.history(place.after, CHUNK, skip=place.skip)
        self._types()
        if not page:
            return False
        known, rows = self._held({change.id for told in page for change in told.changes})
        with self.target.transaction():
            as_it_was = self.target.recorded() == place.last and self.target.generation() == self.generations[1]
            if as_it_was:
                self.target.adopt(page, known, rows)
        if as_it_was:
            self._told(page)
        return True

    def _told(self, page: Sequence[Recorded]) -> None:
        self.transactions += sum(not each.at for each in page)
        self.changes += sum(len(each.changes) for each in page)
        if self.progress is not None:
            done = self.before + self.changes
            self.progress(done, max(done, self.total))

    # types

    def _as_known(self) -> bool:
        return (self.source.generation(), self.target.generation()) == self.generations

    def _types(self) -> bool:
        """Store the specs in the destination that it lacks, by their numbers; return whether any are new, or were stored by others.

        A breaking one empties the type there: the migration that it came with touches every artifact, and brings all of them again.
        """
        if self._as_known():
            return False
        stored = self.source.specs()
        for each in _missing(stored, self.target.specs()):
            self._store(each)
        self.specs = {each.spec.name: each.spec for each in stored}
        self.generations = (len(stored), len(stored))
        return True

    def _store(self, each: StoredSpec) -> None:
        """Store a spec, unless another copy did meanwhile; one at a time, as some servers cannot change tables twice in a transaction."""
        with self.target.transaction():
            if len(self.target.specs(each.spec.name)) == each.number - 1:
                if each.breaking:
                    self.target.rebuild(each.spec, each.number, [])
                else:
                    self.target.ensure(each.spec, each.number)

    # artifacts

    def _held(self, ids: set[bytes]) -> tuple[dict[bytes, Identity], Rows]:
        """Return what the source holds of artifacts, and of those whose unique keys they hold now.

        In the destination another may hold such a key still; in the source it let go of it, in a transaction to come.
        """
        while True:
            known, rows = self._now(ids)
            holding = self._holding(rows) - ids
            if self._types():
                continue
            if not holding:
                return known, rows
            ids |= holding

    def _now(self, ids: Iterable[bytes]) -> tuple[dict[bytes, Identity], Rows]:
        """Return what the source holds of artifacts: rows of one type by one statement, so that no two hold one unique key."""
        wanted = list(ids)
        known, live = self.source.identify(wanted), dict[str, list[bytes]]()
        for ident in wanted:
            if ident not in known:
                raise DamagedError(
                    f"the history of the source tells of {UUID(bytes=ident)}, of which it knows nothing: check it"
                )
            if known[ident].state == "live":
                live.setdefault(known[ident].type, []).append(ident)
        rows = [
            (self.specs[name], self._select(self.source, self.specs[name], In(_ID, tuple(those))))
            for name, those in live.items()
        ]
        there = {row[0] for _, some in rows for row in some}
        gone = {
            ident: Identity(name, "deleted") for name, those in live.items() for ident in those if ident not in there
        }
        return {**known, **gone}, rows

    def _select(self, backend: Backend, spec: TypeSpec, where: In) -> list[Row]:
        try:
            return backend.select(spec, Query(spec.name, where))
        except SchemaConflictError:
            if self._as_known():
                raise
            return []  # migrated meanwhile: what is read now is not used

    def _holding(self, rows: Rows) -> set[bytes]:
        """Return the artifacts that hold unique keys of rows in the destination."""
        found: set[bytes] = set()
        for spec, some in rows:
            keys = tuple(row[-2] for row in some if row[-2] is not None)
            if keys:
                found.update(row[0] for row in self._select(self.target, spec, In(_UNIQUE, keys)))
        return found

    def _foreign(self) -> None:
        """Make the ids known to which something once linked, and of which nothing else is known: no history tells of them."""
        after = b""
        while page := self.source.identities(after, CHUNK, state="foreign"):
            after = page[-1][0]
            known = self.target.identify([ident for ident, _ in page])
            fresh = {ident: each for ident, each in page if ident not in known}
            if fresh:
                with self.target.transaction():
                    self.target.adopt((), fresh, ())


def _place(source: Backend, target: Backend) -> _Place:
    last = target.recorded()
    if last is None:
        return _Place(None, 0, 0)
    told = source.recorded(last.commit.id)
    if told is None or told.commit != last.commit or told.at < last.at:
        raise ConflictError(_stranger(last.commit))
    return _Place(last, told.seq, 0) if told.at == last.at else _Place(last, told.seq - 1, last.at)


def _stranger(commit: Commit) -> str:
    who = f" by {commit.actor}" if commit.actor else ""
    return (
        f"the destination is no copy of the source, or was written to since: its last transaction, {UUID(bytes=commit.id)} of "
        f"{instant(commit.time):%Y-%m-%d %H:%M:%S} UTC{who}, is none of the source's. Copy into an empty catalogue"
    )


def _missing(stored: Sequence[StoredSpec], there: Sequence[StoredSpec]) -> list[StoredSpec]:
    """Return the specs that the destination lacks. Raises ConflictError where it has others."""
    lacking = {(each.spec.name, each.number): each for each in stored}
    for each in there:
        found = lacking.pop((each.spec.name, each.number), None)
        if found is None or (found.spec.digest, found.breaking) != (each.spec.digest, each.breaking):
            raise ConflictError(
                f"the destination is no copy of the source, or was written to since: it holds type {each.spec.name} by a spec ({each.number}) that the source does not have. Copy into an empty catalogue"
            )
    return list(lacking.values())

"""Comparing two catalogues, field by field: types, identities, artifacts, histories.

Both sides are streamed in one order, a page at a time: artifacts by id, histories by their sequence. What is each catalogue's own is
left out: its identity, and the numbers of the sequence. Look-ups and full text are derived; `Catalog.check` audits them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING
from uuid import UUID

from metastore._data import evolve
from metastore._difference import Comparison, Difference, of_change, of_commit, of_identity, of_row, of_side
from metastore.backend import Backend, Change, Commit, Identity, Recorded, Row, TypeSpec
from metastore.errors import ConflictError, SchemaConflictError, ValidationError
from metastore.query import In, Path, Query

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["compare", "compared"]

PAGE = 500

Progress = Callable[[int, int], object]
Known = tuple[bytes, Identity]
Pair = tuple[bytes, Identity | None, Identity | None]

_ID = Path("id", kind="id")


def compare(source: Catalog, destination: Catalog, *, limit: int = 100, progress: Progress | None = None) -> Comparison:
    """Compare two catalogues field by field, histories too; of the differences the first ``limit`` are returned, all are counted.

    Nobody should write meanwhile: what is written may show as a difference. ``progress`` is called with the number of artifacts and
    changes that were looked at, and of those that there are. Raises ForbiddenError for a principal.

    >>> from metastore import Artifact, Catalog
    >>> class Note(Artifact, type_name="notes"):
    ...     pass
    >>> with Catalog.open("memory:") as one, Catalog.open("memory:") as other:
    ...     note = one.add(Note(name="first"))
    ...     [each.what for each in compare(one, other).differences]
    ['type', 'identity', 'transaction']
    """
    for each in (source, destination):
        each._check_ours("compare")
        each._check_open()
    if type(limit) is not int or limit < 0:
        raise ValidationError(f"expected limit as a whole number, 0 or more, got {limit!r:.40}")
    return compared(source._backend, destination._backend, limit, progress)


def compared(source: Backend, target: Backend, limit: int = 100, progress: Progress | None = None) -> Comparison:
    """Do what `compare` says with two backends."""
    looking = _Looking(source, target, progress)
    found = looking.differences()
    try:
        first = tuple(islice(found, min(limit, sys.maxsize)))
        count = len(first) + sum(1 for _ in found)
    except SchemaConflictError as error:
        raise ConflictError(f"a type was migrated meanwhile ({error}): compare while nobody writes") from error
    return evolve(looking.seen, count=count, differences=first)


class _Looking:
    """One comparison, and how much it has seen."""

    def __init__(self, source: Backend, target: Backend, progress: Progress | None) -> None:
        self.source, self.target, self.progress = source, target, progress
        self.seen = Comparison()
        self.total = 0 if progress is None else max(map(_size, (source, target)))

    def _see(self, **more: int) -> None:
        self.seen = evolve(self.seen, **{name: getattr(self.seen, name) + count for name, count in more.items()})
        if self.progress is not None:
            done = self.seen.artifacts + self.seen.changes
            self.progress(done, max(done, self.total))

    def differences(self) -> Iterator[Difference]:
        """Yield every difference: those of types first, then of artifacts by id, then of the history in order."""
        yield from self._of_types()
        yield from self._of_artifacts()
        yield from self._of_histories()

    def _of_types(self) -> Iterator[Difference]:
        one, other = _specs(self.source), _specs(self.target)
        every = sorted(one.keys() | other.keys())
        self._see(types=len({name for name, _ in every}))
        for name, number in every:
            mine, yours = one.get((name, number)), other.get((name, number))
            if mine != yours:
                yield Difference("type", f"spec {number}", mine, yours, name)

    # artifacts

    def _of_artifacts(self) -> Iterator[Difference]:
        specs = _latest(self.source), _latest(self.target)
        pairs = _pairs(_identities(self.source), _identities(self.target))
        while page := list(islice(pairs, PAGE)):
            rows = self._of_rows(page, *specs)
            for ident, one, other in page:
                yield from of_identity(ident, one, other)
                yield from rows.get(ident, ())
            self._see(artifacts=sum(_live(one) or _live(other) for _, one, other in page))

    def _of_rows(
        self, page: Sequence[Pair], mine: dict[str, TypeSpec], yours: dict[str, TypeSpec]
    ) -> dict[bytes, list[Difference]]:
        """Return in what the rows of ids differ that are live on both sides."""
        ids: dict[str, list[bytes]] = {}
        for ident, known, there in page:
            if known is not None and known == there and known.state == "live":
                ids.setdefault(known.type, []).append(ident)
        found: dict[bytes, list[Difference]] = {}
        for name, those in ids.items():
            one, other = _rows(self.source, mine[name], those), _rows(self.target, yours[name], those)
            alike = mine[name].columns == yours[name].columns
            for ident in those:
                if not alike or one.get(ident) != other.get(ident):
                    found[ident] = list(of_row(mine[name], one.get(ident), yours[name], other.get(ident)))
        return found

    # histories

    def _of_histories(self) -> Iterator[Difference]:
        mine, yours = _Tape(self.source), _Tape(self.target)
        while mine.commit is not None or yours.commit is not None:
            if mine.commit is not None and yours.commit is not None and mine.commit.id == yours.commit.id:
                yield from self._of_transaction(mine, mine.commit, yours, yours.commit)
            elif mine.commit is not None and self.target.recorded(mine.commit.id) is None:
                yield of_side(mine.commit, "source")
                self._see(transactions=1, changes=mine.pass_over())
            elif yours.commit is not None and self.source.recorded(yours.commit.id) is None:
                yield of_side(yours.commit, "destination")
                self._see(transactions=1, changes=yours.pass_over())
            else:
                yield _displaced(mine.commit, yours.commit)
                self._see(transactions=1, changes=max(mine.pass_over(), yours.pass_over()))

    def _of_transaction(self, mine: _Tape, one: Commit, yours: _Tape, other: Commit) -> Iterator[Difference]:
        yield from of_commit(one, other)
        number = 0
        for number, (here, there) in enumerate(zip_longest(mine.changes(), yours.changes()), 1):
            if here != there:
                yield from of_change(one, number, here, there)
        self._see(transactions=1, changes=number)


class _Tape:
    """A history that is read once, from its first transaction on."""

    def __init__(self, backend: Backend) -> None:
        self._parts = _parts(backend)
        self._ahead = next(self._parts, None)

    @property
    def commit(self) -> Commit | None:
        """The commit of the transaction that comes next; nothing at the end."""
        return None if self._ahead is None else self._ahead.commit

    def changes(self) -> Iterator[Change]:
        """Yield the changes of the next transaction; then the one after is next."""
        commit = self.commit
        while self._ahead is not None and self._ahead.commit == commit:
            yield from self._ahead.changes
            self._ahead = next(self._parts, None)

    def pass_over(self) -> int:
        """Leave a transaction out; return how many changes it has."""
        return sum(1 for _ in self.changes())


def _parts(backend: Backend) -> Iterator[Recorded]:
    after, skip = 0, 0
    while page := backend.history(after, PAGE, skip=skip):
        yield from page
        last = page[-1]
        after, skip = (last.seq - 1, last.at + len(last.changes)) if last.more else (last.seq, 0)


def _displaced(one: Commit | None, other: Commit | None) -> Difference:
    mine, yours = (None if each is None else str(UUID(bytes=each.id)) for each in (one, other))
    return Difference("transaction", "order", mine, yours)


def _size(backend: Backend) -> int:
    figures = backend.stats()
    return int(sum(figures["artifacts"].values()) + figures["changes"])


def _specs(backend: Backend) -> dict[tuple[str, int], str]:
    return {
        (each.spec.name, each.number): f"{each.spec.digest}{' breaking' if each.breaking else ''}"
        for each in backend.specs()
    }


def _latest(backend: Backend) -> dict[str, TypeSpec]:
    return {each.spec.name: each.spec for each in backend.specs()}


def _identities(backend: Backend) -> Iterator[Known]:
    after = b""
    while page := backend.identities(after, PAGE):
        yield from page
        after = page[-1][0]


def _pairs(mine: Iterator[Known], yours: Iterator[Known]) -> Iterator[Pair]:
    """Bring two streams of identities together, by id."""
    one, other = next(mine, None), next(yours, None)
    while one is not None or other is not None:
        ident = min(each[0] for each in (one, other) if each is not None)
        here = one[1] if one is not None and one[0] == ident else None
        there = other[1] if other is not None and other[0] == ident else None
        yield ident, here, there
        one = next(mine, None) if here is not None else one
        other = next(yours, None) if there is not None else other


def _live(identity: Identity | None) -> bool:
    return identity is not None and identity.state == "live"


def _rows(backend: Backend, spec: TypeSpec, ids: Sequence[bytes]) -> dict[bytes, Row]:
    return {row[0]: row for row in backend.select(spec, Query(spec.name, In(_ID, tuple(ids))))}

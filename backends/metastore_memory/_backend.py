"""The handle: every method of the contract, over a `Store` that several handles may share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any
from uuid import UUID

from metastore._data import evolve
from metastore.backend import Change, Commit, Edge, Identity, Recorded, Row, StoredSpec, TypeSpec, Usage
from metastore.errors import (
    BackendError,
    CatalogUrlError,
    ClosedError,
    ConflictError,
    ReadOnlyError,
)
from metastore.query import And, Compare, Measure, Order, Path, Query
from metastore_memory._answers import aggregated, closed, held, selected
from metastore_memory._check import disagreements
from metastore_memory._history import adopt, known_after, told_after, told_of
from metastore_memory._rows import (
    check_free,
    check_known,
    claim,
    keep,
    mapping,
    record,
    remove,
    row_of,
    still,
    store_spec,
    swap,
    widen,
)
from metastore_memory._store import Store

__all__ = ["MemoryBackend", "open_backend"]

_shared: dict[str, tuple[Store, int]] = {}
_sharing = Lock()


def open_backend(
    url: str,
    *,
    mode: str = "rw",
    durability: str = "full",
    timeout: float = 60.0,
) -> MemoryBackend:
    """Open ``memory:`` (a fresh store) or ``memory:name`` (one store per process and name).

    ``timeout`` is in seconds and bounds every wait for the lock; ``durability`` means nothing here.
    Raises CatalogUrlError for another address or mode.

    >>> open_backend("memory:").stats()
    {'artifacts': {}, 'changes': 0}
    """
    scheme, colon, name = url.partition(":")
    if scheme + colon != "memory:":
        raise CatalogUrlError(f"Expected 'memory:' or 'memory:name', found {url!r}")
    if mode not in ("rw", "ro"):
        raise CatalogUrlError(f"Expected mode 'rw' or 'ro', found {mode!r}")
    return MemoryBackend(_join(name) if name else Store(), name, read_only=mode == "ro", timeout=timeout)


def _join(name: str) -> Store:
    with _sharing:
        store, handles = _shared.get(name) or (Store(), 0)
        _shared[name] = store, handles + 1
        return store


def _leave(name: str) -> None:
    with _sharing:
        store, handles = _shared.pop(name)
        if handles > 1:
            _shared[name] = store, handles - 1


class MemoryBackend:
    """A `metastore.backend.Backend` in memory; what each method does is said there."""

    def __init__(self, store: Store, name: str = "", *, read_only: bool = False, timeout: float = 60.0) -> None:
        self.catalogue = store.catalogue
        self.read_only = read_only
        self._store: Store | None = store
        self._name = name
        self._timeout = timeout

    def close(self) -> None:
        """Let go of the store; a shared one goes with its last handle."""
        store, self._store = self._store, None
        if store is not None and self._name:
            _leave(self._name)

    def _open(self) -> Store:
        if self._store is None:
            raise ClosedError("This catalogue in memory was closed; open another")
        return self._store

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        store = self._open()
        with store.held(self._timeout):
            yield store

    @contextmanager
    def _writing(self) -> Iterator[Store]:
        store = self._open()
        if self.read_only:
            raise ReadOnlyError("This catalogue in memory is open for reading; open it with mode='rw' to write")
        with store.transaction(self._timeout):
            yield store

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which writes are one."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing():
            yield

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Return every stored spec, by type name, then number."""
        with self._reading() as store:
            return [each for name in sorted(store.specs) if type_name in (None, name) for each in store.specs[name]]

    def generation(self) -> int:
        """Return how many specs are stored in all."""
        return len(self.specs())

    def ensure(self, spec: TypeSpec, number: int) -> None:
        """Store a spec and give existing rows its new columns."""
        with self._writing() as store:
            known = store.specs.get(spec.name)
            store_spec(store, StoredSpec(number, spec))
            if known is not None:
                widen(store, known[-1].spec, spec)

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store a breaking spec and put ``rows`` in the place of all rows of its type."""
        with self._writing() as store:
            fresh = [mapping(spec, row) for row in rows]
            store_spec(store, StoredSpec(number, spec, breaking=True))
            old = dict(store.rows[spec.name])
            for row in old.values():
                remove(store, spec, row)
            for row in fresh:
                if old.pop(row["id"], None) is None:
                    claim(store, row["id"])
                keep(store, spec, row)
                record(store, Change("migrate", row["id"], row["revision"], number, row["digest"]))

    def stamp(self, commit: Commit) -> int:
        """Record the transaction that is under way and return its time."""
        with self._writing() as store:
            if "commit" in store.under_way:
                raise BackendError(
                    "Expected one stamp per transaction, found a second; stamp in the outermost one only"
                )
            if commit.id in store.commits:
                raise ConflictError(
                    f"The transaction {UUID(bytes=commit.id)} was recorded before; it is not done twice"
                )
            last = next(reversed(store.commits.values()), commit)
            time = max(commit.time, last.time)
            store.put(store.commits, commit.id, evolve(commit, time=time))
            store.put(store.under_way, "commit", commit.id)
            return time

    def insert(self, spec: TypeSpec, entries: Sequence[tuple[Row, Change]]) -> None:
        """Add rows; all or none."""
        with self._writing() as store:
            check_known(store, spec.name)
            for row, change in entries:
                made = mapping(spec, row)
                claim(store, made["id"])
                keep(store, spec, made)
                record(store, change)

    def replace(self, spec: TypeSpec, entries: Sequence[tuple[Row, Row, Change]]) -> list[bytes]:
        """Put each entry's second row in the place of its first, if that is still the stored revision."""
        with self._writing() as store:
            check_known(store, spec.name)
            for before, after, _ in entries:
                check_free(store, spec, before, after)
            return [before[0] for before, after, change in entries if not swap(store, spec, before, after, change)]

    def delete(self, spec: TypeSpec, before: Row, change: Change) -> bool:
        """Take the row away, if that is still the stored revision; its id is never free again."""
        with self._writing() as store:
            stored = still(store, spec, before)
            if stored is None:
                return False
            remove(store, spec, stored)
            record(store, change)
            if (commit := store.under_way.get("commit")) is not None:
                store.put(store.tombstones, stored["id"], (store.commits[commit], change))
            return True

    def fetch(self, spec: TypeSpec, ids: Sequence[bytes], *, short: bool = False) -> list[Row]:
        """Return the live rows with these ids, in the order asked, always whole."""
        with self._reading() as store:
            rows = store.rows.get(spec.name, {})
            return [row_of(spec, rows[id]) for id in ids if id in rows]

    def named(self, spec: TypeSpec, name: str, version: str | None, limit: int) -> list[Row]:
        """Return the live rows of a name (and of a canonical version), the highest version first."""
        wanted = [Compare(Path("name", kind="str"), "eq", name)]
        if version is not None:
            wanted.append(Compare(Path("version", kind="version"), "eq", version))
        order = (Order(Path("version", kind="version"), descending=True),)
        return self.select(spec, Query(spec.name, And(tuple(wanted)), order, limit))

    def identify(self, ids: Sequence[bytes]) -> dict[bytes, Identity]:
        """Return what is known of each id."""
        with self._reading() as store:
            return {id: store.identities[id] for id in ids if id in store.identities}

    def deleted(self, id: bytes) -> tuple[Commit, Change] | None:
        """Return the transaction in which an artifact was deleted, and its part of it."""
        with self._reading() as store:
            return store.tombstones.get(id)

    def identities(self, after: bytes, limit: int, *, state: str = "") -> list[tuple[bytes, Identity]]:
        """Return what is known of the ids beyond ``after``, in order."""
        with self._reading() as store:
            return known_after(store, after, limit, state)

    def history(self, after: int, limit: int, *, skip: int = 0) -> list[Recorded]:
        """Return the next transactions recorded after the one of that sequence."""
        with self._reading() as store:
            return told_after(store, after, limit, skip)

    def recorded(self, commit: bytes | None = None) -> Recorded | None:
        """Return the transaction with a commit's id, or the last one, without its changes."""
        with self._reading() as store:
            return told_of(store, commit)

    def adopt(
        self,
        told: Sequence[Recorded],
        known: Mapping[bytes, Identity],
        rows: Sequence[tuple[TypeSpec, Sequence[Row]]],
    ) -> None:
        """Take over transactions of another catalogue, and what it holds of some artifacts."""
        with self._writing() as store:
            adopt(store, told, known, rows)

    def select(self, spec: TypeSpec, query: Query) -> list[Row]:
        """Return the rows of a bound query in its order."""
        with self._reading() as store:
            return [row_of(spec, row) for row in selected(store, spec, query)]

    def aggregate(
        self, spec: TypeSpec, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]
    ) -> list[tuple[Any, ...]]:
        """Return one tuple per group: its values, then its measures."""
        with self._reading() as store:
            return aggregated(store, spec, query, by, measures)

    def closure(
        self, start: Sequence[bytes], depth: int | None, *, backwards: bool = False, field: str | None = None
    ) -> list[Edge]:
        """Return every link reachable from ``start``, or leading to it."""
        with self._reading() as store:
            return closed(store, start, depth, backwards=backwards, field=field)

    def tally(self) -> None:
        """Keep nothing: `usage` looks at every row."""
        with self._writing():
            pass

    def usage(self, owner: str | None, *, everybody: bool = False) -> dict[str, Usage]:
        """Return what an owner, or everybody, holds by type name."""
        with self._reading() as store:
            return held(store, lambda row: everybody or row["owner"] == owner)

    def check(self) -> Iterator[str]:
        """Yield a sentence per disagreement between rows and what is derived from them."""
        with self._reading() as store:
            return iter(list(disagreements(store)))

    def stats(self) -> dict[str, Any]:
        """Return the number of artifacts per type, and of changes."""
        with self._reading() as store:
            artifacts = {name: len(store.rows[name]) for name in sorted(store.rows) if store.rows[name]}
            return {"artifacts": artifacts, "changes": len(store.changes)}

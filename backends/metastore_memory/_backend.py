"""The handle: every method of the contract, over a `Store` that several handles may share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Any
from uuid import UUID

from attrs import evolve

from metastore.backend import Change, Commit, Edge, Identity, Row, StoredSpec, TypeSpec, Usage
from metastore.errors import (
    BackendError,
    CatalogUrlError,
    ClosedError,
    ConflictError,
    DuplicateError,
    IdTakenError,
    ReadOnlyError,
    UnknownTypeError,
    nearest,
)
from metastore.query import And, Compare, Measure, Order, Path, Query
from metastore_memory._answers import aggregated, closed, held, links_of, selected
from metastore_memory._check import disagreements
from metastore_memory._store import Store
from metastore_memory._values import RowMap
from metastore_memory._widen import widening

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
            _store_spec(store, StoredSpec(number, spec))
            if known is not None:
                _widen(store, known[-1].spec, spec)

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store a breaking spec and put ``rows`` in the place of all rows of its type."""
        with self._writing() as store:
            fresh = [_mapping(spec, row) for row in rows]
            _store_spec(store, StoredSpec(number, spec, breaking=True))
            free = dict(store.rows[spec.name])
            for row in free.values():
                _remove(store, spec, row)
            for row in fresh:
                if free.pop(row["id"], None) is None:
                    _claim(store, row["id"])
                _keep(store, spec, row)

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
            _known(store, spec.name)
            for row, change in entries:
                mapping = _mapping(spec, row)
                _claim(store, mapping["id"])
                _keep(store, spec, mapping)
                _record(store, change)

    def replace(self, spec: TypeSpec, before: Row, after: Row, change: Change) -> bool:
        """Put ``after`` in the place of ``before``, if that is still the stored revision."""
        with self._writing() as store:
            stored = _still(store, spec, before)
            if stored is None:
                return False
            _free(store, spec, stored)
            _keep(store, spec, {**stored, **_mapping(spec, after)})
            _record(store, change)
            return True

    def delete(self, spec: TypeSpec, before: Row, change: Change) -> bool:
        """Take the row away, if that is still the stored revision; its id is never free again."""
        with self._writing() as store:
            stored = _still(store, spec, before)
            if stored is None:
                return False
            _remove(store, spec, stored)
            _record(store, change)
            if (commit := store.under_way.get("commit")) is not None:
                store.put(store.tombstones, stored["id"], (store.commits[commit], change))
            return True

    def fetch(self, spec: TypeSpec, ids: Sequence[bytes]) -> list[Row]:
        """Return the live rows with these ids, in the order asked."""
        with self._reading() as store:
            rows = store.rows.get(spec.name, {})
            return [_row(spec, rows[id]) for id in ids if id in rows]

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

    def select(self, spec: TypeSpec, query: Query) -> list[Row]:
        """Return the rows of a bound query in its order."""
        with self._reading() as store:
            return [_row(spec, row) for row in selected(store, spec, query)]

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


def _mapping(spec: TypeSpec, row: Row) -> dict[str, Any]:
    return dict(zip((column.name for column in spec.columns), row, strict=True))


def _row(spec: TypeSpec, row: RowMap) -> Row:
    return tuple([row.get(column.name) for column in spec.columns])


def _known(store: Store, name: str) -> None:
    if name not in store.specs:
        raise UnknownTypeError(f"The catalogue holds no type {name!r}: {nearest(name, store.specs)}")


def _widen(store: Store, old: TypeSpec, new: TypeSpec) -> None:
    rows, widen = store.rows[new.name], widening(old, new)
    for id, row in list(rows.items()):
        store.put(rows, id, widen(row))


def _store_spec(store: Store, entry: StoredSpec) -> None:
    name, stored = entry.spec.name, store.specs.get(entry.spec.name, ())
    if entry.number != len(stored) + 1:
        raise ConflictError(
            f"Expected spec {len(stored) + 1} of type {name!r}, found {entry.number}; read specs() again"
        )
    store.put(store.specs, name, (*stored, entry))
    if not stored:
        store.put(store.rows, name, {})
        store.put(store.unique, name, {})


def _still(store: Store, spec: TypeSpec, before: Row) -> dict[str, Any] | None:
    _known(store, spec.name)
    id, revision = before[spec.position["id"]], before[spec.position["revision"]]
    stored = store.rows[spec.name].get(id)
    return stored if stored is not None and stored["revision"] == revision else None


def _claim(store: Store, id: bytes) -> None:
    known = store.identities.get(id)
    if known is not None and known.state != "foreign":
        raise IdTakenError(
            f"The id {UUID(bytes=id)} was used before ({known.state}, of type {known.type!r}); make another"
        )


def _keep(store: Store, spec: TypeSpec, row: dict[str, Any]) -> None:
    """Store a row with everything derived from it."""
    id, key, taken = row["id"], row["unique_key"], store.unique[spec.name]
    if key is not None:
        if key in taken:
            other = UUID(bytes=taken[key])
            raise DuplicateError(
                f"Another {spec.name!r} has the same {', '.join(spec.unique)}: {other}; change one of them"
            )
        store.put(taken, key, id)
    store.put(store.rows[spec.name], id, row)
    store.put(store.identities, id, Identity(spec.name, "live"))
    for _, target in links_of(spec, row):
        if target not in store.identities:
            store.put(store.identities, target, Identity("", "foreign"))


def _free(store: Store, spec: TypeSpec, row: RowMap) -> None:
    if row["unique_key"] is not None:
        store.drop(store.unique[spec.name], row["unique_key"])


def _remove(store: Store, spec: TypeSpec, row: RowMap) -> None:
    _free(store, spec, row)
    store.drop(store.rows[spec.name], row["id"])
    store.put(store.identities, row["id"], Identity(spec.name, "deleted"))


def _record(store: Store, change: Change) -> None:
    store.put(store.changes, len(store.changes) + 1, (store.under_way.get("commit"), change))

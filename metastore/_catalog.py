"""Catalog: the one room that sees all the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import UUID

from attrs import frozen

from metastore._artifact import Record
from metastore._codec import content_digest
from metastore._data import Data
from metastore._exchange import dumped, loaded
from metastore._find import Asked, Find, ask
from metastore._json import encode
from metastore._link import Link
from metastore._plugins import open_backend
from metastore._transaction import Transaction, undone_when_it_raises
from metastore._types import Shelf, Types
from metastore._values import text
from metastore._version import Version
from metastore.backend import CHECKPOINT_EVERY, Backend, Change, Row
from metastore.errors import (
    ClosedError,
    NotFoundError,
    QueryError,
    StaleRevisionError,
    ValidationError,
)
from metastore.query import Absent, Compare, Order, Path, Predicate, Query

if TYPE_CHECKING:
    from metastore._expr import Expr
    from metastore._schema import TypeSpec

__all__ = ["Catalog", "Edge"]

A = TypeVar("A", bound=Record)
BATCH = 500
"""Artifacts handed to the backend at once when many are added."""

_ANY_OWNER: Any = object()


@frozen(eq=False, repr=False)
class Edge(Data):
    """One link of a closure: ``source`` points to ``target`` by ``field``; ``depth`` counts hops, from 1."""

    source: UUID
    field: str
    target: UUID
    depth: int


class Catalog:
    """A catalogue of artifacts in one store. Open it with `Catalog.open`, close it, or use it in ``with``.

    Thread-safe, process-safe and fork-safe. Every method that writes is one transaction, or part of the one that is
    open in its thread; it raises before anything is written, or undoes what it wrote.
    """

    def __init__(self, backend: Backend, *, actor: str | None = None, cursor_key: bytes | None = None) -> None:
        self._backend = backend
        self._local = threading.local()
        self._types = Types(backend, lambda: getattr(self._local, "open", None) is not None)
        self._actor = actor
        if cursor_key is not None and not isinstance(cursor_key, bytes):
            raise ValidationError(f"expected cursor_key as bytes, got {type(cursor_key).__name__}")
        self._cursor_key = (cursor_key or os.urandom(32))[:64]
        self._open = True

    @classmethod
    def open(
        cls,
        url: str = "catalog.db",
        *,
        types: Iterable[type[Record]] = (),
        mode: Literal["rw", "ro"] = "rw",
        durability: Literal["full", "normal"] = "full",
        timeout: float = 60.0,
        actor: str | None = None,
        cursor_key: bytes | None = None,
    ) -> Self:
        """Open, or make, the catalogue at an address: a path, ``sqlite:///path``, ``memory:``.

        ``durability="full"`` survives power loss, ``"normal"`` a crash of the process. ``timeout`` bounds the wait for the
        write lock, in seconds. ``actor`` is written into the history. ``cursor_key`` keeps cursors good across processes.
        Raises CatalogUrlError, NotACatalogError, NewerRevisionError, DamagedError, ReadOnlyError.

        >>> with Catalog.open("memory:") as catalog:
        ...     catalog.stats()["artifacts"]
        {}
        """
        if mode not in ("rw", "ro") or durability not in ("full", "normal"):
            raise ValidationError(
                f"expected mode rw or ro and durability full or normal, got {mode!r} and {durability!r}"
            )
        _words(actor, "actor")
        backend = open_backend(url, mode=mode, durability=durability, timeout=timeout)
        try:
            made = cls(backend, actor=actor, cursor_key=cursor_key)
            made.register(*types)
        except BaseException:
            backend.close()
            raise
        return made

    @property
    def id(self) -> str:
        """Identity of the catalogue: the text of a UUID made when it was."""
        return self._backend.catalogue

    # writing

    def transaction(self, *, message: str | None = None, actor: str | None = None) -> AbstractContextManager[Any]:
        """Return a context in which all writes are one: they land together or not at all.

        It takes the write lock at its start and nests: an inner one that raises undoes itself only. ``message`` and ``actor`` of
        the outermost are kept in the history. Raises BusyError when the lock was not to be had in time.
        """
        return Transaction(self, _words(actor, "actor") or self._actor, _words(message, "message"))

    @undone_when_it_raises
    def add(self, artifact: A) -> A:
        """Store a new artifact and return it as stored: with times, and revision 1.

        Raises ValidationError, DuplicateError for a taken unique scope, IdTakenError for an id ever used.
        """
        shelf = self._shelf_of(artifact)
        row = shelf.codec.encode(artifact.__dict__)
        with Transaction(self, self._actor, None) as commit:
            if commit.renewed:
                shelf = self._shelf_of(artifact)
                row = shelf.codec.encode(artifact.__dict__)
            stored = shelf.codec.stamp(row, revision=1, time=commit.time())
            made = shelf.codec.decode(stored)  # before it is written: what cannot be read is not stored
            self._backend.insert(shelf.spec, [(stored, Change("add", stored[0], 1, shelf.number, stored[-1]))])
        return made  # type: ignore[no-any-return]

    @undone_when_it_raises
    def add_many(self, artifacts: Iterable[Record], *, progress: Callable[[int], object] | None = None) -> int:
        """Store many artifacts of any types, in one transaction, and return how many.

        The iterable is read as it goes, a few hundred at a time; ``progress`` is called with the count so far.
        Raises as `add` does; then none is stored.
        """
        with self.transaction() as commit:
            stream, count = iter(artifacts), 0
            while batch := list(islice(stream, BATCH)):
                self._insert_batch(batch, commit.time())
                count += len(batch)
                if progress is not None:
                    progress(count)
        return count

    def _insert_batch(self, batch: list[Record], now: int) -> None:
        by_shelf: dict[Shelf, list[tuple[Row, Change]]] = {}
        for artifact in batch:
            shelf = self._shelf_of(artifact)
            row = shelf.codec.stamp(shelf.codec.encode(artifact.__dict__), revision=1, time=now)
            by_shelf.setdefault(shelf, []).append((row, Change("add", row[0], 1, shelf.number, row[-1])))
        for shelf, entries in by_shelf.items():
            self._backend.insert(shelf.spec, entries)

    @undone_when_it_raises
    def update(self, artifact: A, /, **fields: Any) -> A:
        """Change fields of a stored artifact and return the new revision; compare-and-set on the one given.

        What is equal already is not written: with nothing new the stored artifact comes back as it is. Raises StaleRevisionError when someone wrote
        since, NotFoundError, UnknownFieldError with the nearest spelling, ValidationError, DuplicateError.
        """
        with Transaction(self, self._actor, None) as commit:
            shelf = self._shelf_of(artifact)
            before = self._at_revision(shelf, artifact)
            after = self._changed(shelf, before, fields, commit)
        return shelf.codec.decode(after)  # type: ignore[no-any-return]

    def _at_revision(self, shelf: Shelf, artifact: Record) -> Row:
        rows = self._backend.fetch(shelf.spec, [artifact.id.bytes])
        if not rows:
            raise self._missing(shelf, artifact.id)
        if rows[0][shelf.revision] != artifact.revision:
            raise StaleRevisionError(
                f"{shelf.spec.name} {artifact.id} is at revision {rows[0][shelf.revision]}, not {artifact.revision}: get it again, then decide"
                if artifact.revision
                else f"{shelf.spec.name} {artifact.id} was made here, not read from the catalogue: get it first, then change it"
            )
        return rows[0]

    def _changed(self, shelf: Shelf, before: Row, fields: Mapping[str, Any], commit: Transaction) -> Row:
        row = shelf.codec.patch(before, fields)
        if row[-1] == before[-1]:
            return before
        revision = before[shelf.revision] + 1
        after = shelf.codec.stamp(
            row, revision=revision, time=commit.time(), created=before[shelf.spec.position["created_at"]]
        )
        self._replace(shelf, before, after, "update")
        return after

    def _replace(self, shelf: Shelf, before: Row, after: Row, kind: Literal["update", "load"]) -> None:
        names = [name for name, at, _ in shelf.codec.content if before[at] != after[at]]
        at, revision = shelf.spec.position, after[shelf.revision]
        change = Change(
            kind,
            before[0],
            revision,
            shelf.number,
            after[-1],
            before[-1],
            encode({name: before[at[name]] for name in names}),
            encode({name: after[at[name]] for name in names}),
            _whole(shelf, after) if revision % CHECKPOINT_EVERY == 0 else None,
        )
        if not self._backend.replace(shelf.spec, before, after, change):
            raise StaleRevisionError(
                f"{shelf.spec.name} {UUID(bytes=before[0])} was changed meanwhile: get it again, then decide"
            )

    @undone_when_it_raises
    def update_many(self, type: type[A], /, *predicates: Predicate, **fields: Any) -> int:
        """Change fields of every artifact that fits, in one transaction; return how many changed."""
        count = 0
        with self.transaction() as commit:
            for one in self._asked(type, predicates, ()):
                one.shelf.check_writable()
                one.shelf.codec.check(fields)
                for before in one.stream(None, None):
                    count += self._changed(one.shelf, before, fields, commit) is not before
        return count

    @undone_when_it_raises
    def upsert(self, artifact: A) -> A:
        """Add the artifact, or update the stored one that holds its declared unique scope; return what is stored.

        Every field but id and status is taken from ``artifact``; when all are equal nothing is written.
        Raises ValidationError for a type without unique scope.
        """
        with Transaction(self, self._actor, None) as commit:
            return self._upserted(artifact, commit)

    def _upserted(self, artifact: A, commit: Transaction) -> A:
        shelf = self._shelf_of(artifact)
        row = shelf.codec.encode(artifact.__dict__)
        if row[-2] is None:
            raise ValidationError(
                f"type {shelf.spec.name} declares no unique scope, so there is nothing to recognise it by; use add()"
            )
        holders = shelf.select(Query(shelf.spec.name, Compare(Path("unique_key", kind="id"), "eq", row[-2]), limit=1))
        if not holders:
            return self.add(artifact)
        fields = {name: value for name, value in artifact.__dict__.items() if name not in _NOT_UPSERTED}
        return shelf.codec.decode(self._changed(shelf, holders[0], fields, commit))  # type: ignore[no-any-return]

    @undone_when_it_raises
    def delete(self, artifact: Record) -> None:
        """Delete an artifact; its id stays taken for ever, its name is free again.

        Compare-and-set on the revision given. Raises StaleRevisionError, NotFoundError.
        """
        with Transaction(self, self._actor, None) as commit:
            shelf = self._shelf_of(artifact)
            self._remove(shelf, self._at_revision(shelf, artifact), commit)

    @undone_when_it_raises
    def delete_many(self, type: type[A], *predicates: Predicate) -> int:
        """Delete every artifact that fits, in one transaction; return how many."""
        count = 0
        with self.transaction() as commit:
            for one in self._asked(type, predicates, ()):
                for before in one.stream(None, None):
                    self._remove(one.shelf, before, commit)
                    count += 1
        return count

    def _remove(self, shelf: Shelf, before: Row, commit: Transaction) -> None:
        commit.time()
        revision = before[shelf.revision] + 1
        change = Change(
            "delete", before[0], revision, shelf.number, before[-1], before[-1], before=_whole(shelf, before)
        )
        if not self._backend.delete(shelf.spec, before, change):
            raise StaleRevisionError(
                f"{shelf.spec.name} {UUID(bytes=before[0])} was changed meanwhile: get it again, then decide"
            )

    @undone_when_it_raises
    def load(self, type: type[Record], records: Iterable[Mapping[str, Any]]) -> int:
        """Import artifacts exactly as given, with id, status, owner, revision and times; return how many were written.

        Records are mappings of JSON values as `dump` makes them. One that is stored already with the same content and
        revision is passed over; one with the same id and other content replaces it. One transaction; raises as `add` does.
        """
        count = 0
        with self.transaction() as commit:
            shelf = self._types.shelf(type)
            shelf.check_writable()
            for record in records:
                count += self._load_one(shelf, loaded(shelf.codec, record), commit)
        return count

    def _load_one(self, shelf: Shelf, row: Row, commit: Transaction) -> bool:
        commit.time()
        stored = self._backend.fetch(shelf.spec, [row[0]])
        if stored and stored[0][: len(row)] == row:
            return False
        if stored:
            self._replace(shelf, stored[0], row, "load")
        else:
            self._backend.insert(
                shelf.spec, [(row, Change("load", row[0], row[shelf.revision], shelf.number, row[-1]))]
            )
        return True

    def dump(self, artifact: Record) -> dict[str, Any]:
        """Return every field of a stored artifact as JSON values, with its type; `load` takes it back."""
        shelf = self._shelf_of(artifact)
        return dumped(shelf.codec, self._at_revision(shelf, artifact))

    def dump_many(self, type: type[A], *predicates: Predicate) -> Iterator[dict[str, Any]]:
        """Yield every artifact that fits as `dump` would, by type and id."""
        for one in self._asked(type, predicates, ()):
            for row in one.stream(None, None):
                yield dumped(one.shelf.codec, row)

    # reading

    def get(
        self,
        type: type[A],
        id: UUID | str | None = None,
        *,
        name: str | None = None,
        version: Version | str | None = None,
        owner: Any = _ANY_OWNER,
    ) -> A:
        """Return one artifact by id, or by name and version (the highest version where none is given).

        ``type`` may be Record for an id of any type. Raises NotFoundError; QueryError when several owners hold
        the name and version and ``owner`` does not say which.
        """
        if id is None:
            return self._by_name(type, name, version, owner)  # type: ignore[no-any-return]
        shelf = self._types.known(type)
        if shelf is None or not isinstance(id, UUID):
            return self._by_id(type, id)  # type: ignore[no-any-return]
        rows = self._backend.fetch(shelf.spec, (id.bytes,))
        return shelf.codec.decode(rows[0]) if rows else self._by_id(type, id)  # type: ignore[no-any-return]

    def _by_id(self, type: Any, id: Any) -> Any:
        ident = id if isinstance(id, UUID) else Link(id).id
        cls = type if _artifact_class(type).__type_name__ is not None else self._class_of(ident)
        shelf = self._types.shelf(cls)
        rows = self._backend.fetch(shelf.spec, (ident.bytes,))
        if not rows:
            raise self._missing(shelf, ident)
        return shelf.codec.decode(rows[0])

    def _class_of(self, ident: UUID) -> Any:
        known = self._backend.identify([ident.bytes]).get(ident.bytes)
        if known is None or known.state != "live":
            raise NotFoundError(
                f"no artifact {ident}{' any more: it was deleted' if known is not None and known.state == 'deleted' else ''}"
            )
        return self._types.cls(known.type)

    def _missing(self, shelf: Shelf, ident: UUID) -> NotFoundError:
        known = self._backend.identify([ident.bytes]).get(ident.bytes)
        if known is not None and known.state == "deleted":
            return NotFoundError(f"no {shelf.spec.name} {ident} any more: it was deleted")
        if known is not None and known.state == "live":
            return NotFoundError(f"{ident} is one of {known.type}, not of {shelf.spec.name}")
        return NotFoundError(f"no {shelf.spec.name} {ident}")

    def _by_name(self, type: Any, name: str | None, version: Any, owner: Any) -> Any:
        if name is None:
            raise QueryError("get() needs an id, or a name with or without a version")
        if _artifact_class(type).__type_name__ is None or owner is not _ANY_OWNER:
            return self._by_owner(type, name, version, owner)
        shelf = self._types.shelf(type)
        text = None if version is None else shelf.codec.version_text(version)
        rows = self._backend.named(shelf.spec, _name(shelf, name), text, 1 if text is None else 2)
        return self._only(type, name, version, [shelf.codec.decode(row) for row in rows])

    def _by_owner(self, type: Any, name: str, version: Any, owner: Any) -> Any:
        wanted: list[Predicate] = [Compare(Path("name"), "eq", name)]
        if version is not None:
            wanted.append(Compare(Path("version"), "eq", version))
        if owner is not _ANY_OWNER:
            wanted.append(Absent(Path("owner")) if owner is None else Compare(Path("owner"), "eq", owner))
        order = () if version is not None else (Order(Path("version"), descending=True),)
        return self._only(
            type, name, version, list(self.find(type, *wanted, order_by=order, limit=1 if version is None else 2))
        )

    def _only(self, type: Any, name: str, version: Any, found: list[Any]) -> Any:
        if len(found) == 1:
            return found[0]
        what, which = type.__type_name__ or "artifact", name if version is None else f"{name} {version}"
        if not found:
            raise NotFoundError(f"no {what} {which!r}")
        raise QueryError(f"several of {what} are {which!r}: say which by owner=…, or get it by id")

    def get_many(self, type: type[A], ids: Iterable[UUID | str]) -> list[A]:
        """Return artifacts by id, in the order asked; missing ones are left out."""
        wanted = [id.bytes if isinstance(id, UUID) else Link(id).id.bytes for id in ids]
        if _artifact_class(type).__type_name__ is None:
            return self._get_any(wanted)
        shelf = self._types.shelf(type)
        return [shelf.codec.decode(row) for row in self._backend.fetch(shelf.spec, wanted)]

    def _get_any(self, wanted: list[bytes]) -> list[Any]:
        found: dict[bytes, Any] = {}
        groups: dict[str, list[bytes]] = {}
        for ident, known in self._backend.identify(wanted).items():
            groups.setdefault(known.type if known.state == "live" else "", []).append(ident)
        groups.pop("", None)
        for name, ids in groups.items():
            shelf = self._types.shelf(self._types.cls(name))
            found.update((row[0], shelf.codec.decode(row)) for row in self._backend.fetch(shelf.spec, ids))
        return [found[ident] for ident in wanted if ident in found]

    def latest(self, type: type[A], name: str, *predicates: Predicate) -> A:
        """Return the highest version of a name among what fits. Raises NotFoundError."""
        if not predicates and _artifact_class(type).__type_name__ is not None:
            return self._by_name(type, name, None, _ANY_OWNER)  # type: ignore[no-any-return]
        order = (Order(Path("version"), descending=True),)
        found = self.find(type, Compare(Path("name"), "eq", name), *predicates, order_by=order, limit=1)
        return self._only(type, name, None, list(found))  # type: ignore[no-any-return]

    def find(
        self,
        type: type[A],
        *predicates: Predicate,
        order_by: Sequence[Expr[Any] | Order] = (),
        limit: int | None = None,
        after: str | UUID | Record | None = None,
        latest: bool = False,
    ) -> Find[A]:
        """Return a query that runs when it is used: iterate it, or ask it for a page, a count, facets.

        ``type`` may be an abstract base: then every type under it is asked. Several predicates are a conjunction. ``latest`` keeps the
        highest version per type, owner and name among what fits. ``after`` is a page's cursor, or an artifact or its id.
        Raises QueryError and UnknownFieldError at once for what the type cannot answer.
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise QueryError(f"expected limit as a whole number, 0 or more, got {limit!r}")
        asked = self._asked(type, predicates, order_by, latest=latest)
        return Find(self, asked, after, limit)

    def _asked(
        self, type: Any, predicates: Sequence[Predicate], order_by: Iterable[Any], *, latest: bool = False
    ) -> list[Asked]:
        self._check_open()
        classes = [type] if _artifact_class(type).__type_name__ is not None else list(self._types.under(type))
        return [ask(self._types.shelf(cls), predicates, order_by, latest=latest) for cls in classes]

    def count(self, type: type[A], *predicates: Predicate) -> int:
        """Return how many artifacts fit."""
        return self.find(type, *predicates).count()

    def closure(
        self, artifact: Record | UUID | str, depth: int | None = None, *, backwards: bool = False
    ) -> list[Edge]:
        """Return every link that can be reached from an artifact, or backwards leads to it, in one statement.

        By depth; each link once, at its least depth; cycles end; ``depth`` bounds the hops.
        """
        if depth is not None and (type(depth) is not int or depth < 0):
            raise QueryError(f"expected depth as a whole number, 0 or more, got {depth!r}")
        start = Link(artifact).id.bytes
        return [
            Edge(UUID(bytes=each.source), each.field, UUID(bytes=each.target), each.depth)
            for each in self._backend.closure([start], depth, backwards=backwards)
        ]

    def back_links(self, artifact: Record | UUID | str) -> list[Edge]:
        """Return the links that point to an artifact."""
        return self.closure(artifact, 1, backwards=True)

    def parse(self, type: type[Record] | str, text: str | Mapping[str, Any]) -> Predicate:
        """Return the predicate of a CQL2 text, or of CQL2 JSON given as a mapping.

        Raises QuerySyntaxError with the position of the mistake, UnknownFieldError.
        """
        from metastore.cql2 import parse_json, parse_text

        spec = self._types.shelf(self._types.cls(type) if isinstance(type, str) else type).spec
        parse: Callable[..., Predicate] = parse_text if isinstance(text, str) else parse_json
        return parse(text, spec, self._types.spec)

    # types and the whole

    def register(self, *types: type[Record]) -> None:
        """Make artifact classes known to this catalogue; their tables are made at first use."""
        for each in types:
            self._types.declare(each)

    def types(self) -> list[TypeSpec]:
        """Return the spec of every type, stored or registered, by name."""
        self._types.refresh()
        return [spec for name in self._types.names() if (spec := self._types.spec(name)) is not None]

    def artifact_type(self, name: str) -> type[Any]:
        """Return the class of a type name: the registered one, else a dynamic one that behaves the same.

        Raises UnknownTypeError with the nearest spelling.
        """
        found: type[Any] = self._types.cls(name)
        return found

    @undone_when_it_raises
    def migrate(self, type: type[Record], change: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
        """Give every stored artifact of a type the new shape that ``type`` declares; return how many.

        ``change`` gets each artifact as `dump` gives it (JSON values by field name) and returns what the new declaration takes. One
        transaction; programs that know only the old declaration are refused from then on.
        """
        from metastore._migrate import migrated

        with self.transaction(message=f"migrate {type.__type_name__}") as commit:
            return migrated(self._backend, self._types, type, change, commit.time())

    def stats(self) -> dict[str, Any]:
        """Return figures: artifacts per type, changes, sizes, the longest wait for the write lock in seconds."""
        return self._backend.stats()

    def check(self) -> list[str]:
        """Audit every index and look-up against the rows; return a sentence per fault, none when all is well."""
        self._types.refresh()
        return [*self._backend.check(), *self._check_rows()]

    def _check_rows(self) -> Iterator[str]:
        for name in sorted({each.spec.name for each in self._backend.specs()}):
            shelf = self._types.shelf(self._types.cls(name))
            for row in Asked(shelf, Query(name)).stream(None, None):
                content = {field: value for field, at, usual in shelf.codec.content if (value := row[at]) != usual}
                if content_digest(name, content) != row[-1]:
                    yield f"{name} {UUID(bytes=row[0])}: the content is not what its digest says"

    def close(self) -> None:
        """Close the store; closing twice is fine."""
        self._open = False
        self._backend.close()

    def _check_open(self) -> None:
        if not self._open:
            raise ClosedError("the catalogue was closed")

    def _shelf_of(self, artifact: Record) -> Shelf:
        shelf = self._types._shelves.get(type(artifact))
        if shelf is None:
            if not isinstance(artifact, Record):
                raise ValidationError(f"expected an artifact, got {type(artifact).__name__}")
            shelf = self._types.shelf(type(artifact))
        if shelf.refusal:
            shelf.check_writable()
        return shelf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Catalog {self.id}{'' if self._open else ', closed'}>"


_NOT_UPSERTED = {"id", "status", "created_at", "updated_at", "activated_at", "revision"}


def _whole(shelf: Shelf, row: Row) -> str:
    names = [each.name for each in shelf.spec.fields]
    return encode(dict(zip(names, row, strict=False)))


def _words(given: str | None, what: str) -> str | None:
    return None if given is None else text(given, what)


def _name(shelf: Shelf, name: Any) -> str:
    field = shelf.spec.by_name.get("name")
    if field is None:
        raise QueryError(f"{shelf.spec.name} has no name; get it by id, or find it")
    return text(name, "$.name")


def _artifact_class(given: Any) -> Any:
    if not isinstance(given, type) or not issubclass(given, Record):
        raise QueryError(f"expected an artifact class to find, got {given!r:.60}")
    return given

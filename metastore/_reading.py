"""Reading: the half of a catalogue that only asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from metastore._access import Access, both
from metastore._artifact import Record
from metastore._building import shared_spec
from metastore._data import evolve
from metastore._exchange import dumped
from metastore._find import Asked, Find, ask
from metastore._link import id_of
from metastore._types import Shelf, Types, is_ours
from metastore._values import text
from metastore._version import Version
from metastore.backend import Backend, Row
from metastore.errors import ForbiddenError, NotFoundError, QueryError, StaleRevisionError
from metastore.query import Absent, Compare, Order, Path, Predicate

if TYPE_CHECKING:
    from metastore._expr import Expr
    from metastore._schema import TypeSpec

__all__ = ["Reading"]

A = TypeVar("A", bound=Record)

_ANY_OWNER: Any = object()
_MOST = 2**62
"""A limit beyond it is none: what counts rows takes no number of more than 63 bits."""
OPERATIONAL = ("metastore_garbage", "metastore_leases", "metastore_probes", "metastore_verifications")
"""Types of the engine's own that no dump carries: they tell of this catalogue's stores, for a while."""


class Reading:
    """What can be asked of a catalogue, by its owner or through one caller's eyes (`Access`)."""

    _backend: Backend
    _types: Types
    _local: threading.local
    _access: Access | None
    _cursor_key: bytes
    _patience: float

    @property
    def id(self) -> str:
        """Identity of the catalogue: the text of a UUID made when it was."""
        return self._backend.catalogue

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
        try:
            shelf = self._types.known(type)
        except TypeError:  # it has no hash, so it is no class, and below they say so
            shelf = None
        if id is None:
            return self._by_name(shelf, type, name, version, owner)  # type: ignore[no-any-return]
        if shelf is None or not isinstance(id, UUID):
            return self._by_id(type, id)  # type: ignore[no-any-return]
        rows, access = self._backend.fetch(shelf.spec, (id.int.to_bytes(16, "big"),), short=True), self._access
        if not rows:
            return self._by_id(type, id)  # type: ignore[no-any-return]
        if access is None:
            return shelf.codec.decode(rows[0])  # type: ignore[no-any-return]
        if not access.sees(shelf, rows[0]):
            raise self._missing(shelf, id)
        return access.reader(shelf)(rows[0])  # type: ignore[no-any-return]

    def _by_id(self, type: Any, id: Any) -> Any:
        ident = id_of(id)
        wanted = _artifact_class(type)
        cls = wanted if wanted.__type_name__ is not None else self._class_of(wanted, ident)
        shelf = self._types.shelf(cls)
        rows = self._visible(shelf, self._backend.fetch(shelf.spec, (ident.bytes,)))
        if not rows:
            raise self._missing(shelf if wanted.__type_name__ is not None else None, ident)
        return self._reader(shelf)(rows[0])

    def _class_of(self, wanted: Any, ident: UUID) -> Any:
        known = self._backend.identify([ident.bytes]).get(ident.bytes)
        if known is None or known.state != "live":
            raise self._missing(None, ident)
        found = self._types.cls(known.type)
        if not issubclass(found, wanted):
            raise self._missing(None, ident)
        return found

    def _visible(self, shelf: Shelf, rows: list[Row]) -> list[Row]:
        """Leave out what the caller does not see; lists give pages of thousands, so those ask the database instead."""
        access = self._access
        return rows if access is None else [row for row in rows if access.sees(shelf, row)]

    def _reader(self, shelf: Shelf) -> Callable[[Sequence[Any]], Any]:
        """Return what makes an artifact of a row, as the caller may see it."""
        access = self._access
        return shelf.codec.decode if access is None else access.reader(shelf)

    def _missing(self, shelf: Shelf | None, ident: UUID) -> NotFoundError:
        """What is there but not to be seen is missing in the same words as what never was."""
        what = "artifact" if shelf is None else shelf.spec.name
        known = self._backend.identify([ident.bytes]).get(ident.bytes) if self._access is None else None
        if known is not None and known.state == "deleted":
            return NotFoundError(f"no {what} {ident} any more: it was deleted")
        if known is not None and known.state == "live" and shelf is not None:
            return NotFoundError(f"{ident} is one of {known.type}, not of {what}")
        return NotFoundError(f"no {what} {ident}")

    def _by_name(self, shelf: Shelf | None, type: Any, name: str | None, version: Any, owner: Any) -> Any:
        if name is None:
            raise QueryError("get() needs an id, or a name with or without a version")
        if owner is not _ANY_OWNER or self._access is not None:
            return self._by_owner(type, name, version, owner)
        if shelf is None:
            if _artifact_class(type).__type_name__ is None:
                return self._by_owner(type, name, version, owner)
            shelf = self._types.shelf(type)
        text = None if version is None else shelf.codec.version_text(version)
        rows = self._backend.named(shelf.spec, _name(shelf, name), text, 1 if text is None else 2)
        return shelf.codec.decode(rows[0] if len(rows) == 1 else self._only(type, name, version, rows))

    def _by_owner(self, type: Any, name: str, version: Any, owner: Any) -> Any:
        wanted: list[Predicate] = [Compare(Path("name"), "eq", name)]
        if version is not None:
            wanted.append(Compare(Path("version"), "eq", version))
        if owner is not _ANY_OWNER:
            wanted.append(Absent(Path("owner")) if owner is None else Compare(Path("owner"), "eq", owner))
        order = () if version is not None else (Order(Path("version"), descending=True),)
        return self._only(
            type,
            name,
            version,
            list(self.find(type, *wanted, order_by=order, limit=1 if version is None else 2, unlisted=True)),
        )

    def _only(self, type: Any, name: str, version: Any, found: list[Any]) -> Any:
        if len(found) == 1:
            return found[0]
        what, which = type.__type_name__ or "artifact", name if version is None else f"{name} {version}"
        if not found:
            raise NotFoundError(f"no {what} {which!r:.400}")
        raise QueryError(f"several of {what} are {which!r:.400}: say which by owner=…, or get it by id")

    def get_many(self, type: type[A], ids: Iterable[UUID | str]) -> list[A]:
        """Return artifacts by id, in the order asked, an id given twice twice; missing ones are left out."""
        wanted = [id_of(id).bytes for id in ids]
        if _artifact_class(type).__type_name__ is None:
            return self._get_any(wanted)
        shelf = self._types.shelf(type)
        read = self._reader(shelf)
        return [read(row) for row in self._visible(shelf, self._backend.fetch(shelf.spec, wanted))]

    def _get_any(self, wanted: list[bytes]) -> list[Any]:
        found: dict[bytes, Any] = {}
        groups: dict[str, list[bytes]] = {}
        for ident, known in self._backend.identify(wanted).items():
            groups.setdefault(known.type if known.state == "live" else "", []).append(ident)
        groups.pop("", None)
        for name, ids in groups.items():
            shelf = self._types.shelf(self._types.cls(name))
            rows, read = self._visible(shelf, self._backend.fetch(shelf.spec, ids)), self._reader(shelf)
            found.update((row[0], read(row)) for row in rows)
        return [found[ident] for ident in wanted if ident in found]

    def latest(self, type: type[A], name: str, *predicates: Predicate) -> A:
        """Return the highest version of a name among what fits. Raises NotFoundError; QueryError as `get` does.

        >>> from metastore import Artifact, Catalog
        >>> class Tool(Artifact, type_name="tools"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     count = catalog.add_many(Tool(name="saw", version=version) for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"))
        ...     catalog.latest(Tool, "saw", Tool.version < "2.0.0-0").version
        Version('1.10.0')
        """
        if not predicates:
            return self.get(type, name=name)
        order = (Order(Path("version"), descending=True),)
        found = self.find(type, Compare(Path("name"), "eq", name), *predicates, order_by=order, limit=1, unlisted=True)
        return self._only(type, name, None, list(found))  # type: ignore[no-any-return]

    def find(
        self,
        type: type[A],
        *predicates: Predicate,
        order_by: Sequence[Expr[Any] | Order] = (),
        limit: int | None = None,
        after: str | UUID | Record | None = None,
        latest: bool = False,
        unlisted: bool = False,
    ) -> Find[A]:
        """Return a query that runs when it is used: iterate it, or ask it for a page, a count, facets.

        ``type`` may be an abstract base: then every type under it is asked. Several predicates are a conjunction. ``latest`` keeps the
        highest version per type, owner and name among what fits. ``after`` is a page's cursor, or an artifact or its id.
        A principal is shown its own, what is public, and shares that it accepted, without the hidden; with ``unlisted``
        all that it could get by id. The owner of the process is shown all.
        Raises QueryError and UnknownFieldError at once for what the type cannot answer, ForbiddenError.

        >>> from metastore import Artifact, Catalog, Field, field
        >>> class Tool(Artifact, type_name="tools"):
        ...     weight: Field[int] = field(default=0)
        >>> with Catalog.open("memory:") as catalog:
        ...     count = catalog.add_many([Tool(name="saw", weight=3), Tool(name="pin"), Tool(name="axe", weight=2)])
        ...     [tool.name for tool in catalog.find(Tool, Tool.weight > 1, order_by=[Tool.name])]
        ['axe', 'saw']
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise QueryError(f"expected limit as a whole number, 0 or more, got {limit!r:.40}")
        limit = None if limit is None else min(limit, _MOST)
        asked = self._asked(type, predicates, order_by, latest=latest, unlisted=unlisted)
        return Find(self, asked, after, limit)

    def _asked(
        self,
        type: Any,
        predicates: Sequence[Predicate],
        order_by: Iterable[Any],
        *,
        latest: bool = False,
        unlisted: bool = False,
    ) -> list[Asked]:
        self._check_open()
        wanted, access = _artifact_class(type), self._access
        known = self._types.known(wanted)
        if known is not None and access is None:
            return [ask(known, known.binder, predicates, order_by, latest=latest)]
        classes = [wanted] if wanted.__type_name__ is not None else list(self._types.under(wanted))
        shelves = map(self._types.shelf, classes)
        if access is None:
            return [ask(shelf, shelf.binder, predicates, order_by, latest=latest) for shelf in shelves]
        action = "get" if unlisted else "list"
        if type.__type_name__ is not None:
            access.check_list(self._types.shelf(type).spec)
        listed = [shelf for shelf in shelves if access.lists(shelf.spec)]
        return [self._asked_by(access, shelf, predicates, order_by, latest, action) for shelf in listed]

    def _asked_by(
        self,
        access: Access,
        shelf: Shelf,
        predicates: Sequence[Predicate],
        order_by: Iterable[Any],
        latest: bool,
        action: str,
    ) -> Asked:
        binder = access.binder(shelf)
        if latest and "name" in shelf.spec.by_name:
            binder.path(Path("name"))  # grouping by what may not be read would tell it
        made = ask(shelf, binder, predicates, order_by, latest=latest)
        made.query = evolve(made.query, where=both(made.query.where, access.scope(shelf.spec, action)))
        made.decode, made.read = access.reader(shelf), access.read(shelf)
        return made

    def count(self, type: type[A], *predicates: Predicate) -> int:
        """Return how many artifacts fit; for a principal, of those that `find` lists."""
        return self.find(type, *predicates).count()

    def dump(self, artifact: Record) -> dict[str, Any]:
        """Return every field of a stored artifact as JSON values, with its type; `load` takes it back.

        Without the fields that a principal may not read. Raises NotFoundError, StaleRevisionError for an older revision.
        """
        shelf = self._types.shelf(type(artifact))
        rows = self._visible(shelf, self._backend.fetch(shelf.spec, [artifact.id.bytes]))
        if not rows:
            raise self._missing(shelf, artifact.id)
        check_revision(shelf, rows[0], artifact)
        return self._dumped(shelf, rows[0])

    def dump_many(self, type: type[A], *predicates: Predicate) -> Iterator[dict[str, Any]]:
        """Yield every artifact that fits as `dump` would, by type and id.

        Of Record, the owner of the process gets what the engine keeps for itself, too (memberships, quotas), so that nothing is
        lost when all is loaded elsewhere.
        """
        asked = self._asked(type, predicates, (), unlisted=True)
        if type is Record and self._access is None:
            own = [name for name in self._types.own() if name not in OPERATIONAL]
            asked += [one for name in own for one in self._asked(self._types.cls(name), predicates, ())]
        for one in sorted(asked, key=lambda one: one.query.type):
            for row in one.stream(None, None):
                yield self._dumped(one.shelf, row)

    def _dumped(self, shelf: Shelf, row: Row) -> dict[str, Any]:
        record, access = dumped(shelf.codec, row), self._access
        return record if access is None else access.dumped(record)

    def parse(self, type: type[Record] | str, text: str | Mapping[str, Any]) -> Predicate:
        """Return the predicate of a CQL2 text, or of CQL2 JSON given as a mapping.

        A class that several types derive from, as Record, is asked for by what they have in common.
        Raises QuerySyntaxError with the position of the mistake, UnknownFieldError.

        >>> from metastore import Artifact, Catalog
        >>> class Tool(Artifact, type_name="tools"):
        ...     pass
        >>> with Catalog.open("memory:", types=[Tool]) as catalog:
        ...     saw = catalog.add(Tool(name="saw", tags=["sharp"]))
        ...     catalog.count(Tool, catalog.parse("tools", "name LIKE 's%' AND A_CONTAINS(tags, ('sharp'))"))
        1
        """
        from metastore.cql2 import parse_json, parse_text

        cls = self.artifact_type(type) if isinstance(type, str) else type
        abstract = getattr(cls, "__type_name__", "") is None  # which is found through every type of it
        spec = shared_spec(cls) if abstract else self._types.shelf(cls).spec
        parse: Callable[..., Predicate] = parse_text if isinstance(text, str) else parse_json
        return parse(text, spec, self._types.spec)

    def types(self, *, unlisted: bool = False) -> list[TypeSpec]:
        """Return the spec of every type, stored or registered, by name.

        With ``unlisted`` the owner of the process gets the engine's own that are stored, too; that they are tells of memberships and quotas.
        """
        self._types.refresh()
        names = [*self._types.names(), *(self._types.own() if unlisted and self._access is None else ())]
        return [spec for name in sorted(names) if (spec := self._types.spec(name)) is not None]

    def artifact_type(self, name: str) -> type[Any]:
        """Return the class of a type name: the registered one, else a dynamic one that behaves the same.

        Raises UnknownTypeError with the nearest spelling.
        """
        if isinstance(name, str) and is_ours(name):
            from metastore._garbage import KEPT as OF_GARBAGE
            from metastore._members import KEPT
            from metastore._quotas import KEPT as OF_QUOTAS
            from metastore._verifications import KEPT as OF_BLOBS
            from metastore.signatures._kept import KEPT as OF_SIGNATURES

            kept: dict[str, Any] = {**KEPT, **OF_QUOTAS, **OF_BLOBS, **OF_GARBAGE, **OF_SIGNATURES}
            if name in kept:
                self._types.declare(kept[name])
        found: type[Any] = self._types.cls(name)
        return found

    def _check_open(self) -> None:
        raise NotImplementedError

    def _check_ours(self, what: str) -> None:
        if self._access is not None:
            raise ForbiddenError(f"{what}() is for the owner of the process, not for a principal", rule=what)


def check_revision(shelf: Shelf, row: Row, artifact: Record) -> None:
    """Raise StaleRevisionError where an artifact is not the revision that is stored."""
    if row[shelf.revision] != artifact.revision:
        raise StaleRevisionError(
            f"{shelf.spec.name} {artifact.id} is at revision {row[shelf.revision]}, not {artifact.revision}: get it again, then decide"
            if artifact.revision
            else f"{shelf.spec.name} {artifact.id} was made here, not read from the catalogue: get it first, then change it"
        )


def _name(shelf: Shelf, name: Any) -> str:
    field = shelf.spec.by_name.get("name")
    if field is None:
        raise QueryError(f"{shelf.spec.name} has no name; get it by id, or find it")
    return text(name, "$.name")


def _artifact_class(given: Any) -> Any:
    if not isinstance(given, type) or not issubclass(given, Record):
        raise QueryError(f"expected an artifact class to find, got {given!r:.60}")
    return given

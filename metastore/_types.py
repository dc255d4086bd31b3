"""The types of one catalogue: which classes it knows, which specs it stores, and how they meet.

Types belong to a catalogue, by ``open(types=…)`` or first use; an equal redeclaration replaces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from metastore._artifact import Artifact, Record, spec_of
from metastore._bind import Binder
from metastore._codec import Codec
from metastore._dynamic import DYNAMIC, make_type
from metastore._evolution import merged
from metastore._expr import Linked
from metastore._hooks import has_hooks
from metastore._schema import ENGINE_OWNED, TypeSpec
from metastore.backend import Backend, Row, StoredSpec
from metastore.errors import DeclarationError, SchemaConflictError, UnknownTypeError, ValidationError, nearest
from metastore.query import Measure, Path, Predicate, Query

__all__ = ["OUR_LINK", "Shelf", "Types", "is_ours"]

OUR_LINK = "artifact"
"""The field by which types of the engine's own link to users' artifacts."""
_NOTHING: dict[str, Any] = {}


class Shelf:
    """One type in one catalogue: its class, the spec its rows are stored by, and the roads between."""

    def __init__(self, backend: Backend, cls: Any, stored: StoredSpec, types: Types) -> None:
        self.backend, self.cls = backend, cls
        self.spec, self.number = stored.spec, stored.number
        self.codec = Codec(cls, stored.spec, types.leads)
        self.binder = Binder(stored.spec, types.spec)
        self.id_bytes = stored.spec.position["id"]
        at = stored.spec.position
        self.revision, self.owner, self.visibility, self.status = (
            at[name] for name in ("revision", "owner", "visibility", "status")
        )
        self.initial, self.ours = stored.spec.lifecycle.initial, is_ours(stored.spec.name)
        self.hooks = has_hooks(cls)
        self.blobs = [place for place, each in enumerate(stored.spec.fields) if each.kind in ("blob", "folder")]
        self.refusal = _refusal(stored.spec) if cls.__module__ == DYNAMIC else ""

    def select(self, query: Query) -> list[Row]:
        """Return the rows of a bound query."""
        return self.backend.select(self.spec, query)

    def ids(self, where: Predicate, *, limit: int) -> list[bytes]:
        """Return the ids of artifacts that a bound predicate holds for, the first by id."""
        return [row[0] for row in self.select(Query(self.spec.name, where, limit=limit))]

    def fetch(self, ids: Sequence[bytes]) -> list[Row]:
        """Return the rows of these ids that are there."""
        return self.backend.fetch(self.spec, ids)

    def aggregate(self, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]) -> list[tuple[Any, ...]]:
        """Return the groups of a bound query."""
        return self.backend.aggregate(self.spec, query, by, measures)

    def check_writable(self) -> None:
        """Raise ValidationError for a dynamic type whose defaults only the declaring program can make."""
        if self.refusal:
            raise ValidationError(self.refusal)


def is_ours(name: str) -> bool:
    """Return whether a type is the engine's own, not the users'."""
    return name.startswith(ENGINE_OWNED)


def _refusal(spec: TypeSpec) -> str:
    return (
        f"type {spec.name} makes {', '.join(spec.hooks)} by Python code that is not here; declare the class to write it"
        if spec.hooks
        else ""
    )


class Types:
    """Every type of a catalogue; thread-safe.

    What a transaction stored is known to its thread only until it is committed: `settle` ends that.
    """

    def __init__(self, backend: Backend, in_transaction: Callable[[], bool]) -> None:
        self._backend, self._in_transaction = backend, in_transaction
        self._own = threading.local()
        self._lock = threading.RLock()
        self._declared: dict[str, Any] = {}
        self._stored: dict[str, list[StoredSpec]] = {}
        self._shelves: dict[Any, Shelf] = {}
        self.known: Callable[[Any], Shelf | None] = self._shelves.get
        """Looks up the shelf of a class that is open already."""
        self.refresh()

    def refresh(self) -> None:
        """Read the stored specs again, as after another program's write or a rollback of ours."""
        if self._in_transaction():
            self._own.stored, self._own.shelves = self._grouped(), {}
            return
        with self._lock:
            self._read()

    def _read(self) -> None:
        self._stored = self._grouped()
        self._shelves.clear()
        self._generation = sum(map(len, self._stored.values()))

    def _grouped(self) -> dict[str, list[StoredSpec]]:
        stored: dict[str, list[StoredSpec]] = {}
        for each in self._backend.specs():
            stored.setdefault(each.spec.name, []).append(each)
        return stored

    def renew(self) -> bool:
        """Take in what other programs did to the types since they were read; return whether they did.

        Called with the write lock held, so that what is written fits what is stored.
        """
        generation = self._backend.generation()
        if generation == self._generation:
            return False
        with self._lock:
            self._read()
        return True

    def mark(self) -> dict[str, Any]:
        """Return what this thread's transaction stored until now, for `settle` to go back to."""
        return {name: each.copy() for name, each in self._own.__dict__.items()}

    def settle(self, *, kept: bool, before: dict[str, Any] | None = None, own: dict[str, Any] | None = None) -> None:
        """Show every thread what this one's transaction (or that of another one, by what is its ``own``) stored, or forget it, but for what it had stored ``before``."""
        own = self._own.__dict__ if own is None else own
        if not own:
            return
        if not kept:
            self._restore(own.get("replaced", {}), {} if before is None else before.get("replaced", {}))
        if before is not None:
            own.clear()
            own.update(before)
            return
        stored, shelves, _ = own.pop("stored", {}), own.pop("shelves", {}), own.pop("replaced", {})
        if kept and (stored or shelves):
            with self._lock:
                self._stored.update(stored)
                self._generation = sum(map(len, self._stored.values()))
                self._shelves.update(shelves)

    def _restore(self, replaced: dict[str, Any], stays: dict[str, Any]) -> None:
        """Declare again what was declared before migrations that are undone."""
        for name in replaced.keys() - stays.keys():
            with self._lock:
                self._shelves.pop(self._declared.pop(name, None), None)
                if replaced[name] is not None:
                    self._declared[name] = replaced[name]

    def _known(self, name: str) -> list[StoredSpec]:
        return getattr(self._own, "stored", {}).get(name) or self._stored.get(name, [])

    def has(self, *names: str) -> bool:
        """Return whether a type of one of these names is stored, as far as this thread knows."""
        own = getattr(self._own, "stored", _NOTHING)
        return not (self._stored.keys().isdisjoint(names) and own.keys().isdisjoint(names))

    def _put(self, name: str, known: list[StoredSpec]) -> None:
        if self._in_transaction():
            self._own.__dict__.setdefault("stored", {})[name] = known
        else:
            self._stored[name] = known
            self._generation = sum(map(len, self._stored.values()))

    def declare(self, cls: Any) -> None:
        """Make a class known, and the classes its links lead to; the database is not touched."""
        if not isinstance(cls, type) or not issubclass(cls, Record):
            raise DeclarationError(f"expected an artifact class, got {cls!r:.60}")
        name = cls.__type_name__
        if name is None or self._declared.get(name) is cls:
            return
        with self._lock:
            old = self._declared.get(name)
            self._declared[name] = cls
            if old is not None:
                self._shelves.pop(old, None)
                getattr(self._own, "shelves", {}).pop(old, None)
        for each in _linked(cls):
            self.declare(each)

    def shelf(self, cls: Any) -> Shelf:
        """Return where artifacts of a class stand; its type is stored, or widened, at first use.

        Raises SchemaConflictError where declared and stored type cannot live together, UnknownTypeError
        where a read-only catalogue does not hold the type.
        """
        try:
            found = self._shelves.get(cls) or getattr(self._own, "shelves", {}).get(cls)
        except TypeError:  # it has no hash, so it is no class
            found = None
        return found if found is not None else self._open(cls)

    def _open(self, cls: Any) -> Shelf:
        # no lock is held while the store's write lock is waited for: its holder may come here, too
        before = self._declared.get(getattr(cls, "__type_name__", None) or "")
        self.declare(cls)
        try:
            made = Shelf(self._backend, cls, self._agree(spec_of(cls)), self)
        except SchemaConflictError:
            if before is not None:  # which may live with what is stored: what is refused takes no place
                with self._lock:
                    self._declared[cls.__type_name__] = before
            raise
        shelves = self._own.__dict__.setdefault("shelves", {}) if self._in_transaction() else self._shelves
        shelves[cls] = made
        return made

    def _agree(self, declared: TypeSpec) -> StoredSpec:
        known = self._known(declared.name)
        agreed = _agreed(declared, known)
        if agreed is not None:
            return agreed
        if self._backend.read_only:
            self.refresh()  # another program may have stored it since
            known = self._known(declared.name)
            return _agreed(declared, known) or self._as_stored(declared, known)
        with self._backend.transaction():
            known = self._store(declared)
        self._put(declared.name, known)
        return known[-1]

    def _as_stored(self, declared: TypeSpec, known: list[StoredSpec]) -> StoredSpec:
        if not known:
            raise UnknownTypeError(
                f"the catalogue holds no type {declared.name!r} and is open read-only: {nearest(declared.name, self._stored)}"
            )
        merged(known[-1].spec, declared)
        return known[-1]

    def _store(self, declared: TypeSpec) -> list[StoredSpec]:
        known = self._backend.specs(declared.name)
        if _agreed(declared, known) is not None:
            return known
        spec = merged(known[-1].spec, declared) if known else declared
        made = StoredSpec(len(known) + 1, spec)
        self._backend.ensure(spec, made.number)
        return [*known, made]

    def spec(self, name: str) -> TypeSpec | None:
        """Return the spec of a type name, stored or else declared; ``None`` where it is neither."""
        known = self._known(name)
        if known:
            return known[-1].spec
        cls = self._declared.get(name)
        return spec_of(cls) if cls is not None else None

    def cls(self, name: str) -> Any:
        """Return the class of a type name: the declared one, else a dynamic one. Raises UnknownTypeError."""
        found = self._declared.get(name) if isinstance(name, str) else None
        if found is not None:
            return found
        if isinstance(name, str) and not self._known(name):
            self.refresh()
        if not isinstance(name, str) or not self._known(name):
            raise UnknownTypeError(f"the catalogue holds no type {name!r}: {nearest(str(name), self.names())}")
        with self._lock:
            made = self._declared[name] = make_type(self._known(name)[-1].spec, self.cls)
            return made

    def names(self) -> list[str]:
        """Return the names of every stored or declared type but the engine's own, sorted."""
        every = {*self._stored, *getattr(self._own, "stored", {}), *self._declared}
        return sorted(name for name in every if not is_ours(name))

    def own(self) -> list[str]:
        """Return the names of the engine's own types that are stored, sorted."""
        return sorted(name for name in {*self._stored, *getattr(self._own, "stored", {})} if is_ours(name))

    def under(self, cls: Any) -> Iterator[Any]:
        """Yield the classes that a find of ``cls`` asks: itself, or for an abstract base every type under it."""
        if cls.__type_name__ is not None:
            yield cls
            return
        self.refresh()
        # only stored ones have artifacts, and asking must not store the others
        every = (self.cls(name) for name in self.names() if self._known(name))
        if cls not in (Record, Artifact):
            every = (each for each in every if issubclass(each, cls))
        yield from (each for each in every if cls is not Artifact or "name" in each.__fields_by_name__)

    def live(self, ident: UUID) -> str | None:
        """Return the name of the type that a live artifact is of; nothing for any other id."""
        known = self._backend.identify([ident.bytes]).get(ident.bytes)
        return known.type if known is not None and known.state == "live" else None

    def leads(self, target: str, ident: UUID) -> bool:
        """Return whether a link to a type (empty: to any) leads to a live artifact of it, whoever may see that."""
        name = self.live(ident)
        return name is not None and target in ("", name)

    def replace(self, cls: Any, stored: StoredSpec) -> None:
        """Take in a migrated type, within the transaction that migrates it; no class of before is written by any more."""
        name = stored.spec.name
        with self._lock:
            self._own.__dict__.setdefault("replaced", {}).setdefault(name, self._declared.get(name))
            self._declared[name] = cls
            for each in [each for each, shelf in self._shelves.items() if shelf.spec.name == name]:
                self._shelves.pop(each, None)
            self.refresh()


def _agreed(declared: TypeSpec, known: list[StoredSpec]) -> StoredSpec | None:
    """The latest stored spec, where the declared one is it or a former one that is still good."""
    if not known:
        return None
    broken_at = max((each.number for each in known if each.breaking), default=0)
    same = [each for each in known if each.spec.digest == declared.digest]
    if same and same[-1].number < broken_at:
        raise SchemaConflictError(
            f"type {declared.name} was migrated since this program was written; it needs the newer declaration"
        )
    if same or merged(known[-1].spec, declared).digest == known[-1].spec.digest:
        return known[-1]
    return None


def _linked(cls: Any) -> Iterator[Any]:
    for name, each in cls.__fields_by_name__.items():
        if isinstance(getattr(cls, name), Linked):
            target = each.target()
            if target.__type_name__ is not None and target is not cls:
                yield target

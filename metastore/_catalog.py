"""Catalog: the one room that sees all the others."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from metastore._access import Access
from metastore._admission import admit_urls
from metastore._artifact import Record
from metastore._changing import words
from metastore._codec import content_digest
from metastore._find import Asked, Find
from metastore._following import Edge
from metastore._governing import Governing
from metastore._ids import shown_id
from metastore._integrity import strays
from metastore._keeping import Keeping
from metastore._mirroring import Mirroring
from metastore._plugins import open_backend
from metastore._transaction import atomic
from metastore._types import Shelf, Types, is_ours
from metastore.backend import Backend
from metastore.errors import ClosedError, DamagedError, ValidationError
from metastore.query import Query

if TYPE_CHECKING:
    from metastore._principal import Principal
    from metastore.policy import Policy, Protections
    from metastore.signatures import Trust
    from metastore.stores import Stores

__all__ = ["Catalog", "Edge"]


class Catalog(Governing, Keeping, Mirroring):
    """A catalogue of artifacts in one store. Open it with `Catalog.open`, close it, or use it in ``with``.

    Thread-safe, process-safe and fork-safe. Every method that writes is one transaction, or part of the one that is
    open in its thread; it raises before anything is written, or undoes what it wrote. As opened it is the owner's of the
    process, whom no policy binds; `as_` gives it as one caller may use it.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        actor: str | None = None,
        cursor_key: bytes | None = None,
        policy: Policy | None = None,
        protections: Protections | None = None,
        stores: Stores | None = None,
        trust: Trust | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._patience, self._stores, self._trust = timeout, stores, trust
        self._backend, self._policy, self._protections = backend, policy, protections
        self._access: Access | None = None
        self._root: Catalog = self
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
        policy: Policy | None = None,
        protections: Protections | None = None,
        stores: Stores | None = None,
        trust: Trust | None = None,
    ) -> Self:
        """Open, or make, the catalogue at an address: a path, ``sqlite:///path``, ``memory:``, ``postgresql://user@host/database``, ``mysql://…``.

        ``durability="full"`` survives power loss, ``"normal"`` a crash of the process. ``timeout`` bounds the wait for the
        write lock, and the time for doing again what the database undid (`RetryError`), in seconds. ``actor`` is written into the history. ``cursor_key`` keeps cursors good across processes.
        ``policy`` and ``protections`` bind principals (see `as_`); the policy is ``Policy.default()`` unless given.
        ``stores`` are where bytes may be read and written (`metastore.stores`); without any, references are kept and nothing is opened.
        ``trust`` says which keys are believed, and which types hand out bytes only if they are signed (`metastore.signatures`).
        Raises CatalogUrlError, NotACatalogError, NewerRevisionError, DamagedError, ReadOnlyError.

        >>> with Catalog.open("memory:") as catalog:
        ...     catalog.stats()["artifacts"]
        {}
        """
        if mode not in ("rw", "ro") or durability not in ("full", "normal"):
            raise ValidationError(
                f"expected mode rw or ro and durability full or normal, got {mode!r} and {durability!r}"
            )
        words(actor, "actor")
        backend = open_backend(url, mode=mode, durability=durability, timeout=timeout)
        try:
            made = cls(
                backend,
                actor=actor,
                cursor_key=cursor_key,
                policy=policy,
                protections=protections,
                stores=stores,
                trust=trust,
                timeout=timeout,
            )
            made.register(*types)
        except BaseException:
            backend.close()
            raise
        return made

    def as_(self, principal: Principal) -> Self:
        """Return the same catalogue through a caller's eyes: what the caller does not see is not there, what the policy denies is refused.

        It costs one object and no query, shares transactions with the catalogue it is made from, and is closed with it.
        Only the owner of the process makes one: raises ForbiddenError on a view.

        >>> from metastore import Artifact, Principal
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     mine = catalog.as_(Principal(user="ann", project="p1", roles=["member"]))
        ...     note = mine.add(Note(name="draft"))
        ...     note.owner, catalog.as_(Principal(project="p2")).count(Note)
        ('p1', 0)
        """
        from metastore._principal import Principal

        self._check_ours("as_")
        if not isinstance(principal, Principal):
            raise ValidationError(f"expected a Principal, got {type(principal).__name__} {principal!r:.60}")
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._access = Access(principal, self._policy_in_force(), self._protections, self._types, self._is_internal)
        view._actor = principal.user or principal.project or self._root._actor
        return view

    def _is_internal(self, url: str) -> bool:
        """Whether a store of ours gives out what lies at a url, and not the public web."""
        if not self._root._stores:
            return False
        name = self._configured.covering(url)
        return name is not None and self._configured[name].internal

    def _policy_in_force(self) -> Policy:
        if self._root._policy is None:
            from metastore.policy import Policy

            self._root._policy = Policy.default()
        return self._root._policy

    def _engine(self) -> Catalog:
        return self._root

    # types and the whole

    def register(self, *types: type[Record]) -> None:
        """Make artifact classes known to this catalogue; their tables are made at first use. Raises ForbiddenError for a principal."""
        self._check_ours("register")
        for each in types:
            self._types.declare(each)

    @atomic
    def migrate(self, type: type[Record], change: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
        """Give every stored artifact of a type the new shape that ``type`` declares; return how many.

        ``change`` gets each artifact as `dump` gives it (JSON values by field name) and returns what the new declaration takes. One
        transaction; programs that know only the old declaration are refused from then on.
        """
        from metastore._migrate import migrated

        self._check_ours("migrate")
        with self.transaction(message=f"migrate {type.__type_name__}") as commit:
            commit.time()
            return migrated(self._backend, self._types, type, change, lambda urls: admit_urls(self, urls))

    def stats(self) -> dict[str, Any]:
        """Return figures: artifacts per type, changes, sizes, the longest wait for the write lock in seconds.

        A principal gets the count of visible artifacts per type, and nothing else.
        """
        if self._access is not None:
            counts = {
                one.shelf.spec.name: Find(self, [one], None, None).count()
                for one in self._asked(Record, (), (), unlisted=True)
            }
            return {"artifacts": {name: count for name, count in counts.items() if count}}
        figures = self._backend.stats()
        return {
            **figures,
            "artifacts": {name: count for name, count in figures["artifacts"].items() if not is_ours(name)},
        }

    def check(self) -> list[str]:
        """Audit every index and look-up against the rows; return a sentence per fault, none when all is well.

        Signatures and memberships of artifacts that are not there are told, too: they were imported without them.
        """
        self._check_ours("check")
        self._types.refresh()
        return [*self._backend.check(), *self._check_rows(), *strays(self._backend, self._types)]

    def _check_rows(self) -> Iterator[str]:
        for name in sorted({each.spec.name for each in self._backend.specs()}):
            shelf = self._types.shelf(self._types.cls(name))
            try:
                for row in Asked(shelf, shelf.binder, Query(name)).stream(None, None):
                    yield from (f"{name} {shown_id(row[0])}: {fault}" for fault in _faults(shelf, row))
            except DamagedError as error:
                yield f"not every row of {name} can be looked at: {error}"

    def close(self) -> None:
        """Close the store; closing twice is fine. A principal's view is closed with its catalogue, not by itself."""
        if self._root is not self:
            return
        self._open = False
        self._backend.close()

    def _check_open(self) -> None:
        if not self._root._open:
            raise ClosedError("the catalogue was closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        seen_by = "" if self._access is None else f" as {self._access.caller!r}"
        return f"<Catalog {self.id}{seen_by}{'' if self._root._open else ', closed'}>"


def _faults(shelf: Shelf, row: Sequence[Any]) -> Iterator[str]:
    codec = shelf.codec
    content = {field: value for field, at, usual in codec.content if (value := row[at]) != usual}
    if content_digest(shelf.spec.name, content) != row[-1]:
        yield "the content is not what its digest says"
    if codec.key_of(row) != row[-2]:
        yield "unique_key is not what its fields say"
    try:
        codec.decode(row)
    except DamagedError as error:
        yield f"it cannot be read ({type(error.__cause__).__name__})"

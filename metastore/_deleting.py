"""Deleting: what goes, what goes with it, and what stands against it."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from metastore._artifact import Record
from metastore._changing import overtaken, whole
from metastore._hooked import hooked
from metastore._integrity import Holder, holders, refuse, without
from metastore._steps import placed
from metastore._transaction import Transaction, atomic
from metastore._types import Shelf
from metastore._writing import Writing
from metastore.backend import Change, Row
from metastore.errors import ProtectedError
from metastore.query import Predicate

__all__ = ["Deleting"]

A = TypeVar("A", bound=Record)


class Deleting(Writing):
    """What takes artifacts away; the tombstone stays, and the id is never free again."""

    @atomic
    def delete(self, artifact: Record) -> None:
        """Delete an artifact; its id stays taken for ever, its name is free again.

        The other artifacts of its owner that link to it do what their fields declare by ``on_delete``: they restrict (LinkedError), let
        go, or go with it. Compare-and-set on the revision given. Raises StaleRevisionError, NotFoundError, ProtectedError
        for what is protected or on hold, ForbiddenError, VetoError.

        >>> from metastore import Artifact, Catalog, Field, Link, field
        >>> class Page(Artifact, type_name="pages"):
        ...     under: Field[Link["Page"] | None] = field(default=None, on_delete="cascade")
        >>> with Catalog.open("memory:") as catalog:
        ...     top = catalog.add(Page(name="top"))
        ...     below = catalog.add(Page(name="below", under=Link(top)))
        ...     catalog.delete(top)
        ...     catalog.count(Page)
        0
        """
        self._delete(self._shelf_of(artifact), artifact, {artifact.id.bytes})

    def _delete(self, shelf: Shelf, artifact: Record, going: set[bytes]) -> None:
        if shelf.hooks:
            hooked(
                self, shelf, ("delete",), self._stored(shelf, artifact),
                lambda: self._check_removable(shelf, self._at_revision(shelf, artifact)),
                lambda: self._stored_delete(artifact, going),
            )  # fmt: skip
        else:
            self._stored_delete(artifact, going)

    def _stored_delete(self, artifact: Record, going: set[bytes]) -> None:
        with Transaction(self, self._actor, None) as commit:
            shelf = self._shelf_of(artifact)
            self._remove(shelf, self._at_revision(shelf, artifact), commit, going)

    @atomic
    def delete_many(self, type: type[A], *predicates: Predicate) -> int:
        """Delete every artifact that fits, in one transaction; return how many fitted.

        Links among them restrict nothing. Raises as `delete` does; then none is deleted.
        """
        with self.transaction() as commit:
            asked = self._asked(type, predicates, (), unlisted=True)
            ids = [(one, [row[0] for row in one.stream(None, None)]) for one in asked]
            going = {ident for _, each in ids for ident in each}
            for one, each in ids:
                self._check_writable(one.shelf)
                for ident in each:
                    self._delete_one(one.shelf, ident, commit, going)
        return sum(len(each) for _, each in ids)

    def _delete_one(self, shelf: Shelf, ident: bytes, commit: Transaction, going: set[bytes]) -> None:
        rows = self._backend.fetch(shelf.spec, [ident])  # a cascade may have taken it already
        if rows and shelf.hooks:
            self._delete(shelf, self._reader(shelf)(rows[0]), going)
        elif rows:
            self._remove(shelf, rows[0], commit, going)

    def _remove(self, shelf: Shelf, before: Row, commit: Transaction, going: set[bytes]) -> None:
        """Take an artifact away, and what goes with it; ``going`` are the ids that are going anyhow."""
        self._check_removable(shelf, before)
        for holder in holders(self._backend, self._types, shelf, before):
            if holder.row[0] in going:
                continue
            if holder.on_delete == "restrict" or (holder.on_delete == "cascade" and not self._takes_along(holder)):
                raise refuse(shelf, before, holder, self._names)
            if holder.on_delete == "cascade":
                going.add(holder.row[0])
                self._delete_one(holder.shelf, holder.row[0], commit, going)
            else:
                self._let_go(holder, before[0], commit)
        self._erase(shelf, before, commit)

    def _takes_along(self, holder: Holder) -> bool:
        """Whether what links may go with what it links to: a caller deletes nothing that it does not see, and is not told why it stays."""
        return holder.shelf.ours or self._sees(holder.shelf, holder.row)

    def _let_go(self, holder: Holder, ident: bytes, commit: Transaction) -> None:
        for row in self._backend.fetch(holder.shelf.spec, [holder.row[0]]):  # what went before may have changed it
            after = placed(holder.shelf, row, without(holder, row, ident))
            if after[-1] != row[-1]:
                self._written(holder.shelf, [(row, after)], commit)

    def _names(self, holder: Holder) -> bool:
        """Whether the caller may be told of that link."""
        readable = self._access is None or self._access.reads(holder.field)
        return readable and self._sees(holder.shelf, holder.row)

    def _sees(self, shelf: Shelf, row: Row) -> bool:
        return bool(self._visible(shelf, [row]))

    def _check_removable(self, shelf: Shelf, row: Row) -> None:
        at = shelf.spec.position
        if self._access is not None and not shelf.ours:
            self._access.check(shelf, "delete", shelf.codec.decode(row).__dict__)
        if row[at["hold"]] is not None:
            why = f" ({row[at['hold']]})" if self._access is None or self._access.reads("hold") else ""
            raise ProtectedError(f"{shelf.spec.name} {UUID(bytes=row[0])} is on hold{why}: release it first")
        if row[at["protected"]]:
            raise ProtectedError(
                f"{shelf.spec.name} {UUID(bytes=row[0])} is protected: update it with protected=False first"
            )

    def _erase(self, shelf: Shelf, before: Row, commit: Transaction) -> None:
        commit.time()
        revision = before[shelf.revision] + 1
        change = Change("delete", before[0], revision, shelf.number, before[-1], before[-1], whole(shelf, before))
        if not self._backend.delete(shelf.spec, before, change):
            raise overtaken(shelf, before[0])

"""Changing: how what is stored becomes another revision; writing and deleting stand on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

from metastore._admission import admit
from metastore._artifact import Record
from metastore._following import Following
from metastore._hooked import hooked
from metastore._json import encode
from metastore._reading import check_revision
from metastore._steps import Put, Step, actions_of, stepped
from metastore._transaction import Transaction, atomic
from metastore._types import Shelf
from metastore._values import text
from metastore.backend import CHECKPOINT_EVERY, Change, Row
from metastore.errors import DuplicateError, StaleRevisionError, UnknownTypeError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["Changing", "change_of", "overtaken", "whole", "words"]

A = TypeVar("A", bound=Record)
T = TypeVar("T")


class Changing(Following):
    """Transactions, and one artifact changed in them.

    The life cycle, protection, link integrity and quotas bind everybody, the policy every principal.
    """

    _actor: str | None

    def _engine(self) -> Catalog:
        """The catalogue as the owner of the process has it, for what the engine keeps for itself."""
        raise NotImplementedError

    def transaction(self, *, message: str | None = None, actor: str | None = None) -> AbstractContextManager[Any]:
        """Return a context in which all writes are one: they land together or not at all.

        It takes the write lock at its start and nests: an inner one that raises undoes itself only. ``message`` and ``actor`` of
        the outermost are kept in the history. Raises BusyError when the lock was not to be had in time, ForbiddenError for
        a principal that names another actor than itself.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog, catalog.transaction(message="both or none"):
        ...     notes = [catalog.add(Note(name=name)) for name in ("first", "second")]
        """
        if actor is not None and actor != self._actor:
            self._check_ours("transaction(actor=…)")
        return Transaction(self, words(actor, "actor") or self._actor, words(message, "message"))

    @atomic
    def run(self, work: Callable[[], T], *, message: str | None = None, actor: str | None = None) -> T:
        """Call ``work`` in a transaction, and return what it returns; call it anew where the database undid all of it.

        Server databases undo a transaction when another one came before it, or when their node dies: what stands in ``with
        catalog.transaction()`` then raises RetryError, since nobody can run a block of yours twice, and what is given here is run again,
        until the catalogue's timeout. So it should change nothing but the catalogue. Inside a transaction it is part of that one.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     note = catalog.add(Note(name="count", properties={"n": 1}))
        ...     def increment():
        ...         read = catalog.get(Note, note.id)
        ...         return catalog.update(read, properties={"n": read.properties["n"] + 1})
        ...     catalog.run(increment).properties
        {'n': 2}
        """
        with self.transaction(message=message, actor=actor):
            return work()

    @atomic
    def update(self, artifact: A, /, **fields: Any) -> A:
        """Change fields of a stored artifact and return the new revision; compare-and-set on the one given.

        What is equal already is not written: with nothing new the stored artifact comes back as it is. Raises StaleRevisionError when someone wrote
        since, NotFoundError, UnknownFieldError with the nearest spelling, ValidationError (status, visibility and owner
        change by actions), DuplicateError, QuotaError, FrozenFieldError for what its state does not let change, ForbiddenError, VetoError.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     old = catalog.add(Note(name="first"))
        ...     new = catalog.update(old, description="a word")
        ...     catalog.update(old, description="another")
        Traceback (most recent call last):
        metastore.errors.StaleRevisionError: ... is at revision 2, not 1: get it again, then decide
        """
        return self._change(artifact, (fields,))  # type: ignore[no-any-return]

    @atomic
    def change(self, artifact: A, *steps: Step) -> A:
        """Take several steps at once, each seeing what the one before left, and return the new revision; all or none.

        A step is a mapping of fields to values, or the name of an action: a transition of the type's life cycle, or publish,
        unpublish, communitize. It is one revision. Raises as `update` does; TransitionError for an action that the state, or a
        field without value, stands against.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     note = catalog.change(catalog.add(Note(name="first")), {"tags": ["new"]}, "activate", "publish")
        ...     note.status, note.visibility, note.revision
        ('active', 'public', 2)
        """
        return self._change(artifact, steps)  # type: ignore[no-any-return]

    def _change(self, artifact: Any, steps: tuple[Step | Put, ...]) -> Any:
        if not self._shelf_of(artifact).hooks:
            return self._stored_change(artifact, steps)
        return self._around(artifact, steps, lambda: self._stored_change(artifact, steps))

    def _around(self, artifact: Any, steps: tuple[Step | Put, ...], act: Callable[[], Any]) -> Any:
        """Do what steps amount to, with their hooks around it."""
        shelf = self._shelf_of(artifact)
        if shelf.hooks:
            before = self._stored(shelf, artifact)
            return hooked(self, shelf, actions_of(steps), before, lambda: self._preview(artifact, steps), act)
        return act()

    def _stored(self, shelf: Shelf, artifact: Any) -> Any:
        """What is stored of an artifact, for hooks: the one given may have been made by hand."""
        return self._reader(shelf)(self._at_revision(shelf, artifact))

    def _stored_change(self, artifact: Any, steps: tuple[Step | Put, ...]) -> Any:
        with Transaction(self, self._actor, None) as commit:
            shelf = self._shelf_of(artifact)
            before = self._at_revision(shelf, artifact)
            # made before it is kept, as what is added is; and what was just in use costs half of what the disk's answer left of it
            return self._reader(shelf)(self._changed(shelf, [(before, steps)], commit)[0])

    def _preview(self, artifact: Any, steps: tuple[Step | Put, ...]) -> Any:
        """What the artifact would be; for hooks that run before the write lock is taken."""
        shelf = self._shelf_of(artifact)
        row = self._at_revision(shelf, artifact)
        now = row[shelf.spec.position["updated_at"]]
        for step in steps:
            row = stepped(shelf, row, step, self._access, lambda: now)
        return self._reader(shelf)(row)

    def _at_revision(self, shelf: Shelf, artifact: Record) -> Row:
        rows = self._backend.fetch(shelf.spec, (artifact.id.bytes,))
        if self._access is not None:
            rows = self._visible(shelf, rows)
        if not rows:
            raise self._missing(shelf, artifact.id)
        check_revision(shelf, rows[0], artifact)
        return rows[0]

    def _changed(
        self, shelf: Shelf, asked: Sequence[tuple[Row, Sequence[Step | Put]]], commit: Transaction
    ) -> list[Row]:
        """Take the steps of each row, write what differs, all at once, and return the rows as they then are stored."""
        made = [(before, self._stepped(shelf, before, steps, commit)) for before, steps in asked]
        return self._written(shelf, made, commit)

    def _stepped(self, shelf: Shelf, before: Row, steps: Sequence[Step | Put], commit: Transaction) -> Row:
        """Return what the steps make of a row: the row itself where nothing is to be written."""
        row, access = before, self._access
        for step in steps:
            row = stepped(shelf, row, step, access, commit.time)
        if row[-1] != before[-1] or (
            access is not None and any(access.blind(each) for each in steps if isinstance(each, dict))
        ):
            return row
        return before

    def _written(self, shelf: Shelf, made: Sequence[tuple[Row, Row]], commit: Transaction) -> list[Row]:
        """Write each row that is not the very one before it in its place, and return all as they then are stored."""
        stored, changed, created = list[Row](), list[tuple[Row, Row]](), shelf.spec.position["created_at"]
        for before, row in made:
            after = before
            if row is not before:
                revision = before[shelf.revision] + 1
                after = shelf.codec.stamp([*row], revision=revision, time=commit.time(), created=before[created])
                changed.append((before, after))
            stored.append(after)
        if changed:
            admit(self, shelf, changed)
            self._replace(shelf, changed, "update")
        return stored

    def _replace(self, shelf: Shelf, pairs: Sequence[tuple[Row, Row]], kind: Literal["update", "load"]) -> None:
        """Write rows in the place of others, with what the history tells of each."""
        told = [(before, after, change_of(shelf, before, after, kind)) for before, after in pairs]
        try:
            late = self._backend.replace(shelf.spec, told)
        except DuplicateError:
            if self._access is None or all(map(self._access.reads, shelf.spec.unique)):
                raise
            raise DuplicateError(
                f"another of {shelf.spec.name} already has the same {', '.join(shelf.spec.unique)}; change one, or update the other"
            ) from None  # the backend's words have the values
        if late:
            raise overtaken(shelf, late[0])

    def _shelf_of(self, artifact: Record) -> Shelf:
        shelf = self._types._shelves.get(type(artifact))
        if shelf is None:
            if not isinstance(artifact, Record):
                raise ValidationError(f"expected an artifact, got {type(artifact).__name__}")
            shelf = self._types.shelf(type(artifact))
        if shelf.refusal or shelf.ours:
            self._check_writable(shelf)
        return shelf

    def _check_writable(self, shelf: Shelf) -> None:
        shelf.check_writable()
        if shelf.ours and self._access is not None:
            raise UnknownTypeError(f"a principal does not write {shelf.spec.name}: the actions on artifacts do")


def words(given: str | None, what: str) -> str | None:
    """Return a text for the history, checked, or nothing."""
    return None if given is None else text(given, what)


def change_of(shelf: Shelf, before: Row, after: Row, kind: Literal["update", "load"]) -> Change:
    """Return what the history tells of a row that takes the place of another."""
    revision = after[shelf.revision]
    differ = [(name, at) for name, at, _ in shelf.codec.content if before[at] != after[at]]
    return Change(
        kind,
        before[0],
        revision,
        shelf.number,
        after[-1],
        before[-1],
        encode({name: before[at] for name, at in differ}),
        encode({name: after[at] for name, at in differ}),
        whole(shelf, after) if revision % CHECKPOINT_EVERY == 0 else None,
    )


def overtaken(shelf: Shelf, ident: bytes) -> StaleRevisionError:
    """Return the error of a write that another one came before."""
    return StaleRevisionError(f"{shelf.spec.name} {UUID(bytes=ident)} was changed meanwhile: get it again, then decide")


def whole(shelf: Shelf, row: Row) -> str:
    """Return the fields of a row as the history keeps them."""
    return encode(dict(zip(shelf.codec.names, row, strict=False)))

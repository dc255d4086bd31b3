"""Writing: adding, changing what is found, importing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from metastore._admission import admit, admit_references
from metastore._artifact import Record
from metastore._changing import Changing
from metastore._exchange import loaded
from metastore._hooked import hooked
from metastore._transaction import Transaction, atomic, read_once
from metastore._types import Shelf
from metastore.backend import Change, Row
from metastore.errors import ValidationError
from metastore.query import Compare, Order, Path, Predicate, Query

if TYPE_CHECKING:
    from metastore._find import Asked

__all__ = ["Writing"]

A = TypeVar("A", bound=Record)
BATCH = 500
"""Artifacts handed to the backend at once when many are added."""

_GOVERNED = {"status", "owner", "visibility", "hidden", "protected", "hold", "expires_at"}
_NOT_UPSERTED = {"id", *_GOVERNED, "created_at", "updated_at", "activated_at", "revision"}


class Writing(Changing):
    """What fills a catalogue, one by one and many at once."""

    # adding

    @atomic
    def add(self, artifact: A) -> A:
        """Store a new artifact and return it as stored: with times, and revision 1.

        It begins in the first state of its type's life cycle, as its own owner's; what a principal adds is its project's unless it
        may transfer. Raises ValidationError, DuplicateError for a taken unique scope, IdTakenError for an id ever used,
        QuotaError, ForbiddenError, VetoError.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     note = catalog.add(Note(name="first"))
        ...     note.revision, note.status, note.visibility
        (1, 'drafted', 'private')
        """
        shelf = self._shelf_of(artifact)
        if shelf.hooks:
            return hooked(  # type: ignore[no-any-return]
                self, shelf, ("create",), None, lambda: self._begun(shelf, artifact), lambda: self._add(shelf, artifact)
            )
        return self._add(shelf, artifact)  # type: ignore[no-any-return]

    def _add(self, shelf: Shelf, artifact: Any) -> Any:
        row = self._new_row(shelf, artifact)
        with Transaction(self, self._actor, None) as commit:
            if commit.renewed:
                shelf = self._shelf_of(artifact)
                row = self._new_row(shelf, artifact)
            stored = shelf.codec.stamp(row, revision=1, time=commit.time())
            made = self._reader(shelf)(stored)  # before it is written: what cannot be read is not stored
            admit(self, shelf, [(None, stored)])
            self._backend.insert(shelf.spec, [(stored, Change("add", stored[0], 1, shelf.number, stored[-1]))])
        return made

    def _begun(self, shelf: Shelf, artifact: Any) -> Any:
        """What would be added; for hooks that run before it is."""
        self._new_row(shelf, artifact)
        if self._access is None:
            return artifact
        made = object.__new__(type(artifact))
        made.__dict__.update(self._access.claimed(shelf, artifact.__dict__))
        return made

    def _new_row(self, shelf: Shelf, artifact: Record) -> list[Any]:
        values: Mapping[str, Any] = artifact.__dict__
        if values["activated_at"] is not None:
            values = {**values, "activated_at": None}
        row = shelf.codec.encode(values if self._access is None else self._access.claimed(shelf, values))
        if row[shelf.status] != shelf.initial:
            raise ValidationError(
                f"one of {shelf.spec.name} begins as {shelf.initial}, got {row[shelf.status]!r} at $.status: add it, then act on it; only load() takes a status as given"
            )
        return row

    @atomic
    def add_many(self, artifacts: Iterable[Record], *, progress: Callable[[int], object] | None = None) -> int:
        """Store many artifacts of any types, in one transaction, and return how many.

        The iterable is read as it goes, a few hundred at a time; ``progress`` is called with the count so far.
        Raises as `add` does; then none is stored. Hooks run for each, inside the transaction.
        """
        with read_once(artifacts), self.transaction() as commit:
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
            if shelf.hooks:
                self.add(artifact)
                continue
            row = shelf.codec.stamp(self._new_row(shelf, artifact), revision=1, time=now)
            by_shelf.setdefault(shelf, []).append((row, Change("add", row[0], 1, shelf.number, row[-1])))
        for shelf, entries in by_shelf.items():
            admit(self, shelf, [(None, row) for row, _ in entries])
            self._backend.insert(shelf.spec, entries)

    # changing what is found

    @atomic
    def update_many(self, type: type[A], /, *predicates: Predicate, **fields: Any) -> int:
        """Change fields of every artifact that fits, in one transaction; return how many changed.

        Of a principal, every one that it sees and that fits: one that it may not change is a ForbiddenError, and none is changed.
        Raises as `update` does.
        """
        count = 0
        with self.transaction() as commit:
            by_id = (Order(Path("id")),)  # a search's own order would move what is changed while it is read
            for one in self._asked(type, predicates, by_id, unlisted=True):
                self._check_writable(one.shelf)
                one.shelf.codec.check(fields)
                stream = one.stream(None, None)
                while batch := list(islice(stream, BATCH)):
                    count += self._update_batch(one, batch, fields, commit)
        return count

    def _update_batch(self, one: Asked, batch: list[Row], fields: Mapping[str, Any], commit: Transaction) -> int:
        if one.shelf.hooks:
            artifacts = map(one.decode, batch)
            return sum(self._change(each, (fields,)).revision != each.revision for each in artifacts)
        after = self._changed(one.shelf, [(before, (fields,)) for before in batch], commit)
        return sum(is_ is not was for is_, was in zip(after, batch, strict=True))

    @atomic
    def upsert(self, artifact: A) -> A:
        """Add the artifact, or update the stored one that holds its declared unique scope; return what is stored.

        Every field is taken from ``artifact`` but id, status, owner, visibility, hidden, protected, hold and expires_at, which
        stay as they are stored; when all are equal nothing is written.
        Raises ValidationError for a type without unique scope, else as `add` and `update` do.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     [catalog.upsert(Note(name="first", tags=[tag])).revision for tag in ("a", "b", "b")]
        [1, 2, 2]
        """
        with self.transaction():
            return self._upserted(artifact)

    def _upserted(self, artifact: A) -> A:
        shelf = self._shelf_of(artifact)
        row = self._new_row(shelf, artifact)
        if row[-2] is None:
            raise ValidationError(
                f"type {shelf.spec.name} declares no unique scope, so there is nothing to recognise it by; use add()"
            )
        key = Compare(Path("unique_key", kind="id"), "eq", row[-2])
        holding = self._visible(shelf, shelf.select(Query(shelf.spec.name, key, limit=1)))
        if not holding:
            return self.add(artifact)
        values = artifact.__dict__ if self._access is None else self._access.known(shelf, artifact.__dict__)
        fields = {name: value for name, value in values.items() if name not in _NOT_UPSERTED}
        return self._change(self._reader(shelf)(holding[0]), (fields,))  # type: ignore[no-any-return]

    # importing

    @atomic
    def load(self, type: type[Record], records: Iterable[Mapping[str, Any]]) -> int:
        """Import artifacts exactly as given, with id, status, owner, revision and times; return how many were written.

        Records are mappings of JSON values as `dump` makes them. One that is stored already with the same content and
        revision is passed over; one with the same id and other content replaces it. Life cycle, hooks and quotas are not
        asked, but nothing may refer to discarded bytes: it is for the owner of the process. One transaction; raises as `add` does; ForbiddenError for a principal.
        """
        self._check_ours("load")
        count = 0
        with read_once(records), self.transaction() as commit:
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
        admit_references(self._engine(), shelf, [(stored[0] if stored else None, row)])
        if stored:
            self._replace(shelf, [(stored[0], row)], "load")
        else:
            self._backend.insert(
                shelf.spec, [(row, Change("load", row[0], row[shelf.revision], shelf.number, row[-1]))]
            )
        return True

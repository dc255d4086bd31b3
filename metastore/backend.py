"""What a backend author imports: the contract, and the data that crosses it.

A backend keeps rows and answers queries. It knows nothing of Python classes, of who
may do what, or of what a status means.

Values
    A row is a tuple of plain values, one per column of `TypeSpec.columns`, in that order.
    Plain are ``None``, ``int`` (64 bits signed), finite ``float``, ``str`` (no surrogates, no NUL) and
    ``bytes``. By kind: *id* and *link* 16 bytes, *bool* 0 or 1, *datetime* microseconds since 1970 UTC,
    *version* its canonical text (the sort key is a derived column), *blob*, *folder*, *list*, *dict*,
    *object* and *json* canonical JSON text. Inside JSON a datetime is ``2024-02-29T12:00:00.000000Z``, an id its
    UUID text, a version its text.

A blob as JSON
    ``{"digests": {"sha256": hex}, "locations": [{"url": …}], "media_type": …, "size": bytes}``, what is not known left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, runtime_checkable

from metastore._data import Data
from metastore._deriving import Edge, by_depth, derived_value, duplicate, id_taken, merged_group, repeated
from metastore._history import CHECKPOINT_EVERY, Change, Commit, Recorded, gathered
from metastore._lookups import (
    entries,
    items,
    json_kind,
    known_bytes,
    link_entries,
    pointer,
    reference_entries,
    references,
    referred,
    search_words,
    targets,
    text_mark,
    text_marks,
)
from metastore._schema import Column, FieldSpec, TypeSpec, spec_from_json, spec_to_json
from metastore._text import fold, words
from metastore._version import known_key
from metastore.query import Measure, Path, Query

__all__ = [
    "CHECKPOINT_EVERY",
    "Backend",
    "Change",
    "Column",
    "Commit",
    "Edge",
    "Explains",
    "Explanation",
    "FieldSpec",
    "Identity",
    "Recorded",
    "Row",
    "StoredSpec",
    "TypeSpec",
    "Usage",
    "by_depth",
    "derived_value",
    "duplicate",
    "entries",
    "fold",
    "gathered",
    "id_taken",
    "items",
    "json_kind",
    "known_bytes",
    "known_key",
    "link_entries",
    "merged_group",
    "pointer",
    "reference_entries",
    "references",
    "referred",
    "repeated",
    "search_words",
    "spec_from_json",
    "spec_to_json",
    "targets",
    "text_mark",
    "text_marks",
    "words",
]

Row = tuple[Any, ...]


class StoredSpec(Data):
    """One entry of a type's append-only list of specs.

    ``number`` counts from 1 per type. ``breaking`` says that rows were migrated, so that
    programs which only know earlier specs must not touch them.
    """

    number: int
    spec: TypeSpec
    breaking: bool = False


class Identity(Data):
    """What the catalogue knows of an id: its type (empty for *foreign*) and state."""

    type: str
    state: Literal["live", "deleted", "foreign"]


class Explanation(Data):
    """How a backend answers a query: the statement, what is bound to it, and the plan, a step a line."""

    sql: str
    bindings: tuple[Any, ...]
    plan: str


class Usage(Data):
    """What somebody holds of one type: live artifacts, and the bytes of their blobs as far as sizes are known."""

    count: int
    bytes: int


class Backend(Protocol):
    """A store of rows.

    Truth
        Two-valued: a comparison with an absent value is false; `Not` is the exact complement.
        Text compares by code point, without padding; numbers by value; JSON values only within one JSON type
        (`json_kind`; ``true`` is not ``1``): ``ne`` holds for any present value that is not that one, of whatever type.
    Paths
        A bound path carries the kind of the value it leads to. Without keys it is a column: the field's, or for
        ``folded`` the derived ``<field>__folded``; the engine itself also asks by ``unique_key``. With keys: into a *dict* nested keys (values of any
        JSON type; a null that is there is present), into an *object* attribute names (null is absent; plain JSON forms: true, ISO text),
        into a *blob* ``("size",)``, ``("media_type",)``, ``("url",)`` or ``("digests", algorithm)``, into a *folder* first the entry's
        name. A blob has several urls: a comparison holds when some url fits. ``Absent`` of a key path: no such key, or no value.
    Links
        ``Follow`` asks for artifacts that this one links to, ``Followed`` for those that link to this one by a field (a link or a list of links),
        live ones of the type they name; where no such type is stored, both hold for nothing. Inside ``where`` every predicate may stand.
    Order
        Absent is smallest. At a free JSON path null, lists and dicts count as absent, and bool < number < string. The id (as 16 bytes) ends every order, in the last key's direction.
        Versions order by (sort key, text).
        ``Rank(words, fields)`` of a row is the sum over (word, searched field) of the field's ``search`` weight
        where the word is among the field's `search_words`; no corpus statistics. ``fields``, of it and of ``Matches``, are the searched
        fields that count, all of them where it is empty.
    Ownership
        Rows and lists returned belong to the caller.
    Threads and processes
        Any thread may call any method at any time; a transaction belongs to its thread. A forked child may
        go on with the object.
    Writers
        ``transaction`` takes the write lock at its start, waits for it boundedly and fairly (`BusyError`),
        nests (an inner one that raises undoes itself only), sees its own writes, and is all or nothing.
        Every write method is called inside one, after ``stamp``; else ConflictError. `adopt` needs no stamp, as it brings commits along.
    Failure
        Only errors of `metastore.errors` leave a method; after one, the transaction can be rolled back and the
        object used again. A transaction that the database undid because of others, or that was lost with its connection,
        raises RetryError, from whatever step: nothing of it is written. Whether a commit whose answer was lost landed, the backend
        finds out by the stamped commit's id before it raises.
    """

    catalogue: str
    """Identity of this catalogue: the text of a UUID made when it was."""

    read_only: bool

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Return every stored spec (of one type), by type name, then number."""

    def generation(self) -> int:
        """Return how many specs are stored in all: when it grows, some program widened or migrated a type."""

    def ensure(self, spec: TypeSpec, number: int) -> None:
        """Store ``spec`` as that number of its type and widen what keeps its rows.

        New columns of existing rows take the field's default. Called with a number once; may run
        in a transaction or without.
        """

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store ``spec`` as a breaking number and put ``rows`` in the place of all rows of the type.

        Each row gets a change of kind *migrate* in the stamped transaction; an id that has no row any more is deleted.
        Without rows there is nothing to record, and no stamp is needed.
        """

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which writes are one; it takes the write lock on entering."""

    def stamp(self, commit: Commit) -> int:
        """Record the transaction that is under way, once, and return its time.

        The time is the commit's or the latest one recorded, whichever is later.
        Raises ConflictError if the commit's id was recorded before, at the latest when the transaction is left.
        """

    def insert(self, spec: TypeSpec, entries: Sequence[tuple[Row, Change]]) -> None:
        """Add rows; all or none.

        A foreign id becomes live; unknown targets of links become foreign identities.
        Raises IdTakenError for an id that was ever used, DuplicateError for a ``unique_key`` that is taken.
        """

    def replace(self, spec: TypeSpec, entries: Sequence[tuple[Row, Row, Change]]) -> list[bytes]:
        """Put each entry's second row in the place of its first (same id), if the stored revision still is that of the first.

        Return the ids of the others, in order: they stay as they are. An id is in one entry at most; columns that this spec does not
        know stay as they are. Raises DuplicateError where another row, stored or of these, holds a ``unique_key`` that one is to
        have and had not; then none is replaced.
        """

    def delete(self, spec: TypeSpec, before: Row, change: Change) -> bool:
        """Take the row away and mark its id deleted, if the stored revision still is that of ``before``."""

    def adopt(
        self,
        told: Sequence[Recorded],
        known: Mapping[bytes, Identity],
        rows: Sequence[tuple[TypeSpec, Sequence[Row]]],
    ) -> None:
        """Take over transactions of another catalogue as they were, and what it holds of some artifacts.

        Commits (also their times) and changes go to the end of the history verbatim; their ``seq`` does not count, as the sequence is each
        store's own. One with ``at`` above 0 goes on with the last transaction that is recorded here, which has that many changes.
        ``known`` says what every artifact is that the changes name, and perhaps others: of a *live* one its row is among ``rows``, by the spec of
        its type, and takes the place of whatever row there is; of a *deleted* one the row goes; a *foreign* one is known from now on,
        if it was not. Look-ups, full text and tally follow the rows; what is stored already as it is given is not written again. Unique keys
        may change hands among these artifacts. Raises DuplicateError where another one holds a key, ConflictError for a commit that was
        recorded before, and for ``at`` where something else was recorded last.
        """

    def fetch(self, spec: TypeSpec, ids: Sequence[bytes], *, short: bool = False) -> list[Row]:
        """Return the live rows of that type with these ids, in the order asked, an id given twice twice; missing ones are left out.

        ``short`` says that only the fields are wanted: a row may then end with the last of them, before what follows from them.
        """

    def named(self, spec: TypeSpec, name: str, version: str | None, limit: int) -> list[Row]:
        """Return the live rows of a name (and of a canonical version), the highest version first; they may be short ones (see `fetch`).

        The catalogue's commonest question, so it is one of its own: a backend answers it without compiling a query.
        """

    def identify(self, ids: Sequence[bytes]) -> dict[bytes, Identity]:
        """Return what is known of each id; unknown ones are left out."""

    def deleted(self, id: bytes) -> tuple[Commit, Change] | None:
        """Return the transaction in which an artifact was deleted, and its part of it; ``None`` for any other id.

        The change is the one of kind *delete*, with the whole row in ``before``. What a migration dropped has none.
        """

    def identities(self, after: bytes, limit: int, *, state: str = "") -> list[tuple[bytes, Identity]]:
        """Return what is known of every id beyond ``after`` (empty: from the first), the first ``limit`` of them in order; of one state, where it is given."""

    def history(self, after: int, limit: int, *, skip: int = 0) -> list[Recorded]:
        """Return the next transactions recorded after the one of that sequence, in order, each with all its changes in order.

        As many as have ``limit`` changes together, where one without changes counts as one; nothing when there is no more. One that has more
        than ``limit`` comes alone, with its first ones, and says that there are ``more``: then ask for the same with ``skip``, which leaves
        out so many changes of the first transaction. Whoever has seen n never sees one of n or less appear later. Numbers may be missing.
        """

    def recorded(self, commit: bytes | None = None) -> Recorded | None:
        """Return the transaction with a commit's id, or the last one; without its changes, ``at`` says how many it has."""

    def select(self, spec: TypeSpec, query: Query) -> list[Row]:
        """Return the rows of a bound query in its order."""

    def aggregate(
        self, spec: TypeSpec, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]
    ) -> list[tuple[Any, ...]]:
        """Return one tuple per group: its values, then its measures; groups in ascending order of their values.

        At a free JSON path null, lists and dicts go with the absent. Order, limit and position of the query do not count. Without ``by`` there is exactly one group. A list of
        scalars in ``by`` groups by each distinct element (artifacts with an empty list are in no group). A measure other than
        count over no values is ``None``. Sums of integers beyond 64 bits raise QueryError.
        """

    def closure(
        self, start: Sequence[bytes], depth: int | None, *, backwards: bool = False, field: str | None = None
    ) -> list[Edge]:
        """Return every link reachable from ``start`` (or, backwards, leading to it) in one statement.

        By depth, source, field, target; each link once, at its least depth; cycles end. ``depth`` bounds the hops.
        Only links of live artifacts are in it.
        """

    def tally(self) -> None:
        """Begin to keep what everybody holds, so that `usage` need not look at rows; a second call does nothing.

        Called inside a transaction. A backend that was never told keeps nothing, and pays nothing.
        """

    def usage(self, owner: str | None, *, everybody: bool = False) -> dict[str, Usage]:
        """Return what an owner holds by type name (``None``: what has no owner); with ``everybody`` what all hold together.

        Types of which nothing is held are left out, and so are the engine's own (`TypeSpec.engine_owned`). Bytes are the `known_bytes` of
        all blob and folder columns. Exact inside a transaction, own writes included.
        """

    def check(self) -> Iterator[str]:
        """Yield a sentence per disagreement between rows and what is derived from them; none when all is well."""

    def stats(self) -> dict[str, Any]:
        """Return figures of this store: at least ``{"artifacts": {type: count}, "changes": count}``."""

    def close(self) -> None:
        """Give everything back; closing twice is fine."""


@runtime_checkable
class Explains(Protocol):
    """An optional ability: to say how a query is answered."""

    def explain(self, spec: TypeSpec, query: Query) -> Explanation:
        """Return the statement, its bindings and its plan, without running it."""

"""Rows in and out of one type's tables: statements are written once per type, then only bound.

Look-ups follow the row: what is derived from a column that did not change is not touched. Whoever writes has the turn, so what
was asked before a write is true until the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import literal_column, select

from metastore.backend import (
    Change,
    FieldSpec,
    Row,
    duplicate,
    id_taken,
    items,
    link_entries,
    reference_entries,
    repeated,
    search_words,
)
from metastore_sql._adding import Adding
from metastore_sql._columns import BYTES, IDENT
from metastore_sql._connection import Session
from metastore_sql._ledger import Ledger
from metastore_sql._prepared import Prepared, dropping, setting, slot
from metastore_sql._sortform import dict_entries, element_mark
from metastore_sql._tables import Relation, searched

__all__ = ["Derived", "TypeTable", "words_of"]

AT_ONCE, FEW = 500, 10
"""So many ids or keys are asked for in one statement."""

Derive = Callable[[FieldSpec, Any, bytes], Iterable[Sequence[Any]]]


def _items(field: FieldSpec, value: Any, ident: bytes) -> list[tuple[Any, ...]]:
    return [(element_mark(item), ident, item) for item in items(value)]


def _entries(field: FieldSpec, value: Any, ident: bytes) -> list[tuple[Any, ...]]:
    return dict_entries(ident, value)


def _words(field: FieldSpec, value: Any, ident: bytes) -> list[tuple[Any, ...]]:
    return [(word, ident, field.name) for word in dict.fromkeys(search_words(field, value))]


def words_of(relation: Relation, row: Row) -> list[str]:
    """Return what PostgreSQL's column of words holds for a row: every word, and every ``field:word``, sorted."""
    found: set[str] = set()
    for field in searched(relation.spec):
        for word in search_words(field, row[relation.spec.position[field.name]]):
            found |= {word, f"{field.name}:{word}"}
    return sorted(found)


class Derived:
    """One column and the look-up that follows it: how to derive entries, add them, take them away.

    ``key`` says how many of the first values of an entry tell it from others. ``table`` is the look-up, one of the type's or one that all types share.
    """

    __slots__ = ("add", "at", "derive", "drop", "empty", "field", "key", "table")

    def __init__(
        self, relation: Relation, field: FieldSpec, derive: Derive, table: Any, add: Prepared, drop: Prepared
    ) -> None:
        self.field, self.at, self.derive, self.table = field, relation.spec.position[field.name], derive, table
        self.add, self.drop, self.key = add, drop, len(table.primary_key)
        self.empty = {"list": "[]", "dict": "{}", "folder": "{}"}.get(field.kind)

    def of(self, row: Row) -> list[tuple[Any, ...]]:
        """Return what follows from a row."""
        value = row[self.at]
        return (
            []
            if value is None or value == self.empty
            else [tuple(each) for each in self.derive(self.field, value, row[0])]
        )


def _derived(relation: Relation, ledger: Ledger) -> Iterable[Derived]:
    own, sa = ledger.own, ledger.dialect.sa
    for field in relation.spec.fields:
        if field.links:
            yield Derived(relation, field, link_entries, own.links, ledger.add_link, ledger.drop_link)
        elif field.kind in ("blob", "folder"):
            yield Derived(
                relation, field, reference_entries, own.references, ledger.add_reference, ledger.drop_reference
            )
        if field.name in relation.sides:
            table = relation.sides[field.name]
            add, drop = Adding(table, sa), Prepared(dropping(table, *_key(table)), sa)
            yield Derived(relation, field, _items if field.kind == "list" else _entries, table, add, drop)
    if relation.text is not None:
        add, drop = Adding(relation.text, sa), Prepared(dropping(relation.text, *_key(relation.text)), sa)
        for field in searched(relation.spec):
            yield Derived(relation, field, _words, relation.text, add, drop)


def _key(table: Any) -> list[str]:
    return [each.key for each in table.primary_key]


class TypeTable:
    """The tables of one type as written by its latest spec; a row is a tuple in the spec's order of columns."""

    def __init__(self, relation: Relation, ledger: Ledger) -> None:
        self.relation, self.spec, self.ledger = relation, relation.spec, ledger
        self._sa, table = ledger.dialect.sa, relation.table
        self.derived = tuple(_derived(relation, ledger))
        self._has_words = "row__words" in table.c and bool(searched(self.spec))
        names = [each.name for each in self.spec.columns]
        self._insert = Adding(table, self._sa, [*names, "row__words"] if self._has_words else names)
        self._delete = Prepared(dropping(table, "id", "revision"), self._sa)
        self._by_id = Prepared(select(*relation.columns).where(table.c.id == slot(0, IDENT)), self._sa)
        self._updates: dict[tuple[str, ...], Prepared] = {}
        self._lists: dict[tuple[str, int], Prepared] = {}
        self._revision = self.spec.position["revision"]
        self._searched = {self.spec.position[each.name] for each in searched(self.spec)}
        self._prepare_checks()

    def _prepare_checks(self) -> None:
        identity, rows = self.ledger.own.identity.c, self.relation.table.c
        used = select(identity.id).where(identity.id == slot(0, IDENT), identity.state != literal_column("'foreign'"))
        held = select(rows.unique_key).where(rows.unique_key == slot(1, BYTES))
        self._free = Prepared(select(used.scalar_subquery(), held.scalar_subquery()), self._sa)
        self._held = Prepared(held.where(rows.id != slot(0, IDENT)), self._sa)

    def fetch(self, session: Session, ident: bytes) -> Row | None:
        """Return the row of an id, ``None`` where there is none."""
        return next(iter(self._by_id.read(session, ident)), None)

    def check_free(self, session: Session, fresh: Sequence[Row], rows: Sequence[Row]) -> None:
        """Refuse rows before anything of them is written: ids of ``fresh`` ones that were ever used, unique keys that are held.

        Raises IdTakenError, DuplicateError; the transaction can go on.
        """
        used, held = (
            self._taken(session, rows) if fresh is rows else (self._used(session, fresh), self._twice(session, rows))
        )
        if used is not None:
            raise id_taken(used)
        if held is not None:
            raise duplicate(self.spec, held)

    def _taken(self, session: Session, rows: Sequence[Row]) -> tuple[bytes | None, Row | None]:
        """Return an id among the rows' that was ever used, and a row whose unique key is held (each also where it comes twice)."""
        if len(rows) == 1:
            used, held = self._free.read(session, rows[0][0], rows[0][-2])[0]
            return used, rows[0] if held else None
        return self._used(session, rows), self._twice(session, rows)

    def _used(self, session: Session, rows: Sequence[Row]) -> bytes | None:
        ids = [row[0] for row in rows]
        return repeated(ids) or self._known(session, ids)

    def _twice(self, session: Session, rows: Sequence[Row]) -> Row | None:
        keys = [row[-2] for row in rows if row[-2] is not None]
        held = repeated(keys) or self._keys_held(session, keys)
        return None if held is None else next(row for row in reversed(rows) if row[-2] == held)

    def _known(self, session: Session, ids: Sequence[bytes]) -> bytes | None:
        identity = self.ledger.own.identity.c
        free = identity.state != literal_column("'foreign'")
        return self._first(session, select(identity.id).where(free), identity.id, ids)

    def _keys_held(self, session: Session, keys: Sequence[bytes]) -> bytes | None:
        held = self.relation.table.c.unique_key
        return self._first(session, select(held), held, keys)

    def _first(self, session: Session, asked: Any, column: Any, values: Sequence[bytes]) -> bytes | None:
        """Return the first of the values that a statement finds in a column."""
        for start in range(0, len(values), AT_ONCE):
            some = [*values[start : start + AT_ONCE]]
            size = AT_ONCE if len(some) > FEW else FEW  # two texts for all lengths; the last value stands for the rest
            rows = self._among(asked, column, size).read(session, *some, *some[-1:] * (size - len(some)))
            if rows:
                found: bytes = rows[0][0]
                return found
        return None

    def _among(self, asked: Any, column: Any, size: int) -> Prepared:
        found = self._lists.get((column.table.name, size))
        if found is None:
            among = column.in_([slot(at, column.type) for at in range(size)])
            made = Prepared(asked.where(among).limit(literal_column("1")), self._sa)
            found = self._lists[column.table.name, size] = made
        return found

    def check_keys(self, session: Session, rows: Sequence[Row]) -> None:
        """Raise DuplicateError where another row, stored or of these, holds a unique key that one of these is to have."""
        if len(rows) == 1:
            key = rows[0][-2]
            held = rows[0] if key is not None and self._held.read(session, rows[0][0], key) else None
        else:
            held = self._twice(session, rows)
        if held is not None:
            raise duplicate(self.spec, held)

    def insert(self, session: Session, added: Sequence[tuple[Row, Change]]) -> None:
        """Write rows, their identities, what is derived from them, and their history; nothing of it is taken."""
        self.put(session, [row for row, _ in added])
        self.ledger.record(session, [change for _, change in added])

    def put(self, session: Session, rows: Sequence[Row]) -> None:
        """Write rows, their identities and what is derived from them; nothing of it is taken."""
        self.ledger.know.many(session, [(row[0], self.spec.name, "live") for row in rows])
        self._insert.many(session, [(*row, words_of(self.relation, row)) for row in rows] if self._has_words else rows)
        for each in self.derived:
            self.add(session, each, rows)

    def add(self, session: Session, each: Derived, rows: Iterable[Row]) -> None:
        """Add what follows from a column of rows."""
        self._add(session, each, [entry for row in rows for entry in each.of(row)])

    def _add(self, session: Session, each: Derived, found: list[Any]) -> None:
        if each.derive is link_entries:
            targets = dict.fromkeys(entry[2] for entry in found)
            self.ledger.foreign.many(session, [(target, "", "foreign") for target in targets])
        each.add.many(session, found)

    def replace(self, session: Session, entries: Sequence[tuple[Row, Row, Change]]) -> bool:
        """Write what changed. Return false, and write nothing, where of a single row another revision is stored; of many it is known."""
        groups: dict[tuple[str, ...], list[list[Any]]] = {}
        for before, after, _ in entries:
            changed = self._changed(before, after)
            groups.setdefault(tuple(changed), []).append([*changed.values(), before[0], before[self._revision]])
        for names, rows in groups.items():
            if len(entries) > 1:
                self._update(names).many(session, rows)
            elif self._update(names).run(session, *rows[0]) != 1:
                return False
        for each in self.derived:
            self._move(session, each, entries)
        self.ledger.record(session, [change for _, _, change in entries])
        return True

    def _changed(self, before: Row, after: Row) -> dict[str, Any]:
        """Return the values that changed by the names of their columns."""
        changed = [at for at, value in enumerate(after) if value != before[at]]
        found = {self.spec.columns[at].name: after[at] for at in changed}
        if self._has_words and self._searched.intersection(changed):
            found["row__words"] = words_of(self.relation, after)
        return found

    def _update(self, names: tuple[str, ...]) -> Prepared:
        found = self._updates.get(names)
        if found is None:
            if len(self._updates) >= AT_ONCE:
                self._updates.clear()
            found = self._updates[names] = Prepared(setting(self.relation.table, names, ["id", "revision"]), self._sa)
        return found

    def _move(self, session: Session, each: Derived, entries: Iterable[tuple[Row, Row, Change]]) -> None:
        drop, add = list[Any](), list[Any]()
        for before, after, _ in entries:
            if before[each.at] != after[each.at]:
                old, new = each.of(before), each.of(after)
                gone, come = set(old).difference(new), set(new).difference(old)
                drop += [entry[: each.key] for entry in old if entry in gone]
                add += [entry for entry in new if entry in come]
        each.drop.many(session, drop)
        self._add(session, each, add)

    def delete(self, session: Session, before: Row, change: Change) -> bool:
        """Take a row and what is derived from it away, if the stored revision still is that of ``before``."""
        if self._delete.run(session, before[0], before[self._revision]) != 1:
            return False
        for each in self.derived:
            each.drop.many(session, [entry[: each.key] for entry in each.of(before)])
        self.ledger.move.later(session, "deleted", before[0])
        self.ledger.record(session, (change,))
        return True

    def take(self, session: Session, rows: Sequence[Row]) -> None:
        """Take stored rows and what is derived from them away; what their ids are from now on is for the caller to say."""
        self._delete.many(session, [(row[0], row[self._revision]) for row in rows])
        for each in self.derived:
            each.drop.many(session, [entry[: each.key] for row in rows for entry in each.of(row)])

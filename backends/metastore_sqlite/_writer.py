"""Rows in and out of one type's tables: the SQL is written once per spec, then only bound.

Look-up tables follow the row: what is derived from a column that did not change is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from metastore._json import encode
from metastore.backend import (
    Change,
    FieldSpec,
    Row,
    TypeSpec,
    derived_value,
    duplicate,
    entries,
    id_taken,
    items,
    link_entries,
    repeated,
)
from metastore.errors import DuplicateError
from metastore_sqlite._full_text import FullText, Replaced
from metastore_sqlite._layout import beside, look_ups, quoted
from metastore_sqlite._tail import indexed

__all__ = ["TypeTable", "add_changes"]

Execute = Callable[..., Any]

_ADD_CHANGE = "INSERT INTO _changes (tx, kind, artifact, revision, spec, digest, parents, before, after, checkpoint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_KNOW = "INSERT INTO _identity (id, type, state) VALUES (?, ?, 'live') ON CONFLICT (id) DO UPDATE SET type = excluded.type, state = 'live'"
_USED = "SELECT id FROM _identity WHERE id IN (SELECT metastore_bytes(value) FROM json_each(?)) AND state <> 'foreign' LIMIT 1"
_USED_ONE = "SELECT id FROM _identity WHERE id = ? AND state <> 'foreign'"
_FOREIGN = "INSERT OR IGNORE INTO _identity (id, type, state) VALUES (?, '', 'foreign')"
_ADD_LINK = "INSERT INTO _links (source, field, target) VALUES (?, ?, ?)"

Derive = Callable[[FieldSpec, Any, bytes], Iterable[Sequence[Any]]]


def _items(field: FieldSpec, value: Any, ident: bytes) -> list[tuple[Any, ...]]:
    return [(item, ident) for item in items(value)]


def _entries(field: FieldSpec, value: Any, ident: bytes) -> list[tuple[Any, ...]]:
    return [(key, kind, "" if found is None else found, ident) for key, kind, found in entries(value)]


class _Derived:
    """One column and the look-up that follows it: how to derive entries, add them, take them away."""

    __slots__ = ("add", "at", "derive", "drop", "empty", "field")

    def __init__(self, spec: TypeSpec, field: FieldSpec, derive: Derive, add: str, drop: str) -> None:
        self.field, self.at = field, spec.position[field.name]
        self.derive, self.add, self.drop = derive, add, drop
        self.empty = {"list": "[]", "dict": "{}"}.get(field.kind)

    def entries(self, rows: Iterable[Row]) -> list[Any]:
        """Return what follows from rows."""
        at, empty, field, derive = self.at, self.empty, self.field, self.derive
        found: list[Any] = []
        for row in rows:
            value = row[at]
            if value is not None and value != empty:
                found += derive(field, value, row[0])
        return found


def _derived(spec: TypeSpec) -> Iterable[_Derived]:
    for field in spec.fields:
        if field.links:
            yield _Derived(
                spec, field, link_entries, _ADD_LINK, "DELETE FROM _links WHERE source = ? AND field = ? AND target = ?"
            )
    for field in look_ups(spec):
        table = quoted(beside(spec.name, field.name))
        if field.kind == "list":
            yield _Derived(
                spec,
                field,
                _items,
                f"INSERT INTO {table} VALUES (?, ?)",
                f"DELETE FROM {table} WHERE value = ? AND id = ?",
            )
        else:
            drop = f"DELETE FROM {table} WHERE key = ? AND kind = ? AND value = ? AND id = ?"
            yield _Derived(spec, field, _entries, f"INSERT INTO {table} VALUES (?, ?, ?, ?)", drop)


def _fed(derived: Iterable[_Derived]) -> Iterable[tuple[str, list[_Derived]]]:
    """The look-ups by the statement that adds to them, each with all that it is fed from."""
    parts: dict[str, list[_Derived]] = {}
    for each in derived:
        parts.setdefault(each.add, []).append(each)
    return parts.items()


def _add(many: Execute, add: str, found: Sequence[Sequence[Any]]) -> None:
    if add is _ADD_LINK:
        many(_FOREIGN, sorted([(target,) for _, _, target in found]))
    many(add, found)


class TypeTable:
    """The statements of one type by one spec."""

    def __init__(self, spec: TypeSpec) -> None:
        self.spec, self.derived = spec, tuple(_derived(spec))
        self._fed = tuple(_fed(self.derived))
        self.table = quoted(spec.name)
        names = [quoted(each.name) for each in spec.columns]
        self.columns = ", ".join(names)
        self.qualified = ", ".join(f"t.{name}" for name in names)
        self.by_id = f"SELECT {self.columns} FROM {self.table} WHERE id = ?"
        short = ", ".join(names[: len(spec.fields)])  # each column that is read costs a hundredth of a get (measured)
        self.short_by_id = f"SELECT {short} FROM {self.table} WHERE id = ?"
        self._by_ids = (
            f"SELECT {self.columns} FROM {self.table} WHERE id IN (SELECT metastore_bytes(value) FROM json_each(?))"
        )
        named = f"SELECT {short} FROM {self.table} WHERE name = ?"
        self.named = f"{named} ORDER BY version__key DESC, version DESC, id DESC LIMIT ?"
        self.named_version = f"{named} AND version__key = ? AND version = ? ORDER BY id DESC LIMIT ?"
        self._delete = (
            f"DELETE FROM {self.table} WHERE id = ? AND revision = ? RETURNING row__n, row__n <= {indexed(spec)}"
        )
        self._insert = f"INSERT INTO {self.table} ({self.columns}, row__n) VALUES ({', '.join('?' * len(names))}, ?)"
        self._held = f"SELECT unique_key FROM {self.table} WHERE unique_key IN (SELECT metastore_bytes(value) FROM json_each(?)) LIMIT 1"
        self._holders = f"SELECT id, unique_key FROM {self.table} WHERE unique_key IN (SELECT metastore_bytes(value) FROM json_each(?))"
        # a number that full text has taken in is none of a new row, even where its row is gone
        taken = f"coalesce({indexed(spec)}, 0)"
        last = f"max((SELECT coalesce(max(row__n), 0) FROM {self.table}), {taken}), {taken}"
        self._free = f"SELECT CASE WHEN ? <= (SELECT max(id) FROM _identity) THEN ({_USED}) END, ({self._held}), {last}"
        self._holder = f"SELECT ({self._held}), {last}"
        self._free_one = f"SELECT ({_USED_ONE}), (SELECT unique_key FROM {self.table} WHERE unique_key = ?), {last}"
        self._updates: dict[tuple[int, ...], str] = {}
        self._revision = spec.position["revision"]
        self.text = FullText(spec)

    def fetch(self, conn: Any, ids: Sequence[bytes]) -> list[Row]:
        """Return the rows with ids that are there, in the order asked."""
        found = {row[0]: row for row in conn.execute(self._by_ids, (encode([*ids]),))}
        return [found[ident] for ident in ids if ident in found]

    def free(self, conn: Any, rows: Sequence[Row]) -> tuple[int, int]:
        """Return the numbers of the last row, and of the last that full text has. Raises IdTakenError, DuplicateError (also for what comes twice) where rows cannot be added.

        One statement; the write lock keeps the answer true.
        """
        if len(rows) == 1:
            used, held, last, taken = conn.execute(self._free_one, (rows[0][0], rows[0][-2])).fetchone()
        else:
            ids = [row[0] for row in rows]
            # ids that were made just now are beyond all that are known, which one look tells
            used, held, last, taken = conn.execute(self._free, (min(ids), encode(ids), _keys(rows))).fetchone()
            used, held = used or repeated(ids), _clash(rows, held)
        if used is not None:
            raise id_taken(used)
        if held is not None:
            raise self._duplicate(rows, held)
        return last, taken

    def unheld(self, conn: Any, rows: Sequence[Row]) -> tuple[int, int]:
        """Return what `free` does. Raises DuplicateError where another one, stored or of these, holds a unique key."""
        held, last, taken = conn.execute(self._holder, (_keys(rows),)).fetchone()
        if (held := _clash(rows, held)) is not None:
            raise self._duplicate(rows, held)
        return last, taken

    def check_keys(self, conn: Any, rows: Sequence[Row]) -> None:
        """Raise DuplicateError where another row, stored or of these, holds a unique key that one of these is to have."""
        wanted = {row[-2]: row[0] for row in rows}
        held = [key for ident, key in conn.execute(self._holders, (_keys(rows),)) if wanted[key] != ident]
        if (clash := _clash(rows, held[0] if held else None)) is not None:
            raise self._duplicate(rows, clash)

    def _duplicate(self, rows: Sequence[Row], held: bytes) -> DuplicateError:
        return duplicate(self.spec, next(row for row in reversed(rows) if row[-2] == held))

    def insert(self, conn: Any, rows: Sequence[Row], last: int, tx: int = 0, changes: Iterable[Change] = ()) -> None:
        """Write rows after the ``last``, their identities, their look-ups, and what the history tells of them; nothing of it is taken.

        Full text has to follow.
        """
        many = conn.executemany
        many(_KNOW, [(row[0], self.spec.name) for row in rows])
        many(self._insert, [(*row, number) for number, row in enumerate(rows, last + 1)])
        for add, parts in self._fed:
            found = [entry for each in parts for entry in each.entries(rows)]
            if found:
                found.sort()  # neighbours in the look-up are written one after the other
                _add(many, add, found)
        many(_ADD_CHANGE, [_change(tx, change) for change in changes])

    def replace(self, conn: Any, tx: int, entries: Sequence[tuple[Row, Row, Change]]) -> list[bytes]:
        """Write what changed, where the stored revision still is that of the row before; return the ids of the others."""
        done, late, touched = list[Replaced](), list[bytes](), set[int]()
        for before, after, change in entries:
            changed = tuple([at for at, value in enumerate(after) if value != before[at]])
            bound = [*[after[at] for at in changed], before[0], before[self._revision]]
            if conn.execute(self._updates.get(changed) or self._update(changed), bound).rowcount == 1:
                done.append((before, after, change))
                touched.update(changed)
            else:
                late.append(before[0])
        for each in self.derived:
            if each.at in touched:
                self._move(conn, each, done)
        self.text.replace(conn, touched, done)
        if len(done) == 1:  # which by executemany costs a quarter more (measured)
            conn.execute(_ADD_CHANGE, _change(tx, done[0][2]))
        else:
            conn.executemany(_ADD_CHANGE, [_change(tx, change) for _, _, change in done])
        return late

    def completed(self, conn: Any, spec: TypeSpec, row: Row) -> Row:
        """Return a row by an older spec as one by this, with what is stored where the older one knows nothing."""
        if spec.digest == self.spec.digest:
            return row
        columns, known = self.spec.columns, dict(zip(spec.position, row, strict=True))
        stored = conn.execute(self.by_id, (row[0],)).fetchone() or [None] * len(columns)
        whole = [known.get(each.name, value) for each, value in zip(columns, stored, strict=True)]
        return tuple(
            [
                derived_value(self.spec, each, whole) if each.derived and each.name not in known else value
                for each, value in zip(columns, whole, strict=True)
            ]
        )

    def _update(self, changed: tuple[int, ...]) -> str:
        names = ", ".join(f"{quoted(self.spec.columns[at].name)} = ?" for at in changed)
        made = f"UPDATE {self.table} SET {names} WHERE id = ? AND revision = ?"
        self._updates[changed] = made
        return made

    def _move(self, conn: Any, each: _Derived, done: Iterable[Replaced]) -> None:
        at, gone, come = each.at, list[Any](), list[Any]()
        for before, after, _ in done:
            if before[at] != after[at]:
                old, new = ({*map(tuple, each.derive(each.field, row[at], row[0]))} for row in (before, after))
                gone += old - new
                come += new - old
        if gone:
            conn.executemany(each.drop, sorted(gone))
        if come:
            _add(conn.executemany, each.add, sorted(come))

    def delete(self, conn: Any, tx: int, before: Row, change: Change) -> bool:
        """Take a row and what is derived from it away, if the stored revision still is that of ``before``."""
        if not self.take(conn, before):
            return False
        conn.execute(_ADD_CHANGE, _change(tx, change))
        return True

    def take(self, conn: Any, before: Row) -> bool:
        """Take a row and what is derived from it away; its id is deleted."""
        gone_row = conn.execute(self._delete, (before[0], before[self._revision])).fetchone()
        if gone_row is None:
            return False
        number, taken = gone_row
        for each in self.derived:
            if gone := each.entries((before,)):
                conn.executemany(each.drop, gone)
        if taken:
            self.text.drop(conn, number, before)
        conn.execute("UPDATE _identity SET state = 'deleted' WHERE id = ?", (before[0],))
        return True


def _keys(rows: Sequence[Row]) -> str:
    return encode([row[-2] for row in rows if row[-2] is not None])


def _clash(rows: Sequence[Row], held: bytes | None) -> bytes | None:
    """A unique key that is held, or comes twice."""
    return held or repeated([row[-2] for row in rows if row[-2] is not None])


def add_changes(conn: Any, tx: int, changes: Iterable[Change]) -> None:
    """Write changes of a transaction into the history, in order."""
    conn.executemany(_ADD_CHANGE, [_change(tx, change) for change in changes])


def _change(tx: int, change: Change) -> tuple[Any, ...]:
    return (
        tx, change.kind, change.id, change.revision, change.spec, change.digest, change.parents, change.before, change.after, change.checkpoint,
    )  # fmt: skip

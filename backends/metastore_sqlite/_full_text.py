"""Full text of one type in and out: what a row is found by, its words and the marks of its blobs, as one row of FTS5 without content.

FTS5 writes a segment for each transaction and merges it later, which was a sixth of what a create took (measured). So it gets new rows
a few at a time; until then they are pending, and a search looks at them one by one (see `_tail`), as in the pending list of PostgreSQL's GIN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from metastore._json import encode
from metastore.backend import Row, TypeSpec
from metastore_sqlite._layout import quoted, text_table
from metastore_sqlite._tail import indexed
from metastore_sqlite._words import blobs, marks_moved, texts, words_moved

__all__ = ["FullText", "Replaced"]

PENDING = 8
"""Rows that a type may have after those that full text has: each costs a search 2 µs, and twice as many made a create 3 % faster (measured)."""

_LAST = 2**63 - 1
"""No row has a higher number."""

Replaced = tuple[Row, Row, Any]
"""A row as it was and as it is, and what the history tells of it."""


class FullText:
    """The statements of one type's full-text table, which has a column for each field that `columns` names."""

    def __init__(self, spec: TypeSpec) -> None:
        searched, holding = (
            [(each, spec.position[each.name]) for each in fields] for fields in (spec.searched, blobs(spec))
        )
        self._type, self._columns = spec.name, (*searched, *holding)
        self._at = frozenset(at for _, at in self._columns)
        self._kinds = (
            (searched, [""] * len(searched), words_moved),
            (holding, [""] * len(holding), marks_moved),
        )
        self.name = text_table(spec.name)
        names = "".join(f", {quoted(field.name)}" for field, _ in self._columns)
        self._pending = (
            f"SELECT row__n{names} FROM {quoted(spec.name)} WHERE row__n > ? AND row__n <= ? ORDER BY row__n"
        )
        self._all = (
            f"UPDATE _indexed SET last = (SELECT coalesce(max(row__n), 0) FROM {quoted(spec.name)}) WHERE type = ?"
        )
        fields, marks = (
            ", ".join(quoted(f"_{each.name}") for each, _ in self._columns),
            ", ".join("?" * len(self._columns)),
        )
        # the + keeps the number out of the index's range: SQLite 3.40 does not look at the end of one that goes on from a list
        self._numbers = (
            f"SELECT id, row__n FROM {quoted(spec.name)} WHERE id IN (SELECT metastore_bytes(value) FROM json_each(?))"
            f" AND +row__n <= {indexed(spec)}"
        )
        add, drop = (
            f"INSERT INTO {self.name} (rowid, {fields})",
            f"INSERT INTO {self.name} ({self.name}, rowid, {fields})",
        )
        self._add, self._drop = f"{add} VALUES (?, {marks})", f"{drop} VALUES ('delete', ?, {marks})"

    def follow(self, conn: Any, taken: int, last: int, added: Sequence[Row] = ()) -> None:
        """Take in what is pending, where that is more than may be.

        ``taken`` is the last row that was taken in, ``last`` the last there is; ``added`` the last ones, which then need not be read again.
        """
        if last - taken > PENDING and self._columns:
            read = last - len(added)
            numbered = ((n, *[row[at] for _, at in self._columns]) for n, row in enumerate(added, read + 1))
            self._take(conn, chain(conn.execute(self._pending, (taken, read)), numbered))

    def index(self, conn: Any, taken: int) -> None:
        """Take in every row after the one with the number ``taken``."""
        self._take(conn, conn.execute(self._pending, (taken, _LAST)))

    def _take(self, conn: Any, rows: Iterable[Sequence[Any]]) -> None:
        """Take in rows, of each its number and what it has in the columns; none is pending then."""
        fields = [field for field, _ in self._columns]
        conn.executemany(self._add, ((number, *texts(zip(fields, row, strict=True))) for number, *row in rows))
        conn.execute(self._all, (self._type,))

    def replace(self, conn: Any, touched: set[int], done: Iterable[Replaced]) -> None:
        """Follow rows that changed, none of them at other places than these; those that are pending are not taken in yet."""
        if self._at.isdisjoint(touched):
            return
        changed = [each for each in done if any(each[0][at] != each[1][at] for at in self._at)]
        numbers = dict(conn.execute(self._numbers, (encode([before[0] for before, _, _ in changed]),)).fetchall())
        moved = [
            (numbers[before[0]], *self._moved(before, after)) for before, after, _ in changed if before[0] in numbers
        ]
        moved.sort()  # FTS5 begins anew at each number that is not beyond the last
        conn.executemany(self._drop, [(number, *out) for number, out, _ in moved if any(out)])
        # also where all of it is empty: FTS5 counts rows, and refuses to take away more than came
        conn.executemany(self._add, [(number, *put) for number, _, put in moved])

    def _moved(self, before: Row, after: Row) -> tuple[list[str], list[str]]:
        """Return what a change takes out of each column, and what it puts in."""
        out, put = list[str](), list[str]()
        for columns, same, moved in self._kinds:
            changed = any(before[at] != after[at] for _, at in columns)
            gone, come = moved([(field, before[at], after[at]) for field, at in columns]) if changed else (same, same)
            out += gone
            put += come
        return out, put

    def drop(self, conn: Any, number: int, before: Row) -> None:
        """Forget a row by its number, which was taken in."""
        told = texts([(field, before[at]) for field, at in self._columns])
        conn.execute(self._drop, (number, *told))

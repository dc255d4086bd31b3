"""Full text of one type in and out: what a row is found by, its words and the marks of its blobs, as one row of FTS5 without content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metastore._json import encode
from metastore.backend import Row, TypeSpec
from metastore_sqlite._layout import quoted
from metastore_sqlite._words import blobs, marks_moved, texts, words_moved

__all__ = ["FullText", "Replaced"]

Replaced = tuple[Row, Row, Any]
"""A row as it was and as it is, and what the history tells of it."""


class FullText:
    """The statements of one type's full-text table, which has a column for each field that `columns` names."""

    def __init__(self, spec: TypeSpec) -> None:
        searched, holding = (
            [(each, spec.position[each.name]) for each in fields] for fields in (spec.searched, blobs(spec))
        )
        self._columns = (*searched, *holding)
        self._at = frozenset(at for _, at in self._columns)
        self._kinds = (
            (searched, [""] * len(searched), words_moved),
            (holding, [""] * len(holding), marks_moved),
        )
        self.name = quoted(f"{spec.name}:text")
        self._rows = f"SELECT {', '.join(quoted(each.name) for each in spec.columns)}, row__n FROM {quoted(spec.name)}"
        fields, marks = (
            ", ".join(quoted(f"_{each.name}") for each, _ in self._columns),
            ", ".join("?" * len(self._columns)),
        )
        self._numbers = (
            f"SELECT id, row__n FROM {quoted(spec.name)} WHERE id IN (SELECT metastore_bytes(value) FROM json_each(?))"
        )
        add, drop = (
            f"INSERT INTO {self.name} (rowid, {fields})",
            f"INSERT INTO {self.name} ({self.name}, rowid, {fields})",
        )
        self._add, self._drop = f"{add} VALUES (?, {marks})", f"{drop} VALUES ('delete', ?, {marks})"

    def add(self, conn: Any, numbered: Iterable[tuple[int, Row]]) -> None:
        """Take in rows by their numbers."""
        if self._columns:
            conn.executemany(self._add, [(number, *self._texts(row)) for number, row in numbered])

    def replace(self, conn: Any, touched: set[int], done: Iterable[Replaced]) -> None:
        """Follow rows that changed, none of them at other places than these."""
        if self._at.isdisjoint(touched):
            return
        changed = [each for each in done if any(each[0][at] != each[1][at] for at in self._at)]
        numbers = dict(conn.execute(self._numbers, (encode([before[0] for before, _, _ in changed]),)).fetchall())
        moved = [(numbers[before[0]], *self._moved(before, after)) for before, after, _ in changed]
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
        """Forget a row by its number."""
        if self._columns:
            conn.execute(self._drop, (number, *self._texts(before)))

    def fill(self, conn: Any) -> None:
        """Fill an empty table from the rows, as they come."""
        rows = conn.execute(self._rows)
        conn.executemany(self._add, ((row[-1], *self._texts(row)) for row in rows))

    def _texts(self, row: Row) -> list[str]:
        return texts([(field, row[at]) for field, at in self._columns])

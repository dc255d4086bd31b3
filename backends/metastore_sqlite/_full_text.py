"""Full text of one type in and out: what a row is found by, its words and the marks of its blobs, as one row of FTS5 without content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from metastore.backend import Row, TypeSpec
from metastore_sqlite._layout import quoted
from metastore_sqlite._words import blobs, marks_moved, text, words_moved

__all__ = ["FullText", "Moved"]

Moved = tuple[int, Row, Row, Any]
"""The number of a row that changed, how it was, how it is, and what the history tells of it."""


class FullText:
    """The statements of one type's full-text table, which has a column for each field that `columns` names."""

    def __init__(self, spec: TypeSpec) -> None:
        searched, holding = (
            [(each, spec.position[each.name]) for each in fields] for fields in (spec.searched, blobs(spec))
        )
        self._columns = (*searched, *holding)
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
        add, drop = (
            f"INSERT INTO {self.name} (rowid, {fields})",
            f"INSERT INTO {self.name} ({self.name}, rowid, {fields})",
        )
        self._add, self._drop = f"{add} VALUES (?, {marks})", f"{drop} VALUES ('delete', ?, {marks})"

    def add(self, conn: Any, numbered: Iterable[tuple[int, Row]]) -> None:
        """Take in rows by their numbers."""
        if self._columns:
            those = self._columns
            conn.executemany(
                self._add, [(number, *[text(each, row[at]) for each, at in those]) for number, row in numbered]
            )

    def replace(self, conn: Any, done: Sequence[Moved]) -> None:
        """Follow rows that changed."""
        gone, come = list[Any](), list[Any]()
        for number, before, after, _ in done:
            if any(before[at] != after[at] for _, at in self._columns):
                out, put = self._moved(before, after)
                gone += [(number, *out)] if any(out) else []
                # also where all of it is empty: FTS5 counts rows, and refuses to take away more than came
                come.append((number, *put))
        for sql, rows in ((self._drop, gone), (self._add, come)):
            if rows:
                conn.executemany(sql, sorted(rows))  # by number: FTS5 begins anew at each that is not beyond the last

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
        return [text(field, row[at]) for field, at in self._columns]

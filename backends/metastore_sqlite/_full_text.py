"""Full text of one type in and out: what a row is found by, its words and the marks of its blobs, as one row of FTS5 without content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metastore.backend import Row, TypeSpec
from metastore_sqlite._layout import quoted
from metastore_sqlite._words import columns, moved, text

__all__ = ["FullText"]


class FullText:
    """The statements of one type's full-text table, which has a column for each field that `columns` names."""

    def __init__(self, spec: TypeSpec) -> None:
        self._columns = tuple((each, spec.position[each.name]) for each in columns(spec))
        self._at = frozenset(at for _, at in self._columns)
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
        of = f"FROM {quoted(spec.name)} WHERE id = ?"
        self._add_of, self._drop_of = (
            f"{add} SELECT row__n, {marks} {of}",
            f"{drop} SELECT 'delete', row__n, {marks} {of}",
        )

    def add(self, conn: Any, numbered: Iterable[tuple[int, Row]]) -> None:
        """Take in rows by their numbers."""
        if self._columns:
            those = self._columns
            conn.executemany(
                self._add, [(number, *[text(each, row[at]) for each, at in those]) for number, row in numbered]
            )

    def replace(self, conn: Any, changed: set[int], before: Row, after: Row) -> None:
        """Follow a row, of which the columns at these places changed."""
        if self._at.isdisjoint(changed):
            return
        out, put = moved([(field, before[at], after[at]) for field, at in self._columns])
        if any(out):
            conn.execute(self._drop_of, (*out, before[0]))
        # also where it is nothing: FTS5 counts rows, and refuses to take away more than came
        conn.execute(self._add_of, (*put, before[0]))

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

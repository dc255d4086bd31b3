"""Making again what is derived: after a type was widened, or migrated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlite_utils import Database

from metastore._declare import default_from
from metastore._values import to_column
from metastore.backend import Change, Column, Row, TypeSpec, derived_value
from metastore_sqlite._layout import create_search, create_type, drop_type, look_ups, quoted
from metastore_sqlite._words import columns, holds_blobs
from metastore_sqlite._writer import TypeTable

__all__ = ["derive_again", "mark_again", "refill"]


def derive_again(conn: Any, old: TypeSpec, new: TypeSpec) -> None:
    """Fill what widening added: defaults, derived columns, look-ups, and full text where its fields changed."""
    table = TypeTable(new)
    for field in new.fields:
        if field.name not in old.by_name and field.default is not None and not field.required:
            conn.execute(
                f"UPDATE {table.table} SET {quoted(field.name)} = ?",
                (to_column(field, default_from(field), field.name),),
            )
    for column in new.columns:
        if column.derived and column.name not in old.position:
            _derive_column(conn, table, column)
    had = {each.name for each in look_ups(old)}
    _fill_look_ups(conn, table, {each.name for each in look_ups(new) if each.name not in had})
    if [each.name for each in columns(old)] != [each.name for each in columns(new)]:
        _search_again(conn, table)


def _rows(conn: Any, table: TypeTable) -> Iterator[Row]:
    yield from conn.execute(f"SELECT {table.columns} FROM {table.table}").fetchall()


def _derive_column(conn: Any, table: TypeTable, column: Column) -> None:
    values = [(derived_value(table.spec, column, row), row[0]) for row in _rows(conn, table)]
    conn.executemany(f"UPDATE {table.table} SET {quoted(column.name)} = ? WHERE id = ?", values)


def _fill_look_ups(conn: Any, table: TypeTable, names: set[str]) -> None:
    for each in table.derived:
        if each.field.name in names:
            conn.executemany(
                each.add,
                [entry for row in _rows(conn, table) for entry in each.derive(each.field, row[each.at], row[0])],
            )


def mark_again(conn: Any, specs: Iterable[TypeSpec]) -> None:
    """Put the marks of blobs into full text, which a file of revision 1 has not there."""
    for spec in filter(holds_blobs, specs):
        _search_again(conn, TypeTable(spec))


def _search_again(conn: Any, table: TypeTable) -> None:
    conn.execute(f"DROP TABLE IF EXISTS {table.text.name}")
    create_search(Database(conn), table.spec)
    table.text.index(conn, 0)


def refill(conn: Any, old: TypeSpec, new: TypeSpec, rows: Sequence[Row], tx: int, number: int) -> None:
    """Put ``rows`` in new tables of the type, with one change of kind *migrate* each."""
    for each in TypeTable(old).derived:
        for row in _rows(conn, TypeTable(old)):
            conn.executemany(each.drop, list(each.derive(each.field, row[each.at], row[0])))
    drop_type(Database(conn), old)
    create_type(Database(conn), new)
    conn.execute("UPDATE _identity SET state = 'deleted' WHERE type = ? AND state = 'live'", (new.name,))
    changes = [Change("migrate", row[0], row[new.position["revision"]], number, row[-1]) for row in rows]
    table = TypeTable(new)
    table.insert(conn, rows, 0, tx, changes)
    table.text.follow(conn, 0, len(rows))

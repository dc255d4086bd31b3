"""Making, widening and dropping the tables of a type: what is to be said to the server, and in which order.

In PostgreSQL this is part of the transaction. MariaDB commits at each of these statements, so they go over a connection of their own,
and what a transaction that is undone has left behind there is nobody's: it is dropped by whoever needs its name next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.schema import CreateColumn, CreateIndex

from metastore_sql._columns import Bounded
from metastore_sql._dialect import Dialect
from metastore_sql._prepared import Reads
from metastore_sql._tables import Relation, creation

__all__ = ["create", "drop", "free_name", "widen"]

_COLUMNS = {
    "postgresql": "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
    "mysql": "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = %s",
}
_INDEXES = {
    "postgresql": "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(%s)",
    "mysql": "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name = %s",
}


def _quoted(dialect: Dialect, table: Table) -> str:
    return dialect.sa.identifier_preparer.format_table(table)


def create(relation: Relation, dialect: Dialect) -> list[str]:
    """Return the statements that make every table of a type, in the place of leftovers."""
    left = drop(relation.tables, dialect) if dialect.name == "mysql" else []
    return [*left, *creation(relation.tables, dialect.sa)]


def drop(tables: Iterable[Table], dialect: Dialect) -> list[str]:
    """Return the statements that take tables away."""
    return [f"DROP TABLE IF EXISTS {_quoted(dialect, table)}" for table in tables]


def free_name(session: Reads, dialect: Dialect, type_name: str, held: str) -> str:
    """Return the name for new tables of a type beside those that it has: in MariaDB the old ones stay until the commit."""
    if dialect.name == "postgresql" or not held:
        return type_name
    return f"{type_name}~{int(held.partition('~')[2] or 1) + 1}"


def _there(session: Reads, asked: dict[str, str], relation: Relation, dialect: Dialect) -> set[str]:
    name = _quoted(dialect, relation.table) if dialect.name == "postgresql" else relation.name
    return {found for (found,) in session.read(asked[dialect.name], (name,))}


def _outgrown(old: Relation, new: Relation) -> list[Column[Any]]:
    """The columns of MariaDB that have no room for what the new spec lets in."""
    if old.dialect.name == "postgresql":
        return []
    had = {each.key: each.type for each in old.columns}
    return [
        each for each in new.columns if isinstance(had.get(each.key), Bounded) and not isinstance(each.type, Bounded)
    ]


def widen(session: Reads, old: Relation, new: Relation, dialect: Dialect) -> list[str]:
    """Return the statements that add the columns, indexes and look-ups that the new spec has and the old one had not."""
    fresh = [each for each in new.tables if each.name not in {had.name for had in old.tables}]
    wide, added = _outgrown(old, new), [each for each in new.columns if each.key not in old.table.c]
    there, present = _there(session, _COLUMNS, new, dialect), _there(session, _INDEXES, new, dialect)
    touched = {each.key for each in wide}
    kept = {str(each.name) for each in old.indexes} & {
        str(each.name) for each in new.indexes if not touched & {*each.columns.keys()}
    }
    gone = sorted(present.intersection(str(each.name) for each in (*old.indexes, *new.indexes)) - kept)
    come = [each for each in new.indexes if each.name not in kept]
    quote, table = dialect.sa.identifier_preparer.quote, _quoted(dialect, new.table)
    made = [str(CreateColumn(each).compile(dialect=dialect.sa)) for each in (*wide, *added)]
    less = [f"DROP COLUMN {quote(each.name)}" for each in added if each.name in there]
    more = [f"{'MODIFY' if at < len(wide) else 'ADD'} COLUMN {each}" for at, each in enumerate(made)]
    if dialect.name == "mysql":
        less = [f"DROP INDEX {quote(name)}" for name in gone] + less
        more += [f"ADD {each.text(quote)}" for each in come]
    alter = [f"ALTER TABLE {table} {', '.join(steps)}" for steps in (less, more) if steps]
    return [*drop(fresh, dialect), *creation(fresh, dialect.sa), *alter, *_reindexed(new, dialect, gone, come)]


def _reindexed(relation: Relation, dialect: Dialect, gone: Iterable[str], come: Iterable[Any]) -> list[str]:
    """PostgreSQL's way with indexes, by statements of their own."""
    if dialect.name == "mysql":
        return []
    write = dialect.sa.identifier_preparer
    front = f"{write.quote(relation.table.schema)}." if relation.table.schema else ""
    dropped = [f"DROP INDEX {front}{write.quote(name)}" for name in gone]
    return [*dropped, *(str(CreateIndex(each).compile(dialect=dialect.sa)) for each in come)]

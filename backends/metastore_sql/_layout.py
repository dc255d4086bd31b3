"""Making, widening and dropping the tables of a type: what is to be said to the server, and in which order.

In PostgreSQL this is part of the transaction. MariaDB commits at each of these statements, so they go over a connection of their own,
and what a transaction that is undone has left behind there is nobody's: it is dropped by whoever needs its name next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.schema import CreateColumn, CreateIndex

from metastore.errors import SchemaConflictError
from metastore_sql._columns import Bounded
from metastore_sql._dialect import Dialect
from metastore_sql._prepared import Reads
from metastore_sql._tables import Relation, creation, fitted

__all__ = ["create", "drop", "next_name", "stale", "widen"]

_COLUMNS = {
    "postgresql": "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
    "mysql": "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = %s",
}
_INDEXES = {
    "postgresql": "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(%s)",
    "mysql": "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name = %s",
}

_BEGINNING = "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND left(table_name, char_length(%s)) = %s"
_STRANGERS = (
    "SELECT count(*) FROM information_schema.tables AS t WHERE table_schema = database() AND table_name = %s AND NOT EXISTS"
    " (SELECT 1 FROM information_schema.table_constraints AS c WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name"
    " AND c.constraint_name = %s)"
)


def _quoted(dialect: Dialect, table: Table) -> str:
    return dialect.sa.identifier_preparer.format_table(table)


def create(session: Reads, relation: Relation, dialect: Dialect) -> list[str]:
    """Return the statements that make every table of a type, in the place of leftovers. Raises SchemaConflictError for a table that is not ours."""
    if dialect.name == "postgresql":
        return creation(relation.tables, dialect.sa)
    if session.read(_STRANGERS, (relation.name, fitted(f"{relation.name}#id")))[0][0]:
        raise SchemaConflictError(
            f"the database has a table {relation.name} that is not the catalogue's: give the catalogue a database of its own"
        )
    return [*drop(relation.tables, dialect), *creation(relation.tables, dialect.sa)]


def drop(tables: Iterable[Table], dialect: Dialect) -> list[str]:
    """Return the statements that take tables away."""
    return [f"DROP TABLE IF EXISTS {_quoted(dialect, table)}" for table in tables]


def next_name(dialect: Dialect, type_name: str, held: str) -> str:
    """Return the name for new tables of a type in the place of those that it has: in MariaDB the old ones stay until the commit."""
    if dialect.name == "postgresql":
        return type_name
    return f"{type_name}~{int(held.partition('~')[2] or 1) + 1}"


def stale(session: Reads, type_name: str, held: str) -> list[str]:
    """Return the statements that drop the tables which migrations of a type left in MariaDB: those numbered below the ones that it has."""
    number = int(held.partition("~")[2] or 1)
    names = [name for (name,) in session.read(_BEGINNING, (type_name, type_name))]
    found = [(re.fullmatch(rf"{type_name}(?:~(\d+))?(?::.+)?", name), name) for name in names]
    return [f"DROP TABLE IF EXISTS `{name}`" for match, name in found if match and int(match[1] or 1) < number]


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

"""Making, widening and dropping the tables of a type: what is to be said to the server, and in which order.

A wider spec may find columns and indexes that a transaction which was undone has left in MariaDB: they are made anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.schema import CreateColumn, CreateIndex

from metastore_sql._columns import Bounded
from metastore_sql._dialect import Dialect
from metastore_sql._prepared import Reads
from metastore_sql._tables import Relation, creation

__all__ = ["create", "drop", "free_name", "obstructed", "stale", "widen"]

_COLUMNS = {
    "postgresql": "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
    "mysql": "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = %s",
}
_INDEXES = {
    "postgresql": "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass(%s)",
    "mysql": "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name = %s",
}

_ALIKE = (
    "SELECT table_name, (SELECT count(*) FROM information_schema.table_constraints AS c WHERE c.table_schema = t.table_schema"
    " AND c.table_name = t.table_name AND c.constraint_name = concat(t.table_name, '#id'))"
    " FROM information_schema.tables AS t WHERE table_schema = database() AND left(table_name, char_length(%s)) = %s"
)
"""Tables whose names begin so, and whether they are the rows of a type of ours."""


def _quoted(dialect: Dialect, table: Table) -> str:
    return dialect.sa.identifier_preparer.format_table(table)


def create(relation: Relation, dialect: Dialect) -> list[str]:
    """Return the statements that make every table of a type."""
    return creation(relation.tables, dialect.sa)


def drop(tables: Iterable[Table], dialect: Dialect) -> list[str]:
    """Return the statements that take tables away."""
    return [f"DROP TABLE IF EXISTS {_quoted(dialect, table)}" for table in tables]


def _alike(session: Reads, type_name: str) -> list[tuple[int, str, bool]]:
    """Every table of MariaDB that has, or had, to do with a type: its number, its name, whether it is certainly ours."""
    rows = session.read(_ALIKE, (type_name, type_name))
    found = [(re.fullmatch(rf"{type_name}(?:~(\d+))?(:.+)?", name), name, ours) for name, ours in rows]
    return [(int(match[1] or 1), name, bool(ours or match[2])) for match, name, ours in found if match]


def free_name(session: Reads, dialect: Dialect, type_name: str) -> str:
    """Return the name for new tables of a type: in MariaDB one that no table has, as old ones stay until the commit, and leftovers longer."""
    taken = [] if dialect.name == "postgresql" else [number for number, _, _ in _alike(session, type_name)]
    return f"{type_name}~{max(taken) + 1}" if taken else type_name


def stale(session: Reads, type_name: str, held: str) -> list[str]:
    """Return the statements that drop tables of MariaDB which a type had once: those numbered below the ones that it has."""
    number = int(held.partition("~")[2] or 1)
    return [f"DROP TABLE IF EXISTS `{name}`" for at, name, ours in _alike(session, type_name) if ours and at < number]


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


def _fresh(old: Relation, new: Relation) -> list[Table]:
    had = {each.name for each in old.tables}
    return [each for each in new.tables if each.name not in had]


def _added(old: Relation, new: Relation) -> list[Column[Any]]:
    return [each for each in new.columns if each.key not in old.table.c]


def obstructed(session: Reads, old: Relation, new: Relation, dialect: Dialect) -> bool:
    """Return whether MariaDB has columns or look-ups already that the new spec adds.

    They are what an undone widening left, or what a program on another node of a cluster is about to commit, or just has: nobody's to drop.
    """
    if dialect.name == "postgresql":
        return False
    there, alike = _there(session, _COLUMNS, new, dialect), {name for _, name, _ in _alike(session, new.spec.name)}
    return any(each.name in there for each in _added(old, new)) or any(each.name in alike for each in _fresh(old, new))


def widen(session: Reads, old: Relation, new: Relation, dialect: Dialect) -> list[str]:
    """Return the statements that add the columns, indexes and look-ups that the new spec has and the old one had not."""
    fresh, wide, added = _fresh(old, new), _outgrown(old, new), _added(old, new)
    present = _there(session, _INDEXES, new, dialect)
    touched = {each.key for each in wide}
    kept = {str(each.name) for each in old.indexes} & {
        str(each.name) for each in new.indexes if not touched & {*each.columns.keys()}
    }
    gone = sorted(present.intersection(str(each.name) for each in (*old.indexes, *new.indexes)) - kept)
    come = [each for each in new.indexes if each.name not in kept]
    quote, table = dialect.sa.identifier_preparer.quote, _quoted(dialect, new.table)
    made = [str(CreateColumn(each).compile(dialect=dialect.sa)) for each in (*wide, *added)]
    less: list[str] = []
    more = [f"{'MODIFY' if at < len(wide) else 'ADD'} COLUMN {each}" for at, each in enumerate(made)]
    if dialect.name == "mysql":
        less = [f"DROP INDEX {quote(name)}" for name in gone]
        more += [f"ADD {each.text(quote)}" for each in come]
    alter = [f"ALTER TABLE {table} {', '.join(steps)}" for steps in (less, more) if steps]
    return [*creation(fresh, dialect.sa), *alter, *_reindexed(new, dialect, gone, come)]


def _reindexed(relation: Relation, dialect: Dialect, gone: Iterable[str], come: Iterable[Any]) -> list[str]:
    """PostgreSQL's way with indexes, by statements of their own."""
    if dialect.name == "mysql":
        return []
    write = dialect.sa.identifier_preparer
    front = f"{write.quote(relation.table.schema)}." if relation.table.schema else ""
    dropped = [f"DROP INDEX {front}{write.quote(name)}" for name in gone]
    return [*dropped, *(str(CreateIndex(each).compile(dialect=dialect.sa)) for each in come)]

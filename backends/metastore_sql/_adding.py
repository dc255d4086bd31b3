"""Adding: the INSERT of one row that many rows go by as well.

PostgreSQL takes many as one array per column: a sixth of the time of as many statements, on either side of the line (measured).
MariaDB's driver makes one statement of many rows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.types import TypeEngine

from metastore_sql._columns import JSON, TEXT, WORDS, Bounded
from metastore_sql._connection import Session
from metastore_sql._prepared import Prepared, slot
from metastore_sql._reading_postgresql import array_text

__all__ = ["Adding"]

FEW, CHUNK = 10, 500
"""Fewer rows than this go one by one, without a trip of their own; no more than that in one statement."""

Making = Callable[[Any], Any]


class Adding(Prepared):
    """The statement that adds a row of these columns (of all), whose values come in their order.

    Where a row with that key is there already: the ``summed`` numbers are added to its own, the ``taken`` columns are given to it; with
    ``leniently`` it stays as it is; else that is an error.
    """

    __slots__ = ("_bulk", "_packers")

    def __init__(
        self,
        table: Table,
        dialect: Compiling,
        names: Sequence[str] = (),
        *,
        summed: Sequence[str] = (),
        taken: Sequence[str] = (),
        leniently: bool = False,
    ) -> None:
        columns: list[Column[Any]] = [table.c[name] for name in names] or list(table.c)
        pg = dialect.name == "postgresql"
        made: Any = (postgresql if pg else mysql).insert(table)

        def ended(statement: Any) -> Any:
            if not (summed or taken or leniently):
                return statement
            return _kept(statement, table, pg, _change(statement, table, pg, summed, taken))

        super().__init__(ended(made.values({each: slot(at, each.type) for at, each in enumerate(columns)})), dialect)
        names = [each.key for each in columns]
        self._bulk = Prepared(ended(made.from_select(names, _unnested(columns))), dialect) if pg else None
        self._packers = [_packer(each.type, dialect) for each in columns]

    def many(self, session: Session, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows, in one trip if they are not too many."""
        every = list(rows)
        if self._bulk is None or len(every) < FEW:
            super().many(session, every)
            return
        send = session.later if len(every) <= CHUNK else session.execute
        for start in range(0, len(every), CHUNK):
            columns = zip(*every[start : start + CHUNK], strict=True)
            packed = [_packed(values, made) for values, made in zip(columns, self._packers, strict=True)]
            send(self._bulk.sql, self._bulk.bind(packed))


def _change(statement: Any, table: Table, pg: bool, summed: Sequence[str], taken: Sequence[str]) -> dict[str, Any]:
    new = statement.excluded if pg else statement.inserted
    return {name: table.c[name] + new[name] for name in summed} | {name: new[name] for name in taken}


def _kept(statement: Any, table: Table, pg: bool, change: dict[str, Any]) -> Any:
    key = [each.name for each in table.primary_key]
    if not pg:
        return statement.on_duplicate_key_update(change or {key[0]: table.c[key[0]]})
    return (
        statement.on_conflict_do_update(index_elements=key, set_=change)
        if change
        else statement.on_conflict_do_nothing()
    )


def _unnested(columns: Sequence[Column[Any]]) -> Any:
    """The rows that arrays of values make, one array per column."""
    arrays = [cast(bindparam(f"p{at}"), postgresql.ARRAY(_element(each.type))) for at, each in enumerate(columns)]
    every = func.unnest(*arrays).table_valued(*[f"c{at}" for at in range(len(columns))]).render_derived()
    return select(*[_unpacked(every.c[f"c{at}"], each.type) for at, each in enumerate(columns)])


def _element(kept: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(kept, Bounded) or kept in (TEXT, JSON, WORDS) else kept


def _unpacked(value: Any, kept: TypeEngine[Any]) -> Any:
    return cast(value, kept) if kept in (JSON, WORDS) else value


def _packer(kept: TypeEngine[Any], dialect: Compiling) -> Making | None:
    if kept is WORDS:
        return array_text
    return kept.dialect_impl(dialect).bind_processor(dialect)


def _packed(values: Sequence[Any], made: Making | None) -> str:
    if made is None:
        return array_text(values)
    return array_text([None if value is None else made(value) for value in values])

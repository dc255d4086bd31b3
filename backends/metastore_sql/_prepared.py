"""Prepared: a statement of SQLAlchemy Core as what the driver runs, and how plain values become its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import BindParameter, Table, bindparam, delete, update
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.types import TypeEngine

from metastore_sql._connection import Session

__all__ = ["Prepared", "Reads", "dropping", "setting", "slot"]


class Reads(Protocol):
    """What answers a statement: a session, or a snapshot."""

    def read(self, sql: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""


def slot(at: int, kept: TypeEngine[Any]) -> BindParameter[Any]:
    """Return the parameter that stands for the value at a place, as a column of that type keeps it."""
    return bindparam(f"p{at}", type_=kept)


class Prepared:
    """The text of a statement, compiled once; values come in the order of its slots and are plain."""

    __slots__ = ("_in_order", "_made", "_places", "sql")

    def __init__(self, statement: Any, dialect: Compiling) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        names: list[str] = list(compiled.positiontup or ())
        self._places = [int(name[1:]) for name in names]
        self._in_order = self._places == list(range(len(names)))
        made = [compiled._bind_processors.get(name) for name in names]
        self._made = [(at, each) for at, each in enumerate(made) if each is not None]

    def bind(self, values: Sequence[Any]) -> list[Any]:
        """Return the parameters of the statement for the values at its slots."""
        bound = list(values[: len(self._places)]) if self._in_order else [values[at] for at in self._places]
        for at, made in self._made:
            bound[at] = made(bound[at])
        return bound

    def read(self, session: Reads, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of the statement."""
        return session.read(self.sql, self.bind(values))

    def run(self, session: Session, *values: Any) -> int:
        """Run the statement and return how many rows it changed."""
        return session.execute(self.sql, self.bind(values))

    def later(self, session: Session, *values: Any) -> None:
        """Run the statement, whose answer nobody needs."""
        session.later(self.sql, self.bind(values))

    def many(self, session: Session, rows: Iterable[Sequence[Any]]) -> None:
        """Run the statement once per row of values."""
        bound = [self.bind(row) for row in rows]
        if len(bound) == 1:
            session.later(self.sql, bound[0])
        elif bound:
            session.many(self.sql, bound)


def dropping(table: Table, *names: str) -> Any:
    """Return the statement that takes away the rows with these values, a slot each."""
    return delete(table).where(*(table.c[name] == slot(at, table.c[name].type) for at, name in enumerate(names)))


def setting(table: Table, names: Sequence[str], where: Sequence[str]) -> Any:
    """Return the statement that gives columns other values in the rows with some values, a slot each, in that order."""
    kept = [table.c[name] for name in (*names, *where)]
    slots = [slot(at, each.type) for at, each in enumerate(kept)]
    fits = [column == made for column, made in zip(kept[len(names) :], slots[len(names) :], strict=True)]
    return update(table).values(dict(zip(kept[: len(names)], slots[: len(names)], strict=True))).where(*fits)

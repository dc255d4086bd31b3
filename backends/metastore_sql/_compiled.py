"""Statements compiled once: the driver's SQL, and what makes its parameters of the values of a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import BindParameter, bindparam
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import NullType, TypeEngine

__all__ = ["Compiled", "Parameters"]

Making = Callable[[Any], Any]
_Take = tuple[int, Making | None]


@frozen(eq=False)
class Compiled:
    """SQL with ``%s`` for parameters, and where each comes from.

    A take is the number of a value and what is made of it; ``fixed`` are values of the statement's own, numbered from -1 downwards.
    """

    sql: str
    takes: tuple[_Take, ...]
    fixed: tuple[Any, ...]

    def bind(self, values: Sequence[Any]) -> list[Any]:
        """Return what the driver is given for the values of a question."""
        every = (*values, *self.fixed)
        return [every[at] if make is None else make(every[at]) for at, make in self.takes]

    def told(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the parameters as the question names them, before marks and sort forms are made of them."""
        every = (*values, *self.fixed)
        return tuple(every[at] for at, _ in self.takes)


class Parameters:
    """The parameters of a statement under construction."""

    def __init__(self, compiling: Compiling) -> None:
        self._compiling = compiling
        self._takes: dict[str, _Take] = {}
        self._fixed: list[Any] = []

    def one(self, number: int, kept: TypeEngine[Any], make: Making | None = None) -> BindParameter[Any]:
        """Return a parameter for a value that is kept so; ``make`` makes a plain value of it first."""
        given = kept.dialect_impl(self._compiling).bind_processor(self._compiling)
        return self._parameter(number, _after(make, given), kept)

    def many(self, number: int, make: Making) -> BindParameter[Any]:
        """Return a parameter for a whole list, of which ``make`` makes what the driver takes."""
        return self._parameter(number, make, NullType())

    def fixed(self, value: Any, kept: TypeEngine[Any]) -> BindParameter[Any]:
        """Return a parameter for what is the statement's own, such as the name of an attribute."""
        self._fixed.append(value)
        return self.one(-len(self._fixed), kept)

    def _parameter(self, number: int, make: Making | None, kept: TypeEngine[Any]) -> BindParameter[Any]:
        name = f"p{len(self._takes)}"
        self._takes[name] = number, make
        return bindparam(name, type_=kept)

    def each(self, kept: TypeEngine[Any], make: Making | None, spread: Making | None) -> Making:
        """Return what makes bound values of a list; it is spread first, then ``make`` makes a plain value of each."""
        given = _after(make, kept.dialect_impl(self._compiling).bind_processor(self._compiling))
        if given is None:
            return spread or list
        if spread is None:
            return lambda values: [given(value) for value in values]
        return lambda values: [given(value) for value in spread(values)]

    def compiled(self, statement: ClauseElement) -> Compiled:
        """Return the statement compiled."""
        made: Any = statement.compile(dialect=self._compiling)
        takes = tuple([self._takes[name] for name in made.positiontup or ()])
        return Compiled(" ".join(made.string.split()), takes, tuple(reversed(self._fixed)))


def _after(make: Making | None, given: Making | None) -> Making | None:
    if make is None or given is None:
        return make or given
    return lambda value: given(make(value))

"""What reading needs of a dialect: expressions that the two families of servers write differently.

Every condition here is true or not for values that are there; for what is absent it may be unknown, and whoever negates it minds that.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import ColumnElement, FromClause
from sqlalchemy.types import TypeEngine

from metastore._json import encode
from metastore.backend import FieldSpec
from metastore_sql._columns import FLAG, NUMBER, REAL, TEXT
from metastore_sql._compiled import Making, Parameters
from metastore_sql._tables import Relation

__all__ = [
    "Column",
    "Condition",
    "How",
    "Reading",
    "Spread",
    "Steps",
    "above",
    "alternatives",
    "compared",
    "kept_as",
    "reading_of",
]

Column = ColumnElement[Any]
Condition = ColumnElement[Any]
How = Literal["starts", "ends", "contains"]
Spread = Callable[[Sequence[Any]], Sequence[Any]]
Steps = Sequence[str | int]
"""The way into a JSON column: names, and the numbers of keys."""

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    each: getattr(operator, each) for each in ("eq", "ne", "lt", "le", "gt", "ge")
}
_KEPT: dict[str, TypeEngine[Any]] = {"int": NUMBER, "float": REAL, "bool": FLAG}


def compared(op: str, one: Column, other: Column) -> Condition:
    """Return a comparison by its name in queries."""
    made: Condition = _OPERATORS[op](one, other)
    return made


def above(text: str) -> str:
    """Return a text greater than all that start with this one, least where there is one.

    Where there is none, for every character is the last of all, one longer than any index holds.
    """
    for at in range(len(text) - 1, -1, -1):
        code = ord(text[at]) + 1
        if code <= 0x10FFFF:
            return text[:at] + chr(0xE000 if code == 0xD800 else code)
    return "\U0010ffff" * (len(text) + 10_000)


def kept_as(kind: str) -> TypeEngine[Any]:
    """Return the type of a scalar of that kind inside JSON: what is no number and no truth is text there."""
    return _KEPT.get(kind, TEXT)


def alternatives(values: Sequence[Any]) -> list[str]:
    """Return the canonical texts of every value that equals one of these, for a number may be written in several ways.

    >>> alternatives([0, "a"]), alternatives([2.0])
    (['0', '0.0', '-0.0', '"a"'], ['2', '2.0'])
    """
    return [text for value in values for text in _texts(value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [encode(value)]
    found = [encode(int(value))] if value == int(value) else []
    found += [encode(float(value) + 0.0)] if value == float(value) else []
    return [*found, "-0.0"] if value == 0 else found


class Rows:
    """One table of rows in a statement: its relation, and the alias by which its columns are asked for."""

    __slots__ = ("c", "relation", "table")

    def __init__(self, relation: Relation, name: str) -> None:
        self.relation = relation
        self.table = relation.table.alias(name)
        self.c: Any = self.table.c

    def field(self, name: str) -> FieldSpec | None:
        """Return the spec of a column's field, nothing for a column that the engine derives for all."""
        return self.relation.spec.by_name.get(name.removesuffix("__folded"))

    def optional(self, name: str) -> bool:
        """Return whether a column may hold nothing."""
        field = self.field(name)
        return field is None or field.optional


class Search(NamedTuple):
    """Words that are looked for: their number, the fields that count (none: all), and how many words there are."""

    number: int
    fields: tuple[str, ...]
    words: int


class Reading(Protocol):
    """Expressions of one family of servers."""

    compares_rows: bool
    """Whether an index serves ``(a, b) > (x, y)``."""

    def among(
        self, p: Parameters, value: Column, number: int, make: Making | None = None, spread: Spread | None = None
    ) -> Condition:
        """Return that a value is one of a bound list, however long, after each was made a plain value and they all were spread."""

    def within(self, value: Column, found: Any) -> Condition:
        """Return that a value is one of what a small sub-select finds, so that an index of the value serves."""

    def order(self, key: Column, *, descending: bool) -> Column:
        """Return a sort key, absent smallest."""

    def text(self, how: How, value: Column, wanted: Callable[[], Column]) -> Condition:
        """Return that a text starts with, ends with or contains another, code point by code point; ``wanted`` makes a parameter."""

    def begins(self, p: Parameters, value: Column, number: int, *, cut: bool) -> Condition:
        """Return that an indexed text starts with another, so that the index serves; ``cut`` if it holds its beginning only."""

    def narrowed(self, p: Parameters, op: str, value: Column, number: int) -> Condition | None:
        """Return what must hold for the beginning of a text, where an index holds no more and the server does not see to that itself."""

    def inside(self, p: Parameters, whole: Column, steps: Steps) -> Column:
        """Return the JSON at the end of the steps, nothing where there is none."""

    def scalar(self, p: Parameters, whole: Column, steps: Steps, kind: str) -> Column:
        """Return the value at the end of the steps as one of its kind; nothing for null."""

    def missing(self, p: Parameters, whole: Column, steps: Steps) -> Condition:
        """Return that there is nothing at the end of the steps, or null."""

    def of_form(self, p: Parameters, whole: Column, steps: Steps, form: str) -> Column:
        """Return the value at the end of the steps where it is of that JSON type, else nothing; lists and dicts as canonical text."""

    def rank_of_form(self, p: Parameters, whole: Column, steps: Steps) -> Column:
        """Return 1 for a bool, 2 for a number, 3 for a string at the end of the steps, else nothing."""

    def elements(self, p: Parameters, whole: Column, steps: Steps) -> tuple[FromClause, Column]:
        """Return the elements of a list, none of what is no list, and the canonical text of each."""

    def urls(self, p: Parameters, whole: Column, steps: Steps) -> tuple[FromClause, Column]:
        """Return the locations of a blob and the url of each; the last step is ``url``."""

    def matches(self, p: Parameters, rows: Rows, search: Search) -> Condition:
        """Return that each of the words occurs in one of the fields."""

    def ranked(
        self, p: Parameters, rows: Rows, search: Search, name: str, *, only: bool
    ) -> tuple[Column, FromClause | None]:
        """Return the rank of a row, and what is to be joined to it by ``id`` for that, under a name.

        With ``only``, every row of the answer matches: what is joined has only those, which spares the condition.
        """

    def items(self, p: Parameters, whole: Column, kind: str) -> tuple[FromClause, Column]:
        """Return the elements of a list column, and each as a value of its kind."""

    def real(self, value: Column) -> Column:
        """Return a number as a double, of which a sum may be taken."""

    def total(self, value: Column) -> Column:
        """Return the sum of a group; one that no double holds is an error of the server."""

    def first_of_each(self, ident: Column, keys: Sequence[Column], order: Sequence[Column], where: Condition) -> Any:
        """Return the ids of the rows that come first by an order among those of equal keys."""


def reading_of(name: str, collation: str) -> Reading:
    """Return the expressions of a family of servers."""
    if name == "postgresql":
        from metastore_sql._reading_postgresql import PostgreSQLReading

        return PostgreSQLReading()
    from metastore_sql._reading_mysql import MySQLReading

    return MySQLReading(collation)

"""Expressions of MariaDB and MySQL: paths for JSON, JSON_TABLE for its lists, a table of words for full text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import FromClause, and_, case, cast, collate, func, literal_column, or_, select, type_coerce
from sqlalchemy.dialects import mysql

from metastore._json import encode
from metastore_sql._columns import FLAG, NUMBER, REAL, TEXT
from metastore_sql._compiled import Making, Parameters
from metastore_sql._reading import Column, Condition, How, Rows, Search, Spread, Steps, above, kept_as
from metastore_sql._tables import searched

__all__ = ["MySQLReading"]

MARIADB = "utf8mb4_nopad_bin"
"""MariaDB's collation by code point, by which it is known."""

JOINED = 4
"""Words of a search that are joined one by one; a search for 60 took MariaDB a minute so, most of it to plan (measured)."""

_FORMS = {
    "bool": ("BOOLEAN",),
    "number": ("INTEGER", "DOUBLE", "DECIMAL", "UNSIGNED INTEGER"),
    "string": ("STRING",),
    "list": ("ARRAY",),
    "dict": ("OBJECT",),
}


def _nonempty(values: list[Any]) -> list[Any]:
    """What PyMySQL writes out as a list of values: an empty one is no SQL, and nothing equals NULL."""
    return values or [None]


class MySQLReading:
    """Expressions of MariaDB 10.6 or newer; ``collation`` is the one of every text column."""

    compares_rows = False

    def __init__(self, collation: str) -> None:
        self._collation = collation

    def among(
        self, p: Parameters, value: Column, number: int, make: Making | None = None, spread: Spread | None = None
    ) -> Condition:
        """Return that a value is one of a list, which the driver writes out as ``(…, …)``."""
        each = p.each(value.type, make, spread)
        return value.op("IN", is_comparison=True)(p.many(number, lambda values: _nonempty(each(values))))

    def within(self, value: Column, found: Any) -> Condition:
        """Return that a value is one of what is found."""
        return value.in_(found)

    def order(self, key: Column, *, descending: bool) -> Column:
        """Return a sort key; here absent is smallest anyway."""
        return key.desc() if descending else key.asc()

    def text(self, how: How, value: Column, wanted: Callable[[], Column]) -> Condition:
        """Return that a text starts with, ends with or contains another."""
        if how == "contains":
            return func.instr(value, wanted()) > literal_column("0")
        part = func.left if how == "starts" else func.right
        return part(value, func.char_length(wanted())) == wanted()

    def begins(self, p: Parameters, value: Column, number: int, *, cut: bool) -> Condition:
        """Return that an indexed text starts with another; an index of beginnings serves by itself."""
        whole = and_(value >= p.one(number, TEXT), value < p.one(number, TEXT, above))
        return and_(whole, self.text("starts", value, lambda: p.one(number, TEXT))) if cut else whole

    def narrowed(self, p: Parameters, op: str, value: Column, number: int) -> Condition | None:
        """Return nothing: the server sees to it."""
        return None

    def inside(self, p: Parameters, whole: Column, steps: Steps) -> Column:
        """Return the JSON text at the end of the steps."""
        return func.json_extract(whole, _path(p, steps)) if steps else whole

    def _whole(self, p: Parameters, whole: Column, steps: Steps) -> Column:
        """Return the list or dict at the end of the steps as it was written; MySQL, which has no such function, writes it anew."""
        if not steps:
            return whole
        take = func.json_query if self._collation == MARIADB else func.json_extract
        return take(whole, _path(p, steps))

    def scalar(self, p: Parameters, whole: Column, steps: Steps, kind: str) -> Column:
        """Return the value at the end of the steps as one of its kind."""
        kept = kept_as(kind)
        if kept is FLAG:
            found = func.json_extract(whole, _path(p, steps))
            return case(
                (found == literal_column("'true'"), literal_column("1")),
                (found == literal_column("'false'"), literal_column("0")),
            )
        value = func.json_value(whole, _path(p, steps))
        if kept is TEXT:
            return collate(value, self._collation)
        return _number(value, kept)

    def missing(self, p: Parameters, whole: Column, steps: Steps) -> Condition:
        """Return that there is nothing at the end of the steps, or null."""
        return func.coalesce(func.json_extract(whole, _path(p, steps)), literal_column("'null'")) == literal_column(
            "'null'"
        )

    def of_form(self, p: Parameters, whole: Column, steps: Steps, form: str) -> Column:
        """Return the value at the end of the steps where it is of that JSON type."""
        kind = func.json_type(self.inside(p, whole, steps))
        made: Column
        if form in ("list", "dict"):
            made = collate(self._whole(p, whole, steps), self._collation)
        else:
            made = self.scalar(p, whole, steps, {"bool": "bool", "number": "float"}.get(form, "str"))
        names = ", ".join(f"'{name}'" for name in _FORMS[form])
        return case((kind.op("IN", is_comparison=True)(literal_column(f"({names})")), made))

    def rank_of_form(self, p: Parameters, whole: Column, steps: Steps) -> Column:
        """Return 1 for a bool, 2 for a number, 3 for a string."""
        kind = func.json_type(self.inside(p, whole, steps))
        return case(
            (kind == literal_column("'BOOLEAN'"), literal_column("1")),
            (kind == literal_column("'STRING'"), literal_column("3")),
            (
                kind.op("IN", is_comparison=True)(literal_column("('INTEGER', 'DOUBLE', 'DECIMAL')")),
                literal_column("2"),
            ),
        )

    def elements(self, p: Parameters, whole: Column, steps: Steps) -> tuple[FromClause, Column]:
        """Return the elements of a list and the canonical text of each."""
        found = self._whole(p, whole, steps)
        array = case((func.json_type(found) == literal_column("'ARRAY'"), found))
        every = func.json_table(array, literal_column("'$[*]' COLUMNS (value JSON PATH '$')")).table_valued(
            "value", name="e"
        )
        return every, collate(type_coerce(every.c.value, TEXT), self._collation)

    def urls(self, p: Parameters, whole: Column, steps: Steps) -> tuple[FromClause, Column]:
        """Return the locations of a blob and the url of each."""
        array = self.inside(p, whole, [*steps[:-1], "locations"])
        every = func.json_table(array, literal_column("'$[*]' COLUMNS (value LONGTEXT PATH '$.url')")).table_valued(
            "value", name="e"
        )
        return every, collate(type_coerce(every.c.value, TEXT), self._collation)

    def matches(self, p: Parameters, rows: Rows, search: Search) -> Condition:
        """Return that the row is found under every word; many words are looked up as one, for the planner weighs every order of joins."""
        words: Any = rows.relation.text
        found = [_found(p, words, search, at) for at in range(search.words)]
        if search.words <= JOINED:
            return and_(*[rows.c.id.in_(select(words.c.id).where(each)) for each in found])
        every: Condition = rows.c.id.in_(
            _every(select(words.c.id).where(or_(*found)).group_by(words.c.id), words, search)
        )
        return every

    def ranked(
        self, p: Parameters, rows: Rows, search: Search, name: str, *, only: bool
    ) -> tuple[Column, FromClause | None]:
        """Return the sum over the words found, one look-up for all rows."""
        words: Any = rows.relation.text
        weights: list[Any] = [
            (words.c.field == p.fixed(each.name, TEXT), literal_column(str(each.search)))
            for each in searched(rows.relation.spec, search.fields)
        ]
        weight = func.sum(case(*weights, else_=literal_column("0"))).label("hits")
        every = or_(*[_found(p, words, search, at) for at in range(search.words)])
        hits = select(words.c.id, weight).where(every).group_by(words.c.id)
        if only and search.words > 1:
            hits = _every(hits, words, search)
        found = hits.subquery(name)
        return found.c.hits if only else func.coalesce(found.c.hits, literal_column("0")), found

    def items(self, p: Parameters, whole: Column, kind: str) -> tuple[FromClause, Column]:
        """Return the elements of a list column, and each as a value of its kind."""
        every = func.json_table(whole, literal_column("'$[*]' COLUMNS (value LONGTEXT PATH '$')")).table_valued(
            "value", name="e"
        )
        kept, value = kept_as(kind), type_coerce(every.c.value, TEXT)
        if kept is FLAG:
            return every, case((value == literal_column("'true'"), literal_column("1")), else_=literal_column("0"))
        return every, collate(value, self._collation) if kept is TEXT else _number(value, kept)

    def real(self, value: Column) -> Column:
        """Return a number as a double; to cast to one is not known to every version."""
        return type_coerce(value, REAL) + literal_column("0e0")

    def total(self, value: Column) -> Column:
        """Return the sum of a group; one that no double holds is an error of the server: SUM alone says 0, and only arithmetic checks."""
        return func.sum(value) * literal_column("1")

    def first_of_each(self, ident: Column, keys: Sequence[Column], order: Sequence[Column], where: Condition) -> Any:
        """Return the ids of the rows that come first by an order among those of equal keys."""
        place = func.row_number().over(partition_by=list(keys), order_by=list(order)).label("place")
        numbered = select(ident.label("i"), place).where(where).subquery("n")
        return select(numbered.c.i).where(numbered.c.place == literal_column("1"))


def _number(value: Column, kept: Any) -> Column:
    return type_coerce(
        cast(value, mysql.INTEGER()) if kept is NUMBER else type_coerce(value, REAL) + literal_column("0e0"), kept
    )


def _path(p: Parameters, steps: Steps) -> Column:
    """Return the JSON path of names and at most one bound key, each quoted as JSON quotes it."""
    at = next((at for at, step in enumerate(steps) if isinstance(step, int)), None)
    if at is None:
        return p.fixed("$" + _quoted(steps), TEXT)
    front, back = "$" + _quoted(steps[:at]), _quoted(steps[at + 1 :])
    return p.one(steps[at], TEXT, lambda key: f"{front}{_quoted([key])}{back}")  # type: ignore[arg-type]


def _quoted(steps: Steps) -> str:
    return "".join(f".{encode(step)}" for step in steps)


def _every(hits: Any, words: Any, search: Search) -> Any:
    return hits.having(func.count(words.c.word.distinct()) == literal_column(str(search.words)))


def _found(p: Parameters, words: Any, search: Search, at: int) -> Condition:
    found = words.c.word == p.one(search.number, TEXT, _word(at))
    return (
        and_(found, or_(*[words.c.field == p.fixed(name, TEXT) for name in search.fields])) if search.fields else found
    )


def _word(at: int) -> Callable[[Any], str]:
    return lambda words: str(words[at])

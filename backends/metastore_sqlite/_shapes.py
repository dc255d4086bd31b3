"""Finds that come again: compiled once per shape, after which their values are only bound.

The shape is compiled with marks in the place of its values, and where the marks come out is where values go. Only what leaves values as
they are has a shape here: comparisons of whole fields, and a search that ranks by its own words. The others are compiled each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from metastore.backend import TypeSpec
from metastore.query import And, Compare, Matches, Order, Predicate, Query, Rank
from metastore_sqlite._compile import Fragment, Known
from metastore_sqlite._statements import select

__all__ = ["Shapes"]

MOST = 1000
"""Shapes remembered; beyond that all are forgotten."""

_Words = tuple[str, ...]
_Take = tuple[int | None, Any]
"""The number of a value; or without one, a text with places for words, or what the statement binds by itself."""


class _Mark:
    """Stands for a value."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class _Asked:
    """One question taken apart: its shape, its values in order (the limit last), the words that it looks for."""

    __slots__ = ("shape", "values", "words")

    def __init__(self, spec: TypeSpec, query: Query) -> None:
        self.shape: list[Hashable] = [spec.digest, query.limit is None]
        self.values: list[Any] = []
        self.words: _Words = ()

    def takes(self, query: Query) -> bool:
        """Take a question apart; return whether it has a shape."""
        if query.after is not None or query.latest:
            return False
        fits = all(map(self._part, _parts(query.where))) and all(map(self._order, query.order))
        self.values.append(query.limit)
        return fits

    def _part(self, part: Predicate) -> bool:
        if isinstance(part, Compare):
            path, value = part.path, part.value
            self.shape.append((path.field, path.folded, part.op))
            self.values += value if isinstance(value, tuple) else (value,)
            # visibilities are written out, see `_compile`
            return not path.keys and path.field != "visibility"
        if not isinstance(part, Matches) or self.words:
            return False
        self.words = part.words
        self.shape.append((len(part.words), part.fields))
        return bool(part.words)

    def _order(self, order: Order) -> bool:
        key = order.key
        if isinstance(key, Rank):
            self.shape.append((key.fields, order.descending))
            return key.words == self.words
        self.shape.append((key.field, key.folded, key.kind, order.descending))
        return not key.keys


def _parts(where: Predicate) -> tuple[Predicate, ...]:
    return where.items if isinstance(where, And) else (where,)


class Shapes:
    """The finds that a store was asked, by shape."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[str, list[_Take]]] = {}

    def select(self, spec: TypeSpec, query: Query, columns: str, by: Known) -> Fragment:
        """Return what `statements.select` does."""
        asked = _Asked(spec, query)
        if not asked.takes(query):
            return select(spec, query, columns, by)
        shape = tuple(asked.shape)
        known = self._known.get(shape)
        if known is None:
            known = self._learn(shape, select(spec, _marked(query, asked.words), columns, by))
        return known[0], _bound(known[1], asked.values, asked.words)

    def forget(self) -> None:
        """Forget every shape, as when the file became one of another revision."""
        self._known.clear()

    def _learn(self, shape: Hashable, compiled: Fragment) -> tuple[str, list[_Take]]:
        if len(self._known) >= MOST:
            self._known.clear()
        sql, bound = compiled
        made = self._known[shape] = sql, [(each.number if isinstance(each, _Mark) else None, each) for each in bound]
        return made


def _marked(query: Query, words: _Words) -> Query:
    """Return the question with marks for values and places for words; words have no sign that means anything there."""
    places, numbers = tuple([f"%({number})s" for number in range(len(words))]), iter(range(2**31))
    parts = [_marked_part(part, places, numbers) for part in _parts(query.where)]
    order = [
        Order(Rank(places, each.key.fields), each.descending) if isinstance(each.key, Rank) else each
        for each in query.order
    ]
    limit: Any = None if query.limit is None else _Mark(next(numbers))
    return Query(query.type, parts[0] if len(parts) == 1 else And(tuple(parts)), tuple(order), limit)


def _marked_part(part: Any, places: _Words, numbers: Any) -> Predicate:
    if isinstance(part, Matches):
        return Matches(places, part.fields)
    value = part.value
    marks = tuple([_Mark(next(numbers)) for _ in value]) if isinstance(value, tuple) else _Mark(next(numbers))
    return Compare(part.path, part.op, marks)


def _bound(takes: Sequence[_Take], values: Sequence[Any], words: _Words) -> list[Any]:
    if not words:
        return [own if number is None else values[number] for number, own in takes]
    named: Mapping[str, str] = {str(number): word for number, word in enumerate(words)}
    return [
        (own % named if isinstance(own, str) else own) if number is None else values[number] for number, own in takes
    ]

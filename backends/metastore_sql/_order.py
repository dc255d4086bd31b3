"""Sort keys and positions: what a statement orders by, and which rows come after the last of the page before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import FromClause, and_, false, func, or_, tuple_

from metastore_sql._columns import HEAD, IDENT, NUMBER, TEXT
from metastore_sql._compile import Conditions, entry_mark, number
from metastore_sql._reading import Column, Condition, Rows, Search, compared
from metastore_sql._sortform import KINDS, head, whole

__all__ = ["Join", "Term", "beyond", "entry_of", "free_terms", "order_by", "terms"]

SCALARS = ("bool", "number", "string")
"""JSON types that have an order; all else is absent there."""


@frozen(eq=False)
class Term:
    """One ORDER BY term. ``after`` is the parameter of the position's value, ``None`` for an absent one."""

    key: Column
    descending: bool
    optional: bool
    after: Column | None = None


@frozen(eq=False)
class Join:
    """What is joined to the rows so that it can be ordered by; ``inner`` where it also says which rows there are."""

    source: FromClause
    on: Condition
    inner: bool = False


class _Terms:
    """Collects the terms of one statement."""

    def __init__(self, conditions: Conditions, rows: Rows, only: Any) -> None:
        self.conditions, self.rows, self.p, self.only = conditions, rows, conditions.p, only
        self.made: list[Term] = []
        self.joins: list[Join] = []

    def add(self, order: Any, at: Any) -> None:
        """Add the terms of one sort key; ``at`` is its part of the position."""
        if order[0] == "by":
            self._by(order[1], order[2], order[3], at)
        elif order[0] == "level":
            self._plain(func.abs(number(0)), order[1], False, at, NUMBER)
        else:
            self._rank(order, at)

    def _plain(self, key: Column, down: bool, optional: bool, at: Any, kept: Any) -> None:
        after = None if at is None else self.p.one(at[1], kept)
        self.made.append(Term(key, down, optional, after))

    def _by(self, kind: str, place: Any, down: bool, at: Any) -> None:
        if kind == "version" and place[0] == "column":
            self._version(place[1], down, at)
        elif place[0] == "entry":
            self._entry(place, down, at)
        elif kind == "json":
            self._free(place, down, at)
        else:
            value = self.conditions.value(place, self.rows)
            optional = place[0] != "column" or self.rows.optional(place[1])
            self._plain(value, down, optional and place[1] != "id", at, value.type)

    def _version(self, name: str, down: bool, at: Any) -> None:
        optional = self.rows.optional(name)
        for key, place in ((f"{name}__key", 1), (name, 2)):
            after = None if at is None else self.p.one(at[place], self.rows.c[key].type)
            self.made.append(Term(self.rows.c[key], down, optional, after))

    def _entry(self, place: Any, down: bool, at: Any) -> None:
        side = entry_of(self.conditions, self.rows, place)
        self.joins.append(side)
        form, n = at or ("", 0)
        afters: list[Column | None] = [None, None, None]
        if at is not None:
            afters[:2] = number(KINDS[form]), self.p.one(n, HEAD, head)
        if form == "string":
            afters[2] = self.p.one(n, TEXT, whole)
        keys = (side.source.c.kind, side.source.c.head, side.source.c.whole)
        self.made += [Term(key, down, True, after) for key, after in zip(keys, afters, strict=True)]

    def _free(self, place: Any, down: bool, at: Any) -> None:
        for key, form in free_terms(self.conditions, self.rows, place):
            after = None
            if at is not None and form in ("", at[0]):
                after = self.p.one(at[1], key.type) if form else number(KINDS[at[0]])
            self.made.append(Term(key, down, True, after))

    def _rank(self, order: Any, at: Any) -> None:
        search, conditions = Search(*order[1:4]), self.conditions
        only, name = search in self.only, conditions.alias("r")
        rank, hits = conditions.reading.ranked(self.p, self.rows, search, name, only=only)
        if hits is not None:
            self.joins.append(Join(hits, hits.c.id == self.rows.c.id, only))
        self._plain(rank, order[4], False, at, NUMBER)


def entry_of(conditions: Conditions, rows: Rows, place: Any) -> Join:
    """Return the scalar that a dict of a row has under keys."""
    side = rows.relation.sides[place[1]].alias(conditions.alias("s"))
    here = side.c.mark == conditions.p.one(place[2], IDENT, entry_mark)
    scalar = and_(side.c.kind >= number(KINDS["bool"]), side.c.kind <= number(KINDS["string"]))
    return Join(side, and_(side.c.id == rows.c.id, here, scalar))


def free_terms(conditions: Conditions, rows: Rows, place: Any) -> list[tuple[Column, str]]:
    """Return the JSON type of what lies inside an object, and its value by type, each with the type that it is for."""
    reading, p, column = conditions.reading, conditions.p, rows.c[place[1]]
    values = [(reading.of_form(p, column, place[2], form), form) for form in SCALARS]
    return [(reading.rank_of_form(p, column, place[2]), ""), *values]


def terms(
    conditions: Conditions, rows: Rows, orders: Sequence[Any], after: Any, only: Any
) -> tuple[list[Term], list[Join]]:
    """Return the terms of an order, ended by the id, and what is joined for them; ``only`` are searches that hold for every row."""
    found, places = _Terms(conditions, rows, only), after or (None,) * (len(orders) + 1)
    by_id = False
    for order, at in zip(orders, places[:-1], strict=True):
        found.add(order, at)
        if order[0] == "by" and order[2] == ("column", "id"):
            by_id = True
            break
    if not by_id:
        down = bool(orders) and bool(orders[-1][-1])
        last = None if after is None else conditions.p.one(after[-1], IDENT)
        found.made.append(Term(rows.c.id, down, False, last))
    return found.made, found.joins


def order_by(conditions: Conditions, made: Sequence[Term]) -> list[Column]:
    """Return the ORDER BY clause; the id, never absent, has the usual order of its index."""
    return [_ordered(conditions, term) for term in made]


def _ordered(conditions: Conditions, term: Term) -> Column:
    if _is_id(term):
        return term.key.desc() if term.descending else term.key
    return conditions.reading.order(term.key, descending=term.descending)


def _is_id(term: Term) -> bool:
    return getattr(term.key, "key", None) == "id" and not term.optional


def beyond(made: Sequence[Term], *, rows_compared: bool) -> Condition:
    """Return that a row comes after the position: compared as a whole where nothing absent comes after, else term by term."""
    downs = {term.descending for term in made}
    known = all(term.after is not None for term in made)
    if rows_compared and known and len(downs) == 1 and not (True in downs and any(term.optional for term in made)):
        here, there = tuple_(*[term.key for term in made]), tuple_(*[term.after for term in made])
        return here < there if True in downs else here > there
    found = _past(made[-1])
    for term in made[-2::-1]:
        found = or_(_past(term), and_(_same(term), found))
    return found


def _past(term: Term) -> Condition:
    if term.after is None:
        return false() if term.descending else term.key.is_not(None)
    past = compared("lt" if term.descending else "gt", term.key, term.after)
    return or_(past, term.key.is_(None)) if term.descending and term.optional else past


def _same(term: Term) -> Condition:
    return term.key.is_(None) if term.after is None else term.key == term.after

"""Whole statements of reading: a page of rows, groups and measures, a closure; each built and compiled once per shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, select

from metastore.errors import QueryError
from metastore.query import Measure, Path, Query
from metastore_sql import _lookups as lookups
from metastore_sql._columns import IDENT, NUMBER
from metastore_sql._compile import Conditions
from metastore_sql._compiled import Compiled, Parameters
from metastore_sql._figures import aggregate
from metastore_sql._order import beyond, order_by, terms
from metastore_sql._reading import Condition, Reading, Rows, reading_of
from metastore_sql._shape import Relations, Shape, aggregate_shape, select_shape
from metastore_sql._sortform import element_mark
from metastore_sql._tables import Own, Relation

__all__ = ["Asked", "Statements"]

SHAPES = 1_000
"""Compiled statements that are kept, the least recently used out first."""

Asked = tuple[Compiled, Sequence[Any]]


class Statements:
    """The statements of one catalogue; ``relations`` finds the tables of a type by its name."""

    def __init__(self, dialect: Any, own: Own, relations: Relations) -> None:
        self._sa, self.own, self._relations = dialect.sa, own, relations
        self.reading: Reading = reading_of(dialect.name, dialect.collation)
        self._compiled = lru_cache(SHAPES)(self._compile)
        self.recorded = lookups.recorded(self._begun())
        """Its value: the ids of commits."""
        self.deleted = lookups.deleted(self._begun())
        """Its value: the id."""

    def _begun(self) -> Conditions:
        return Conditions(self.own, self.reading, Parameters(self._sa))

    def fetch(self, relation: Relation, *, one: bool) -> Compiled:
        """Return the statement of the rows with ids, in no order; its value: the ids, one or any number."""
        return self._compiled(("fetch", relation, one))

    def identify(self, *, one: bool) -> Compiled:
        """Return the statement of what is known of ids; its value: the ids."""
        return self._compiled(("identify", one))

    def named(self, relation: Relation, *, versioned: bool) -> Compiled:
        """Return the statement of the rows of a name, the highest version first; its values: the name, the limit, the version."""
        return self._compiled(("named", relation, versioned))

    def closure(self, *, bounded: bool, backwards: bool, field: bool, one: bool) -> Compiled:
        """Return the statement of every link within reach; its values: the ids, the depth, the field."""
        return self._compiled(("closure", bounded, backwards, field, one))

    def neighbours(self, *, backwards: bool, field: bool, one: bool) -> Compiled:
        """Return the statement of a closure of one hop; its values: the ids, the depth, the field."""
        return self._compiled(("neighbours", backwards, field, one))

    def select(self, relation: Relation, query: Query) -> Asked:
        """Return the statement of a query's rows, and its values. Raises QueryError for what nests too deeply."""
        return self._asked(select_shape, relation, query)

    def aggregate(self, relation: Relation, query: Query, by: Sequence[Path], measures: Sequence[Measure]) -> Asked:
        """Return the statement of groups and their measures, and its values; see `_figures.plain` for its rows."""
        return self._asked(aggregate_shape, relation, query, by, measures)

    def _asked(self, split: Any, *asked: Any) -> Asked:
        try:
            shape, values = split(*asked, self._relations)
            return self._compiled(shape), values
        except RecursionError:
            raise QueryError("the query nests too deeply to be answered; ask in parts") from None

    def _compile(self, shape: Any) -> Compiled:
        word, conditions = shape[0], self._begun()
        if word in _SIMPLE:
            return _SIMPLE[word](conditions, *shape[1:])
        making = _Making(conditions, shape[1])
        return conditions.p.compiled(making.select(*shape[2:]) if word == "select" else making.aggregate(*shape[2:]))


class _Making:
    """Makes one statement over the rows of a type."""

    def __init__(self, conditions: Conditions, relation: Relation) -> None:
        self.conditions, self.relation = conditions, relation
        self.p, self.rows = conditions.p, Rows(relation, "t")

    def select(self, where: Any, orders: Sequence[Any], after: Any, limit: int | None, latest: bool) -> Any:
        """Return the statement of a query's rows."""
        if not (orders or after or latest) and self._is_page(where):
            return self._page_of(where, limit)
        only = (
            set() if latest else _searches(where).intersection([order[1:4] for order in orders if order[0] == "rank"])
        )
        made, joins = terms(self.conditions, self.rows, orders, after, only)
        source: Any = self.rows.table
        for each in joins:
            source = source.join(each.source, each.on, isouter=not each.inner)
        condition = self._where(_without(where, only) if any(each.inner for each in joins) else where, latest)
        if after is not None:
            condition = and_(condition, beyond(made, rows_compared=self.conditions.reading.compares_rows))
        found = select(*self._columns(self.rows)).select_from(source).where(condition)
        return self._limited(found.order_by(*order_by(self.conditions, made)), limit)

    def _columns(self, rows: Rows) -> list[Any]:
        return [rows.c[each.name] for each in self.relation.spec.columns]

    def _limited(self, statement: Any, limit: int | None) -> Any:
        return statement if limit is None else statement.limit(self.p.one(limit, NUMBER))

    def _is_page(self, where: Any) -> bool:
        place = where[1] if where[0] == "contains" and where[3] else ("", "")
        return place[0] == "column" and place[1] in self.relation.sides

    def _page_of(self, where: Any, limit: int | None) -> Any:
        """A page in id order of what has one element: a range of the look-up, which is keyed so."""
        side = self.relation.sides[where[1][1]].alias("k")
        mark = self.p.one(where[4], IDENT, lambda values: element_mark(values[0]))
        source = side.join(self.rows.table, self.rows.c.id == side.c.id)
        found = select(*self._columns(self.rows)).select_from(source).where(side.c.mark == mark)
        return self._limited(found.order_by(side.c.id), limit)

    def _where(self, where: Shape, latest: bool) -> Condition:
        if not latest:
            return self.conditions.of(where, self.rows)
        rows = Rows(self.relation, "v")
        keys = [rows.c[name] for name in ("name", "owner") if name in self.relation.spec.by_name]
        reading = self.conditions.reading
        order = [reading.order(rows.c[name], descending=True) for name in ("version__key", "version")]
        inner = self.conditions.of(where, rows)
        newest = reading.first_of_each(rows.c.id, keys, [*order, rows.c.id.desc()], inner)
        found: Condition = self.rows.c.id.in_(newest)
        return found

    def aggregate(self, where: Any, groups: Sequence[Any], figures: Sequence[Any], latest: bool) -> Any:
        """Return the statement of groups and their measures."""
        return aggregate(self.conditions, self.rows, self._where(where, latest), groups, figures)


def _conjoined(where: Any) -> Sequence[Any]:
    found: Sequence[Any] = where[1] if where[0] == "and" else (where,)
    return found


def _searches(where: Any) -> set[Any]:
    return {each[1:] for each in _conjoined(where) if each[0] == "matches"}


def _without(where: Any, only: set[Any]) -> Shape:
    """Leave out the searches that a join answers."""
    return "and", tuple([each for each in _conjoined(where) if each[0] != "matches" or each[1:] not in only])


_SIMPLE: dict[str, Callable[..., Compiled]] = {
    "fetch": lookups.fetch,
    "identify": lookups.identify,
    "named": lookups.named,
    "closure": lookups.closure,
    "neighbours": lookups.neighbours,
}

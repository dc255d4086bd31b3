"""Groups and their measures: the statement, and plain values of what it gives."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import func, literal_column, select

from metastore.errors import QueryError
from metastore.query import Measure, Path
from metastore_sql._compile import Conditions, number
from metastore_sql._order import Join, entry_of, free_terms
from metastore_sql._reading import Column, Condition, Rows

__all__ = ["aggregate", "plain"]

_SIGN, _ALL, _MIDDLE = 1 << 63, (1 << 64) - 1, 1 << 15
_LAST = 2**63


class _Groups:
    """The columns of a statement's groups, what they are ordered by, and what is joined for them."""

    def __init__(self, conditions: Conditions, rows: Rows) -> None:
        self.conditions, self.rows = conditions, rows
        self.shown: list[Column] = []
        self.order: list[Column] = []
        self.joins: list[Join] = []

    def add(self, kind: str, place: Any) -> None:
        """Add what to group by."""
        if place[0] == "entry":
            side = entry_of(self.conditions, self.rows, place)
            self.joins.append(side)
            self._each([side.source.c.kind, side.source.c.head, side.source.c.whole])
        elif kind == "json":
            self._each([key for key, _ in free_terms(self.conditions, self.rows, place)])
        elif kind == "list" and place[0] == "column":
            self._each([self._element(place[1])])
        else:
            if kind == "version" and place[0] == "column":
                self._ordered(func.max(self.rows.c[f"{place[1]}__key"]))
            self._each([self.conditions.value(place, self.rows)])

    def _each(self, keys: Sequence[Column]) -> None:
        for key in keys:
            self.shown.append(key)
            self._ordered(number(len(self.shown)))

    def _ordered(self, key: Column) -> None:
        self.order.append(self.conditions.reading.order(key, descending=False))

    def _element(self, name: str) -> Column:
        """Join the distinct elements of a list."""
        rows, reading = self.rows, self.conditions.reading
        side: Any
        if name in rows.relation.sides:
            side = rows.relation.sides[name].alias(self.conditions.alias("g"))
        else:
            other = Rows(rows.relation, self.conditions.alias("t"))
            field: Any = rows.relation.spec.by_name[name].item
            source, value = reading.items(self.conditions.p, other.c[name], field.kind)
            every = select(other.c.id.label("id"), value.label("value")).select_from(
                other.table.join(source, literal_column("1 = 1"))
            )
            side = every.distinct().subquery(self.conditions.alias("g"))
        self.joins.append(Join(side, side.c.id == rows.c.id, inner=True))
        found: Column = side.c.value
        return found


def _figure(conditions: Conditions, rows: Rows, what: str, place: Any) -> Column:
    if place is None:
        return func.count()
    value = conditions.value(place, rows)
    if what == "avg":  # PostgreSQL's own squares each value on the way and fails for great ones
        return func.sum(conditions.reading.real(value)) / func.nullif(func.count(value), number(0))
    if what == "sum":
        return conditions.reading.total(value)
    found: Column = getattr(func, what)(value)
    return found


def aggregate(
    conditions: Conditions, rows: Rows, where: Condition, groups: Sequence[Any], figures: Sequence[Any]
) -> Any:
    """Return the statement of groups, in ascending order of their values, and their measures."""
    made = _Groups(conditions, rows)
    for kind, place in groups:
        made.add(kind, place)
    source: Any = rows.table
    for each in made.joins:
        source = source.join(each.source, each.on, isouter=not each.inner)
    measured = [_figure(conditions, rows, what, place) for what, place in figures]
    statement = select(*made.shown, *measured).select_from(source).where(where)
    if not made.shown:
        return statement
    places = [number(at) for at in range(1, len(made.shown) + 1)]
    return statement.group_by(*places).order_by(*made.order)


def plain(
    row: Sequence[Any], by: Sequence[Path], measures: Sequence[Measure], dicts: Sequence[bool]
) -> tuple[Any, ...]:
    """Return one group as the contract has it; ``dicts`` says which paths lead into a dict. Raises QueryError for a sum beyond 64 bits."""
    rest = list(row)
    values = [_group(rest, path, in_dict) for path, in_dict in zip(by, dicts, strict=True)]
    return (*values, *[_measured(measure, value) for measure, value in zip(measures, rest, strict=True)])


def _group(rest: list[Any], path: Path, in_dict: bool) -> Any:
    if in_dict:
        kind, head, whole = rest.pop(0), rest.pop(0), rest.pop(0)
        return None if kind is None else head == b"\1" if kind == 1 else _number(head) if kind == 2 else whole
    if path.kind != "json":
        return rest.pop(0)
    kind, flag, figure, text = rest.pop(0), rest.pop(0), rest.pop(0), rest.pop(0)
    return None if kind is None else (bool(flag), _whole(figure), text)[kind - 1]


def _number(head: bytes) -> int | float:
    """Return the number of a sort form; a whole one as int, however it was written."""
    bits = int.from_bytes(head[:8], "big")
    nearest: float = struct.unpack(">d", (bits ^ (_SIGN if bits & _SIGN else _ALL)).to_bytes(8, "big"))[0]
    rest = int.from_bytes(head[8:10], "big") - _MIDDLE
    return int(nearest) + rest if nearest.is_integer() and abs(nearest) <= _LAST else nearest


def _whole(figure: Any) -> Any:
    return figure if figure is None or figure != int(figure) else int(figure)


def _measured(measure: Measure, value: Any) -> Any:
    if measure.what == "sum" and isinstance(value, int | Decimal) and not -_LAST <= value < _LAST:
        name = measure.path.field if measure.path else ""
        raise QueryError(f"the sum of {name} is beyond 64 bits; ask for it in parts")
    return int(value) if isinstance(value, Decimal) else value

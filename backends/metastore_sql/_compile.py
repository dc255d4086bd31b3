"""Shapes of conditions to SQLAlchemy Core: what can be unknown is made two-valued at its leaf, so that indexes stay usable.

No value is here, only the number of each; what is written out comes from specs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import FromClause, and_, exists, false, func, literal_column, not_, or_, select, true

from metastore.backend import pointer
from metastore_sql._columns import HEAD, HEAD_BYTES, IDENT, NUMBER, TEXT
from metastore_sql._compiled import Making, Parameters
from metastore_sql._reading import Column, Condition, Reading, Rows, Search, alternatives, compared
from metastore_sql._shape import Shape
from metastore_sql._sortform import ELEMENT, KINDS, element_mark, head, mark, whole
from metastore_sql._tables import Own, Relation

__all__ = ["Conditions", "entry_mark", "number"]

_COMPLEMENT = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_LOOSE = {"lt": "le", "gt": "ge"}
_TEXTUAL = ("string", "list", "dict")
"""JSON types of which a look-up keeps the whole text, for a head may be cut."""


def number(value: int) -> Column:
    """Return a number of the statement's own, written out."""
    return literal_column(str(value))


def entry_mark(keys: Any) -> bytes:
    """Return what stands for nested keys of a dict."""
    return mark(pointer(keys))


def _marks(values: Sequence[Any]) -> int:
    return len({element_mark(value) for value in values})


def _first(make: Making) -> Making:
    return lambda values: make(values[0])


def _front(wanted: str) -> bytes:
    return wanted.encode()[:HEAD_BYTES]


def _behind(wanted: str) -> bytes:
    """The least bytes above every head of a text that starts so: UTF-8 has no byte 255."""
    front = _front(wanted)
    return front[:-1] + bytes([front[-1] + 1]) if front else b"\xff"


class Conditions:
    """Compiles the conditions of one statement."""

    def __init__(self, own: Own, reading: Reading, parameters: Parameters) -> None:
        self.own, self.reading, self.p = own, reading, parameters
        self._aliases = 0

    def alias(self, front: str) -> str:
        """Return a name that no other table of the statement has."""
        self._aliases += 1
        return f"{front}{self._aliases}"

    def of(self, shape: Any, rows: Rows) -> Condition:
        """Return the condition of a shape for a row."""
        word = shape[0]
        if word in ("and", "or"):
            parts = [self.of(item, rows) for item in shape[1]]
            if not parts:
                return true() if word == "and" else false()
            return and_(*parts) if word == "and" else or_(*parts)
        negated = word == "not"
        leaf = shape[1] if negated else shape
        return _LEAVES[leaf[0]](self, rows, negated, *leaf[1:])

    # scalars

    def value(self, place: Any, rows: Rows) -> Column:
        """Return the one value at a place, nothing where it is absent. Not for entries of dicts, urls and free JSON."""
        if place[0] == "column":
            found: Column = rows.c[place[1]]
            return found
        return self.reading.scalar(self.p, rows.c[place[1]], place[2], place[3])

    def _tested(
        self, place: Any, rows: Rows, negated: bool, form: str, test: Callable[[Column], Condition]
    ) -> Condition:
        """Return a test of what is at a column or inside JSON: of any url where there are several."""
        if place[0] == "part" and place[3] == "url":
            source, url = self.reading.urls(self.p, rows.c[place[1]], place[2])
            return _turned(
                exists(select(number(1)).select_from(source).where(test(url)).correlate(rows.table)), negated
            )
        if place[0] == "part" and place[3] == "json":
            return _known(test(self.reading.of_form(self.p, rows.c[place[1]], place[2], form)), negated)
        found = test(self.value(place, rows))
        if place[0] == "column" and not rows.optional(place[1]):
            return _turned(found, negated)
        return _known(found, negated)

    def _compare(self, rows: Rows, negated: bool, place: Any, op: str, form: str, n: int) -> Condition:
        if place[0] == "entry":
            return self._compare_entry(rows, negated, place, op, form, n)
        if place[0] == "column":
            return self._compare_column(rows, negated, place[1], op, n)
        if place[3] == "json" and (op == "ne" or form == "null"):
            return self._compare_free(rows, negated, place, op, form, n)
        return self._tested(place, rows, negated, form, lambda value: compared(op, value, self._bound(value, form, n)))

    def _bound(self, value: Column, form: str, n: int) -> Column:
        return self.p.one(n, value.type, whole if form in ("list", "dict") else None)

    def _compare_column(self, rows: Rows, negated: bool, name: str, op: str, n: int) -> Condition:
        value, op = rows.c[name], _COMPLEMENT[op] if negated else op
        found = compared(op, value, self.p.one(n, value.type))
        if name in rows.relation.cut and (near := self.reading.narrowed(self.p, op, value, n)) is not None:
            found = and_(near, found)
        return or_(found, value.is_(None)) if negated and rows.optional(name) else found

    def _compare_free(self, rows: Rows, negated: bool, place: Any, op: str, form: str, n: int) -> Condition:
        """Another value than this one, of whatever type; a null inside an object is no value."""
        there = not_(self.reading.missing(self.p, rows.c[place[1]], place[2]))
        if form == "null":
            return _turned(there if op == "ne" else false(), negated)
        value = self.reading.of_form(self.p, rows.c[place[1]], place[2], form)
        return _turned(and_(there, (value == self._bound(value, form, n)).is_not(true())), negated)

    def _fixed(self, rows: Rows, negated: bool, place: Any, op: str, value: str) -> Condition:
        column = rows.c[place[1]]
        found = compared(_COMPLEMENT[op] if negated else op, column, literal_column(f"'{value}'"))
        return or_(found, column.is_(None)) if negated and rows.optional(place[1]) else found

    def _version(self, rows: Rows, negated: bool, place: Any, op: str, key: int, text: int) -> Condition:
        """Compare sort keys, then texts; the first comparison is for the index."""
        op = _COMPLEMENT[op] if negated else op
        by, plain = rows.c[f"{place[1]}__key"], rows.c[place[1]]
        strict = op[0] + "t"
        later = or_(compared(strict, by, self.p.one(key, by.type)), compared(op, plain, self.p.one(text, plain.type)))
        found = and_(compared(op[0] + "e", by, self.p.one(key, by.type)), later)
        return or_(found, by.is_(None)) if negated and rows.optional(place[1]) else found

    def _in(self, rows: Rows, negated: bool, place: Any, groups: Any) -> Condition:
        if place[0] == "entry":
            return self._entry(
                rows, negated, place, lambda side: or_(*[self._one_of(side, form, n) for form, n in groups])
            )
        tests = [self._tested(place, rows, False, form, self._among(form, n)) for form, n in groups if form != "null"]
        return _known(or_(false(), *tests), negated)

    def _among(self, form: str, n: int) -> Callable[[Column], Condition]:
        return lambda value: self.reading.among(self.p, value, n, whole if form in ("list", "dict") else None)

    def _absent(self, rows: Rows, negated: bool, place: Any) -> Condition:
        if place[0] == "column":
            column: Column = rows.c[place[1]]
            return column.is_not(None) if negated else column.is_(None)
        steps = (*place[2][:-1], "locations") if place[3] == "url" else place[2]
        return _turned(self.reading.missing(self.p, rows.c[place[1]], steps), negated)

    def _text(self, rows: Rows, negated: bool, place: Any, how: Any, n: int) -> Condition:
        if place[0] == "entry":
            return self._entry(rows, negated, place, lambda side: self._entry_text(side, how, n))
        if how == "starts" and place[0] == "column" and _indexed(rows, place[1]):
            found = self.reading.begins(self.p, rows.c[place[1]], n, cut=place[1] in rows.relation.cut)
            return _known(found, negated)
        return self._tested(
            place, rows, negated, "string", lambda value: self.reading.text(how, value, lambda: self.p.one(n, TEXT))
        )

    def _has_key(self, rows: Rows, negated: bool, place: Any) -> Condition:
        if place[0] == "entry":
            return self._entry(rows, negated, place, lambda _: true())
        inside = self.reading.inside(self.p, rows.c[place[1]], place[2])
        return inside.is_(None) if negated else inside.is_not(None)

    # entries of dicts

    def _entry(self, rows: Rows, negated: bool, place: Any, test: Callable[[Any], Condition]) -> Condition:
        """Return that the look-up of a dict has an entry under the keys for which the test holds."""
        side = rows.relation.sides[place[1]].alias(self.alias("s"))
        here = side.c.mark == self.p.one(place[2], IDENT, entry_mark)
        return _linked(rows, side, side.c.id, and_(here, test(side)), negated)

    def _compare_entry(self, rows: Rows, negated: bool, place: Any, op: str, form: str, n: int) -> Condition:
        def test(side: Any) -> Condition:
            same = self._same(side, form, op, n)
            if op != "ne":
                return same
            return and_(side.c.kind != number(ELEMENT), not_(self._same(side, form, "eq", n)))

        return self._entry(rows, negated, place, test)

    def _same(self, side: Any, form: str, op: str, n: int) -> Condition:
        """Compare an entry with a value of one JSON type: by the head, and by the whole where that may be cut."""
        of_kind = side.c.kind == number(KINDS[form])
        if form not in _TEXTUAL:
            return and_(of_kind, compared(op, side.c.head, self.p.one(n, HEAD, head)))
        near = compared(_LOOSE.get(op, op), side.c.head, self.p.one(n, HEAD, head))
        return and_(of_kind, near, compared(op, side.c.whole, self.p.one(n, TEXT, whole)))

    def _one_of(self, side: Any, form: str, n: int) -> Condition:
        found = and_(side.c.kind == number(KINDS[form]), self.reading.among(self.p, side.c.head, n, head))
        return and_(found, self.reading.among(self.p, side.c.whole, n, whole)) if form in _TEXTUAL else found

    def _entry_text(self, side: Any, how: Any, n: int) -> Condition:
        found = self.reading.text(how, side.c.whole, lambda: self.p.one(n, TEXT))
        if how == "starts":
            low, high = self.p.one(n, HEAD, _front), self.p.one(n, HEAD, _behind)
            found = and_(side.c.head >= low, side.c.head < high, found)
        return and_(side.c.kind == number(KINDS["string"]), found)

    # lists

    def _contains(self, rows: Rows, negated: bool, place: Any, every: bool, one: bool, n: int) -> Condition:
        if place[0] == "entry":
            side = rows.relation.sides[place[1]].alias(self.alias("s"))
            here = and_(side.c.mark == self.p.one(place[2], IDENT, entry_mark), side.c.kind == number(ELEMENT))
            return self._holding(rows, negated, side, side.c.head, here, every, one, n)
        if place[0] == "column" and place[1] in rows.relation.sides:
            side = rows.relation.sides[place[1]].alias(self.alias("s"))
            return self._holding(rows, negated, side, side.c.mark, true(), every, one, n)
        steps = place[2] if place[0] == "part" else ()
        source, text = self.reading.elements(self.p, rows.c[place[1]], steps)
        found = self.reading.among(self.p, text, n, spread=alternatives)
        return _turned(exists(select(number(1)).select_from(source).where(found).correlate(rows.table)), negated)

    def _holding(
        self, rows: Rows, negated: bool, side: Any, marks: Column, here: Condition, every: bool, one: bool, n: int
    ) -> Condition:
        """Return that a look-up has marks of one, of any, or of every element asked for."""
        if one:
            return _linked(
                rows, side, side.c.id, and_(here, marks == self.p.one(n, marks.type, _first(element_mark))), negated
            )
        hits = and_(here, self.reading.among(self.p, marks, n, element_mark))
        if not every:
            return _linked(rows, side, side.c.id, hits, negated)
        count = func.count() == self.p.one(n, NUMBER, _marks)
        return _turned(rows.c.id.in_(select(side.c.id).where(hits).group_by(side.c.id).having(count)), negated)

    def _listed(self, rows: Rows, negated: bool, place: Any) -> Condition:
        """Return that there is a list, were it empty."""
        if place[0] == "entry":
            return self._entry(rows, negated, place, lambda side: side.c.kind == number(KINDS["list"]))
        if place[0] == "column":
            return self._absent(rows, not negated, place)
        return _turned(self.reading.of_form(self.p, rows.c[place[1]], place[2], "list").is_not(None), negated)

    # links, references, words

    def _reference(self, rows: Rows, negated: bool, field: str | None, one: bool, n: int) -> Condition:
        side = self.own.references.alias(self.alias("s"))
        found = side.c.mark == self.p.one(n, IDENT, mark) if one else self.reading.among(self.p, side.c.mark, n, mark)
        where = found if field is None else and_(found, side.c.field == self.p.fixed(field, TEXT))
        return _linked(rows, side, side.c.id, where, negated)

    def _follow(self, rows: Rows, negated: bool, field: str, relation: Relation, where: Shape) -> Condition:
        links, inner = self.own.links.alias(self.alias("l")), Rows(relation, self.alias("t"))
        join = and_(links.c.target == inner.c.id, links.c.field == self.p.fixed(field, TEXT))
        return _linked(rows, inner.table, links.c.source, and_(join, self.of(where, inner)), negated, links)

    def _followed(self, rows: Rows, negated: bool, relation: Relation, field: str, where: Shape) -> Condition:
        links, inner = self.own.links.alias(self.alias("l")), Rows(relation, self.alias("t"))
        join = and_(links.c.source == inner.c.id, links.c.field == self.p.fixed(field, TEXT))
        return _linked(rows, inner.table, links.c.target, and_(join, self.of(where, inner)), negated, links)

    def _matches(self, rows: Rows, negated: bool, n: int, fields: Sequence[str], count: int) -> Condition:
        return _turned(self.reading.matches(self.p, rows, Search(n, tuple(fields), count)), negated)


def _linked(rows: Rows, source: Any, ident: Column, where: Condition, negated: bool, *more: FromClause) -> Condition:
    """Return that a row's id is among those of a source; the other way round as an anti-join."""
    if negated:
        return not_(
            exists(select(number(1)).select_from(source, *more).where(ident == rows.c.id, where).correlate(rows.table))
        )
    found: Condition = rows.c.id.in_(select(ident).select_from(source, *more).where(where))
    return found


def _turned(found: Condition, negated: bool) -> Condition:
    """Turn what is true or not."""
    return not_(found) if negated else found


def _known(found: Condition, negated: bool) -> Condition:
    """Turn what may be unknown."""
    return found.is_not(true()) if negated else found


def _indexed(rows: Rows, name: str) -> bool:
    field = rows.field(name)
    return field is not None and field.kind == "str" and (field.index or field.name == "name")


_LEAVES: dict[str, Callable[..., Condition]] = {
    "compare": Conditions._compare,
    "fixed": Conditions._fixed,
    "version": Conditions._version,
    "in": Conditions._in,
    "absent": Conditions._absent,
    "text": Conditions._text,
    "contains": Conditions._contains,
    "listed": Conditions._listed,
    "key": Conditions._has_key,
    "reference": Conditions._reference,
    "follow": Conditions._follow,
    "followed": Conditions._followed,
    "matches": Conditions._matches,
}

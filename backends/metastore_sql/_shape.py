"""A question split in two: its shape, which decides the text of the statement, and its values, which are only bound.

A shape is nested tuples that begin with a word, so that it can be hashed fast; where the question had a value, the shape has its number.
Names in a shape come from specs. Keys of dicts and folders are values; attributes of objects and parts of blobs are names.

Conditions: ``("and", items)`` ``("or", items)`` ``("not", leaf)`` ``("compare", place, op, form, value)`` ``("fixed", place, op, value)``
``("version", place, op, key, text)`` ``("in", place, ((form, values), ...))`` ``("absent", place)`` ``("text", place, how, value)``
``("contains", place, every, one, values)`` ``("listed", place)`` ``("key", place)`` ``("reference", field, one, values)``
``("follow", field, relation, where)`` ``("followed", relation, field, where)`` ``("matches", words, fields, count)``.
Places: ``("column", name)``, ``("entry", field, keys)`` under the keys of a dict, ``("part", field, steps, kind)`` inside an object, a blob
or a folder: a step is a name, or the number of a key; the kind of a blob's url is ``url``, for there may be several.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from metastore._json import encode
from metastore.backend import json_kind
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Measure,
    Not,
    Or,
    Order,
    Path,
    Position,
    Predicate,
    Query,
    Rank,
    References,
    Text,
)
from metastore_sql._tables import Relation

__all__ = ["FALSE", "TRUE", "Relations", "Shape", "Values", "aggregate_shape", "select_shape"]

Shape = tuple[Hashable, ...]
Values = list[Any]
Relations = Callable[[str], Relation | None]

TRUE: Shape = ("and", ())
FALSE: Shape = ("or", ())

_SIGHTS = frozenset(("private", "shared", "community", "public"))
"""Visibilities: written out, not bound, for only then a server takes the index of what is not private."""


def select_shape(relation: Relation, query: Query, relations: Relations) -> tuple[Shape, Values]:
    """Return the shape and the values of a bound query.

    >>> select_shape(relation, Query("images", limit=3), relations)[1]  # doctest: +SKIP
    [3]
    """
    split = _Split(relations)
    where = split.condition(query.where, relation)
    order = tuple([split.order(each, relation) for each in query.order])
    after = None if query.after is None else split.position(query.order, query.after)
    limit = None if query.limit is None else split.value(query.limit)
    return ("select", relation, where, order, after, limit, query.latest), split.values


def aggregate_shape(
    relation: Relation, query: Query, by: Iterable[Path], measures: Iterable[Measure], relations: Relations
) -> tuple[Shape, Values]:
    """Return the shape and the values of what is asked per group."""
    split = _Split(relations)
    where = split.condition(query.where, relation)
    groups = tuple([(path.kind, split.place(path, relation)) for path in by])
    figures = tuple([(each.what, None if each.path is None else split.place(each.path, relation)) for each in measures])
    return ("aggregate", relation, where, groups, figures, query.latest), split.values


class _Split:
    """Walks one question; ``relations`` finds the tables at the other end of a link."""

    __slots__ = ("_words", "relations", "values")

    def __init__(self, relations: Relations) -> None:
        self.relations = relations
        self.values: Values = []
        self._words: dict[tuple[str, ...], int] = {}

    def value(self, value: Any) -> int:
        """Return the number of a value."""
        self.values.append(value)
        return len(self.values) - 1

    def words(self, words: tuple[str, ...]) -> int:
        """Return the number of a search's words: the same for the same, so that a shape tells when it ranks what it looks for."""
        if words not in self._words:
            self._words[words] = self.value(words)
        return self._words[words]

    def condition(self, predicate: Predicate, relation: Relation) -> Shape:
        """Return the shape of a predicate, with negations at its leaves, without groups of one."""
        return _SPLIT[type(predicate)](self, predicate, relation)

    def _and(self, given: And, relation: Relation) -> Shape:
        return _group("and", [self.condition(item, relation) for item in given.items])

    def _or(self, given: Or, relation: Relation) -> Shape:
        return _group("or", [self.condition(item, relation) for item in given.items])

    def _not(self, given: Not, relation: Relation) -> Shape:
        return _negated(self.condition(given.item, relation))

    def place(self, path: Path, relation: Relation) -> Shape:
        """Return where a path leads."""
        keys = path.keys
        if not keys:
            return "column", f"{path.field}__folded" if path.folded else path.field
        top = relation.spec.by_name[path.field].kind
        if top == "dict":
            return "entry", path.field, self.value(keys)
        if top == "folder":
            return "part", path.field, (self.value(keys[0]), *keys[1:]), "url" if keys[1:] == ("url",) else path.kind
        return "part", path.field, keys, "url" if top == "blob" and keys == ("url",) else path.kind

    def _compare(self, given: Compare, relation: Relation) -> Shape:
        path, value, op = given.path, given.value, given.op
        if op == "eq" and (sought := _sought(path, relation)) is not None:
            return "reference", path.field, True, self.value(sought + value)
        place = self.place(path, relation)
        if place == ("column", "visibility") and value in _SIGHTS:
            return "fixed", place, op, value
        if isinstance(value, tuple):
            return "version", place, op, self.value(value[0]), self.value(value[1])
        return "compare", place, op, _form(path, value), self.value(value)

    def _in(self, given: In, relation: Relation) -> Shape:
        path = given.path
        if (sought := _sought(path, relation)) is not None:
            return "reference", path.field, False, self.value([sought + value for value in given.values])
        place = self.place(path, relation)
        if path.kind != "json":
            return "in", place, ((path.kind, self.value(list(given.values))),)
        groups = tuple([(form, self.value(some)) for form, some in _by_form(given.values)])
        return ("in", place, groups) if groups else FALSE

    def _absent(self, given: Absent, relation: Relation) -> Shape:
        path = given.path
        if path.keys and relation.spec.by_name[path.field].kind == "dict":
            return "not", self._has_key(HasKey(Path(path.field, path.keys[:-1]), path.keys[-1]), relation)
        return "absent", self.place(path, relation)

    def _text(self, given: Text, relation: Relation) -> Shape:
        return "text", self.place(given.path, relation), given.how, self.value(given.value)

    def _contains(self, given: Contains, relation: Relation) -> Shape:
        path, place = given.path, self.place(given.path, relation)
        distinct = list({encode(value): value for value in given.values}.values())
        if not distinct:
            return ("listed", place) if given.every else FALSE
        if len(distinct) == 1 or not given.every or place[0] == "entry" or path.field in relation.sides:
            return "contains", place, given.every and len(distinct) > 1, len(distinct) == 1, self.value(distinct)
        return _group("and", [("contains", place, False, True, self.value([value])) for value in distinct])

    def _has_key(self, given: HasKey, relation: Relation) -> Shape:
        path = given.path
        if relation.spec.by_name[path.field].kind == "dict":
            return "key", ("entry", path.field, self.value((*path.keys, given.key)))
        return "key", ("part", path.field, (*path.keys, self.value(given.key)), "json")

    def _follow(self, given: Follow, relation: Relation) -> Shape:
        target = self.relations(given.target)
        if target is None:
            return FALSE
        return "follow", given.path.field, target, self.condition(given.where, target)

    def _followed(self, given: Followed, relation: Relation) -> Shape:
        source = self.relations(given.source)
        if source is None:
            return FALSE
        return "followed", source, given.field, self.condition(given.where, source)

    def _matches(self, given: Matches, relation: Relation) -> Shape:
        fields = _searched(relation, given.fields)
        if not given.words or not fields:
            return FALSE
        return "matches", self.words(given.words), fields if given.fields else (), len(given.words)

    def _references(self, given: References, relation: Relation) -> Shape:
        return "reference", None, True, self.value(given.value)

    def order(self, given: Order, relation: Relation) -> Shape:
        """Return the shape of one sort key."""
        key, down = given.key, given.descending
        if not isinstance(key, Rank):
            return "by", key.kind, self.place(key, relation), down
        fields = _searched(relation, key.fields)
        if not key.words or not fields:
            return "level", down
        return "rank", self.words(key.words), fields if key.fields else (), len(key.words), down

    def position(self, orders: Sequence[Order], after: Position) -> Shape:
        """Return the numbers of a position's values, one per term of the order, ``None`` for an absent one, then of the id."""
        found: list[Any] = []
        for each, value in zip(orders, after.values, strict=True):
            if value is None:
                found.append(None)
            elif isinstance(each.key, Path) and each.key.kind == "version":
                found.append(("version", self.value(value[0]), self.value(value[1])))
            else:
                free = isinstance(each.key, Path) and each.key.kind == "json"
                found.append((json_kind(value) if free else "plain", self.value(value)))
        return (*found, self.value(after.id))


def _group(word: str, items: list[Any]) -> Shape:
    """Join conditions: one that decides stands alone, one that does not matter is left out, a group in its like is dissolved."""
    flat = [part for item in items for part in (item[1] if item[0] == word else (item,))]
    decides = FALSE if word == "and" else TRUE
    if decides in flat:
        return decides
    return flat[0] if len(flat) == 1 else (word, tuple(flat))


def _negated(shape: Any) -> Shape:
    """Turn a condition round; a leaf may have become a group."""
    word, rest = shape[0], shape[1]
    if word in ("and", "or"):
        return _group("or" if word == "and" else "and", [_negated(item) for item in rest])
    return rest if word == "not" else ("not", shape)


def _form(path: Path, value: Any) -> str:
    return json_kind(value) if path.kind == "json" else path.kind


def _by_form(values: Iterable[Any]) -> list[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for value in values:
        groups.setdefault(json_kind(value), []).append(value)
    return sorted(groups.items())


def _sought(path: Path, relation: Relation) -> str | None:
    """What stands before the value in ``_references``, where a blob's url or digest is asked for."""
    keys = path.keys
    if not keys or keys[0] not in ("url", "digests") or relation.spec.by_name[path.field].kind != "blob":
        return None
    return "" if keys[0] == "url" else f"{keys[1]}:"


def _searched(relation: Relation, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([each.name for each in relation.spec.searched if not names or each.name in names])


_SPLIT: dict[type[Predicate], Callable[[_Split, Any, Relation], Shape]] = {
    And: _Split._and,
    Or: _Split._or,
    Not: _Split._not,
    Compare: _Split._compare,
    In: _Split._in,
    Absent: _Split._absent,
    Text: _Split._text,
    Contains: _Split._contains,
    HasKey: _Split._has_key,
    Follow: _Split._follow,
    Followed: _Split._followed,
    Matches: _Split._matches,
    References: _Split._references,
}

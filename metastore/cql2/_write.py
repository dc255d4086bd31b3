"""Writing: which syntax tree means a predicate; ``read`` takes it back to the same predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from metastore._schema import TypeSpec
from metastore.cql2._names import Specs, path_parts
from metastore.cql2._patterns import print_pattern
from metastore.cql2._read import COMPARISONS
from metastore.cql2._syntax import MAX_DEPTH, Group, Literal, Node, Op, Property
from metastore.cql2._values import checked_text, literal
from metastore.errors import QueryError
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
    Not,
    Or,
    Path,
    Predicate,
    References,
    Text,
    Within,
)

__all__ = ["write"]

_SIGNS = {how: sign for sign, how in COMPARISONS.items()}


def write(predicate: Predicate, spec: TypeSpec, specs: Specs) -> Node:
    """Return the syntax tree of an unbound predicate over artifacts of the type ``spec``.

    Raises QueryError for what has no text form: a value of no JSON type, deep nesting.
    """
    return _write(predicate, _Scope(spec, specs))


@frozen
class _Scope:
    """From which type names start (``None``: not known), the links before them, and the depth."""

    spec: TypeSpec | None
    specs: Specs
    prefix: tuple[str, ...] = ()
    depth: int = 1

    def inside(self) -> _Scope:
        return _Scope(self.spec, self.specs, self.prefix, self.depth + 1)


def _write(predicate: Predicate, scope: _Scope) -> Node:
    if scope.depth > MAX_DEPTH:
        raise QueryError(f"a predicate nested deeper than {MAX_DEPTH} levels has no text form: write it flatter")
    try:
        writer = _WRITERS[type(predicate)]
    except KeyError:
        raise QueryError(
            f"{type(predicate).__name__} is no predicate of metastore.query and has no text form"
        ) from None
    return writer(predicate, scope)


def _name(path: Path, scope: _Scope) -> Node:
    parts = scope.prefix + tuple(_checked(part) for part in path_parts(path, scope.spec))
    return _cased(Property(parts), path)


def _cased(node: Node, path: Path) -> Node:
    return Op("casei", (node,)) if path.folded else node


def _value(value: Any, path: Path) -> Node:
    return _cased(literal(value), path)


def _checked(text: str) -> str:
    try:
        return checked_text(text)
    except ValueError:
        raise QueryError(f"expected a text without NUL and lone surrogates, got {text!r}") from None


def _compare(predicate: Compare, scope: _Scope) -> Node:
    return Op(_SIGNS[predicate.op], (_name(predicate.path, scope), _value(predicate.value, predicate.path)))


def _in(predicate: In, scope: _Scope) -> Node:
    return Op("in", (_name(predicate.path, scope), _list(predicate.values, predicate.path)))


def _list(values: tuple[Any, ...], path: Path) -> Node:
    return Group(tuple(_value(each, path) for each in values), listed=True)


def _absent(predicate: Absent, scope: _Scope) -> Node:
    return Op("isNull", (_name(predicate.path, scope),))


def _text(predicate: Text, scope: _Scope) -> Node:
    path, how, text = predicate.path, predicate.how, _checked(predicate.value)
    if how == "ends" and not text:  # its pattern would be %, which starts with nothing
        return Op("ends_with", (_name(path, scope), _value(text, path)))
    return Op("like", (_name(path, scope), _value(print_pattern(how, text), path)))


def _contains(predicate: Contains, scope: _Scope) -> Node:
    field = scope.spec.by_name.get(predicate.path.field) if scope.spec is not None else None
    if field is not None and field.kind == "str" and predicate.every and len(predicate.values) == 1:
        return Op("contains", (_name(predicate.path, scope), _value(predicate.values[0], predicate.path)))
    how = "a_contains" if predicate.every else "a_overlaps"
    return Op(how, (_name(predicate.path, scope), _list(predicate.values, predicate.path)))


def _has_key(predicate: HasKey, scope: _Scope) -> Node:
    return Op("has_key", (_name(predicate.path, scope), Literal(_checked(predicate.key))))


def _within(predicate: Within, scope: _Scope) -> Node:
    return Op(predicate.how, (_name(predicate.path, scope), Literal(_checked(predicate.text))))


def _matches(predicate: Matches, scope: _Scope) -> Node:
    fields = (_name(Path(each), scope) for each in predicate.fields)
    return Op("matches", (Literal(_checked(" ".join(predicate.words))), *fields))


def _references(predicate: References, _scope: _Scope) -> Node:
    return Op("references", (Literal(_checked(predicate.value)),))


def _all(predicate: And, scope: _Scope) -> Node:
    if pair := _pair(predicate):
        low, high = pair
        return Op("between", (_name(low.path, scope), _value(low.value, low.path), _value(high.value, low.path)))
    return _joined("and", True, predicate.items, scope)


def _one(predicate: Or, scope: _Scope) -> Node:
    return _joined("or", False, predicate.items, scope)


def _joined(op: str, neutral: bool, items: tuple[Predicate, ...], scope: _Scope) -> Node:
    """Return the items under one operator; CQL2 wants two, so the neutral value stands beside a lone one."""
    nodes = tuple(_write(item, scope.inside()) for item in items)
    if not nodes:
        return Literal(neutral)
    return Op(op, nodes if len(nodes) > 1 else (Literal(neutral), *nodes))


def _not(predicate: Not, scope: _Scope) -> Node:
    node = _write(predicate.item, scope.inside())
    if isinstance(predicate.item, Follow) and isinstance(node, Op) and node.name == "not":
        return node.args[0]  # "not (parent.name is not null)" is how "parent.name is null" is read
    if isinstance(predicate.item, Not) and isinstance(node, Op) and node.name == "isNull":
        node = Op("not", (Op("not", (node,)),))  # "parent.name is not null" would be read as what two nots are equal to
    return Op("not", (node,))


def _follow(predicate: Follow, scope: _Scope) -> Node:
    path, where = predicate.path, predicate.where
    target = scope.specs(predicate.target)
    field = scope.spec.by_name.get(path.field) if scope.spec is not None else None
    if field is not None and field.kind == "link" and _takes_prefix(where):
        return _write(where, _Scope(target, scope.specs, (*scope.prefix, path.field), scope.depth + 1))
    return Op("any", (_name(path, scope), _write(where, _Scope(target, scope.specs, (), scope.depth + 1))))


def _followed(predicate: Followed, scope: _Scope) -> Node:
    named = (Literal(_checked(predicate.source)), Literal(_checked(predicate.field)))
    where = _write(predicate.where, _Scope(scope.specs(predicate.source), scope.specs, (), scope.depth + 1))
    return Op("linked_from", named if predicate.where == And(()) else (*named, where))


def _takes_prefix(where: Predicate) -> bool:
    """Say whether ``parent.`` before the name of a condition means the condition behind the link."""
    if isinstance(where, Not):
        return isinstance(where.item, Absent)
    return isinstance(where, Compare | In | Text | Contains | HasKey | Follow) or _pair(where) is not None


def _pair(predicate: Predicate) -> tuple[Compare, Compare] | None:
    """Return the two ends of what ``BETWEEN`` means."""
    match predicate:
        case And((Compare(path=one, op="ge") as low, Compare(path=other, op="le") as high)) if one == other:
            return low, high
    return None


_WRITERS: dict[type[Predicate], Callable[[Any, _Scope], Node]] = {
    Absent: _absent,
    And: _all,
    Compare: _compare,
    Contains: _contains,
    Follow: _follow,
    Followed: _followed,
    HasKey: _has_key,
    In: _in,
    Matches: _matches,
    Not: _not,
    Or: _one,
    References: _references,
    Text: _text,
    Within: _within,
}

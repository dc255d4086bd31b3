"""Reading: what a syntax tree means for one type. Names are checked here, values when the predicate is bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from metastore._schema import TypeSpec
from metastore._text import words
from metastore._version import caret, tilde
from metastore.cql2._names import Found, Hop, Specs, resolve, target_of
from metastore.cql2._patterns import read_pattern
from metastore.cql2._syntax import MAX_DEPTH, Group, Literal, Mistake, Node, Op, Property, print_name, unwrap
from metastore.cql2._values import read_date, read_json, read_timestamp
from metastore.errors import VersionError, nearest
from metastore.query import (
    Absent,
    And,
    Compare,
    Comparison,
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

__all__ = ["COMPARISONS", "read"]

COMPARISONS: dict[str, Comparison] = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_MIRRORED: dict[Comparison, Comparison] = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def read(tree: Node, spec: TypeSpec, specs: Specs) -> Predicate:
    """Return the unbound predicate that a syntax tree means for artifacts of the type ``spec``.

    ``AND`` and ``OR`` flatten as ``&`` and ``|`` do. Raises Mistake, UnknownFieldError, QueryError.
    """
    return _condition(tree, _Scope(spec, specs))


@frozen
class _Scope:
    """For which type a condition is read, and how deep inside others it stands."""

    spec: TypeSpec
    specs: Specs
    depth: int = 1

    def inside(self, spec: TypeSpec | None = None, levels: int = 1) -> _Scope:
        return _Scope(spec or self.spec, self.specs, self.depth + levels)


def _bounded(node: Node, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Mistake(f"the query is nested deeper than {MAX_DEPTH} levels: write it flatter", node.place)


def _condition(node: Node, scope: _Scope) -> Predicate:
    node = unwrap(node)
    _bounded(node, scope.depth)
    if isinstance(node, Literal) and isinstance(node.value, bool):
        return And(()) if node.value else Or(())
    if isinstance(node, Property):
        return _bare(node, scope)
    if not isinstance(node, Op):
        what = "a list" if isinstance(node, Group) else "a value"
        raise Mistake(f"{what} alone is no condition: compare it with a field", node.place)
    if node.name not in _CONDITIONS:
        raise Mistake(_unknown(node), node.place)
    return _CONDITIONS[node.name](node, scope)


def _unknown(op: Op) -> str:
    if op.name in _LITERALS:
        return f"{op.name.upper()}(…) is a value, no condition: compare it with a field"
    for prefix, reason in _REFUSED.items():
        if op.name.lower().startswith(prefix):
            return f"{op.name[:60].upper()} is not offered: {reason}"
    return f"there is no function {op.name[:60]!r}: {nearest(op.name, FUNCTIONS)}"


def _bare(node: Property, scope: _Scope) -> Predicate:
    found = _name(node, scope)
    if found.field.kind not in ("bool", "json"):
        name = print_name(node.parts)
        raise Mistake(
            f"{name} is of kind {found.field.kind}, only a bool is a condition alone: compare {name} with a value",
            node.place,
        )
    return _followed(found, Compare(found.path, "eq", True), node, scope)


# --- names and values -----------------------------------------------------------------------------------------------


def _is_name(node: Node) -> bool:
    return isinstance(_cased(node)[0], Property)


def _cased(node: Node) -> tuple[Node, bool]:
    """Return what stands inside ``CASEI(…)``, or the node itself, and whether it did."""
    node = unwrap(node)
    if isinstance(node, Op) and node.name == "casei":
        (inner,) = _arguments(node, "one name or text")
        return unwrap(inner), True
    return node, False


def _name(node: Node, scope: _Scope) -> Found:
    inner, folded = _cased(node)
    if isinstance(inner, Property):
        return resolve(inner.parts, scope.spec, scope.specs, folded=folded)
    if isinstance(inner, Op) and inner.name not in _CONDITIONS:
        raise Mistake(_unknown(inner), inner.place)
    raise Mistake("expected the name of a field here, not a value or a condition", inner.place)


def _value(node: Node, path: Path) -> Any:
    inner, folded = _cased(node)
    if folded != path.folded:
        raise Mistake("CASEI stands on one side only: write it around the name and around every value", inner.place)
    if isinstance(inner, Literal):
        return inner.value
    if isinstance(inner, Op) and inner.name in _LITERALS:
        return _literal_of(inner)
    if isinstance(inner, Property):
        name = print_name(inner.parts)
        raise Mistake(
            f"expected a value, found the name {name[:60]}: texts stand in single quotes, fields compare with values",
            inner.place,
        )
    if isinstance(inner, Group):
        raise Mistake("expected one value, found a list: a list as a value is written json('[1, 2]')", inner.place)
    raise Mistake(
        _unknown(inner)
        if isinstance(inner, Op) and inner.name not in _CONDITIONS
        else "expected a value, found a condition",
        inner.place,
    )


def _values(node: Node, path: Path, function: str) -> tuple[Any, ...]:
    if not isinstance(node, Group):
        raise Mistake(f"{function} takes a list in parentheses, such as ('a', 'b')", node.place)
    return tuple(_value(item, path) for item in node.items)


def _text(node: Node, what: str) -> str:
    node = unwrap(node)
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise Mistake(f"expected {what} as a text in single quotes", node.place)


def _arguments(op: Op, *wanted: str) -> tuple[Node, ...]:
    if len(op.args) != len(wanted):
        raise Mistake(
            f"{op.name} takes {' and '.join(wanted)}: found {len(op.args)} argument{'s' * (len(op.args) != 1)}",
            op.place,
        )
    return op.args


def _literal_of(op: Op) -> Any:
    """Return what ``TIMESTAMP('…')``, ``DATE('…')`` or ``json('…')`` means."""
    reads, form = _LITERALS[op.name]
    (argument,) = _arguments(op, "one text")
    text = _text(argument, form)
    try:
        return reads(text)
    except ValueError:
        raise Mistake(f"{text[:60]!r} is not what {op.name} takes: expected {form}", argument.place) from None


_LITERALS: dict[str, tuple[Callable[[str], Any], str]] = {
    "timestamp": (read_timestamp, "a time like '2024-02-29T12:00:00Z'"),
    "date": (read_date, "a day like '2024-02-29'"),
    "json": (read_json, "a JSON list, object or null, with finite numbers and integers of 64 bits"),
}


# --- conditions -----------------------------------------------------------------------------------------------------


def _follow(hops: tuple[Hop, ...], where: Predicate) -> Predicate:
    for path, target in reversed(hops):
        where = Follow(path, target, where)
    return where


def _followed(found: Found, leaf: Predicate, node: Node, scope: _Scope, height: int = 1) -> Predicate:
    """Return the leaf (``height`` levels of nodes) behind the links on its way."""
    _bounded(node, scope.depth + len(found.hops) + height - 1)
    return _follow(found.hops, leaf)


def _all(op: Op, scope: _Scope) -> Predicate:
    items = [_condition(each, scope.inside()) for each in op.args]
    return And(tuple(part for item in items for part in (item.items if isinstance(item, And) else (item,))))


def _one(op: Op, scope: _Scope) -> Predicate:
    items = [_condition(each, scope.inside()) for each in op.args]
    return Or(tuple(part for item in items for part in (item.items if isinstance(item, Or) else (item,))))


def _not(op: Op, scope: _Scope) -> Predicate:
    (argument,) = _arguments(op, "one condition")
    inner = unwrap(argument)
    if isinstance(inner, Op) and inner.name == "isNull":
        return _is_not_null(inner, scope)
    return Not(_condition(inner, scope.inside()))


def _is_not_null(op: Op, scope: _Scope) -> Predicate:
    (name,) = _arguments(op, "one name")
    found = _name(name, scope)
    return _followed(found, Not(Absent(found.path)), op, scope, 2)


def _is_null(op: Op, scope: _Scope) -> Predicate:
    (name,) = _arguments(op, "one name")
    found = _name(name, scope)
    if not found.hops:
        return Absent(found.path)
    # Where there is no parent, parent.name is null too: the complement of "is not null", link and all.
    return Not(_followed(found, Not(Absent(found.path)), op, scope, 3))


def _compare(op: Op, scope: _Scope) -> Predicate:
    left, right = _arguments(op, "a name", "a value")
    how = COMPARISONS[op.name]
    if not _is_name(left) and _is_name(right):
        left, right, how = right, left, _MIRRORED[how]
    found = _name(left, scope)
    return _followed(found, Compare(found.path, how, _value(right, found.path)), op, scope)


def _between(op: Op, scope: _Scope) -> Predicate:
    name, low, high = _arguments(op, "a name", "a low value", "a high value")
    path = (found := _name(name, scope)).path
    pair = And((Compare(path, "ge", _value(low, path)), Compare(path, "le", _value(high, path))))
    return _followed(found, pair, op, scope, 2)


def _in(op: Op, scope: _Scope) -> Predicate:
    name, values = _arguments(op, "a name", "a list of values")
    found = _name(name, scope)
    return _followed(found, In(found.path, _values(values, found.path, "IN")), op, scope)


def _like(op: Op, scope: _Scope) -> Predicate:
    name, pattern = _arguments(op, "a name", "a pattern")
    found = _name(name, scope)
    text = _value(pattern, found.path)
    if not isinstance(text, str):
        raise Mistake("LIKE takes a pattern in single quotes, such as 'abc%'", pattern.place)
    return _followed(found, read_pattern(found.path, text, unwrap(pattern).place), op, scope)


def _starts(op: Op, scope: _Scope) -> Predicate:
    name, value = _arguments(op, "a name", "a text")
    found = _name(name, scope)
    text = _value(value, found.path)
    if not isinstance(text, str):
        raise Mistake(f"{op.name} takes a text in single quotes", value.place)
    return _followed(found, Text(found.path, "starts" if op.name == "starts_with" else "ends", text), op, scope)


def _contains(op: Op, scope: _Scope) -> Predicate:
    name, value = _arguments(op, "a name", "a value")
    found = _name(name, scope)
    return _followed(found, Contains(found.path, (_value(value, found.path),)), op, scope)


def _array(op: Op, scope: _Scope) -> Predicate:
    name, values = _arguments(op, "a name", "a list of values")
    found = _name(name, scope)
    wanted = _values(values, found.path, op.name.upper())
    return _followed(found, Contains(found.path, wanted, op.name == "a_contains"), op, scope)


def _tags(op: Op, scope: _Scope) -> Predicate:
    (value,) = _arguments(op, "one tag")
    path = resolve(("tags",), scope.spec, scope.specs).path
    return Contains(path, (_value(value, path),))


def _has_key(op: Op, scope: _Scope) -> Predicate:
    name, key = _arguments(op, "a name", "a key")
    found = _name(name, scope)
    return _followed(found, HasKey(found.path, _text(key, "a key")), op, scope)


def _any(op: Op, scope: _Scope) -> Predicate:
    name, where = _arguments(op, "a link", "a condition")
    found = _name(name, scope)
    if found.field.links is None or found.path.keys or found.path.folded:
        raise Mistake("any takes a link, or a list of links, and a condition on what is behind it", unwrap(name).place)
    target = target_of(found.field, found.owner, scope.specs)
    leaf = Follow(found.path, found.field.links.target, _condition(where, scope.inside(target, len(found.hops) + 1)))
    return _follow(found.hops, leaf)


def _linked_from(op: Op, scope: _Scope) -> Predicate:
    whole = op if len(op.args) != 2 else Op(op.name, (*op.args, Literal(True, place=op.place)), place=op.place)
    source, name, where = _arguments(whole, "a type", "its link", "a condition on its artifacts")
    type_name, link = _text(source, "the name of a type"), _text(name, "the name of a link")
    spec = scope.specs(type_name)
    if spec is None:
        raise Mistake(f"there is no type {type_name[:60]!r} here that could link to {scope.spec.name}", source.place)
    if resolve((link,), spec, scope.specs).field.links is None:
        raise Mistake(f"{op.name} takes a link, or a list of links, and {spec.name}.{link} is none", name.place)
    return Followed(spec.name, link, _condition(where, scope.inside(spec)))


def _matches(op: Op, scope: _Scope) -> Predicate:
    (text,) = _arguments(Op(op.name, op.args[:1], place=op.place), "one text of words")
    fields = tuple(_searched(each, scope) for each in op.args[1:])
    return Matches(tuple(dict.fromkeys(words(_text(text, "words")))), fields)


def _searched(node: Node, scope: _Scope) -> str:
    found = _name(node, scope)
    if found.hops or found.path.keys or found.path.folded:
        raise Mistake("matches takes, after the words, names of searched fields of the artifact itself", node.place)
    return found.path.field


def _references(op: Op, _scope: _Scope) -> Predicate:
    (text,) = _arguments(op, "one url or digest")
    return References(_text(text, "a url, or a digest like sha256:9f86…,"))


def _range(op: Op, scope: _Scope) -> Predicate:
    name, version = _arguments(op, "a version field", "a version")
    found = _name(name, scope)
    if found.field.kind != "version":
        raise Mistake(f"{op.name} takes a version field, {found.path.field} is of kind {found.field.kind}", name.place)
    text = _text(version, "a version")
    try:
        (caret if op.name == "caret" else tilde)(text, found.field.scheme or "semver")
    except VersionError as error:
        raise Mistake(str(error), version.place) from error
    return _followed(found, Within(found.path, "caret" if op.name == "caret" else "tilde", text), op, scope)


FUNCTIONS: dict[str, Callable[[Op, _Scope], Predicate]] = {
    "a_contains": _array,
    "a_overlaps": _array,
    "any": _any,
    "caret": _range,
    "contains": _contains,
    "ends_with": _starts,
    "has_key": _has_key,
    "linked_from": _linked_from,
    "matches": _matches,
    "references": _references,
    "starts_with": _starts,
    "tags_contain": _tags,
    "tilde": _range,
}

_CONDITIONS: dict[str, Callable[[Op, _Scope], Predicate]] = {
    **FUNCTIONS,
    **dict.fromkeys(COMPARISONS, _compare),
    "and": _all,
    "or": _one,
    "not": _not,
    "between": _between,
    "in": _in,
    "isNull": _is_null,
    "like": _like,
}

_REFUSED = {
    "s_": "an artifact has no geometry",
    "t_": "compare with < <= > >= or BETWEEN and TIMESTAMP('2024-02-29T12:00:00Z')",
    "interval": "write BETWEEN with two times",
    "accenti": "texts compare by code point, or with CASEI without regard to case",
    "a_equals": "a list is asked with A_CONTAINS (all of) or A_OVERLAPS (any of)",
    "a_containedby": "a list is asked with A_CONTAINS (all of) or A_OVERLAPS (any of)",
    "casei": "it stands around a name and a text that are compared",
    **dict.fromkeys(("+", "-", "*", "/", "%", "^", "div"), "fields compare with values, without arithmetic"),
}

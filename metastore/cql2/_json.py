"""The JSON form: CQL2 JSON, into the syntax tree and out of it."""

from __future__ import annotations

from math import isfinite
from typing import Any

from metastore._schema import TypeSpec
from metastore.cql2._names import Specs
from metastore.cql2._read import read
from metastore.cql2._syntax import (
    MAX_DEPTH,
    Group,
    Literal,
    Mistake,
    Node,
    Op,
    Property,
    fits,
    flaw,
    print_name,
    read_name,
)
from metastore.cql2._write import write
from metastore.errors import QuerySyntaxError
from metastore.query import Predicate

__all__ = ["parse_json", "print_json"]

# A list of values and CASEI stand deeper than the innermost condition, which `read` bounds exactly.
_DEPTH = MAX_DEPTH + 4


def parse_json(data: Any, spec: TypeSpec, specs: Specs) -> Predicate:
    """Return the unbound predicate that a CQL2 JSON document, already decoded, means for a type.

    ``specs`` finds the type behind a link by name, ``None`` if it is not known. Values are not checked
    against their fields here. ``data`` is not kept.

    Raises QuerySyntaxError (it names the place as ``$.args[0]``), UnknownFieldError with the nearest spelling,
    QueryError for a link whose type is not known.
    """
    try:
        return read(_tree(data, "$", 1), spec, specs)
    except Mistake as mistake:
        raise QuerySyntaxError(f"{mistake.message} (at {mistake.place})") from None


def print_json(predicate: Predicate, spec: TypeSpec, specs: Specs) -> dict[str, Any]:
    """Return the CQL2 JSON document of an unbound predicate, new and the caller's own.

    Versions, ids and enum members are written as their text. Raises QueryError for a value that JSON cannot carry.
    """
    tree = write(predicate, spec, specs)
    if isinstance(tree, Literal):
        tree = Op("and" if tree.value else "or", (tree, tree))
    document: dict[str, Any] = _document(tree)
    return document


def _tree(data: Any, place: str, depth: int) -> Node:
    if depth > _DEPTH:
        raise Mistake(f"the query is nested deeper than {MAX_DEPTH} levels: write it flatter", place[:60] + "…")
    if isinstance(data, dict):
        return _object(data, place, depth)
    if isinstance(data, list):
        return Group(
            tuple(_tree(each, f"{place}[{at}]", depth + 1) for at, each in enumerate(data)), listed=True, place=place
        )
    return _scalar(data, place)


def _scalar(data: Any, place: str) -> Node:
    if isinstance(data, bool):
        return Literal(data, place=place)
    if isinstance(data, str):
        return Literal(_clean(data, place), place=place)
    if isinstance(data, int) and not fits(data):
        raise Mistake("the integer does not fit in 64 bits", place)
    if isinstance(data, float) and not isfinite(data):
        raise Mistake("a number must be finite", place)
    if not isinstance(data, int | float):
        found = "null, write isNull to ask for absence" if data is None else f"a value of type {type(data).__name__}"
        raise Mistake(f"expected an object, list, text, number or truth value, found {found}", place)
    return Literal(data, place=place)


def _object(data: dict[Any, Any], place: str, depth: int) -> Node:
    match data:
        case {"op": str(name), "args": list(args), **rest} if not rest:
            nodes = tuple(_tree(each, f"{place}.args[{at}]", depth + 1) for at, each in enumerate(args))
            return Op(_clean(name, place), nodes, place=place)
        case {"property": str(name), **rest} if not rest:
            return read_name(_clean(name, place), place)
        case {"timestamp": str(text), **rest} if not rest:
            return Op("timestamp", (Literal(text, place=place),), place=place)
        case {"date": str(text), **rest} if not rest:
            return Op("date", (Literal(text, place=place),), place=place)
    raise Mistake('expected {"op": …, "args": […]}, {"property": "name"}, {"timestamp": "…"} or {"date": "…"}', place)


def _clean(text: str, place: str) -> str:
    if flaw(text) is not None:
        raise Mistake("a text may hold no NUL and no lone surrogate", place)
    return text


def _document(node: Node) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Property):
        return {"property": print_name(node.parts)}
    if isinstance(node, Group):
        return [_document(each) for each in node.items]
    return _operation(node)


def _operation(node: Node) -> Any:
    if not isinstance(node, Op):
        raise TypeError(f"no node of the syntax: {node!r}")
    args = [_document(each) for each in node.args]
    return {"timestamp": args[0]} if node.name == "timestamp" else {"op": node.name, "args": args}

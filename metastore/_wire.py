"""Queries as JSON and back, bound or not, so that they can cross a network.

Everything that JSON has no form for is an object of one key that says what it is: a node
by its class, ``{"Absent": {"path": {"Path": {"field": "size"}}}}``, a value by its kind,
``{"bytes": "00ff"}``; a dict that is a value is ``{"dict": {…}}``. What stands at its
default is left out. Reading is strict, and its depth bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from metastore import query
from metastore._data import Data, said
from metastore._version import Version
from metastore.errors import QueryError, VersionError, nearest
from metastore.query import Measure, Order, Path, Position, Predicate, Query, Rank

__all__ = ["DEPTH", "VALUE_DEPTH", "from_json", "query_from_json", "query_to_json", "to_json"]

DEPTH = 104
"""Nodes nest at most this deep, which is a little more than the binder allows."""

VALUE_DEPTH = 66
"""Values inside a node nest at most this deep; a stored JSON value nests less."""

Node = Predicate | Order | Path | Rank | Position | Measure | Query

_NODES: dict[str, type[Data]] = {
    name: kind
    for name in query.__all__
    if isinstance(kind := getattr(query, name), type) and issubclass(kind, Node) and kind is not Predicate
}


def query_to_json(asked: Query) -> Any:
    """Return the query as JSON types. Raises QueryError for a value that has no form there.

    >>> query_to_json(Query("images", limit=3))
    {'Query': {'type': 'images', 'limit': 3}}
    """
    return to_json(asked)


def query_from_json(data: Any) -> Query:
    """Return the query that `query_to_json` wrote. Raises QueryError that says what is wrong.

    >>> query_from_json({"Query": {"type": "images", "limit": 3}})
    Query(type='images', where=And(items=()), order=(), limit=3, after=None, latest=False)
    """
    found = from_json(data)
    if not isinstance(found, Query):
        raise QueryError(f"Expected a query, found a {type(found).__name__}; send {{'Query': {{…}}}}")
    return found


def to_json(node: Node) -> Any:
    """Return any node of `metastore.query` as JSON types. Raises QueryError for a value that has no form there."""
    return _write(type(node), node, DEPTH)


def from_json(data: Any) -> Any:
    """Return the node that `to_json` wrote. Raises QueryError that says what is wrong."""
    return _read(Node, data, DEPTH)


@cache
def _hints(node: str) -> dict[str, Any]:
    return get_type_hints(_NODES[node])


# --- writing ------------------------------------------------------------------------------------------------------


def _write(hint: Any, part: Any, depth: int) -> Any:
    if hint is Any:
        return _write_value(part, VALUE_DEPTH)
    if isinstance(part, tuple | list) and get_origin(hint) is tuple:
        return [_write(get_args(hint)[0], each, depth) for each in part]
    if type(part).__name__ in _NODES:
        return _write_node(part, depth)
    return part.hex() if isinstance(part, bytes) else part


def _write_node(node: Any, depth: int) -> dict[str, Any]:
    _bounded(depth)
    hints = _hints(type(node).__name__)
    parts = {name: _write(hints[name], getattr(node, name), depth - 1) for name in node.__fields__ if said(node, name)}
    return {type(node).__name__: parts}


def _write_value(value: Any, depth: int) -> Any:
    _bounded(depth)
    if isinstance(value, Enum):
        value = value.value
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is list:
        return [_write_value(each, depth - 1) for each in value]
    if type(value) is dict:
        return {"dict": {_key(key): _write_value(each, depth - 1) for key, each in value.items()}}
    if type(value) is tuple:
        return {"tuple": [_write_value(each, depth - 1) for each in value]}
    return _write_scalar(value)


def _write_scalar(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):
        return value
    for name, (kind, write, _) in _SCALARS.items():
        if isinstance(value, kind):
            return {name: write(value)}
    raise QueryError(
        f"Expected a value that a query can carry, found {value!r:.60} ({type(value).__name__}); bind it first"
    )


def _key(key: Any) -> str:
    if type(key) is not str:
        raise QueryError(f"Expected text as the key of a dict, found {key!r:.60} ({type(key).__name__})")
    return key


# --- reading ------------------------------------------------------------------------------------------------------


def _read(hint: Any, data: Any, depth: int) -> Any:
    if hint is Any:
        return _read_value(data, VALUE_DEPTH)
    origin = get_origin(hint)
    if origin is tuple:
        return tuple([_read(get_args(hint)[0], each, depth) for each in _expect(list, data)])
    if origin is Literal:
        return _one_of(get_args(hint), data)
    if origin in (Union, UnionType):
        return _read_union(get_args(hint), data, depth)
    if hint is bytes:
        return _hex(data)
    return _expect(hint, data) if hint in (str, bool, int) else _read_node((hint,), data, depth)


def _read_union(kinds: tuple[Any, ...], data: Any, depth: int) -> Any:
    if data is None and NoneType in kinds:
        return None
    some = tuple(kind for kind in kinds if kind is not NoneType)
    return _read(some[0], data, depth) if len(some) == 1 else _read_node(some, data, depth)


def _read_node(kinds: tuple[Any, ...], data: Any, depth: int) -> Any:
    _bounded(depth)
    name, parts = _single(data)
    kind = _NODES.get(name)
    if kind is None or not issubclass(kind, kinds):
        fit = [each for each, one in _NODES.items() if issubclass(one, kinds)]
        raise QueryError(f"Expected one of {', '.join(fit)}, found {name!r:.60}: {nearest(name, fit)}")
    _complete(kind, _expect(dict, parts))
    hints = _hints(name)
    return kind(**{each: _read(hints[each], part, depth - 1) for each, part in parts.items()})


def _complete(kind: type[Data], parts: dict[str, Any]) -> None:
    for name in parts:
        if name not in kind.__fields__:
            raise QueryError(
                f"Expected the parts of {kind.__name__}, found {name!r:.60}: {nearest(str(name), kind.__fields__)}"
            )
    missing = [name for name in kind.__needed__ if name not in parts]
    if missing:
        raise QueryError(f"Expected {', '.join(missing)} in {kind.__name__}, found {', '.join(parts) or 'nothing'}")


def _read_value(data: Any, depth: int) -> Any:
    _bounded(depth)
    if data is None or type(data) in (bool, int, str):
        return data
    if type(data) is float and math.isfinite(data):
        return data
    if type(data) is list:
        return [_read_value(each, depth - 1) for each in data]
    name, inner = _single(data)
    if name == "dict":
        return {_key(key): _read_value(each, depth - 1) for key, each in _expect(dict, inner).items()}
    if name == "tuple":
        return tuple([_read_value(each, depth - 1) for each in _expect(list, inner)])
    return _read_scalar(name, inner)


def _read_scalar(name: str, data: Any) -> Any:
    if name not in _SCALARS:
        raise QueryError(f"Expected a kind of value, found {name!r:.60}: {nearest(name, [*_SCALARS, 'dict', 'tuple'])}")
    try:
        return _SCALARS[name][2](data)
    except (ValueError, VersionError) as error:
        raise QueryError(f"Expected a {name}, found {data!r:.60}: {error}") from None


def _bounded(depth: int) -> None:
    if depth <= 0:
        raise QueryError(
            f"Expected at most {DEPTH} nested nodes and {VALUE_DEPTH} nested values, found more; ask for less at once"
        )


def _single(data: Any) -> tuple[str, Any]:
    if type(data) is not dict or len(data) != 1:
        raise QueryError(f"Expected an object of one key that says what it is, found {data!r:.60}")
    ((name, inner),) = data.items()
    return _key(name), inner


def _expect(kind: type[Any], data: Any) -> Any:
    if type(data) is not kind:
        raise QueryError(f"Expected {kind.__name__}, found {data!r:.60} ({type(data).__name__})")
    return data


def _one_of(words: tuple[Any, ...], data: Any) -> Any:
    if data not in words or type(data) is not str:
        raise QueryError(f"Expected one of {', '.join(words)}, found {data!r:.60}")
    return data


def _hex(data: Any) -> bytes:
    try:
        return bytes.fromhex(_expect(str, data))
    except ValueError:
        raise QueryError(f"Expected bytes as hex digits, found {data!r:.60}") from None


def _version(data: Any) -> Version:
    parts = _expect(list, data)
    if len(parts) != 2:
        raise QueryError(f"Expected a version as [text, scheme], found {data!r:.60}")
    return Version(_expect(str, parts[0]), _expect(str, parts[1]))


_SCALARS: dict[str, tuple[type[Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bytes": (bytes, bytes.hex, _hex),
    "datetime": (datetime, datetime.isoformat, lambda data: datetime.fromisoformat(_expect(str, data))),
    "uuid": (UUID, str, lambda data: UUID(_expect(str, data))),
    "version": (Version, lambda value: [value.text, value.scheme], _version),
}
"""How values are tagged: their type, how they are written, how they are read."""

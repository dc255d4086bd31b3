"""Sort values of rows in Python: where a page ends, and how pages of several types merge."""

from __future__ import annotations

from collections.abc import Sequence
from functools import total_ordering
from typing import Any

from metastore._json import decode
from metastore._lookups import json_kind, search_words
from metastore._schema import TypeSpec
from metastore.query import Order, Path, Position, Rank

__all__ = ["position_of", "sort_key"]

_KINDS = ("null", "bool", "number", "string")


def position_of(spec: TypeSpec, row: Sequence[Any], order: Sequence[Order]) -> Position:
    """Return where a row stands in an order."""
    return Position(tuple(_value(spec, row, each.key) for each in order), row[0])


def _value(spec: TypeSpec, row: Sequence[Any], key: Path | Rank) -> Any:
    if isinstance(key, Rank):
        return _rank(spec, row, key)
    value = row[spec.position[f"{key.field}__folded" if key.folded else key.field]]
    if key.kind == "version" and not key.keys:
        return None if value is None else (row[spec.position[f"{key.field}__key"]], value)
    return _inside(value, key) if key.keys or key.kind == "json" else value


def _rank(spec: TypeSpec, row: Sequence[Any], key: Rank) -> int:
    total = 0
    for each in spec.searched:
        if not key.fields or each.name in key.fields:
            there = set(search_words(each, row[spec.position[each.name]]))
            total += each.search * sum(word in there for word in key.words)
    return total


def _inside(value: str | None, path: Path) -> Any:
    found: Any = None if value is None else decode(value)
    for key in path.keys:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return None if isinstance(found, list | dict) else found


@total_ordering
class _Down:
    """A sort key that sorts the other way."""

    __slots__ = ("key",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and self.key == other.key

    def __lt__(self, other: _Down) -> bool:
        return bool(other.key < self.key)


def _comparable(value: Any) -> tuple[Any, ...]:
    if value is None:
        return (0,)
    kind = _KINDS.index(json_kind(value)) if not isinstance(value, tuple | bytes) else 1
    return (1, kind, value)


def sort_key(position: Position, order: Sequence[Order]) -> tuple[Any, ...]:
    """Return what Python sorts as the order says: absent smallest, the id last in the last key's direction."""
    keys: list[Any] = []
    for value, each in zip((*position.values, position.id), (*order, order[-1] if order else None), strict=True):
        key = _comparable(value)
        keys.append(_Down(key) if each is not None and each.descending else key)
    return tuple(keys)

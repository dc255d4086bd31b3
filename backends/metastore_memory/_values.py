"""What lies at a path of a row, and how two such values compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metastore._json import decode, encode
from metastore.backend import FieldSpec, TypeSpec, json_kind, search_words
from metastore.errors import QueryError, nearest
from metastore.query import Path, Rank

__all__ = [
    "ABSENT",
    "Place",
    "RowMap",
    "comparable",
    "field_of",
    "place",
    "position_place",
    "rank",
    "reader",
    "searched",
    "sorter",
]

RowMap = Mapping[str, Any]
Place = tuple[Any, ...]

ABSENT: Place = (0,)
"""The place of no value: before every other."""

_PLACES = {"null": 1, "bool": 2, "number": 3, "string": 4, "list": 5, "dict": 6}
_RANKED = _PLACES["number"]
_SCALAR = frozenset(_PLACES[name] for name in ("bool", "number", "string"))
_JSON = FieldSpec(kind="json")
_BLOB = FieldSpec(kind="blob")
_STRUCTURED = frozenset({"blob", "folder", "list", "dict", "object", "json"})


def field_of(spec: TypeSpec, name: str) -> FieldSpec:
    """Return a field; QueryError if the type has none of that name."""
    found = spec.by_name.get(name)
    if found is None:
        raise QueryError(f"Expected a field of type {spec.name!r}, found {name!r}: {nearest(name, spec.by_name)}")
    return found


def reader(spec: TypeSpec, path: Path) -> Callable[[RowMap], list[Any]]:
    """Return a function from a row to the values present at the path: none, one, or one per location of a blob.

    Structured ones are decoded.
    """
    name, keys = f"{path.field}__folded" if path.folded else path.field, path.keys
    field = spec.by_name.get(name)
    if name in spec.position and (field is None or field.kind not in _STRUCTURED):
        return lambda row: _present(row.get(name))
    field = field_of(spec, name)
    return lambda row: [] if (text := row.get(name)) is None else _inside(field, decode(text), keys)


def _present(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _inside(field: FieldSpec, value: Any, keys: tuple[str, ...]) -> list[Any]:
    """Descend along the spec: a null attribute of an object is absent, a null under the key of a dict is a value."""
    if not keys:
        return [value]
    if field.kind == "blob":
        return _in_blob(value, keys)
    key, *rest = keys
    if not isinstance(value, dict) or key not in value or (field.kind == "object" and value[key] is None):
        return []
    return _inside(_step(field, key), value[key], tuple(rest))


def _step(field: FieldSpec, key: str) -> FieldSpec:
    if field.kind == "folder":
        return _BLOB
    if field.kind == "object":
        return next((each for each in field.fields if each.name == key), _JSON)
    return field.item or _JSON


def _in_blob(blob: dict[str, Any], keys: tuple[str, ...]) -> list[Any]:
    if keys[0] == "url":
        return [location["url"] for location in blob.get("locations", ())]
    if keys[0] == "digests":
        digests = blob.get("digests", {})
        return _present(digests.get(keys[1])) if len(keys) > 1 else list(digests.values())
    return _present(blob.get(keys[0]))


def place(kind: str, value: Any) -> Place:
    """Return what a present value compares and sorts by.

    Equal places are equal values; at a *json* path they never cross a JSON type.
    """
    at = _PLACES[json_kind(value)] if kind == "json" or value is None else _PLACES["bool"]
    return at, encode(value) if isinstance(value, list | dict) else value


def comparable(one: Place, other: Place) -> bool:
    """Say whether smaller and greater mean something between two places: scalars of one type."""
    return one[0] in _SCALAR and one[0] == other[0]


def sorter(spec: TypeSpec, key: Path | Rank) -> Callable[[RowMap], Place]:
    """Return a function from a row to its place in the order of one sort key: nulls, lists and dicts have none."""
    if isinstance(key, Rank):
        return lambda row: (_RANKED, rank(spec, key, row))
    if key.kind == "version" and not key.keys and not key.folded:
        name = key.field
        return lambda row: ABSENT if row.get(name) is None else place("version", (row[f"{name}__key"], row[name]))
    read, kind = reader(spec, key), key.kind
    return lambda row: _sortable(place(kind, values[0])) if (values := read(row)) else ABSENT


def _sortable(at: Place) -> Place:
    return at if at[0] in _SCALAR else ABSENT


def position_place(key: Path | Rank, value: Any) -> Place:
    """Return the place of a value of a `Position`."""
    if value is None:
        return ABSENT
    return (_RANKED, value) if isinstance(key, Rank) else place(key.kind, value)


def searched(spec: TypeSpec, names: tuple[str, ...]) -> list[FieldSpec]:
    """Return the fields in which full text looks: all that are searched, or those of these names."""
    return [each for each in spec.fields if each.search and (not names or each.name in names)]


def rank(spec: TypeSpec, key: Rank, row: RowMap) -> int:
    """Return the weighted number of (word, field) hits."""
    return sum(
        field.search * len(set(search_words(field, row.get(field.name))).intersection(key.words))
        for field in searched(spec, key.fields)
    )

"""Artifacts as JSON mappings: exactly what is stored, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from metastore._codec import Codec, damaged
from metastore._json import decode
from metastore._schema import FieldSpec
from metastore._values import instant, iso, micros
from metastore.errors import UnknownFieldError, ValidationError, nearest

__all__ = ["dumped", "loaded", "plain"]

Row = tuple[Any, ...]

_TAKEN = ("created_at", "updated_at", "revision")
_BY_KIND: dict[str, Any] = {
    "id": lambda value: str(UUID(bytes=value)),
    "link": lambda value: str(UUID(bytes=value)),
    "bool": bool,
    "datetime": lambda value: iso(instant(value)),
    **dict.fromkeys(("blob", "folder", "list", "dict", "object", "json"), decode),
}


_SHAPES: dict[str, type] = {"list": list, **dict.fromkeys(("blob", "dict", "folder", "object"), dict)}


def dumped(codec: Codec, row: Row) -> dict[str, Any]:
    """Return a row as JSON values by field name, after ``type``. Raises DamagedError for a row that was never written so."""
    try:
        values = {each.name: plain(each, value) for each, value in zip(codec.spec.fields, row, strict=False)}
    except Exception as error:
        raise damaged(codec.spec, row[codec.spec.position["id"]], error) from error
    return {"type": codec.spec.name, **values}


def plain(spec: FieldSpec, value: Any) -> Any:
    """Return a column's value as JSON types."""
    form = _BY_KIND.get(spec.kind)
    return value if value is None or form is None else form(value)


def loaded(codec: Codec, record: Mapping[str, Any]) -> Row:
    """Return the finished row of a JSON mapping. Raises ValidationError naming the field."""
    if not isinstance(record, Mapping):
        raise ValidationError(f"expected a record as a mapping of field names to values, got {type(record).__name__}")
    given = {name: value for name, value in record.items() if name != "type"}
    if record.get("type", codec.spec.name) != codec.spec.name:
        raise ValidationError(f"expected one of {codec.spec.name}, got one of {record['type']!r}")
    for name in given:
        if name not in codec.spec.by_name:
            raise UnknownFieldError(
                f"{codec.spec.name} has no field {name!r}: {nearest(str(name), codec.spec.by_name)}"
            )
    now = datetime.now(UTC).isoformat()
    created, updated = (_moment({name: now, **given}, name) for name in ("created_at", "updated_at"))
    row = codec.encode(_values(codec, given))
    return codec.stamp(row, revision=_revision(given), time=updated, created=created)


def _values(codec: Codec, given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for spec in codec.spec.fields:
        if spec.name in given and spec.name not in _TAKEN:
            values[spec.name] = _value(codec, spec, given[spec.name])
        elif spec.name not in _TAKEN:
            values[spec.name] = codec.default(spec)
    return values


def _value(codec: Codec, spec: FieldSpec, value: Any) -> Any:
    if spec.kind in ("version", "bool", "int", "float", "str", "json", "id") and not spec.choices:
        return value
    shape = _SHAPES.get(spec.kind)
    if shape is not None and value is not None and type(value) is not shape:
        raise ValidationError(f"expected {shape.__name__} at $.{spec.name}, got {type(value).__name__}")
    from metastore._nested import from_json  # cattrs, at first use

    return from_json(codec.hint(spec), value, f"$.{spec.name}")


def _moment(given: Mapping[str, Any], name: str) -> int:
    text = given.get(name)
    if text is None:
        return micros(datetime.now(UTC))
    try:
        moment = datetime.fromisoformat(text)
        return micros(moment.astimezone(UTC)) if moment.tzinfo is not None else micros(moment)
    except (TypeError, ValueError, OverflowError):
        raise ValidationError(
            f"expected a time with its zone like 2024-02-29T12:00:00Z at $.{name}, got {text!r:.60}"
        ) from None


def _revision(given: Mapping[str, Any]) -> int:
    revision = given.get("revision", 1)
    if type(revision) is not int or not 1 <= revision < 2**62:  # half of what fits, so that changes can follow
        raise ValidationError(f"expected a revision, from 1 to 2**62 - 1, at $.revision, got {revision!r:.40}")
    return revision

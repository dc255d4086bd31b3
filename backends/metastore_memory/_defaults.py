"""What existing rows hold in columns that a widened type adds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from metastore._json import encode
from metastore._version import sort_key
from metastore.backend import FieldSpec, TypeSpec, fold

__all__ = ["new_columns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_columns(old: TypeSpec | None, new: TypeSpec) -> dict[str, Any]:
    """Return the default of each column that ``new`` has and ``old`` has not."""
    known = old.position if old is not None else {}
    defaults = {name: value for field in new.fields for name, value in _columns(field).items()}
    return {column.name: defaults.get(column.name) for column in new.columns if column.name not in known}


def _columns(field: FieldSpec) -> dict[str, Any]:
    value = None if field.required or field.default is None else _row_value(field.kind, field.default)
    columns = {field.name: value}
    if field.kind == "version":
        columns[f"{field.name}__key"] = None if value is None else sort_key(value, field.scheme or "semver")
    if field.folded:
        columns[f"{field.name}__folded"] = None if value is None else fold(value)
    return columns


def _row_value(kind: str, default: Any) -> Any:
    """Return a plain JSON default as a row holds it."""
    if kind in ("id", "link"):
        return UUID(default).bytes
    if kind == "datetime":
        return (datetime.fromisoformat(default) - _EPOCH) // timedelta(microseconds=1)
    if kind == "bool":
        return int(default)
    if kind == "float":
        return float(default)
    return default if kind in ("int", "str", "version") else encode(default)

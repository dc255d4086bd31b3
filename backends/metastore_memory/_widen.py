"""What existing rows hold in the columns that a widened type adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metastore._declare import default_from
from metastore._values import to_column
from metastore._version import sort_key
from metastore.backend import FieldSpec, TypeSpec, fold

__all__ = ["widening"]

Derive = Callable[[str], str]


def widening(old: TypeSpec, new: TypeSpec) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function from a row of ``old`` to the same with every column of ``new``; what it holds already stays."""
    fresh = {field.name: _default(field) for field in new.fields if field.name not in old.by_name}
    derived = [each for field in new.fields for each in _derived(field) if each[1] not in old.position]

    def widen(row: dict[str, Any]) -> dict[str, Any]:
        wide = {**fresh, **row}
        more = {column: None if wide[name] is None else derive(wide[name]) for name, column, derive in derived}
        return {**wide, **more}

    return widen


def _default(field: FieldSpec) -> Any:
    if field.required or field.default is None:
        return None
    return to_column(field, default_from(field), field.name)


def _derived(field: FieldSpec) -> list[tuple[str, str, Derive]]:
    found: list[tuple[str, str, Derive]] = []
    if field.kind == "version":
        found.append((field.name, f"{field.name}__key", lambda text: sort_key(text, field.scheme or "semver")))
    if field.folded:
        found.append((field.name, f"{field.name}__folded", fold))
    return found

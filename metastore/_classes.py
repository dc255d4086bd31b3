"""What attrs does: it writes the constructors of artifact types, and nested values are of its classes.

Imported at first use, with the first type that is declared: attrs costs as much as all the rest of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from metastore._data import NO_DEFAULT, Data, Factory

__all__ = ["Part", "construct", "is_nested", "made_class", "parts_of", "validate"]

is_nested = attrs.has
"""Tells whether values of a class can stand in a field."""
validate: Callable[[Any], None] = attrs.validate
"""Runs the validators of a nested value."""


class Part(Data):
    """One field of a nested class: whether its constructor takes it, must be given it, and whether code makes its default."""

    name: str
    taken: bool
    required: bool
    by_code: bool


def parts_of(cls: Any) -> tuple[Part, ...]:
    """Return the fields of a nested class."""
    return tuple(
        [
            Part(each.name, each.init, each.default is attrs.NOTHING, _by_code(each.default))
            for each in attrs.fields(cls)
        ]
    )


def _by_code(default: Any) -> bool:
    return isinstance(default, attrs.Factory) and default.factory not in (list, dict)  # type: ignore[arg-type]


def construct(cls: Any, defaults: Mapping[str, Any], converters: Mapping[str, Any], unset: frozenset[str]) -> None:
    """Give a type its constructor, which takes values by name, but for those that are ``unset``; its instances are frozen."""
    these = {
        name: attrs.field(default=_default(made), converter=converters.get(name), init=name not in unset)
        for name, made in defaults.items()
    }
    attrs.define(cls, these=these, frozen=True, slots=False, kw_only=True, eq=False, repr=False)


def made_class(name: str, hints: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """Return a nested class with these fields."""
    parts = {
        part: attrs.field(type=hint, kw_only=True, default=_default(defaults[part])) for part, hint in hints.items()
    }
    return attrs.make_class(name, parts, frozen=True, slots=False)


def _default(made: Any) -> Any:
    if made is NO_DEFAULT:
        return attrs.NOTHING
    return attrs.Factory(made.factory) if isinstance(made, Factory) else made

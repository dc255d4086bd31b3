"""Dynamic types: classes made from stored specs, for a catalogue opened without the ones that declared them."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from metastore._artifact import Artifact, Field, Record, field
from metastore._data import NO_DEFAULT, Factory
from metastore._declare import default_from, hint_of
from metastore._schema import FieldSpec, TypeSpec
from metastore._sound import check_sound
from metastore.errors import DeclarationError

__all__ = ["DYNAMIC", "make_type"]

DYNAMIC = "metastore.dynamic"
"""The module that dynamic classes say they are of."""


def make_type(spec: TypeSpec, resolve: Callable[[str], type]) -> type[Record]:
    """Return a class that behaves as the one that declared the spec, for a catalogue opened without it.

    Enums come as their plain values, nested classes as attrs classes made here. ``resolve`` finds the class of a type name.

    Raises DeclarationError for a spec that no declaration makes: damaged, or of a stranger, or of a newer metastore.
    """
    base = Artifact if any(each.name == "name" for each in spec.fields) else Record
    check_sound(spec, {name: each.spec for name, each in base.__fields_by_name__.items()})
    own = [each for each in spec.fields if each.name not in base.__fields_by_name__]
    body: dict[str, Any] = {each.name: _dynamic_field(each, resolve) for each in own}
    body["__annotations__"] = {each.name: Field[hint_of(each)] for each in own}  # type: ignore[misc]  # hints made at run time
    body["__doc__"] = spec.description
    made: Any = types.new_class(
        _class_name(spec.name), (base,), _keywords(spec), lambda namespace: namespace.update(body)
    )
    made.__module__ = DYNAMIC
    made.__spec__ = spec
    return made  # type: ignore[no-any-return]


def _default(spec: FieldSpec) -> Any:
    try:
        return default_from(spec)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{spec.name}: the default {spec.default!r:.40} is no {spec.kind}") from error


def _class_name(type_name: str) -> str:
    return "".join(part.capitalize() for part in type_name.split("_"))


def _keywords(spec: TypeSpec) -> dict[str, Any]:
    own = {"lifecycle": spec.lifecycle, "rules": spec.rules}
    return {"type_name": spec.name, "unique": spec.unique, "scheme": spec.by_name["version"].scheme, **own}


def _dynamic_field(spec: FieldSpec, resolve: Callable[[str], type]) -> Any:
    made: Any = NO_DEFAULT
    if not spec.required and not spec.hook:
        plain = spec.default
        made = Factory(type(plain)) if isinstance(plain, list | dict) else _default(spec)
    given: Any = field(default=made)
    given.spec, given.resolve = spec, resolve
    return given

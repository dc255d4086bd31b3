"""Whether a spec that came from outside is sound, asked before a class is made of it.

A spec travels in a file: an export, or a catalogue that somebody hands on. Names in it become names in the constructor
that attrs writes as Python text, so a name that is none would be code of a stranger.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from metastore._declare import check_name, check_options
from metastore._schema import KINDS, FieldSpec, TypeSpec
from metastore.errors import DeclarationError

__all__ = ["check_sound"]

_TRUTHS = ("optional", "required", "hook", "unique_items", "index", "folded", "mutable")
_TEXTS = ("target", "scheme", "on_delete", "description", "unit")
_LISTS = ("allowed_keys", "required_keys", "required_for")
_BOUNDS = ("ge", "gt", "le", "lt")
_COUNTS = ("min_length", "max_length", "min_items", "max_items", "max_size", "max_total_size")


def check_sound(spec: TypeSpec, system: Mapping[str, FieldSpec]) -> None:
    """Raise DeclarationError naming type and field where a spec is not what a declaration could have made.

    ``system`` are the fields that every type has, by name: those it must have, and of the same kind.
    """
    _check_texts(f"{spec.name!r:.60}", name=spec.name, description=spec.description)
    _check_texts(f"{spec.name!r:.60}: fields", **{str(at): each.name for at, each in enumerate(spec.fields)})
    for each in spec.fields:
        _check_top(f"{spec.name}.{each.name:.60}", each, system)
    _check_texts(f"{spec.name}: unique", **{str(at): name for at, name in enumerate(spec.unique)})
    _check_texts(f"{spec.name}: rules", **{f"rule {at}": each for at, each in enumerate(_words(spec.rules))})
    if len(spec.by_name) < len(spec.fields):
        raise DeclarationError(f"{spec.name}: two fields have one name")
    for name, given in system.items():
        if name not in spec.by_name or spec.by_name[name].kind != given.kind:
            raise DeclarationError(
                f"{spec.name}: every type has the field {name}, of kind {given.kind}; this one lacks it"
            )


def _words(rules: Mapping[Any, Any]) -> Iterator[Any]:
    for action, rule in rules.items():
        yield from (action, rule)


def _check_top(where: str, spec: FieldSpec, system: Mapping[str, FieldSpec]) -> None:
    _check_field(where, spec)
    if spec.name not in system:
        check_name(where, spec.name)
        check_options(where, spec)


def _check_field(where: str, spec: FieldSpec) -> None:
    if not isinstance(spec.kind, str) or spec.kind not in KINDS:
        raise DeclarationError(f"{where}: there is no kind {spec.kind!r:.40}; is it of a newer metastore?")
    if (spec.kind in ("list", "dict")) is (spec.item is None):
        raise DeclarationError(f"{where}: a list and a dict say what is in them, and nothing else does")
    for name in _TRUTHS:
        if type(getattr(spec, name)) is not bool:
            raise DeclarationError(f"{where}: {name} is true or false, got {getattr(spec, name)!r:.40}")
    for name in _COUNTS:
        if type(getattr(spec, name)) not in (int, NoneType):
            raise DeclarationError(f"{where}: {name} is a whole number, got {getattr(spec, name)!r:.40}")
    _check_texts(where, **{name: getattr(spec, name) for name in _TEXTS})
    for name in _LISTS:
        _check_texts(f"{where}: {name}", **{str(at): each for at, each in enumerate(_listed(where, spec, name))})
    _check_values(where, spec)
    _check_inner(where, spec)


def _listed(where: str, spec: FieldSpec, name: str) -> tuple[Any, ...]:
    value: Any = getattr(spec, name)
    if not isinstance(value, tuple):
        raise DeclarationError(f"{where}: {name} is a list, got {value!r:.40}")
    return value


def _check_texts(where: str, **texts: Any) -> None:
    for name, text in texts.items():
        if not isinstance(text, str):
            raise DeclarationError(f"{where}: {name} is a text, got {text!r:.40}")


def _check_values(where: str, spec: FieldSpec) -> None:
    kind: Any = {"int": int, "float": (int, float), "datetime": str, "str": str}.get(spec.kind, ())
    values = [getattr(spec, name) for name in _BOUNDS if getattr(spec, name) is not None]
    for value in (*values, *_listed(where, spec, "choices")):
        if isinstance(value, bool) or not isinstance(value, kind):
            raise DeclarationError(f"{where}: a bound or choice of kind {spec.kind} cannot be {value!r:.40}")


def _check_inner(where: str, spec: FieldSpec) -> None:
    if spec.item is not None:
        if spec.item.name != "":
            raise DeclarationError(f"{where}: what is in a list or dict has no name, got {spec.item.name!r:.40}")
        _check_field(f"{where}[]", spec.item)
    for each in _listed(where, spec, "fields"):
        _check_texts(where, name=each.name)
        taken = each.name.lstrip("_")  # as attrs names what the constructor takes
        if not (each.name.isidentifier() and taken.isidentifier()) or keyword.iskeyword(taken):
            raise DeclarationError(f"{where}: expected the name of an attribute, got {each.name!r:.60}")
        _check_field(f"{where}.{each.name}", each)

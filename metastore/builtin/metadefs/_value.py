"""One value against one definition, by the rules of JSON Schema 2020-12; texts are read first where they may stand for values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from metastore.builtin.metadefs._definition import Document
from metastore.errors import ValidationError

__all__ = ["check_value"]

_Found = tuple[str, str]

# as oslo.utils reads them, which is what reads the properties of an image in the end
_TRUE, _FALSE = frozenset({"1", "t", "true", "on", "y", "yes"}), frozenset({"0", "f", "false", "off", "n", "no"})
_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "text",
}


def check_value(definition: Document, value: Any, where: str, *, strings: bool = False) -> None:
    """Raise ValidationError, naming ``where``, if a value does not fit a definition.

    With ``strings`` a text may stand for a value of another type, as in Glance: ``"4"`` for 4, ``"yes"`` for true, ``"a, b"`` or
    ``"<or> a <or> b"`` for a list (the latter where the definition has that operator), JSON for an object.
    """
    kind = definition.get("type")
    if strings and type(value) is str and kind is not None:
        value = _read(definition, kind, value, where)
    if kind is not None and not _IS[kind](value):
        _refuse(_WORDS[kind], where, _shown(value))
    if "enum" in definition and _key(value) not in {_key(each) for each in definition["enum"]}:
        _refuse(f"one of {_several(definition['enum'])}", where, _shown(value))
    for expected, found in _faults(definition, value):
        _refuse(expected, where, found)
    _check_items(definition, value, where, strings=strings)


def _refuse(expected: str, where: str, found: str) -> NoReturn:
    raise ValidationError(f"expected {expected} at {where}, got {found}")


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value!r:.60}"


def _several(values: list[Any]) -> str:
    return f"{', '.join(f'{each!r:.40}' for each in values[:12])}{', …' if len(values) > 12 else ''}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _key(value: Any) -> Any:
    """A hashable stand-in, equal exactly where JSON values are: 1 and 1.0, but not 1 and true."""
    if isinstance(value, list):
        return ("list", *map(_key, value))
    if isinstance(value, dict):
        return ("dict", frozenset((key, _key(each)) for key, each in value.items()))
    return (isinstance(value, bool), value)


def _faults(definition: Document, value: Any) -> Iterator[_Found]:
    if _is_number(value):
        yield from _number(definition, value)
    elif isinstance(value, str):
        yield from _text(definition, value)
    elif isinstance(value, list):
        yield from _list(definition, value)
    elif isinstance(value, dict):
        yield from _object(definition, value)


def _number(definition: Document, value: float) -> Iterator[_Found]:
    if "minimum" in definition and value < definition["minimum"]:
        yield f"at least {definition['minimum']}", str(value)
    if "maximum" in definition and value > definition["maximum"]:
        yield f"at most {definition['maximum']}", str(value)


def _text(definition: Document, value: str) -> Iterator[_Found]:
    if len(value) < definition.get("minLength", 0):
        yield f"at least {definition['minLength']} characters", str(len(value))
    if "maxLength" in definition and len(value) > definition["maxLength"]:
        yield f"at most {definition['maxLength']} characters", str(len(value))
    if "pattern" in definition and not re.search(definition["pattern"], value):
        yield f"text that matches {definition['pattern']!r}", _shown(value)


def _list(definition: Document, value: list[Any]) -> Iterator[_Found]:
    if len(value) < definition.get("minItems", 0):
        yield f"at least {definition['minItems']} items", str(len(value))
    if "maxItems" in definition and len(value) > definition["maxItems"]:
        yield f"at most {definition['maxItems']} items", str(len(value))
    if definition.get("uniqueItems") and len(set(map(_key, value))) < len(value):
        yield "each item once", _shown(value)
    items = definition.get("items")
    if isinstance(items, list) and len(value) > len(items) and not definition.get("additionalItems", True):
        yield f"at most {len(items)} items", str(len(value))


def _object(definition: Document, value: Mapping[str, Any]) -> Iterator[_Found]:
    required = definition.get("required")
    for key in required if isinstance(required, list) else ():
        if key not in value:
            yield f"the key {key!r}", f"only {', '.join(map(repr, value)) or 'none'}"


def _check_items(definition: Document, value: Any, where: str, *, strings: bool) -> None:
    items = definition.get("items")
    if items is None or not isinstance(value, list):
        return
    each_item = zip(items, value, strict=False) if isinstance(items, list) else ((items, each) for each in value)
    for at, (item, each) in enumerate(each_item):
        check_value(item, each, f"{where}[{at}]", strings=strings)


def _read(definition: Document, kind: str, text: str, where: str) -> Any:
    operator, rest = _operator(definition, text)
    if kind == "array":
        return _read_list(operator, rest)
    try:
        return _READ[kind](rest.strip() if kind != "string" else rest)
    except (KeyError, ValueError, RecursionError):
        _refuse(_WORDS[kind], where, _shown(text))


def _operator(definition: Document, text: str) -> tuple[str, str]:
    """The operator of the definition that a text begins with, and what it is about."""
    for operator in definition.get("operators", ()):
        if text.startswith(f"{operator} "):
            return operator, text[len(operator) + 1 :]
    return "", text


def _read_list(operator: str, text: str) -> Any:
    if operator:
        return [part.strip() for part in text.split(operator)] if operator == "<or>" else text.split()
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass  # a plain text may begin so
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _read_boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(word)
    return word in _TRUE


def _read_integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,300}", text):
        raise ValueError(text)
    return int(text)


def _read_number(text: str) -> float:
    if re.fullmatch(r"[+-]?[0-9]{1,300}", text):
        return int(text)
    if not re.fullmatch(r"[+-]?[0-9]{1,300}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?", text):
        raise ValueError(text)
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(text)
    return found


_READ: dict[str, Callable[[str], Any]] = {
    "boolean": _read_boolean,
    "integer": _read_integer,
    "number": _read_number,
    "object": json.loads,
    "string": str,
}

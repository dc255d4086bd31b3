"""What a metadata definition is: the shape of Glance's JSON documents, with the place in every refusal.

Keys that are not known are let pass: a document is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from metastore._artifact import VISIBILITIES
from metastore.errors import DefinitionError, nearest

__all__ = ["PROPERTY_TYPES", "Document", "check_document", "check_part"]

Document = dict[str, Any]
Check = Callable[[Any, str], None]

PROPERTY_TYPES = ("array", "boolean", "integer", "number", "object", "string")
LONGEST_NAME = 80


def check_document(document: Any) -> None:
    """Raise DefinitionError where a namespace's document is none."""
    _mapping(document, "$")
    if "namespace" not in document:
        _refuse("a key namespace", "$", f"only {', '.join(map(repr, document)) or 'none'}")
    _name(document["namespace"], "$.namespace")
    _each_or_null(document, _NAMESPACE, "$")


def check_part(kind: str, part: Any, where: str) -> None:
    """Raise DefinitionError where a property, object, tag or association is none."""
    _PARTS[kind](part, where)


def _refuse(expected: str, where: str, found: str) -> NoReturn:
    raise DefinitionError(f"expected {expected} at {where}, got {found}")


def _found(value: Any) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r:.60}"


def _one(kind: type | tuple[type, ...], words: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            _refuse(words, where, _found(value))

    return check


_text, _flag, _number = _one(str, "text"), _one(bool, "true or false"), _one((int, float), "a number")
_mapping, _list = _one(dict, "an object"), _one(list, "a list")


def _count(value: Any, where: str) -> None:
    if type(value) is not int or value < 0:
        _refuse("a whole number, 0 or more,", where, _found(value))


def _name(value: Any, where: str) -> None:
    _text(value, where)
    if not 1 <= len(value) <= LONGEST_NAME:
        _refuse(f"a name of 1 to {LONGEST_NAME} characters", where, f"one of {len(value)}")
    if re.search("[\0\ud800-\udfff]", value):
        _refuse("a name without NUL and lone surrogates", where, repr(value))


def _among(choices: tuple[str, ...]) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in choices:
            _refuse(f"one of {', '.join(choices)}", where, f"{_found(value)} ({nearest(str(value), choices)})")

    return check


def _pattern(value: Any, where: str) -> None:
    _text(value, where)
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as broken:
        _refuse("a regular expression", where, f"{value!r:.60}: {broken}")


def _list_of(check: Check) -> Check:
    def check_list(value: Any, where: str) -> None:
        _list(value, where)
        for at, each in enumerate(value):
            check(each, f"{where}[{at}]")

    return check_list


def _named_list_of(check: Check) -> Check:
    def check_list(value: Any, where: str) -> None:
        _list_of(check)(value, where)
        names = [each["name"] for each in value]
        twice = [name for at, name in enumerate(names) if name in names[:at]]
        if twice:
            _refuse("each name once", where, f"{twice[0]!r} twice")

    return check_list


def _items(value: Any, where: str) -> None:
    if isinstance(value, list):
        _list_of(_schema)(value, where)
    else:
        _schema(value, where)


def _required(value: Any, where: str) -> None:
    if type(value) is not bool:
        _list_of(_text)(value, where)


def _each(given: Mapping[str, Any], checks: Mapping[str, Check], where: str) -> None:
    for key, check in checks.items():
        if key in given:
            check(given[key], f"{where}.{key}")


def _each_or_null(given: Mapping[str, Any], checks: Mapping[str, Check], where: str) -> None:
    _each({key: value for key, value in given.items() if value is not None}, checks, where)


def _schema(value: Any, where: str) -> None:
    _mapping(value, where)
    _each(value, _KEYWORDS, where)


def _property(value: Any, where: str) -> None:
    _mapping(value, where)
    if "type" not in value:
        _refuse(f"a key type ({', '.join(PROPERTY_TYPES)})", where, f"only {', '.join(map(repr, value)) or 'none'}")
    _schema(value, where)


def _properties(value: Any, where: str) -> None:
    _mapping(value, where)
    for name, each in value.items():
        _name(name, f"a name in {where}")
        _property(each, f"{where}[{name!r}]")


def _named(checks: Mapping[str, Check]) -> Check:
    def check(value: Any, where: str) -> None:
        _mapping(value, where)
        if "name" not in value:
            _refuse("a key name", where, f"only {', '.join(map(repr, value)) or 'none'}")
        _name(value["name"], f"{where}.name")
        _each_or_null(value, checks, where)

    return check


_KEYWORDS: dict[str, Check] = {
    "type": _among(PROPERTY_TYPES),
    "title": _text,
    "description": _text,
    "operators": _list_of(_text),
    "readonly": _flag,
    "minimum": _number,
    "maximum": _number,
    "enum": _list,
    "pattern": _pattern,
    "minLength": _count,
    "maxLength": _count,
    "confidential": _flag,
    "items": _items,
    "uniqueItems": _flag,
    "minItems": _count,
    "maxItems": _count,
    "additionalItems": _flag,
    "required": _required,
}
_association = _named({"prefix": _text, "properties_target": _text})
_object = _named({"description": _text, "required": _list_of(_text), "properties": _properties})
_tag = _named({})
_PARTS: dict[str, Check] = {"property": _property, "object": _object, "tag": _tag, "association": _association}
_NAMESPACE: dict[str, Check] = {
    "display_name": _text,
    "description": _text,
    "visibility": _among(VISIBILITIES),
    "protected": _flag,
    "resource_type_associations": _named_list_of(_association),
    "properties": _properties,
    "objects": _named_list_of(_object),
    "tags": _named_list_of(_tag),
}

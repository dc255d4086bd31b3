"""Values as a user types them: ``field=text`` by the field's kind, ``field:=json`` for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from metastore import Blob, FieldSpec, Link, TypeSpec
from metastore._json import distinct
from metastore.errors import UnknownFieldError, ValidationError, nearest

__all__ = ["ZONED", "assignments", "moment"]

_ASSIGNMENT = re.compile(r"([a-z][a-z0-9_]*)(?:\.(.+?))?(:?=)(.*)", re.DOTALL)
ZONED = "a time with its zone, like 2024-02-29T12:00:00Z"
_STRUCTURED = {"blob", "folder", "list", "dict", "object", "json"}


def assignments(spec: TypeSpec, words: Iterable[str], before: Any = None) -> dict[str, Any]:
    """Return the values by field of words like ``min_ram=512``, ``tags=lts,stable``, ``properties.os=linux``, ``parent:=null``.

    ``field.key=value`` sets one key of a dict or folder and keeps the others of ``before``.
    Raises ValidationError, also for what is given twice, UnknownFieldError.
    """
    values: dict[str, Any] = {}
    given: set[tuple[str, str | None]] = set()
    for word in words:
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            raise ValidationError(f"expected field=value or field:=json, found {word!r}")
        name, key, sign, text = match.groups()
        if name not in spec.by_name:
            raise UnknownFieldError(f"{spec.name} has no field {name!r}: {nearest(name, spec.by_name)}")
        field = spec.by_name[name]
        if (name, key) in given or (key is None and name in values):
            raise ValidationError(f"{name}{'' if key is None else f'.{key}'} is given twice: give it once")
        given.add((name, key))
        if key is None:
            values[name] = _value(field, text, name, as_json=sign == ":=")
        else:
            values[name] = _with_key(
                field, values.get(name, getattr(before, name, {})), key, text, as_json=sign == ":="
            )
    return values


def _with_key(field: FieldSpec, known: Mapping[str, Any], key: str, text: str, *, as_json: bool) -> dict[str, Any]:
    if field.kind not in ("dict", "folder"):
        raise ValidationError(f"{field.name}.{key}: {field.name} is of kind {field.kind}, which has no keys to set")
    item = FieldSpec(kind="blob") if field.kind == "folder" else field.item or FieldSpec(kind="json")
    return {**known, key: _value(item, text, f"{field.name}.{key}", as_json=as_json)}


def _value(field: FieldSpec, text: str, where: str, *, as_json: bool) -> Any:
    if as_json or (field.kind in _STRUCTURED and text[:1] in ("{", "[")):
        return _from_json(field, _json(text, where), where)
    return _READ.get(field.kind, _text)(field, text, where)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=distinct)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValidationError(f"{where}: expected JSON, found {text[:60]!r}") from error
    except ValueError as error:  # a key twice, a number of thousands of digits
        raise ValidationError(f"{where}: no JSON: {error}") from error


def _text(_field: FieldSpec, text: str, _where: str) -> Any:
    return text


def _bool(_field: FieldSpec, text: str, where: str) -> Any:
    if text not in ("true", "false"):
        raise ValidationError(f"{where}: expected true or false, found {text!r}")
    return text == "true"


def _number(convert: Callable[[str], Any], what: str) -> Callable[[FieldSpec, str, str], Any]:
    def read(_field: FieldSpec, text: str, where: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise ValidationError(f"{where}: expected {what}, found {text[:60]!r}") from None

    return read


def moment(text: str) -> datetime:
    """Return the time that a text says. Raises ValueError where it is none, or lacks its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def _blob(_field: FieldSpec, text: str, _where: str) -> Any:
    return Blob(text)


def _link(_field: FieldSpec, text: str, _where: str) -> Any:
    return Link(text)


def _list(field: FieldSpec, text: str, where: str) -> Any:
    item = field.item or FieldSpec(kind="json")
    return [_value(item, each, where, as_json=False) for each in text.split(",") if each]


def _free(_field: FieldSpec, text: str, where: str) -> Any:
    """Return JSON where it is JSON, else the text itself: ``properties.os=linux``, ``properties.cpus=4``."""
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError as error:
        raise ValidationError(f"{where}: expected JSON of fewer levels, found {text[:60]!r}") from error


def _structure(field: FieldSpec, text: str, where: str) -> Any:
    raise ValidationError(f"{where}: expected JSON for the kind {field.kind}, found {text[:60]!r}")


_READ: dict[str, Callable[[FieldSpec, str, str], Any]] = {
    "bool": _bool,
    "int": _number(int, "a whole number"),
    "float": _number(float, "a number"),
    "datetime": _number(moment, ZONED),
    "blob": _blob,
    "link": _link,
    "list": _list,
    "json": _free,
    "dict": _structure,
    "folder": _structure,
    "object": _structure,
}


def _from_json(field: FieldSpec, value: Any, where: str) -> Any:
    """Return a JSON value as the kind of the field wants it; what does not fit is the engine's to refuse."""
    if value is None:
        return None
    if field.kind == "datetime" and isinstance(value, str):
        return _READ["datetime"](field, value, where)
    if field.kind == "link" and isinstance(value, str):
        return Link(value)
    if field.kind == "blob":
        return _blob_from_json(value, where)
    if field.kind == "folder" and isinstance(value, dict):
        return {key: _blob_from_json(each, f"{where}.{key}") for key, each in value.items()}
    if field.item is not None and isinstance(value, list):
        return [_from_json(field.item, each, where) for each in value]
    if field.item is not None and isinstance(value, dict):
        return {key: _from_json(field.item, each, where) for key, each in value.items()}
    return value


def _blob_from_json(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return Blob(value)
    allowed = ("url", "size", "media_type", "sha256", "digests", "locations")
    if not isinstance(value, dict) or not value.keys() <= set(allowed):
        raise ValidationError(f"{where}: expected a url, or an object with {', '.join(allowed)}")
    if not isinstance(value.get("locations", []), list) or not isinstance(value.get("digests", {}), dict):
        raise ValidationError(f"{where}: expected a list of locations and an object of digests")
    places = [each["url"] if isinstance(each, dict) and "url" in each else each for each in value.get("locations", ())]
    return Blob(**{**value, "locations": places} if places else value)

"""A type as JSON Schema 2020-12: what `Catalog.dump` shows of its artifacts, and `Catalog.load` takes back.

What JSON Schema has no word for stands in annotations: ``x-link`` (the type a link leads to, empty for any),
``x-scheme`` (of a version), ``x-unit`` and ``x-max-total-size`` (of a folder, in bytes); bounds of a time are
``formatMinimum`` and its like, which some validators know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from metastore._blob import DIGEST_LENGTHS, URL_LENGTH
from metastore._location import STATES
from metastore._schema import FieldSpec, TypeSpec
from metastore._schemes import MAX_TEXT

__all__ = ["json_schema"]

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")


def json_schema(spec: TypeSpec) -> Schema:
    """Return the JSON Schema of a type's artifacts, a new dict of JSON types.

    It asks for what has no default, allows every field and nothing else, and takes whatever `Catalog.dump` gives. A pattern
    stays a Python one, within ``^(?:…)$``. Three rules stay with the engine: no NUL or lone surrogate in text, the grammar of
    versions, the total size of a folder.

    >>> from metastore import Artifact, Field, field, spec_of
    >>> class Disk(Artifact, type_name="disks"):
    ...     size: Field[int] = field(ge=1, unit="GiB")
    >>> json_schema(spec_of(Disk))["properties"]["size"]
    {'type': 'integer', 'minimum': 1, 'maximum': 9223372036854775807, 'x-unit': 'GiB'}
    """
    return {
        "$schema": DIALECT,
        "title": spec.name,
        **_said(description=spec.description),
        **_closed({"type": {"const": spec.name}}, spec.fields, ["type"]),
    }


def _closed(properties: Schema, fields: tuple[FieldSpec, ...], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {**properties, **{each.name: _of(each) for each in fields}},
        "required": [*required, *(each.name for each in fields if each.required and not each.optional)],
        "additionalProperties": False,
    }


def _of(spec: FieldSpec) -> Schema:
    schema = {**_KINDS[spec.kind](spec), **_words(spec)}
    if spec.choices:
        schema["enum"] = list(spec.choices)
    return _or_null(schema) if spec.optional and "type" in schema else schema


def _or_null(schema: Schema) -> Schema:
    made = {**schema, "type": [schema["type"], "null"]}
    return {**made, "enum": [*made["enum"], None]} if "enum" in made else made


def _words(spec: FieldSpec) -> Schema:
    words: Schema = _said(description=spec.description, **{"x-unit": spec.unit})
    if not spec.required and not spec.hook and (spec.default is not None or spec.optional):
        words["default"] = spec.default
    return words


def _said(**words: Any) -> Schema:
    return {name: value for name, value in words.items() if value is not None and value != "" and value is not False}


def _bool(spec: FieldSpec) -> Schema:
    return {"type": "boolean"}


def _int(spec: FieldSpec) -> Schema:
    return {"type": "integer", **_INT64, **_bounds(spec)}


def _float(spec: FieldSpec) -> Schema:
    return {"type": "number", **_bounds(spec)}


def _bounds(spec: FieldSpec) -> Schema:
    return _said(minimum=spec.ge, exclusiveMinimum=spec.gt, maximum=spec.le, exclusiveMaximum=spec.lt)


def _str(spec: FieldSpec) -> Schema:
    pattern = None if spec.pattern is None else _whole(spec.pattern)
    return {"type": "string", **_said(minLength=spec.min_length, maxLength=spec.max_length, pattern=pattern)}


def _whole(pattern: str) -> str:
    flags = _FLAGS.match(pattern)
    # flags for all of a pattern may stand at its start only, so they are given to the group instead
    return f"^(?:{pattern})$" if flags is None else f"^(?{flags[1]}:{pattern[flags.end() :]})$"


def _datetime(spec: FieldSpec) -> Schema:
    bounds = _said(
        formatMinimum=spec.ge, formatExclusiveMinimum=spec.gt, formatMaximum=spec.le, formatExclusiveMaximum=spec.lt
    )
    return {"type": "string", "format": "date-time", **bounds}


def _version(spec: FieldSpec) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "x-scheme": spec.scheme or "semver"}


def _id(spec: FieldSpec) -> Schema:
    return {"type": "string", "format": "uuid"}


def _link(spec: FieldSpec) -> Schema:
    return {**_id(spec), "x-link": spec.target}


def _blob(spec: FieldSpec) -> Schema:
    digests = {
        name: {"type": "string", "pattern": f"^[0-9a-f]{{{length}}}$"} for name, length in DIGEST_LENGTHS.items()
    }
    place = {
        "url": {"type": "string", "maxLength": URL_LENGTH, "pattern": "^[a-z][a-z0-9+.-]*://"},
        "priority": {"type": "integer", **_INT64},
        "store": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"},
        "state": {"enum": list(STATES)},
        "metadata": {"type": "object"},
    }
    most = _INT64["maximum"] if spec.max_size is None else spec.max_size
    parts = {
        "digests": _object_of(digests),
        "locations": {"type": "array", "items": {**_object_of(place), "required": ["url"]}},
        "media_type": {"type": "string", "minLength": 1, "maxLength": 255},
        "size": {"type": "integer", "minimum": 0, "maximum": most},
    }
    return _object_of(parts)


def _object_of(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _folder(spec: FieldSpec) -> Schema:
    return {**_keyed(spec), "additionalProperties": _blob(spec), **_said(**{"x-max-total-size": spec.max_total_size})}


def _dict(spec: FieldSpec) -> Schema:
    return {**_keyed(spec), "additionalProperties": {} if spec.item is None else _of(spec.item)}


def _keyed(spec: FieldSpec) -> Schema:
    made: Schema = {"type": "object", **_said(minProperties=spec.min_items, maxProperties=spec.max_items)}
    if spec.allowed_keys:
        made["propertyNames"] = {"enum": list(spec.allowed_keys)}
    if spec.required_keys:
        made["required"] = list(spec.required_keys)
    return made


def _list(spec: FieldSpec) -> Schema:
    counts = _said(minItems=spec.min_items, maxItems=spec.max_items, uniqueItems=spec.unique_items)
    return {"type": "array", "items": {} if spec.item is None else _of(spec.item), **counts}


def _object(spec: FieldSpec) -> Schema:
    return _closed({}, spec.fields, [])


def _json(spec: FieldSpec) -> Schema:
    return {}


_KINDS: dict[str, Callable[[FieldSpec], Schema]] = {
    "id": _id, "bool": _bool, "int": _int, "float": _float, "str": _str, "datetime": _datetime, "version": _version,
    "blob": _blob, "folder": _folder, "link": _link, "list": _list, "dict": _dict, "object": _object, "json": _json,
}  # fmt: skip

"""Definitions as JSON Schema 2020-12: what the validator here means, in the words of a standard."""

from __future__ import annotations

from typing import Any

from metastore.builtin.metadefs._definition import Document

__all__ = ["property_schema"]

_SAME = (
    "type", "title", "description", "default", "minimum", "maximum", "enum", "pattern",
    "minLength", "maxLength", "uniqueItems", "minItems", "maxItems",
)  # fmt: skip
_RENAMED = {"readonly": "readOnly", "operators": "x-operators", "confidential": "x-confidential"}


def property_schema(definition: Document) -> Document:
    """Return the JSON Schema of one property definition, a new dict of JSON types.

    Keys that a definition and JSON Schema do not share are left out.

    >>> property_schema({"type": "integer", "title": "Cores", "minimum": 1, "readonly": True})
    {'type': 'integer', 'title': 'Cores', 'minimum': 1, 'readOnly': True}
    """
    made = {key: definition[key] for key in _SAME if key in definition}
    made.update({word: definition[key] for key, word in _RENAMED.items() if key in definition})
    if isinstance(definition.get("required"), list):
        made["required"] = list(dict.fromkeys(definition["required"]))
    return {**made, **_items(definition)}


def _items(definition: Document) -> dict[str, Any]:
    items = definition.get("items")
    if items is None:
        return {}
    if isinstance(items, dict):
        return {"items": property_schema(items)}
    more = {} if definition.get("additionalItems", True) else {"items": False}
    return {**({"prefixItems": [property_schema(each) for each in items]} if items else {}), **more}

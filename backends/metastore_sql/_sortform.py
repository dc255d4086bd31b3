r"""Sort forms: bytes that compare as JSON values do, so that one look-up of free-form properties serves every type of value.

An entry of a dict's look-up is ``(id, mark, kind, at, head, whole)``. *mark* stands for the pointer of the keys. *kind* is the JSON
type, and *at* 0. *head* is the sort form, cut at 64 bytes: of a number 8 bytes that order as the nearest double and 2 that say how far a
whole number is from it, so that 2**53 + 1 stands between its neighbours; of a text its UTF-8; of lists and dicts the UTF-8 of their
canonical text. *whole* is that text uncut, for all but numbers, bools and null. A list has further entries of kind `ELEMENT`, one for each
distinct element: *at* counts them, *head* is the element's `element_mark`, *whole* nothing.

A head shorter than 64 bytes is the whole sort form; two heads of 64 bytes that are equal leave it to *whole*.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Any

from metastore._json import decode, encode
from metastore.backend import json_kind, pointer, text_mark
from metastore_sql._columns import HEAD_BYTES

__all__ = ["ELEMENT", "KINDS", "dict_entries", "element_mark", "head", "is_cut", "mark", "sort_form", "whole"]

KINDS = {"null": 0, "bool": 1, "number": 2, "string": 3, "list": 4, "dict": 5}
"""The number by which look-ups keep a JSON type; scalars order by it."""

ELEMENT = 6

_pack = struct.Struct(">d").pack
_unpack = struct.Struct(">Q").unpack
_SIGN, _ALL = 1 << 63, (1 << 64) - 1
_MIDDLE = 1 << 15


mark = lru_cache(4096)(text_mark)
"""Return 16 bytes that stand for a text: a pointer, a url, a digest."""


def _number(value: float) -> bytes:
    nearest = float(value) + 0.0  # -0.0 becomes 0.0
    bits: int = _unpack(_pack(nearest))[0]
    rest = value - int(nearest) if isinstance(value, int) else 0
    return (bits ^ (_ALL if bits & _SIGN else _SIGN)).to_bytes(8, "big") + (rest + _MIDDLE).to_bytes(2, "big")


def sort_form(value: Any) -> bytes:
    r"""Return the bytes by which values of one JSON type order: numbers by value, texts by code point.

    >>> sort_form(2**53 + 1) > sort_form(2.0**53), sort_form(1) == sort_form(1.0), sort_form(True)
    (True, True, b'\x01')
    """
    if isinstance(value, str):
        return value.encode()
    if value is None or isinstance(value, bool):
        return b"" if value is None else bytes([value])
    return _number(value) if isinstance(value, int | float) else encode(value).encode()


def head(value: Any) -> bytes:
    """Return as much of the sort form as an index holds."""
    return sort_form(value)[:HEAD_BYTES]


def is_cut(head: bytes) -> bool:
    """Return whether a head may lack an end: then *whole* decides."""
    return len(head) == HEAD_BYTES


def whole(value: Any) -> str | None:
    """Return the text that a look-up keeps beside the head: of a string itself, of a list or dict its canonical text."""
    if isinstance(value, str):
        return value
    return encode(value) if isinstance(value, list | dict) else None


def element_mark(value: Any) -> bytes:
    """Return 16 bytes that stand for an element of a list: the same for equal numbers, different across JSON types."""
    kind = KINDS[json_kind(value)]
    return hashlib.blake2b(bytes([kind]) + sort_form(value), digest_size=16).digest()


def dict_entries(ident: bytes, value: str | None) -> list[tuple[bytes, bytes, int, int, bytes, str | None]]:
    """Return the look-up's entries of a dict column of one artifact."""
    if value is None or value == "{}":
        return []
    found: list[tuple[bytes, bytes, int, int, bytes, str | None]] = []
    _enter(ident, decode(value), "", found)
    return found


def _enter(ident: bytes, mapping: dict[str, Any], prefix: str, found: list[Any]) -> None:
    for key, value in mapping.items():
        where = prefix + pointer((key,))
        place, kind = mark(where), json_kind(value)
        found.append((ident, place, KINDS[kind], 0, head(value), whole(value)))
        if kind == "dict":
            _enter(ident, value, where, found)
        elif kind == "list":
            marks = dict.fromkeys(map(element_mark, value))
            found += [(ident, place, ELEMENT, at, each, None) for at, each in enumerate(marks)]

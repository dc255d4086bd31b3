"""Canonical JSON: one text for one value, on every machine.

Keys sorted by code point, no spaces, characters as they are (UTF-8 when stored), floats
as the shortest text that reads back, no NaN, no infinity; bytes as lower-case hex.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ["decode", "distinct", "encode"]


def _encoder() -> Callable[[Any], str]:
    made = json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=bytes.hex
    )
    build = getattr(json.encoder, "c_make_encoder", None)
    if build is None:
        return made.encode
    # JSONEncoder.encode builds this C encoder anew for every call, which costs more than using it
    parts = build(None, made.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)
    return lambda value: "".join(parts(value, 0))


encode: Callable[[Any], str] = _encoder()
"""Return the canonical text of a value of JSON types (and bytes). Raises ValueError for NaN and infinities."""

_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # typeshed leaves it out


def decode(text: str) -> Any:
    """Return the value of a canonical text; dicts are new and belong to the caller."""
    return {} if text == "{}" else _scan(text, 0)[0]


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that somebody wrote, as a hook for pairs. Raises ValueError for a key that stands there twice, as nobody can say which value was meant."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r:.100} stands there twice")
        made[key] = value
    return made

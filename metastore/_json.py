"""Canonical JSON: one text for one value, on every machine.

Keys sorted by code point, no spaces, characters as they are (UTF-8 when stored), floats
as the shortest text that reads back, no NaN, no infinity; bytes as lower-case hex.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["decode", "encode"]

encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=bytes.hex
).encode
"""Return the canonical text of a value of JSON types (and bytes)."""

_decoder = json.JSONDecoder()


def decode(text: str) -> Any:
    """Return the value of a canonical text; dicts are new and belong to the caller."""
    return _decoder.decode(text)

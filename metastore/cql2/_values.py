"""Values: what literals mean, and which literal writes a value of Python."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from metastore._json import encode
from metastore._version import Version
from metastore.cql2._syntax import Literal, Node, Op, fits, flaw
from metastore.errors import QueryError

__all__ = ["checked", "checked_text", "literal", "read_date", "read_json", "read_timestamp"]

_JSON_DEPTH = 50
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_timestamp = re.compile(_DAY + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})").fullmatch
_date = re.compile(_DAY).fullmatch


def read_timestamp(text: str) -> datetime:
    """Return the instant, in UTC, of an RFC 3339 time with at most microseconds; ValueError for any other text."""
    if not _timestamp(text):
        raise ValueError(text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None


def read_date(text: str) -> datetime:
    """Return the first instant, in UTC, of a day written ``2024-02-29``; ValueError for any other text."""
    if not _date(text):
        raise ValueError(text)
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read_json(text: str) -> Any:
    """Return the list, dict or ``None`` of a JSON text; ValueError for what no catalogue holds."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(text) from None
    if isinstance(value, list | dict | None):
        return checked(value)
    raise ValueError(text)


def checked(value: Any, depth: int = 0) -> Any:
    """Return a value of JSON types anew; ValueError for what no catalogue holds, and for deep nesting."""
    if isinstance(value, list) and depth < _JSON_DEPTH:
        return [checked(each, depth + 1) for each in value]
    if isinstance(value, dict) and depth < _JSON_DEPTH:
        return {checked_text(key): checked(each, depth + 1) for key, each in value.items()}
    if isinstance(value, str):
        return checked_text(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    if isinstance(value, int) and fits(value):
        return value if isinstance(value, bool) else int(value)
    if value is None:
        return None
    raise ValueError(str(type(value)))


def checked_text(text: Any) -> str:
    """Return the text; ValueError for anything else, and for what no catalogue holds."""
    if isinstance(text, str) and flaw(text) is None:
        return str(text)
    raise ValueError(str(type(text)))


def literal(value: Any) -> Node:
    """Return the literal that writes a value as the Python face takes it.

    Versions, ids, links and members of an enum are written as the text (or number) that means them.
    Raises QueryError for a value that no literal means.
    """
    value = _plain(value)
    if isinstance(value, datetime):
        return Op("timestamp", (Literal(_utc(value)),))
    try:
        value = checked(value)
    except ValueError:
        raise QueryError(
            f"a value of type {type(value).__name__} that a catalogue cannot hold has no text form: {str(value)[:60]!r}"
        ) from None
    if isinstance(value, list | dict | None):
        return Op("json", (Literal(encode(value)),))
    return Literal(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Version):
        return value.text
    if not isinstance(value, UUID) and isinstance(getattr(value, "id", None), UUID):
        value = value.id
    return str(value) if isinstance(value, UUID) else value


def _utc(value: datetime) -> str:
    if value.utcoffset() is None:
        raise QueryError(f"the time {value} has no time zone: give it one, such as UTC")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

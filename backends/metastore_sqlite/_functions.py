"""What SQL asks of Python: values deep inside JSON, exact floats, ids in a bound list.

All are pure. SQLite's own JSON path cannot name every key, and its reading of decimal floats is not exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from metastore._json import decode, encode
from metastore._text import WORD_LENGTH
from metastore.backend import fold, items, json_kind, referred

__all__ = ["register"]


def _at(text: str | None, keys: str) -> Any:
    found: Any = None if text is None else decode(text)
    for key in decode(keys):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def pick(text: str | None, keys: str) -> Any:
    """Return what lies under nested keys (a JSON list of text): scalars as they are, the rest as JSON text."""
    found = _at(text, keys)
    return encode(found) if isinstance(found, list | dict) else int(found) if isinstance(found, bool) else found


def rank_of_kind(text: str | None, keys: str) -> int | None:
    """Return 1 for bool, 2 for number, 3 for string under nested keys, nothing for all else: the order of JSON types."""
    found = _at(text, keys)
    if isinstance(found, bool):
        return 1
    return {int: 2, float: 2, str: 3}.get(type(found))


def scalar(text: str | None, keys: str) -> Any:
    """Return the scalar under nested keys, nothing for lists and dicts."""
    found = _at(text, keys)
    return None if isinstance(found, list | dict) else int(found) if isinstance(found, bool) else found


def contains(text: str | None, keys: str, wanted: str, every: int) -> int | None:
    """Return whether the list under nested keys holds every, or any, of the values (a JSON list)."""
    found = _at(text, keys)
    if not isinstance(found, list):
        return None
    there = set(map(_by_value, found))
    return int((all if every else any)(_by_value(value) in there for value in decode(wanted)))


def _by_value(value: Any) -> tuple[str, Any]:
    """What equal JSON values have in common: 1 is 1.0, and 0.0 is -0.0, but true is neither."""
    return json_kind(value), encode(value) if isinstance(value, list | dict) else value


def ends(text: Any, end: str) -> int | None:
    """Return whether a text ends so."""
    return None if not isinstance(text, str) else int(text.endswith(end))


@lru_cache(maxsize=256)
def _weights(form: str) -> tuple[tuple[int, bool], ...]:
    return tuple((int(each[:-1]), each[-1] == "l") for each in form.split(","))


@lru_cache(maxsize=256)
def _tests(asked: str) -> tuple[tuple[str, Callable[[str], Any]], ...]:
    """Each word asked for, and how to find it whole in a folded text; the index cuts words at their length limit, so do we."""
    return tuple((word, re.compile(rf"(?<!\w){re.escape(word)}{_end(word)}").search) for word in asked.split(" "))


def _end(word: str) -> str:
    return "" if len(word) >= WORD_LENGTH else r"(?!\w)"


def rank(asked: str, form: str, *columns: str | None) -> int:
    """Return the rank of searched columns; ``form`` has a weight and *t* for text or *l* for list per column, as ``4t,2l``."""
    total, tests = 0, _tests(asked)
    for (weight, listed), value in zip(_weights(form), columns, strict=True):
        if value is not None:
            text = fold(" ".join(items(value)) if listed else value)
            for word, found in tests:
                if word in text and found(text):
                    total += weight
    return total


def every(asked: str, form: str, *columns: str | None) -> int:
    """Return the rank of searched columns, 0 where one of the words is in none of them."""
    whole, tests = fold("\n".join(filter(None, columns))), _tests(asked)
    for word, _ in tests:
        if word not in whole:  # so are nearly all; no sign of a word is escaped in the JSON of a list
            return 0
    texts = [
        fold(" ".join(items(value)) if listed else value)
        for (_, listed), value in zip(_weights(form), columns, strict=True)
        if value is not None
    ]
    there = all(any(map(found, texts)) for _, found in tests)
    return rank(asked, form, *columns) if there else 0


@lru_cache(maxsize=256)
def _part(reference: str) -> str:
    """Return what stands in the JSON of whatever refers to a url or digest."""
    return encode(reference if "://" in reference else reference.partition(":")[2])[1:-1]


def refers(reference: str, kinds: str, *columns: str | None) -> int:
    """Return whether a column refers to a url or digest; ``kinds`` are those of their fields, as ``blob,folder``."""
    part = _part(reference)
    for at, value in enumerate(columns):
        if value is not None and part in value and reference in referred(kinds.split(",")[at], value):
            return 1
    return 0


def register(conn: Any) -> None:
    """Make the functions known to a connection."""
    conn.create_function("metastore_pick", 2, pick, deterministic=True)
    conn.create_function("metastore_kind", 2, rank_of_kind, deterministic=True)
    conn.create_function("metastore_scalar", 2, scalar, deterministic=True)
    conn.create_function("metastore_contains", 4, contains, deterministic=True)
    conn.create_function("metastore_ends", 2, ends, deterministic=True)
    conn.create_function("metastore_rank", -1, rank, deterministic=True)
    conn.create_function("metastore_every", -1, every, deterministic=True)
    conn.create_function("metastore_refers", -1, refers, deterministic=True)
    conn.create_function("metastore_bytes", 1, bytes.fromhex, deterministic=True)
    conn.create_function("metastore_float", 1, float, deterministic=True)

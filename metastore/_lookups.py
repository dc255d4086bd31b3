"""What is derived from a row so that it can be found: one reading of it for every backend.

The row is the truth. Everything here can be thrown away and made again from rows, and
``check()`` does so to audit a catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from metastore._json import decode, encode
from metastore._schema import FieldSpec, TypeSpec
from metastore._text import words

__all__ = [
    "entries",
    "items",
    "json_kind",
    "known_bytes",
    "link_entries",
    "pointer",
    "reference_entries",
    "references",
    "referred",
    "search_words",
    "targets",
    "text_mark",
    "text_marks",
    "urls_of",
]

_NONE: Mapping[str, Any] = {}


def items(value: str | None) -> list[Any]:
    """Return the distinct plain elements of a list column, in order; absent gives none."""
    return [] if value is None or value == "[]" else list(dict.fromkeys(decode(value)))


def pointer(keys: tuple[str, ...]) -> str:
    """Return where nested keys lead, as a JSON pointer (RFC 6901).

    >>> pointer(("a.b", "c/d"))
    '/a.b/c~1d'
    """
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def json_kind(value: Any) -> str:
    """Return the JSON type of a plain value: comparison never crosses it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "list" if isinstance(value, list) else "dict"


def entries(value: str | None) -> list[tuple[str, str, Any]]:
    """Return (pointer, JSON type, value) of everything under the keys of a dict column, at any depth.

    Booleans come as 0 and 1, lists and dicts as their canonical text, null without a value;
    what lies inside lists is not entered.

    >>> entries('{"a.b":true,"c":{"d":1.5}}')
    [('/a.b', 'bool', 1), ('/c', 'dict', '{"d":1.5}'), ('/c/d', 'number', 1.5)]
    """
    if value is None or value == "{}":
        return []
    found: list[tuple[str, str, Any]] = []
    _enter(decode(value), "", found)
    return found


def _enter(mapping: dict[str, Any], prefix: str, found: list[tuple[str, str, Any]]) -> None:
    for key, value in mapping.items():
        where, kind = prefix + pointer((key,)), json_kind(value)
        found.append((where, kind, entry_value(value)))
        if kind == "dict":
            _enter(value, where, found)


def entry_value(value: Any) -> Any:
    """Return how a look-up table holds a JSON value."""
    if isinstance(value, bool):
        return int(value)
    return encode(value) if isinstance(value, list | dict) else value


def targets(spec: FieldSpec, value: Any) -> list[bytes]:
    """Return the distinct ids that a link, or a list of links, points to."""
    if value is None:
        return []
    return [value] if spec.kind == "link" else [UUID(text).bytes for text in items(value)]


def references(spec: FieldSpec, value: str | None) -> set[str]:
    """Return every url and every ``algorithm:hex`` digest of a blob or folder column."""
    return set() if value is None or value == "{}" else referred(spec.kind, value)


def referred(kind: str, value: str) -> set[str]:
    """Return every url and every ``algorithm:hex`` digest of the text of a *blob* or a *folder*."""
    data = decode(value)
    found: set[str] = set()
    for blob in (data,) if kind == "blob" else data.values():
        for name, digest in blob.get("digests", _NONE).items():
            found.add(f"{name}:{digest}")
        for location in blob.get("locations", ()):
            found.add(location["url"])
    return found


@lru_cache(maxsize=1)
def _blake2b() -> Callable[..., Any]:
    from hashlib import blake2b  # at first use: loading OpenSSL costs a tenth of importing the engine

    return blake2b


def urls_of(spec: TypeSpec, row: Sequence[Any]) -> Iterator[str]:
    """Yield every url that a row refers to; one may come twice."""
    for at, each in enumerate(spec.fields):
        if each.kind in ("blob", "folder"):
            yield from (found for found in references(each, row[at]) if "://" in found)


def text_marks(texts: Iterable[str]) -> list[bytes]:
    """Return how look-ups keep urls and digests: BLAKE2b of 16 bytes each, a quarter of the text; the row says the text."""
    mark = _blake2b()
    return [mark(each.encode(), digest_size=16).digest() for each in texts]


def text_mark(text: str) -> bytes:
    """Return how look-ups keep one url or digest."""
    return text_marks((text,))[0]


def link_entries(spec: FieldSpec, value: Any, ident: bytes) -> list[tuple[bytes, str, bytes]]:
    """Return (source, field, target) of the links in a column of the artifact ``ident``."""
    return [(ident, spec.name, target) for target in targets(spec, value)]


def reference_entries(spec: FieldSpec, value: str | None, ident: bytes) -> list[tuple[bytes, bytes, str]]:
    """Return (mark, id, field) of the urls and digests in a blob or folder column."""
    name = spec.name
    return [(mark, ident, name) for mark in text_marks(references(spec, value))]


def known_bytes(spec: FieldSpec, value: str | None) -> int:
    """Return the sum of the sizes that a blob or folder column knows, in bytes: each blob once, however many its locations.

    >>> known_bytes(FieldSpec(kind="folder"), '{"a":{"size":2},"b":{},"c":{"size":3}}')
    5
    """
    if value is None or value == "{}":
        return 0
    data = decode(value)
    return sum(blob.get("size", 0) for blob in ([data] if spec.kind == "blob" else data.values()))


def search_words(spec: FieldSpec, value: str | None) -> list[str]:
    """Return the words by which full text finds a searched column (a text, or a list of texts)."""
    if value is None:
        return []
    return words(" ".join(items(value)) if spec.kind == "list" else value)

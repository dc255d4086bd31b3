"""Cursors: where a page ended, opaque and tamper-evident.

A cursor carries the last sort values, which are only ever bound: forging one moves within what the
query shows and never widens it. The MAC (keyed BLAKE2b, RFC 7693) ties it to query and catalogue.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from metastore._json import decode, encode
from metastore.errors import CursorError
from metastore.query import Position

__all__ = ["read_cursor", "write_cursor"]

_MAC = 16


def _mac(key: bytes, about: str, payload: bytes) -> bytes:
    import hashlib

    return hashlib.blake2b(about.encode() + b"\0" + payload, key=key, digest_size=_MAC).digest()


def write_cursor(position: Position, about: str, key: bytes) -> str:
    """Return the text of a position in the query that ``about`` describes."""
    payload = encode([[_written(value) for value in position.values], position.id.hex()]).encode()
    return urlsafe_b64encode(_mac(key, about, payload) + payload).decode().rstrip("=")


def read_cursor(text: str, about: str, key: bytes) -> Position:
    """Return the position of a cursor. Raises CursorError for a forged, damaged or foreign one."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise CursorError("the cursor is damaged: it is not one that page() gave") from None
    import hmac

    mac, payload = raw[:_MAC], raw[_MAC:]
    if not hmac.compare_digest(mac, _mac(key, about, payload)):
        raise CursorError(
            "the cursor is of another query, catalogue or process, or was changed; begin again, or open with the same cursor_key"
        )
    values, ident = decode(payload.decode())
    return Position(tuple(_read(value) for value in values), bytes.fromhex(ident))


def _written(value: Any) -> Any:
    return {"id": value.hex()} if isinstance(value, bytes) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["id"])
    return tuple(value) if isinstance(value, list) else value

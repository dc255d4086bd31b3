"""Ids: UUID version 7, made in the order they are asked for; and read back from rows."""

from __future__ import annotations

import os
import time
from typing import Any
from uuid import UUID, SafeUUID

__all__ = ["make_id", "read_id", "shown_id"]

_last = 0
_tails: list[int] = []
_new = object.__new__
_put_int, _put_safe = UUID.__dict__["int"].__set__, UUID.__dict__["is_safe"].__set__
_UNKNOWN = SafeUUID.unknown
os.register_at_fork(after_in_child=_tails.clear)


def _draw() -> int:
    """Return 62 random bits; the system is asked for 128 at once, as asking costs more than all the rest."""
    try:
        return _tails.pop()
    except IndexError:
        _tails.extend(tail >> 2 for tail in memoryview(os.urandom(1024)).cast("Q"))
        return _draw()


def make_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562, 6.2 method 3), later ones of one process greater.

    The 60 bits before the random tail are the time in 2**-12 milliseconds (about a
    quarter of a microsecond), pushed on where two calls share one. Two threads that
    race may share them; the 62 random bits still tell them apart.
    """
    global _last
    now = time.time_ns()
    stamp = (now // 1_000_000 << 12) | (now % 1_000_000 * 4096 // 1_000_000)
    _last = stamp = stamp if stamp > _last else _last + 1
    made = _new(UUID)
    _put_int(made, (stamp >> 12) << 80 | 0x7000 << 64 | (stamp & 0xFFF) << 64 | 0x8000 << 48 | _draw())
    _put_safe(made, _UNKNOWN)
    return made


def read_id(raw: bytes) -> UUID:
    """Return the id that a row holds as 16 bytes, in a third of the time that the class takes.

    >>> read_id(bytes(15) + b"\x07")
    UUID('00000000-0000-0000-0000-000000000007')
    """
    made = _new(UUID)
    _put_int(made, int.from_bytes(raw, "big"))
    _put_safe(made, _UNKNOWN)
    return made


def shown_id(raw: Any) -> str:
    """Return what a row holds for an id as words show it, also where it is none."""
    return str(UUID(bytes=raw)) if isinstance(raw, bytes) and len(raw) == 16 else repr(raw)

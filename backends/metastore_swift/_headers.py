"""What is stored beside the bytes: type, metadata and expiry, as Swift's headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

__all__ = ["for_segments", "stored_with"]

LONGER = 86_400


def stored_with(
    content_type: str | None = None, metadata: Mapping[str, str] | None = None,
    delete_after: float | None = None, delete_at: datetime | float | None = None,
) -> dict[str, str]:  # fmt: skip
    """Return the headers for an object's options.

    ``delete_after`` is in seconds from now, ``delete_at`` a moment (naive ones are UTC) or seconds since 1970; Swift
    removes the object then. Raises: ValueError for both at once, or for a moment that has no positive number of seconds.

    >>> stored_with("text/plain", {"colour": "red"}, delete_after=60)
    {'Content-Type': 'text/plain', 'X-Object-Meta-colour': 'red', 'X-Delete-After': '60'}
    """
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= {f"X-Object-Meta-{name}": str(text) for name, text in (metadata or {}).items()}
    if delete_after is not None and delete_at is not None:
        raise ValueError("An object expires once: give delete_after or delete_at, not both.")
    if delete_after is not None:
        headers["X-Delete-After"] = _seconds(delete_after)
    if isinstance(delete_at, datetime):
        delete_at = (delete_at if delete_at.tzinfo else delete_at.replace(tzinfo=UTC)).timestamp()
    if delete_at is not None:
        headers["X-Delete-At"] = _seconds(delete_at)
    return headers


def for_segments(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for a large object's segments: they expire a day after it, so that it is never without them."""
    return {name: str(int(text) + LONGER) for name, text in headers.items() if name.startswith("X-Delete-")}


def _seconds(value: float) -> str:
    if isinstance(value, bool) or value < 1:
        raise ValueError(f"When an object expires is a positive number of seconds or a moment, and {value!r} is not.")
    return str(int(value))

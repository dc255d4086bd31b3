"""What Swift's refusals and broken connections are called in Python."""

from __future__ import annotations

import errno
from collections.abc import Mapping

__all__ = ["PASSING", "refused", "unreachable"]

PASSING = frozenset({408, 422, 429, 498, 500, 502, 503, 504})
"""What is answered now, and may not be in a moment."""

SENTENCES: dict[int, tuple[int, str]] = {
    400: (errno.EINVAL, "Swift does not take this request"),
    401: (errno.EACCES, "Swift refuses the token, and a new one as well; check the credentials"),
    403: (errno.EACCES, "These credentials may not do this here"),
    404: (errno.ENOENT, "There is no such container or object"),
    405: (errno.ENOTSUP, "This Swift does not offer that"),
    409: (errno.EBUSY, "Swift has a newer write of this, or the container is not empty"),
    411: (errno.EINVAL, "Swift wants to know the length beforehand"),
    412: (errno.EINVAL, "A condition of the request does not hold, or the name is not one that Swift takes"),
    413: (errno.EFBIG, "This is more than Swift takes here: larger than an object may be, or over a quota"),
    414: (errno.ENAMETOOLONG, "The name is longer than Swift takes"),
    416: (errno.EINVAL, "The object has no such range"),
    422: (errno.EIO, "What arrived is not what was sent: the checksums differ, and nothing was stored"),
    507: (errno.ENOSPC, "Swift has no room left"),
}


def refused(status: int, path: str, verb: str, headers: Mapping[str, str], detail: str = "") -> OSError:
    """Return the error for an answer that is not a success; its class is the builtin one that says the same.

    ``detail`` is Swift's own explanation; the transaction's id lets an operator find the request in the logs. The error's
    ``status`` is Swift's.

    >>> type(refused(404, "photos/cat", "GET", {})).__name__
    'FileNotFoundError'
    """
    number, sentence = SENTENCES.get(status, (errno.EIO, "Swift could not do this"))
    if verb == "login" and status in {401, 403}:
        sentence = "These credentials are refused"
    said = f"{sentence} ({verb} was answered with {status}{_transaction(headers)}{_shortened(detail)})"
    error = OSError(number, said, path or "/")
    error.status = status  # type: ignore[attr-defined]  # for who wants to know more than the builtin classes say
    return error


def unreachable(path: str, verb: str, cause: str, tries: int) -> OSError:
    """Return the error for a server that does not answer, or breaks off, as often as it was asked."""
    said = f"No whole answer from Swift in {tries} {'try' if tries == 1 else 'tries'} ({verb}: {cause})"
    if "timeout" in cause.lower() or "timed out" in cause.lower():
        return TimeoutError(errno.ETIMEDOUT, said, path or "/")
    return ConnectionError(errno.ECONNABORTED, said, path or "/")


def _transaction(headers: Mapping[str, str]) -> str:
    found = headers.get("X-Trans-Id", "")
    return f", transaction {found[:64]}" if found.isascii() and found.isprintable() and found else ""


def _shortened(detail: str) -> str:
    words = " ".join(detail.split())
    return f": {words[:200]}" if words and "<" not in words and words.isprintable() else ""

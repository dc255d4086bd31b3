"""Results: what came of bytes, in one word each, for those who go through many and stop at none."""

from __future__ import annotations

from typing import Literal

from metastore.errors import (
    HostileFormatError,
    MetastoreError,
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
    TooLargeError,
    UncoveredError,
    UnsafeUrlError,
    UnverifiedError,
    WrongBytesError,
)

__all__ = ["MirrorResult", "Result", "mirror_result_of", "result_of"]

Result = Literal["ok", "wrong", "hostile", "missing", "denied", "unreachable", "uncovered", "unable"]
MirrorResult = Literal["copied", "there", "skipped", "unverified", "refused", "full"] | Result

_RESULTS: tuple[tuple[type[StoreError], Result], ...] = (
    (WrongBytesError, "wrong"),
    (HostileFormatError, "hostile"),
    (MissingBytesError, "missing"),
    (StoreDeniedError, "denied"),
    (StoreUnreachableError, "unreachable"),
    (UncoveredError, "uncovered"),
    (UnsafeUrlError, "uncovered"),
)
_MIRRORED: tuple[tuple[type[StoreError], MirrorResult], ...] = (
    (TooLargeError, "skipped"),
    (UnverifiedError, "unverified"),
    (StoreFullError, "full"),
)


def result_of(error: MetastoreError) -> Result:
    """Return the word for an error of a store."""
    return next((word for kind, word in _RESULTS if isinstance(error, kind)), "unable")


def mirror_result_of(error: MetastoreError) -> MirrorResult:
    """Return the word for what kept a blob from being mirrored; ``refused`` is what the catalogue does not let happen."""
    if not isinstance(error, StoreError):
        return "refused"
    return next((word for kind, word in _MIRRORED if isinstance(error, kind)), result_of(error))

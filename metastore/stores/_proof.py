"""Proof: bytes are hashed as they pass, and the last of them are handed on only once all are known to be right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, cast

from metastore._blob import PROOFS, Blob
from metastore.errors import MissingExtraError, StoreUnreachableError, TooLargeError, WrongBytesError

__all__ = ["Hasher", "at_most", "check", "lively", "proving", "whole"]

LEAST_RATE = 1024
"""Bytes per second below which a body counts as endless, once it has taken as long as its store's timeout."""

Progress = Callable[[int], object]


class Hasher:
    """Digests by several algorithms at once, and the count of bytes. Raises MissingExtraError for blake3 without its package."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._made = {name: _made(name) for name in algorithms}
        self.size = 0

    def update(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self.size += len(chunk)
        for each in self._made.values():
            each.update(chunk)

    def digests(self) -> dict[str, str]:
        """Return the digests so far, lower-case hex, by algorithm."""
        return {name: each.hexdigest() for name, each in self._made.items()}


def _made(name: str) -> Any:
    if name != "blake3":
        return hashlib.new(name, usedforsecurity=False)
    try:
        from blake3 import blake3
    except ImportError:
        raise MissingExtraError(
            "blake3 digests need the extra blake3: pip install 'metastore-engine[blake3]'"
        ) from None
    return cast("Any", blake3())


def proving(blob: Blob) -> tuple[str, ...]:
    """Return the algorithms by which a whole blob is checked: one of its strong digests, the first that can be computed."""
    strong = [name for name in PROOFS if name in blob.digests]
    return tuple(strong[:1])


def check(blob: Blob, hasher: Hasher, store: str, key: str) -> None:
    """Raise WrongBytesError where what was hashed is not what the blob says, by size and every digest that was computed."""
    if blob.size is not None and hasher.size != blob.size:
        raise _wrong(store, key, "size", blob.size, hasher.size)
    known = blob.digests
    for name, found in hasher.digests().items():
        if name in known and known[name] != found:
            raise _wrong(store, key, name, known[name], found)


def _wrong(store: str, key: str, what: str, expected: Any, found: Any) -> WrongBytesError:
    return WrongBytesError(
        f"the store {store} at {key[:200]!r} has other bytes than the blob: expected {what} {expected}, found {found}",
        what=what, expected=expected, found=found, store=store, key=key,
    )  # fmt: skip


def whole(chunks: Iterable[bytes], blob: Blob, hasher: Hasher, store: str, key: str) -> Iterator[bytes]:
    """Yield the chunks of a whole blob, the last one after all were checked. Raises WrongBytesError before it yields too much."""
    held = b""
    for chunk in chunks:
        hasher.update(chunk)
        if blob.size is not None and hasher.size > blob.size:
            raise _wrong(store, key, "size", blob.size, f"{hasher.size} or more")
        if held:
            yield held
        held = chunk
    check(blob, hasher, store, key)
    if held:
        yield held


def at_most(chunks: Iterable[bytes], most: int | None, what: str, words: str = "") -> Iterator[bytes]:
    """Yield the chunks as long as they are not more bytes than may be, ``words`` saying why. Raises TooLargeError."""
    count = 0
    for chunk in chunks:
        count += len(chunk)
        if most is not None and count > most:
            raise TooLargeError(f"{what} may have {most} bytes{words or ','} and there are more: nothing is referenced")
        yield chunk


def lively(chunks: Iterable[bytes], store: str, seconds: float, progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the chunks, telling how many bytes came. Raises StoreUnreachableError for a body that trickles."""
    waited, count, coming = 0.0, 0, iter(chunks)
    while True:
        asked = monotonic()
        chunk = next(coming, None)
        waited += monotonic() - asked  # who takes the bytes may be as slow as they like
        if chunk is None:
            return
        count += len(chunk)
        if waited > seconds and count < LEAST_RATE * waited:
            raise StoreUnreachableError(
                f"the store {store} is too slow: {count} bytes in {waited:.0f} seconds", store=store
            )
        if progress is not None:
            progress(count)
        yield chunk

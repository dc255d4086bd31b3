"""Reading a blob: from the first of its places that gives it, going on at the next where one breaks off."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metastore._blob import Blob
from metastore.errors import (
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreUnableError,
    StoreUnreachableError,
    UncoveredError,
    UnsafeUrlError,
    WrongBytesError,
)
from metastore.stores._drive import Drive
from metastore.stores._proof import Hasher, Progress, lively, proving, whole
from metastore.stores._store import Store
from metastore.stores._stores import Stores

__all__ = ["Bytes", "opened", "urls_of"]

_NEXT = (MissingBytesError, StoreDeniedError, StoreUnableError, StoreUnreachableError, UncoveredError, UnsafeUrlError)
"""Errors of one place for which another may make up."""


class Bytes(io.RawIOBase):
    """The bytes of a blob, to be read once from front to back, or taken in chunks by iterating `chunks`.

    Of a whole blob the last bytes come only after all were proved. What broke off is never at its end: whoever reads on gets
    the same error. Close it, or use it in ``with``.
    """

    def __init__(self, chunks: Iterator[bytes], size: int | None) -> None:
        super().__init__()
        self._chunks, self._rest = chunks, memoryview(b"")
        self._broken: BaseException | None = None
        self.size = size

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left, in the chunks in which it comes."""
        if self._rest:
            rest, self._rest = bytes(self._rest), memoryview(b"")
            yield rest
        while chunk := self._next():
            yield chunk

    def _next(self) -> bytes:
        if self.closed:
            raise ValueError("the bytes of a blob were closed: open it again")
        if self._broken is not None:
            raise self._broken.with_traceback(None)
        try:
            return next(self._chunks, b"")
        except BaseException as broken:
            self._broken = broken
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next())
        buffer = memoryview(buffer).cast("B")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        self._rest = memoryview(b"")
        super().close()


def urls_of(blob: Blob) -> list[str]:
    """Return the urls that are read from, in order."""
    return [place.url for place in blob.locations if place.state == "active"]


def opened(
    stores: Stores,
    blob: Blob,
    *,
    start: int = 0,
    stop: int | None = None,
    marks: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Bytes:
    """Return the bytes of a blob, or a range of them, from the first place that has them.

    Its first bytes are asked for here, so that what cannot be opened is an error at once. ``marks`` are what stores told when
    the bytes were verified: where one tells otherwise, they were replaced. Raises as `Stores.reach` does, WrongBytesError.
    """
    ranged = start > 0 or stop is not None
    urls = urls_of(blob)
    if not urls:
        raise MissingBytesError("the blob has no active location, so there is nothing to read")
    chunks = _several(stores, blob, urls, start, stop, marks or {}, progress)
    hasher = Hasher(() if ranged else proving(blob))
    names = ", ".join(dict.fromkeys(stores.covering(url) or "?" for url in urls))
    made = chunks if ranged else whole(chunks, blob, hasher, names, urls[0].partition("?")[0])
    return Bytes(_begun(made), _size(blob, start, stop))


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, None)

    def rest() -> Iterator[bytes]:
        try:
            if first is not None:
                yield first
            yield from chunks
        finally:
            chunks.close()  # type: ignore[attr-defined]  # they are generators of ours

    return rest()


def _size(blob: Blob, start: int, stop: int | None) -> int | None:
    if blob.size is None:
        return None
    return max(0, _end(blob.size, stop) - start)


def _end(size: int, stop: int | None) -> int:
    return size if stop is None else min(size, stop)


def _several(
    stores: Stores,
    blob: Blob,
    urls: Sequence[str],
    start: int,
    stop: int | None,
    marks: Mapping[str, str],
    progress: Progress | None,
) -> Iterator[bytes]:
    """Yield the bytes of one place after the other, each from where the one before broke off."""
    at, failed = start, None
    end = None if blob.size is None or not (start or stop is not None) else _end(blob.size, stop)
    for url in [*urls, *urls]:  # twice: a connection that broke may be there again
        try:
            drive, key, store = stores.reach(url)
            _check_same(drive, key, store, blob, marks.get(url))
            for chunk in lively(drive.read(key, at, stop), store.name, store.timeout, progress):
                at += len(chunk)
                yield chunk
            if end is not None and at < end:  # of a whole blob it is the proof that tells
                raise StoreUnreachableError(
                    f"the store {store.name} at {key[:200]!r}: it gave no more than {at - start} of {end - start} bytes",
                    store=store.name, key=key,
                )  # fmt: skip
            return
        except _NEXT as error:
            failed = failed or error
            hopeless = isinstance(error, UncoveredError | UnsafeUrlError | MissingBytesError) and len(urls) == 1
            if hopeless or (at > start and blob.proof is None):  # nothing would tell bytes of two places apart
                break
            if isinstance(error, StoreDeniedError) and error.store is not None:
                stores.renew(error.store)  # its credentials may have changed
    raise _failed(failed, urls)


def _failed(error: StoreError | None, urls: Sequence[str]) -> StoreError:
    found = error or MissingBytesError("nothing to read")
    if len(urls) > 1:
        found.args = (f"{found} (and none of the {len(urls)} locations gives them)",)
    return found.with_traceback(None)


def _check_same(drive: Drive, key: str, store: Store, blob: Blob, mark: str | None) -> None:
    """Raise WrongBytesError where the store tells of other bytes than were verified there, before any is read."""
    if mark is None and blob.size is None:
        return
    found = drive.stat(key)
    if blob.size is not None and found.size is not None and found.size != blob.size:
        raise _replaced(store, key, "size", blob.size, found.size)
    if mark is not None and found.mark is not None and found.mark != mark:
        raise _replaced(store, key, "mark", mark, found.mark)


def _replaced(store: Store, key: str, what: str, expected: Any, found: Any) -> WrongBytesError:
    return WrongBytesError(
        f"the store {store.name} at {key[:200]!r} has other bytes than were attached: expected {what} {expected}, found {found}",
        what=what, expected=expected, found=found, store=store.name, key=key,
    )  # fmt: skip

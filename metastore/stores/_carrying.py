"""Carrying: blobs brought to one store, several at once, each proved on its way; no catalogue is asked here."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from metastore._blob import Blob
from metastore._ids import make_id
from metastore.errors import (
    KeyTakenError,
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreUnreachableError,
    UploadBrokenError,
    WrongBytesError,
)
from metastore.stores._copying import copied_there
from metastore.stores._drive import Parts, Stat, TakesUp
from metastore.stores._pace import Budget, Rate, Stop
from metastore.stores._proof import Hasher, Progress, proving, whole
from metastore.stores._reading import opened, urls_of
from metastore.stores._sending import Resume, send, taken_up
from metastore.stores._stores import Stores

__all__ = ["Carried", "Carrier"]

IN_A_ROW = 8
"""Failures of the target itself, one after the other, after which a run ends."""


class Carried(NamedTuple):
    """Where a blob lies now: under ``key``; ``copied`` says whether it was brought there, else it lay there."""

    key: str
    size: int | None
    copied: bool


class Carrier:
    """Brings blobs to the store ``target``. Keys are of content: what lies at one is the bytes wanted, or nobody's.

    Nothing is ever taken away from such a key, as another run may have found it there meanwhile. Once the target itself failed
    eight times in a row the run is to stop, and ``ended`` is the last of these errors.
    """

    ended: StoreError | None = None

    def __init__(self, stores: Stores, target: str, budget: Budget, rate: Rate | None, stop: Stop) -> None:
        self._stores, self._target, self._drive = stores, target, stores.drive(target)
        self._budget, self._rate, self._stop = budget, rate, stop
        self._right: dict[str, Carried] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._in_a_row = 0

    def carried(self, blob: Blob, key: str, marks: Mapping[str, str], progress: Progress | None = None) -> Carried:
        """Bring a blob to a key, unless its bytes lie there, and return where they lie.

        Raises StoreError of either store; TooLargeError for what the budget does not allow.
        """
        self._stop.check()
        try:
            found = self._known_or_brought(blob, key, marks, progress)
        except StoreError as error:
            self._failed(error)
            raise
        self._in_a_row = 0
        return found

    def _failed(self, error: StoreError) -> None:
        with self._lock:
            of_target = isinstance(error, StoreUnreachableError | StoreDeniedError) and error.store == self._target
            self._in_a_row = self._in_a_row + 1 if of_target else 0
            if self._in_a_row == IN_A_ROW:
                self.ended = error
                self._stop.wish()

    def _known_or_brought(self, blob: Blob, key: str, marks: Mapping[str, str], progress: Progress | None) -> Carried:
        with self._alone_at(key):
            if key not in self._right:
                self._right[key] = self._brought(blob, key, marks, progress)
                return self._right[key]
        return self._right[key]._replace(copied=False)

    def _alone_at(self, key: str) -> threading.Lock:
        """Return the lock of a key: the same content is sent once, whoever refers to it."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def _brought(self, blob: Blob, key: str, marks: Mapping[str, str], progress: Progress | None) -> Carried:
        found = self._lying(key)
        if found is not None:
            if self._is_right(found, blob, key):
                return Carried(key, found.size, copied=False)
            key = f"{key}.{make_id()}"  # it stays: what broke off there may be read by somebody, and is swept like all that nobody refers to
        try:
            return self._sent(blob, key, marks, progress)
        except (KeyTakenError, MissingBytesError):  # another run may have been first, and have finished the same parts
            found = self._lying(key)
            if found is None or not self._is_right(found, blob, key):
                raise
            return Carried(key, found.size, copied=False)

    def _lying(self, key: str) -> Stat | None:
        try:
            return self._drive.stat(key)
        except MissingBytesError:
            return None

    def _is_right(self, found: Stat, blob: Blob, key: str) -> bool:
        """Prove what lies at the key: by the strong digest that the store tells, or by reading it."""
        algorithm, digest = blob.proof or ("", "")
        if found.size is not None and blob.size not in (None, found.size):
            return False
        if algorithm in found.digests:
            return found.digests[algorithm] == digest
        try:
            for _ in whole(self._passing(self._drive.read(key)), blob, Hasher(proving(blob)), self._target, key):
                pass
        except WrongBytesError:
            return False
        return True

    def _sent(self, blob: Blob, key: str, marks: Mapping[str, str], progress: Progress | None) -> Carried:
        size = self._size(blob)
        with self._budget.reserved(size) as passing:
            own = f"{key}.{make_id()}"
            if copied_there(self._stores, blob, marks, self._drive, own):
                passing(size or 0)
                return Carried(own, size, copied=True)
            with opened(self._stores, blob, marks=marks) as source:
                chunks = self._counted(self._passing(source.chunks()), passing)
                return self._streamed(chunks, blob, key, size, progress)

    def _streamed(
        self, chunks: Iterator[bytes], blob: Blob, key: str, size: int | None, progress: Progress | None
    ) -> Carried:
        """Send the chunks; where they go in parts, and it breaks off, the parts stay if they can be found again."""
        drive, hasher = self._drive, Hasher(())  # it counts; who opened the blob proves it
        resume = taken_up(drive, self._target, key, size)
        said: dict[str, Any] = {"size": size, "media_type": blob.media_type, "resume": resume, "progress": progress}
        try:
            at = send(drive, self._target, key, chunks, hasher, **said)
        except UploadBrokenError as broken:
            if not isinstance(drive, TakesUp) and isinstance(drive, Parts) and isinstance(broken.resume, Resume):
                with contextlib.suppress(StoreError):
                    drive.abandon(broken.resume.key, broken.resume.upload)
            raise
        return Carried(at, hasher.size, copied=True)

    def _size(self, blob: Blob) -> int | None:
        """Return how many bytes a blob has: where the catalogue does not know, its first place may tell."""
        if blob.size is not None or not urls_of(blob):
            return blob.size
        drive, key, _ = self._stores.reach(urls_of(blob)[0])
        return drive.stat(key).size

    def _passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks as fast as they may pass, as long as nobody wishes an end."""
        for chunk in chunks:
            self._stop.check()
            if self._rate is None:
                yield chunk
            else:
                yield from self._rate.paced(chunk, self._stop.sleep)

    @staticmethod
    def _counted(chunks: Iterator[bytes], passing: Progress) -> Iterator[bytes]:
        for chunk in chunks:
            passing(len(chunk))
            yield chunk

"""Sending bytes to a store: hashed as they pass, in parts where they are many, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, BinaryIO

from metastore._data import Data
from metastore.errors import (
    MissingBytesError,
    StoreError,
    StoreUnreachableError,
    UploadBrokenError,
    ValidationError,
    WrongBytesError,
)
from metastore.stores._drive import BLOCK, Drive, Parts, TakesUp
from metastore.stores._proof import Hasher, Progress

__all__ = ["Resume", "Source", "chunks_of", "send", "size_of", "taken_up"]

Source = bytes | str | os.PathLike[str] | BinaryIO | Iterable[bytes]
"""What may be sent: bytes, the path of a file, an open binary file, or chunks of bytes."""

PART = 8 * 2**20
PARTS = 9_000
UNKNOWN = 32 * 2**20
"""Bytes in a part of what has no known size: ten thousand parts are the most that S3 takes."""


class Resume(Data):
    """Where an upload broke off: plain data without a secret, to be given to the next attempt."""

    store: str
    key: str
    upload: str
    part: int


def size_of(source: Any) -> int | None:
    """Return how many bytes a source has, where it tells without being read.

    What says that it is empty does not tell: a pipe, and files of /proc, say so. Nor does a file that is made of another one, as `gzip`'s.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return source.nbytes if isinstance(source, memoryview) else len(source)
    try:
        if isinstance(source, str | os.PathLike):
            return os.stat(source).st_size or None
        if isinstance(getattr(source, "raw", source), io.FileIO):
            return max(0, os.fstat(source.fileno()).st_size - int(source.tell())) or None
    except (OSError, ValueError):
        return None
    return None


def chunks_of(source: Any) -> Iterator[bytes]:
    """Yield the bytes of a source in chunks of at most 4 MiB. Raises ValidationError for what is none; OSError as the file does."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield from chunks_of(file)
    elif isinstance(source, bytes | bytearray | memoryview):
        whole = memoryview(source).cast("B")
        yield from (bytes(whole[at : at + BLOCK]) for at in range(0, len(whole), BLOCK))
    elif hasattr(source, "read"):
        while chunk := _checked(source.read(BLOCK)):
            yield chunk
    elif isinstance(source, Iterable):
        for chunk in source:
            yield from chunks_of(_checked(chunk))
    else:
        raise ValidationError(f"expected bytes, a path, a binary file or chunks to send, got {type(source).__name__}")


def _checked(chunk: Any) -> bytes:
    if chunk is None:
        raise ValidationError("the file to send has no bytes at this moment, which is not its end: set it to blocking")
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise ValidationError(f"expected bytes to send, got {type(chunk).__name__}: open the file in binary mode")
    return bytes(chunk)


def send(
    drive: Drive,
    store: str,
    key: str,
    chunks: Iterator[bytes],
    hasher: Hasher,
    *,
    size: int | None = None,
    media_type: str | None = None,
    resume: Resume | None = None,
    progress: Progress | None = None,
) -> str:
    """Send the chunks to a key that is free and return the key under which they lie; ``hasher`` takes them in.

    With ``resume`` the parts that lie there already are hashed and not sent again; the key is that of the resume. Raises
    UploadBrokenError where it can go on, else nothing is left; WrongBytesError where the store then tells another size.
    """
    told = _told(chunks, hasher, progress)
    part = resume.part if resume is not None else _part(size)
    pieces = _pieces(told, part)
    first = next(pieces, b"")
    if not isinstance(drive, Parts) or (resume is None and len(first) < part):
        found = drive.create(key, _with(first, pieces), media_type=media_type)
    else:
        key = _InParts(drive, store, key, part, media_type, resume).sent(_with(first, pieces))
        found = drive.stat(key)
    if found.size is not None and found.size != hasher.size:
        with contextlib.suppress(StoreError):
            drive.remove(key)
        raise WrongBytesError(
            f"the store {store} at {key[:200]!r} tells of {found.size} bytes where {hasher.size} were sent",
            what="size", expected=hasher.size, found=found.size, store=store, key=key,
        )  # fmt: skip
    return key


def taken_up(drive: Drive, store: str, key: str, size: int | None) -> Resume | None:
    """Return where an upload of so many bytes to a key broke off, if the store can go on with it."""
    part = _part(size)
    if not isinstance(drive, TakesUp) or (size is not None and size < part):
        return None
    try:
        upload = drive.take_up(key)
    except StoreError:  # to send is one right, to list uploads another
        return None
    return None if upload is None else Resume(store, key, upload, part)


def _part(size: int | None) -> int:
    if size is None:
        return UNKNOWN
    return max(PART, -(-size // PARTS // 2**20) * 2**20)


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _told(chunks: Iterator[bytes], hasher: Hasher, progress: Progress | None) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        if progress is not None:
            progress(hasher.size)
        yield chunk


def _pieces(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of that size; the last one may be shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


class _InParts:
    """One upload in parts, several on their way at once."""

    def __init__(
        self, drive: Parts, store: str, key: str, part: int, media_type: str | None, resume: Resume | None
    ) -> None:
        self._drive, self._store, self._part = drive, store, part
        self._marks: dict[int, str] = {}
        self._there: dict[int, str] = {}
        if resume is not None:
            try:
                self._there = drive.sent(resume.key, resume.upload, part)
                self._key, self._upload = resume.key, resume.upload
                return
            except MissingBytesError:
                pass  # the store let go of the parts, or made them an object that nobody will ever refer to
        self._key, self._upload = key, drive.begin(key, media_type=media_type)

    def sent(self, pieces: Iterator[bytes]) -> str:
        """Send the pieces and return the key of the object they make."""
        try:
            with ThreadPoolExecutor(self._drive.at_once, thread_name_prefix="metastore-send") as pool:
                self._send(pieces, pool)
            self._drive.finish(self._key, self._upload, self._marks)
        except StoreUnreachableError as error:
            broken = error
        except BaseException:
            with contextlib.suppress(StoreError):
                self._drive.abandon(self._key, self._upload)
            raise
        else:
            return self._key
        resume = Resume(self._store, self._key, self._upload, self._part)
        # it may be the store that the bytes come from which broke off
        store, key = broken.store or self._store, broken.key or self._key
        raise UploadBrokenError(f"{broken}; the upload can go on", resume=resume, store=store, key=key)

    def _send(self, pieces: Iterator[bytes], pool: ThreadPoolExecutor) -> None:
        under_way: set[Future[None]] = set()
        offset = 0
        try:
            for number, piece in enumerate(pieces, 1):
                if len(under_way) >= self._drive.at_once:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    _settled(done)
                under_way.add(pool.submit(self._one, number, piece, offset))
                offset += len(piece)
        finally:
            done, _ = wait(under_way)
        _settled(done)

    def _one(self, number: int, piece: bytes, offset: int) -> None:
        import hashlib

        there = self._there.get(number)
        if there is not None and there == hashlib.md5(piece, usedforsecurity=False).hexdigest():
            self._marks[number] = there
        else:
            self._marks[number] = self._drive.send(self._key, self._upload, number, piece, offset)


def _settled(done: Iterable[Future[None]]) -> None:
    for each in done:
        each.result()

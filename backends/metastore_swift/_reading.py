"""Bytes of one version of an object, whatever breaks on the way."""

from __future__ import annotations

import errno
import hashlib
import re
from types import TracebackType
from typing import Self

from metastore_swift import _faults
from metastore_swift._account import Account
from metastore_swift._entries import Entry, of_headers
from metastore_swift._names import joined
from metastore_swift._settings import MEBIBYTE
from metastore_swift._wire import BrokenError, Reply, Stream

__all__ = ["Reading"]

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")
CHUNK = MEBIBYTE


class Reading:
    """A stream of an object's bytes from ``start`` to before ``stop``, or to the end.

    Where the connection breaks it goes on behind the last byte, but only in the same version: that with ``etag``, or the
    one that answered first. The whole of a plain object is compared with its MD5 at the end. ``entry`` is what the first
    answer told of the object.

    Raises: FileNotFoundError; OSError (ESTALE) for an object that was replaced meanwhile, (EIO) for content that is not
    what was stored, (EPROTO) for an answer that is not the part asked for.
    """

    def __init__(
        self, account: Account, container: str, name: str, start: int = 0, stop: int | None = None, etag: str = ""
    ) -> None:
        self._account, self._container, self._name = account, container, name
        self.at, self.stop, self.etag = start, stop, etag
        self.size: int | None = None
        self.entry: Entry = {}
        self._patience, self._rested = account.patience(), start
        self._stream: Stream | None = None
        self._promised = ""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._open()
        self._whole = bool(self._promised) and start == 0 and stop is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, size: int = CHUNK) -> bytes:
        """Return at least one and at most ``size`` bytes, or none at the end."""
        while self._stream is not None and size > 0:
            left = size if self.stop is None else min(size, self.stop - self.at)
            try:
                data = self._stream.read(left) if left > 0 else b""
                if not data and left > 0 and self.size is not None:
                    raise BrokenError("the answer ended too soon")
            except BrokenError as error:
                broken = str(error)
            else:
                return self._counted(data)
            self._resume(broken)
        return b""

    def read_all(self) -> bytes:
        """Return all that is left."""
        return b"".join(iter(self.read, b""))

    def close(self) -> None:
        """Give the connection back."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _counted(self, data: bytes) -> bytes:
        self.at += len(data)
        if self._whole:
            self._md5.update(data)
        if not data or self.at == self.stop:
            self.close()
            if self._whole and self._md5.hexdigest() != self._promised:
                said = "The bytes that came are not those that were stored: their MD5 is not the object's"
                raise OSError(errno.EIO, said, self._path)
        return data

    def _resume(self, cause: str) -> None:
        self.close()
        if self.at - self._rested >= CHUNK:
            self._patience, self._rested = self._account.patience(), self.at
        if not self._patience.again():
            raise _faults.unreachable(self._path, "GET", cause, self._patience.tries)
        self._open()

    @property
    def _path(self) -> str:
        return joined(self._container, self._name)

    def _open(self) -> None:
        headers = {"If-Match": f'"{self.etag}"'} if self.etag else {}
        if self.at or self.stop is not None:
            headers["Range"] = f"bytes={self.at}-{'' if self.stop is None else self.stop - 1}"
        name = self._container, self._name
        reply = self._account.ask("GET", *name, headers=headers, stream=True, accept=(412, 416))
        if reply.status == 412:
            raise OSError(errno.ESTALE, "The object was replaced while it was being read", self._path)
        if reply.status == 416:
            self.stop = self.at
            return
        self._take(reply)

    def _take(self, reply: Reply) -> None:
        """Begin to read an answer: all of the object, or the part that was asked for."""
        self._stream, entry = reply.stream, of_headers(self._container, self._name, reply)
        self.entry = self.entry or entry
        if not self.etag:
            self.etag, self._promised = entry["etag"], entry["md5"] or ""
        if reply.status != 206:
            self.size = entry["size"]
            self._skip()
        else:
            self._matches(reply.header("Content-Range"))
        if self.size is not None:
            self.stop = self.size if self.stop is None else min(self.stop, self.size)
        if self.stop is not None and self.at >= self.stop:
            self.close()

    def _matches(self, told: str) -> None:
        found = CONTENT_RANGE.match(told)
        if not found or int(found[1]) != self.at:
            self.close()
            raise OSError(errno.EPROTO, f"Swift was asked for bytes from {self.at} on and sent {told!r}", self._path)
        self.size = self.size if found[3] == "*" else int(found[3])

    def _skip(self) -> None:
        """Pass over what lies before the part, in an answer that takes no notice of ranges."""
        left = self.at
        try:
            while left and self._stream is not None and (data := self._stream.read(min(left, CHUNK))):
                left -= len(data)
        except BrokenError as error:
            raise _faults.unreachable(self._path, "GET", str(error), self._patience.tries) from None

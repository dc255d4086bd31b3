"""Files that are read: one version of an object, streamed where it is read through, by ranges where it is jumped in."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from fsspec.spec import AbstractBufferedFile

from metastore_swift._names import split
from metastore_swift._reading import CHUNK, Reading

__all__ = ["StreamCache", "SwiftReader"]


class StreamCache:
    """Holds one open answer and the bytes around the last read.

    The first read after a jump asks for a block; a read that goes on behind it, for all the rest in one answer.
    """

    name = "stream"

    def __init__(self, blocksize: int, opened: Callable[[int, int], Reading], size: int) -> None:
        self.blocksize, self.size = blocksize, size
        self._opened = opened
        self._begin, self._held, self._jumped = 0, b"", True
        self._reading: Reading | None = None

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        first, last = start or 0, self.size if stop is None else min(stop, self.size)
        if not self._begin <= first <= self._end:
            self._jump(first)
        if last > self._end:
            self._fill(first, last)
        return self._held[max(0, first - self._begin) : max(0, last - self._begin)]

    @property
    def _end(self) -> int:
        return self._begin + len(self._held)

    def _jump(self, to: int) -> None:
        self.close()
        self._begin, self._held, self._jumped = to, b"", True

    def _fill(self, first: int, last: int) -> None:
        """Hold the bytes from ``first`` to ``last``, and what comes with them."""
        parts = [self._held[first - self._begin :]]
        have = first + len(parts[0])
        while have < last:
            parts.append(self._more(have, last))
            have += len(parts[-1])
        self._begin, self._held = first, b"".join(parts)

    def _more(self, at: int, last: int) -> bytes:
        if self._reading is None:
            stop = min(self.size, max(last, at + self.blocksize)) if self._jumped else self.size
            self._reading, self._jumped = self._opened(at, stop), False
        data = self._reading.read(CHUNK)
        if not data:
            self.close()
        return data

    def close(self) -> None:
        """Give up the answer under way."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _log_stats(self) -> str:
        return ""


class SwiftReader(AbstractBufferedFile):
    """An object as a file; what is read is of one version, and an object replaced meanwhile is an error (ESTALE).

    ``cache_type`` is ``"stream"`` or one of fsspec's, such as ``"readahead"``, ``"bytes"``, ``"blockcache"``, ``"none"``.
    """

    DEFAULT_BLOCK_SIZE = 4 * CHUNK

    def __init__(
        self, fs: Any, path: str, mode: str = "rb", block_size: Any = None, autocommit: bool = True,
        cache_type: str = "stream", cache_options: dict[str, Any] | None = None, size: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._version = ""
        if size is None:
            self._details = fs.info(path)
            if self._details["type"] == "directory":
                raise IsADirectoryError(errno.EISDIR, "A pseudo-directory has no content", path)
            size, self._version = self._details["size"], self._details["etag"]
        base = "none" if cache_type == "stream" else cache_type
        super().__init__(fs, path, mode, block_size, autocommit, base, cache_options, size, **kwargs)
        if cache_type == "stream":
            self.cache: Any = StreamCache(int(self.blocksize), self._opened, self.size)

    def _opened(self, start: int, stop: int) -> Reading:
        reading = Reading(self.fs.objects.account, *split(self.path), start, stop, self._version)
        self._version = reading.etag
        return reading

    def _fetch_range(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with self._opened(start, end) as reading:
            return reading.read_all()

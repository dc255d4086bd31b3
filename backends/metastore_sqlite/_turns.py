"""Whose turn it is to write: a fair, bounded queue in front of SQLite's write lock.

SQLite's busy wait is a lottery that the process that wrote last wins: one of two writers got 99 % of the
turns (measured). Here a writer holds two locks in turn, bytes of a small file beside the database: it waits for *next*, and holding that for
*now*; who has just written must queue for *next* again. Locks are by open file description (fcntl(2), F_OFD_SETLK), so
threads count like processes and a killed process gives them back.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import struct
import time

from metastore.errors import BusyError, ReadOnlyError, StorageFullError

__all__ = ["Turns"]

NEXT, NOW = 0, 1
QUANTUM = 0.004
"""A writer may write again without queueing for this long, in seconds: handing over costs more than many a commit."""

_SETLK = getattr(fcntl, "F_OFD_SETLK", None)


def _try(fd: int, byte: int, kind: int) -> bool:
    if _SETLK is None:
        return True
    try:
        fcntl.fcntl(fd, _SETLK, struct.pack("hhqqi0q", kind, os.SEEK_SET, byte, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


class Turns:
    """The queue of one database file, for one connection.

    Without open-file-description locks (not Linux) only SQLite's own busy wait is left: bounded, but not fair.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self.path, self._timeout = path, timeout
        self._fd: int | None = None
        self._since = 0.0
        self.longest = 0.0

    def take(self) -> None:
        """Wait for the turn to write. Raises BusyError after the timeout, in seconds."""
        fd = self._fd if self._fd is not None else self._opened()
        if time.monotonic() - self._since < QUANTUM and _try(fd, NOW, fcntl.F_WRLCK):
            return
        began = time.monotonic()
        try:
            self._wait(fd, NEXT, 0.001, began)
            self._wait(fd, NOW, 0.0001, began)
        finally:
            _try(fd, NEXT, fcntl.F_UNLCK)
        self._since = time.monotonic()
        self.longest = max(self.longest, self._since - began)

    def _wait(self, fd: int, byte: int, pause: float, began: float) -> None:
        while not _try(fd, byte, fcntl.F_WRLCK):
            if time.monotonic() - began > self._timeout:
                raise BusyError(
                    f"other writers kept {self.path} busy for {self._timeout:g} s; try again, or open with a longer timeout"
                )
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads the waiters, guards nothing  # noqa: S311  so that waiters do not knock in step

    def give(self) -> None:
        """Let the next one write."""
        if self._fd is not None:
            _try(self._fd, NOW, fcntl.F_UNLCK)

    def _opened(self) -> int:
        try:
            self._fd = os.open(f"{self.path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as refused:
            if refused.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"there is no room beside {self.path} for its lock file; make some") from None
            raise ReadOnlyError(f"{self.path} cannot be written here: {refused.strerror or refused}") from None
        return self._fd

    def close(self) -> None:
        """Give back the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

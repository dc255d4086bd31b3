"""Whose turn it is to write: a fair, bounded queue in front of SQLite's write lock.

SQLite's busy wait is a lottery that the process that wrote last wins: one of two writers got 99 % of the
turns (measured). Here who writes holds a lock, *now*, a byte of a small file beside the database. Who waits holds a *ticket*, a byte of that
file, too: the one after the last that is held. Whose ticket is the first is next. Locks are by open file description (fcntl(2),
F_OFD_SETLK), so threads count like processes, and a killed process gives its ticket back.

A share is many transactions: every change of writer makes SQLite forget its pages. So the file also says until when the
writer at hand may come back, and who waits lets it, unless it stays away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from metastore.errors import BusyError, ConflictError, ReadOnlyError, StorageFullError

__all__ = ["Turns"]

NOW, DRAWING, TICKETS = 1, 2, 16
"""Bytes that are locked: while somebody writes, while a ticket is drawn, and from there on a byte per ticket."""

QUANTUM = 0.03
"""A writer may write again without queueing for this long, in seconds: handing over costs more than many a commit. With a third of it two
writers got a twentieth less done (measured)."""

AWAY, CLOSE = 5, 0.0001
"""A writer that was seen away so often in its share, so many seconds apart, has lost the rest of it."""

SECOND, FURTHER = 0.001, 0.004
"""Seconds between looks at the queue of who is the second in it, and of those behind: each look takes its time from who writes."""

ASLEEP = 50
"""Looks in a row at which nobody wrote, after which who is the first is passed by: it may be stopped."""

_SETLK, _GETLK = getattr(fcntl, "F_OFD_SETLK", None), getattr(fcntl, "F_OFD_GETLK", None)
_LOCK, _DEADLINE = struct.Struct("hhqqi0q"), struct.Struct("=d")


def _try(fd: int, byte: int) -> bool:
    if _SETLK is None:
        return True
    try:
        fcntl.fcntl(fd, _SETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _unlock(fd: int, first: int, count: int = 1) -> None:
    if _SETLK is not None:
        fcntl.fcntl(fd, _SETLK, _LOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, first, count, 0))


def _held(fd: int, first: int, count: int = 1) -> int | None:
    """Return one of ``count`` bytes (0: of all) from the first on whose lock another one holds."""
    if _GETLK is None:
        return None
    asked = fcntl.fcntl(fd, _GETLK, _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, count, 0))
    kind, _, found, _, _ = _LOCK.unpack(asked)
    return None if kind == fcntl.F_UNLCK else found


def _promised(fd: int) -> float:
    """Return what is left of the share of the writer at hand, in seconds. The clock is the machine's (monotonic), so a file from before it started says nothing."""
    told = os.pread(fd, _DEADLINE.size, 0)
    left: float = _DEADLINE.unpack(told)[0] - time.monotonic() if len(told) == _DEADLINE.size else 0.0
    return left if 0 < left <= QUANTUM else 0.0


class Turns:
    """The queue of one database file, for one connection.

    Without open-file-description locks (not Linux) only SQLite's own busy wait is left: bounded, but not fair.
    ``longest`` holds the longest wait of any connection of the catalogue, in seconds; who has the turn writes it.
    ``inside`` says whether this thread itself is in a transaction of the file, by another connection.
    """

    def __init__(
        self, path: str, timeout: float, longest: list[float] | None = None, inside: Callable[[], bool] = bool
    ) -> None:
        self.path, self._timeout, self._inside = path, timeout, inside
        self._fd: int | None = None
        self._until = 0.0
        self._longest = [0.0] if longest is None else longest

    def take(self) -> None:
        """Wait for the turn to write. Raises BusyError after the timeout, in seconds; ConflictError at once where this thread would wait for itself."""
        fd = self._fd if self._fd is not None else self._opened()
        began = time.monotonic()
        if began < self._until and _try(fd, NOW):
            return
        if _promised(fd) or _held(fd, TICKETS, 0) is not None or not _try(fd, NOW):
            self._queue(fd, began)
        self._until = time.monotonic() + QUANTUM
        with suppress(OSError):  # on a full disk nobody is promised anything
            os.pwrite(fd, _DEADLINE.pack(self._until), 0)

    def _queue(self, fd: int, began: float) -> None:
        if self._inside():
            raise ConflictError(
                f"this thread is in a transaction of {self.path} already, by another catalogue that it opened: it would wait for itself; write by that one, or end that transaction first"
            )
        try:
            self._wait_first(fd, self._drawn(fd, began), began)
            self._wait_now(fd, began)
        finally:
            _unlock(fd, DRAWING, 0)  # and the ticket: a signal may have come before either was known to be held
        self._longest[0] = max(self._longest[0], time.monotonic() - began)

    def _drawn(self, fd: int, began: float) -> int:
        """Return a ticket, held, beyond all that others hold; one draws at a time, so that no two have one."""
        while not _try(fd, DRAWING):
            self._sleep(CLOSE, began)
        ticket = TICKETS
        while (other := _held(fd, ticket, 0)) is not None:
            ticket = other + 1
        _try(fd, ticket)
        _unlock(fd, DRAWING)
        return ticket

    def _wait_first(self, fd: int, ticket: int, began: float) -> None:
        idle, before = 0, ticket - TICKETS
        while before and _held(fd, TICKETS, before) is not None and idle < ASLEEP:
            idle = 0 if _held(fd, NOW) is not None or _promised(fd) else idle + 1
            second = before == 1 or _held(fd, TICKETS, before - 1) is None
            self._sleep(SECOND if second else FURTHER, began)

    def _wait_now(self, fd: int, began: float) -> None:
        """Leave the writer at hand its share unless it stays away; while it is seen at work it is looked at less and less, as looking takes its time."""
        away, pause = 0, CLOSE
        while ((left := _promised(fd)) and away < AWAY) or not _try(fd, NOW):
            if _held(fd, NOW) is not None:
                away, pause = 0, 2 * pause
            else:
                away += 1
            self._sleep(CLOSE if away else min(pause, max(left, CLOSE)), began)

    def _sleep(self, pause: float, began: float) -> None:
        if time.monotonic() - began > self._timeout:
            raise BusyError(
                f"other writers kept {self.path} busy for {self._timeout:g} s; try again, or open with a longer timeout"
            )
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads the waiters, so that they do not knock in step

    def give(self) -> None:
        """Let the next one write."""
        if self._fd is not None:
            _unlock(self._fd, NOW)

    def _opened(self) -> int:
        try:
            fd = os.open(f"{self.path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        except OSError as refused:
            if refused.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(f"there is no room beside {self.path} for its lock file; make some") from None
            raise self._unwritable(refused.strerror or str(refused)) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise self._unwritable("Not a plain file")
        self._fd = fd
        return fd

    def _unwritable(self, why: str) -> ReadOnlyError:
        return ReadOnlyError(
            f"{self.path} cannot be written here: writers take turns by {self.path}-lock ({why}), a plain file that each of them must be able to make and to write"
        )

    def close(self) -> None:
        """Give back the file."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

"""Pace: how fast bytes may pass, how many may in all, and how what is under way is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from metastore.errors import StoreUnreachableError, TooLargeError

__all__ = ["Budget", "Rate", "Stop"]

BURST = 0.25
"""Seconds' worth of bytes that may pass at once after a pause."""
LEAST = 64 * 2**10
"""Bytes that are let through at once however slow it is: smaller pieces cost more than they smooth."""


class Stop:
    """A wish of one thread that others end: they notice it at their next bytes, and out of their sleep."""

    def __init__(self) -> None:
        self._wished = threading.Event()

    def wish(self) -> None:
        """Let everybody end."""
        self._wished.set()

    def check(self, _: int = 0) -> None:
        """Raise StoreUnreachableError once it is wished, so that an upload in parts is kept to go on with."""
        if self._wished.is_set():
            raise StoreUnreachableError("it was stopped")

    def sleep(self, seconds: float) -> None:
        """Sleep, or wake up and raise as `check` does."""
        self._wished.wait(seconds)
        self.check()


class Rate:
    """A token bucket: ``rate`` bytes per second over all threads together, a quarter of a second's worth at once.

    ``clock`` and ``sleep`` are `time`'s, unless others are given.

    >>> slept = []
    >>> rate = Rate(100, clock=lambda: 0.0)
    >>> for _ in range(3):
    ...     rate.take(50, slept.append)
    >>> slept
    [0.25, 0.75, 1.25]
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._due = float("-inf")

    def take(self, count: int, sleep: Callable[[float], object]) -> None:
        """Wait, by ``sleep``, until so many bytes may pass."""
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now - BURST) + count / self._rate
            wait = self._due - now
        if wait > 0:
            sleep(wait)

    def paced(self, chunk: bytes, sleep: Callable[[float], object]) -> Iterator[bytes]:
        """Yield a chunk in pieces, each as soon as it may pass."""
        step = max(LEAST, int(self._rate * BURST))
        for at in range(0, len(chunk), step):
            piece = chunk[at : at + step]
            self.take(len(piece), sleep)
            yield piece


class Budget:
    """Bytes that may be sent in all; several threads take of it, and give back what they did not need."""

    def __init__(self, most: int | None) -> None:
        self._left = most
        self._lock = threading.Lock()

    @contextmanager
    def reserved(self, size: int | None) -> Iterator[Callable[[int], None]]:
        """Reserve what is to be sent, and give what is told how many bytes pass; what did not pass is given back at the end.

        Where the size is not known each byte is taken as it passes. Raises TooLargeError for more than is left.
        """
        held, passed = 0, 0

        def passing(count: int) -> None:
            nonlocal held, passed
            if passed + count > held:
                self._take(passed + count - held)
                held = passed + count
            passed += count

        self._take(size or 0)
        held = size or 0
        try:
            yield passing
        finally:
            self._take(passed - held)

    def _take(self, count: int) -> None:
        with self._lock:
            if self._left is None:
                return
            if count > self._left:
                raise TooLargeError(f"of the budget {self._left} bytes are left, and {count} more are needed")
            self._left -= count

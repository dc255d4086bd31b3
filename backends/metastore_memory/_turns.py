"""A lock that is handed over in the order in which it was asked for."""

from __future__ import annotations

from collections import deque
from threading import Lock, get_ident

__all__ = ["Turns"]


class Turns:
    """A reentrant lock of a thread. A plain ``RLock`` lets the thread that just gave it up take nearly every turn."""

    def __init__(self) -> None:
        self._gate = Lock()
        self._waiting: deque[tuple[int, Lock]] = deque()
        self._owner: int | None = None
        self._depth = 0

    @property
    def mine(self) -> bool:
        """Whether the calling thread holds it."""
        return self._owner == get_ident()

    def take(self, timeout: float) -> bool:
        """Wait for at most ``timeout`` seconds; return whether the caller holds it now."""
        me, turn = get_ident(), Lock()
        with self._gate:
            if self._owner in (None, me):
                self._owner, self._depth = me, self._depth + 1
                return True
            turn.acquire()
            self._waiting.append((me, turn))
        return turn.acquire(timeout=max(timeout, 0)) or not self._withdraw(me, turn)

    def _withdraw(self, me: int, turn: Lock) -> bool:
        # The turn may have come between the end of the wait and here.
        with self._gate:
            waiting = (me, turn) in self._waiting
            if waiting:
                self._waiting.remove((me, turn))
            return waiting

    def give(self) -> None:
        """Undo one `take`; the last one hands over to who has waited longest."""
        with self._gate:
            self._depth -= 1
            if self._depth:
                return
            self._owner = None
            if self._waiting:
                self._owner, turn = self._waiting.popleft()
                self._depth = 1
                turn.release()

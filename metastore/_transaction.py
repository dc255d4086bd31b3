"""Transactions of the catalogue: one commit of the history each, nested ones riding on the outermost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from metastore._ids import make_id
from metastore.backend import Commit
from metastore.errors import ConflictError, RetryError

if TYPE_CHECKING:
    from metastore._reading import Reading

__all__ = ["Transaction", "atomic", "patiently", "read_once"]

PAUSE, LONGEST_PAUSE = 0.005, 0.5
"""The bound of the first wait before a replay, and of any, in seconds."""

_OUT_OF_TURN = (
    "this transaction was undone: it ended in another thread than it began in, or before one that was begun inside it, as two generators "
    "or tasks of asyncio do that take turns; let none wait (yield, await) inside a transaction"
)

_F = TypeVar("_F", bound=Callable[..., Any])


class Transaction:
    """One open transaction of a thread: the outermost makes the commit, inner ones ride on it."""

    __slots__ = ("_catalog", "_commit", "_outer", "_over", "_own", "_scope", "_stamped", "_time", "_types", "renewed")

    def __init__(self, catalog: Reading, actor: str | None, message: str | None) -> None:
        self._catalog, self._commit = catalog, (actor, message)
        self._time: int | None = None
        self.renewed = self._over = False

    def __enter__(self) -> Self:
        catalog, local = self._catalog, self._catalog._local
        self._outer: Transaction | None = getattr(local, "open", None)
        if self._outer is not None and self._outer._over:  # another thread ended it
            self._outer = self._outer._forget()
        self._stamped = None if self._outer is None else self._outermost()._time
        self._types = None if self._outer is None else catalog._types.mark()
        self._own = catalog._types._own.__dict__
        self._scope = catalog._backend.transaction()
        local.open = self
        try:
            self._scope.__enter__()
            self.renewed = self._outer is None and catalog._types.renew()
        except BaseException as refused:
            self._scope.__exit__(type(refused), refused, None)
            local.open = self._outer
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        local, types = self._catalog._local, self._catalog._types
        if self._over or getattr(local, "open", None) is not self:
            self._leave_early(error)
            return
        try:
            self._scope.__exit__(kind, error, trace)
        except BaseException as refused:
            self._scope.__exit__(
                type(refused), refused, None
            )  # Ctrl-C may have come before it began; leaving twice is fine
            types.settle(kept=False, before=self._types)
            raise
        finally:
            self._over, local.open = True, self._outer
        if kind is not None:
            self._outermost()._time = self._stamped
        elif self._outer is None:
            local.landed = getattr(local, "landed", 0) + 1
        if kind is not None or self._outer is None:
            types.settle(kept=kind is None, before=self._types)

    def _leave_early(self, error: BaseException | None) -> None:
        """Undo it, unless it is over, with what was begun inside it and is still open. Raises ConflictError for what was to be kept."""
        refused = error or ConflictError(_OUT_OF_TURN)
        for each in self._still_open():
            each._undo(refused)
            each._forget()
        self._undo(refused)  # another thread's, which forgets it at its next write
        if error is None:
            raise refused

    def _still_open(self) -> list[Transaction]:
        """Return it after all that are inside it, the innermost first; nothing where it is not this thread's."""
        found: list[Transaction] = []
        left = getattr(self._catalog._local, "open", None)
        while left is not None and self not in found:
            found.append(left)
            left = left._outer
        return found if self in found else []

    def _undo(self, refused: BaseException) -> None:
        if not self._over:
            self._over = True
            self._scope.__exit__(type(refused), refused, None)
            self._outermost()._time = self._stamped
            self._catalog._types.settle(kept=False, before=self._types, own=self._own)

    def _forget(self) -> Transaction | None:
        """Take one that is over, and those around it that are, from this thread; return the one that is left."""
        left: Transaction | None = self
        while left is not None and left._over:
            left = left._outer
        self._catalog._local.open = left
        return left

    def _outermost(self) -> Transaction:
        return self if self._outer is None else self._outer._outermost()

    def time(self) -> int:
        """Return the commit's time in microseconds; the history learns of it now."""
        if self._outer is not None:
            return self._outer.time()
        if self._time is None:
            actor, message = self._commit
            self._time = self._catalog._backend.stamp(
                Commit(make_id().int.to_bytes(16, "big"), time.time_ns() // 1000, actor, message)
            )
        return self._time


def atomic(write: _F) -> _F:
    """Make a writing method all or nothing: what it left open when it raises is undone; what the database undid is done again.

    Left open, because Ctrl-C can strike before the first step of an ``__exit__``, which then never runs. Done again, until the
    catalogue's timeout, where it is no part of a transaction around it, and nothing of it, as by a hook, is committed.
    """

    @wraps(write)
    def guarded(catalog: Reading, *args: Any, **options: Any) -> Any:
        local = catalog._local
        outer, landed = getattr(local, "open", None), getattr(local, "landed", 0)
        pauses: Iterator[float] | None = None
        while True:
            try:
                return write(catalog, *args, **options)
            except BaseException as error:
                while (left := getattr(local, "open", None)) is not None and left is not outer:
                    left.__exit__(type(error), error, None)
                whole = outer is None and landed == getattr(local, "landed", 0)
                if not (isinstance(error, RetryError) and error.again and whole):
                    raise
                pauses = pauses or patiently(catalog._patience)
                if next(pauses, None) is None:
                    raise

    return cast("_F", guarded)


def patiently(patience: float) -> Iterator[float]:
    """Wait before each turn, a random time below a bound that doubles, so that who collided does not collide again; end after ``patience`` seconds."""
    import random  # most writes never wait

    began, bound = time.monotonic(), PAUSE
    while (spent := time.monotonic() - began) < patience:
        time.sleep(bound * random.random())  # noqa: S311 - it spreads writers, and guards nothing
        bound = min(2 * bound, LONGEST_PAUSE)
        yield spent


@contextmanager
def read_once(given: Iterable[Any]) -> Iterator[None]:
    """Let what reads an iterator be undone for good: it cannot be read again, so the write cannot be done again either."""
    try:
        yield
    except RetryError as lost:
        lost.again = lost.again and not isinstance(given, Iterator)
        raise

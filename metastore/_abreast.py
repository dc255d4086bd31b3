"""Abreast: one kind of work on many things, several at a time, and results that are taken in one thread: those of one bunch together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from metastore.errors import MetastoreError, ValidationError

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["abreast", "check_workers"]

J = TypeVar("J")
R = TypeVar("R")
T = TypeVar("T")
MOST = 64
LATEST = 10.0
"""Seconds after which what is done of a bunch is taken, though the rest is not, and for which the caller waits at most."""


def check_workers(workers: int) -> int:
    """Return how many are to work at once. Raises ValidationError."""
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST:
        raise ValidationError(f"expected workers as a whole number from 1 to {MOST}, got {workers!r:.40}")
    return workers


def abreast(
    work: Callable[[J], R],
    bunches: Iterable[Sequence[J]],
    workers: int,
    take: Callable[[list[tuple[J, R]]], T],
    end: Callable[[], object],
) -> Iterator[T | None]:
    """Yield what ``take`` makes, in the caller's thread, of jobs with what ``work`` made of them in others: of a bunch once it is done, or of what is by ``LATEST``.

    ``None`` is yielded where nothing was done for so long, so that the caller can do what is due meanwhile. Jobs begin in their order, and stand in a list as they
    ended. Bunches are taken one by one, in the caller's thread, no more ahead than keeps all busy. When the caller stops asking, or is interrupted, ``end`` is called,
    upon which the work under way should break off, and what had ended by then is taken all the same, as far as it can be.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, as logging comes with it

    ahead = _Ahead[J, R]()
    with ThreadPoolExecutor(workers, thread_name_prefix="metastore-work") as pool:
        try:
            for bunch in map(_Bunch[J, R], bunches):
                for job in bunch.jobs:
                    ahead.under_way[pool.submit(work, job)] = bunch, job
                    if len(ahead.under_way) >= 2 * workers:
                        yield from ahead.taken(take)
            while ahead.under_way:
                yield from ahead.taken(take)
        finally:
            ended = [future for future in ahead.under_way if future.done()]  # before the others are told to break off
            end()
            for each in ahead.under_way:
                each.cancel()
            ahead.take_rest(ended, take)


class _Bunch(Generic[J, R]):
    """Jobs whose results are handed out together."""

    def __init__(self, jobs: Sequence[J]) -> None:
        self.jobs, self._left, self.due = jobs, len(jobs), inf
        self._done: list[tuple[J, R]] = []

    def put(self, job: J, result: R) -> None:
        """Take a result in; the first that waits says until when it does."""
        if not self._done:
            self.due = monotonic() + LATEST
        self._done.append((job, result))
        self._left -= 1
        if not self._left:
            self.due = -inf

    def take(self, take: Callable[[list[tuple[J, R]]], T]) -> T:
        """Have what is done taken, and return what that makes; until then it counts as not taken."""
        made = take([*self._done])
        self._done, self.due = [], inf
        return made


class _Ahead(Generic[J, R]):
    """What is under way, and the bunches of which something is done that was not taken."""

    def __init__(self) -> None:
        self.under_way: dict[Future[R], tuple[_Bunch[J, R], J]] = {}
        self._waiting: dict[_Bunch[J, R], None] = {}

    def taken(self, take: Callable[[list[tuple[J, R]]], T]) -> Iterator[T | None]:
        """Wait until some work is done, or some of it has waited long enough; yield what is taken, ``None`` where nothing was done."""
        from concurrent.futures import FIRST_COMPLETED, wait

        due = min((each.due for each in self._waiting), default=inf)
        wait(self.under_way, min(LATEST, max(0.0, due - monotonic())), FIRST_COMPLETED)
        done = [future for future in self.under_way if future.done()]
        self._put(done)
        ready = [each for each in self._waiting if each.due <= monotonic()]
        for bunch in ready:
            yield self._take(bunch, take)
        if not (done or ready):
            yield None

    def take_rest(self, done: Iterable[Future[R]], take: Callable[[list[tuple[J, R]]], object]) -> None:
        """Take what is done and was not taken, as far as that can be: it is the end of a run, and has a reason of its own."""
        self._put(each for each in done if each.exception() is None)
        for bunch in [*self._waiting]:
            with suppress(MetastoreError):
                self._take(bunch, take)

    def _put(self, done: Iterable[Future[R]]) -> None:
        for each in done:
            bunch, job = self.under_way[each]
            bunch.put(job, each.result())
            self._waiting[bunch] = None
            del self.under_way[each]

    def _take(self, bunch: _Bunch[J, R], take: Callable[[list[tuple[J, R]]], T]) -> T:
        made = bunch.take(take)
        del self._waiting[bunch]
        return made

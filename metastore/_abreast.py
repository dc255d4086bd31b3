"""Abreast: one kind of work on many things, several at a time, for whoever takes the results: those of one bunch together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from metastore.errors import ValidationError

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["abreast", "check_workers"]

J = TypeVar("J")
R = TypeVar("R")
MOST = 64
LATEST = 10.0
"""Seconds after which what is done of a bunch is handed out, though the rest is not."""


def check_workers(workers: int) -> int:
    """Return how many are to work at once. Raises ValidationError."""
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST:
        raise ValidationError(f"expected workers as a whole number from 1 to {MOST}, got {workers!r:.40}")
    return workers


def abreast(
    work: Callable[[J], R], bunches: Iterable[Sequence[J]], workers: int, end: Callable[[], object]
) -> Iterator[list[tuple[J, R]]]:
    """Yield the jobs of each bunch with what ``work`` made of them in other threads: all of it once it is done, or what is by ``LATEST``.

    Jobs begin in their order, and stand in a list as they ended. Bunches are taken one by one, in the caller's thread, no more ahead than keeps all busy. When
    the caller stops asking, or is interrupted, ``end`` is called, upon which the work under way should break off.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, as logging comes with it

    ahead = _Ahead[J, R]()
    with ThreadPoolExecutor(workers, thread_name_prefix="metastore-work") as pool:
        try:
            for bunch in map(_Bunch[J, R], bunches):
                for job in bunch.jobs:
                    ahead.under_way[pool.submit(work, job)] = bunch, job
                    if len(ahead.under_way) >= 2 * workers:
                        yield from ahead.done()
            while ahead.under_way:
                yield from ahead.done()
        finally:
            end()
            for each in ahead.under_way:
                each.cancel()


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

    def taken(self) -> list[tuple[J, R]]:
        """Return what is done and was not handed out."""
        done, self._done, self.due = self._done, [], inf
        return done


class _Ahead(Generic[J, R]):
    """What is under way, and the bunches of which something is done that was not handed out."""

    def __init__(self) -> None:
        self.under_way: dict[Future[R], tuple[_Bunch[J, R], J]] = {}
        self._waiting: dict[_Bunch[J, R], None] = {}

    def done(self) -> Iterator[list[tuple[J, R]]]:
        """Wait until some work is done, or some of it has waited long enough; yield what is to be handed out."""
        from concurrent.futures import FIRST_COMPLETED, wait

        due = min((each.due for each in self._waiting), default=inf)
        wait(self.under_way, None if due == inf else max(0.0, due - monotonic()), FIRST_COMPLETED)
        for each in [future for future in self.under_way if future.done()]:
            bunch, job = self.under_way.pop(each)
            bunch.put(job, each.result())
            self._waiting[bunch] = None
        for bunch in [each for each in self._waiting if each.due <= monotonic()]:
            del self._waiting[bunch]
            yield bunch.taken()

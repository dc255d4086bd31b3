"""Abreast: one kind of work on many things, several at a time, for whoever takes the results one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from metastore.errors import ValidationError

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["abreast", "check_workers"]

J = TypeVar("J")
R = TypeVar("R")
MOST = 64


def check_workers(workers: int) -> int:
    """Return how many are to work at once. Raises ValidationError."""
    if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST:
        raise ValidationError(f"expected workers as a whole number from 1 to {MOST}, got {workers!r:.40}")
    return workers


def abreast(
    work: Callable[[J], R], jobs: Iterable[J], workers: int, end: Callable[[], object]
) -> Iterator[tuple[J, R]]:
    """Yield each job with what ``work`` made of it in another thread, as soon as it is done; begun in their order.

    Jobs are taken one by one, in the caller's thread, no more ahead than keeps all busy. When the caller stops asking, or is interrupted, ``end`` is called,
    upon which the work under way should break off.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, as logging comes with it

    under_way: dict[Future[R], J] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="metastore-work") as pool:
        try:
            for job in jobs:
                under_way[pool.submit(work, job)] = job
                if len(under_way) >= 2 * workers:
                    yield from _done(under_way)
            while under_way:
                yield from _done(under_way)
        finally:
            end()
            for each in under_way:
                each.cancel()


def _done(under_way: dict[Future[R], J]) -> Iterator[tuple[J, R]]:
    """Wait until one is done, and yield those that are, in the order in which they began."""
    from concurrent.futures import FIRST_COMPLETED, wait

    wait(under_way, return_when=FIRST_COMPLETED)
    for each in [future for future in under_way if future.done()]:
        yield under_way.pop(each), each.result()

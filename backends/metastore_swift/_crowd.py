"""The same work on many things at once, in a few threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["each", "or_error"]

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Return what ``work`` returns for each item, in their order; at most ``workers`` at a time.

    The first error, in the order of the items, is raised once those under way have ended; what has not begun then never
    does.

    >>> each(abs, [-1, 2, -3], 2)
    [1, 2, 3]
    """
    todo = list(items)
    if len(todo) < 2 or workers < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(workers, len(todo)), thread_name_prefix="swift") as pool:
        under_way = [pool.submit(work, item) for item in todo]
        try:
            return [future.result() for future in under_way]
        finally:
            for future in under_way:
                future.cancel()


def or_error(work: Callable[[T], R]) -> Callable[[T], R | Exception]:
    """Return ``work`` such that it returns its error instead of raising it."""

    def tried(item: T) -> R | Exception:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001 - handed to the caller, who asked for it
            return error

    return tried

"""Whether a recorded history of operations could have come from one copy of the data, one operation at a time.

The search is that of Wing and Gong as Lowe made it quick ("Testing for linearizability", 2017): operations take effect
only when one of them has to, and a state reached twice is searched once. An operation of which nobody knows how it ended
may take effect at any time after its call, or never.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Op:
    """One operation: when it was called and had answered (None: never), what was asked and what came back."""

    called: float
    answered: float | None
    asked: tuple[Any, ...]
    answer: Any


def impossible(history: Iterable[Op], initial: Hashable, step: Callable[[Any, Op], Iterator[Any]]) -> Op | None:
    """Return the first operation whose answer no order of effects explains, or None where all are explained.

    ``step(state, op)`` yields the states that an operation may lead to with the answer it gave; none where it cannot.
    """
    ops = list(history)
    reached: set[tuple[Any, frozenset[int]]] = {(initial, frozenset())}
    pending: set[int] = set()
    for _, returns, at in sorted(_moments(ops)):
        if not returns:
            pending.add(at)
            continue
        reached = set(_explained(reached, pending, at, ops, step))
        if not reached:
            return ops[at]
        pending.remove(at)
    return None


def _moments(ops):
    """Yield when something is called or answered; of one instant calls come first, since they may be concurrent."""
    for at, op in enumerate(ops):
        yield op.called, False, at
        if op.answered is not None:
            yield op.answered, True, at


def _explained(configurations, pending, at, ops, step):
    """Yield the states in which operation ``at`` has taken effect, each with what else has that is still to answer."""
    seen, stack = set(configurations), list(configurations)
    while stack:
        state, done = stack.pop()
        if at in done:
            yield state, done - {at}
            continue
        for other in pending - done:
            for after in step(state, ops[other]):
                found = (after, done | {other})
                if found not in seen:
                    seen.add(found)
                    stack.append(found)


def row(state, op):
    """A row (revision, value) that is read and changed by compare-and-set on its revision, as ``step`` for `impossible`."""
    revision, _ = state
    if op.asked[0] == "read":
        if op.answer in {state, UNKNOWN}:
            yield state
        return
    _, expected, value = op.asked
    if op.answer in {"done", UNKNOWN} and revision == expected:
        yield revision + 1, value
    if op.answer == "stale" and revision != expected:
        yield state

"""The judge of histories is judged: by histories known to be good and bad, and by trying every order."""

from itertools import permutations

import pytest
from histories import UNKNOWN, Op, impossible, row
from hypothesis import given, settings
from hypothesis import strategies as st

START = (1, 0)


def read(called, answered, revision, value):
    return Op(called, answered, ("read",), (revision, value))


def change(called, answered, expected, value, answer="done"):
    return Op(called, answered, ("change", expected, value), answer)


GOOD = {
    "nothing happened": [],
    "one after the other": [change(0, 1, 1, 5), read(2, 3, 2, 5)],
    "a read beside a change sees it early": [change(0, 10, 1, 5), read(1, 2, 2, 5)],
    "a read beside a change sees it late": [change(0, 10, 1, 5), read(1, 9, 1, 0)],
    "of two changes one is stale": [change(0, 10, 1, 5), change(1, 9, 1, 6, "stale"), read(11, 12, 2, 5)],
    "a lost answer that landed": [change(0, None, 1, 5, UNKNOWN), read(5, 6, 2, 5)],
    "a lost answer that landed late": [change(0, None, 1, 5, UNKNOWN), read(1, 2, 1, 0), read(5, 6, 2, 5)],
    "a lost answer that never landed": [change(0, None, 1, 5, UNKNOWN), read(5, 6, 1, 0), change(7, 8, 1, 6)],
    "a stale change needs a change before it": [change(0, None, 1, 5, UNKNOWN), change(1, 2, 1, 6, "stale")],
}
BAD = {
    "a read of what nobody wrote": [read(0, 1, 1, 7)],
    "a read of the past": [change(0, 1, 1, 5), read(2, 3, 1, 0)],
    "an acknowledged change is lost": [change(0, 1, 1, 5), change(2, 3, 1, 6)],
    "two changes of one revision": [change(0, 10, 1, 5), change(1, 9, 1, 6)],
    "two reads that turn time round": [change(0, 10, 1, 5), read(1, 2, 2, 5), read(3, 4, 1, 0)],
    "a lost answer that landed twice": [change(0, None, 1, 5, UNKNOWN), read(1, 2, 2, 5), read(3, 4, 3, 5)],
    "a lost answer that came back": [change(0, None, 1, 5, UNKNOWN), read(1, 2, 2, 5), read(3, 4, 1, 0)],
    "a change that was refused landed": [change(0, 1, 3, 5, "stale"), read(2, 3, 2, 5)],
    "a refusal without a reason": [change(0, 1, 1, 5, "stale")],
    "an effect before its call": [read(0, 1, 2, 5), change(2, 3, 1, 5)],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD)
def test_what_one_copy_could_have_answered_is_accepted(history):
    assert impossible(history, START, row) is None


@pytest.mark.parametrize("history", BAD.values(), ids=BAD)
def test_what_one_copy_could_not_have_answered_is_found(history):
    assert impossible(history, START, row) is not None


def by_trying_every_order(history):
    """Say the same with no cleverness at all: some order of some subset, that keeps every answer before a later call."""
    lost = [op for op in history if op.answered is None]
    for size in range(len(lost) + 1):
        for kept in permutations(lost, size):
            chosen = [op for op in history if op.answered is not None] + list(kept)
            for order in permutations(chosen):
                if in_time(order) and explains(order):
                    return True
    return False


def in_time(order):
    return all(
        not (later.answered is not None and later.answered < earlier.called)
        for at, earlier in enumerate(order)
        for later in order[at + 1 :]
    )


def explains(order):
    states = {START}
    for op in order:
        states = {after for state in states for after in row(state, op)}
    return bool(states)


@st.composite
def histories(draw):
    ops = []
    for _ in range(draw(st.integers(1, 5))):
        called, took = draw(st.integers(0, 8)), draw(st.integers(1, 6))
        revision, value = draw(st.integers(1, 3)), draw(st.integers(0, 2))
        answer = draw(st.sampled_from(["done", "stale", UNKNOWN, "read"]))
        if answer == "read":
            ops.append(read(called, called + took, revision, value))
        else:
            ops.append(change(called, None if answer == UNKNOWN else called + took, revision, value, answer))
    return ops


@given(histories())
@settings(max_examples=300)
def test_the_judge_agrees_with_trying_every_order(history):
    assert (impossible(history, START, row) is None) == by_trying_every_order(history)


def test_a_long_history_of_many_clients_is_judged_quickly():
    history = [change(at, at + 5.5, at + 1, at + 1) for at in range(5000)]
    history += [change(at, None, at + 1, -1, UNKNOWN) for at in range(0, 5000, 100)]
    assert impossible(history, START, row) is None

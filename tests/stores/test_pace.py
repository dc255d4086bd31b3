"""A rate over all threads, a budget that is never passed, and an end that is noticed."""

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.errors import StoreUnreachableError, TooLargeError
from metastore.stores._pace import BURST, LEAST, Budget, Rate, Stop


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 3)), min_size=1), st.integers(1, 300))
def test_no_span_of_time_sees_more_than_the_rate_and_one_burst(takes, rate):
    clock = Clock()
    bucket, passed = Rate(rate, clock=clock), []
    for count, pause in takes:
        clock.now += pause
        bucket.take(count, clock.sleep)
        passed.append((clock.now, count))
    for first, last in itertools.combinations(range(len(passed)), 2):
        count = sum(each for _, each in passed[first + 1 : last + 1])
        span = passed[last][0] - passed[first][0]
        assert count <= rate * (span + BURST) + 1e-6 * count + 1e-3


def test_a_pause_is_not_saved_up():
    clock = Clock()
    bucket = Rate(100, clock=clock)
    clock.now += 3600
    bucket.take(25, clock.sleep)
    before = clock.now
    bucket.take(100, clock.sleep)
    assert clock.now - before == pytest.approx(1)


def test_a_chunk_passes_in_pieces_and_whole():
    clock = Clock()
    chunk = bytes(range(256)) * 4096
    pieces = list(Rate(1, clock=clock).paced(chunk, clock.sleep))
    assert b"".join(pieces) == chunk
    assert {len(each) for each in pieces} == {LEAST}


def test_threads_share_one_rate():
    clock, lock = Clock(), threading.Lock()
    bucket = Rate(1000, clock=clock)
    waited = []

    def take(seconds):
        with lock:
            waited.append(seconds)

    threads = [threading.Thread(target=lambda: [bucket.take(10, take) for _ in range(25)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert max(waited) == pytest.approx(4 * 25 * 10 / 1000 - BURST)


def test_what_is_reserved_is_not_there_for_others_and_comes_back():
    budget = Budget(10)
    with budget.reserved(8) as passing:
        passing(3)
        with pytest.raises(TooLargeError, match="2 bytes are left, and 3 more"), budget.reserved(3):
            pass
    with budget.reserved(7), pytest.raises(TooLargeError), budget.reserved(1):
        pass


def test_of_unknown_size_each_byte_is_taken_as_it_passes():
    budget = Budget(10)
    with pytest.raises(TooLargeError), budget.reserved(None) as passing:
        passing(6)
        passing(5)
    with budget.reserved(4):
        pass


def test_without_a_bound_everything_passes():
    with Budget(None).reserved(10**18) as passing:
        passing(10**18)


def test_who_sleeps_wakes_up_when_an_end_is_wished():
    stop = Stop()
    stop.check()
    stop.wish()
    for act in (stop.check, lambda: stop.sleep(3600)):
        with pytest.raises(StoreUnreachableError, match="stopped"):
            act()

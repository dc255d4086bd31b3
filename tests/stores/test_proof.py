"""Bodies that trickle, and those who take them slowly (S14)."""

import pytest

from metastore.errors import StoreUnreachableError
from metastore.stores import _proof
from metastore.stores._proof import lively


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    now = [0.0]
    monkeypatch.setattr(_proof, "monotonic", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def chunks(forward, seconds):
    for _ in range(5):
        forward(seconds)
        yield b"x" * 1000


def test_a_body_that_trickles_is_an_error(clock):
    with pytest.raises(StoreUnreachableError, match="the store one is too slow: 4000 bytes in 12 seconds"):
        list(lively(chunks(clock, 3), "one", 10))


def test_who_takes_bytes_slowly_is_not_told_that_the_store_is_slow(clock):
    got = b""
    for chunk in lively(chunks(clock, 0.1), "one", 10):
        clock(3600)
        got += chunk
    assert len(got) == 5000

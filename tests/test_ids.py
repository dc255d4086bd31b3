"""Ids: UUID version 7 in the order they are asked for."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

from metastore._ids import make_id


def test_an_id_is_a_uuid_of_version_seven():
    ident = make_id()
    assert (ident.version, ident.variant) == (7, RFC_4122)


def test_later_ids_are_greater():
    made = [make_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len({*made}) == len(made)


def test_an_id_begins_with_its_time_in_milliseconds():
    before = time.time_ns() // 1_000_000
    stamp = make_id().int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000 + 60_000


def test_a_clock_that_goes_back_does_not_turn_the_order(monkeypatch):
    first = make_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert first < make_id() < make_id()


def test_threads_make_different_ids():
    with ThreadPoolExecutor(4) as pool:
        made = [ident for part in pool.map(lambda _: [make_id() for _ in range(2000)], range(4)) for ident in part]
    assert len({*made}) == 8000

"""Sweeping beside uploads in other processes, and killed again and again: nothing that is referred to is ever missing."""

import random

import garbage_programs as programs
import pytest


def survived(start, tmp_path, rounds):
    """Let two processes work and a third sweep, which is killed again and again; return refusals, kills, and what was deleted."""
    (tmp_path / "store").mkdir()
    chance, kills = random.Random(7), 0
    for number in range(2):
        programs.opened(tmp_path, number).close()
    workers = [start(programs.work, str(tmp_path), number, number, rounds) for number in range(2)]
    while any(each.process.is_alive() for each in workers) and kills < 500:
        start(programs.sweep, str(tmp_path), 1_000).kill_after(chance.uniform(0.15, 1))
        kills += 1
        assert programs.missing(tmp_path) == []
    refused = [each.result() for each in workers]
    start(programs.sweep, str(tmp_path), 3).result()
    assert programs.missing(tmp_path) == []
    lying, referred = programs.left(tmp_path)
    assert lying == referred, "every orphan is swept"
    return refused, kills, programs.deleted(tmp_path)


@pytest.mark.slow
def test_a_sweep_beside_uploads_that_is_killed_again_and_again(start, tmp_path, record_property):
    rounds = 1_000
    refused, kills, deleted = survived(start, tmp_path, rounds)
    record_property("refused, killed, deleted", (refused, kills, deleted))
    assert (max(refused) < rounds, kills > 5, deleted > 50) == (True, True, True), (refused, kills, deleted)

"""kill -9 in the middle of a copy: the next one goes on, and the copy is exact at its end."""

import random

import moving_programs as programs
import pytest


def killed(start, source, destination, chance, longest):
    """Start a copy and kill it after a while; return whether it had come to its end."""
    child = start(programs.copy, source, destination)
    child.kill_after(chance.uniform(0.02, longest))
    return child.process.exitcode == 0


def exact_after(start, tmp_path, kills, seed, *, artifacts, meanwhile=0):
    """Copy with so many kills, another process writing meanwhile; return how many copies were cut off.

    One that came to its end leaves nothing to cut off, so the next begins anew.
    """
    source, copies, chance = str(tmp_path / "source.db"), [str(tmp_path / "copy-0.db")], random.Random(seed)
    programs.fill(source, artifacts)
    writer = start(programs.write_some, source, meanwhile)
    for _ in range(kills):
        if killed(start, source, copies[-1], chance, 0.4):
            copies.append(str(tmp_path / f"copy-{len(copies)}.db"))
    writer.result()
    for each in copies:
        assert start(programs.copy, source, each).result()
        assert programs.differences(source, each) == ([], [])
    return kills - len(copies) + 1


def test_a_copy_that_is_killed_goes_on(start, tmp_path):
    assert exact_after(start, tmp_path, 5, seed=1, artifacts=300) > 0


@pytest.mark.slow
def test_a_copy_that_is_killed_a_hundred_times_goes_on(start, tmp_path, record_property):
    cut = exact_after(start, tmp_path, 100, seed=2, artifacts=6_000, meanwhile=500)
    record_property("cut off", cut)
    assert cut > 10


def test_two_processes_copy_at_once(start, tmp_path):
    source, destination = str(tmp_path / "source.db"), str(tmp_path / "copy.db")
    programs.fill(source, 300)
    copies = [start(programs.copy, source, destination) for _ in range(2)]
    assert [each.result() for each in copies] == [True, True]
    assert programs.differences(source, destination) == ([], [])

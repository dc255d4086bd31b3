"""Many processes on one file: nobody is refused, nobody starves, nothing is lost."""

import sys
from collections import Counter

import fault_programs as programs
import pytest


@pytest.fixture
def crowd(processes, start, tmp_path):
    """A function that lets some processes work on one catalogue for some seconds and returns their answers."""

    def work(function, count, seconds):
        barrier = processes.Barrier(count)
        children = [start(function, str(tmp_path / "c.db"), seconds, barrier, seed) for seed in range(count)]
        return [child.result() for child in children]

    programs.add_named(tmp_path / "c.db", *(f"counter{at}" for at in range(8)))
    return work


def counters_are_exact(crowd, path, count, seconds):
    """Return the turns and the waits of a crowd that counts up."""
    answers = crowd(programs.count_up, count, seconds)
    acknowledged = sum((Counter(counted) for counted, _, _, _ in answers), Counter())
    stored, faults = programs.read_state(path)
    assert [failure for _, _, _, failures in answers for failure in failures] == []
    assert {name: n - 1 for name, n in stored.items()} == {name: acknowledged[name] for name in stored}
    assert faults == []
    return [turns for _, turns, _, _ in answers], [longest for _, _, longest, _ in answers]


def test_no_increment_of_a_few_writers_is_lost(crowd, tmp_path):
    turns, _ = counters_are_exact(crowd, tmp_path / "c.db", 3, 0.5)
    assert min(turns) > 0


@pytest.mark.slow
def test_sixteen_processes_read_and_write_for_20_seconds(crowd, tmp_path, record_property):
    turns, waits = counters_are_exact(crowd, tmp_path / "c.db", 16, 20)
    record_property("turns", sorted(turns))
    record_property("longest wait, seconds", max(waits))
    sys.stderr.write(f"turns {sorted(turns)}, longest wait {max(waits):.2f} s\n")
    assert min(turns) * 8 >= max(turns)


@pytest.mark.slow
def test_the_slowest_of_sixteen_writers_gets_an_eighth_of_the_fastest(crowd, record_property):
    answers = crowd(programs.take_turns, 16, 8)
    turns, waits = sorted(turns for turns, _ in answers), [wait for _, wait in answers]
    record_property("turns", turns)
    sys.stderr.write(f"turns {turns}, longest wait {max(waits):.2f} s\n")
    assert turns[0] * 8 >= turns[-1]

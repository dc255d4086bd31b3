"""Real processes that want the same name: exactly one gets it, whatever made the scopes meet."""

from collections import Counter

import name_programs as programs
import pytest

PROCESSES, TURNS = 16, 12


@pytest.fixture
def race(processes, start, place):
    """A function that lets processes race on the pages of ``made`` and returns how often each turn was won."""

    def run(function, made):
        with programs.open_pages(place.address()) as catalog:
            catalog.load(programs.Page, made)
        barrier = processes.Barrier(PROCESSES)
        children = [start(function, place, barrier, seed, TURNS) for seed in range(PROCESSES)]
        wins = [child.result() for child in children]
        with programs.open_pages(place.address()) as catalog:
            assert catalog.check() == []
        return wins

    return run


def active(name, **fields):
    return {"name": name, "status": "active", **fields}


def each_owns_a_page_of_every_name():
    return [active(f"page {turn}", owner=f"p{seed}") for seed in range(PROCESSES) for turn in range(TURNS)]


@pytest.mark.slow
@pytest.mark.parametrize("function", [programs.publish_in_turn, programs.give_away_in_turn])
def test_of_sixteen_whose_scopes_meet_exactly_one_gets_each_name(race, function):
    wins = Counter(turn for won in race(function, each_owns_a_page_of_every_name()) for turn in won)
    assert wins == dict.fromkeys(range(TURNS), 1)


@pytest.mark.slow
def test_of_sixteen_that_rename_what_is_public_no_two_hold_one_name(race):
    made = [{"name": f"own {seed}", "visibility": "public"} for seed in range(PROCESSES)]
    wins = race(programs.rename_in_turn, made)
    final = Counter(won[-1] for won in wins if won)
    assert max(final.values()) == 1

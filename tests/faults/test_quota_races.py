"""Real processes at the limit of a quota: never one too many, never one too few."""

from collections import Counter

import pytest
import quota_programs as programs

from metastore import Blob
from metastore._quotas import Quota, put
from metastore.backend import Usage

PROCESSES = 16
OWNERS = ("p1", "p2", "p3")


@pytest.fixture
def race(processes, start, place):
    """A function that lets processes race on one catalogue with these quotas and returns their answers."""

    def run(function, *args, limits, count=PROCESSES):
        with programs.open_images(place.address()) as catalog:
            catalog.add(programs.Image(name="first", owner="p1", disk=Blob("s3://a/b", size=1)))
            for each in limits:
                put(catalog, each)
        barrier = processes.Barrier(count)
        children = [start(function, place, barrier, seed, *args) for seed in range(count)]
        return [child.result() for child in children]

    return run


def stored(place):
    """Return what is used by owner, and by everybody, of a catalogue whose audit is clean."""
    with programs.open_images(place.address()) as catalog:
        assert catalog.check() == []
        used = {owner: catalog._backend.usage(owner).get("images", Usage(0, 0)) for owner in OWNERS}
        return used, catalog._backend.usage(None, everybody=True)["images"]


def test_a_few_processes_fill_a_quota_to_the_last_one(race, place):
    answers = race(programs.add_what_fits, OWNERS[:1], 10, (0,), limits=[Quota(count=9)], count=3)
    used, _ = stored(place)
    assert (sum(map(len, answers)), used["p1"].count) == (8, 9)


@pytest.mark.slow
def test_sixteen_processes_never_add_one_too_many_or_too_few(race, place):
    limits = [Quota(kind="images", count=30), Quota(project="p2", count=50), Quota(everybody=True, count=80)]
    answers = race(programs.add_what_fits, OWNERS, 40, (0, 5), limits=limits)
    added = Counter(owner for answer in answers for owner, _ in answer)
    used, everybody = stored(place)
    assert everybody.count == 80 == sum(added.values()) + 1
    assert {owner: added[owner] + (owner == "p1") for owner in OWNERS} == {name: used[name].count for name in OWNERS}
    assert used["p1"].count <= 30
    assert used["p2"].count <= 30


@pytest.mark.slow
def test_sixteen_processes_fill_every_owners_quota(race, place):
    limits = [
        Quota(kind="images", count=30),
        Quota(project="p2", count=50),
        Quota(project="p3", kind="images", count=45),
    ]
    answers = race(programs.add_what_fits, OWNERS, 40, (1,), limits=limits)
    used, everybody = stored(place)
    assert [used[owner].count for owner in OWNERS] == [30, 30, 45]
    assert everybody.count == 105 == sum(map(len, answers)) + 1


@pytest.mark.slow
def test_sixteen_processes_fill_a_quota_of_bytes_until_not_even_the_smallest_fits(race, place):
    answers = race(programs.add_what_fits, OWNERS[:1], 60, (1, 2, 3, 97), limits=[Quota(bytes=997)])
    used, _ = stored(place)
    assert used["p1"].bytes == 997 == sum(size for answer in answers for _, size in answer) + 1


@pytest.mark.slow
def test_sixteen_processes_exchange_at_a_full_quota_without_ever_being_refused(race, place):
    with programs.open_images(place.address()) as catalog:
        for seed in range(PROCESSES):
            programs.add_checked(catalog, f"{seed}.begin", "p1", 1)
    refused = race(programs.replace_at_the_limit, 25, limits=[Quota(project="p1", count=PROCESSES + 1)])
    used, _ = stored(place)
    assert (refused, used["p1"]) == ([0] * PROCESSES, Usage(PROCESSES + 1, PROCESSES + 1))

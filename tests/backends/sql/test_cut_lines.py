"""Wherever the line is cut, what was acknowledged is there, once, and nothing by halves."""

import itertools

import pytest

from metastore import Artifact, Catalog, Field, field
from metastore.errors import RetryError

FAR = 60


class Part(Artifact, type_name="parts"):
    size: Field[int] = field(default=0, mutable=True)


@pytest.fixture
def catalog(empty):
    with Catalog.open(empty.wired, types=[Part], durability="normal", timeout=20.0) as opened:
        opened.add(Part(name="first"))
        yield opened


def cuts(place, work, *, answered):
    """Do ``work(n)`` with the line cut at its n-th message, for n = 1, 2, … until it ends before that; yield each n."""
    for number in range(1, FAR):
        lines = place.wire.made
        place.wire.cut_at(number, answered=answered)
        work(number)
        place.wire.cut_at(0, answered=answered)
        if place.wire.made == lines:
            return
        yield number
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("answered", [False, True])
def test_an_add_is_done_once(empty, catalog, answered):
    done = list(cuts(empty, lambda n: catalog.add(Part(name=f"p{n}", tags=["a"])), answered=answered))
    names = sorted(each.name for each in catalog.find(Part, Part.tags.contains("a")))
    assert names == sorted(f"p{n}" for n in [*done, len(done) + 1])
    assert len(done) > 2
    assert catalog.check() == []


@pytest.mark.parametrize("answered", [False, True])
def test_an_update_is_done_once(empty, catalog, answered):
    def grow(_number):
        part = catalog.get(Part, name="counter")
        catalog.update(part, size=part.size + 1)

    catalog.add(Part(name="counter"))
    done = list(cuts(empty, grow, answered=answered))
    part = catalog.get(Part, name="counter")
    assert (part.size, part.revision) == (len(done) + 1, len(done) + 2)
    assert catalog.check() == []


@pytest.mark.parametrize("answered", [False, True])
def test_a_transaction_is_done_as_a_whole_or_not_at_all(empty, catalog, answered):
    told = []

    def both(number):
        try:
            with catalog.transaction():
                catalog.add(Part(name=f"l{number}"))
                catalog.add(Part(name=f"r{number}"))
        except RetryError:
            told.append(number)

    done = list(cuts(empty, both, answered=answered))
    kept = [n for n in [*done, len(done) + 1] if n not in told]
    names = sorted(each.name for each in catalog.find(Part) if each.name != "first")
    assert names == sorted(f"{side}{n}" for n, side in itertools.product(kept, "lr"))
    assert told
    assert catalog.check() == []


@pytest.mark.parametrize("answered", [False, True])
def test_work_that_is_run_is_done_once(empty, catalog, answered):
    def both(number):
        return lambda: [catalog.add(Part(name=f"{side}{number}")) for side in "lr"]

    done = list(cuts(empty, lambda number: catalog.run(both(number)), answered=answered))
    assert catalog.count(Part) == 1 + 2 * (len(done) + 1)
    assert catalog.check() == []


def test_a_read_is_answered_all_the_same(empty, catalog):
    found = []
    done = list(cuts(empty, lambda _: found.append(catalog.find(Part).all()), answered=False))
    assert [[each.name for each in parts] for parts in found] == [["first"]] * (len(done) + 1)

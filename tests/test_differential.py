"""SQLite, memory and the oracle give the same answer to the same question."""

import math
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.errors import QueryError
from metastore.query import Measure, Query
from metastore.testing import _figures as figures
from metastore.testing import _oracle as oracle
from metastore.testing._exam import few, filled
from metastore.testing._model import row
from metastore.testing.strategies import cases, pages, predicates, sortable
from metastore_memory import open_backend as open_memory
from metastore_sqlite import open_backend as open_sqlite


@pytest.fixture
def both(tmp_path):
    """A function from a world to the two backends that hold it."""
    opened, number = [], count()

    def fill(world):
        while opened:
            opened.pop().close()
        opened.append(open_memory("memory:", mode="rw", durability="full", timeout=60.0))
        opened.append(open_sqlite(f"{tmp_path}/{next(number)}.db", mode="rw", durability="normal", timeout=60.0))
        return [filled(each, world) for each in opened]

    yield fill
    while opened:
        opened.pop().close()


def answers_agree(both, case):
    memory, sqlite = both(case.world)
    for query in case.queries:
        expected = [row(each) for each in oracle.select(case.world, query)]
        assert memory.select(case.spec, query) == expected, query
        assert sqlite.select(case.spec, query) == expected, query


@given(case=cases(pages, least=4))
@few(60)
def test_any_page_of_any_query_is_the_same_everywhere(both, case):
    answers_agree(both, case)


@pytest.mark.slow
@given(case=cases(pages, least=6))
@few(1000)
def test_any_page_of_very_many_queries_is_the_same_everywhere(both, case):
    answers_agree(both, case)


def _figures(world, spec):
    grouped = [path for path in sortable(spec) if path.kind != "json"]
    numbers = [path for path in sortable(spec) if path.kind == "int" and not path.keys]
    one = st.sampled_from(numbers).flatmap(
        lambda path: st.sampled_from([Measure(what, path) for what in ("min", "max", "sum", "avg")])
    )
    return st.tuples(predicates(world, spec), st.lists(st.sampled_from(grouped), max_size=2), st.lists(one, max_size=2))


def _same(one, other):
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9)
    return one == other


def _asked(work):
    try:
        return work()
    except QueryError:
        return "refused"


@given(case=cases(least=1), data=st.data())
@few(40)
def test_any_figures_are_the_same_everywhere(both, case, data):
    memory, sqlite = both(case.world)
    where, by, measures = data.draw(_figures(case.world, case.spec))
    query, wanted = Query("one", where), (Measure("count"), *measures)
    expected = figures.aggregate(case.world, query, tuple(by), wanted)
    for backend in (memory, sqlite):
        found = _asked(lambda: backend.aggregate(case.spec, query, tuple(by), wanted))  # noqa: B023 - called here
        if found == "refused":
            assert any(isinstance(each, int) and not -(2**63) <= each < 2**63 for group in expected for each in group)
            continue
        assert len(found) == len(expected)
        assert all(
            _same(a, b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
        )


@given(case=cases(least=1), depth=st.sampled_from((None, 1, 2)), backwards=st.booleans())
@few(20)
def test_any_closure_is_the_same_everywhere(both, case, depth, backwards):
    memory, sqlite = both(case.world)
    for start in [[each] for each in case.world.things]:
        expected = figures.closure(case.world, start, depth, backwards=backwards)
        assert memory.closure(start, depth, backwards=backwards) == expected
        assert sqlite.closure(start, depth, backwards=backwards) == expected

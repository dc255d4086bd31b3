"""What a remembered shape binds is what compiling anew would bind."""

from itertools import product

import pytest
from hypothesis import given

from metastore.query import And, Compare, Matches, Order, Path, Query, Rank
from metastore.testing._exam import few
from metastore.testing._queries import cases, pages
from metastore.testing._suite_explain import SPEC
from metastore_sqlite import _shapes
from metastore_sqlite._compile import Known
from metastore_sqlite._shapes import Shapes
from metastore_sqlite._statements import select

NAME, SIZE, VERSION = Path("name", kind="str"), Path("size", kind="int"), Path("version", kind="version")
ID = Order(Path("id", kind="id"))


ALONE = Known(lambda _: None)


def compiled(query, spec=SPEC, by=ALONE):
    return select(spec, query, "t.id", by)


def searched(*words, limit=None, also=(), fields=()):
    """A search in the order of its ranks."""
    where = (Matches(words, fields), *also)
    order = (Order(Rank(words, fields), descending=True), ID)
    return Query("shapes", where[0] if len(where) == 1 else And(where), order, limit)


PAIRS = {
    "a comparison": [Query("shapes", Compare(SIZE, "le", value), (Order(NAME),), limit=limit) for value, limit in ((1, 2), (3, 4))],
    "a version": [Query("shapes", Compare(VERSION, "ge", pair), limit=9) for pair in (("1~", "1"), ("2~", "2"))],
    "no limit": [Query("shapes", And((Compare(SIZE, "gt", value), Compare(NAME, "eq", "a")))) for value in (1, 2)],
    "one word": [searched("rescue", limit=1), searched("debian", limit=2)],
    "two words": [searched("rescue", "debian"), searched("debian", "bookworm", limit=None)],
    "two words and more": [searched(*words, also=(Compare(SIZE, "lt", 3),)) for words in (("a", "b"), ("c", "d"))],
    "words that are alike": [searched("a", "aa"), searched("s", "0")],
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_one_shape_is_compiled_once_and_binds_each_question_its_own_values(pair, monkeypatch):
    found, expected = Shapes(), [compiled(query) for query in pair]
    assert found.select(SPEC, pair[0], "t.id", ALONE) == expected[0]
    monkeypatch.setattr(_shapes, "select", None)
    assert [found.select(SPEC, query, "t.id", ALONE) for query in pair] == expected


FOLDED, SIGHT = Path("name", folded=True, kind="str"), Path("visibility", kind="str")
FREE, OTHER = Path("properties", ("a",), kind="json"), Path("properties", ("b",), kind="json")
WHERE = [
    And(()),
    *(Compare(path, op, "a") for path in (NAME, FOLDED, FREE, OTHER) for op in ("eq", "lt")),
    *(Compare(SIGHT, "eq", word) for word in ("private", "public", "other")),
    *(Compare(VERSION, op, value) for op, value in (("eq", "1.0.0"), ("ge", ("1~", "1.0.0")))),
    *(Matches(words, fields) for words in (("a",), ("b",), ("a", "b")) for fields in ((), ("name",))),
    And((Matches(("a",)), Compare(SIZE, "eq", 1))),
    And((Matches(("a",)), Matches(("b",)))),
]
ORDER = [
    (),
    *((Order(path, descending=down),) for path in (NAME, FOLDED, FREE, OTHER, VERSION) for down in (False, True)),
    *((Order(Rank(("a",), fields), descending=down), ID) for fields in ((), ("name",)) for down in (False, True)),
]  # fmt: skip


def test_what_differs_in_more_than_values_has_another_shape():
    found = Shapes()
    asked = [Query("shapes", *parts) for parts in product(WHERE, ORDER, (None, 3))]
    for query in (*asked, *reversed(asked)):
        assert found.select(SPEC, query, "t.id", ALONE) == compiled(query)


@given(case=cases(pages, least=6))
@few(60)
def test_any_page_is_as_compiled_anew(case):
    found, by = Shapes(), Known(case.world.specs.get)
    for query in (*case.queries, *case.queries):
        assert found.select(case.spec, query, "t.id", by) == compiled(query, case.spec, by)


def test_shapes_without_end_are_forgotten(monkeypatch):
    monkeypatch.setattr(_shapes, "MOST", 2)
    found = Shapes()
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        query = Query("shapes", Compare(SIZE, op, 1))
        assert found.select(SPEC, query, "t.id", ALONE) == compiled(query)
    assert len(found._known) <= 2

"""A query is split into a shape, which has no value in it, and its values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.backend import FieldSpec
from metastore.query import (
    And,
    Compare,
    Contains,
    Follow,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Order,
    Path,
    Position,
    Query,
    Rank,
    Text,
)
from metastore.testing._exam import few
from metastore.testing._hostile import KEYS, TEXTS
from metastore.testing._model import type_spec
from metastore.testing._queries import cases, queries
from metastore.testing._suite_explain import SPEC, shapes
from metastore_sql._dialect import dialect_of
from metastore_sql._shape import FALSE, TRUE, aggregate_shape, select_shape
from metastore_sql._tables import Relation, own_tables

DIALECT = dialect_of("postgresql")
OWN = own_tables(DIALECT)
RELATION = Relation(spec=SPEC, dialect=DIALECT, own=OWN, name="shapes")
NAME, SIZE = Path("name", kind="str"), Path("size", kind="int")


def split(where, **words):
    return select_shape(RELATION, Query("shapes", where, **words), {"shapes": RELATION}.get)


def condition(where):
    return split(where)[0][2]


@pytest.mark.parametrize("kind", shapes)
def test_queries_that_differ_in_values_alone_have_one_shape(kind):
    found = {split(where)[0] for where in shapes[kind]()}
    assert len(found) == 1


@given(st.sampled_from((*TEXTS, *KEYS)).filter(lambda text: len(text) > 3))
@few(40)
def test_no_value_is_in_a_shape(text):
    inside = Compare(Path("properties", (text, "b"), kind="json"), "eq", text)
    where = And(
        (
            Compare(NAME, "eq", text),
            Not(inside),
            Follow(Path("parent", kind="link"), "shapes", Text(NAME, "ends", text)),
        )
    )
    shape, values = split(
        where, order=(Order(Path("properties", (text,), kind="json")),), after=Position((text,), text.encode())
    )
    assert repr(text) not in repr(shape)
    assert [value for value in values if value == text] == [text] * 4


def test_values_come_in_the_order_in_which_they_are_asked_for():
    where = And((Compare(SIZE, "ge", 3), Compare(NAME, "eq", "b"), In(NAME, ("c", "d"))))
    assert split(where, order=(Order(NAME),), after=Position(("e",), b"f"), limit=7)[1] == [
        3,
        "b",
        ["c", "d"],
        "e",
        b"f",
        7,
    ]


def test_a_list_of_values_is_one_value_however_long():
    shapes = {split(In(NAME, tuple(map(str, range(count)))))[0] for count in (0, 1, 1000)}
    assert len(shapes) == 1


def test_the_json_type_of_a_value_is_in_the_shape():
    free = Path("properties", ("a",), kind="json")
    shapes = {split(Compare(free, "eq", value))[0] for value in (None, True, 1, 1.5, "1", [1], {"a": 1})}
    assert len(shapes) == 6


@given(st.integers(0, 3), st.integers(0, 3))
@few(10)
def test_groups_of_one_and_of_nothing_dissolve(ands, ors):
    where = Compare(NAME, "eq", "a")
    for _ in range(ands):
        where = And((where, And(())))
    for _ in range(ors):
        where = Or((Or(()), where))
    assert condition(where) == condition(Compare(NAME, "eq", "a"))


def test_what_decides_a_group_stands_for_it():
    leaf = Compare(NAME, "eq", "a")
    assert condition(And((leaf, Or(())))) == condition(Not(And(()))) == FALSE
    assert condition(Or((leaf, And(())))) == condition(Not(Or(()))) == TRUE


def test_negations_go_down_to_the_leaves():
    one, other = Compare(NAME, "eq", "a"), Compare(SIZE, "eq", 1)
    assert condition(Not(And((one, Not(Or((other, Not(one)))))))) == condition(Or((Not(one), other, Not(one))))


def test_all_of_several_elements_is_asked_one_by_one_where_no_look_up_counts_them():
    spec = type_spec("shapes", FieldSpec(name="notes", kind="list", item=FieldSpec(kind="str")))
    relation = Relation(spec=spec, dialect=DIALECT, own=OWN, name="shapes")
    asked = Query("shapes", Not(Contains(Path("notes", kind="list"), ("a", "b"))))
    assert select_shape(relation, asked, {}.get)[0][2][0] == "or"


def test_a_search_ranked_by_its_own_words_has_them_once():
    found = split(Matches(("a", "b")), order=(Order(Rank(("a", "b")), descending=True), Order(Rank(("b",)))))
    assert found[1] == [("a", "b"), ("b",)]


def test_a_key_of_a_folder_is_a_value_and_a_part_of_a_blob_is_not():
    shape, values = split(
        And((HasKey(Path("layers", kind="folder"), "a"), Compare(Path("disk", ("size",), kind="int"), "gt", 1)))
    )
    assert values == ["a", 1]
    assert "'size'" in repr(shape)


@given(cases(queries, least=1))
@few(25)
def test_shapes_can_be_hashed_and_are_the_same_for_the_same_query(case):
    relations = {
        name: Relation(spec=spec, dialect=DIALECT, own=OWN, name=name) for name, spec in case.world.specs.items()
    }
    for query in case.queries:
        one, again = (select_shape(relations[query.type], query, relations.get) for _ in range(2))
        assert hash(one[0]) == hash(again[0])
        assert one == again
        grouped = aggregate_shape(relations[query.type], query, (NAME,), (), relations.get)
        assert grouped[0][2] == one[0][2]

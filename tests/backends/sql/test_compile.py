"""A shape is compiled once; what was asked for is bound and never written."""

import json

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.errors import QueryError
from metastore.query import And, Compare, Contains, Follow, In, Measure, Not, Order, Path, Position, Query, Rank
from metastore.testing._exam import few
from metastore.testing._hostile import KEYS, MATCH_TEXTS, TEXTS
from metastore.testing._queries import cases, pages
from metastore.testing._suite_explain import SPEC, shapes
from metastore_sql._dialect import dialect_of
from metastore_sql._reading import above, alternatives
from metastore_sql._reading_postgresql import array_text
from metastore_sql._statements import Statements
from metastore_sql._tables import Relation, own_tables

FAMILIES = ("postgresql", "mysql")
NAME, SIZE = Path("name", kind="str"), Path("size", kind="int")
FREE = Path("properties", ("a",), kind="json")


def asking(family, *specs):
    """The statements of types on a family of servers, and the tables of the first of them."""
    dialect = dialect_of(family)
    own = own_tables(dialect)
    relations = {spec.name: Relation(spec=spec, dialect=dialect, own=own, name=spec.name) for spec in specs}
    return Statements(dialect, own, relations.get), relations[specs[0].name]


@pytest.fixture(params=FAMILIES)
def asked(request):
    """A function from a condition to the compiled statement and its values."""
    statements, relation = asking(request.param, SPEC)
    return lambda where, **words: statements.select(relation, Query("shapes", where, **words))


@pytest.mark.parametrize("kind", shapes)
def test_one_shape_is_compiled_once(asked, kind):
    assert len({asked(where)[0] for where in shapes[kind]()}) == 1


@pytest.mark.parametrize("family", FAMILIES)
@given(text=st.sampled_from((*TEXTS, *KEYS, *MATCH_TEXTS)).filter(lambda text: len(text) > 7))
@few(40)
def test_a_hostile_value_is_never_in_the_sql(family, text):
    statements, relation = asking(family, SPEC)
    free = Path("properties", (text, "b"), kind="json")
    where = And(
        (
            Compare(NAME, "eq", text),
            Not(Compare(free, "eq", text)),
            In(NAME, (text,)),
            Contains(Path("tags", kind="list"), (text,)),
        )
    )
    where &= Compare(Path("layers", (text, "size"), kind="int"), "gt", 1)
    query = Query("shapes", where, (Order(free),), 5, Position((text,), b"\1" * 16))
    made, values = statements.select(relation, query)
    assert text not in made.sql
    assert made.told(values).count(text) >= 4


@pytest.mark.parametrize("family", FAMILIES)
@given(case=cases(pages, least=1))
@few(25)
def test_any_query_has_as_many_parameters_as_places_for_them(family, case):
    statements, _ = asking(family, case.spec, *case.world.specs.values())
    relation = asking(family, case.spec)[1]
    for query in case.queries:
        made, values = statements.select(relation, query)
        assert made.sql.replace("%%", "").count("%s") == len(made.bind(values)) == len(made.told(values))


def test_values_are_bound_in_the_order_of_the_places(asked):
    made, values = asked(And((Compare(SIZE, "ge", 3), Compare(NAME, "eq", "b"))), order=(Order(NAME),), limit=7)
    assert made.bind(values) == [3, "b", 7]


def test_a_page_binds_its_position_and_compiles_once(asked):
    order = (Order(NAME), Order(Rank(("a",)), descending=True))
    made = {
        asked(And(()), order=order, limit=at, after=Position((text, at), b"\1" * 16))[0]
        for at, text in enumerate(TEXTS)
    }
    assert len(made) == 1


def test_a_negated_comparison_is_the_opposite_one_so_that_an_index_serves(asked):
    sql = asked(Not(Compare(NAME, "lt", "a")))[0].sql
    assert ">= %s" in sql
    assert "NOT" not in sql


def test_what_may_be_absent_is_taken_into_the_negation(asked):
    assert "IS NULL" in asked(Not(Compare(SIZE, "lt", 3)))[0].sql


def test_a_nest_of_links_is_compiled_or_refused(asked):
    where = Compare(NAME, "eq", "a")
    for _ in range(300):
        where = Follow(Path("parent", kind="link"), "shapes", where)
    with pytest.raises(QueryError, match="too deeply"):
        asked(where)


@pytest.mark.parametrize("family", FAMILIES)
def test_groups_are_compiled_once_per_shape(family):
    statements, relation = asking(family, SPEC)
    for by in ((NAME,), (Path("tags", kind="list"),), (FREE,), ()):
        measures = (Measure("count"), Measure("sum", SIZE), Measure("avg", SIZE))
        found = {
            statements.aggregate(relation, Query("shapes", Compare(NAME, "eq", text)), by, measures)[0]
            for text in TEXTS
        }
        assert len(found) == 1


@given(st.text(max_size=8), st.text(max_size=4))
@few(200)
def test_what_starts_so_is_below_the_text_above_it_and_nothing_else_is_between(start, rest):
    assert start + rest < above(start)
    if not rest.startswith(start) and rest > start:
        assert rest >= above(start)


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
@few(100)
def test_the_text_of_an_array_reads_back(texts):
    oid = psycopg.adapters.types["text"].array_oid
    loader = psycopg.adapters.get_loader(oid, psycopg.pq.Format.TEXT)(oid)
    assert loader.load(array_text(texts).encode()) == texts


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
@few(100)
def test_every_way_to_write_a_number_is_that_number_s(value):
    found = alternatives([value])
    assert json.dumps(value) in found
    assert all(json.loads(text) == value for text in found)

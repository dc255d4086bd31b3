"""What the servers do for the commonest questions, as they tell it: an index each, on tables with statistics."""

import re
from contextlib import ExitStack

import pytest

from metastore.backend import FieldSpec
from metastore.query import And, Compare, Contains, HasKey, In, Matches, Not, Order, Path, Query, Rank, Text
from metastore.testing._model import insert, thing, type_spec
from metastore_sql import open_backend

SPEC = type_spec(
    "images",
    FieldSpec(name="distro", kind="str", index=True, max_length=64),
    FieldSpec(name="ram", kind="int", index=True),
    FieldSpec(name="size", kind="int", optional=True, index=True),
)
NAME, DISTRO, RAM, SIZE, TAGS = (
    Path("name", kind="str"),
    Path("distro", kind="str"),
    Path("ram", kind="int"),
    Path("size", kind="int"),
    Path("tags", kind="list"),
)
MANY = 3_000


def made(number):
    tags, free = [f"t{number % 100}", f"t{number % 97}"], {"k": number, f"k{number % 50}": f"v{number}"}
    version = f"{number % 7}.{number % 11}.0"
    return thing(
        SPEC, name=f"name-{number % 600:04}", version=version, tags=tags, properties=free, description=f"word{number % 300} word",
        distro=f"d{number % 40}", ram=number * 7919 % MANY, size=None if number % 9 == 0 else number * 104729 % MANY, owner=f"o{number % 30}",
    )  # fmt: skip


K, K7 = Path("properties", ("k",), kind="json"), HasKey(Path("properties", kind="dict"), "k7")

ASKED = {
    "two fields": (Compare(DISTRO, "eq", "d7") & Compare(RAM, "le", 900), Order(SIZE), "images#distro"),
    "one of several": (In(NAME, ("name-0007", "name-0008")), Order(NAME), "images#name"),
    "negated": (Not(Compare(RAM, "lt", MANY - 10)), None, "images#ram"),
    "a range in order": (Compare(SIZE, "gt", 1500), Order(SIZE), "images#size"),
    "all downwards": (And(()), Order(SIZE, descending=True), "images#size"),
    "a prefix in order": (Text(NAME, "starts", "name-012"), Order(NAME), "images#name"),
    "a tag": (Contains(TAGS, ("t7",)), None, "images:tags#"),
    "two tags": (Contains(TAGS, ("t7", "t8")) & Compare(RAM, "lt", 2000), Order(RAM), "images:tags#"),
    "no such tag": (Not(Contains(TAGS, ("t7",))) & Compare(RAM, "lt", 20), None, "images:tags#"),
    "a value under a key": (Compare(K, "eq", 77), None, "images:properties#head"),
    "a range under a key": (Compare(K, "gt", MANY - 20), None, "images:properties#head"),
    "a key": (K7 & Compare(DISTRO, "eq", "d7"), None, "images:properties#head"),
    "words by rank": (Matches(("word7",)), Order(Rank(("word7",)), descending=True), "images#words"),
}
"""A condition, an order, and of what index the plan must tell."""

BY_KEY = {"images:tags#": ("k", "s1"), "images#words": ("images:text",)}
"""What MariaDB finds by a primary key, which has no name of its own there: the tables, or what they are called."""


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def filled(request):
    server = request.getfixturevalue({"postgresql": "postgres_server", "mysql": "mysql_server"}[request.param])
    with ExitStack() as stack:
        address = stack.enter_context(server.place())
        backend = open_backend(address, mode="rw", durability="normal", timeout=60.0)
        stack.callback(backend.close)
        backend.ensure(SPEC, 1)
        insert(backend, *map(made, range(MANY)))
        _know(backend, request.param)
        yield request.param, backend


def _know(backend, family):
    """Have the server look at its tables, as it does by itself every minute or so."""
    asked = {"postgresql": 'VACUUM (ANALYZE) "{}"', "mysql": "ANALYZE TABLE `{}`"}[family]
    with backend._connections.apart() as apart:
        for table in ("images", "images:tags", "images:properties", *(("images:text",) if family == "mysql" else ())):
            apart.execute(asked.format(table))


@pytest.mark.parametrize("question", ASKED)
def test_an_index_serves_the_question(filled, question):
    where, order, index = ASKED[question]
    family, backend = filled
    asked = Query("images", where, (order,) if order else (), 10)
    plan = backend.explain(SPEC, asked).plan
    named = index in plan
    by_key = any(re.search(rf"{alias} (ref|range|eq_ref) .*PRIMARY", plan) for alias in BY_KEY.get(index, ()))
    assert named or (family == "mysql" and by_key), plan
    assert not re.search(r"Seq Scan on|^\S+ \S+ (t|s\d|images\S*) ALL", plan, re.MULTILINE), plan


def test_the_latest_of_a_name_is_found_by_the_name(filled):
    plan = filled[1].explain(SPEC, Query("images", Compare(NAME, "eq", "name-0042"), latest=True)).plan
    assert "images#name" in plan
    assert "Seq Scan" not in plan


def test_a_page_reads_no_more_than_itself(filled):
    """The server stops after so many rows: none is sorted."""
    plan = filled[1].explain(SPEC, Query("images", And(()), limit=10)).plan
    assert re.search(r'Index Scan using "images#"|t index PRIMARY', plan), plan
    assert "Sort" not in plan
    assert "filesort" not in plan

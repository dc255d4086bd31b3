"""One random program of operations on four stores at once: the same results, and the same errors to the last word."""

from contextlib import ExitStack
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, Link, Record, field
from metastore.errors import MetastoreError
from metastore.testing._exam import few

STORES = ("memory", "sqlite", "postgres", "mysql")
TIMES = ("created_at", "updated_at", "activated_at")


class Image(Artifact, type_name="images"):
    size: Field[int] = field(default=0, ge=0, mutable=True, index=True)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)


places = st.integers(0, 5)
names = st.sampled_from(["a", "b", "É", "a "])
values = st.sampled_from([0, 1, 2**63 - 1, -1, 2**63, "1", None])
properties = st.dictionaries(
    st.sampled_from(["a.b", "", "ü"]), st.sampled_from([True, 1, 1.0, "x", None, [1], {}]), max_size=2
)
steps = st.one_of(
    st.tuples(st.just("add"), places, names, st.sampled_from(["1.0.0", "1.0.0-rc.1", "x"]), properties),
    st.tuples(st.just("size"), places, values),
    st.tuples(st.just("stale"), places, values),
    st.tuples(st.just("name"), places, names),
    st.tuples(st.just("parent"), places, places),
    st.tuples(st.sampled_from(["delete", "publish", "activate", "upsert"]), places),
    st.tuples(st.just("undone"), places, names),
    st.tuples(st.just("find"), values, names),
    st.tuples(st.just("quota"), st.integers(0, 4)),
)


def ident(place):
    return UUID(int=(7 << 76) | (2 << 62) | place)


class Program:
    """What one store is asked to do; artifacts go by their place."""

    def __init__(self, catalog):
        self.catalog = catalog

    def got(self, place):
        return self.catalog.get(Image, ident(place))

    def add(self, place, name, version, properties):
        blob = Blob(f"s3://a/{place}", size=place)
        return self.catalog.add(Image(id=ident(place), name=name, version=version, properties=properties, disk=blob))

    def size(self, place, value):
        return self.catalog.update(self.got(place), size=value)

    def stale(self, place, value):
        old = self.got(place)
        self.catalog.update(old, tags=["new", str(value)])
        return self.catalog.update(old, size=value)

    def name(self, place, name):
        return self.catalog.update(self.got(place), name=name)

    def parent(self, place, other):
        return self.catalog.update(self.got(place), parent=Link(ident(other)))

    def delete(self, place):
        return self.catalog.delete(self.got(place))

    def publish(self, place):
        return self.catalog.publish(self.got(place))

    def activate(self, place):
        return self.catalog.activate(self.got(place))

    def upsert(self, place):
        return self.catalog.upsert(Image(name="a", version="1.0.0", size=place))

    def undone(self, place, name):
        with self.catalog.transaction():
            self.name(place, name)
            raise MetastoreError("changed my mind")

    def find(self, value, name):
        wanted = (Image.size >= value) | (Image.name == name) | (Image.parent.name == name)
        return self.catalog.find(Image, wanted, order_by=[-Image.name, Image.size]).all()

    def quota(self, most):
        return self.catalog.set_quota(kind="images", everybody=True, count=most)


def told(answer):
    """What can be compared of an answer: times are each store's own, and so are ids that it made itself."""
    if isinstance(answer, list):
        return [told(each) for each in answer]
    if not isinstance(answer, Record):
        return repr(answer)
    given = answer.id.int >> 76 == 7
    return {name: value for name, value in vars(answer).items() if name not in TIMES and (given or name != "id")}


def outcome(program, step):
    try:
        return told(getattr(program, step[0])(*step[1:]))
    except MetastoreError as error:
        return type(error).__name__, str(error)


@pytest.fixture
def stores(request, tmp_path):
    """A function that opens a new catalogue on each store."""
    servers = {each: request.getfixturevalue(each) for each in ("postgres", "mysql")}
    number = count()
    with ExitStack() as opened:

        def fresh():
            opened.close()
            addresses = ["memory:", f"{tmp_path}/{next(number)}.db", *(make() for make in servers.values())]
            return [opened.enter_context(Catalog.open(each, durability="normal")) for each in addresses]

        yield fresh


@given(steps=st.lists(steps, min_size=8, max_size=30))
@few(12)
def test_a_program_does_the_same_on_every_store(stores, steps):
    catalogs = stores()
    for step in steps:
        found = [outcome(Program(each), step) for each in catalogs]
        assert found == [found[0]] * len(STORES), (step, dict(zip(STORES, found, strict=True)))
    assert [each.check() for each in catalogs] == [[]] * len(STORES)

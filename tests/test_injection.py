"""S22-S24: hostile keys, values, sort fields, search and CQL2 texts reach the database as bound values or not at all."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, Link, absent, field, linked_from, matches, references
from metastore.errors import CursorError, MetastoreError, QueryError
from metastore.query import And, Compare, Followed, Matches, Order, Path, Rank
from metastore.testing._exam import few
from metastore.testing._hostile import KEYS, MATCH_TEXTS, TEXTS, WILD

ANY = st.text() | st.sampled_from((*TEXTS, *KEYS, *MATCH_TEXTS, "\0", "\ud800", "a\0b"))
"""Any text at all: also what no catalogue stores."""


class Hostage(Artifact, type_name="hostages"):
    size: Field[int] = field(default=0, index=True)
    label: Field[str | None] = field(default=None, index=True, max_length=64, folded=True)
    disk: Field[Blob | None] = field(default=None)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link["Hostage"] | None] = field(default=None)
    parents: Field[list[Link["Hostage"]]] = field(factory=list)


SHAPES = {
    "value": lambda text: Hostage.label == text,
    "range": lambda text: Hostage.name < text,
    "list": lambda text: Hostage.name.in_([text, "x", text + "y"]),
    "prefix": lambda text: Hostage.name.startswith(text + "x"),
    "part": lambda text: ~Hostage.label.contains(text + "x"),
    "folded": lambda text: Hostage.label.folded == text,
    "tag": Hostage.tags.contains,
    "key": lambda text: Hostage.properties[text] == "x",
    "nested key": lambda text: Hostage.properties["a"][text] == text,
    "key present": Hostage.properties.has_key,
    "key absent": lambda text: absent(Hostage.properties[text]),
    "layer": lambda text: Hostage.layers[text].size > 1,
    "url": lambda text: Hostage.disk.url == text,
    "reference": references,
    "followed": lambda text: Hostage.parent.name == text,
    "linked from": lambda text: linked_from(Hostage.parent, Hostage.name == text),
    "linked from a list": lambda text: linked_from(Hostage.parents, Hostage.properties[text] == text),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with Catalog.open(
        f"{tmp_path_factory.mktemp('hostage')}/catalog.db", durability="normal", types=[Hostage]
    ) as opened:
        base = opened.add(Hostage(name="x", label="x", tags=["x"], properties={"a": {"x": "x"}}))
        opened.add(Hostage(name="y", parent=Link(base), disk=Blob("s3://a/b")))
        yield opened
        assert opened.check() == []


def _explained(catalog, *predicates, **words):
    """The SQL of a find; a refused one counts as never sent."""
    try:
        return catalog.find(Hostage, *predicates, **words).explain().sql
    except MetastoreError:
        return None


@pytest.mark.parametrize("shape", SHAPES)
def test_the_statement_is_the_same_for_every_text(catalog, shape):
    plain = _explained(catalog, SHAPES[shape]("plain"))
    assert plain is not None

    @given(ANY)
    @example("\ud800")
    @example("\0")
    @few(60)
    def hold(text):
        try:
            asked = SHAPES[shape](text)
        except QueryError:
            return
        assert _explained(catalog, asked) in (plain, None)
        _run(lambda: catalog.find(Hostage, asked).all())

    hold()


def _run(work):
    """Run what may be refused, by errors of ours alone."""
    try:
        return work()
    except MetastoreError:
        return None


@given(ANY)
@example("a AND b OR c NEAR/3 d")
@few(100)
def test_a_search_is_words_and_never_syntax(catalog, text):
    found = _run(lambda: catalog.find(Hostage, matches(text)).all())
    assert found is not None or not text.isprintable()
    words = re.findall(r"\w+", text)
    if len(words) == 1 and text.isascii():
        assert _explained(catalog, matches(text)) == _explained(catalog, matches("plain"))
        inside = [_explained(catalog, matches(each, Hostage.name, Hostage.tags)) for each in (text, "plain")]
        assert inside[0] == inside[1] is not None


@given(ANY)
@few(60)
def test_an_order_by_a_key_binds_the_key(catalog, text):
    plain = _explained(catalog, order_by=[-Hostage.properties["plain"]])
    assert plain is not None
    assert _explained(catalog, order_by=[-Hostage.properties[text]]) in (plain, None)
    _run(lambda: catalog.find(Hostage, order_by=[-Hostage.properties[text]]).all())


@given(ANY)
@few(60)
def test_a_sort_field_that_is_text_is_refused(catalog, text):
    with pytest.raises(QueryError):
        catalog.find(Hostage, order_by=[text])


@given(ANY)
@few(100)
def test_a_field_by_any_name_is_the_spec_s_or_an_error(catalog, text):
    for ask in (
        lambda: catalog.find(Hostage, Compare(Path(text), "eq", 1)),
        lambda: catalog.find(Hostage, order_by=[Order(Path(text))]),
        lambda: catalog.find(Hostage, Followed("hostages", text, And(()))),
        lambda: catalog.find(Hostage, Followed(text, "parent", And(()))),
        lambda: catalog.find(Hostage, Matches(("a",), (text,))),
        lambda: catalog.find(Hostage, order_by=[Order(Rank(("a",), (text,)))]),
    ):
        if text not in Hostage.__fields_by_name__ and text != "hostages":
            with pytest.raises(MetastoreError):
                ask()


def test_the_columns_that_are_derived_are_nobody_s_field(catalog):
    for name in ("unique_key", "digest", "name__folded", "version__key", "rowid", "doc__n", "id; --"):
        with pytest.raises(MetastoreError):
            catalog.find(Hostage, Compare(Path(name), "eq", b"x"))


@given(ANY)
@few(60)
def test_a_cursor_of_any_text_is_refused(catalog, text):
    with pytest.raises(CursorError):
        catalog.find(Hostage, after=text, limit=1).page()


@given(st.one_of(ANY, st.lists(st.sampled_from((*WILD, "size", "name", "=", "'", "(", ")", "AND", "NOT", "LIKE", "1", "--", "properties", ".")))
                 .map(" ".join)))  # fmt: skip
@few(150)
def test_cql2_text_is_read_or_refused_with_a_position(catalog, text):
    found = _run(lambda: catalog.find(Hostage, catalog.parse(Hostage, text)).all())
    assert found is None or isinstance(found, list)


@given(ANY)
@few(60)
def test_a_text_inside_cql2_is_one_bound_value(catalog, text):
    literal = text.replace("'", "''")
    plain = _explained(catalog, catalog.parse(Hostage, "name = 'plain'"))
    asked = _run(lambda: catalog.parse(Hostage, f"name = '{literal}'"))
    if asked is not None:
        assert _explained(catalog, asked) in (plain, None)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | ANY,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("op", "args", "property")) | ANY, inner, max_size=3)))  # fmt: skip
@few(100)
def test_cql2_json_is_read_or_refused(catalog, data):
    if isinstance(data, dict):
        _run(lambda: catalog.find(Hostage, catalog.parse(Hostage, data)).all())


@given(
    st.dictionaries(ANY, st.none() | st.integers() | st.floats() | ANY | st.lists(ANY, max_size=2), max_size=3),
    st.lists(ANY, max_size=3),
    ANY,
)
@few(80)
def test_hostile_values_are_stored_as_they_are_or_refused(catalog, properties, tags, description):
    added = _run(
        lambda: catalog.add(
            Hostage(name="stored", version="1.0.0", properties=properties, tags=tags, description=description)
        )
    )
    if added is not None:
        stored = catalog.get(Hostage, added.id)
        assert (stored.properties, stored.tags, stored.description) == (properties, tags, description)
        catalog.delete(stored)


@given(
    st.sampled_from((2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"), True, "1", b"1", None, [], {}, object()))
)
def test_a_value_of_another_type_is_refused_before_the_database(catalog, value):
    for ask in (lambda: Hostage.size == value, lambda: Hostage.size.in_([value])):
        with pytest.raises(MetastoreError):
            catalog.find(Hostage, ask())


@pytest.mark.parametrize("depth", [90, 101, 5_000])
def test_deep_cql2_is_read_or_refused(catalog, depth):
    for text in (
        "(" * depth + "size = 1" + ")" * depth,
        "NOT " * depth + "size = 1",
        " AND ".join(["size = 1"] * depth),
    ):
        _run(lambda: catalog.find(Hostage, catalog.parse(Hostage, text)).all())  # noqa: B023 - called here

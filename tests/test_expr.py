"""The class side of a field: expressions that build nodes, and have no truth of their own."""

import enum
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    Link,
    Predicate,
    Version,
    absent,
    field,
    linked_from,
    matches,
    query,
    references,
)
from metastore._expr import Expr
from metastore.errors import QueryError, UnknownFieldError, VersionError
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Order,
    Path,
    References,
    Text,
)

NODES = [kind for kind in vars(query).values() if isinstance(kind, type) and issubclass(kind, Predicate)]


class Firmware(enum.Enum):
    BIOS = "bios"


@frozen
class Hardware:
    cores: int


class Image(Artifact, type_name="expr_images"):
    size: Field[int] = field(default=0)
    label: Field[str | None] = field(default=None)
    tested: Field[Version | None] = field(default=None, scheme="pep440")
    disk: Field[Blob | None] = field(default=None)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    limits: Field[dict[str, int]] = field(factory=dict)
    hardware: Field[Hardware | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)
    parents: Field[list[Link["Image"]]] = field(factory=list)
    anyone: Field[Link[Artifact] | None] = field(default=None)
    base: Field[Link["Disk"] | None] = field(default=None)


class Based(Artifact):
    base: Field[Link["Disk"] | None] = field(default=None)


class Disk(Based, type_name="expr_disks"):
    pass


EXPRESSIONS = [
    Image.size,
    Image.version,
    Image.disk,
    Image.disk.size,
    Image.layers,
    Image.layers["a"],
    Image.limits["a"],
    Image.tags,
    Image.parent,
    Image.parents,
    Image.parent.name,
    Image.parent.parent,
    Image.name.folded,
]


def made(kind):
    """Return a node of that class with empty insides."""
    return kind(*(None for _ in kind.__fields__))


@pytest.mark.parametrize("kind", NODES)
def test_no_node_has_a_truth_value(kind):
    node: Any = made(kind)
    for use in (
        lambda: bool(node),
        lambda: node and 1,
        lambda: node or 1,
        lambda: not node,
        lambda: 1 if node else 2,
        lambda: all([node]),
        lambda: [1 for _ in "a" if node],
    ):
        with pytest.raises(TypeError, match="&"):
            use()


def test_every_node_class_is_covered():
    assert {And, Or, Not, Compare, In, Absent, Text, Contains, HasKey, Follow, Followed, Matches, References} <= set(
        NODES
    )


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=repr)
def test_no_expression_has_a_truth_value(expr):
    for use in (lambda: bool(expr), lambda: not expr, lambda: expr and 1, lambda: expr or 1, lambda: 1 if expr else 2):
        with pytest.raises(TypeError, match="absent"):
            use()


def test_a_chained_comparison_is_refused():
    with pytest.raises(TypeError, match="&"):
        1 < Image.size < 3  # noqa: B015 - that is what is refused


@pytest.mark.parametrize("wrong", [True, 1, None, "x", Image.size])
def test_a_predicate_combines_with_predicates_only(wrong):
    predicate: Any = Image.size > 1
    for use in (lambda: predicate & wrong, lambda: wrong | predicate, lambda: predicate | wrong):
        with pytest.raises(TypeError):
            use()


@pytest.mark.parametrize("expr", [Image.size, Image.tags, Image.layers, Image.name, Image.parents], ids=repr)
def test_an_expression_cannot_be_iterated_or_searched(expr):
    for use in (lambda: list(expr), lambda: "a" in expr, lambda: [*expr]):
        with pytest.raises((TypeError, QueryError)):
            use()


def test_an_expression_is_no_key():
    with pytest.raises(TypeError):
        hash(Image.size)


@pytest.mark.parametrize(
    ("predicate", "node"),
    [
        (Image.size == 1, Compare(Path("size"), "eq", 1)),
        (Image.size != 1, Compare(Path("size"), "ne", 1)),
        (Image.size < 1, Compare(Path("size"), "lt", 1)),
        (Image.size <= 1, Compare(Path("size"), "le", 1)),
        (Image.size > 1, Compare(Path("size"), "gt", 1)),
        (Image.size >= 1, Compare(Path("size"), "ge", 1)),
        (1 < Image.size, Compare(Path("size"), "gt", 1)),  # noqa: SIM300 - the other way round
        (Image.size.in_(each for each in (1, 2)), In(Path("size"), (1, 2))),
        (Image.size.between(1, 2), And((Compare(Path("size"), "ge", 1), Compare(Path("size"), "le", 2)))),
        (Image.label.startswith("a"), Text(Path("label"), "starts", "a")),
        (Image.label.endswith("a"), Text(Path("label"), "ends", "a")),
        (Image.tags.contains("a"), Contains(Path("tags"), ("a",))),
        (Image.tags.contains_all(["a", "b"]), Contains(Path("tags"), ("a", "b"))),
        (Image.tags.contains_any(["a", "b"]), Contains(Path("tags"), ("a", "b"), every=False)),
        (Image.properties["a.b"] == 1, Compare(Path("properties", ("a.b",)), "eq", 1)),
        (Image.properties["a"]["b"] == None, Compare(Path("properties", ("a", "b")), "eq", None)),  # noqa: E711 - JSON null
        (Image.properties.has_key("k"), HasKey(Path("properties"), "k")),
        (Image.name.folded == "A", Compare(Path("name", folded=True), "eq", "A")),
        (Image.disk.size > 1, Compare(Path("disk", ("size",)), "gt", 1)),
        (Image.disk.sha256 == "0", Compare(Path("disk", ("digests", "sha256")), "eq", "0")),
        (Image.disk.digest("md5") == "0", Compare(Path("disk", ("digests", "md5")), "eq", "0")),
        (Image.layers["a.b"].url == "s3://a/b", Compare(Path("layers", ("a.b", "url")), "eq", "s3://a/b")),
        (Image.layers.has_key("a"), HasKey(Path("layers"), "a")),
        (Image.hardware["cores"] > 1, Compare(Path("hardware", ("cores",)), "gt", 1)),
        (absent(Image.parent), Absent(Path("parent"))),
        (absent(Image.disk), Absent(Path("disk"))),
        (Image.parent.name == "a", Follow(Path("parent"), "expr_images", Compare(Path("name"), "eq", "a"))),
        (Image.parents.any(Image.size > 1), Follow(Path("parents"), "expr_images", Compare(Path("size"), "gt", 1))),
        (
            Image.parent.parent.disk.size > 1,
            Follow(
                Path("parent"),
                "expr_images",
                Follow(Path("parent"), "expr_images", Compare(Path("disk", ("size",)), "gt", 1)),
            ),
        ),
        (~(Image.size == 1), Not(Compare(Path("size"), "eq", 1))),
        (references("s3://a/b"), References("s3://a/b")),
        (matches("Debian, debian! Rescue"), Matches(("debian", "rescue"))),
        (matches(""), Matches(())),
        (matches("a", Image.name, Image.tags), Matches(("a",), ("name", "tags"))),
        (linked_from(Image.parent), Followed("expr_images", "parent", And(()))),
        (
            linked_from(Image.parents, Image.size == 1),
            Followed("expr_images", "parents", Compare(Path("size"), "eq", 1)),
        ),
        (
            linked_from(Image.anyone, Image.size == 1, absent(Image.label)),
            Followed("expr_images", "anyone", And((Compare(Path("size"), "eq", 1), Absent(Path("label"))))),
        ),
        (
            linked_from(Image.parent.base, Image.size == 1),
            Followed("expr_images", "base", Followed("expr_images", "parent", Compare(Path("size"), "eq", 1))),
        ),
    ],
    ids=repr,
)
def test_an_expression_builds_the_node_it_reads_as(predicate, node):
    assert predicate == node
    assert type(predicate) is type(node)


def test_and_and_or_grow_flat():
    one, two, three = (Image.size == at for at in range(3))
    assert one & two & three == And((one, two, three))
    assert (one | two) | three == Or((one, two, three))
    assert (one | two) & three == And((Or((one, two)), three))


def test_a_minus_orders_descending_and_two_ascend_again():
    assert -Image.size == Order(Path("size"), descending=True)
    down = -Image.size
    assert -down == Order(Path("size"))


@pytest.mark.parametrize("how", ["caret", "tilde"])
def test_a_range_that_its_scheme_refuses_is_refused(how):
    with Catalog.open("memory:") as catalog:
        for text in ("", "no version", "^1.0.0"):
            with pytest.raises((VersionError, QueryError)):
                catalog.find(Image, getattr(Image.version, how)(text))


def test_a_range_of_the_version_is_read_by_the_scheme_of_the_type():
    class Part(Artifact, type_name="parts_of_debian", scheme="debian"):
        whole: Field[Link["Part"] | None] = field(default=None)

    with Catalog.open("memory:") as catalog:
        one = catalog.add(Part(name="one", version="1:2.0-3"))
        catalog.add(Part(name="two", version="0:2.0-3", whole=Link(one)))
        for how in ("caret", "tilde"):
            assert catalog.find(Part, getattr(Part.version, how)("1:2.0-1")).one().name == "one"
            assert catalog.find(Part, getattr(Part.whole.version, how)("1:2.0~rc1")).one().name == "two"
    with pytest.raises(VersionError, match="'debian'"):
        Part.version.caret("no version")


def test_none_is_asked_with_absent():
    for ask in (lambda: Image.label == None, lambda: Image.label != None, lambda: Image.size < None):  # noqa: E711 - that is what is refused
        with pytest.raises(QueryError, match="absent"):
            ask()


def test_a_link_is_compared_by_its_parts_only():
    image = Image(name="a")
    for ask in (lambda: Image.parent == Link(image), lambda: Image.parent != None, lambda: Image.parents == []):  # noqa: E711 - that is what is refused
        with pytest.raises(QueryError, match="absent"):
            ask()


def test_a_misspelt_field_behind_a_link_gets_the_nearest_one():
    with pytest.raises(UnknownFieldError, match="did you mean 'size'"):
        Image.parent.sise


def test_a_link_to_any_type_cannot_be_followed():
    with pytest.raises(QueryError, match="any type"):
        Image.anyone.name
    assert absent(Image.anyone) == Absent(Path("anyone"))


@pytest.mark.parametrize("wrong", ["size", None, 3, Image(name="a"), Image])
def test_absent_takes_a_field(wrong):
    with pytest.raises(QueryError):
        absent(wrong)


@pytest.mark.parametrize("wrong", ["size", None, 3, Image(name="a"), Image, Image.size, Image.size == 1])
def test_linked_from_takes_a_link(wrong):
    with pytest.raises(QueryError, match="expected a link like"):
        linked_from(wrong)


def test_a_link_begins_at_the_class_that_it_was_asked_of():
    assert linked_from(Disk.base) == Followed("expr_disks", "base", And(()))
    with pytest.raises(QueryError, match="Based is no type of its own"):
        linked_from(Based.base)


@pytest.mark.parametrize("wrong", ["name", None, Image, Image.parent, Image.parent.name, Image.name.folded], ids=repr)
def test_matches_searches_fields_of_the_artifact_itself(wrong):
    with pytest.raises(QueryError, match="expected a searched field"):
        matches("a", Image.name, wrong)


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["a"]])
def test_matches_and_references_take_text(wrong):
    with pytest.raises(QueryError):
        matches(wrong)
    with pytest.raises(QueryError):
        references(wrong)


def test_a_key_is_text():
    for wrong in (1, None, b"a"):
        with pytest.raises(QueryError):
            Image.properties[wrong]


@pytest.mark.parametrize("ask", [Image.name.in_, Image.tags.contains_any, Image.tags.contains_all])
def test_one_text_is_not_several_values(ask):
    with pytest.raises(QueryError):
        ask("abc")


def test_an_order_cannot_follow_a_link():
    with pytest.raises(QueryError):
        -Image.parent.name


def test_an_expression_reads_as_it_was_written():
    shown = [
        repr(each)
        for each in (Image.size, Image.properties["a.b"], Image.name.folded, Image.parent.parent.name, Image.parent)
    ]
    assert shown == ["size", "properties['a.b']", "name.folded", "parent.parent.name", "parent"]


def test_an_abstract_base_has_expressions_too():
    assert isinstance(Artifact.name, Expr)
    assert (Artifact.name == "a") == (Image.name == "a")


def test_building_a_predicate_asks_nothing():
    with Catalog.open("memory:") as catalog:
        predicate = (Image.size > 1) & Image.tags.contains("a") & (Image.created_at > datetime.now(UTC))
        assert catalog.types() == []
        assert repr(predicate).startswith("And(")

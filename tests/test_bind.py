"""Binding: names become checked paths, values row values, or an error before the database is touched."""

import enum
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from uuid import UUID, uuid4

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Field, Link, Version, absent, field, linked_from, matches, references, spec_of
from metastore._bind import Binder
from metastore.errors import QueryError, UnknownFieldError
from metastore.query import (
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
    Predicate,
    Rank,
    References,
    Text,
    walk,
)

NAN = float("nan")
AT = datetime(2024, 1, 1, tzinfo=UTC)
MICROS = 1_704_067_200_000_000
IDENT = UUID(int=7)


class Firmware(enum.Enum):
    BIOS = "bios"


@frozen
class Hardware:
    cores: int
    flags: dict[str, int] = attrs.field(factory=dict)


class Image(Artifact, type_name="bound_images"):
    size: Field[int] = field(default=0, ge=0)
    ratio: Field[float | None] = field(default=None)
    ready: Field[bool] = field(default=False)
    label: Field[str | None] = field(default=None, max_length=9, folded=True)
    note: Field[str | None] = field(default=None)
    arch: Field[Literal["x86_64"] | None] = field(default=None)
    firmware: Field[Firmware | None] = field(default=None)
    built: Field[datetime | None] = field(default=None)
    tested: Field[Version | None] = field(default=None, scheme="debian")
    serial: Field[UUID | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    limits: Field[dict[str, int]] = field(factory=dict)
    ports: Field[list[int]] = field(factory=list)
    parts: Field[list[Hardware]] = field(factory=list)
    hardware: Field[Hardware | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)
    parents: Field[list[Link["Image"]]] = field(factory=list)
    anyone: Field[Link[Artifact] | None] = field(default=None)


class Shelf(Artifact, type_name="bound_shelves"):
    image: Field[Link[Image] | None] = field(default=None)
    images: Field[list[Link[Image]]] = field(factory=list)
    beside: Field[Link["Shelf"] | None] = field(default=None)
    anything: Field[Link[Artifact] | None] = field(default=None)
    rows: Field[int] = field(default=0)


SPEC = spec_of(Image)
BINDER = Binder(SPEC, {SPEC.name: SPEC, "bound_shelves": spec_of(Shelf)}.get)
ROWS = Compare(Path("rows", kind="int"), "eq", 1)


def bound(*predicates):
    return BINDER.where(predicates)


def refused(predicate):
    with pytest.raises(QueryError) as caught:
        bound(predicate)
    return str(caught.value)


@pytest.mark.parametrize(
    ("predicate", "node"),
    [
        (Image.size > 5, Compare(Path("size", kind="int"), "gt", 5)),
        (Image.size > -5, Compare(Path("size", kind="int"), "gt", -5)),
        (Image.ratio > 5, Compare(Path("ratio", kind="float"), "gt", 5.0)),
        (Image.ready == True, Compare(Path("ready", kind="bool"), "eq", 1)),  # noqa: E712 - a predicate
        (Image.label == "A" * 100, Compare(Path("label", kind="str"), "eq", "A" * 100)),
        (Image.label.folded == "Straße", Compare(Path("label", folded=True, kind="str"), "eq", "strasse")),
        (Image.arch == "z80", Compare(Path("arch", kind="str"), "eq", "z80")),
        (Image.firmware == Firmware.BIOS, Compare(Path("firmware", kind="str"), "eq", "bios")),
        (
            Image.built == AT.astimezone(timezone(timedelta(hours=5))),
            Compare(Path("built", kind="datetime"), "eq", MICROS),
        ),
        (Image.serial == str(IDENT), Compare(Path("serial", kind="id"), "eq", IDENT.bytes)),
        (Image.id.in_([IDENT]), In(Path("id", kind="id"), (IDENT.bytes,))),
        (Image.version == "1.0.0", Compare(Path("version", kind="version"), "eq", "1.0.0")),
        (Image.version.in_(["1.0.0", Version("2.0.0")]), In(Path("version", kind="version"), ("1.0.0", "2.0.0"))),
        (Image.version > "1.0.0", Compare(Path("version", kind="version"), "gt", (Version("1.0.0").key, "1.0.0"))),
        (
            Image.tested > "1:0-1",
            Compare(Path("tested", kind="version"), "gt", (Version("1:0-1", "debian").key, "1:0-1")),
        ),
        (Image.disk.size > 5, Compare(Path("disk", ("size",), kind="int"), "gt", 5)),
        (Image.disk.url == "s3://a/b", Compare(Path("disk", ("url",), kind="str"), "eq", "s3://a/b")),
        (
            Image.layers["a.b"].sha256 == "00",
            Compare(Path("layers", ("a.b", "digests", "sha256"), kind="str"), "eq", "00"),
        ),
        (Image.layers.has_key("a.b"), HasKey(Path("layers", kind="folder"), "a.b")),
        (Image.limits["cpu"] > 5, Compare(Path("limits", ("cpu",), kind="json"), "gt", 5)),
        (Image.properties["a"] == [1], Compare(Path("properties", ("a",), kind="json"), "eq", [1])),
        (Image.properties["a"] == None, Compare(Path("properties", ("a",), kind="json"), "eq", None)),  # noqa: E711 - JSON null
        (Image.hardware["cores"] > 5, Compare(Path("hardware", ("cores",), kind="int"), "gt", 5)),
        (Image.tags.contains("a"), Contains(Path("tags", kind="list"), ("a",))),
        (Image.ports.contains(5), Contains(Path("ports", kind="list"), (5,))),
        (Image.note.contains("a%"), Text(Path("note", kind="str"), "contains", "a%")),
        (Image.name.folded.startswith("É"), Text(Path("name", folded=True, kind="str"), "starts", "é")),
        (
            Image.parent.size > 5,
            Follow(Path("parent", kind="link"), "bound_images", Compare(Path("size", kind="int"), "gt", 5)),
        ),
        (references("s3://a/b"), References("s3://a/b")),
        (matches("a b"), Matches(("a", "b"))),
        (matches("a", Image.name, Image.tags, Image.name), Matches(("a",), ("tags", "name"))),
        (linked_from(Shelf.image), Followed("bound_shelves", "image", And(()))),
        (linked_from(Shelf.images, Shelf.rows == 1), Followed("bound_shelves", "images", ROWS)),
        (linked_from(Shelf.anything, Shelf.rows == 1), Followed("bound_shelves", "anything", ROWS)),
        (
            linked_from(Shelf.beside.image, Shelf.rows == 1),
            Followed("bound_shelves", "image", Followed("bound_shelves", "beside", ROWS)),
        ),
    ],
    ids=repr,
)
def test_a_bound_node_carries_kinds_and_row_values(predicate, node):
    assert bound(predicate) == node


@pytest.mark.parametrize(
    "predicate",
    [
        Image.size > "x",
        Image.size > 1.5,
        Image.size == True,  # noqa: E712 - a predicate
        Image.size < 2**63,
        Image.size.in_([1, "x"]),
        Image.size.between(1, None),
        Image.ratio == NAN,
        Image.ratio < float("inf"),
        Image.ready == 1,
        Image.ready.in_([0]),
        Image.note == 5,
        Image.note == b"x",
        Image.note == "\0",
        Image.note == "a\ud800",
        Image.note.startswith(5),
        Image.note.contains("\ud800"),
        Image.firmware == 5,
        Image.built > "2024-01-01",
        Image.built > datetime(2024, 1, 1),
        Image.serial == "no id",
        Image.serial > IDENT,
        Image.id == 5,
        Image.version > "no version",
        Image.version == Version("1.0", "pep440"),
        Image.tested == "1.0~~ ~",
        Image.disk == Blob(),
        Image.disk > 5,
        Image.disk.size > "x",
        Image.disk.digest("md6") == "0",
        Image.layers == {},
        Image.layers["\ud800"].size > 5,
        Image.limits > 5,
        Image.limits["a"] > [],
        Image.limits.has_key("\0"),
        Image.properties["a"] == {1},
        Image.properties["a"] == NAN,
        Image.properties["a"] < None,
        Image.hardware == Hardware(1),
        Image.hardware["cores"] == "x",
        Image.hardware["cores"]["deep"] == 1,
        Image.hardware["flags"]["a"] == 1,
        Image.tags == ["a"],
        Image.tags.contains(5),
        Image.tags.contains(None),
        Image.ports.contains("5"),
        Image.parts.contains(Hardware(1)),
        Image.size.contains(5),
        Image.size.startswith("5"),
        Image.size.has_key("a"),
        Image.note.folded == "a",
        Image.size.folded == 5,
        matches("a", Image.note),
        matches("a", Image.size),
        *(Matches((word,)) for word in ('a"', "a b", "A", "", "\xa7" + "0" * 32)),
        matches(" ".join(f"w{at}" for at in range(201))),
        linked_from(Shelf.image, Shelf.rows == "x"),
        linked_from(Shelf.beside, Shelf.rows == 1),
        linked_from(Shelf.image, "rows = 1"),
        Followed("nowhere", "image", And(())),
        Followed("bound_shelves", "rows", And(())),
        Image.size["a"] == 5,
        Image.note["a"] == 5,
        Image.built["year"] == 5,
    ],
    ids=repr,
)
def test_what_the_type_cannot_answer_is_refused_in_one_error(predicate):
    refused(predicate)
    refused(~predicate)
    refused((Image.size == 1) | predicate)
    refused(Image.parents.any(predicate))


def test_a_refusal_names_field_types_and_place():
    assert refused(Image.size > "x") == "size of bound_images cannot be asked so: expected int at size, got str"
    assert "disk of bound_images is blob" in refused(Image.disk == Blob())
    assert "declare it with folded=True" in refused(Image.note.folded == "a")
    assert "note of bound_images is not searched" in refused(matches("a", Image.note))
    assert "leads to bound_shelves, never to bound_images" in refused(linked_from(Shelf.beside))
    assert "knows no type 'nowhere'" in refused(Followed("nowhere", "image", And(())))


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (Compare(Path("sise"), "eq", 1), "did you mean 'size'"),
        (Compare(Path("size'; DROP TABLE x; --"), "eq", 1), "bound_images has no field"),
        (Compare(Path("unique_key"), "eq", b""), "no field 'unique_key'"),
        (Compare(Path("version__key"), "eq", ""), "no field 'version__key'"),
        (Compare(Path(""), "eq", 1), "no field ''"),
        (Image.hardware["core"] == 1, "did you mean 'cores'"),
        (Follow(Path("parent"), "bound_images", Compare(Path("sise"), "eq", 1)), "did you mean 'size'"),
        (Followed("bound_shelves", "imag", And(())), "did you mean 'image'"),
        (Followed("bound_shelves", "image", Compare(Path("row"), "eq", 1)), "did you mean 'rows'"),
        (Matches(("a",), ("nam",)), "did you mean 'name'"),
    ],
    ids=repr,
)
def test_an_unknown_name_gets_the_nearest_spelling(predicate, words):
    with pytest.raises(UnknownFieldError, match=words):
        bound(predicate)


def test_a_name_that_is_unknown_is_both_a_query_and_a_field_mistake():
    with pytest.raises((QueryError, UnknownFieldError)):
        bound(Compare(Path("sise"), "eq", 1))


@pytest.mark.parametrize(
    "predicate",
    [
        Follow(Path("parent"), "other_type", Image.size == 1),
        Follow(Path("anyone"), "bound_images", Image.size == 1),
        Follow(Path("size"), "bound_images", Image.size == 1),
        Follow(Path("disk"), "bound_images", Image.size == 1),
    ],
    ids=repr,
)
def test_a_link_is_followed_to_its_own_type_only(predicate):
    try:
        node = bound(predicate)
    except QueryError:
        return
    assert node.target == "bound_images"


@pytest.mark.parametrize("wrong", [None, "size > 1", 5, True, Image.size, Image, lambda: True])
def test_what_is_no_predicate_is_refused(wrong):
    with pytest.raises(QueryError, match="predicate"):
        bound(wrong)


def test_several_predicates_are_a_conjunction_and_none_holds_always():
    assert bound() == And(())
    assert bound(Image.size == 1, Image.size == 2) == And((bound(Image.size == 1), bound(Image.size == 2)))


@pytest.mark.parametrize("depth", [99, 100, 101, 5000])
def test_a_predicate_nests_a_hundred_deep(depth):
    predicate: Predicate = Image.size == 1
    for at in range(depth):
        predicate = Or((And(()), predicate)) if at % 2 else And((Or(()), predicate))
    if depth < 100:
        bound(predicate)
    elif depth > 100:
        refused(predicate)


@pytest.mark.parametrize(
    ("key", "order"),
    [
        (Image.size, Order(Path("size", kind="int"))),
        (-Image.name.folded, Order(Path("name", folded=True, kind="str"), descending=True)),
        (-Image.version, Order(Path("version", kind="version"), descending=True)),
        (Image.id, Order(Path("id", kind="id"))),
        (Image.disk.size, Order(Path("disk", ("size",), kind="int"))),
        (Image.properties["a.b"], Order(Path("properties", ("a.b",), kind="json"))),
        (Order(Rank(("a",)), descending=True), Order(Rank(("a",)), descending=True)),
        (Order(Rank(("a",), ("name", "tags"))), Order(Rank(("a",), ("tags", "name")))),
    ],
    ids=repr,
)
def test_a_sort_key_is_bound(key, order):
    assert BINDER.order([key]) == (order,)


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "name DESC",
        None,
        5,
        Image.tags,
        Image.disk,
        Image.disk.url,
        Image.layers,
        Image.properties,
        Image.hardware,
        Image.parent,
        Image.parents,
        Image.size == 1,
        Order(Path("sise")),
        Order(Rank(("a",), ("sise",))),
        Order(Rank(("a",), ("size",))),
    ],
    ids=repr,
)
def test_what_has_no_order_is_refused(key):
    with pytest.raises((QueryError, UnknownFieldError)):
        BINDER.order([key])


LEAVES = st.sampled_from(
    [
        Image.size == 1,
        Image.ready.in_([True]),
        absent(Image.label),
        matches("a"),
        Image.parent.size > 1,
        linked_from(Image.parent, ~((Image.size < 1) | matches("a", Image.name))),
        ~(Image.size < 1),
    ]
)


@given(
    st.recursive(
        LEAVES,
        lambda inner: (
            inner.map(lambda a: ~a)
            | st.tuples(inner, inner).map(lambda ab: ab[0] & ab[1])
            | st.tuples(inner, inner).map(lambda ab: ab[0] | ab[1])
        ),
    )
)
def test_after_binding_negation_stands_on_leaves_and_every_path_has_its_kind(predicate):
    for node in walk(bound(predicate)):
        assert not (isinstance(node, Not) and isinstance(node.item, And | Or | Not))
        path: Any = getattr(node, "path", None)
        assert path is None or path.kind == SPEC.by_name[path.field].kind


@pytest.mark.parametrize("link", [Image.parents.any, lambda where: linked_from(Image.parent, where)])
def test_a_walk_goes_on_at_the_other_end_of_a_link(link):
    inner, shape = Image.size == 1, [Not, type(link(And(()))), Or, Compare, Compare]
    assert [type(each) for each in walk(~link(inner | (Image.size == 2)))] == shape


@given(st.text())
def test_any_key_is_kept_whole_or_refused(key):
    try:
        node = bound(Image.properties[key] == 1)
    except QueryError:
        assert "\0" in key or any("\ud800" <= each <= "\udfff" for each in key)
    else:
        assert node.path.keys == (key,)


@given(st.text())
def test_any_field_name_is_known_or_refused(name):
    if name not in SPEC.by_name:
        with pytest.raises(UnknownFieldError):
            bound(Compare(Path(name), "eq", 1))


def test_an_unknown_artifact_is_no_value():
    assert bound(Image.id == uuid4()) is not None
    refused(Image.id == Image(name="a"))

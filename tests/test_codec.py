"""Artifact to row and back: exact, complete, and refusing before anything is written."""

import enum
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, Link, Record, Version, field, spec_of
from metastore import _data as data
from metastore._codec import Codec
from metastore._values import to_column
from metastore.errors import UnknownFieldError, ValidationError
from metastore.testing._artifacts import artifacts, classes

TIME = 1_704_067_200_000_000


class Mode(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 2


@frozen
class Hardware:
    cores: int
    mode: Mode = Mode.FAST
    seen: list[datetime] = attrs.field(factory=list)


class Image(Artifact, type_name="coded_images"):
    size: Field[int] = field(default=0, ge=0, le=9)
    ratio: Field[float] = field(default=0.0)
    level: Field[Level | None] = field(default=None)
    mode: Field[Mode] = field(default=Mode.FAST)
    modes: Field[list[Mode]] = field(factory=list)
    levels: Field[dict[str, Level]] = field(factory=dict)
    hardware: Field[Hardware | None] = field(default=None)
    machines: Field[list[Hardware]] = field(factory=list)
    built: Field[datetime | None] = field(default=None)
    times: Field[list[datetime]] = field(factory=list)
    versions: Field[list[Version]] = field(factory=list)
    serials: Field[list[UUID]] = field(factory=list)
    disk: Field[Blob | None] = field(default=None)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link["Image"] | None] = field(default=None)
    parents: Field[list[Link["Image"]]] = field(factory=list)
    anything: Field[list[Any]] = field(factory=list)
    label: Field[str | None] = field(default=None, folded=True)


class Plain(Record, type_name="coded_plain"):
    pass


CODEC = Codec(Image, spec_of(Image))


def stored(artifact, codec=CODEC):
    return codec.stamp(codec.encode(vars(artifact)), revision=1, time=TIME)


def column(row, name):
    return row[CODEC.spec.position[name]]


VALUES = {
    "size": 9,
    "ratio": 0.1,
    "level": Level.HIGH,
    "modes": [Mode.FAST],
    "levels": {"a.b": Level.HIGH},
    "hardware": Hardware(1, Mode.FAST, [datetime(2024, 1, 1, tzinfo=UTC)]),
    "machines": [Hardware(1), Hardware(2)],
    "built": datetime(1, 1, 1, tzinfo=UTC),
    "times": [datetime.max.replace(tzinfo=UTC)],
    "versions": [Version("1.0.0-rc.1")],
    "serials": [UUID(int=1)],
    "disk": Blob("s3://a/b", size=1),
    "layers": {"": Blob()},
    "parent": Link(UUID(int=2)),
    "parents": [Link(UUID(int=3))],
    "anything": [None, {"a": [1.5, "x"]}],
    "label": "Straße",
    "tags": ["b", "a"],
    "properties": {"a.b": {"c": None}},
    "owner": "ann",
    "description": "\U0010ffff",
    "version": Version("1.0.0+build"),
}


@pytest.mark.parametrize("name", VALUES)
def test_every_value_comes_back_as_the_type_it_was(name):
    back = getattr(CODEC.decode(stored(Image(name="a", **{name: VALUES[name]}))), name)
    assert (back, type(back)) == (VALUES[name], type(VALUES[name]))


@pytest.mark.parametrize(
    ("name", "inside"),
    [("modes", lambda back: back[0]), ("levels", lambda back: back["a.b"]), ("hardware", lambda back: back.mode)],
)
def test_enums_inside_come_back_as_enums(name, inside):
    back = inside(getattr(CODEC.decode(stored(Image(name="a", **{name: VALUES[name]}))), name))
    assert isinstance(back, enum.Enum)


@given(st.data())
def test_any_artifact_of_any_class_comes_back(data):
    cls = data.draw(classes())
    codec = Codec(cls, spec_of(cls))
    made = data.draw(artifacts(cls, [uuid4()]))
    row = stored(made, codec)
    assert len(row) == len(codec.spec.columns)
    assert stored(codec.decode(row), codec) == row


@given(st.data())
def test_a_row_holds_plain_values_of_the_column_s_storage(data):
    cls = data.draw(classes())
    spec = spec_of(cls)
    kinds = {"integer": int, "real": float, "text": str, "bytes": bytes}
    for held, at in zip(stored(data.draw(artifacts(cls)), Codec(cls, spec)), spec.columns, strict=True):
        assert held is None or type(held) is kinds[at.storage], at


@given(st.data())
def test_what_is_written_at_a_glance_is_what_the_judge_of_values_says(data):
    cls = data.draw(classes())
    artifact, codec = data.draw(artifacts(cls)), Codec(cls, spec_of(cls))
    row = codec.encode(artifact.__dict__)
    for name, at, _ in codec.content:
        judged = to_column(codec.spec.by_name[name], artifact.__dict__[name], "$")
        assert (type(row[at]), row[at]) == (type(judged), judged)
    assert tuple(codec.patch(row, {}, {"owner": row[codec.spec.position["owner"]]})) == tuple(row)


def test_what_is_usual_to_the_class_is_written_where_the_stored_spec_has_another_default():
    stored_spec = spec_of(Image)
    wider = tuple(data.evolve(each, default=5) if each.name == "size" else each for each in stored_spec.fields)
    codec = Codec(Image, data.evolve(stored_spec, fields=wider))
    sizes = [codec.encode(Image(name="a", size=size).__dict__)[codec.spec.position["size"]] for size in (0, 5, 7)]
    assert sizes == [0, 5, 7]


@pytest.mark.parametrize("tags", [["a", "a"], ["a\0"], ["\ud800"], ["é", "é"], [1], ("a",), None, ["a", None]])
def test_tags_that_are_not_usual_are_judged_one_by_one(tags):
    with pytest.raises(ValidationError, match=r"\$\.tags"):
        CODEC.encode({**Image(name="x").__dict__, "tags": tags})


def test_derived_columns_are_computed():
    row = stored(Image(name="Straße", version="1.0.0-rc.1"))
    assert (column(row, "name__folded"), column(row, "version__key")) == ("strasse", Version("1.0.0-rc.1").key)
    assert column(row, "label__folded") is None


def test_a_change_computes_again_what_is_derived():
    before = stored(Image(name="a", label="X"))
    after = CODEC.patch(before, {"label": "Y", "name": "B"})
    assert (column(after, "label__folded"), column(after, "name__folded")) == ("y", "b")
    assert column(after, "unique_key") != column(before, "unique_key")
    assert column(after, "digest") != column(before, "digest")
    assert column(before, "label__folded") == "x"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("size", "1", r"expected int at \$\.size, got str"),
        ("size", 10, r"expected at most 9 at \$\.size, got 10"),
        ("size", True, r"expected int at \$\.size, got bool"),
        ("size", None, r"expected int at \$\.size, got None"),
        ("hardware", Hardware("x"), r"expected int at \$\.hardware\.cores, got str"),
        ("hardware", {"cores": 1}, r"expected an object with cores, mode, seen at \$\.hardware, got dict"),
        ("machines", [Hardware(1), Hardware(2**63)], r"64 bits at \$\.machines\[1\]\.cores"),
        ("modes", ["slow"], r"at \$\.modes\[0\]"),
        ("layers", {"a": 1}, r"expected Blob at \$\.layers\['a'\], got int"),
        ("parents", [Link(UUID(int=1)), UUID(int=1)], r"expected Link at \$\.parents\[1\], got UUID"),
        ("properties", {"a": [{"b": {1}}]}, r"at \$\.properties\['a'\]\[0\]\['b'\], got set"),
        ("tags", ["a", "a"], r"each item once at \$\.tags"),
        ("tags", "abc", r"expected list at \$\.tags, got str"),
        ("name", "", r"at least 1 characters at \$\.name, got 0"),
        ("name", "n" * 256, r"at most 255 characters at \$\.name, got 256"),
        ("name", None, r"expected str at \$\.name, got None"),
        ("owner", "", r"\$\.owner"),
        ("status", "Active", r"\$\.status"),
        ("visibility", "secret", r"\$\.visibility"),
        ("version", 1, r"expected Version at \$\.version, got int"),
        ("version", Version("1.0", "pep440"), r"expected a semver version at \$\.version, got a pep440 one"),
        ("built", datetime(2024, 1, 1), r"time zone .*at \$\.built, got a naive one"),
    ],
)
def test_a_refusal_names_the_place(name, value, words):
    with pytest.raises(ValidationError, match=words):
        CODEC.encode(vars(Image(name="a")) | {name: value})
    with pytest.raises(ValidationError, match=words):
        CODEC.patch(stored(Image(name="a")), {name: value})


def test_an_unknown_field_gets_the_nearest_spelling():
    with pytest.raises(UnknownFieldError, match="Image has no field 'sise': did you mean 'size'"):
        CODEC.patch(stored(Image(name="a")), {"sise": 1})


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "revision"])
def test_what_the_catalogue_sets_cannot_be_changed(name):
    with pytest.raises(ValidationError, match=f"{name}.*set by the catalogue"):
        CODEC.patch(stored(Image(name="a")), {name: 5})


# --- identity of content ---


def test_the_digest_is_that_of_the_content_and_of_nothing_else():
    one = Image(name="a")
    row = stored(one)
    later = CODEC.stamp(CODEC.encode(vars(one)), revision=5, time=TIME + 1)
    assert column(row, "digest") == column(later, "digest")
    assert column(stored(evolve(one, size=1)), "digest") != column(row, "digest")
    assert column(stored(evolve(one, size=1, tags=[])), "digest") == column(stored(evolve(one, size=1)), "digest")


def test_the_digest_can_be_computed_by_hand():
    made = Plain(version="1.0.0", tags=["a"])
    codec = Codec(Plain, spec_of(Plain))
    text = json.dumps(
        ["coded_plain", {"id": made.id.hex, "tags": '["a"]', "version": "1.0.0"}], sort_keys=True, separators=(",", ":")
    )
    assert stored(made, codec)[-1] == hashlib.sha256(text.encode()).digest()


def test_a_field_added_later_changes_no_digest():
    class Wider(Plain, type_name="coded_plain"):
        extra: Field[int] = field(default=5)

    made = Wider(version="1.0.0")
    assert stored(made, Codec(Wider, spec_of(Wider)))[-1] == stored(made, Codec(Plain, spec_of(Plain)))[-1]


# --- uniqueness (door 11) ---


def key(**values):
    return CODEC.unique_key(Image(**{"name": "a", "version": "1.0.0", **values}))


def test_the_unique_key_is_of_type_name_version_and_while_private_of_the_owner():
    assert key() == key(size=5)
    assert (
        len({key(), key(name="b"), key(version="1.0.1"), key(version="1.0.0+b"), key(owner="ann"), key(owner="bob")})
        == 6
    )


def test_once_public_the_owner_does_not_count():
    assert key(visibility="public", owner="ann") == key(visibility="public") != key()
    assert key(visibility="shared", owner="ann") == key(owner="ann")


@pytest.mark.parametrize(
    "pair",
    [
        ({"owner": None}, {"owner": "null"}),
        ({"name": "a", "owner": "b"}, {"name": "b", "owner": "a"}),
        ({"name": "n" * 255}, {"name": "n" * 254}),
    ],
)
def test_different_scopes_have_different_keys(pair):
    assert key(**pair[0]) != key(**pair[1])


def test_a_type_without_a_scope_has_no_key():
    assert Codec(Plain, spec_of(Plain)).unique_key(Plain()) is None


# --- a stored type that is wider than the class ---


class Newer(Artifact, type_name="coded_evolving"):
    size: Field[int] = field(default=1)
    colour: Field[str] = field(default="red")
    notes: Field[list[str]] = field(factory=list)


class Older(Artifact, type_name="coded_evolving"):
    size: Field[int] = field(default=1)


def test_what_a_newer_program_wrote_survives_an_older_one():
    newer, older = Codec(Newer, spec_of(Newer)), Codec(Older, spec_of(Newer))
    row = stored(Newer(name="a", colour="blue", notes=["x"]), newer)
    seen = older.decode(row)
    assert not hasattr(seen, "colour")
    back = newer.decode(older.stamp(older.patch(row, {"size": 7}), revision=2, time=TIME))
    assert (back.size, back.colour, back.notes) == (7, "blue", ["x"])


def test_an_older_program_adds_with_the_defaults_of_the_newer_one():
    newer, older = Codec(Newer, spec_of(Newer)), Codec(Older, spec_of(Newer))
    back = newer.decode(stored(Older(name="a"), older))
    assert (back.colour, back.notes) == ("red", [])
    with pytest.raises(UnknownFieldError):
        older.patch(stored(Older(name="a"), older), {"colour": "blue"})


# --- what cannot be read can never be stored ---


@attrs.define
class Fussy:
    part: int = attrs.field(validator=attrs.validators.lt(5))


class Strict(Artifact, type_name="coded_strict"):
    fussy: Field[Fussy | None] = field(default=None)


@pytest.fixture(params=["memory", "sqlite"])
def catalog(request, tmp_path):
    with Catalog.open("memory:" if request.param == "memory" else str(tmp_path / "catalog.db")) as opened:
        yield opened
        assert opened.check() == []


def test_what_its_own_class_would_refuse_is_not_written(catalog):
    fussy = Fussy(1)
    object.__setattr__(fussy, "part", 7)
    for write in (
        lambda: catalog.add(Strict(name="a", fussy=fussy)),
        lambda: catalog.update(catalog.get(Strict, name="good"), fussy=fussy),
        lambda: catalog.upsert(Strict(name="good", fussy=fussy)),
        lambda: catalog.add_many([Strict(name="a", fussy=fussy)]),
    ):
        if not catalog.count(Strict):
            catalog.add(Strict(name="good"))
        with pytest.raises(ValidationError):
            write()
    assert [each.name for each in catalog.find(Strict)] == ["good"]
    assert catalog.stats()["changes"] == 1


def test_what_is_read_is_not_shared(catalog):
    made = catalog.add(Image(name="a", tags=["x"], properties={"a": [1]}))
    made.tags.append("y")
    made.properties["a"].append(2)
    again = catalog.get(Image, made.id)
    assert (again.tags, again.properties) == (["x"], {"a": [1]})


def test_the_new_system_fields_come_back_as_they_went(catalog):
    until = datetime(2030, 1, 1, tzinfo=UTC)
    made = catalog.add(Image(name="a", hidden=True, protected=True, hold="case 7", expires_at=until))
    again = catalog.get(Image, made.id)
    assert (again.hidden, again.protected, again.hold, again.expires_at) == (True, True, "case 7", until)
    assert (type(again.hidden), again.activated_at) == (bool, None)


def test_nobody_sets_when_it_became_active(catalog):
    with pytest.raises(TypeError):
        Image(name="a", activated_at=datetime(2030, 1, 1, tzinfo=UTC))
    made = catalog.add(Image(name="a"))
    with pytest.raises(ValidationError, match="activated_at of Image is set by the catalogue"):
        catalog.update(made, activated_at=datetime(2030, 1, 1, tzinfo=UTC))


def test_load_carries_when_it_became_active(catalog):
    when = "2030-01-01T00:00:00.000000Z"
    made = catalog.add(Image(name="a"))
    catalog.load(Image, [{**catalog.dump(made), "activated_at": when, "revision": 2}])
    again = catalog.get(Image, made.id)
    assert again.activated_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert catalog.dump(again)["activated_at"] == when

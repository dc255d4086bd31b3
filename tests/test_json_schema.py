"""A type as JSON Schema 2020-12: what dump gives is valid, what the codec refuses is not."""

import enum
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import attrs
import pytest
from attrs import frozen
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from metastore import Artifact, Blob, Catalog, Field, Link, Record, Version, field, spec_of
from metastore._json_schema import json_schema
from metastore.errors import MetastoreError
from metastore.testing._artifacts import artifacts, classes

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Firmware(enum.Enum):
    BIOS = "bios"
    UEFI = "uefi"


@frozen
class Hardware:
    cores: int
    note: str | None = None
    flags: dict[str, int] = attrs.field(factory=dict)


class Image(Artifact, type_name="schema_images"):
    """An image with a field of every kind."""

    size: Field[int] = field(default=1, ge=1, lt=100, unit="GiB", description="How large.")
    ratio: Field[float | None] = field(default=None, gt=0, le=1)
    ready: Field[bool] = field(default=False)
    arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64")
    level: Field[Literal[1, 2] | None] = field(default=None)
    firmware: Field[Firmware | None] = field(default=None)
    label: Field[str | None] = field(default=None, min_length=2, max_length=4, pattern="[a-z]+|ZZZZ")
    built: Field[datetime | None] = field(default=None, ge=datetime(2000, 1, 1, tzinfo=UTC))
    tested: Field[Version | None] = field(default=None)
    serial: Field[UUID | None] = field(default=None)
    hardware: Field[Hardware | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None, max_size=10)
    layers: Field[dict[str, Blob]] = field(factory=dict, max_items=2, allowed_keys=("a", "b", "c"))
    limits: Field[dict[str, int]] = field(factory=lambda: {"cpu": 1}, required_keys=("cpu",), max_items=2)
    parent: Field[Link["Image"] | None] = field(default=None)
    others: Field[list[Link["Image"]]] = field(factory=list, max_items=2)
    ports: Field[list[int | None]] = field(factory=list, unique_items=True, min_items=0)
    anything: Field[list[Any]] = field(factory=list)


class Bare(Record, type_name="schema_bare"):
    must: Field[int] = field()


SCHEMA = json_schema(spec_of(Image))
VALID = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.fixture(params=["memory", "sqlite"])
def catalog(request, tmp_path):
    with Catalog.open("memory:" if request.param == "memory" else str(tmp_path / "catalog.db")) as opened:
        yield opened
        assert opened.check() == []


def full(**values):
    given_ = {
        "name": "full",
        "ratio": 0.5,
        "level": 2,
        "firmware": Firmware.UEFI,
        "label": "abc",
        "built": datetime(2024, 2, 29, tzinfo=UTC),
        "tested": Version("1.0.0-rc.1"),
        "serial": uuid4(),
        "hardware": Hardware(4, "n", {"a": 1}),
        "disk": Blob("s3://a/b", size=5, sha256=SHA, media_type="a/b", digests={"md5": "0" * 32}),
        "layers": {"a": Blob(), "b": Blob(locations=["file:///x"])},
        "parent": Link(uuid4()),
        "others": [Link(uuid4())],
        "ports": [1, None],
        "anything": [1, None, {"a": [True]}],
        "properties": {"": [True, 1.5, "x"]},
        "tags": ["a", "b"],
        "owner": "ann",
    }
    return Image(**{**given_, **values})


def test_the_schema_itself_is_valid():
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator.check_schema(json_schema(spec_of(Bare)))


def test_it_says_type_words_units_defaults_and_bounds():
    size = SCHEMA["properties"]["size"]
    assert size == {
        "type": "integer",
        "minimum": 1,
        "maximum": 2**63 - 1,
        "exclusiveMaximum": 100,
        "description": "How large.",
        "x-unit": "GiB",
        "default": 1,
    }
    assert SCHEMA["properties"]["type"] == {"const": "schema_images"}
    assert (SCHEMA["title"], SCHEMA["description"]) == ("schema_images", "An image with a field of every kind.")


def test_it_says_where_links_lead():
    assert SCHEMA["properties"]["parent"] == {
        "type": ["string", "null"],
        "format": "uuid",
        "x-link": "schema_images",
        "default": None,
    }
    assert SCHEMA["properties"]["others"]["items"]["x-link"] == "schema_images"


def test_it_asks_for_what_has_no_default_and_for_nothing_else():
    assert (SCHEMA["required"], json_schema(spec_of(Bare))["required"]) == (["type", "name"], ["type", "must"])
    assert SCHEMA["properties"]["hardware"]["required"] == ["cores"]


def test_a_default_made_by_code_is_not_said():
    assert "default" not in SCHEMA["properties"]["limits"]
    assert "default" not in SCHEMA["properties"]["id"]
    assert SCHEMA["properties"]["tags"]["default"] == []


def test_flags_of_a_pattern_stay_with_it():
    class Loose(Artifact, type_name="schema_loose"):
        code: Field[str] = field(pattern="(?i)ab|cd")

    valid = Draft202012Validator(json_schema(spec_of(Loose))["properties"]["code"])
    assert [valid.is_valid(text) for text in ("AB", "Cd", "abx", "xcd", "")] == [True, True, False, False, False]


@pytest.mark.parametrize(
    "artifact",
    [full(), Image(name="bare"), full(layers={}, ports=[], hardware=Hardware(0))],
    ids=["full", "bare", "empty"],
)
def test_what_is_dumped_is_valid(catalog, artifact):
    VALID.validate(catalog.dump(catalog.add(artifact)))


@given(data=st.data())
def test_what_is_dumped_of_any_type_is_valid(data):
    cls = data.draw(classes())
    assume("type" not in cls.__fields_by_name__)  # a dump says the artifact's type under that key
    schema = json_schema(spec_of(cls))
    Draft202012Validator.check_schema(schema)
    with Catalog.open("memory:") as catalog:
        stored = catalog.add(data.draw(artifacts(cls)))
        Draft202012Validator(schema).validate(catalog.dump(stored))


WRONG = {
    "size": [0, 100, "1", 1.5, True, None, 2**63],
    "ratio": [0, 1.1, "x", True],
    "ready": [0, "true", None],
    "arch": ["z80", None, 1],
    "level": [0, 3, "1", True],
    "firmware": ["BIOS", 1],
    "label": ["a", "abcde", "ab1", "aZZZZ", "ZZZZZ", 1],
    "built": [5, [], True],
    "tested": ["", 5, "1." * 70],
    "serial": ["no id", 5, ""],
    "hardware": [
        {},
        {"cores": "x"},
        {"cores": 1, "colour": 1},
        {"cores": 1, "flags": {"a": "x"}},
        5,
        [],
        {"cores": 1, "note": 1},
    ],
    "disk": [
        {"size": 11},
        {"size": -1},
        {"size": "1"},
        {"colour": 1},
        {"digests": {"md5": "00"}},
        {"digests": {"md6": "00"}},
        {"locations": [{"url": "no url"}]},
        {"locations": [{}]},
        {"locations": [{"url": "s3://a/b", "prio": 1}]},
        {"media_type": ""},
        "s3://a/b",
    ],
    "layers": [{"z": {}}, {"a": 1}, {"a": {}, "b": {}, "c": {}}, [], None],
    "limits": [{}, {"ram": 1}, {"cpu": "x"}, {"cpu": 1, "a": 1, "b": 1}, [], None],
    "parent": ["no id", 5],
    "others": [["no id"], [5], [None], "x", [str(UUID(int=1))] * 3, None],
    "ports": [[1, 1], ["x"], [None, None], {"a": 1}, [1.5]],
    "name": ["", "x" * 256, None, 1],
    "owner": ["", "x" * 256, 1],
    "visibility": ["secret", None],
    "status": ["Active", "", "x" * 33, None],
    "tags": [["a", "a"], [1], "a", None],
    "properties": [[], None, "x"],
    "revision": [-1, "1", 2**63],
    "id": ["no id", 5],
    "created_at": [5],
    "type": ["other", None, 5],
    "colour": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_load_refuses_the_schema_refuses(catalog, name, value):
    record = {**catalog.dump(catalog.add(full())), "id": str(uuid4()), "name": "other"}
    VALID.validate(record)
    assert not VALID.is_valid({**record, name: value})
    with pytest.raises(MetastoreError):
        catalog.load(Image, [{**record, name: value}])
    assert catalog.stats()["changes"] == 1


def test_what_the_schema_takes_can_be_loaded(catalog):
    record = {"type": "schema_images", "name": "small"}
    VALID.validate(record)
    assert catalog.load(Image, [record]) == 1


def test_a_total_size_is_told_though_json_schema_cannot_check_it():
    class Bundle(Artifact, type_name="schema_bundles"):
        files: Field[dict[str, Blob]] = field(factory=dict, max_total_size=5)

    assert json_schema(spec_of(Bundle))["properties"]["files"]["x-max-total-size"] == 5


def test_each_call_gives_a_schema_of_its_own():
    json_schema(spec_of(Bare))["properties"].clear()
    assert "must" in json_schema(spec_of(Bare))["properties"]

"""TypeSpec: frozen data that goes through JSON and comes back the same."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import (
    Artifact,
    Blob,
    Field,
    FieldSpec,
    Lifecycle,
    Link,
    Record,
    State,
    Transition,
    TypeSpec,
    field,
    spec_from_json,
    spec_of,
    spec_to_json,
)
from metastore._data import evolve
from metastore._lifecycle import DEFAULT, IMAGES
from metastore._schema import KINDS

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COUNTS = st.none() | st.integers(0, 2**63 - 1)
BOUNDS = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
)


def many(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


def fields_of(inner):
    return st.builds(
        FieldSpec,
        name=NAMES,
        kind=st.sampled_from(KINDS),
        optional=st.booleans(),
        required=st.booleans(),
        default=PLAIN,
        hook=st.booleans(),
        item=st.none() | inner,
        fields=many(inner),
        target=TEXTS,
        scheme=TEXTS,
        choices=many(st.integers() | TEXTS),
        ge=BOUNDS,
        gt=BOUNDS,
        le=BOUNDS,
        lt=BOUNDS,
        min_length=COUNTS,
        max_length=COUNTS,
        pattern=st.none() | TEXTS,
        min_items=COUNTS,
        max_items=COUNTS,
        unique_items=st.booleans(),
        allowed_keys=many(TEXTS),
        required_keys=many(TEXTS),
        max_size=COUNTS,
        max_total_size=COUNTS,
        index=st.booleans(),
        folded=st.booleans(),
        search=st.integers(0, 100),
        mutable=st.booleans(),
        required_for=many(TEXTS),
        on_delete=st.sampled_from(("", "detach", "cascade")),
        description=TEXTS,
        unit=TEXTS,
    )


PLAIN_FIELDS = st.builds(FieldSpec, name=NAMES, kind=st.sampled_from(KINDS))
FIELDS = fields_of(PLAIN_FIELDS | fields_of(PLAIN_FIELDS))
STATES = st.builds(State, st.sampled_from(("all", "mutable", "none")))
MOVES = st.builds(Transition, NAMES, many(NAMES), NAMES, many(NAMES))
LIVES = st.builds(Lifecycle, NAMES, st.dictionaries(NAMES, STATES, max_size=3), many(MOVES), many(NAMES))
SPECS = st.builds(
    TypeSpec,
    NAMES,
    many(FIELDS),
    many(NAMES),
    TEXTS,
    st.just(DEFAULT) | st.just(IMAGES) | LIVES,
    st.dictionaries(NAMES, TEXTS, max_size=2),
)


class Disk(Artifact, type_name="disks"):
    """A disk."""

    size: Field[int] = field(ge=0, index=True, unit="GiB")
    label: Field[str] = field(max_length=9, folded=True, default="")
    parent: Field[Link["Disk"] | None] = field(default=None)
    parts: Field[dict[str, Blob]] = field(factory=dict, max_total_size=0)


@given(SPECS)
def test_any_spec_comes_back_from_json_text(spec):
    back = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert_same(back, spec)
    assert back == spec
    assert back.digest == spec.digest


def assert_same(back, spec):
    """Equality goes by the digest, which would not see what JSON leaves out."""
    for name in ("name", "fields", "unique", "description", "lifecycle", "rules"):
        assert getattr(back, name) == getattr(spec, name)


def test_specs_are_compared_without_their_fields(monkeypatch):
    spec = spec_of(Disk)
    back = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert back.digest == spec.digest
    monkeypatch.setattr(type(spec.fields[0]), "__eq__", lambda *_: pytest.fail("a field was compared"))
    assert {spec: "found"}[back] == "found"


@pytest.mark.parametrize("other", [{"description": "Another."}, {"rules": {"create": "x"}}, {"lifecycle": IMAGES}])
def test_specs_that_differ_are_not_equal(other):
    assert evolve(spec_of(Disk), **other) != spec_of(Disk)
    assert spec_of(Disk) != "disks"


@pytest.mark.parametrize("cls", [Artifact, Record])
def test_an_abstract_class_has_no_spec(cls):
    with pytest.raises(TypeError, match="abstract"):
        spec_of(cls)


def test_a_declared_type_comes_back_from_json_text():
    spec = spec_of(Disk)
    assert_same(spec_from_json(json.loads(json.dumps(spec_to_json(spec)))), spec)


def test_bounds_of_zero_and_empty_defaults_are_said():
    said = {each["name"]: each for each in spec_to_json(spec_of(Disk))["fields"]}
    assert said["size"]["ge"] == 0
    assert said["parts"]["max_total_size"] == 0
    assert (said["label"]["default"], said["parts"]["default"]) == ("", {})


def test_words_of_a_newer_metastore_are_passed_over():
    data = spec_to_json(spec_of(Disk))
    data["fields"][0]["colour"] = "red"
    assert spec_from_json({**data, "shape": "round"}) == spec_of(Disk)


def test_a_spec_cannot_be_changed():
    spec = spec_of(Disk)
    with pytest.raises(AttributeError, match="cannot be changed"):
        spec.name = "other"
    with pytest.raises(AttributeError, match="cannot be changed"):
        spec.fields[0].kind = "int"


def test_every_difference_changes_the_digest():
    spec = spec_of(Disk)
    size = spec.by_name["size"]
    for other in (
        evolve(size, ge=1),
        evolve(size, ge=None),
        evolve(size, index=False),
        evolve(size, unit=""),
        evolve(size, optional=True),
    ):
        changed = evolve(spec, fields=tuple(other if each is size else each for each in spec.fields))
        assert changed.digest != spec.digest


def test_columns_are_the_fields_then_what_is_derived():
    names = [column.name for column in spec_of(Disk).columns]
    assert names[: len(spec_of(Disk).fields)] == [each.name for each in spec_of(Disk).fields]
    assert names[len(spec_of(Disk).fields) :] == [
        "version__key",
        "name__folded",
        "label__folded",
        "unique_key",
        "digest",
    ]
    assert spec_of(Disk).position == {name: at for at, name in enumerate(names)}


def test_system_fields_come_first():
    names = [each.name for each in spec_of(Disk).fields]
    assert names[:17] == [
        "id",
        "version",
        "owner",
        "status",
        "visibility",
        "hidden",
        "protected",
        "hold",
        "description",
        "tags",
        "properties",
        "created_at",
        "updated_at",
        "activated_at",
        "expires_at",
        "revision",
        "name",
    ]


def test_the_spec_says_where_links_lead_and_what_is_unique():
    spec = spec_of(Disk)
    assert (spec.by_name["parent"].target, spec.unique, spec.description) == ("disks", ("name", "version"), "A disk.")
    assert spec.by_name["parent"].links.kind == "link"
    assert spec.by_name["size"].links is None


def test_the_usual_life_cycle_and_no_rules_are_not_said():
    assert {"lifecycle", "rules"} & spec_to_json(spec_of(Disk)).keys() == set()


def test_a_life_cycle_of_its_own_goes_through_json():
    spec = evolve(spec_of(Disk), lifecycle=IMAGES, rules={"create": "add_image"})
    again = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert (again.lifecycle, again.rules, again.digest) == (IMAGES, {"create": "add_image"}, spec.digest)
    assert again.digest != spec_of(Disk).digest

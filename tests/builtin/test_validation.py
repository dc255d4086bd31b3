"""Properties against definitions: jsonschema judges the schema, the validator judges by itself, and they agree."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from metastore.builtin.metadefs import Namespace, fields_of, property_schema, schema_of, validator
from metastore.errors import DefinitionError, ValidationError

EVERYTHING = json.loads((Path(__file__).parent / "assets" / "everything.json").read_text(encoding="utf-8"))
GOOD = {"hw_cores": 4}

# few values, so that definitions and values meet
numbers = st.integers(-3, 3) | st.sampled_from([-1.0, 0.5, 1.0, 2.0, 2.5])
texts = st.text("ab1", max_size=4)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("abc"), inside, max_size=2),
    max_leaves=5,
)
kinds = st.sampled_from(["array", "boolean", "integer", "number", "object", "string"])
counts = st.integers(0, 3)
patterns = st.sampled_from(["a", "^a", "b$", "^[ab]+$", "1|b", ""])


def definitions(*, depth=2, needed=True):
    parts = {
        "enum": st.lists(values, min_size=1, max_size=4),
        "minimum": numbers,
        "maximum": numbers,
        "pattern": patterns,
        "minLength": counts,
        "maxLength": counts,
        "minItems": counts,
        "maxItems": counts,
        "uniqueItems": st.booleans(),
        "additionalItems": st.booleans(),
        "required": st.lists(st.sampled_from("abc"), max_size=2),
    }
    if depth:
        inside = definitions(depth=depth - 1, needed=False)
        parts["items"] = inside | st.lists(inside, max_size=2)
    kind = {"type": kinds}
    return st.fixed_dictionaries(kind if needed else {}, optional=parts if needed else {**parts, **kind})


names = st.sampled_from(["a", "b", "c", "d:e"])
groups = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("xyz"), "properties": st.dictionaries(names, definitions(), max_size=2)},
        optional={"required": st.lists(names, max_size=2)},
    ),
    max_size=2,
    unique_by=lambda each: each["name"],
)
namespaces = st.fixed_dictionaries(
    {
        "namespace": st.sampled_from(["N::1", "N::2"]),
        "resource_type_associations": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["images", "OS::Glance::Image", "other"])},
                optional={"prefix": st.sampled_from(["", "p_", None])},
            ),
            max_size=2,
            unique_by=lambda each: each["name"],
        ),
        "properties": st.dictionaries(names, definitions(), max_size=3),
        "objects": groups,
    }
)
given_properties = st.dictionaries(st.sampled_from(["a", "b", "c", "d:e", "p_a", "p_b", "p_c"]), values, max_size=4)


def fits(check, properties):
    try:
        check(properties)
    except ValidationError:
        return False
    return True


def demo(definition, name="a"):
    return {
        "namespace": "Demo",
        "resource_type_associations": [{"name": "images"}],
        "properties": {name: definition},
    }


@given(definitions(), values)
@example({"type": "integer"}, 4.0)
@example({"type": "string", "pattern": "a"}, "ba")
@example({"type": "array", "enum": [[True]]}, [1])
@example({"type": "array", "uniqueItems": True}, [1, True, 1.0])
@example({"type": "array", "items": [], "additionalItems": False}, [1])
def test_a_value_fits_a_definition_exactly_where_jsonschema_says_so(definition, value):
    judge = Draft202012Validator(property_schema(definition))
    assert fits(validator(demo(definition), "images"), {"a": value}) == judge.is_valid(value)


@given(st.lists(namespaces, max_size=2), given_properties, st.booleans())
def test_properties_fit_namespaces_exactly_where_jsonschema_says_so(several, properties, additional):
    judge = Draft202012Validator(schema_of(several, "images", additional=additional))
    assert fits(validator(several, "images", additional=additional), properties) == judge.is_valid(properties)


@given(definitions())
def test_the_schema_of_a_definition_is_a_schema(definition):
    Draft202012Validator.check_schema(property_schema(definition))


@given(definitions(), values)
def test_what_fits_as_a_value_fits_as_a_value_where_texts_may_stand_for_values_too(definition, value):
    if not _has_text(value) and fits(validator(demo(definition), "images"), {"a": value}):
        validator(demo(definition), "images", strings=True)({"a": value})


def _has_text(value):
    inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return isinstance(value, str) or any(map(_has_text, inside))


@given(st.integers(-(10**20), 10**20))
def test_the_text_of_a_whole_number_stands_for_it(number):
    bounds = {"type": "integer", "minimum": number, "maximum": number}
    validator(demo(bounds), "images", strings=True)({"a": str(number)})
    assert not fits(validator(demo(bounds), "images"), {"a": str(number)})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_stands_for_it(number):
    bounds = {"type": "number", "minimum": number, "maximum": number}
    validator(demo(bounds), "images", strings=True)({"a": repr(number)})


@pytest.mark.parametrize(
    ("definition", "text", "good"),
    [
        ({"type": "integer"}, "4", True),
        ({"type": "integer"}, " 4 ", True),
        ({"type": "integer"}, "4.0", False),
        ({"type": "integer"}, "four", False),
        ({"type": "integer"}, "٤", False),
        ({"type": "integer"}, "", False),
        ({"type": "integer", "enum": [1, 2]}, "2", True),
        ({"type": "integer", "enum": [1, 2]}, "3", False),
        ({"type": "number"}, "0.5", True),
        ({"type": "number"}, "5e-1", True),
        ({"type": "number"}, "nan", False),
        ({"type": "number"}, "1e999", False),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "no", True),
        ({"type": "boolean"}, "perhaps", False),
        ({"type": "string"}, "4", True),
        ({"type": "string", "operators": ["s=="], "enum": ["x86"]}, "s== x86", True),
        ({"type": "integer", "operators": [">="], "minimum": 3}, ">= 4", True),
        ({"type": "integer", "minimum": 3}, ">= 4", False),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "a, b", True),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "a,c", False),
        ({"type": "array", "items": {"type": "integer"}}, "1,2", True),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", True),
        ({"type": "array", "maxItems": 0}, "", True),
        ({"type": "array", "operators": ["<or>"], "items": {"enum": ["a b", "c"]}}, "<or> a b <or> c", True),
        ({"type": "array", "operators": ["<all-in>"], "items": {"enum": ["a", "c"]}}, "<all-in> a c", True),
        ({"type": "array", "operators": ["<all-in>"], "items": {"enum": ["a", "c"]}}, "<all-in> a d", False),
        ({"type": "object", "required": ["a"]}, '{"a": 1}', True),
        ({"type": "object", "required": ["a"]}, '{"b": 1}', False),
        ({"type": "object"}, "{", False),
        ({"type": "object"}, "[" * 100_000, False),
    ],
)
def test_a_text_stands_for_a_value_as_in_glance(definition, text, good):
    assert fits(validator(demo(definition), "images", strings=True), {"a": text}) == good


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"hw_cores": "four"}, r"a whole number at \$\.properties\.hw_cores, got 'four' \(says Demo::Everything\)"),
        ({"hw_cores": True}, r"a whole number at \$\.properties\.hw_cores, got True"),
        ({"hw_cores": None}, r"a whole number at \$\.properties\.hw_cores, got null"),
        ({"hw_cores": 0}, r"at least 1 at \$\.properties\.hw_cores, got 0"),
        ({"hw_cores": 65}, r"at most 64 at \$\.properties\.hw_cores, got 65"),
        ({"hw_model": "ne2000"}, r"one of 'e1000', 'virtio' at \$\.properties\.hw_model, got 'ne2000'"),
        ({"hw_serial": "xyz"}, r"text that matches '\^\[0-9a-f\]\+\$' at \$\.properties\.hw_serial, got 'xyz'"),
        ({"hw_serial": "a"}, r"at least 2 characters at \$\.properties\.hw_serial, got 1"),
        ({"hw_cpu:features": ["aes", "mmx"]}, r"one of .* at \$\.properties\['hw_cpu:features'\]\[1\], got 'mmx'"),
        ({"hw_cpu:features": ["aes", "aes"]}, r"each item once at"),
        ({"hw_pair": [1, "a", 2]}, r"at most 2 items at \$\.properties\.hw_pair, got 3"),
        ({"hw_limits": {"ram": 1}}, r"the key 'cpu' at \$\.properties\.hw_limits, got only 'ram'"),
        ({"hw_tls": True}, r"a value at \$\.properties\.hw_port, got none"),
    ],
)
def test_a_refusal_says_where_what_was_expected_and_what_was_found(properties, words):
    with pytest.raises(ValidationError, match=words):
        validator(Namespace(**fields_of(EVERYTHING)), "images")({**GOOD, **properties})


def test_what_a_namespace_requires_must_be_there():
    check = validator(EVERYTHING, "images")
    check(GOOD)
    with pytest.raises(ValidationError, match=r"a value at \$\.properties\.hw_cores, got none"):
        check({})


def test_the_prefix_of_the_association_counts():
    assert fits(validator(EVERYTHING, "datasets"), {"cores": 1})
    assert fits(validator(EVERYTHING, "datasets"), {"cores": 1, "hw_cores": "whatever"})
    assert not fits(validator(EVERYTHING, "images"), {"cores": 1})


def test_a_resource_type_is_known_by_our_name_and_by_its_own():
    for name in ("images", "OS::Glance::Image", "OS::Cinder::Volume"):
        assert not fits(validator(EVERYTHING, name), {"hw_cores": 0})


def test_a_namespace_says_nothing_about_other_types():
    validator(EVERYTHING, "packages")({"hw_cores": "whatever"})


def test_unknown_properties_are_allowed_unless_said_otherwise():
    more = {**GOOD, "hw_coers": 4}
    validator(EVERYTHING, "images")(more)
    with pytest.raises(ValidationError, match=r"\$\.properties\.hw_coers: did you mean 'hw_cores'"):
        validator(EVERYTHING, "images", additional=False)(more)


def test_a_namespace_that_holds_no_definitions_is_refused_before_anything_is_checked():
    with pytest.raises(DefinitionError, match=r"\$\.properties\['a'\]"):
        validator(Namespace(name="Demo", property_definitions={"a": 3}), "images")

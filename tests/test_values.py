"""One value in, one plain value out: what each kind takes, what it refuses, and how it says so."""

import math
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Blob, FieldSpec, Link, Version
from metastore._data import evolve
from metastore._values import EPOCH, instant, iso, micros, to_column, to_plain
from metastore.errors import MetastoreError, ValidationError

NAIVE = datetime(2024, 1, 1)
AWARE = datetime(2024, 1, 1, tzinfo=UTC)
BEFORE_THE_FIRST_YEAR = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
AFTER_THE_LAST_YEAR = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))


class Text(str):
    __slots__ = ()


class Number(int):
    pass


def spec(kind, **options):
    return FieldSpec(name="f", kind=kind, **options)


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def refused(of, value):
    with pytest.raises(ValidationError) as caught:
        to_column(of, value, "$.f")
    return str(caught.value)


def test_a_refusal_says_what_was_expected_where_and_what_was_found():
    assert refused(spec("int"), "1") == "expected int at $.f, got str"


@pytest.mark.parametrize(
    ("of", "value", "words"),
    [
        (spec("int", ge=0), -1, "expected at least 0 at $.f, got -1"),
        (spec("int", gt=0), 0, "expected more than 0 at $.f, got 0"),
        (spec("int", le=9), 10, "expected at most 9 at $.f, got 10"),
        (spec("int", lt=9), 9, "expected less than 9 at $.f, got 9"),
        (spec("float"), math.nan, "expected a finite float at $.f, got nan"),
        (spec("float"), -math.inf, "expected a finite float at $.f, got -inf"),
        (spec("int"), 2**63, "expected an int of 64 bits at $.f, got one of 65 bits"),
        (spec("str", max_length=2), "abc", "expected at most 2 characters at $.f, got 3"),
        (spec("str", min_length=2), "a", "expected at least 2 characters at $.f, got 1"),
        (spec("str"), "a\0b", "expected text without NUL at $.f, got one with NUL at position 1"),
        (
            spec("str"),
            "ab\ud800",
            "expected text without lone surrogates at $.f, got one with a surrogate at position 2",
        ),
        (spec("datetime"), NAIVE, "expected a datetime with a time zone (tzinfo=UTC) at $.f, got a naive one"),
        (spec("list", item=FieldSpec(kind="int")), [0, "x"], "expected int at $.f[1], got str"),
        (spec("dict", item=FieldSpec(kind="int")), {"a.b": "x"}, "expected int at $.f['a.b'], got str"),
        (spec("list", max_items=1), [1, 2], "expected at most 1 items at $.f, got 2"),
        (spec("dict", min_items=1), {}, "expected at least 1 items at $.f, got 0"),
        (spec("blob", max_size=9), Blob(size=10), "expected a blob of at most 9 bytes at $.f, got 10"),
    ],
)
def test_every_refusal_has_the_same_form(of, value, words):
    assert refused(of, value) == words


WRONG = {
    "bool": [1, 0, "true", None],
    "int": ["1", 1.0, True, None, 2**63, -(2**63) - 1, 10**400, Number(1)],
    "float": ["1", True, None, math.nan, math.inf, 2**53 + 1, 1j],
    "str": [1, b"a", None, "\0", "\ud800", "a\udfffb", Text("a"), ["a"]],
    "datetime": ["2024-01-01T00:00:00Z", 0, None, NAIVE, AWARE.date(), BEFORE_THE_FIRST_YEAR, AFTER_THE_LAST_YEAR],
    "version": [1, None, 1.0, Version("1.0", "pep440")],
    "id": [1, None, "no id", b"x" * 16],
    "link": [UUID(int=1), str(UUID(int=1)), None, 1],
    "blob": ["s3://a/b", None, {"size": 1}],
    "folder": [None, [], {"a": "s3://a/b"}, {1: Blob()}, {"\0": Blob()}, {"\ud800": Blob()}],
    "list": [None, (), "abc", {1}, {}],
    "dict": [None, [], {1: 1}, {"\0": 1}, {"\ud800": 1}, {None: 1}],
    "json": [b"", {1}, (), 1j, AWARE, object(), math.nan, [math.inf], {"a": {1: 1}}, 2**63, "\0", ["\ud800"], deep(65)],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in WRONG.items() for value in values])
def test_nothing_is_coerced(kind, value):
    of = spec(kind, scheme="semver" if kind == "version" else "")
    for form in (to_column, to_plain):
        with pytest.raises(ValidationError):
            form(of, value, "$.f")


@pytest.mark.parametrize("kind", [kind for kind in WRONG if kind != "json"])
def test_none_fits_an_optional_field_only(kind):
    assert to_column(spec(kind, optional=True), None, "$.f") is None
    assert "got None" in refused(spec(kind), None)


def test_an_int_fits_a_float_where_it_stays_exact():
    stored = to_column(spec("float"), 2**53, "$.f")
    assert (stored, type(stored)) == (float(2**53), float)


def test_a_negative_zero_is_stored_as_zero():
    assert math.copysign(1, to_column(spec("float"), -0.0, "$.f")) == 1.0
    assert to_column(spec("json"), [-0.0], "$.f") == "[0.0]"


def test_a_pattern_matches_the_whole_text():
    of = spec("str", pattern="a|ab")
    assert to_column(of, "ab", "$.f") == "ab"
    for wrong in ("abc", "xa", "ab\n", ""):
        assert "matches 'a|ab'" in refused(of, wrong)


def test_a_choice_that_is_misspelt_gets_the_nearest_one():
    assert "did you mean 'x86_64'?" in refused(spec("str", choices=("x86_64", "aarch64")), "x86-64")


def test_keys_are_allowed_and_required():
    of = spec("dict", allowed_keys=("cpu", "ram"), required_keys=("cpu",))
    assert to_column(of, {"cpu": 1}, "$.f") == '{"cpu":1}'
    assert refused(of, {"cpu": 1, "gpu": 1}) == "expected one of the keys cpu, ram at $.f, got 'gpu'"
    assert refused(of, {"ram": 1}) == "expected the key 'cpu' at $.f, got only 'ram'"


def test_a_folder_is_bounded_as_a_whole_and_by_blob():
    of = spec("folder", max_size=5, max_total_size=8)
    to_column(of, {"a": Blob(size=4), "b": Blob(size=4), "c": Blob()}, "$.f")
    assert "at most 8 bytes" in refused(of, {"a": Blob(size=5), "b": Blob(size=4)})
    assert "at most 5 bytes at $.f['a']" in refused(of, {"a": Blob(size=6)})


@pytest.mark.parametrize("items", [[1, "1"], [1, True], ["1", 1.5, None, [1]], [{"a": 1}, '{"a":1}'], [0, False]])
def test_unique_items_are_compared_per_json_type(items):
    assert to_plain(spec("list", unique_items=True), items, "$.f") == items


@pytest.mark.parametrize("items", [["a", "a"], [1, 1], [{"a": [1]}, {"a": [1]}], [None, None], [1, True, True]])
def test_an_item_that_comes_twice_is_refused(items):
    assert "twice" in refused(spec("list", unique_items=True), items)


def test_the_order_of_unique_items_is_kept():
    assert to_column(spec("list", unique_items=True, item=FieldSpec(kind="str")), ["b", "a"], "$.f") == '["b","a"]'


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("bool", True, 1),
        ("int", -(2**63), -(2**63)),
        ("str", "\U0010ffff\n", "\U0010ffff\n"),
        ("datetime", datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        ("version", "1.0.0-rc.1", "1.0.0-rc.1"),
        ("id", UUID(int=5), (5).to_bytes(16, "big")),
        ("link", Link(UUID(int=5)), (5).to_bytes(16, "big")),
        ("blob", Blob(size=0), '{"size":0}'),
        ("folder", {"é": Blob()}, '{"é":{}}'),
        ("json", {"b": [None, True], "a": {}}, '{"a":{},"b":[null,true]}'),
        ("json", "text", '"text"'),
    ],
)
def test_a_column_holds_the_plain_form_of_the_contract(kind, value, stored):
    found = to_column(spec(kind, scheme="semver" if kind == "version" else ""), value, "$.f")
    assert (found, type(found)) == (stored, type(stored))


def test_json_nests_sixty_four_deep():
    assert to_plain(spec("json"), deep(64), "$.f") == deep(64)


@given(
    st.datetimes(timezones=st.timezones() | st.just(UTC), min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))
)
def test_a_moment_comes_back_to_the_microsecond(moment):
    exact = moment.astimezone(UTC)  # in a gap or fold of its zone a moment equals nothing but itself
    assert instant(to_column(spec("datetime"), moment, "$.f")) == exact
    assert datetime.fromisoformat(to_plain(spec("datetime"), moment, "$.f")) == exact


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_text_of_a_moment_sorts_as_the_moment(moment):
    text = iso(moment)
    assert (len(text), text[-1]) == (27, "Z")
    assert (text < iso(EPOCH)) == (micros(moment) < 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_value_is_kept_or_refused_with_our_error(value):
    try:
        plain = to_plain(spec("json"), value, "$.f")
    except MetastoreError:
        return
    assert plain == value


@given(st.integers(-(2**70), 2**70), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_an_int_is_taken_exactly_within_its_bounds_and_64_bits(value, low, high):
    fits = max(low, -(2**63)) <= value <= min(high, 2**63 - 1)
    of = evolve(spec("int"), ge=low, le=high)
    if fits:
        assert to_column(of, value, "$.f") == value
    else:
        refused(of, value)

"""What is derived from a row, against readings of our own."""

import json
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metastore import Blob, FieldSpec
from metastore._json import decode, encode
from metastore._lookups import entries, items, json_kind, pointer, references, search_words, targets

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab./~01", max_size=3), inner, max_size=3),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def at(value, where):
    """Follow a JSON pointer as RFC 6901 says."""
    for token in where.split("/")[1:]:
        value = value[token.replace("~1", "/").replace("~0", "~")]
    return value


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_every_entry_stands_where_its_pointer_leads(value):
    for where, kind, held in entries(encode(value)):
        found = at(value, where)
        assert kind == json_kind(found)
        if kind in ("number", "string"):
            assert held == found


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_every_key_outside_lists_has_one_entry(value):
    def count(mapping):
        return len(mapping) + sum(count(each) for each in mapping.values() if isinstance(each, dict))

    found = [where for where, _, _ in entries(encode(value))]
    assert len(found) == len({*found}) == count(value)


@given(
    st.lists(st.lists(st.text("~/01", max_size=2) | TEXTS, min_size=1, max_size=3).map(tuple), min_size=2, max_size=2)
)
@example([("~1",), ("/",)])
@example([("~0",), ("~",)])
@example([("a/b",), ("a", "b")])
def test_different_keys_have_different_pointers(keys):
    assert (pointer(keys[0]) == pointer(keys[1])) is (keys[0] == keys[1])


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), (True, "bool"), (1, "number"), (0.5, "number"), ("", "string"), ([], "list"), ({}, "dict")],
)
def test_a_json_value_has_one_of_six_types(value, kind):
    assert json_kind(value) == kind


def test_absent_and_empty_columns_have_no_entries():
    blob, folder, tags = (
        FieldSpec(kind="blob"),
        FieldSpec(kind="folder"),
        FieldSpec(kind="list", item=FieldSpec(kind="str")),
    )
    assert entries(None) == entries("{}") == items(None) == items("[]") == []
    assert references(blob, None) == references(folder, "{}") == set()
    assert search_words(tags, None) == targets(FieldSpec(kind="link"), None) == []


def test_items_are_distinct_and_in_order():
    assert items('["b","a","b"]') == ["b", "a"]


def test_a_blob_is_found_by_every_url_and_digest():
    blob = Blob("s3://a/1", locations=["s3://a/2"], sha256=SHA, digests={"md5": "0" * 32}, size=5)
    wanted = {"s3://a/1", "s3://a/2", f"sha256:{SHA}", "md5:" + "0" * 32}
    assert references(FieldSpec(kind="blob"), encode(blob.to_plain())) == wanted
    assert references(
        FieldSpec(kind="folder"), encode({"x": blob.to_plain(), "y": Blob("s3://b/1").to_plain()})
    ) == wanted | {"s3://b/1"}


def test_a_link_and_a_list_of_links_have_their_targets_once():
    one, two = uuid4(), uuid4()
    assert targets(FieldSpec(kind="link"), one.bytes) == [one.bytes]
    assert targets(FieldSpec(kind="list", item=FieldSpec(kind="link")), encode([str(two), str(one), str(two)])) == [
        two.bytes,
        one.bytes,
    ]


def test_the_words_of_a_list_are_those_of_its_texts():
    assert search_words(FieldSpec(kind="list", item=FieldSpec(kind="str")), '["Long Term","lts"]') == [
        "long",
        "term",
        "lts",
    ]
    assert search_words(FieldSpec(kind="str"), "Long Term") == ["long", "term"]


@given(JSON)
def test_canonical_json_is_json_and_comes_back(value):
    text = encode(value)
    assert decode(text) == json.loads(text) == value


@given(st.dictionaries(TEXTS, st.integers(), max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    turned = dict(reversed(value.items()))
    assert (
        encode(value) == encode(turned) == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_canonical_json_has_no_nan(value):
    with pytest.raises(ValueError):
        encode(value)


def test_bytes_are_hex_in_canonical_json():
    assert encode({"id": UUID(int=1).bytes}) == '{"id":"' + "0" * 31 + '1"}'

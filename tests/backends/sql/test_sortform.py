"""Sort forms order as the values do, exactly, and heads as far as they go."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.testing._hostile import FLOATS, INTS, TEXTS
from metastore_sql._columns import HEAD_BYTES
from metastore_sql._sortform import ELEMENT, KINDS, dict_entries, element_mark, head, is_cut, mark, sort_form, whole

ID = b"i" * 16

near = st.builds(lambda power, off: 2**power + off, st.integers(0, 62), st.integers(-3, 3))
ints = st.one_of(st.sampled_from(INTS), near, near.map(lambda value: -value), st.integers(-(2**63), 2**63 - 1))
floats = st.one_of(st.sampled_from(FLOATS), ints.map(float), st.floats(allow_nan=False, allow_infinity=False))
numbers = ints | floats
texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"])))


def order(one, other):
    return (one > other) - (one < other)


@given(numbers, numbers)
def test_whole_numbers_and_floats_order_and_equal_exactly(one, other):
    assert order(sort_form(one), sort_form(other)) == order(Fraction(one), Fraction(other))


@given(texts, texts)
def test_texts_order_by_code_point(one, other):
    expected = order([ord(each) for each in one], [ord(each) for each in other])
    assert order(sort_form(one), sort_form(other)) == expected


@given(texts, texts)
def test_heads_never_order_against_the_texts_and_say_where_they_cannot_tell(one, other):
    heads = head(one), head(other)
    assert max(map(len, heads)) <= HEAD_BYTES
    if heads[0] == heads[1] and not is_cut(heads[0]):
        assert one == other
    elif heads[0] != heads[1]:
        assert order(*heads) == order(one.encode(), other.encode())


@given(numbers, numbers)
def test_elements_are_the_same_where_the_numbers_are(one, other):
    assert (element_mark(one) == element_mark(other)) == (one == other)


def test_elements_of_other_json_types_are_others():
    alike = [0, False, "", None, [], {}, "0", "null", "[]"]
    assert len({element_mark(value) for value in alike}) == len(alike)


@pytest.mark.parametrize("value", [None, True, 1, 0.5])
def test_what_has_no_text_keeps_none_beside_its_head(value):
    assert whole(value) is None


def test_every_key_at_any_depth_has_an_entry_and_every_distinct_element_of_a_list():
    entries = dict_entries(ID, '{"a":{"b/c":"x"},"l":[1,1.0,"1",[2]]}')
    kinds = {name: KINDS[name] for name in ("dict", "list", "string")}
    assert [(each[1], each[2], each[3]) for each in entries] == [
        (mark("/a"), kinds["dict"], 0),
        (mark("/a/b~1c"), kinds["string"], 0),
        (mark("/l"), kinds["list"], 0),
        *[(mark("/l"), ELEMENT, at) for at in range(3)],
    ]
    assert [each[5] for each in entries] == ['{"b/c":"x"}', "x", '[1,1.0,"1",[2]]', None, None, None]


scalars = st.none() | st.booleans() | ints | st.floats(allow_nan=False, allow_infinity=False) | texts
free = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@given(st.dictionaries(texts, free, max_size=4))
def test_no_two_entries_have_the_same_key(value):
    keys = [each[:4] for each in dict_entries(ID, json.dumps(value))]
    assert len(set(keys)) == len(keys)

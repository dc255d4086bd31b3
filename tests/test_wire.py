"""The wire form of queries: what goes out comes back, and what comes in is read strictly."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import query as q
from metastore._data import Data
from metastore._version import Version
from metastore._wire import _NODES, DEPTH, VALUE_DEPTH, from_json, query_from_json, query_to_json, to_json
from metastore.errors import QueryError

_names = st.sampled_from(("size", "a.b", "", "é", "Path"))
_paths = st.builds(
    q.Path, _names, st.lists(_names, max_size=2).map(tuple), st.booleans(), st.sampled_from(("", "json"))
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC) | st.none()).map(lambda moment: moment.replace(fold=0)),
    st.sampled_from((Version("1.2.3"), Version("1:2~b-3", scheme="debian"))),
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(("bytes", "dict", "", "x")), inner, max_size=2)
    ),
    max_leaves=4,
)
_several = st.lists(_values, max_size=3).map(tuple)
_words = st.lists(st.text(max_size=3), max_size=3).map(tuple)
_leaves = st.one_of(
    st.builds(q.Compare, _paths, st.sampled_from(get_args(q.Comparison)), _values),
    st.builds(q.In, _paths, _several),
    st.builds(q.Absent, _paths),
    st.builds(q.Text, _paths, st.sampled_from(("starts", "ends", "contains")), st.text(max_size=3)),
    st.builds(q.Contains, _paths, _several, st.booleans()),
    st.builds(q.HasKey, _paths, st.text(max_size=3)),
    st.builds(q.Matches, _words, _words),
    st.builds(q.References, st.text(max_size=3)),
)
_predicates = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(q.And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(q.Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(q.Not, inner),
        st.builds(q.Follow, _paths, _names, inner),
        st.builds(q.Followed, _names, _names, inner),
    ),
    max_leaves=5,
)
_order = st.builds(q.Order, _paths | st.builds(q.Rank, _words, _words), st.booleans())
_orders = st.lists(_order, max_size=2).map(tuple)
_after = st.none() | st.builds(q.Position, _several, st.binary(min_size=16, max_size=16))
_queries = st.builds(q.Query, _names, _predicates, _orders, st.none() | st.integers(0), _after, st.booleans())
_measures = st.builds(q.Measure, st.sampled_from(("count", "min", "max", "sum", "avg")), st.none() | _paths)


def _typed(value: Any) -> Any:
    """Tell apart what ``==`` does not: true from 1, 1 from 1.0, a tuple from a list."""
    if isinstance(value, list | tuple):
        return type(value), [_typed(each) for each in value]
    if isinstance(value, dict):
        return dict, {key: _typed(each) for key, each in value.items()}
    fields = value.__fields__ if isinstance(value, Data) else ()
    return type(value), [_typed(getattr(value, name)) for name in fields] or repr(value)


def _through_text(data: Any) -> Any:
    return json.loads(json.dumps(data, allow_nan=False))


@given(_queries)
def test_a_query_comes_back_from_json_text_as_it_was(asked: q.Query) -> None:
    assert _typed(query_from_json(_through_text(query_to_json(asked)))) == _typed(asked)


@given(_predicates | _measures | _paths | _order)
def test_every_other_node_comes_back_as_it_was(node: Any) -> None:
    assert _typed(from_json(_through_text(to_json(node)))) == _typed(node)


def test_every_node_class_is_known() -> None:
    assert set(_NODES) == set(q.__all__) - {"Key", "Predicate", "negations_down", "walk"}


def _refusal(data: Any) -> str:
    with pytest.raises(QueryError) as caught:
        from_json(data)
    return str(caught.value)


def test_the_form_is_short_and_says_each_class_by_name() -> None:
    assert to_json(~q.Compare(q.Path("size"), "gt", b"\0")) == {
        "Not": {"item": {"Compare": {"path": {"Path": {"field": "size"}}, "op": "gt", "value": {"bytes": "00"}}}}
    }


_PATH = {"Path": {"field": "a"}}

REFUSED = {
    "nothing": None,
    "a list": [],
    "two keys": {"And": {"items": []}, "Or": {"items": []}},
    "an unknown node": {"Absen": {"path": _PATH}},
    "the base class": {"Predicate": {}},
    "a function": {"walk": {}},
    "a private name": {"__class__": {}},
    "parts that are no object": {"Absent": [_PATH]},
    "a missing part": {"Absent": {}},
    "an unknown part": {"Absent": {"path": _PATH, "paht": 1}},
    "a node of another kind": {"Absent": {"path": {"Rank": {"words": []}}}},
    "a number as text": {"HasKey": {"path": _PATH, "key": 1}},
    "an int as bool": {"Contains": {"path": _PATH, "values": [], "every": 1}},
    "a bool as int": {"Query": {"type": "a", "limit": True}},
    "text as a list": {"Matches": {"words": "ab"}},
    "numbers as fields": {"Matches": {"words": ["a"], "fields": [1]}},
    "a link without its condition": {"Followed": {"source": "a", "field": "b"}},
    "a path for a field": {"Followed": {"source": "a", "field": _PATH, "where": {"And": {"items": []}}}},
    "an unknown comparison": {"Compare": {"path": _PATH, "op": "__class__", "value": 1}},
    "an unhashable comparison": {"Compare": {"path": _PATH, "op": [], "value": 1}},
    "an unknown value": {"Compare": {"path": _PATH, "op": "eq", "value": {"object": 1}}},
    "an untagged dict": {"Compare": {"path": _PATH, "op": "eq", "value": {"a": 1, "b": 2}}},
    "an infinity": {"Compare": {"path": _PATH, "op": "eq", "value": float("inf")}},
    "bad hex": {"Compare": {"path": _PATH, "op": "eq", "value": {"bytes": "0g"}}},
    "a bad uuid": {"Compare": {"path": _PATH, "op": "eq", "value": {"uuid": "x"}}},
    "a bad datetime": {"Compare": {"path": _PATH, "op": "eq", "value": {"datetime": 3}}},
    "a bad version": {"Compare": {"path": _PATH, "op": "eq", "value": {"version": ["1", "semver"]}}},
    "half a version": {"Compare": {"path": _PATH, "op": "eq", "value": {"version": ["1.0.0"]}}},
    "an unknown scheme": {"Compare": {"path": _PATH, "op": "eq", "value": {"version": ["1.0.0", "x"]}}},
    "a key that is no text": {1: {}},
    "a position without an id": {"Query": {"type": "a", "after": {"Position": {"values": []}}}},
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_query_is_refused_with_a_sentence(data: Any) -> None:
    assert _refusal(data).startswith("Expected ")


def test_a_misspelt_part_is_offered_its_nearest_spelling() -> None:
    assert "did you mean 'path'?" in _refusal(REFUSED["an unknown part"])


def test_a_node_that_is_no_query_is_refused_where_a_query_is_asked() -> None:
    with pytest.raises(QueryError, match="Expected a query, found a And"):
        query_from_json(to_json(q.And(())))


def _nested(depth: int) -> q.Predicate:
    node: q.Predicate = q.Absent(q.Path("a"))
    for _ in range(depth):
        node = q.And((node,))
    return node


def test_nodes_as_deep_as_the_binder_allows_pass() -> None:
    asked = q.Query("a", _nested(100))
    assert query_from_json(query_to_json(asked)) == asked


@pytest.mark.parametrize("depth", [DEPTH, 100_000])
def test_deeper_nodes_are_refused_both_ways_without_a_recursion_error(depth: int) -> None:
    node, data = q.Absent(q.Path("a")), {"Matches": {"words": []}}
    for _ in range(depth):
        node, data = q.Not(node), {"Not": {"item": data}}
    with pytest.raises(QueryError, match="nested"):
        to_json(node)
    assert "nested" in _refusal(data)


@pytest.mark.parametrize("depth", [VALUE_DEPTH, 100_000])
def test_deeper_values_are_refused_both_ways_without_a_recursion_error(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    with pytest.raises(QueryError, match="nested"):
        to_json(q.In(q.Path("a"), (value,)))
    assert "nested" in _refusal({"In": {"path": _PATH, "values": [value]}})


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), {1, 2}, q.Path("a")])
def test_a_value_without_a_form_is_refused_when_sent(value: Any) -> None:
    with pytest.raises(QueryError, match="Expected"):
        to_json(q.In(q.Path("a"), (value,)))

"""Optional ability `Explains`: the statement depends on the shape of a query, never on what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest

from metastore._data import evolve
from metastore.backend import Backend, Explains, FieldSpec
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
    Order,
    Path,
    Position,
    Predicate,
    Query,
    Rank,
    References,
    Text,
)
from metastore.testing import _oracle as oracle
from metastore.testing._exam import Exam
from metastore.testing._hostile import INTS, KEYS, MATCH_TEXTS, TEXTS, VERSIONS
from metastore.testing._model import new_id, type_spec

__all__ = ["ExplainSuite", "shapes"]

SPEC = type_spec(
    "shapes",
    FieldSpec(name="size", kind="int", optional=True, index=True),
    FieldSpec(name="parent", kind="link", optional=True, target="shapes"),
    FieldSpec(name="parts", kind="list", required=False, default=[], item=FieldSpec(kind="link", target="shapes")),
    FieldSpec(name="disk", kind="blob", optional=True),
    FieldSpec(name="layers", kind="folder", required=False, default={}),
)
_name, _folded = Path("name", kind="str"), Path("name", folded=True, kind="str")
_words = [tuple(dict.fromkeys(oracle.words_of(text)))[:1] or ("a",) for text in MATCH_TEXTS]

shapes: dict[str, Callable[[], Iterable[Predicate]]] = {
    "text compared": lambda: (Compare(_name, "eq", text) for text in TEXTS),
    "text ranged": lambda: (Compare(_name, "lt", text) for text in TEXTS),
    "text not equal": lambda: (Not(Compare(_name, "eq", text)) for text in TEXTS),
    "text starts": lambda: (Text(_name, "starts", text) for text in TEXTS if text),
    "text ends": lambda: (Text(_name, "ends", text) for text in TEXTS if text),
    "text contains": lambda: (Text(_name, "contains", text) for text in TEXTS if text),
    "folded starts": lambda: (Text(_folded, "starts", text) for text in TEXTS if text),
    "number": lambda: (Compare(Path("size", kind="int"), "ge", number) for number in INTS),
    "version": lambda: (Compare(Path("version", kind="version"), "eq", text) for text in VERSIONS["semver"]),
    "in": lambda: (In(_name, TEXTS[:count]) for count in (1, 2, 7, 40)),
    "key present": lambda: (HasKey(Path("properties", kind="dict"), key) for key in KEYS),
    "value under a key": lambda: (Compare(Path("properties", (key,), kind="json"), "eq", key) for key in KEYS),
    "number under a key": lambda: (Compare(Path("properties", (key,), kind="json"), "gt", 1) for key in KEYS),
    "nothing under a key": lambda: (Absent(Path("properties", (key,), kind="json")) for key in KEYS),
    "text under a key": lambda: (Text(Path("properties", (key,), kind="json"), "contains", "x") for key in KEYS),
    "layer": lambda: (Compare(Path("layers", (key, "size"), kind="int"), "gt", 1) for key in KEYS),
    "blob": lambda: (Compare(Path("disk", ("url",), kind="str"), "eq", text) for text in TEXTS),
    "tag": lambda: (Contains(Path("tags", kind="list"), (text,)) for text in TEXTS),
    "any tag": lambda: (Contains(Path("tags", kind="list"), TEXTS[:count], every=False) for count in (2, 3, 50)),
    "followed": lambda: (Follow(Path("parent", kind="link"), "shapes", Compare(_name, "eq", text)) for text in TEXTS),
    "linked from": lambda: (Followed("shapes", "parent", Compare(_name, "eq", text)) for text in TEXTS),
    "linked from a list": lambda: (
        Followed("shapes", "parts", HasKey(Path("properties", kind="dict"), key)) for key in KEYS
    ),
    "full text": lambda: (Matches(words) for words in _words),
    "full text in fields": lambda: (Matches(words, ("name", "tags")) for words in _words),
    "referenced": lambda: map(References, TEXTS),
}
"""Queries that differ in their values alone, by what they show."""


class ExplainSuite(Exam):
    """Skipped where the backend is no `Explains`."""

    @pytest.fixture
    def explain(self, backend: Backend) -> Callable[[Query], Any]:
        """A function from a query to its explanation."""
        if not isinstance(backend, Explains):
            pytest.skip("the backend does not explain its queries")
        backend.ensure(SPEC, 1)
        return lambda query: backend.explain(SPEC, query)

    @pytest.mark.parametrize("shape", shapes)
    def test_the_statement_is_the_same_whatever_is_asked_for(self, explain: Callable[[Query], Any], shape: str) -> None:
        told = [explain(Query("shapes", each)) for each in shapes[shape]()]
        assert len({each.sql for each in told}) == 1

    @pytest.mark.parametrize("shape", ["text compared", "value under a key", "tag"])
    def test_what_is_asked_for_is_bound(self, explain: Callable[[Query], Any], shape: str) -> None:
        for wanted in ("'; DROP TABLE images; --", '" OR 1=1 --', "zebra"):
            where = {
                "text compared": Compare(_name, "eq", wanted),
                "value under a key": Compare(Path("properties", (wanted,), kind="json"), "eq", wanted),
                "tag": Contains(Path("tags", kind="list"), (wanted,)),
            }[shape]
            told = explain(Query("shapes", where))
            assert wanted not in told.sql
            assert any(wanted in str(each) for each in told.bindings)

    def test_positions_limits_and_ranks_are_bound(self, explain: Callable[[Query], Any]) -> None:
        query = Query(
            "shapes", And(()), (Order(_name), Order(Rank(("a",)), descending=True)), 1, Position(("a", 1), new_id())
        )
        others = [evolve(query, after=Position((text, 2), new_id()), limit=7) for text in TEXTS]
        assert {explain(each).sql for each in others} == {explain(query).sql}

    def test_an_order_inside_a_dict_binds_its_key(self, explain: Callable[[Query], Any]) -> None:
        told = [explain(Query("shapes", And(()), (Order(Path("properties", (key,), kind="json")),))) for key in KEYS]
        assert len({each.sql for each in told}) == 1

    def test_a_plan_is_told(self, explain: Callable[[Query], Any]) -> None:
        for turned, latest in product((False, True), repeat=2):
            told = explain(Query("shapes", Compare(_name, "eq", "a"), (Order(_name, turned),), latest=latest))
            assert told.sql
            assert told.plan

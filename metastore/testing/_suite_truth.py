"""Duty *Truth*: every operator on every kind, absent values, negation, texts, JSON, full text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import given

from metastore._version import sort_key
from metastore.backend import Backend, FieldSpec, TypeSpec
from metastore.errors import MetastoreError
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Order,
    Path,
    Predicate,
    Query,
    Rank,
    References,
    Text,
)
from metastore.testing import _oracle as oracle
from metastore.testing._exam import Exam, agree, few, filled, found, world_of
from metastore.testing._hostile import KEYS, MATCH_TEXTS, TEXTS, WILD
from metastore.testing._model import World, delete, plain, replace, thing, type_spec
from metastore.testing._queries import Case, cases, queries
from metastore.testing._suite_values import SAMPLES, sampled

__all__ = ["TruthSuite"]

OPS = ("eq", "ne", "lt", "le", "gt", "ge")
SCALARS = ("bool", "int", "float", "str", "datetime", "version")


def _spread(values: tuple[Any, ...], most: int = 6) -> tuple[Any, ...]:
    return values[:: max(1, len(values) // most)]


def _wanted(kind: str, op: str) -> Iterable[Any]:
    field, values = SAMPLES[kind]
    for value in _spread(values):
        bound = plain(field, value)
        yield (sort_key(bound, field.scheme), bound) if kind == "version" and op not in ("eq", "ne") else bound


def _held(backend: Backend, world: World, predicates: Iterable[Predicate]) -> None:
    """Assert that each predicate and its negation hold for exactly what the oracle says."""
    (spec,) = world.specs.values()
    for each in predicates:
        expected = {one.id for one in world.things.values() if oracle.holds(world, one, each)}
        assert found(backend, spec, each) == expected, each
        assert found(backend, spec, Not(each)) == set(world.things) - expected, Not(each)


class TruthSuite(Exam):
    """What holds, and for what."""

    @pytest.mark.parametrize("index", [False, True])
    @pytest.mark.parametrize("kind", SCALARS)
    def test_every_comparison_and_its_negation(self, backend: Backend, kind: str, index: bool) -> None:
        world = sampled(kind, index=index, max_length=512 if kind == "str" and index else None)
        filled(backend, world)
        at = Path("subject", kind=kind)
        _held(backend, world, (Compare(at, op, value) for op in OPS for value in _wanted(kind, op)))  # type: ignore[arg-type]
        _held(backend, world, [Absent(at)])

    @pytest.mark.parametrize("kind", SCALARS)
    def test_in_holds_for_any_of_its_values_and_for_none_when_empty(self, backend: Backend, kind: str) -> None:
        world = sampled(kind)
        filled(backend, world)
        values = tuple(_wanted(kind, "eq"))
        _held(backend, world, [In(Path("subject", kind=kind), some) for some in ((), values[:1], values, values * 2)])

    @pytest.mark.parametrize("kind", ["id", "link"])
    def test_ids_and_links_are_equal_or_not(self, backend: Backend, kind: str) -> None:
        world = sampled(kind)
        filled(backend, world)
        at, values = Path("subject", kind=kind), SAMPLES[kind][1]
        _held(backend, world, [Compare(at, op, value) for op in ("eq", "ne") for value in values])
        _held(backend, world, [In(at, values), In(at, (b"\3" * 16,)), Absent(at)])

    @pytest.mark.parametrize("how", ["starts", "ends", "contains"])
    def test_text_search_knows_no_wildcards(self, backend: Backend, how: Any) -> None:
        spec = type_spec("texts", FieldSpec(name="subject", kind="str", optional=True))
        parts = [*WILD, "a", "A", "", "é", "É", "e\u0301", "ß", "\U0001f9ea", "'", '"', "\ufeff"]
        world = world_of(
            thing(spec), *(thing(spec, subject=part + other) for part, other in product(parts, ("", "b", "%")))
        )
        filled(backend, world)
        _held(backend, world, (Text(Path("subject", kind="str"), how, part) for part in parts))

    def test_equal_texts_are_equal_code_points(self, backend: Backend) -> None:
        world = sampled("str", index=True, max_length=255)
        filled(backend, world)
        _held(backend, world, (Compare(Path("subject", kind="str"), "eq", text) for text in TEXTS))

    def test_the_folded_form_forgets_case_and_nothing_else(self, backend: Backend) -> None:
        world = sampled("folded")
        filled(backend, world)
        at = Path("subject", folded=True, kind="str")
        texts = [oracle.folded(text) for text in ("A", "ß", "ﬁ", "Ⅷ", "É", "e\u0301", "İ", "Σ", "%", "")]
        _held(backend, world, [Compare(at, op, text) for op in ("eq", "lt") for text in texts])
        _held(backend, world, [Text(at, how, text) for how in ("starts", "contains") for text in texts])

    def test_json_compares_within_one_type_only(self, backend: Backend) -> None:
        spec = type_spec("free")
        values = [None, True, False, 0, 1, 1.0, 0.5, -1, 2**53 + 1, "", "1", "true", "a", [], [1], ["a"], {}, {"a": 1}]
        world = world_of(thing(spec), *(thing(spec, properties={"a.b": value}) for value in values))
        filled(backend, world)
        at = Path("properties", ("a.b",), kind="json")
        scalars = [value for value in values if not isinstance(value, list | dict)]
        _held(backend, world, (Compare(at, op, value) for op in ("eq", "ne") for value in scalars))
        _held(backend, world, (Compare(at, op, value) for op in OPS[2:] for value in scalars if value is not None))  # type: ignore[arg-type]
        _held(backend, world, [Absent(at), In(at, (1, "1", None)), In(at, (True,)), Text(at, "starts", "")])
        _held(backend, world, [Contains(at, (1,)), Contains(at, ("a", 1), every=False), Contains(at, ())])

    def test_a_key_is_taken_whole_whatever_characters_it_has(self, backend: Backend) -> None:
        spec = type_spec("keyed")
        world = world_of(
            thing(spec), *(thing(spec, properties={key: 1}) for key in KEYS), thing(spec, properties={"a": {"b": 1}})
        )
        filled(backend, world)
        at = Path("properties", kind="dict")
        _held(backend, world, (HasKey(at, key) for key in KEYS))
        _held(backend, world, (Compare(Path("properties", (key,), kind="json"), "eq", 1) for key in KEYS))
        _held(backend, world, (Absent(Path("properties", keys, kind="json")) for keys in (("a", "b"), ("a", "b", "c"))))
        _held(backend, world, [HasKey(Path("properties", ("a",), kind="json"), "b")])

    def test_the_parts_of_a_blob(self, backend: Backend) -> None:
        world = sampled("blob")
        filled(backend, world)
        parts = {
            ("size",): ("int", 0),
            ("media_type",): ("str", "a/b"),
            ("url",): ("str", "s3://b/%"),
            ("digests", "md5"): ("str", "0" * 32),
        }
        for keys, (kind, value) in parts.items():
            at = Path("subject", keys, kind=kind)
            _held(backend, world, [Absent(at), In(at, (value,)), *(Compare(at, op, value) for op in OPS)])  # type: ignore[arg-type]
        _held(backend, world, [Absent(Path("subject", kind="blob"))])

    def test_the_entries_of_a_folder(self, backend: Backend) -> None:
        world = sampled("folder")
        filled(backend, world)
        for key in KEYS[:12]:
            at = Path("subject", (key, "size"), kind="int")
            _held(backend, world, [HasKey(Path("subject", kind="folder"), key), Compare(at, "ge", 1), Absent(at)])

    def test_what_is_called_url_and_is_no_blobs(self, backend: Backend) -> None:
        inner = (FieldSpec(name="url", kind="str"), FieldSpec(name="digests", kind="int"))
        spec = type_spec(
            "urls",
            FieldSpec(name="pair", kind="object", optional=True, fields=inner),
            FieldSpec(name="files", kind="folder"),
        )
        files = {"url": {"size": 1, "locations": [{"url": "s3://a/b"}]}, "size": {"size": 2}}
        pairs = [{"url": "a", "digests": 1}, {"url": "b", "digests": 2}]
        filled(
            backend,
            world := world_of(thing(spec), *(thing(spec, pair=each) for each in pairs), thing(spec, files=files)),
        )
        url, digests = Path("pair", ("url",), kind="str"), Path("pair", ("digests",), kind="int")
        _held(backend, world, [Compare(url, op, "a") for op in OPS])  # type: ignore[arg-type]
        _held(backend, world, [Compare(digests, op, 1) for op in OPS])  # type: ignore[arg-type]
        _held(backend, world, [Absent(url), Text(url, "starts", "a"), In(url, ("a", "c")), Absent(digests)])
        _held(
            backend, world, [Absent(Path("files", ("url",), kind="blob")), HasKey(Path("files", kind="folder"), "url")]
        )
        _held(backend, world, [Absent(Path("files", ("url", "url"), kind="str"))])
        _held(backend, world, [Compare(Path("files", ("url", "size"), kind="int"), "eq", 1)])

    def test_who_refers_to_these_bytes(self, backend: Backend) -> None:
        world = sampled("blob")
        filled(backend, world)
        _held(
            backend,
            world,
            map(References, ("s3://a/'", "s3://b/%", "s3://b/", "md5:" + "0" * 32, "sha256:" + "f" * 64, "", "'")),
        )

    def test_a_list_contains_all_or_any(self, backend: Backend) -> None:
        spec = type_spec("lists", FieldSpec(name="subject", kind="list", optional=True, item=FieldSpec(kind="str")))
        lists: tuple[list[str] | None, ...] = (
            None,
            [],
            ["a"],
            ["A", "a "],
            ["a", "b", "a"],
            ["a,b"],
            ['a","b'],
            ["%"],
            [""],
            ["["],
        )
        world = world_of(*(thing(spec, subject=each) for each in lists))
        filled(backend, world)
        wanted = [(), ("a",), ("a", "b"), ("b", "zz"), ("",), ("%",), ("[",), ("a,b",), ("a", "a")]
        for name in ("subject", "tags"):
            _held(
                backend,
                world,
                (Contains(Path(name, kind="list"), some, every=every) for some in wanted for every in (True, False)),
            )

    def test_full_text_finds_words_and_no_syntax(self, backend: Backend) -> None:
        spec = type_spec("pages", FieldSpec(name="body", kind="str", search=3, optional=True))
        texts = [
            None,
            "Debian rescue",
            "debian-12",
            "NEAR and OR not",
            "straße ﬁn",
            "\uff46\uff55\uff4c\uff4c",
            "x" * 200,
            "日本語 text",
            *MATCH_TEXTS,
        ]
        world = world_of(
            *(thing(spec, body=text, name="n", tags=["Rescue disk"] if at % 3 else []) for at, text in enumerate(texts))
        )
        filled(backend, world)
        asked = [
            "debian",
            "debian rescue",
            "12",
            "and",
            "near or",
            "strasse",
            "fin",
            "full",
            "x" * 200,
            "日本語",
            "disk",
            "",
            *MATCH_TEXTS,
        ]
        _held(backend, world, (Matches(tuple(dict.fromkeys(oracle.words_of(text)))) for text in asked))

    def test_rank_counts_words_and_fields_and_no_statistics(self, backend: Backend) -> None:
        spec = type_spec("pages", FieldSpec(name="body", kind="str", search=3, optional=True))
        world = world_of(
            *(
                thing(spec, body=body, name=name, tags=tags)
                for body, name, tags in product((None, "a b a a", "b"), ("a", "c"), ([], ["a", "b"]))
            )
        )
        filled(backend, world)
        for words, descending in product((("a",), ("a", "b"), ("zz",), ()), (True, False)):
            agree(backend, world, Query("pages", order=(Order(Rank(words), descending),)))

    def test_only_the_fields_that_are_named_are_searched_and_ranked(self, backend: Backend) -> None:
        spec = type_spec("pages", FieldSpec(name="body", kind="str", search=3, optional=True))
        world = world_of(
            *(
                thing(spec, body=body, name=name, tags=tags)
                for body, name, tags in product((None, "a b", "b"), ("a", "c"), ([], ["a", "b"]))
            )
        )
        filled(backend, world)
        some = (("body",), ("name",), ("tags", "body"), ("tags", "name", "body", "description"))
        for words, fields, descending in product((("a",), ("a", "b"), ("zz",), ()), some, (True, False)):
            _held(backend, world, [Matches(words, fields)])
            order = (Order(Rank(words, fields), descending),)
            for where in (And(()), Matches(words, fields), Matches(words), Matches(words, ("name",)) & Matches(("b",))):
                agree(backend, world, Query("pages", where, order))

    def test_hundreds_of_hits_in_named_fields_are_ranked_as_a_few_are(self, backend: Backend) -> None:
        spec, texts = type_spec("images"), ("a b", "b", None, "a")
        world = world_of(
            *(thing(spec, name="a" if at % 3 else "b", description=texts[at % 4], tags=["a"]) for at in range(400))
        )
        filled(backend, world)
        for fields in ((), ("name",), ("description", "name")):
            for words in (("a",), ("a", "b")):
                order = (Order(Rank(words, fields), descending=True),)
                agree(backend, world, Query("images", Matches(words, fields), order))

    @pytest.mark.parametrize("hits", [3, 200])
    def test_a_search_for_hundreds_of_words_is_ranked_as_one_for_a_few(self, backend: Backend, hits: int) -> None:
        spec, words = type_spec("images"), tuple(f"w{at}" for at in range(200))
        world = world_of(
            *(thing(spec, name=f"n w{at % 4}", description=" ".join(words[at % 2 :])) for at in range(hits))
        )
        filled(backend, world)
        for asked in (Matches(words), Matches(words, ("name", "description")), Matches(words[:2])):
            agree(backend, world, Query("images", asked, (Order(Rank(words), descending=True),)))

    def test_a_replaced_or_deleted_row_leaves_nothing_to_be_found(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec, tags=["old"], properties={"k": 1}, description="old words", name="old")
        after = made.but(tags=["new"], properties={}, description=None, name="new")
        assert replace(backend, made, after)
        asked = (
            Contains(Path("tags", kind="list"), ("old",)),
            HasKey(Path("properties", kind="dict"), "k"),
            Matches(("old",)),
            Compare(Path("name", folded=True, kind="str"), "eq", "old"),
        )
        assert [found(backend, spec, each) for each in asked] == [set()] * 4
        assert found(backend, spec, Contains(Path("tags", kind="list"), ("new",))) == {made.id}
        assert delete(backend, after)
        assert found(backend, spec, Matches(("new",))) == found(backend, spec) == set()

    def test_and_of_nothing_holds_and_or_of_nothing_does_not(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        assert found(backend, spec, And(())) == {made.id}
        assert found(backend, spec, Or(())) == set()

    def test_an_in_list_of_a_hundred_thousand(self, backend: Backend, spec: TypeSpec) -> None:
        things = [self.one(backend, spec, name=name) for name in ("a", "n7", "n99999")]
        names = tuple(f"n{at}" for at in range(100_000))
        at = Path("name", kind="str")
        assert found(backend, spec, In(at, names)) == {each.id for each in things[1:]}
        assert found(backend, spec, Not(In(at, names))) == {things[0].id}

    @pytest.mark.parametrize("kind", [And, Or])
    def test_hundreds_of_conditions_in_one_group(self, backend: Backend, spec: TypeSpec, kind: Any) -> None:
        made = self.one(backend, spec, name="n7", tags=["t7"])
        op = "eq" if kind is Or else "ne"
        names = tuple(Compare(Path("name", kind="str"), op, f"n{at if kind is Or else at + 1000}") for at in range(300))  # type: ignore[arg-type]
        tags = tuple(Contains(Path("tags", kind="list"), ("t7", f"t{at}"), every=False) for at in range(100))
        assert found(backend, spec, kind((*names, *tags))) == {made.id}

    def test_deep_nesting_is_answered_or_refused(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        for depth in (50, 100, 1_000, 20_000):
            where: Predicate = Compare(Path("name", kind="str"), "eq", "thing")
            for at in range(depth):
                where = And((where,)) if at % 2 else Or((where, Or(())))
            try:
                answer = found(backend, spec, where)
            except MetastoreError:
                assert depth > 100
            else:
                assert answer == {made.id}

    @given(case=cases(queries))
    @few(40)
    def test_any_query_is_answered_as_the_oracle_answers(self, fresh: Callable[[], Backend], case: Case) -> None:
        backend = filled(fresh(), case.world)
        for query in case.queries:
            agree(backend, case.world, query)

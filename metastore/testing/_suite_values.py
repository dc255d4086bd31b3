"""Duty *Values*: what goes in comes out, over the whole range of every kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._data import evolve
from metastore.backend import Backend, FieldSpec, TypeSpec
from metastore.query import Query
from metastore.testing._exam import Exam, few, filled
from metastore.testing._hostile import FLOATS, INTS, KEYS, MAX_INT, TEXTS, VERSIONS
from metastore.testing._model import EPOCH, Thing, World, commit, insert, new_id, row, thing, type_spec
from metastore.testing._queries import Case, cases

__all__ = ["ValuesSuite"]

_BLOBS: tuple[dict[str, Any], ...] = (
    {},
    {"size": MAX_INT},
    {"locations": [{"url": "s3://a/'"}, {"priority": 3, "url": "s3://b/%"}], "media_type": "a/b"},
    {"digests": {"md5": "0" * 32, "sha256": "f" * 64}, "size": 0},
)
_JSON: tuple[Any, ...] = (
    True,
    False,
    0,
    1,
    1.0,
    -0.5,
    MAX_INT,
    2**53 + 1,
    "",
    "1",
    [],
    {},
    [None],
    [[1, "a"], {}],
    {"": {"a.b": [None, True]}},
    *TEXTS[:40],
)

SAMPLES: dict[str, tuple[FieldSpec, tuple[Any, ...]]] = {
    "bool": (FieldSpec(kind="bool"), (False, True)),
    "int": (FieldSpec(kind="int"), INTS),
    "float": (FieldSpec(kind="float"), FLOATS),
    "str": (FieldSpec(kind="str"), TEXTS),
    "folded": (FieldSpec(kind="str", folded=True, index=True, max_length=255), TEXTS),
    "searched": (FieldSpec(kind="str", search=3), TEXTS),
    "datetime": (
        FieldSpec(kind="datetime"),
        (EPOCH, EPOCH - timedelta(microseconds=1), datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ),
    "version": (FieldSpec(kind="version", scheme="debian"), VERSIONS["debian"]),
    "id": (FieldSpec(kind="id"), (b"\0" * 16, b"\xff" * 16, b"'\";--\0%_\n abcdef"[:16])),
    "link": (FieldSpec(kind="link"), (b"\0" * 16, b"\xff" * 16)),
    "blob": (FieldSpec(kind="blob"), _BLOBS),
    "folder": (
        FieldSpec(kind="folder"),
        ({}, *({key: blob} for key in KEYS for blob in _BLOBS[:2]), {key: {"size": 1} for key in KEYS}),
    ),
    "list": (FieldSpec(kind="list", item=FieldSpec(kind="str")), ([], ["", ""], list(TEXTS))),
    "links": (FieldSpec(kind="list", item=FieldSpec(kind="link")), ([], [b"\1" * 16, b"\1" * 16, b"\2" * 16])),
    "dict": (
        FieldSpec(kind="dict", item=FieldSpec(kind="json")),
        ({}, dict.fromkeys(KEYS), {"a": {"b": {"c": 1}}, "a.b": 2}),
    ),
    "json": (FieldSpec(kind="json"), _JSON),
    "object": (FieldSpec(kind="object", fields=(FieldSpec(name="a", kind="int"),)), ({"a": MAX_INT},)),
}


def sampled(kind: str, **words: Any) -> World:
    """Return a world with one artifact per sample value of a kind, and one without a value."""
    field, values = SAMPLES[kind]
    spec = type_spec("samples", _named(field, **words))
    made = [thing(spec, subject=value) for value in (None, *values)]
    return World({"samples": spec}, {each.id: each for each in made})


def _named(field: FieldSpec, **words: Any) -> FieldSpec:
    return evolve(field, name="subject", optional=True, required=False, **words)


class ValuesSuite(Exam):
    """Round trips, defaults, specs."""

    @pytest.mark.parametrize("kind", SAMPLES)
    def test_every_value_comes_back_as_it_was(self, backend: Backend, kind: str) -> None:
        world = sampled(kind)
        things = list(world.things.values())
        filled(backend, world)
        assert backend.fetch(world.specs["samples"], [each.id for each in things]) == [row(each) for each in things]

    @pytest.mark.parametrize("kind", SAMPLES)
    def test_every_value_comes_back_with_its_type(self, backend: Backend, kind: str) -> None:
        world = sampled(kind)
        filled(backend, world)
        for each in world.things.values():
            (stored,) = backend.fetch(each.spec, [each.id])
            assert [type(value) for value in stored] == [type(value) for value in row(each)]

    @given(case=cases(least=1))
    @few(25)
    def test_any_artifact_of_any_type_comes_back(self, fresh: Callable[[], Backend], case: Case) -> None:
        backend = filled(fresh(), case.world)
        for spec in case.world.specs.values():
            things = list(case.world.of(spec.name))
            assert backend.fetch(spec, [each.id for each in things]) == [row(each) for each in things]
        assert list(backend.check()) == []

    @given(case=cases(least=1), several=st.booleans())
    @few(15)
    def test_a_short_row_has_every_field(self, fresh: Callable[[], Backend], case: Case, several: bool) -> None:
        backend = filled(fresh(), case.world)
        for spec in case.world.specs.values():
            things, width = list(case.world.of(spec.name))[: None if several else 1], len(spec.fields)
            rows = backend.fetch(spec, [each.id for each in things], short=True)
            assert [each[:width] for each in rows] == [row(each)[:width] for each in things]

    def test_fetch_keeps_the_order_asked_and_leaves_out_what_is_missing(self, backend: Backend, spec: TypeSpec) -> None:
        things = [self.one(backend, spec) for _ in range(4)]
        asked = [things[2].id, new_id(), things[0].id, things[3].id]
        assert [each[0] for each in backend.fetch(spec, asked)] == [things[2].id, things[0].id, things[3].id]
        assert backend.fetch(spec, []) == []

    def test_an_id_that_is_asked_twice_comes_twice(self, backend: Backend, spec: TypeSpec) -> None:
        one, two = self.one(backend, spec), self.one(backend, spec)
        assert [each[0] for each in backend.fetch(spec, [two.id, one.id, two.id])] == [two.id, one.id, two.id]

    def test_rows_of_a_name_come_highest_version_first_as_many_as_are_asked_for(
        self, backend: Backend, spec: TypeSpec
    ) -> None:
        versions = ("1.10.0", "1.9.0", "2.0.0", "1.9.0", "2.0.0-rc.1")
        made = [self.one(backend, spec, name="a", owner=str(at), version=each) for at, each in enumerate(versions)]
        self.one(backend, spec, name="A", version="3.0.0")
        for limit in range(1, 7):
            told = [each[spec.position["version"]] for each in backend.named(spec, "a", None, limit)]
            assert told == ["2.0.0", "2.0.0-rc.1", "1.10.0", "1.9.0", "1.9.0"][:limit]
            of_one = {each[0] for each in backend.named(spec, "a", "1.9.0", limit)}
            assert len(of_one) == min(limit, 2)
            assert of_one <= {made[1].id, made[3].id}
        assert backend.named(spec, "b", None, 1) == backend.named(spec, "a", "0.0.0", 1) == []

    def test_fetch_takes_a_hundred_thousand_ids(self, backend: Backend, spec: TypeSpec) -> None:
        things = [self.one(backend, spec) for _ in range(3)]
        nobody = [at.to_bytes(16, "big") for at in range(100_000)]
        rows = backend.fetch(spec, [things[0].id, *nobody, things[1].id])
        assert [each[0] for each in rows] == [things[0].id, things[1].id]

    def test_fetch_finds_only_rows_of_the_type_asked(self, backend: Backend, spec: TypeSpec) -> None:
        other = type_spec("others")
        backend.ensure(other, 1)
        assert backend.fetch(other, [self.one(backend, spec).id]) == []

    def test_lists_returned_belong_to_the_caller(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        backend.fetch(spec, [made.id]).clear()
        backend.select(spec, Query(spec.name)).clear()
        backend.specs().clear()
        assert backend.fetch(spec, [made.id]) == [row(made)]
        assert [each.spec for each in backend.specs()] == [spec]

    def test_specs_come_by_type_name_then_number(self, backend: Backend) -> None:
        first, wider, other = (
            type_spec("b"),
            type_spec("b", FieldSpec(name="size", kind="int", optional=True)),
            type_spec("a"),
        )
        for spec, number in ((first, 1), (other, 1), (wider, 2)):
            backend.ensure(spec, number)
        assert [(each.number, each.spec) for each in backend.specs()] == [(1, other), (1, first), (2, wider)]
        assert [each.spec for each in backend.specs("b")] == [first, wider]
        assert backend.specs("nothing") == []

    def test_a_new_column_of_old_rows_takes_its_default(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        fields = (
            FieldSpec(name="size", kind="int", required=False, default=7),
            FieldSpec(name="label", kind="str", required=False, default="It's", folded=True),
            FieldSpec(name="notes", kind="list", item=FieldSpec(kind="str"), required=False, default=[]),
            FieldSpec(name="free", kind="json", optional=True, required=False),
        )
        wider = type_spec("images", *fields)
        backend.ensure(wider, 2)
        expected = Thing(wider, {**made.values, "size": 7, "label": "It's", "notes": [], "free": None})
        assert backend.fetch(wider, [made.id])[0][:-1] == row(expected)[:-1]

    def test_an_older_spec_reads_and_writes_and_keeps_what_it_does_not_know(
        self, backend: Backend, spec: TypeSpec
    ) -> None:
        wider = type_spec("images", FieldSpec(name="size", kind="int", optional=True, required=False, index=True))
        backend.ensure(wider, 2)
        made = self.one(backend, wider, size=5)
        old = Thing(spec, {name: value for name, value in made.values.items() if name != "size"})
        assert backend.fetch(spec, [made.id])[0][:-1] == row(old)[:-1]
        insert(backend, another := thing(spec, name="b"))
        assert [each[wider.position["size"]] for each in backend.fetch(wider, [made.id, another.id])] == [5, None]

    def test_a_rebuild_puts_new_rows_in_the_place_of_all(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec, description="old words")
        other = type_spec("images", FieldSpec(name="size", kind="int"))
        kept = Thing(other, {**made.values, "size": 1})
        with backend.transaction():
            backend.stamp(commit())
            backend.rebuild(other, 2, iter([row(kept)]))
        assert backend.fetch(other, [made.id]) == [row(kept)]
        assert [each.breaking for each in backend.specs("images")] == [False, True]

    def test_the_methods_take_what_the_contract_says(self, backend: Backend) -> None:
        for name, method in inspect.getmembers(Backend, inspect.isfunction):
            if not name.startswith("_"):
                wanted = [each for each in inspect.signature(method).parameters if each != "self"]
                assert list(inspect.signature(getattr(backend, name)).parameters) == wanted, name

    def test_the_store_has_an_identity(self, backend: Backend) -> None:
        assert len(backend.catalogue) == 36
        assert backend.read_only is False

"""Duty *Order*: sorting, pages, the latest of each name, and figures per group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._data import evolve
from metastore.backend import Backend, FieldSpec, TypeSpec
from metastore.errors import QueryError
from metastore.query import And, Compare, Measure, Order, Path, Predicate, Query
from metastore.testing import _figures as figures
from metastore.testing import _oracle as oracle
from metastore.testing._exam import Exam, agree, few, filled, world_of
from metastore.testing._hostile import MAX_INT, VERSIONS
from metastore.testing._model import EPOCH, Thing, World, insert, thing, type_spec
from metastore.testing._queries import Case, cases, pages, sortable
from metastore.testing._suite_values import sampled

__all__ = ["OrderSuite"]

_SIZE = FieldSpec(name="size", kind="int", optional=True, required=False, index=True)
_RATIO = FieldSpec(name="ratio", kind="float", optional=True, required=False)


def walked(backend: Backend, world: World, query: Query, limit: int) -> Iterator[list[Thing]]:
    """Yield the pages of a query, each asked for after the last artifact of the one before."""
    spec = world.specs[query.type]
    while rows := backend.select(spec, evolve(query, limit=limit)):
        page = [world.things[each[0]] for each in rows]
        yield page
        query = evolve(query, after=oracle.position(page[-1], query))


def _mixed(spec: TypeSpec, count: int = 12) -> World:
    """Return artifacts with many ties and absent values."""
    numbers = (None, 1, 2, -1, MAX_INT)
    return world_of(
        *(
            thing(
                spec,
                size=numbers[at % 5],
                name="ab"[at % 2],
                owner=(None, "ann", "bob")[at % 3],
                version=VERSIONS["semver"][at % 12],
            )
            for at in range(count)
        )
    )


class OrderSuite(Exam):
    """What comes first, and what comes next."""

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("kind", ["bool", "int", "float", "str", "folded", "datetime", "version", "id"])
    def test_every_kind_has_its_order_absent_smallest(self, backend: Backend, kind: str, descending: bool) -> None:
        world = sampled(kind)
        filled(backend, world)
        path = Path("subject", folded=kind == "folded", kind={"folded": "str"}.get(kind, kind))
        agree(backend, world, Query("samples", order=(Order(path, descending),)))

    @pytest.mark.parametrize("scheme", sorted(VERSIONS))
    def test_versions_have_the_order_of_their_scheme(self, backend: Backend, scheme: str) -> None:
        spec = type_spec("versions", scheme=scheme)
        world = world_of(*(thing(spec, version=text) for text in VERSIONS[scheme] * 2))
        filled(backend, world)
        for descending in (False, True):
            agree(backend, world, Query("versions", order=(Order(Path("version", kind="version"), descending),)))

    @pytest.mark.parametrize("descending", [False, True])
    def test_json_scalars_order_by_type_then_value_and_the_rest_is_absent(
        self, backend: Backend, descending: bool
    ) -> None:
        spec = type_spec("free")
        values: list[Any] = [None, True, False, 1, 0.5, -3, "", "a", "B", "1", [], ["a"], {}]
        world = world_of(thing(spec), thing(spec), *(thing(spec, properties={"a.b": value}) for value in values))
        filled(backend, world)
        query = Query("free", order=(Order(Path("properties", ("a.b",), kind="json"), descending),))
        agree(backend, world, query)
        seen = [each.id for page in walked(backend, world, query, 2) for each in page]
        assert seen == [each.id for each in oracle.select(world, query)]

    def test_the_parts_of_blobs_have_an_order(self, backend: Backend) -> None:
        world = sampled("blob")
        filled(backend, world)
        for name, kind in (("size", "int"), ("media_type", "str")):
            agree(backend, world, Query("samples", order=(Order(Path("subject", (name,), kind=kind)),)))

    def test_the_id_ends_every_order_in_its_last_direction(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        world = _mixed(spec)
        filled(backend, world)
        keys = [Path("size", kind="int"), Path("name", kind="str"), Path("version", kind="version")]
        for first, second in product(keys, keys):
            for down, turned in product((False, True), repeat=2):
                agree(backend, world, Query("numbers", order=(Order(first, down), Order(second, turned))))
        agree(backend, world, Query("numbers"))

    @pytest.mark.parametrize("limit", [0, 1, 5, 12, 13])
    def test_limit_counts_artifacts(self, backend: Backend, limit: int) -> None:
        world = _mixed(type_spec("numbers", _SIZE))
        filled(backend, world)
        agree(backend, world, Query("numbers", limit=limit))

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_pages_never_overlap_and_cover_all(self, backend: Backend, limit: int) -> None:
        spec = type_spec("numbers", _SIZE)
        world = _mixed(spec)
        filled(backend, world)
        for path, down in product(sortable(spec), (False, True)):
            query = Query("numbers", order=(Order(path, down),))
            seen = [each.id for page in walked(backend, world, query, limit) for each in page]
            assert seen == [each.id for each in oracle.select(world, query)]

    def test_what_is_added_before_the_position_is_not_seen_and_what_is_after_it_is(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        world = world_of(*(thing(spec, size=size) for size in range(0, 40, 4)))
        filled(backend, world)
        query, seen, before, after = (
            Query("numbers", order=(Order(Path("size", kind="int")),)),
            list[bytes](),
            set[bytes](),
            set[bytes](),
        )
        for page in walked(backend, world, query, 2):
            seen += [each.id for each in page]
            last = page[-1]["size"]
            if last % 4 == 0:
                passed = [thing(spec, size=last - 1), thing(spec, size=last, id=b"\0" * 8 + last.to_bytes(8, "big"))]
                coming = [thing(spec, size=last + 1), thing(spec, size=last, id=b"\xff" * 8 + last.to_bytes(8, "big"))]
                insert(backend, *passed, *coming)
                world.things.update({each.id: each for each in (*passed, *coming)})
                before |= {each.id for each in passed}
                after |= {each.id for each in coming}
        assert len(set(seen)) == len(seen)
        assert set(seen) & before == set()
        assert after <= set(seen)

    def test_a_page_after_an_artifact_that_went_goes_on_in_its_place(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        world = _mixed(spec)
        filled(backend, world)
        query = Query(
            "numbers", order=(Order(Path("size", kind="int"), descending=True), Order(Path("name", kind="str")))
        )
        for gone in (thing(spec, size=None, name=""), thing(spec, size=0, name="a"), thing(spec, size=1, name="zz")):
            agree(backend, world, evolve(query, after=oracle.position(gone, query)))

    @given(case=cases(pages), limit=st.sampled_from((1, 2, 3)))
    @few(25)
    def test_the_pages_of_any_query_are_the_oracle_s(
        self, fresh: Callable[[], Backend], case: Case, limit: int
    ) -> None:
        backend = filled(fresh(), case.world)
        for query in case.queries:
            agree(backend, case.world, query)
            whole = evolve(query, after=None, limit=None)
            seen = [each.id for page in walked(backend, case.world, whole, limit) for each in page]
            assert seen == [each.id for each in oracle.select(case.world, whole)], whole

    @pytest.mark.parametrize("scheme", sorted(VERSIONS))
    def test_latest_is_the_highest_version_per_owner_and_name(self, backend: Backend, scheme: str) -> None:
        spec = type_spec("numbers", _SIZE, scheme=scheme)
        some = product((None, "ann", "Ann"), ("a", "A", ""), VERSIONS[scheme][:5])
        world = world_of(*(thing(spec, owner=owner, name=name, version=text) for owner, name, text in some))
        filled(backend, world)
        by_name = (Order(Path("name", kind="str"), descending=True),)
        wheres: list[Predicate] = [And(()), Compare(Path("version", kind="version"), "ne", VERSIONS[scheme][0])]
        for where in wheres:
            agree(backend, world, Query("numbers", where, latest=True))
            agree(backend, world, Query("numbers", where, by_name, 3, latest=True))

    def test_of_equal_precedence_the_greater_text_is_latest_then_the_greater_id(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        world = world_of(
            *(thing(spec, version=text) for text in ("1.0.0+b", "1.0.0", "1.0.0+b", "1.0.0+a", "1.0.0-rc.1"))
        )
        filled(backend, world)
        agree(backend, world, Query("numbers", latest=True))

    # --- figures ---

    def _figures(self, backend: Backend, world: World, query: Query, by: tuple[Path, ...], *measures: Measure) -> None:
        spec = world.specs[query.type]
        rows, expected = backend.aggregate(spec, query, by, measures), figures.aggregate(world, query, by, measures)
        assert len(rows) == len(expected), (by, measures, rows, expected)
        for one, other in zip(rows, expected, strict=True):
            assert all(_near(a, b) for a, b in zip(one, other, strict=True)), (by, measures, one, other)

    def test_figures_per_group(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE, _RATIO)
        world = world_of(
            *(
                thing(spec, size=at % 4 or None, ratio=at / 3, name="aAb"[at % 3], owner=(None, "x")[at % 2])
                for at in range(24)
            )
        )
        filled(backend, world)
        size, ratio, name = Path("size", kind="int"), Path("ratio", kind="float"), Path("name", kind="str")
        some = [
            Measure("count"),
            *(Measure(what, path) for what in ("min", "max", "sum", "avg") for path in (size, ratio)),
        ]
        for by in ((), (name,), (Path("owner", kind="str"),), (size, name), (Path("name", folded=True, kind="str"),)):
            self._figures(backend, world, Query("numbers"), by, *some, Measure("min", name), Measure("max", name))
            self._figures(backend, world, Query("numbers", Compare(size, "gt", 1), (), 1), by, *some)

    @pytest.mark.parametrize("kind", ["bool", "int", "str", "datetime", "version"])
    def test_every_scalar_kind_makes_groups_in_its_order(self, backend: Backend, kind: str) -> None:
        world = sampled(kind)
        filled(backend, world)
        self._figures(backend, world, Query("samples"), (Path("subject", kind=kind),), Measure("count"))

    def test_a_list_groups_by_each_distinct_element(self, backend: Backend) -> None:
        spec = type_spec("lists", FieldSpec(name="numbers", kind="list", item=FieldSpec(kind="int")))
        some = product(([], ["a"], ["b", "a"], ["A", "%"]), ([], [1, 1], [1, 2, 10]))
        world = world_of(*(thing(spec, tags=tags, numbers=numbers) for tags, numbers in some))
        filled(backend, world)
        for name in ("tags", "numbers"):
            self._figures(backend, world, Query("lists"), (Path(name, kind="list"),), Measure("count"))

    def test_no_artifacts_are_one_group_without_by_and_none_with(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        backend.ensure(spec, 1)
        measures = (
            Measure("count"),
            *(Measure(what, Path("size", kind="int")) for what in ("min", "max", "sum", "avg")),
        )
        assert backend.aggregate(spec, Query("numbers"), (), measures) == [(0, None, None, None, None)]
        assert backend.aggregate(spec, Query("numbers"), (Path("name", kind="str"),), measures) == []

    def test_a_sum_beyond_64_bits_is_refused(self, backend: Backend) -> None:
        spec = type_spec("numbers", _SIZE)
        world = world_of(*(thing(spec, size=MAX_INT) for _ in range(2)))
        filled(backend, world)
        with pytest.raises(QueryError):
            backend.aggregate(spec, Query("numbers"), (), (Measure("sum", Path("size", kind="int")),))
        self._figures(backend, world, Query("numbers"), (), Measure("max", Path("size", kind="int")), Measure("count"))

    def test_the_earliest_and_the_last_moment(self, backend: Backend) -> None:
        spec = type_spec("moments")
        moments = [EPOCH + timedelta(days=days) for days in (3, -400, 9000)]
        filled(backend, world_of(*(thing(spec, created_at=each) for each in moments)))
        at = Path("created_at", kind="datetime")
        found = backend.aggregate(spec, Query("moments"), (), (Measure("min", at), Measure("max", at)))
        assert found == [(-400 * 86_400_000_000, 9000 * 86_400_000_000)]

    def test_latest_counts_in_figures_and_limit_and_order_do_not(self, backend: Backend) -> None:
        world = _mixed(type_spec("numbers", _SIZE))
        filled(backend, world)
        query = Query("numbers", order=(Order(Path("size", kind="int")),), limit=1, latest=True)
        self._figures(
            backend,
            world,
            query,
            (Path("owner", kind="str"),),
            Measure("count"),
            Measure("max", Path("size", kind="int")),
        )


def _near(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)

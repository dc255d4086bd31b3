"""Many rows replaced at once: they leave what as many single calls leave, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.backend import Backend, FieldSpec, TypeSpec, Usage
from metastore.errors import DuplicateError
from metastore.query import Contains, Path, Query
from metastore.testing._exam import ALL, Exam, agree, few, filled, found
from metastore.testing._machine import SPEC
from metastore.testing._model import Thing, World, change, commit, row, thing, type_spec
from metastore.testing._queries import pages
from metastore.testing._worlds import things, worlds

__all__ = ["ReplacingSuite"]

KEY = b"k" * 32
DISK = FieldSpec(name="disk", kind="blob", optional=True, required=False)

Pair = tuple[Thing, Thing]


def entries(pairs: Sequence[Pair]) -> list[tuple[Any, Any, Any]]:
    """Return what a backend is given to replace each first by its second."""
    return [(row(before), row(after), change("update", before, after)) for before, after in pairs]


def replace_many(backend: Backend, pairs: Sequence[Pair], *, at_once: bool = True) -> list[bytes]:
    """Replace each first by its second, in one transaction, and return the ids of those that were late."""
    spec = pairs[0][0].spec
    with backend.transaction():
        backend.stamp(commit())
        if at_once:
            return backend.replace(spec, entries(pairs))
        return [ident for each in entries(pairs) for ident in backend.replace(spec, [each])]


def left(backend: Backend, spec: TypeSpec) -> tuple[Any, ...]:
    """Return all that a store tells of a type's artifacts and of the last transaction."""
    return (
        backend.select(spec, Query(spec.name, ALL)),
        backend.identities(b"", 1000),
        backend.history(0, 1000)[-1].changes,
        backend.usage(None, everybody=True),
        list(backend.check()),
    )


@st.composite
def changed(draw: st.DrawFn, world: World) -> list[Pair]:
    """Draw for most artifacts of a world what they become."""
    some = draw(st.lists(st.sampled_from(sorted(world.things)), unique=True, min_size=1))
    ids = [*world.things]
    return [
        (before, draw(things(before.spec, ids, id=before.id, revision=before["revision"] + 1)))
        for before in (world.things[ident] for ident in some)
    ]


class ReplacingSuite(Exam):
    """What `Backend.replace` does with many."""

    @few(20)
    @given(data=st.data())
    def test_many_replaced_at_once_leave_what_single_calls_leave(
        self, fresh: Callable[[], Backend], data: st.DataObject
    ) -> None:
        world = data.draw(worlds(SPEC))
        pairs = data.draw(changed(world))
        told = []
        for at_once in (False, True):
            backend = filled(fresh(), world)
            assert replace_many(backend, pairs, at_once=at_once) == []
            told.append(left(backend, SPEC))
        assert told[0] == told[1]
        assert told[1][2:] == (tuple(change("update", *pair) for pair in pairs), told[0][3], [])
        after = World(world.specs, world.things | {each.id: each for _, each in pairs})
        for _ in range(3):
            agree(backend, after, data.draw(pages(after, SPEC)))

    def test_those_of_another_revision_are_told_in_order_and_stay(self, backend: Backend, spec: TypeSpec) -> None:
        made = [self.one(backend, spec, name=name, tags=[name]) for name in "abcd"]
        older = [Thing(spec, {**made[at].values, "revision": 7}) for at in (2, 0)]
        pairs = [(each, each.but(tags=["new"])) for each in (older[0], made[1], older[1], made[3])]
        assert replace_many(backend, pairs) == [made[2].id, made[0].id]
        assert backend.fetch(spec, [each.id for each in made]) == [
            row(each) for each in (made[0], pairs[1][1], made[2], pairs[3][1])
        ]
        assert [each.id for each in backend.history(0, 99)[-1].changes] == [made[1].id, made[3].id]

    @pytest.mark.parametrize("holder", ["another", "one of these", "the one before"])
    def test_a_key_that_is_held_lets_none_be_replaced(self, backend: Backend, spec: TypeSpec, holder: str) -> None:
        held = [KEY if holder == "one of these" else None, None, KEY if holder == "another" else None]
        made = [self.one(backend, spec, unique_key=key, tags=["old"]) for key in held]
        keys = [KEY if holder == "the one before" else b"o" * 32, KEY]
        pairs = [(each, each.but(unique_key=key, tags=["new"])) for each, key in zip(made, keys, strict=False)]
        with backend.transaction():
            backend.stamp(commit())
            with pytest.raises(DuplicateError):
                backend.replace(spec, entries(pairs))
        assert backend.fetch(spec, [each.id for each in made]) == [row(each) for each in made]
        assert found(backend, spec, Contains(Path("tags", kind="list"), ("old",))) == {each.id for each in made}
        assert backend.stats()["changes"] == 3

    def test_keys_that_are_kept_or_free_are_no_hindrance(self, backend: Backend, spec: TypeSpec) -> None:
        one, two = self.one(backend, spec, unique_key=KEY), self.one(backend, spec)
        pairs = [(one, one.but(name="kept")), (two, two.but(unique_key=b"o" * 32))]
        assert replace_many(backend, pairs) == []
        assert backend.fetch(spec, [one.id, two.id]) == [row(after) for _, after in pairs]

    def test_an_older_spec_replaces_of_many_only_what_it_knows(self, backend: Backend, spec: TypeSpec) -> None:
        wider = type_spec("images", FieldSpec(name="size", kind="int", optional=True, required=False, index=True))
        backend.ensure(wider, 2)
        made = [self.one(backend, wider, size=at) for at in range(3)]
        old = [thing(spec, **{name: each[name] for name in each.values if name != "size"}) for each in made]
        assert replace_many(backend, [(each, each.but(description="x")) for each in old]) == []
        rows = backend.fetch(wider, [each.id for each in made])
        assert [each[wider.position["size"]] for each in rows] == [0, 1, 2]
        assert {each[wider.position["description"]] for each in rows} == {"x"}

    def test_what_is_held_follows_many(self, backend: Backend) -> None:
        spec = type_spec("images", DISK)
        backend.ensure(spec, 1)
        with backend.transaction():
            backend.tally()
        made = [self.one(backend, spec, disk={"size": 1}) for _ in range(3)]
        assert replace_many(backend, [(each, each.but(disk={"size": 5})) for each in made[:2]]) == []
        assert backend.usage(None) == {"images": Usage(3, 11)}

    def test_replacing_nothing_is_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        with backend.transaction():
            backend.stamp(commit())
            assert backend.replace(spec, []) == []
        assert backend.stats()["changes"] == 0

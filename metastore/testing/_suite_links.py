"""Links: followed in predicates, walked as a graph, dangling as foreign identities."""

from __future__ import annotations

from typing import Any

import pytest

from metastore.backend import Backend, Edge, FieldSpec, Identity, TypeSpec
from metastore.query import Absent, And, Compare, Follow, Followed, Not, Path, Predicate, Query
from metastore.testing import _figures as figures
from metastore.testing._exam import Exam, agree, filled, found
from metastore.testing._model import Thing, World, delete, insert, new_id, replace, thing, type_spec

__all__ = ["LinksSuite"]

_PARENT = FieldSpec(name="parent", kind="link", optional=True, required=False, target="images")
_PARTS = FieldSpec(name="parts", kind="list", required=False, default=[], item=FieldSpec(kind="link", target="disks"))
_DISK = FieldSpec(name="disk", kind="blob", optional=True, required=False)
IMAGES = type_spec("images", _PARENT, _PARTS, _DISK)
DISKS = type_spec("disks", FieldSpec(name="image", kind="link", optional=True, required=False, target="images"))

parent, parts = Path("parent", kind="link"), Path("parts", kind="list")


_FOUND: dict[str, Any] = {
    "tags": ["a"],
    "properties": {"k": {"l": 1}},
    "description": "words",
    "disk": {"digests": {"md5": "0" * 32}, "locations": [{"url": "s3://a/b"}]},
}
"""Values with something derived from each."""


def named(name: str) -> Predicate:
    """Return that the name is so."""
    return Compare(Path("name", kind="str"), "eq", name)


def family() -> World:
    """Return images and disks that link to each other in a chain, a cycle, to themselves, and into nothing."""
    disks = [thing(DISKS, name=name) for name in "xyz"]
    base = thing(IMAGES, name="base", parts=[disks[0].id, disks[1].id, disks[0].id], **_FOUND)
    middle = thing(IMAGES, name="middle", parent=base.id, parts=[disks[1].id])
    top = thing(IMAGES, name="top", parent=middle.id, parts=[])
    own = new_id()
    narcissus = thing(IMAGES, name="narcissus", id=own, parent=own, parts=[])
    lost = thing(IMAGES, name="lost", parent=new_id(), parts=[new_id()])
    wrong = thing(IMAGES, name="wrong", parent=disks[2].id, parts=[base.id])
    back = Thing(DISKS, {**disks[1].values, "image": top.id})
    every = (base, middle, top, narcissus, lost, wrong, disks[0], back, disks[2])
    return World({"images": IMAGES, "disks": DISKS}, {each.id: each for each in every})


def by_name(world: World, name: str) -> Thing:
    """Return the artifact of that name."""
    return next(each for each in world.things.values() if each["name"] == name)


class LinksSuite(Exam):
    """Where links lead."""

    def test_a_predicate_follows_links_to_live_artifacts_of_the_type(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        asked: list[Predicate] = [
            Follow(parent, "images", named("base")),
            Follow(parent, "images", Follow(parent, "images", named("base"))),
            Follow(parent, "images", Not(named("base"))),
            Follow(parent, "images", Absent(parent)),
            Follow(parts, "disks", named("y")),
            Follow(
                parts, "disks", Follow(Path("image", kind="link"), "images", Follow(parent, "images", named("middle")))
            ),
            Absent(parent),
            Absent(parts),
        ]
        for each in asked:
            agree(backend, world, Query("images", each))
            agree(backend, world, Query("images", Not(each)))

    def test_a_predicate_asks_what_links_here(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        asked: list[Predicate] = [
            Followed("images", "parent", And(())),
            Followed("images", "parts", named("base")),
            Followed("images", "parts", Not(named("base"))),
            Followed("disks", "image", And(())),
            Followed("images", "parent", Followed("images", "parent", named("top"))),
            Followed("images", "parts", Followed("disks", "image", named("y"))),
            Followed("images", "parent", Follow(parent, "images", named("base"))),
            Followed(
                "images", "parent", Absent(parent) | Follow(parts, "disks", Not(Followed("images", "parts", And(()))))
            ),
            Followed("images", "parts", Follow(parent, "images", Followed("images", "parent", named("middle")))),
        ]
        for each in asked:
            for type_name in ("images", "disks"):
                agree(backend, world, Query(type_name, each))
                agree(backend, world, Query(type_name, Not(each)))

    def test_nothing_links_from_a_type_that_is_not_stored(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        absentees = Followed("nowhere", "parent", And(()))
        assert found(backend, spec, absentees) == found(backend, spec, And((absentees, Not(absentees)))) == set()
        assert found(backend, spec, Not(absentees)) == {made.id}

    def test_what_a_deleted_or_turned_artifact_linked_to_is_no_longer_linked_from_it(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        middle, top = by_name(world, "middle"), by_name(world, "top")
        assert delete(backend, world.things.pop(middle.id))
        world.things[top.id] = top.but(parent=top.id, parts=[by_name(world, "x").id])
        assert replace(backend, top, world.things[top.id])
        for each in (Followed("images", "parent", And(())), Followed("images", "parts", Not(named("base")))):
            for type_name in ("images", "disks"):
                agree(backend, world, Query(type_name, each))

    def test_a_link_to_a_deleted_artifact_leads_nowhere(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        assert delete(backend, world.things.pop(by_name(world, "base").id))
        agree(backend, world, Query("images", Follow(parent, "images", named("base"))))
        agree(backend, world, Query("images", Not(Follow(parent, "images", named("base")))))

    def test_a_link_that_was_turned_leads_to_the_new_target(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        top, lost = by_name(world, "top"), by_name(world, "lost")
        world.things[top.id] = top.but(parent=lost.id, parts=[])
        assert replace(backend, top, world.things[top.id])
        agree(backend, world, Query("images", Follow(parent, "images", named("lost"))))
        agree(backend, world, Query("images", Follow(parent, "images", named("middle"))))

    @pytest.mark.parametrize("backwards", [False, True])
    @pytest.mark.parametrize("depth", [0, 1, 2, 3, None])
    def test_the_closure_from_anywhere(self, backend: Backend, depth: int | None, backwards: bool) -> None:
        world = family()
        filled(backend, world)
        starts = [[each] for each in world.things] + [list(world.things), [new_id()], []]
        for start in starts:
            for field in (None, "parent", "nothing"):
                expected = figures.closure(world, start, depth, backwards=backwards, field=field)
                assert backend.closure(start, depth, backwards=backwards, field=field) == expected

    def test_a_cycle_ends(self, backend: Backend) -> None:
        ids = sorted(new_id() for _ in range(50))
        ring = [thing(IMAGES, id=each, parent=ids[at - 1], parts=[]) for at, each in enumerate(ids)]
        filled(backend, World({"images": IMAGES, "disks": DISKS}, {each.id: each for each in ring}))
        edges = backend.closure([ids[0]], None)
        assert [each.depth for each in edges] == list(range(1, 51))
        assert backend.closure([ids[0]], None, backwards=True)[0] == Edge(ids[1], "parent", ids[0], 1)

    def test_a_dense_graph_is_walked_once(self, backend: Backend) -> None:
        ids = sorted(new_id() for _ in range(30))
        spec = type_spec("images", FieldSpec(name="parts", kind="list", item=FieldSpec(kind="link", target="images")))
        filled(backend, World({"images": spec}, {each: thing(spec, id=each, parts=list(ids)) for each in ids}))
        assert len(backend.closure([ids[0]], None)) == 900
        assert len(backend.closure([ids[0]], 1)) == 30

    def test_only_links_of_live_artifacts_count(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        middle = world.things.pop(by_name(world, "middle").id)
        assert delete(backend, middle)
        for start in world.things:
            assert backend.closure([start], None) == figures.closure(world, [start], None)
            assert backend.closure([start], None, backwards=True) == figures.closure(
                world, [start], None, backwards=True
            )

    def test_what_is_linked_to_and_unknown_is_a_foreign_identity(self, backend: Backend) -> None:
        backend.ensure(IMAGES, 1)
        nobody, made = new_id(), thing(IMAGES, parts=[])
        insert(backend, made.but(parent=nobody, revision=1))
        known = backend.identify([made.id, nobody, new_id()])
        assert known == {made.id: Identity("images", "live"), nobody: Identity("", "foreign")}

    def test_a_foreign_id_becomes_live_when_it_is_added(self, backend: Backend) -> None:
        backend.ensure(IMAGES, 1)
        later = thing(IMAGES, name="later", parts=[])
        child = self.one(backend, IMAGES, parent=later.id, parts=[])
        assert found(backend, IMAGES, Follow(parent, "images", named("later"))) == set()
        insert(backend, later)
        assert backend.identify([later.id]) == {later.id: Identity("images", "live")}
        assert found(backend, IMAGES, Follow(parent, "images", named("later"))) == {child.id}

    def test_a_deleted_id_stays_deleted_when_it_is_linked_to(self, backend: Backend) -> None:
        backend.ensure(IMAGES, 1)
        gone = self.one(backend, IMAGES, parts=[])
        assert delete(backend, gone)
        self.one(backend, IMAGES, parent=gone.id, parts=[])
        assert backend.identify([gone.id]) == {gone.id: Identity("images", "deleted")}

    def test_identify_takes_many_ids(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        nobody = [at.to_bytes(16, "big") for at in range(50_000)]
        assert backend.identify([*nobody, made.id]) == {made.id: Identity("images", "live")}
        assert backend.identify([]) == {}

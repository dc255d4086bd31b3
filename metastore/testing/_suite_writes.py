"""Duties *Writers* and *Failure*: unique keys, ids for ever, compare-and-set, the audit, closing, reading only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest

from metastore.backend import Backend, FieldSpec, Identity, TypeSpec
from metastore.errors import ClosedError, DuplicateError, IdTakenError, MetastoreError, ReadOnlyError
from metastore.query import Compare, Matches, Path, Query
from metastore.testing._exam import Exam, filled, found
from metastore.testing._model import delete, insert, new_id, replace, row, thing, type_spec
from metastore.testing._suite_links import family
from metastore.testing._suite_transactions import KEY, Undo

__all__ = ["WritesSuite"]


class WritesSuite(Exam):
    """What a write does, and what it must not."""

    # --- unique keys and ids ---

    def test_a_unique_key_is_held_by_one(self, backend: Backend, spec: TypeSpec) -> None:
        self.one(backend, spec, unique_key=KEY)
        with pytest.raises(DuplicateError):
            self.one(backend, spec, unique_key=KEY)
        assert len(found(backend, spec)) == 1

    def test_two_of_one_call_cannot_share_a_unique_key(self, backend: Backend, spec: TypeSpec) -> None:
        with pytest.raises(DuplicateError):
            insert(backend, thing(spec, unique_key=KEY), thing(spec, unique_key=KEY))
        assert found(backend, spec) == set()

    def test_no_unique_key_conflicts_with_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        insert(backend, thing(spec), thing(spec))
        assert len(found(backend, spec)) == 2

    def test_a_unique_key_is_free_after_a_delete(self, backend: Backend, spec: TypeSpec) -> None:
        assert delete(backend, self.one(backend, spec, unique_key=KEY))
        again = self.one(backend, spec, unique_key=KEY)
        assert found(backend, spec) == {again.id}

    def test_a_replace_keeps_changes_and_frees_its_unique_key(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec, unique_key=KEY)
        kept = made.but(description="x")
        other = kept.but(unique_key=b"o" * 32)
        assert replace(backend, made, kept)
        assert replace(backend, kept, other)
        self.one(backend, spec, unique_key=KEY)
        assert len(found(backend, spec)) == 2

    def test_a_replace_cannot_take_the_unique_key_of_another(self, backend: Backend, spec: TypeSpec) -> None:
        self.one(backend, spec, unique_key=KEY)
        made = self.one(backend, spec)
        with pytest.raises(DuplicateError):
            replace(backend, made, made.but(unique_key=KEY, description="x"))
        assert backend.fetch(spec, [made.id]) == [row(made)]

    @pytest.mark.parametrize("state", ["live", "deleted"])
    def test_an_id_is_never_used_again(self, backend: Backend, spec: TypeSpec, state: str) -> None:
        other = type_spec("others")
        backend.ensure(other, 1)
        made = self.one(backend, spec)
        if state == "deleted":
            assert delete(backend, made)
        for again in (spec, other):
            with pytest.raises(IdTakenError):
                self.one(backend, again, id=made.id)
        assert backend.identify([made.id]) == {made.id: Identity("images", state)}  # type: ignore[arg-type]

    def test_two_of_one_call_cannot_share_an_id(self, backend: Backend, spec: TypeSpec) -> None:
        made = thing(spec)
        with pytest.raises(IdTakenError):
            insert(backend, made, thing(spec, id=made.id))
        assert found(backend, spec) == set()

    def test_an_id_of_a_rolled_back_insert_was_never_used(self, backend: Backend, spec: TypeSpec) -> None:
        made = thing(spec)
        with pytest.raises(Undo), backend.transaction():
            insert(backend, made)
            raise Undo
        assert backend.identify([made.id]) == {}
        insert(backend, made)
        assert found(backend, spec) == {made.id}

    def test_a_target_of_a_rolled_back_link_was_never_known(self, backend: Backend) -> None:
        spec = type_spec("images", FieldSpec(name="parent", kind="link", optional=True, required=False))
        backend.ensure(spec, 1)
        made = thing(spec, parent=new_id())
        with pytest.raises(Undo), backend.transaction():
            insert(backend, made)
            raise Undo
        assert backend.identify([made["parent"]]) == {}
        insert(backend, made)
        assert backend.identify([made["parent"]]) == {made["parent"]: Identity("", "foreign")}

    # --- compare and set ---

    def test_a_replace_of_an_older_revision_does_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        newer = made.but(description="newer")
        assert replace(backend, made, newer) is True
        assert replace(backend, made, made.but(description="too late")) is False
        assert backend.fetch(spec, [made.id]) == [row(newer)]

    def test_a_delete_of_an_older_revision_does_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        assert replace(backend, made, newer := made.but(description="newer"))
        assert delete(backend, made) is False
        assert delete(backend, newer) is True
        assert delete(backend, newer) is False

    def test_what_is_deleted_or_never_was_cannot_be_replaced(self, backend: Backend, spec: TypeSpec) -> None:
        made, never = self.one(backend, spec), thing(spec)
        assert delete(backend, made)
        assert replace(backend, made, made.but(description="back")) is False
        assert replace(backend, never, never.but(description="x")) is False
        assert found(backend, spec) == set()

    def test_what_an_older_spec_adds_is_found_by_what_it_knows(self, backend: Backend, spec: TypeSpec) -> None:
        backend.ensure(
            type_spec("images", FieldSpec(name="note", kind="str", optional=True, required=False, search=1)), 2
        )
        made = [self.one(backend, spec, description="rescue", version="1.0.0") for _ in range(20)]
        assert found(backend, spec, Matches(("rescue",))) == {each.id for each in made}
        assert list(backend.check()) == []

    def test_an_older_spec_replaces_only_what_it_knows(self, backend: Backend, spec: TypeSpec) -> None:
        wider = type_spec("images", FieldSpec(name="size", kind="int", optional=True, required=False, index=True))
        backend.ensure(wider, 2)
        made = self.one(backend, wider, size=5)
        old = thing(spec, **{name: value for name, value in made.values.items() if name != "size"})
        assert replace(backend, old, old.but(description="changed by an older program"))
        (stored,) = backend.fetch(wider, [made.id])
        assert (stored[wider.position["size"]], stored[wider.position["revision"]]) == (5, 2)
        assert found(backend, wider, Compare(Path("size", kind="int"), "eq", 5)) == {made.id}

    # --- the audit, closing, reading only ---

    def test_the_audit_is_clean_after_every_write(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        assert list(backend.check()) == []
        for each in list(world.things.values()):
            after = each.but(name="changed", tags=["a", "b"], properties={"a.b": {"c": [1]}}, description="w" * 300)
            assert replace(backend, each, after)
            assert list(backend.check()) == []
            assert delete(backend, after)
            assert list(backend.check()) == []

    def test_the_audit_finds_what_is_broken(self, fresh: Callable[[], Backend]) -> None:
        damages = self.damages()
        if not damages:
            pytest.skip("the backend names nothing that could be broken: see damages()")
        missed = []
        for damage in damages:
            backend = filled(fresh(), family())
            damage(backend)
            missed += [] if list(backend.check()) else [damage]
        assert missed == []

    def test_closing_twice_is_fine_and_all_else_is_refused(self, tmp_path: FilePath) -> None:
        backend = self.open_backend(tmp_path)
        spec = type_spec("images")
        backend.ensure(spec, 1)
        backend.close()
        backend.close()
        uses: list[Callable[[], Any]] = [
            backend.specs,
            lambda: backend.fetch(spec, [new_id()]),
            lambda: backend.select(spec, Query(spec.name)),
            lambda: backend.aggregate(spec, Query(spec.name), (), ()),
            lambda: backend.identify([new_id()]),
            lambda: backend.deleted(new_id()),
            lambda: backend.closure([new_id()], None),
            lambda: list(backend.check()),
            backend.stats,
            lambda: insert(backend, thing(spec)),
            lambda: backend.ensure(type_spec("others"), 1),
        ]
        for use in uses:
            with pytest.raises(ClosedError):
                use()

    def test_what_was_written_is_there_after_reopening(self, tmp_path: FilePath) -> None:
        backend, world = self.open_backend(tmp_path), family()
        filled(backend, world)
        backend.close()
        again = self.reopen(tmp_path)
        if again is None:
            pytest.skip("the store does not outlive its opening: see reopen()")
        assert again.catalogue == backend.catalogue
        for spec in world.specs.values():
            assert again.select(spec, Query(spec.name)) == [
                row(each) for each in sorted(world.of(spec.name), key=lambda each: each.id)
            ]
        assert list(again.check()) == []
        again.close()

    def test_a_store_for_reading_answers_and_refuses_to_write(self, tmp_path: FilePath) -> None:
        backend, world = self.open_backend(tmp_path), family()
        filled(backend, world)
        backend.close()
        reading = self.reopen(tmp_path, mode="ro")
        if reading is None:
            pytest.skip("the store cannot be reopened: see reopen()")
        spec = world.specs["images"]
        assert reading.read_only is True
        assert len(found(reading, spec)) == len(list(world.of("images")))
        writes: tuple[Callable[[], None], ...] = (
            lambda: insert(reading, thing(spec)),
            lambda: reading.ensure(type_spec("others"), 1),
        )
        for write in writes:
            with pytest.raises(ReadOnlyError):
                write()
        assert list(reading.check()) == []
        reading.close()

    def test_an_unknown_type_is_an_error_of_ours(self, backend: Backend) -> None:
        stranger = type_spec("strangers")
        with pytest.raises(MetastoreError):
            insert(backend, thing(stranger))

"""Duties *Writers* and *Failure*: unique keys, ids for ever, compare-and-set, transactions, history, the audit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import pytest

from metastore._data import evolve
from metastore.backend import Backend, Commit, FieldSpec, Identity, TypeSpec
from metastore.errors import ClosedError, ConflictError, DuplicateError, IdTakenError, MetastoreError, ReadOnlyError
from metastore.query import Compare, Matches, Path, Query
from metastore.testing._exam import Exam, filled, found
from metastore.testing._model import change, commit, delete, insert, new_id, replace, row, thing, type_spec
from metastore.testing._suite_links import family

__all__ = ["WritesSuite"]

KEY = b"k" * 32


class Undo(Exception):
    """Raised by tests to make a transaction undo itself."""


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

    # --- transactions ---

    def test_a_transaction_that_raises_leaves_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        kept = self.one(backend, spec, name="kept", unique_key=KEY)
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(commit())
            added = thing(spec)
            backend.insert(spec, [(row(added), change("add", None, added))])
            changed = kept.but(name="changed")
            backend.replace(spec, [(row(kept), row(changed), change("update", kept, changed))])
            raise Undo
        assert backend.select(spec, Query(spec.name)) == [row(kept)]
        assert backend.stats()["changes"] == 1

    def test_a_transaction_sees_its_own_writes(self, backend: Backend, spec: TypeSpec) -> None:
        made = thing(spec, tags=["own"], description="own words")
        with backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [(row(made), change("add", None, made))])
            assert backend.fetch(spec, [made.id]) == [row(made)]
            assert found(backend, spec) == {made.id}
            assert backend.identify([made.id]) == {made.id: Identity("images", "live")}

    def test_an_inner_transaction_undoes_itself_only(self, backend: Backend, spec: TypeSpec) -> None:
        outer, inner, last = (
            thing(spec, name="outer"),
            thing(spec, name="inner", unique_key=KEY),
            thing(spec, name="last", unique_key=KEY),
        )
        with backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [(row(outer), change("add", None, outer))])
            with pytest.raises(Undo), backend.transaction():
                backend.insert(spec, [(row(inner), change("add", None, inner))])
                raise Undo
            with backend.transaction():
                backend.insert(spec, [(row(last), change("add", None, last))])
        assert found(backend, spec) == {outer.id, last.id}

    @pytest.mark.parametrize("undone", range(1, 6))
    def test_at_any_depth_a_transaction_undoes_what_is_inside_it(
        self, backend: Backend, spec: TypeSpec, undone: int
    ) -> None:
        made = [thing(spec, name=f"at {depth}") for depth in range(6)]

        def write(depth: int) -> None:
            with suppress(Undo), backend.transaction():
                backend.insert(spec, [(row(made[depth]), change("add", None, made[depth]))])
                if depth + 1 < len(made):
                    write(depth + 1)
                if depth == undone:
                    raise Undo

        with backend.transaction():
            backend.stamp(commit())
            write(0)
        assert found(backend, spec) == {each.id for each in made[:undone]}

    def test_an_outer_transaction_undoes_the_inner_one(self, backend: Backend, spec: TypeSpec) -> None:
        made = thing(spec)
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(commit())
            with backend.transaction():
                backend.insert(spec, [(row(made), change("add", None, made))])
            raise Undo
        assert found(backend, spec) == set()

    def test_a_failed_insert_leaves_nothing_even_if_its_transaction_goes_on(
        self, backend: Backend, spec: TypeSpec
    ) -> None:
        first, second, after = thing(spec, unique_key=KEY), thing(spec, unique_key=KEY), thing(spec)
        with backend.transaction():
            backend.stamp(commit())
            with pytest.raises(DuplicateError):
                backend.insert(spec, [(row(each), change("add", None, each)) for each in (first, second)])
            backend.insert(spec, [(row(after), change("add", None, after))])
        assert found(backend, spec) == {after.id}

    def test_the_generation_grows_with_every_spec_that_is_kept(self, backend: Backend, spec: TypeSpec) -> None:
        wider = evolve(spec, fields=(*spec.fields, FieldSpec(name="size", kind="int", default=0, required=False)))
        assert backend.generation() == 1
        with pytest.raises(Undo), backend.transaction():
            backend.ensure(wider, 2)
            assert backend.generation() == 2
            raise Undo
        assert backend.generation() == 1
        backend.ensure(wider, 2)
        backend.ensure(type_spec("disks"), 1)
        assert backend.generation() == 3

    def test_a_new_type_of_a_rolled_back_transaction_never_was(self, backend: Backend) -> None:
        spec = type_spec("images", FieldSpec(name="size", kind="int", index=True))
        with pytest.raises(Undo), backend.transaction():
            backend.ensure(spec, 1)
            raise Undo
        assert backend.specs() == []
        backend.ensure(spec, 1)
        assert found(backend, spec) == set()

    def test_a_new_type_that_was_filled_and_undone_within_a_transaction_is_made_again(self, backend: Backend) -> None:
        spec = type_spec("notes", FieldSpec(name="text", kind="str", search=1))
        with backend.transaction():
            with pytest.raises(Undo), backend.transaction():
                self.filled_anew(backend, spec)
                raise Undo
            with backend.transaction():
                made = self.filled_anew(backend, spec)
        assert found(backend, spec) == {made}

    def filled_anew(self, backend: Backend, spec: TypeSpec) -> bytes:
        made = thing(spec)
        backend.ensure(spec, 1)
        backend.stamp(commit())
        backend.insert(spec, [(row(made), change("add", None, made))])
        return made.id

    def test_whatever_raises_leaves_the_transaction_as_it_was(self, backend: Backend, spec: TypeSpec) -> None:
        for error in (KeyError("x"), KeyboardInterrupt(), GeneratorExit()):
            with pytest.raises(type(error)) as caught, backend.transaction():
                raise error
            assert caught.value is error
        self.one(backend, spec)

    def test_the_store_goes_on_after_an_error(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        for _ in range(3):
            with pytest.raises(IdTakenError):
                insert(backend, made)
        self.one(backend, spec)
        assert len(found(backend, spec)) == 2

    def test_an_empty_insert_and_an_empty_transaction_do_nothing(self, backend: Backend, spec: TypeSpec) -> None:
        with backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [])
        with backend.transaction():
            pass
        assert backend.stats()["changes"] == 0

    # --- history ---

    def test_a_commit_id_is_taken_once(self, backend: Backend, spec: TypeSpec) -> None:
        once = commit()
        with backend.transaction():
            backend.stamp(once)
        with pytest.raises(ConflictError), backend.transaction():
            backend.stamp(once)
        self.one(backend, spec)

    def test_a_commit_id_of_a_rolled_back_transaction_is_free(self, backend: Backend) -> None:
        once = commit()
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(once)
            raise Undo
        with backend.transaction():
            assert backend.stamp(once) >= once.time

    def test_the_time_of_the_history_never_goes_back(self, backend: Backend) -> None:
        times = []
        for time in (1000, 5000, 2000, 0, 6000):
            with backend.transaction():
                times.append(backend.stamp(commit(time=time, actor="it's", message="\U0001f9ea")))
        assert times == [1000, 5000, 5000, 5000, 6000]

    def test_a_delete_is_remembered_with_its_transaction_and_the_whole_row(
        self, backend: Backend, spec: TypeSpec
    ) -> None:
        made = self.one(backend, spec, name="gone")
        newer = made.but(name="gone at last")
        assert replace(backend, made, newer)
        said, told = commit(actor="it's", message="\U0001f9ea"), change("delete", newer, None)
        with backend.transaction():
            time = backend.stamp(said)
            assert backend.delete(spec, row(newer), told)
        assert backend.deleted(made.id) == (Commit(said.id, time, said.actor, said.message), told)

    def test_only_what_was_deleted_is_remembered_so(self, backend: Backend, spec: TypeSpec) -> None:
        made, other = self.one(backend, spec), self.one(backend, spec)
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(commit())
            assert backend.delete(spec, row(made), change("delete", made, None))
            raise Undo
        assert delete(backend, other)
        assert not delete(backend, other)
        assert [backend.deleted(ident) for ident in (made.id, new_id(), b"", b"x" * 999)] == [None] * 4
        assert backend.deleted(other.id) is not None

    def test_stats_count_artifacts_and_changes(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        self.one(backend, spec)
        assert replace(backend, made, newer := made.but(name="x"))
        assert delete(backend, newer)
        stats = backend.stats()
        assert (stats["artifacts"]["images"], stats["changes"]) == (1, 4)

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

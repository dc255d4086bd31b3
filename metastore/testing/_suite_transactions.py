"""Duties *Writers* and *Failure*: transactions within transactions, and what the history keeps of them."""

from __future__ import annotations

from contextlib import suppress

import pytest

from metastore._data import evolve
from metastore.backend import Backend, Commit, FieldSpec, Identity, TypeSpec
from metastore.errors import ConflictError, DuplicateError, IdTakenError
from metastore.query import Query
from metastore.testing._exam import Exam, found
from metastore.testing._model import change, commit, delete, insert, new_id, replace, row, thing, type_spec

__all__ = ["KEY", "TransactionsSuite", "Undo"]

KEY = b"k" * 32


class Undo(Exception):
    """Raised by tests to make a transaction undo itself."""


class TransactionsSuite(Exam):
    """All or nothing, at every depth."""

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

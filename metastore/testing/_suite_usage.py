"""Duty *tally* and *usage*: what everybody holds, exact whatever was written, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.backend import Backend, Change, FieldSpec, TypeSpec, Usage
from metastore.testing._exam import Exam, few
from metastore.testing._hostile import MAX_INT, TYPE_NAMES
from metastore.testing._model import Thing, commit, delete, insert, replace, row, thing, type_spec
from metastore.testing._suite_transactions import Undo
from metastore.testing._worlds import things

__all__ = ["UsageSuite"]

DISK = FieldSpec(name="disk", kind="blob", optional=True, required=False)
FILES = FieldSpec(name="files", kind="folder", required=False, default={})
EXTRA = FieldSpec(name="extra", kind="blob", optional=True, required=False)
IMAGES = type_spec("images", DISK, FILES)
NOTES = type_spec("notes")
OWNERS = (None, "ann", "bob", "it's", "0", " ")


def blob(size: int | None, places: int = 1) -> dict[str, Any]:
    """Return a blob in its JSON form, that lies in some places."""
    known = {} if size is None else {"size": size}
    return {"locations": [{"url": f"s3://b/{at}"} for at in range(places)], **known}


def image(owner: str | None, size: int | None = None, **values: Any) -> Thing:
    """Return an image of an owner, with a disk of that size."""
    return thing(IMAGES, owner=owner, **{"disk": blob(size), "files": {}, **values})


def _weight(each: Thing) -> int:
    blobs = [each.values.get(name) for name in ("disk", "extra")] + list((each.values.get("files") or {}).values())
    return sum(one["size"] for one in blobs if one and "size" in one)


def held(every: list[Thing]) -> dict[str, Usage]:
    """Return what these artifacts amount to by type: a plain count."""
    found: dict[str, Usage] = {}
    for each in every:
        before = found.get(each.spec.name, Usage(0, 0))
        found[each.spec.name] = Usage(before.count + 1, before.bytes + _weight(each))
    return found


def agrees(backend: Backend, every: list[Thing]) -> None:
    """Assert that the backend says of every owner, and of everybody, what a plain count says."""
    assert backend.usage(None, everybody=True) == held(every)
    for owner in (*OWNERS, "nobody"):
        assert backend.usage(owner) == held([each for each in every if each["owner"] == owner]), owner


def begun(backend: Backend) -> Backend:
    """Return the backend, told to keep a tally."""
    with backend.transaction():
        backend.tally()
    return backend


class UsageSuite(Exam):
    """What is held, by whom, of which type: with a tally and without."""

    @pytest.fixture(params=["summed up", "kept"])
    def counting(self, backend: Backend, request: pytest.FixtureRequest) -> Backend:
        """A store of images and notes, with a tally kept or not."""
        backend.ensure(IMAGES, 1)
        if request.param == "kept":
            begun(backend)
        backend.ensure(NOTES, 1)
        return backend

    def test_nothing_is_held_of_an_empty_store(self, counting: Backend) -> None:
        agrees(counting, [])
        assert counting.usage("ann") == {}

    def test_each_blob_counts_once_and_what_is_not_known_counts_nothing(self, counting: Backend) -> None:
        files = {"a": blob(5, places=3), "a.b": blob(None), '"$.size': blob(7)}
        every = [image("ann", 100), image("ann", None, files=files), image("ann", disk=None), thing(NOTES, owner="ann")]
        insert(counting, *every)
        assert counting.usage("ann") == {"images": Usage(3, 112), "notes": Usage(1, 0)}
        agrees(counting, every)

    def test_owners_are_told_apart_and_nobody_is_no_owner(self, counting: Backend) -> None:
        every = [image(owner, at) for at, owner in enumerate(OWNERS, 1)]
        insert(counting, *every, image(None, 100))
        assert counting.usage(None) == {"images": Usage(2, 101)}
        assert [counting.usage(owner)["images"].bytes for owner in OWNERS[1:]] == [2, 3, 4, 5, 6]
        assert counting.usage(None, everybody=True) == {"images": Usage(len(OWNERS) + 1, 121)}

    def test_sizes_beyond_64_bits_in_sum_are_exact(self, counting: Backend) -> None:
        every = [image("ann", MAX_INT, files={"a": blob(MAX_INT), "b": blob(MAX_INT - 1)}) for _ in range(2)]
        insert(counting, *every)
        assert counting.usage("ann")["images"].bytes == 6 * MAX_INT - 2
        assert delete(counting, every[0])
        assert counting.usage("ann")["images"].bytes == 3 * MAX_INT - 1

    def test_a_change_of_owner_moves_what_is_held(self, counting: Backend) -> None:
        made = image("ann", 5)
        insert(counting, made)
        for owner in ("bob", None, "it's"):
            after = made.but(owner=owner)
            assert replace(counting, made, after)
            agrees(counting, [after])
            made = after

    def test_a_change_of_blobs_changes_the_bytes(self, counting: Backend) -> None:
        made = image("ann", 5)
        insert(counting, made)
        for values in ({"disk": blob(9, 2)}, {"disk": None}, {"files": {"a": blob(3)}}, {"owner": "bob", "files": {}}):
            after = made.but(**values)
            assert replace(counting, made, after)
            agrees(counting, [after])
            made = after

    def test_a_write_that_is_refused_counts_nothing(self, counting: Backend) -> None:
        made = image("ann", 5)
        insert(counting, made)
        stale = Thing(IMAGES, {**made.values, "revision": 7})
        assert replace(counting, stale, stale.but(disk=blob(9), owner="bob")) is False
        assert delete(counting, stale) is False
        agrees(counting, [made])

    def test_what_is_deleted_is_no_longer_held(self, counting: Backend) -> None:
        every = [image("ann", 5), image("ann", 6)]
        insert(counting, *every)
        assert delete(counting, every.pop())
        agrees(counting, every)
        assert delete(counting, every.pop())
        agrees(counting, [])

    def test_a_transaction_sees_what_it_wrote_and_rolled_back_it_counts_nothing(self, counting: Backend) -> None:
        kept, lost = image("ann", 5), image("ann", 6)
        insert(counting, kept)
        with pytest.raises(Undo), counting.transaction():
            insert_more(counting, lost)
            agrees(counting, [kept, lost])
            raise Undo
        agrees(counting, [kept])

    def test_types_of_the_engines_own_do_not_count(self, counting: Backend) -> None:
        own = type_spec("metastore_things", DISK)
        counting.ensure(own, 1)
        insert(counting, thing(own, owner="ann", disk=blob(5)))
        agrees(counting, [])

    def test_a_widened_type_goes_on_counting_with_its_new_blobs(self, counting: Backend) -> None:
        old = image("ann", 5)
        insert(counting, old)
        wider = type_spec("images", DISK, FILES, EXTRA)
        counting.ensure(wider, 2)
        new = thing(wider, owner="ann", disk=blob(1), files={}, extra=blob(70))
        insert(counting, new)
        agrees(counting, [old, new])
        changed = old.but(disk=blob(6))  # by a program that knows the old one
        assert replace(counting, old, changed)
        agrees(counting, [changed, new])

    @pytest.mark.parametrize("fields", [(EXTRA,), (), (DISK, EXTRA)])
    def test_a_rebuilt_type_goes_on_counting(self, counting: Backend, fields: tuple[FieldSpec, ...]) -> None:
        made = image("ann", 5)
        insert(counting, made)
        other = type_spec("images", *fields)
        moved = Thing(
            other,
            {**{each.name: made.values.get(each.name) for each in other.fields}, "owner": "bob", "revision": 2},
        )
        with counting.transaction():
            counting.stamp(commit())
            counting.rebuild(other, 2, [row(moved)])
        agrees(counting, [moved])
        insert(counting, another := thing(other, owner="ann"))
        assert delete(counting, moved)
        agrees(counting, [another])

    def test_a_tally_that_begins_late_counts_what_was_there(self, backend: Backend) -> None:
        backend.ensure(IMAGES, 1)
        every = [image("ann", 5), image(None, MAX_INT), image("bob", None)]
        insert(backend, *every)
        agrees(begun(backend), every)
        insert(backend, more := image("ann", 6))
        agrees(begun(backend), [*every, more])

    def test_a_tally_rolled_back_was_never_begun(self, backend: Backend) -> None:
        backend.ensure(IMAGES, 1)
        with pytest.raises(Undo), backend.transaction():
            backend.tally()
            raise Undo
        insert(backend, made := image("ann", 5))
        agrees(backend, [made])
        agrees(begun(backend), [made])

    def test_another_opening_counts_too(self, tmp_path: FilePath) -> None:
        first = self.open_backend(tmp_path)
        second = self.reopen(tmp_path)
        if second is None:
            first.close()
            pytest.skip("the store does not outlive its opening")
        first.ensure(IMAGES, 1)
        insert(second, before := image("ann", 5))
        begun(first)
        insert(second, after := image("bob", 6))
        agrees(first, [before, after])
        assert list(second.check()) == []
        first.close()
        second.close()

    @pytest.mark.parametrize("name", TYPE_NAMES)
    def test_types_are_counted_whatever_their_names(self, backend: Backend, name: str) -> None:
        spec = type_spec(name, FieldSpec(name="order", kind="blob", optional=True))
        backend.ensure(spec, 1)
        begun(backend)
        insert(backend, thing(spec, owner="ann", order=blob(5)))
        assert backend.usage("ann") == {name: Usage(1, 5)}

    def test_whatever_is_written_a_plain_count_agrees(self, fresh: Callable[[], Backend]) -> None:
        @few(15)
        @given(data=st.data(), late=st.integers(0, 8))
        def examine(data: st.DataObject, late: int) -> None:
            backend = fresh()
            every: list[Thing] = []
            for spec in (IMAGES, NOTES):
                backend.ensure(spec, 1)
            for turn in range(8):
                if turn == late:
                    begun(backend)
                every = _written(backend, every, data)
                agrees(backend, every)
            assert list(backend.check()) == []

        examine()


def insert_more(backend: Backend, made: Thing) -> None:
    """Add an artifact in the transaction that is open."""
    backend.stamp(commit())
    backend.insert(made.spec, [(row(made), Change("add", made.id, 1, 1, row(made)[-1]))])


def _written(backend: Backend, every: list[Thing], data: st.DataObject) -> list[Thing]:
    """Return what is there after one write at random."""
    how = data.draw(st.sampled_from(("add", "change", "delete"))) if every else "add"
    owner = data.draw(st.sampled_from(OWNERS))
    if how == "add":
        spec: TypeSpec = data.draw(st.sampled_from((IMAGES, NOTES)))
        made = data.draw(things(spec, owner=owner))
        insert(backend, made)
        return [*every, made]
    old = every.pop(data.draw(st.integers(0, len(every) - 1)))
    if how == "delete":
        assert delete(backend, old)
        return every
    drawn = data.draw(things(old.spec, owner=owner, id=old.id))
    new = Thing(old.spec, {**drawn.values, "revision": old["revision"] + 1})
    assert replace(backend, old, new)
    return [*every, new]

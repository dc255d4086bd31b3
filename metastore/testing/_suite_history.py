"""Duties *history* and *adopt*: transactions read in order, and taken over from another catalogue."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore.backend import Backend, Change, Commit, Identity, Recorded, Row, TypeSpec
from metastore.errors import ConflictError, DuplicateError
from metastore.query import And, In, Path, Query
from metastore.testing._exam import Exam, agree, few, filled, found, world_of
from metastore.testing._model import (
    Thing,
    World,
    change,
    commit,
    delete,
    new_id,
    row,
    thing,
    type_spec,
)
from metastore.testing._suite_links import IMAGES, family
from metastore.testing._suite_transactions import KEY, Undo
from metastore.testing._suite_usage import agrees, image
from metastore.testing._suite_usage import begun as tallied
from metastore.testing._worlds import things

__all__ = ["HistorySuite"]

LIVE, DELETED, FOREIGN = Identity("images", "live"), Identity("images", "deleted"), Identity("", "foreign")
SIZED = image(None).spec
IDS = tuple(at.to_bytes(16, "big") for at in range(1, 9))


def told(backend: Backend, limit: int = 100) -> list[Recorded]:
    """Return the whole history, read in pages; parts of a big transaction come one by one."""
    every: list[Recorded] = []
    after, skip = 0, 0
    while page := backend.history(after, limit, skip=skip):
        assert sum(max(1, len(each.changes)) for each in page) <= limit
        every += page
        last = page[-1]
        after, skip = (last.seq - 1, last.at + len(last.changes)) if last.more else (last.seq, 0)
    return every


def whole(parts: Sequence[Recorded]) -> list[tuple[Commit, tuple[Change, ...]]]:
    """Return transactions with all their changes, parts put together; their numbers must go up."""
    found: dict[bytes, tuple[Commit, tuple[Change, ...]]] = {}
    numbers: list[int] = []
    for each in parts:
        before = found.get(each.commit.id, (each.commit, ()))[1]
        assert len(before) == each.at
        found[each.commit.id] = each.commit, before + each.changes
        numbers.append(each.seq)
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(found)
    return list(found.values())


def written(backend: Backend, *work: tuple[str, Thing | None, Thing | None]) -> tuple[Commit, tuple[Change, ...]]:
    """Do the work in one transaction and return what the history should tell of it."""
    said, changes = commit(actor="it's", message="\U0001f9ea"), tuple(change(*each) for each in work)  # type: ignore[arg-type]
    with backend.transaction():
        time = backend.stamp(said)
        for (kind, before, after), one in zip(work, changes, strict=True):
            if kind == "add" and after is not None:
                backend.insert(after.spec, [(row(after), one)])
            elif before is not None and after is not None:
                assert not backend.replace(after.spec, [(row(before), row(after), one)])
            elif before is not None:
                assert backend.delete(before.spec, row(before), one)
    return Commit(said.id, time, said.actor, said.message), changes


def adopt(
    backend: Backend,
    told: Sequence[Recorded],
    *live: Thing,
    gone: Sequence[bytes] = (),
    foreign: Sequence[bytes] = (),
) -> None:
    """Take over transactions, and what is known of these artifacts, in a transaction."""
    every = dict.fromkeys((each.id for each in live), LIVE)
    every |= dict.fromkeys(gone, DELETED) | dict.fromkeys(foreign, FOREIGN)
    with backend.transaction():
        backend.adopt(told, every, [(live[0].spec, [row(each) for each in live])] if live else [])


def of_another(*changes: Change, at: int = 0, **words: Any) -> Recorded:
    """Return a transaction as another catalogue tells of it."""
    return Recorded(77, commit(**words), changes, at)


def copied(source: Backend, target: Backend, spec: TypeSpec, limit: int) -> None:
    """Take over everything by the contract alone, page by page; of each artifact what the source holds now."""
    at = target.recorded()
    after = 0 if at is None else (source.recorded(at.commit.id) or at).seq
    skip = 0
    while page := source.history(after, limit, skip=skip):
        known = source.identify([*{each.id for one in page for each in one.changes}])
        rows: list[Row] = source.fetch(spec, [ident for ident, each in known.items() if each.state == "live"])
        with target.transaction():
            target.adopt(page, known, [(spec, rows)])
        last = page[-1]
        after, skip = (last.seq - 1, last.at + len(last.changes)) if last.more else (last.seq, 0)


class HistorySuite(Exam):
    """What the history tells, and how another catalogue's becomes a store's own."""

    # --- reading it ---

    def test_the_history_tells_every_transaction_in_order(self, backend: Backend, spec: TypeSpec) -> None:
        one, two = thing(spec), thing(spec)
        newer = one.but(name="newer")
        expected = [
            written(backend, ("add", None, one)),
            written(backend),
            written(backend, ("update", one, newer), ("add", None, two)),
            written(backend, ("delete", newer, None), ("delete", two, None)),
        ]
        assert whole(told(backend)) == expected

    def test_an_empty_store_has_no_history(self, backend: Backend) -> None:
        assert (backend.history(0, 10), backend.recorded(), backend.identities(b"", 10)) == ([], None, [])

    def test_what_was_undone_is_not_told(self, backend: Backend, spec: TypeSpec) -> None:
        kept = written(backend, ("add", None, thing(spec)))
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [(row(made := thing(spec)), change("add", None, made))])
            raise Undo
        after = written(backend, ("add", None, thing(spec)))
        assert whole(told(backend)) == [kept, after]

    def test_what_is_not_committed_is_not_told_to_others(self, backend: Backend, spec: TypeSpec) -> None:
        seen: list[Any] = []
        with backend.transaction():
            backend.stamp(commit())
            reader = threading.Thread(target=lambda: seen.append(backend.history(0, 10)))
            reader.start()
            reader.join(0.3)
        reader.join()
        assert len(seen[0]) in (0, 1)  # a store whose readers wait for the writer tells it after the commit
        assert len(backend.history(0, 10)) == 1

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
    def test_pages_end_where_they_should_and_a_big_transaction_comes_in_parts(
        self, backend: Backend, spec: TypeSpec, limit: int
    ) -> None:
        sizes = (1, 0, 0, 3, 5, 1, 0)
        expected = [written(backend, *(("add", None, thing(spec)) for _ in range(size))) for size in sizes]
        parts = told(backend, limit)
        assert whole(parts) == expected
        assert [len(each.changes) for each in parts if each.at or each.more] == [
            part for size in sizes if size > limit for part in [*[limit] * (size // limit), size % limit] if part
        ]

    def test_a_reader_goes_on_where_it_was(self, backend: Backend, spec: TypeSpec) -> None:
        written(backend, ("add", None, thing(spec)))
        seen = backend.history(0, 10)[-1].seq
        assert backend.history(seen, 10) == []
        expected = written(backend, ("add", None, thing(spec)))
        assert whole(backend.history(seen, 10)) == [expected]

    def test_a_transaction_is_found_by_its_commit(self, backend: Backend, spec: TypeSpec) -> None:
        first, _ = written(backend, ("add", None, thing(spec)), ("add", None, thing(spec)))
        last, _ = written(backend)
        one, two = backend.history(0, 10)
        assert backend.recorded(first.id) == Recorded(one.seq, first, at=2)
        assert backend.recorded() == backend.recorded(last.id) == Recorded(two.seq, last, at=0)
        assert [backend.recorded(ident) for ident in (new_id(), b"", b"x" * 99)] == [None] * 3

    def test_identities_come_in_order_and_by_state(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        gone = next(iter(world.of("disks")))
        assert delete(backend, gone)
        every = backend.identities(b"", 100)
        assert dict(every) == backend.identify([ident for ident, _ in every])
        assert {ident for ident, _ in every} >= set(world.things)
        assert [ident for ident, _ in every] == sorted(ident for ident, _ in every)
        assert backend.identities(every[2][0], 3) == every[3:6]
        assert backend.identities(b"", 100, state="deleted") == [(gone.id, Identity("disks", "deleted"))]
        foreign = [each for each in every if each[1].state == "foreign"]
        assert len(foreign) == 2
        assert backend.identities(foreign[0][0], 100, state="foreign") == foreign[1:]

    def test_a_migration_is_told_and_what_it_drops_is_deleted(self, backend: Backend, spec: TypeSpec) -> None:
        kept, dropped = self.one(backend, spec, name="kept"), self.one(backend, spec, name="dropped")
        newer = kept.but(name="newer")
        said = commit()
        with backend.transaction():
            time = backend.stamp(said)
            backend.rebuild(type_spec("images"), 2, [row(newer)])
        ((last, changes),) = whole(told(backend))[2:]
        assert last == Commit(said.id, time, None, None)
        assert [(each.kind, each.id, each.revision, each.spec, each.digest) for each in changes] == [
            ("migrate", kept.id, 2, 2, row(newer)[-1])
        ]
        assert backend.identify([kept.id, dropped.id]) == {kept.id: LIVE, dropped.id: DELETED}

    def test_a_type_is_rebuilt_without_rows_and_without_a_stamp(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        with backend.transaction():
            backend.rebuild(type_spec("images"), 2, [])
        assert (found(backend, spec), backend.identify([made.id])) == (set(), {made.id: DELETED})

    # --- taking it over ---

    def test_what_another_catalogue_recorded_is_told_as_it_was(self, backend: Backend, spec: TypeSpec) -> None:
        made, gone = thing(spec, name="made"), thing(spec)
        first = of_another(
            change("add", None, made), change("add", None, gone), time=5, actor="it's", message="\U0001f9ea"
        )
        second = of_another(change("delete", gone, None), time=9)
        adopt(backend, [first, second], made, gone=[gone.id])
        assert whole(told(backend)) == [(each.commit, each.changes) for each in (first, second)]
        assert backend.fetch(spec, [made.id, gone.id]) == [row(made)]
        assert backend.deleted(gone.id) == (second.commit, second.changes[0])
        assert backend.identify([made.id, gone.id]) == {made.id: LIVE, gone.id: DELETED}

    def test_the_time_goes_on_from_what_was_taken_over(self, backend: Backend) -> None:
        adopt(backend, [of_another(time=10**16)])
        with backend.transaction():
            assert backend.stamp(commit(time=5)) == 10**16

    def test_a_transaction_may_come_in_parts(self, backend: Backend, spec: TypeSpec) -> None:
        one, two = thing(spec), thing(spec)
        part = of_another(change("add", None, one))
        adopt(backend, [part], one)
        assert (backend.recorded() or part).at == 1
        rest = Recorded(1, part.commit, (change("add", None, two),), 1)
        adopt(backend, [rest, of_another()], two)
        assert whole(told(backend))[0] == (part.commit, part.changes + rest.changes)
        assert len(backend.history(0, 10)) == 2

    @pytest.mark.parametrize("at", [0, 1, 3])
    def test_a_part_that_does_not_go_on_is_refused(self, backend: Backend, spec: TypeSpec, at: int) -> None:
        last, _ = written(backend, ("add", None, thing(spec)), ("add", None, thing(spec)))
        made = thing(spec)
        with pytest.raises(ConflictError):
            adopt(backend, [Recorded(1, last, (change("add", None, made),), at)], made)
        assert backend.identify([made.id]) == {}
        assert len(whole(told(backend))[0][1]) == 2

    def test_a_part_of_an_earlier_transaction_is_refused(self, backend: Backend) -> None:
        adopt(backend, [first := of_another(), of_another()])
        with pytest.raises(ConflictError):
            adopt(backend, [first])
        with pytest.raises(ConflictError):
            adopt(backend, [Recorded(1, first.commit, (), 1)])
        assert len(backend.history(0, 10)) == 2

    def test_a_row_takes_the_place_of_what_was_there(self, backend: Backend) -> None:
        world = family()
        filled(backend, world)
        new: dict[str, Any] = {"name": "changed", "tags": ["b"], "properties": {"z": [1]}, "parts": [], "disk": None}
        for each in list(world.of("images")):
            world.things[each.id] = after = each.but(description="other words", **new)
            adopt(backend, [of_another(change("update", each, after))], after)
            assert list(backend.check()) == []
        agree(backend, world, Query("images"))
        for each in list(world.of("images")):
            adopt(backend, [of_another(change("delete", each, None))], gone=[each.id])
            assert list(backend.check()) == []
        assert backend.select(IMAGES, Query("images")) == []

    def test_a_foreign_id_is_known_and_becomes_live(self, backend: Backend, spec: TypeSpec) -> None:
        made, stranger = thing(spec), new_id()
        adopt(backend, (), foreign=[made.id, stranger])
        assert backend.identify([made.id, stranger]) == {made.id: FOREIGN, stranger: FOREIGN}
        adopt(backend, [of_another(change("add", None, made))], made)
        adopt(backend, (), foreign=[made.id])
        assert backend.identify([made.id, stranger]) == {made.id: LIVE, stranger: FOREIGN}

    def test_unique_keys_change_hands_at_once(self, backend: Backend, spec: TypeSpec) -> None:
        one, two = self.one(backend, spec, unique_key=KEY), self.one(backend, spec, unique_key=b"o" * 32)
        changed = [one.but(unique_key=two.unique_key), two.but(unique_key=KEY)]
        adopt(
            backend,
            [of_another(*(change("update", *each) for each in zip((one, two), changed, strict=True)))],
            *changed,
        )
        assert backend.fetch(spec, [one.id, two.id]) == [row(each) for each in changed]

    def test_a_unique_key_of_another_is_refused_and_nothing_is_taken_over(
        self, backend: Backend, spec: TypeSpec
    ) -> None:
        held, made = self.one(backend, spec, unique_key=KEY), self.one(backend, spec)
        before = told(backend)
        with backend.transaction():
            with pytest.raises(DuplicateError):
                backend.adopt([of_another()], {made.id: LIVE}, [(spec, [row(made.but(unique_key=KEY))])])
            assert backend.fetch(spec, [held.id, made.id]) == [row(held), row(made)]
        assert told(backend) == before

    def test_who_holds_unique_keys_is_asked_for_many_at_once(self, backend: Backend, spec: TypeSpec) -> None:
        held = [self.one(backend, spec, unique_key=bytes([at]) * 32) for at in range(3)]
        self.one(backend, spec)
        keys = (b"\0" * 32, b"\2" * 32, *(bytes([at]) * 32 for at in range(100, 250)))
        assert found(backend, spec, In(Path("unique_key", kind="id"), keys)) == {held[0].id, held[2].id}

    def test_it_is_undone_with_its_transaction(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec)
        before = told(backend), backend.fetch(spec, [made.id])
        with pytest.raises(Undo), backend.transaction():
            backend.adopt([of_another(change("delete", made, None))], {made.id: DELETED}, [])
            raise Undo
        assert (told(backend), backend.fetch(spec, [made.id])) == before

    def test_the_tally_follows(self, backend: Backend) -> None:
        backend.ensure(SIZED, 1)
        tallied(backend)
        one, two = image("ann", 5), image("bob", 7)
        adopt(backend, [of_another(*(change("add", None, each) for each in (one, two)))], one, two)
        agrees(backend, [one, two])
        more = one.but(owner="bob", disk=None)
        adopt(backend, [of_another(change("update", one, more), change("delete", two, None))], more, gone=[two.id])
        agrees(backend, [more])

    @given(data=st.data(), limit=st.integers(1, 6))
    @few(15)
    def test_any_history_taken_over_in_pieces_is_the_same(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, limit: int
    ) -> None:
        spec, live = family().specs["images"], dict[bytes, Thing]()
        source, target = (self.open_backend(tmp_path_factory.mktemp(name)) for name in ("source", "target"))
        try:
            for each in (source, target):
                each.ensure(spec, 1)
            for _ in range(data.draw(st.integers(1, 4))):
                _something(data, source, spec, live)
                copied(source, target, spec, limit)
            assert whole(told(target)) == whole(told(source))
            assert target.select(spec, Query("images", And(()))) == source.select(spec, Query("images", And(())))
            assert target.identities(b"", 100) == source.identities(b"", 100)
            agree(target, world_of(*live.values()) if live else World({"images": spec}), Query("images"))
            assert list(target.check()) == []
        finally:
            source.close()
            target.close()


def _something(data: st.DataObject, backend: Backend, spec: TypeSpec, live: dict[bytes, Thing]) -> None:
    """Add, change and delete at random in one transaction."""
    free = [ident for ident in IDS if ident not in backend.identify(IDS) or backend.identify([ident])[ident] == FOREIGN]
    work: list[tuple[str, Thing | None, Thing | None]] = []
    for ident in data.draw(st.lists(st.sampled_from((*free, *live)), unique=True, max_size=4)) if free or live else ():
        before = live.pop(ident, None)
        if before is not None and data.draw(st.booleans()):
            work.append(("delete", before, None))
            continue
        drawn = data.draw(things(spec, IDS, id=ident))
        revision = 1 if before is None else before["revision"] + 1
        live[ident] = Thing(spec, {**drawn.values, "revision": revision})
        work.append(("add" if before is None else "update", before, live[ident]))
    written(backend, *work)

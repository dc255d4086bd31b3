"""What only the memory backend does: private and shared stores, its lock, its undo log."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from metastore._data import evolve
from metastore._version import sort_key
from metastore.backend import FieldSpec
from metastore.errors import (
    BusyError,
    CatalogUrlError,
    ClosedError,
    ConflictError,
    QueryError,
    ReadOnlyError,
    UnknownTypeError,
)
from metastore.query import Absent, Path, Query
from metastore.testing._model import change, commit, insert, row, thing, type_spec
from metastore_memory import MemoryBackend, open_backend
from metastore_memory._turns import Turns

SPEC = type_spec("images", FieldSpec(name="size", kind="int", optional=True))


@pytest.fixture
def store() -> Iterator[MemoryBackend]:
    backend = open_backend("memory:", timeout=0)
    backend.ensure(SPEC, 1)
    yield backend
    backend.close()


def test_a_store_without_a_name_is_private(store: MemoryBackend) -> None:
    other = open_backend("memory:")
    assert other.specs() == []
    assert other.catalogue != store.catalogue


def test_a_named_store_is_shared_until_its_last_handle_is_closed() -> None:
    one, other = open_backend("memory:both"), open_backend("memory:both")
    one.ensure(SPEC, 1)
    one.close()
    one.close()
    assert [each.spec for each in open_backend("memory:both").specs()] == [SPEC]
    assert other.catalogue == one.catalogue
    other.close()


def test_a_named_store_begins_anew_after_its_last_handle() -> None:
    first = open_backend("memory:again")
    first.close()
    second = open_backend("memory:again")
    assert second.catalogue != first.catalogue
    second.close()


@pytest.mark.parametrize("url", ["", "memory", "sqlite:///x", "Memory:"])
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(CatalogUrlError, match="Expected 'memory:'"):
        open_backend(url)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(CatalogUrlError, match="Expected mode"):
        open_backend("memory:", mode="w")


def test_a_read_only_handle_sees_what_another_writes_and_writes_nothing() -> None:
    writer, reader = open_backend("memory:seen"), open_backend("memory:seen", mode="ro")
    writer.ensure(SPEC, 1)
    assert len(reader.specs()) == 1
    with pytest.raises(ReadOnlyError), reader.transaction():
        pass
    writer.close()
    reader.close()


def test_closing_inside_a_transaction_leaves_it_to_its_end() -> None:
    backend, other = open_backend("memory:held"), open_backend("memory:held", timeout=0)
    with backend.transaction():
        backend.ensure(SPEC, 1)
        backend.close()
    assert len(other.specs()) == 1
    with pytest.raises(ClosedError):
        backend.specs()
    other.close()


def test_another_thread_that_cannot_have_the_lock_is_told_so(store: MemoryBackend) -> None:
    with ThreadPoolExecutor(1) as pool, store.transaction():
        for work in (store.specs, store.transaction().__enter__):
            with pytest.raises(BusyError, match="within 0 s"):
                pool.submit(work).result()
    assert len(store.specs()) == 1


def test_turns_are_given_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def take(at: int) -> None:
        turns.take(60)
        order.append(at)
        turns.give()

    turns.take(0)
    threads = [threading.Thread(target=take, args=(at,)) for at in range(8)]
    for waiting, thread in enumerate(threads):
        thread.start()
        while len(turns._waiting) == waiting:
            pass
    turns.give()
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_turn_given_up_is_passed_over() -> None:
    turns = Turns()
    with ThreadPoolExecutor(1) as pool:
        turns.take(0)
        assert not pool.submit(turns.take, 0).result()
        turns.give()
        assert pool.submit(turns.take, 0).result()


def test_an_undone_transaction_leaves_every_dict_as_it_was(store: MemoryBackend) -> None:
    insert(store, kept := thing(SPEC, unique_key=b"k" * 32))
    before = _everything(store)
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.stamp(commit())
        store.delete(SPEC, row(kept), change("delete", kept, None))
        store.ensure(evolve(SPEC, fields=(*SPEC.fields, FieldSpec(name="more", kind="str", optional=True))), 2)
        store.rebuild(type_spec("others"), 1, [])
        _ = 1 / 0
    assert _everything(store) == before
    assert not store._open()._undo


def _everything(store: MemoryBackend) -> dict[str, object]:
    kept = store._open()
    names = ("specs", "rows", "unique", "identities", "commits", "changes", "under_way")
    return {
        name: {key: dict(one) if isinstance(one, dict) else one for key, one in getattr(kept, name).items()}
        for name in names
    }


def test_a_widened_type_gives_old_rows_defaults_and_what_is_derived_from_them(store: MemoryBackend) -> None:
    insert(store, one := thing(SPEC, description="A B"))
    fields = [evolve(each, folded=True) if each.name == "description" else each for each in SPEC.fields]
    word = FieldSpec(name="word", kind="str", required=False, default="Ä", folded=True)
    build = FieldSpec(name="build", kind="version", required=False, default="2024.1", scheme="calver")
    wide = evolve(SPEC, fields=(*fields, word, build))
    store.ensure(wide, 2)
    stored = dict(zip(wide.position, store.fetch(wide, [one.id])[0], strict=True))
    assert (stored["description__folded"], stored["word"], stored["word__folded"]) == ("a b", "Ä", "ä")
    assert (stored["build"], stored["build__key"]) == ("2024.1", sort_key("2024.1", "calver"))


def test_a_spec_number_that_is_not_the_next_is_a_conflict(store: MemoryBackend) -> None:
    with pytest.raises(ConflictError, match="Expected spec 2 of type 'images', found 1"):
        store.ensure(SPEC, 1)


def test_a_write_to_an_unknown_type_is_refused_and_a_read_finds_nothing(store: MemoryBackend) -> None:
    spec = type_spec("imagez")
    with pytest.raises(UnknownTypeError, match="did you mean 'images'"):
        insert(store, thing(spec))
    assert store.select(spec, Query("imagez")) == []


def test_a_field_that_the_type_has_not_is_refused(store: MemoryBackend) -> None:
    with pytest.raises(QueryError, match="did you mean 'size'"):
        store.select(SPEC, Query("images", Absent(Path("sise", kind="int"))))


def test_the_audit_says_what_disagrees(store: MemoryBackend) -> None:
    insert(store, one := thing(SPEC, unique_key=b"k" * 32), other := thing(SPEC))
    kept = store._open()
    kept.unique["images"].clear()
    del kept.identities[one.id]
    del kept.rows["images"][other.id]
    assert len(list(store.check())) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that there are threads is the point here
def test_a_forked_child_does_not_keep_what_another_thread_had_not_committed(store: MemoryBackend) -> None:
    entered, leave = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction():
            store.rebuild(type_spec("half"), 1, [])
            entered.set()
            leave.wait()

    writer = threading.Thread(target=write)
    writer.start()
    entered.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if [each.spec.name for each in store.specs()] == ["images"] else 1)
    leave.set()
    writer.join()
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.specs()) == 2

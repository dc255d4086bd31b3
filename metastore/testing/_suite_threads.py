"""Duty *Threads and processes*: any thread at any time, a child after a fork, nothing seen before its commit."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from metastore.backend import Backend, FieldSpec, TypeSpec
from metastore.errors import DuplicateError
from metastore.query import Query
from metastore.testing._exam import Exam, found
from metastore.testing._model import Thing, change, commit, insert, replace, row, thing, type_spec
from metastore.testing._suite_transactions import KEY, Undo

__all__ = ["ThreadsSuite"]

THREADS = 6
GRACE = 0.2
"""Seconds another thread is given to look at what it should not see; a slow one only makes a test weaker."""


def together(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Return what ``work(0)``, ``work(1)``, … give when they run at once."""
    start = threading.Barrier(threads)

    def begin(at: int) -> Any:
        start.wait()
        return work(at)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


class ThreadsSuite(Exam):
    """Many at once."""

    def test_threads_add_together_and_nothing_is_lost(self, backend: Backend, spec: TypeSpec) -> None:
        together(lambda at: [self.one(backend, spec, name=f"{at}.{turn}") for turn in range(10)])
        assert len(found(backend, spec)) == THREADS * 10

    def test_no_update_is_lost(self, backend: Backend) -> None:
        spec = type_spec("counters", FieldSpec(name="size", kind="int"))
        backend.ensure(spec, 1)
        made = self.one(backend, spec, size=0)

        def count(_at: int) -> None:
            done = 0
            while done < 5:
                (stored,) = backend.fetch(spec, [made.id])
                values = {"size": stored[spec.position["size"]], "revision": stored[spec.position["revision"]]}
                seen = Thing(spec, {**made.values, **values})
                done += replace(backend, seen, seen.but(size=seen["size"] + 1))

        together(count)
        assert backend.fetch(spec, [made.id])[0][spec.position["size"]] == THREADS * 5

    def test_of_many_that_want_a_unique_key_one_gets_it(self, backend: Backend, spec: TypeSpec) -> None:
        def claim(_at: int) -> bool:
            try:
                self.one(backend, spec, unique_key=KEY)
            except DuplicateError:
                return False
            return True

        assert sorted(together(claim)) == [False] * (THREADS - 1) + [True]

    def test_reads_go_on_while_others_write(self, backend: Backend, spec: TypeSpec) -> None:
        def work(at: int) -> None:
            for turn in range(10):
                if at % 2:
                    insert(backend, *(thing(spec, name=f"{at}.{turn}") for _ in range(3)))
                else:
                    assert len(backend.select(spec, Query(spec.name))) % 3 == 0

        together(work)

    def test_the_audit_is_of_one_moment(self, backend: Backend, spec: TypeSpec) -> None:
        def work(at: int) -> list[str]:
            if not at:
                return [fault for _ in range(10) for fault in backend.check()]
            for turn in range(10):
                insert(backend, *(thing(spec, name=f"{at}.{turn}.{each}", tags=["a"]) for each in range(3)))
            return []

        assert together(work) == [[]] * THREADS

    def test_nobody_else_sees_what_is_not_committed(self, backend: Backend, spec: TypeSpec) -> None:
        made, seen, looked = thing(spec), list[Any](), threading.Event()

        def look() -> None:
            seen.append((backend.fetch(spec, [made.id]), backend.identify([made.id]), found(backend, spec)))
            looked.set()

        reader = threading.Thread(target=look)
        with pytest.raises(Undo), backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [(row(made), change("add", None, made))])
            reader.start()
            looked.wait(GRACE)
            raise Undo
        reader.join()
        assert seen == [([], {}, set())]

    def test_a_second_writer_waits_for_the_first(self, backend: Backend, spec: TypeSpec) -> None:
        order, waiting = list[str](), threading.Event()

        def second() -> None:
            waiting.set()
            with backend.transaction():
                order.append("second")

        writer = threading.Thread(target=second)
        with backend.transaction():
            writer.start()
            waiting.wait()
            self.one(backend, spec)
            order.append("first")
        writer.join()
        assert order == ["first", "second"]

    def test_a_transaction_belongs_to_its_thread(self, backend: Backend, spec: TypeSpec) -> None:
        made, started = thing(spec), list[Future[None]]()
        with ThreadPoolExecutor(1) as pool, pytest.raises(Undo), backend.transaction():
            started.append(pool.submit(insert, backend, made))
            raise Undo
        started[0].result()
        assert found(backend, spec) == {made.id}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_forked_child_goes_on(self, backend: Backend, spec: TypeSpec) -> None:
        made = self.one(backend, spec, name="parent's")
        assert _in_child(lambda: self._read_and_write(backend, spec, made)) == 0
        self.one(backend, spec, name="after the child")
        assert backend.fetch(spec, [made.id]) == [row(made)]

    def _read_and_write(self, backend: Backend, spec: TypeSpec, made: Thing) -> None:
        assert backend.fetch(spec, [made.id]) == [row(made)]
        child = self.one(backend, spec, name="child's")
        assert {made.id, child.id} <= found(backend, spec)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(self, backend: Backend, spec: TypeSpec) -> None:
        made = thing(spec)
        with backend.transaction():
            backend.stamp(commit())
            backend.insert(spec, [(row(made), change("add", None, made))])
            assert _in_child(lambda: None) == 0
        assert found(backend, spec) == {made.id}


def _in_child(work: Callable[[], None]) -> int:
    """Return the exit code of a forked child that does ``work``: 0 if it raised nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that ended still count for some Pythons
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

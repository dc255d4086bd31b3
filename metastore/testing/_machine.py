"""Random sequences of writes and reads against a plain dict, with the independent oracle as judge."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from metastore.backend import Backend, FieldSpec
from metastore.errors import DuplicateError, IdTakenError
from metastore.query import Query
from metastore.testing import _figures as figures
from metastore.testing._exam import agree, few
from metastore.testing._model import Thing, World, change, commit, row, type_spec
from metastore.testing._queries import pages
from metastore.testing._worlds import things

__all__ = ["BackendMachine", "run_machine"]

SPEC = type_spec(
    "things",
    FieldSpec(name="size", kind="int", optional=True, index=True),
    FieldSpec(name="label", kind="str", optional=True, folded=True, index=True, max_length=64),
    FieldSpec(name="free", kind="dict", item=FieldSpec(kind="json")),
    FieldSpec(name="disk", kind="blob", optional=True),
    FieldSpec(name="parent", kind="link", optional=True, target="things"),
    FieldSpec(name="parts", kind="list", item=FieldSpec(kind="link", target="things")),
)
IDS = tuple(at.to_bytes(16, "big") for at in range(1, 13))
KEYS = (None, None, b"\1" * 32, b"\2" * 32)


class Undo(Exception):
    """Rolls a transaction back."""


class BackendMachine(RuleBasedStateMachine):
    """Writes, transactions and queries at random; `run_machine` runs it on stores of yours.

    The model is what is live, what was ever used, and the number of changes; a transaction keeps a copy to return to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World({"things": SPEC})
        self.used: set[bytes] = set()
        self.changes = 0
        self.open: list[tuple[AbstractContextManager[None], Any]] = []

    @initialize()
    def begin_empty(self) -> None:
        """Open a new store."""
        self.backend = self.opened()
        self.backend.ensure(SPEC, 1)

    def opened(self) -> Backend:
        """Return a new store."""
        raise NotImplementedError("run the machine by run_machine(open_backend), or override opened()")

    # --- transactions ---

    @rule()
    @precondition(lambda self: len(self.open) < 3)
    def begin(self) -> None:
        """Begin a transaction, perhaps inside another."""
        context = self.backend.transaction()
        context.__enter__()
        self.open.append((context, (dict(self.world.things), set(self.used), self.changes)))
        if len(self.open) == 1:
            self.backend.stamp(commit())

    @rule()
    @precondition(lambda self: self.open)
    def commit(self) -> None:
        """End the innermost transaction well."""
        self.open.pop()[0].__exit__(None, None, None)

    @rule()
    @precondition(lambda self: self.open)
    def roll_back(self) -> None:
        """End the innermost transaction by an exception."""
        context, (kept, used, changes) = self.open.pop()
        try:
            swallowed = context.__exit__(Undo, Undo(), None)
        except Undo:
            swallowed = False
        assert not swallowed
        self.world.things.clear()
        self.world.things.update(kept)
        self.used, self.changes = used, changes

    def write(self, work: Callable[[], Any]) -> Any:
        """Return what a write gives, in a transaction of its own where none is open."""
        if self.open:
            return work()
        with self.backend.transaction():
            self.backend.stamp(commit())
            return work()

    # --- writes ---

    def taken(self, made: Thing) -> bool:
        """Return whether another live artifact holds the unique key."""
        return any(
            made.unique_key is not None and each.unique_key == made.unique_key and each.id != made.id
            for each in self.world.things.values()
        )

    @rule(made=st.sampled_from(IDS).flatmap(lambda ident: things(SPEC, IDS, id=ident)), key=st.sampled_from(KEYS))
    def insert(self, made: Thing, key: bytes | None) -> None:
        """Add an artifact, or be refused."""
        made = Thing(SPEC, made.values, key)
        entry = (row(made), change("add", None, made))
        refused: tuple[type[Exception], ...] = (IdTakenError,) * (made.id in self.used) + (
            DuplicateError,
        ) * self.taken(made)
        if refused:
            with pytest.raises(refused):
                self.write(lambda: self.backend.insert(SPEC, [entry]))
            return
        self.write(lambda: self.backend.insert(SPEC, [entry]))
        self.world.things[made.id] = made
        self.used.add(made.id)
        self.changes += 1

    @rule(data=st.data(), key=st.sampled_from(KEYS), stale=st.sampled_from((False, False, True)))
    @precondition(lambda self: self.world.things)
    def replace(self, data: st.DataObject, key: bytes | None, stale: bool) -> None:
        """Change an artifact by compare-and-set, or be refused."""
        before = self.world.things[data.draw(st.sampled_from(sorted(self.world.things)))]
        drawn = data.draw(things(SPEC, IDS, id=before.id))
        after = Thing(SPEC, {**drawn.values, "revision": before["revision"] + 1}, key)
        expected = (
            before
            if not stale
            else Thing(SPEC, {**before.values, "revision": before["revision"] - 1}, before.unique_key)
        )
        try:
            late = self.write(
                lambda: self.backend.replace(SPEC, [(row(expected), row(after), change("update", expected, after))])
            )
        except DuplicateError:
            assert self.taken(after)
            return
        assert late == [before.id] * stale
        if not late:
            assert not self.taken(after)
            self.world.things[after.id] = after
            self.changes += 1

    @rule(data=st.data())
    @precondition(lambda self: self.world.things)
    def delete(self, data: st.DataObject) -> None:
        """Delete an artifact; a second time nothing happens."""
        gone = self.world.things.pop(data.draw(st.sampled_from(sorted(self.world.things))))
        for expected in (True, False):
            assert self.write(lambda: self.backend.delete(SPEC, row(gone), change("delete", gone, None))) is expected
        self.changes += 1

    # --- reads ---

    @rule(data=st.data())
    def query(self, data: st.DataObject) -> None:
        """Ask anything."""
        agree(self.backend, self.world, data.draw(pages(self.world, SPEC)))

    @rule(start=st.sampled_from(IDS), depth=st.sampled_from((None, 1, 2)), backwards=st.booleans())
    def walk(self, start: bytes, depth: int | None, backwards: bool) -> None:
        """Walk the links."""
        assert self.backend.closure([start], depth, backwards=backwards) == figures.closure(
            self.world, [start], depth, backwards=backwards
        )

    @rule()
    def identify(self) -> None:
        """Ask what is known of every id."""
        known = self.backend.identify(IDS)
        linked = {
            target
            for each in self.world.things.values()
            for target in (each["parent"], *each["parts"])
            if target is not None
        }
        for ident in IDS:
            if ident in self.used:
                assert known[ident].state == ("live" if ident in self.world.things else "deleted")
            else:
                assert ident not in known or known[ident].state == "foreign"
        assert linked <= set(known)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """The rows are those of the model, the figures too, and the audit is clean."""
        if not hasattr(self, "backend"):
            return
        agree(self.backend, self.world, Query("things"))
        assert self.backend.stats()["changes"] == self.changes
        assert list(self.backend.check()) == []

    def teardown(self) -> None:
        """Give the store back."""
        while self.open:
            self.roll_back()
        if hasattr(self, "backend"):
            self.backend.close()


def run_machine(open_backend: Callable[[], Backend], examples: int = 20, steps: int = 20) -> None:
    """Run the machine on new stores that ``open_backend`` opens, one per example."""
    made = type("Machine", (BackendMachine,), {"opened": lambda _self: open_backend()})
    run_state_machine_as_test(made, settings=settings(few(examples), stateful_step_count=steps))

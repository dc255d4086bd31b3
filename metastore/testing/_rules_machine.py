"""Random callers and actions against the rules as the model has them: same results, same kind of error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

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

from metastore._artifact import Record
from metastore._catalog import Catalog
from metastore._members import Membership
from metastore.errors import MetastoreError
from metastore.testing._exam import few
from metastore.testing._rules_acts import Acts, Step
from metastore.testing._rules_draw import (
    ACTIONS,
    EMPTY,
    KNOWN,
    SEEDS,
    callers,
    class_of,
    fitted,
    linked,
    names,
    owners,
    picks,
    projects,
    python,
    several,
    some,
    steps,
    told,
    types,
    values,
)  # fmt: skip
from metastore.testing._rules_model import Caller, Item, Refused
from metastore.testing._rules_types import PROJECTS, TYPES

__all__ = ["RulesMachine", "run_rules_machine"]


class RulesMachine(RuleBasedStateMachine):
    """Every method by random callers; `run_rules_machine` runs it on catalogues of yours."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Acts()
        self.handles: dict[int, list[Any]] = {}

    @initialize()
    def begin_empty(self) -> None:
        """Open a new catalogue with a few artifacts."""
        self.catalog = self.opened()
        self.catalog.register(*TYPES.values())
        for type_name, given in SEEDS:
            self.added(None, type_name, given)
        for ident in (1, 4):
            self.shared(None, ident, ["p2", "p3"], self.handle(ident))

    def opened(self) -> Catalog:
        """Return a new catalogue."""
        raise NotImplementedError("run the machine by run_rules_machine(open_catalog), or override opened()")

    # --- both worlds ---

    def both(self, caller: Caller, act: Callable[[Catalog], Any], expect: Callable[[Acts], Any]) -> None:
        """Do it in both worlds; what one refuses the other refuses, and they answer alike."""
        tried = self.model.copy()
        try:
            expected = expect(tried)
        except Refused as refused:
            expected, tried = refused, self.model
        try:
            got = act(self.catalog if caller is None else self.catalog.as_(caller))
        except MetastoreError as error:
            assert isinstance(expected, Refused), error
            assert type(error).__name__ == str(expected), error
            return
        assert not isinstance(expected, Refused), f"{expected} was expected, got {got!r}"
        assert expected is None or got == expected
        self.model = tried

    def picked(self, pick: int) -> int:
        """Return an id that lives, mostly; else any that was ever used, or the one that never was."""
        live = sorted(self.model.items)
        return live[pick % len(live)] if live and pick < 2 * KNOWN - 2 else pick % (len(self.handles) + 1) + 1

    def handle(self, ident: int, *, old: bool = False) -> Any:
        """Return an artifact to act on, as someone read it: now, or at first."""
        known = self.handles.get(ident)
        if not known:
            return TYPES["exam_papers"](id=UUID(int=ident), name="never")
        if ident in self.model.items and known[-1].revision != self.model.items[ident]["revision"]:
            known.append(self.catalog.get(type(known[-1]), UUID(int=ident)))
        return known[0 if old else -1]

    def fitting(self, ident: int, step: Step) -> Step:
        """Return the step in words that the artifact's type has."""
        return step if isinstance(step, str) else fitted(type(self.handle(ident)).__type_name__, step)

    # --- writing ---

    @precondition(lambda self: len(self.handles) < KNOWN)
    @rule(caller=callers, type_name=types, given=some)
    def add(self, caller: Caller, type_name: str, given: dict[str, Any]) -> None:
        """Add one, perhaps as what it cannot begin as."""
        self.added(caller, type_name, given)

    @precondition(lambda self: len(self.handles) < KNOWN)
    @rule(caller=callers, type_name=types, given=linked)
    def add_linked(self, caller: Caller, type_name: str, given: dict[str, Any]) -> None:
        """Add one that links to others."""
        self.added(caller, type_name, given)

    def added(self, caller: Caller, type_name: str, given: dict[str, Any]) -> None:
        """Add one in both worlds, under the next id."""
        ident = len(self.handles) + 1
        given = {**EMPTY, "seal": "s", "status": "first", **given, "type": type_name, "version": "0.0.0"}
        made = fitted(type_name, given)
        new = TYPES[type_name](id=UUID(int=ident), **python(made))
        self.both(caller, lambda view: told(view.add(new)), lambda model: model.add(caller, ident, made))
        if ident in self.model.items:
            self.handles[ident] = [self.catalog.get(type(new), new.id)]

    @rule(caller=callers, pick=picks, given=steps, old=st.sampled_from([False, False, False, True]))
    def change(self, caller: Caller, pick: int, given: list[Step], old: bool) -> None:
        """Take several steps at once."""
        ident = self.picked(pick)
        fit = [self.fitting(ident, step) for step in given]
        handle = self.handle(ident, old=old)
        taken = [step if isinstance(step, str) else python(step) for step in fit]
        self.both(
            caller,
            lambda view: view.change(handle, *taken) and None,
            lambda model: model.change(caller, ident, handle.revision, fit),
        )

    @rule(caller=callers, pick=picks, action=st.sampled_from(ACTIONS))
    def act(self, caller: Caller, pick: int, action: str) -> None:
        """Take one action on what was just read."""
        ident = self.picked(pick)
        handle = self.handle(ident)
        self.both(
            caller,
            lambda view: view.act(handle, action) and None,
            lambda model: model.change(caller, ident, handle.revision, [action]),
        )

    @rule(caller=callers, type_name=types, name=names, given=st.fixed_dictionaries({}, optional=values))
    def update_many(self, caller: Caller, type_name: str, name: str, given: dict[str, Any]) -> None:
        """Change all of one name that are seen."""
        cls = TYPES[type_name]
        self.both(
            caller,
            lambda view: view.update_many(cls, cls.name == name, **python(given)),
            lambda model: model.update_many(caller, type_name, name, given),
        )

    @rule(caller=callers, pick=picks, owner=owners)
    def transfer(self, caller: Caller, pick: int, owner: str | None) -> None:
        """Give it to another."""
        ident = self.picked(pick)
        handle = self.handle(ident)
        self.both(
            caller,
            lambda view: view.transfer(handle, owner) and None,
            lambda model: model.put(caller, ident, handle.revision, "transfer", "owner", owner),
        )

    @rule(caller=callers, pick=picks, reason=st.sampled_from([None, "why"]))
    def hold(self, caller: Caller, pick: int, reason: str | None) -> None:
        """Hold it, or release it."""
        ident = self.picked(pick)
        handle = self.handle(ident)
        self.both(
            caller,
            lambda view: (view.hold(handle, reason) if reason else view.release(handle)) and None,
            lambda model: model.put(caller, ident, handle.revision, "hold", "hold", reason),
        )

    @rule(caller=callers, pick=picks, named=projects, back=st.booleans(), old=st.sampled_from([False, False, True]))
    def share(self, caller: Caller, pick: int, named: list[str], back: bool, old: bool) -> None:
        """Share it with some, or with them no more."""
        ident = self.picked(pick)
        self.shared(caller, ident, named, self.handle(ident, old=old), "unshare" if back else "share")

    def shared(self, caller: Caller, ident: int, named: list[str], handle: Any, name: str = "share") -> None:
        """Share in both worlds, or unshare."""
        self.both(
            caller,
            lambda view: getattr(view, name)(handle, *named) and None,
            lambda model: getattr(model, name)(caller, ident, handle.revision, named),
        )

    @rule(
        caller=callers,
        pick=picks,
        word=st.sampled_from(["accepted", "rejected", "pending"]),
        project=st.none() | st.sampled_from(PROJECTS),
    )
    def answer(self, caller: Caller, pick: int, word: str, project: str | None) -> None:
        """Say something to a share."""
        ident = self.picked(pick)
        handle = self.handle(ident)
        self.both(
            caller,
            lambda view: view.answer(handle, word, project=project) and None,
            lambda model: model.answer(caller, ident, word, project),
        )

    @rule(caller=callers, pick=picks, old=st.sampled_from([False, False, False, True]))
    def delete(self, caller: Caller, pick: int, old: bool) -> None:
        """Delete it, and what goes with it."""
        ident = self.picked(pick)
        handle = self.handle(ident, old=old)
        self.both(caller, lambda view: view.delete(handle), lambda model: model.delete(caller, ident, handle.revision))

    @rule(caller=callers, type_name=types, name=names)
    def delete_many(self, caller: Caller, type_name: str, name: str) -> None:
        """Delete all of one name that are seen."""
        cls = TYPES[type_name]
        self.both(
            caller,
            lambda view: view.delete_many(cls, cls.name == name),
            lambda model: model.delete_many(caller, type_name, name),
        )

    # --- reading ---

    @rule(caller=callers, chosen=several, unlisted=st.booleans())
    def find(self, caller: Caller, chosen: list[str], unlisted: bool) -> None:
        """List and count what is shown."""

        def shown(model: Acts) -> list[Item]:
            return [model.items[each] for each in model.shown(caller, chosen, unlisted=unlisted)]

        cls = class_of(chosen)
        self.both(caller, lambda view: [*map(told, view.find(cls, unlisted=unlisted))], shown)
        self.both(caller, lambda view: view.find(cls, unlisted=unlisted).count(), lambda model: len(shown(model)))

    @rule(caller=callers, pick=picks)
    def get(self, caller: Caller, pick: int) -> None:
        """Get it by its id, and who links there."""
        ident = self.picked(pick)
        self.both(caller, lambda view: told(view.get(Record, UUID(int=ident))), lambda model: model.at(caller, ident))

        def linking(model: Acts) -> list[tuple[int, str]]:
            edges = model.edges_to(ident) if caller is None or model.sees(caller, ident) else ()
            return [edge for edge in edges if model.sees(caller, edge[0])]

        self.both(
            caller,
            lambda view: sorted((each.source.int, each.field) for each in view.back_links(UUID(int=ident))),
            lambda model: sorted(linking(model)),
        )

    @rule(caller=callers, name=names)
    def get_by_name(self, caller: Caller, name: str) -> None:
        """Get it by its name and version."""

        def named(model: Acts) -> Item:
            found = [model.items[each] for each in model.shown(caller, ["exam_papers"], unlisted=True)]
            fit = [each for each in found if each["name"] == name]
            if len(fit) != 1:
                raise Refused("QueryError" if fit else "NotFoundError")
            return fit[0]

        paper = TYPES["exam_papers"]
        self.both(caller, lambda view: told(view.get(paper, name=name, version="0.0.0")), named)

    @rule(caller=callers, pick=picks)
    def members(self, caller: Caller, pick: int) -> None:
        """Ask whom it is shared with."""
        ident = self.picked(pick)
        handle = self.handle(ident)
        self.both(
            caller,
            lambda view: {each.member: each.answer for each in view.members(handle)},
            lambda model: model.told_members(caller, ident),
        )

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """Artifacts and memberships are those of the model, and the audit is clean."""
        if not hasattr(self, "catalog"):
            return
        stored = {each.id.int: told(each) for each in self.catalog.find(Record)}
        assert stored == self.model.items
        members = {(each.artifact.id.int, each.member): each.answer for each in self.catalog.find(Membership)}
        assert members == self.model.members
        assert self.catalog.check() == []

    def teardown(self) -> None:
        """Give the catalogue back."""
        if hasattr(self, "catalog"):
            self.catalog.close()


def run_rules_machine(open_catalog: Callable[[], Catalog], examples: int = 20, steps: int = 25) -> None:
    """Run the machine on new catalogues that ``open_catalog`` opens, one per example."""
    made = type("Machine", (RulesMachine,), {"opened": lambda _self: open_catalog()})
    run_state_machine_as_test(made, settings=settings(few(examples), stateful_step_count=steps))

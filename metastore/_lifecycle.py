"""Life cycles: the states an artifact passes through, and the actions that lead from one to the next.

A `Lifecycle` is plain frozen data and part of the type's spec. What it means for one artifact is asked of
`metastore._moves`. ``deleted`` is no state: a deleted artifact is no artifact, its tombstone says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from metastore._data import Data
from metastore.errors import DeclarationError, nearest

__all__ = [
    "ACTIONS",
    "ACTIVE",
    "DEFAULT",
    "IMAGES",
    "WRITES",
    "Lifecycle",
    "State",
    "Transition",
    "check_lifecycle",
    "lifecycle_from_json",
]

ACTIVE = "active"
"""The state whose entry ``activated_at`` tells, and after which the content of blobs stands for ever."""

WRITES = (
    "create", "update", "delete", "publish", "unpublish", "communitize", "share", "unshare", "transfer", "hold",
    "upload", "set_location", "set_internal_location", "delete_blob", "copy_blob",
)  # fmt: skip
"""What changes an artifact of any type, besides the transitions of its life cycle."""

ACTIONS = (
    *WRITES,
    "get",
    "list",
    "download",
    "hide",
    "protect",
    "expire",
    "add_member",
    "get_member",
    "get_members",
    "modify_member",
    "delete_member",
)
"""What can be done to an artifact of any type, besides the transitions of its life cycle."""

Names = str | Iterable[str]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CHANGES = ("all", "mutable", "none")


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _states(given: Mapping[str, State]) -> dict[str, State]:
    if not isinstance(given, Mapping):
        raise DeclarationError(f"the states of a Lifecycle are State(…) by name, got {given!r:.60}")
    return dict(given)


class State(Data):
    """One state: whether all fields may change in it, only those declared ``mutable``, or none."""

    changes: Literal["all", "mutable", "none"] = "all"


class Transition(Data):
    """What an action does: from any of ``sources`` (one name, or several) to ``target``, emptying the fields in ``clears``.

    On an artifact that is in ``target`` already the action is accepted, and does nothing.
    """

    action: str
    sources: tuple[str, ...]
    target: str
    clears: tuple[str, ...] = ()

    def __init__(self, action: str, sources: Names, target: str, clears: Names = ()) -> None:
        super().__init__(action, _names(sources), target, _names(clears))


class Lifecycle(Data):
    """The states of a type by name, where an artifact begins, and the transitions in order.

    ``published_in`` names the states in which an artifact may be published, empty for any. Checked when a class is
    declared with it, not before.

    >>> draft = Lifecycle("draft", {"draft": State(), "out": State("none")}, (Transition("release", "draft", "out"),))
    >>> draft.actions
    ('release',)
    """

    initial: str
    states: Mapping[str, State]
    transitions: tuple[Transition, ...] = ()
    published_in: tuple[str, ...] = ()

    def __init__(
        self,
        initial: str,
        states: Mapping[str, State],
        transitions: Iterable[Transition] = (),
        published_in: Names = (),
    ) -> None:
        super().__init__(initial, _states(states), tuple(transitions), _names(published_in))

    def __hash__(self) -> int:
        return hash((self.initial, *sorted(self.states), self.transitions))

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions of its transitions, each once, in order."""
        return tuple(dict.fromkeys(each.action for each in self.transitions))


DEFAULT = Lifecycle(
    "drafted",
    {"drafted": State(), "active": State("mutable"), "deactivated": State("none")},
    (
        Transition("activate", "drafted", "active"),
        Transition("deactivate", "active", "deactivated"),
        Transition("reactivate", "deactivated", "active"),
    ),
    published_in="active",
)
"""What a type has that declares no other: drafted, then active and deactivated to and fro."""

_CLEARED = ("image", "virtual_size")

IMAGES = Lifecycle(
    "queued",
    {
        "queued": State(),
        "saving": State(),
        "uploading": State(),
        "importing": State(),
        "active": State("mutable"),
        "deactivated": State("mutable"),
        "killed": State("none"),
        "pending_delete": State("none"),
    },
    (
        Transition("save", "queued", "saving"),
        Transition("stage", "queued", "uploading"),
        Transition("import", ["queued", "uploading"], "importing"),
        Transition("activate", ["queued", "saving", "importing"], "active"),
        Transition("requeue", ["saving", "uploading", "importing"], "queued", _CLEARED),
        Transition("kill", "saving", "killed"),
        Transition("deactivate", "active", "deactivated"),
        Transition("reactivate", "deactivated", "active"),
        Transition("pend_delete", "active", "pending_delete"),
        Transition("restore", "pending_delete", "active"),
    ),
)
"""Glance's life cycle of an image (its status table), but for ``deleted``."""


def check_lifecycle(owner: str, given: Any) -> None:
    """Raise DeclarationError naming ``owner`` and what is wrong with its life cycle."""
    where = f"{owner}: its life cycle"
    if not isinstance(given, Lifecycle):
        raise DeclarationError(
            f"{owner}: lifecycle is a Lifecycle(initial, states, transitions), got {type(given).__name__}"
        )
    _check_states(where, given)
    taken: set[tuple[str, str]] = set()
    for each in given.transitions:
        _check_transition(where, given, each, taken)
    unreached = [name for name in given.states if name not in _reached(given)]
    if unreached:
        raise DeclarationError(
            f"{where} never reaches the state {unreached[0]!r} from {given.initial!r}: add a transition"
        )


def _check_states(where: str, given: Lifecycle) -> None:
    for name, state in given.states.items():
        _check_word(f"{where}: a state", name)
        if name == "deleted":
            raise DeclarationError(f"{where}: the state 'deleted' is the tombstone's, no artifact is ever in it")
        if not isinstance(state, State) or state.changes not in _CHANGES:
            raise DeclarationError(
                f"{where}: the state {name!r} is State({' or '.join(map(repr, _CHANGES))}), got {state!r}"
            )
    for name, what in [(given.initial, "begins in"), *((each, "publishes in") for each in given.published_in)]:
        _check_known(f"{where} {what}", name, given)


def _check_word(what: str, name: Any) -> None:
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise DeclarationError(f"{what} is named like in_review ([a-z][a-z0-9_]*, at most 32), got {name!r}")


def _check_known(where: str, name: Any, given: Lifecycle) -> None:
    if name not in given.states:
        raise DeclarationError(
            f"{where} the state {name!r}, which it does not have: {nearest(str(name), given.states)}"
        )


def _check_transition(where: str, given: Lifecycle, each: Any, taken: set[tuple[str, str]]) -> None:
    if not isinstance(each, Transition):
        raise DeclarationError(f"{where}: expected a Transition(action, sources, target), got {type(each).__name__}")
    _check_word(f"{where}: an action", each.action)
    if each.action in ACTIONS:
        raise DeclarationError(f"{where}: the action {each.action!r} means something already; choose another name")
    if not each.sources:
        raise DeclarationError(f"{where}: the action {each.action!r} begins in no state")
    for name in (*each.sources, each.target):
        _check_known(f"{where}: the action {each.action!r} names", name, given)
    for name in each.sources:
        if (each.action, name) in taken:
            raise DeclarationError(f"{where} has the action {each.action!r} from {name!r} twice")
        taken.add((each.action, name))


def _reached(given: Lifecycle) -> set[str]:
    found, fresh = {given.initial}, [given.initial]
    while fresh:
        state = fresh.pop()
        next_ones = {each.target for each in given.transitions if state in each.sources} - found
        found |= next_ones
        fresh += next_ones
    return found


def lifecycle_from_json(data: Mapping[str, Any]) -> Lifecycle:
    """Return the life cycle that its spec's JSON says; words of a newer metastore are passed over."""
    return Lifecycle(
        data["initial"],
        {name: State(each.get("changes", "all")) for name, each in data["states"].items()},
        tuple(_transition(each) for each in data.get("transitions", ())),
        tuple(data.get("published_in", ())),
    )


def _transition(data: Mapping[str, Any]) -> Transition:
    return Transition(data["action"], data["sources"], data["target"], data.get("clears", ()))

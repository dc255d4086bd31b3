"""What a life cycle means for one artifact: which transition an action is, and what may change where.

Rows go in, as `metastore._codec` makes them; what is to be compared is settled once per spec, so that a change is
judged in one pass, and a change in a state that allows all of them costs a look into a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from metastore._json import decode
from metastore._lifecycle import ACTIVE, State, Transition
from metastore._schema import FieldSpec, TypeSpec
from metastore.errors import FrozenFieldError, TransitionError, ValidationError, nearest

__all__ = ["ALWAYS", "check_change", "check_entry", "entered", "may_stand", "moved"]

Row = Sequence[Any]

ALWAYS = frozenset(
    {"status", "owner", "visibility", "hidden", "protected", "hold", "expires_at"}
    | {"created_at", "updated_at", "activated_at", "revision"}
)
"""Fields about the artifact and not in it: actions of their own and the catalogue change them, in every state."""


# --- transitions --------------------------------------------------------------------------------------------------


def moved(spec: TypeSpec, row: Row, action: str) -> Transition | None:
    """Return the transition that an action is for a row, ``None`` where its artifact is in the target already.

    Raises ValidationError for an action that the life cycle does not have; TransitionError where it does not begin in the
    row's state, and where a field lacks the value that the target requires.
    """
    known = _by_action(spec).get(action)
    if known is None:
        actions = spec.lifecycle.actions
        raise ValidationError(
            f"{spec.name} have no action {action!r}: {nearest(action, actions)} ({', '.join(actions)})"
        )
    status = row[spec.position["status"]]
    found = known.get(status)
    if found is None:
        if any(each.target == status for each in known.values()):
            return None
        raise TransitionError(_refusal(spec, status, action, known), action)
    check_entry(spec, _cleared(spec, row, found) if found.clears else row, found.target, action)
    return found


@lru_cache(maxsize=256)
def _by_action(spec: TypeSpec) -> dict[str, dict[str, Transition]]:
    found: dict[str, dict[str, Transition]] = {}
    for each in spec.lifecycle.transitions:
        found.setdefault(each.action, {}).update(dict.fromkeys(each.sources, each))
    return found


def _refusal(spec: TypeSpec, status: str, action: str, known: Mapping[str, Any]) -> str:
    possible = [each.action for each in spec.lifecycle.transitions if status in each.sources]
    return (
        f"cannot {action} one of {spec.name} that is {status}, only one that is {' or '.join(known)}; "
        f"possible from {status}: {', '.join(possible) or 'no action of its life cycle'}"
    )


def _cleared(spec: TypeSpec, row: Row, transition: Transition) -> Row:
    after = list(row)
    for name in transition.clears:
        after[spec.position[name]] = None
    return after


def check_entry(spec: TypeSpec, row: Row, state: str, action: str = "create") -> None:
    """Raise TransitionError naming the first field without the value that a state requires of a row; ``None`` is no value."""
    lacking = [name for at, name in _required(spec).get(state, ()) if row[at] is None]
    if lacking:
        what = "has no value, and is" if len(lacking) == 1 else "have no value, and are"
        raise TransitionError(
            f"cannot {action} one of {spec.name}: {', '.join(lacking)} {what} required for {state}; set {'it' if len(lacking) == 1 else 'them'} first",
            action,
            lacking[0],
        )


@lru_cache(maxsize=256)
def _required(spec: TypeSpec) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for each in spec.fields:
        for state in each.required_for:
            found.setdefault(state, []).append((spec.position[each.name], each.name))
    return found


def entered(transition: Transition, time: int) -> dict[str, Any]:
    """Return the columns that a transition sets, in their row form; ``time`` in microseconds since 1970."""
    found: dict[str, Any] = dict.fromkeys(transition.clears)
    found["status"] = transition.target
    if transition.target == ACTIVE:
        found["activated_at"] = time
    return found


# --- changes ------------------------------------------------------------------------------------------------------


def check_change(spec: TypeSpec, before: Row, after: Row) -> None:
    """Raise FrozenFieldError naming the first field that does not change in the state of ``before``.

    Transitions are not its matter: where changes and transitions follow each other, ask for each step.
    """
    at_status, at_activated, by_state = _judges(spec)
    state = before[at_status]
    for at, name, judge in by_state[state, before[at_activated] is not None] if state in spec.lifecycle.states else ():
        if before[at] != after[at]:
            why = judge(before[at], after[at])
            if why:
                raise FrozenFieldError(f"{name} of {spec.name} {why}", name, state)


def may_stand(spec: TypeSpec, row: Row, name: str) -> bool:
    """Whether the state of a row may stand against a change of a field: only then is there something to judge beforehand."""
    at_status, at_activated, by_state = _judges(spec)
    judged = by_state.get((row[at_status], row[at_activated] is not None), ())
    return any(each == name for _, each, _ in judged)


Judge = Callable[[Any, Any], str]
_Judged = tuple[int, str, Judge]


@lru_cache(maxsize=256)
def _judges(spec: TypeSpec) -> tuple[int, int, dict[tuple[str, bool], tuple[_Judged, ...]]]:
    at = spec.position
    found = {
        (name, was_active): tuple(
            (at[each.name], each.name, judge)
            for each in spec.fields
            if each.name not in ALWAYS and (judge := _judge(each, name, state, was_active)) is not None
        )
        for name, state in spec.lifecycle.states.items()
        for was_active in (False, True)
    }
    return at["status"], at["activated_at"], found


def _judge(field: FieldSpec, name: str, state: State, was_active: bool) -> Judge | None:
    """What stands against a change of a field in a state; ``None`` for nothing."""
    fixed = state.changes == "none" or (state.changes == "mutable" and not field.mutable)
    if field.kind in ("blob", "folder") and state.changes != "none" and (was_active or state.changes == "mutable"):
        judge = _blob_judge if field.kind == "blob" else _folder_judge
        return lambda before, after: judge(before, after, name, fixed)
    if fixed:
        words = f"is frozen while it is {name}" + ("" if state.changes == "none" else ": it is not declared mutable")
        return lambda _before, _after: words
    if name in field.required_for:
        return lambda _, after: f"is required while it is {name}, and cannot be emptied" if after is None else ""
    return None


def _blob_judge(before: str | None, after: str | None, state: str, fixed: bool) -> str:
    if before is None:
        return f"is frozen while it is {state}: nothing can be put there" if fixed else ""
    return _blob_stands(decode(before), None if after is None else decode(after), state, fixed)


def _folder_judge(before: str, after: str, state: str, fixed: bool) -> str:
    old, new = decode(before or "{}"), decode(after or "{}")
    if fixed and not new.keys() <= old.keys():
        return f"is frozen while it is {state}: {min(new.keys() - old.keys())!r} cannot be put there"
    stands = (
        (key, _blob_stands(each, new.get(key), state, fixed)) for key, each in old.items() if each != new.get(key)
    )
    return next((f"at {key!r} {why}" for key, why in stands if why), "")


def _blob_stands(old: dict[str, Any], new: dict[str, Any] | None, state: str, fixed: bool) -> str:
    """Say why the content of a blob would not stand as it is: size and every digest stay, what was not known may be told."""
    if new is None:
        return f"cannot be removed while it is {state}: content stands for ever once it was active"
    if old.get("size") not in (None, new.get("size")):
        return f"has {old['size']} bytes for ever once it was active, not {new.get('size')}"
    for name, text in old.get("digests", {}).items():
        if new.get("digests", {}).get(name) != text:
            return f"keeps its {name} for ever once it was active"
    if fixed and old.get("media_type") != new.get("media_type"):
        return f"keeps its media type while it is {state}: it is not declared mutable"
    return ""

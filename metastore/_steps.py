"""Steps: what one change does to a row, judged by the life cycle, and for a principal by the policy.

A change is a series of steps, each seeing the row as the one before left it. A step is a mapping of fields to values, or the
name of an action: a transition of the type's life cycle, or one that decides who may see the artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metastore._access import GUARDED
from metastore._moves import check_change, entered, moved
from metastore.errors import TransitionError, ValidationError

if TYPE_CHECKING:
    from metastore._access import Access
    from metastore._types import Shelf

__all__ = ["SIGHT", "Put", "Step", "actions_of", "placed", "stepped"]


class Put(NamedTuple):
    """Fields that only an action of their own sets, by its rule."""

    action: str
    fields: Mapping[str, Any]


Step = Mapping[str, Any] | str
Row = tuple[Any, ...]

SIGHT = {
    "publish": "public",
    "unpublish": "private",
    "communitize": "community",
    "share": "shared",
    "unshare": "private",
}
"""What the actions that decide who may see an artifact make of its visibility."""

_ADVICE = {
    "status": "the status changes by actions: activate(), deactivate(), or act() with the name of a transition",
    "visibility": "the visibility changes by publish(), unpublish(), communitize(), share() and unshare()",
    "owner": "the owner changes by transfer()",
}


def stepped(shelf: Shelf, row: Row, step: Step | Put, access: Access | None, time: Callable[[], int]) -> Row:
    """Return the row after one step; ``time`` gives the commit's time in microseconds.

    Raises TransitionError, FrozenFieldError, ForbiddenError, ValidationError, UnknownFieldError.
    """
    if type(step) is dict:
        return _updated(shelf, row, step, access)
    if isinstance(step, str):
        return _acted(shelf, row, step, access, time)
    if isinstance(step, Put):
        return _put(shelf, row, step, access)
    if not isinstance(step, Mapping):
        raise ValidationError(f"expected a step as a mapping of fields or the name of an action, got {step!r:.60}")
    return _updated(shelf, row, step, access)


def _put(shelf: Shelf, row: Row, put: Put, access: Access | None) -> Row:
    if access is not None:
        access.check(shelf, put.action, shelf.codec.decode(row).__dict__, put.fields)
    after = tuple(shelf.codec.patch(row, put.fields))
    check_change(shelf.spec, row, after)
    return after


def _updated(shelf: Shelf, row: Row, fields: Mapping[str, Any], access: Access | None) -> Row:
    given = fields if access is None else _permitted(shelf, row, fields, access)
    after = tuple(shelf.codec.patch(row, given))
    if access is not None and access.blind(fields):
        row = _other(shelf, row)
    elif after[-1] == row[-1]:
        return row
    for name, advice in _ADVICE.items():
        if name in fields and after[shelf.spec.position[name]] != row[shelf.spec.position[name]]:
            raise ValidationError(f"{name} of {shelf.spec.name} is not set by an update: {advice}")
    check_change(shelf.spec, row, after)
    return after


def _other(shelf: Shelf, row: Row) -> Row:
    """The row with other properties, whatever they are: what is set unseen is judged as a change, or equality would show."""
    at = shelf.spec.position["properties"]
    return (*row[:at], None, *row[at + 1 :])


def _permitted(shelf: Shelf, row: Row, fields: Mapping[str, Any], access: Access) -> Mapping[str, Any]:
    before = shelf.codec.decode(row).__dict__
    access.check(shelf, "update", before, fields)
    shelf.codec.check(fields)
    for action in guarded(before, fields):
        access.check(shelf, action, before, fields)
    given = access.kept(before.get("properties", {}), fields)
    access.check_places(shelf, before, given)
    access.check_protected(before, given)
    return given


def guarded(before: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """Return the actions with rules of their own that setting these fields amounts to."""
    return [acts[not fields[name]] for name, acts in GUARDED.items() if name in fields and fields[name] != before[name]]


def _acted(shelf: Shelf, row: Row, action: str, access: Access | None, time: Callable[[], int]) -> Row:
    change = _seen(shelf, row, action) if action in SIGHT else _moved(shelf, row, action, time)
    if access is not None:
        access.check(shelf, action, shelf.codec.decode(row).__dict__, change)
    return placed(shelf, row, change) if change else row


def placed(shelf: Shelf, row: Row, change: Mapping[str, Any]) -> Row:
    """Return the finished row with plain values of columns in place of its own."""
    return tuple(shelf.codec.patch(row, {}, change))


def _seen(shelf: Shelf, row: Row, action: str) -> dict[str, Any]:
    at, cycle = shelf.spec.position, shelf.spec.lifecycle
    now, status = row[at["visibility"]], row[at["status"]]
    if now == SIGHT[action]:
        return {}
    if action == "publish" and cycle.published_in and status not in cycle.published_in:
        raise TransitionError(
            f"{shelf.spec.name} is published in {' or '.join(cycle.published_in)}, and this one is {status}: change its state first",
            action,
        )
    if (action == "unshare" and now != "shared") or (action == "share" and now != "private"):
        raise TransitionError(
            f"{action} is for what is {'shared' if action == 'unshare' else 'private'}, and this one is {now}", action
        )
    return {"visibility": SIGHT[action]}


def _moved(shelf: Shelf, row: Row, action: str, time: Callable[[], int]) -> dict[str, Any]:
    transition = moved(shelf.spec, row, action)
    return {} if transition is None else entered(transition, time())


def actions_of(steps: tuple[Step | Put, ...]) -> tuple[str, ...]:
    """Return the names of the actions that a series of steps takes, for hooks: ``update`` for any mapping."""
    return tuple(dict.fromkeys(_action_of(each) for each in steps))


def _action_of(step: Step | Put) -> str:
    if isinstance(step, Put):
        return step.action
    return step if isinstance(step, str) else "update"

"""How a declared type and the stored one become one, online, or why they cannot.

Adding optional or defaulted fields and indexes, and loosening constraints, widens. A field that the
declaration lacks is kept, so that an older program destroys nothing. All else needs a migration.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from metastore._data import evolve
from metastore._declare import INDEXED_LENGTH
from metastore._lifecycle import Lifecycle
from metastore._schema import FieldSpec, TypeSpec
from metastore.errors import SchemaConflictError

__all__ = ["merged"]

_LOOSER: dict[str, Callable[[Any, Any], bool]] = {
    "ge": operator.le, "gt": operator.le, "le": operator.ge, "lt": operator.ge,
    "min_length": operator.le, "max_length": operator.ge, "min_items": operator.le, "max_items": operator.ge,
    "max_size": operator.ge, "max_total_size": operator.ge,
}  # fmt: skip
_IMPLIES: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": ("gt", operator.le), "gt": ("ge", operator.lt), "le": ("lt", operator.ge), "lt": ("le", operator.gt),
}  # fmt: skip
"""The other bound of the same side, and when it says as much as a new one."""
_SAME = ("kind", "target", "scheme")
_INSIDE = tuple(word for word in FieldSpec.__fields__ if word not in ("name", "item", "fields"))


def merged(stored: TypeSpec, declared: TypeSpec) -> TypeSpec:
    """Return the spec that both can live with; ``stored`` itself where nothing is new.

    Raises SchemaConflictError naming every field that stands against it.
    """
    wrong = [*_conflicts(stored, declared)]
    if wrong:
        raise SchemaConflictError(
            f"type {stored.name} as declared cannot live with the stored one: {'; '.join(wrong)}. Give a migration (catalog.migrate), or declare it as it was"
        )
    kept = [_widened(old, declared.by_name.get(old.name)) for old in stored.fields]
    new = [each for each in declared.fields if each.name not in stored.by_name]
    words = declared.description or stored.description
    return evolve(stored, fields=(*kept, *new), description=words, lifecycle=declared.lifecycle, rules=declared.rules)


def _conflicts(stored: TypeSpec, declared: TypeSpec) -> list[str]:
    wrong = []
    if stored.unique != declared.unique:
        wrong.append(
            f"the unique scope is {', '.join(stored.unique) or 'none'}, not {', '.join(declared.unique) or 'none'}"
        )
    wrong += _unlived(stored.lifecycle, declared.lifecycle)
    for old in stored.fields:
        new = declared.by_name.get(old.name)
        if new is not None:
            wrong += [f"{old.name}: {why}" for why in _against(old, new)]
        elif old.required and not old.optional and old.name not in ("created_at", "updated_at"):
            wrong.append(f"{old.name}: is required and no longer declared")
    for new in declared.fields:
        if new.name not in stored.by_name and not new.optional and (new.required or new.hook):
            wrong.append(f"{new.name}: is new, so it needs a default or | None")
    return wrong


def _unlived(old: Lifecycle, new: Lifecycle) -> list[str]:
    """What the older life cycle has and the newer lacks: an artifact may be there, a program may ask for it."""
    wrong = [f"the life cycle has no state {name!r} any more" for name in old.states if name not in new.states]
    if old.initial != new.initial:
        wrong.append(f"the life cycle begins in {old.initial!r}, not in {new.initial!r}")
    moves = {(each.action, source, each.target) for each in new.transitions for source in each.sources}
    for each in old.transitions:
        lost = [source for source in each.sources if (each.action, source, each.target) not in moves]
        if lost:
            wrong.append(f"the action {each.action!r} leads no more from {', '.join(lost)} to {each.target}")
    return wrong


def _against(old: FieldSpec, new: FieldSpec) -> list[str]:
    wrong = [*_unlike(old, new, _SAME)]
    if old.optional and not new.optional:
        wrong.append("may be absent in stored artifacts")
    for word in _LOOSER:
        before, after = getattr(old, word), getattr(new, word)
        if after is not None and _tighter(old, word, after):
            wrong.append(f"{word}={after} is tighter than {before if before is not None else 'before'}")
    if old.index and new.kind == "str" and not (new.choices or 0 < (new.max_length or 0) <= INDEXED_LENGTH):
        wrong.append(f"is indexed as stored, and an indexed text keeps a max_length of at most {INDEXED_LENGTH}")
    if new.choices and old.name != "status" and not (old.choices and set(old.choices) <= set(new.choices)):
        wrong.append(
            f"the choices no longer hold {', '.join(map(repr, sorted(set(old.choices) - set(new.choices), key=str))) or 'any text'}"
        )
    if new.pattern is not None and new.pattern != old.pattern:
        wrong.append(f"pattern {new.pattern!r} is not {old.pattern!r}")
    if new.unique_items and not old.unique_items:
        wrong.append("items were not unique")
    if not set(new.required_keys) <= set(old.required_keys) or (
        new.allowed_keys and not set(old.allowed_keys or ("",)) <= set(new.allowed_keys)
    ):
        wrong.append("keys are bound more tightly")
    return wrong


def _tighter(old: FieldSpec, word: str, after: Any) -> bool:
    before = getattr(old, word)
    if before is not None and _LOOSER[word](after, before):
        return False
    other, implies = _IMPLIES.get(word, ("", operator.is_))
    bound = getattr(old, other, None)
    return bound is None or not implies(after, bound)


def _unlike(old: FieldSpec, new: FieldSpec, words: Iterable[str], at: str = "") -> Iterator[str]:
    """Say what differs where nothing widens: in kind, and in anything that is said of what is inside."""
    for word in words:
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            yield f"{at}{word} is {_word(before)}, not {_word(after)}"
    if old.kind == new.kind:
        yield from _unlike_inside(old, new, at)


def _unlike_inside(old: FieldSpec, new: FieldSpec, at: str) -> Iterator[str]:
    if old.item is not None and new.item is not None:
        yield from _unlike(old.item, new.item, _INSIDE, f"{at}item ")
    before, after = ({each.name: each for each in spec.fields} for spec in (old, new))
    for name, each in (before | after).items():
        if name in before and name in after:
            yield from _unlike(before[name], each, _INSIDE, f"{at}{name} ")
        else:
            yield f"{at}{name} is {'no longer' if name in before else 'new'} inside"
    if [*before] != [*after] and before.keys() == after.keys():
        yield f"{at}attributes are in another order"


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(repr, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _widened(old: FieldSpec, new: FieldSpec | None) -> FieldSpec:
    if new is None:
        return old
    kept: dict[str, Any] = {
        "index": old.index or new.index,
        "folded": old.folded or new.folded,
        "search": new.search or old.search,
    }
    return evolve(new, **kept, default=old.default, required=old.required, hook=old.hook)

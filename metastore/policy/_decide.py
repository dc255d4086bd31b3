"""Decide a rule in two steps: first the caller becomes a constant, then the target is looked at.

What is left after the first step speaks of the target only; it is decided for one artifact here, and made a
predicate in `_where`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from metastore._link import Link
from metastore._version import Version
from metastore.policy._rules import (
    Always,
    Caller,
    Either,
    Every,
    Fixed,
    Literal,
    Match,
    Never,
    Not,
    OneOf,
    Ref,
    Role,
    Rule,
    Template,
)

__all__ = ["ALIASES", "CHANGE", "absent", "attribute", "holds", "joined", "negated", "reduced", "shown"]

ALIASES = frozenset({"project", "project_id", "tenant", "tenant_id"})
"""What rules of Glance and Glare call the owner of a target."""
CHANGE = "change."
"""Begins the name of a target's attribute that means the new value."""

absent: Any = object()
"""Says that the target has no such attribute."""


def reduced(rule: Rule, rules: Mapping[str, Rule], caller: Mapping[str, Any]) -> Rule:
    """Return what is left of a rule once the caller's credentials are known: it speaks of the target only."""
    match rule:
        case Ref(name=name):
            return reduced(rules[name], rules, caller)
        case Role(name=name):
            return _constant(name.lower() in [each.lower() for each in caller["roles"]])
        case Match(left=left, right=Fixed(text=text)):
            return _constant(text in (_texts(left, caller) if isinstance(left, Caller) else (str(left.text),)))
        case Match(left=left, right=Template() as right):
            return _matched(_texts(left, caller), right)
        case Not(item=item):
            return negated(reduced(item, rules, caller))
        case Every(items=items):
            return joined(Every, (reduced(item, rules, caller) for item in items))
        case Either(items=items):
            return joined(Either, (reduced(item, rules, caller) for item in items))
        case _:
            return rule


def _constant(truth: bool) -> Rule:
    return Always() if truth else Never()


def _texts(left: Caller | Literal, caller: Mapping[str, Any]) -> tuple[str | None, ...]:
    if isinstance(left, Literal):
        return (left.text,)
    found = caller.get(left.attribute, ())
    return (found,) if isinstance(found, str) else tuple(found)


def _matched(texts: Iterable[str | None], right: Template) -> Rule:
    """What the attribute must be so that the whole right side is one of ``texts``."""
    before, after = right.before, right.after
    least = len(before) + len(after)
    left: list[str | None] = []
    for text in texts:
        if text is None:
            left += [] if least else [None]
        elif len(text) >= least and text.startswith(before) and text.endswith(after):
            left.append(text[len(before) : len(text) - len(after)])
    return OneOf(right.field, tuple(left)) if left else Never()


def negated(rule: Rule) -> Rule:
    if isinstance(rule, Always | Never):
        return _constant(isinstance(rule, Never))
    return rule.item if isinstance(rule, Not) else Not(rule)


def joined(kind: type[Every | Either], given: Iterable[Rule]) -> Rule:
    """And, or or, with constants folded away, and with what is said twice said once."""
    idle, decisive = (Always(), Never()) if kind is Every else (Never(), Always())
    items: dict[Rule, None] = {}
    for item in given:
        if item == decisive or negated(item) in items:
            return decisive
        items.update(dict.fromkeys(item.items if isinstance(item, kind) else (item,)))
    items.pop(idle, None)
    return idle if not items else next(iter(items)) if len(items) == 1 else kind(tuple(items))


def holds(rule: Rule, target: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
    """Return whether a reduced rule holds for one target."""
    if isinstance(rule, Always | Never):
        return isinstance(rule, Always)
    if isinstance(rule, OneOf):
        return _one_of(attribute(rule.field, target, change), rule.texts)
    if isinstance(rule, Not):
        return not holds(rule.item, target, change)
    if isinstance(rule, Every):
        return all(holds(item, target, change) for item in rule.items)
    if isinstance(rule, Either):
        return any(holds(item, target, change) for item in rule.items)
    raise TypeError(f"expected a reduced rule, got {type(rule).__name__}")


def _one_of(value: Any, texts: tuple[str | None, ...]) -> bool:
    if value is None:
        return None in texts
    text = shown(value)
    return text is not None and text in texts


def attribute(name: str, target: Mapping[str, Any], change: Mapping[str, Any]) -> Any:
    """Return the value of a target's attribute, or `absent`; an alias of the owner is the owner where there is one."""
    if name.startswith(CHANGE):
        return attribute(name.removeprefix(CHANGE), change, {})
    owner = name in ALIASES and "owner" in target
    return target.get("owner" if owner else name, absent)


def shown(value: Any) -> str | None:
    """Return the text that rules compare; ``None`` for what has none: lists, dicts, blobs, absence."""
    if isinstance(value, enum.Enum):
        return shown(value.value)
    if isinstance(value, float):
        return str(value + 0.0)  # -0.0 is 0.0, as it is to a database
    if isinstance(value, str | int | UUID | datetime):
        return str(value)
    if isinstance(value, Version):
        return value.text
    return str(value.id) if isinstance(value, Link) else None

"""Put rules in the places of others, and check the whole: names are known, references lead somewhere and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metastore.errors import ValidationError, nearest
from metastore.policy._policy import Policy
from metastore.policy._read import Mistake, read_rule
from metastore.policy._rules import Rule, refs

__all__ = ["with_rules"]

CHAIN = 50
"""Rules refer to rules at most this deep."""


def with_rules(base: Policy, given: Mapping[str, Any], actions: Iterable[str]) -> Policy:
    """Return a policy with other rules. Raises Mistake, which names the rule."""
    if isinstance(actions, str) or not isinstance(given, Mapping):
        raise ValidationError("expected rules as a mapping of names to texts, and actions as several names")
    every = base.actions | frozenset(actions)
    fresh = {name: _read(name, text) for name, text in given.items()}
    rules = {**base.rules, **fresh}
    _check_names(base, fresh, every)
    _check_refs(rules, fresh)
    return Policy(rules, every)


def _read(name: Any, given: Any) -> Rule:
    if not isinstance(name, str) or not name:
        raise Mistake(f"expected the name of a rule as text, got {name!r:.60}")
    try:
        return read_rule(given)
    except Mistake as mistake:
        raise Mistake(mistake.args[0], mistake.position, name) from None


def _check_names(base: Policy, fresh: Mapping[str, Rule], actions: frozenset[str]) -> None:
    """A name that nothing asks is a misspelling; operators rely on what they wrote."""
    asked = {name.partition(":")[2] for name in base.rules if name.startswith("artifact:")} | actions
    helpers = {name for rule in fresh.values() for name in refs(rule)}
    for name in fresh:
        kind, _, action = name.partition(":")
        if name not in base.rules and name not in helpers and not (kind and action in asked):
            known = [*base.rules, *(f"{kind}:{each}" for each in asked if ":" in name)]
            raise Mistake(f"there is no such rule, and no other refers to it: {nearest(name, known)}", rule=name)


def _check_refs(rules: Mapping[str, Rule], fresh: Mapping[str, Rule]) -> None:
    depths: dict[str, int] = {}
    for name in [*fresh, *rules]:
        _depth(name, rules, depths, ())


def _depth(name: str, rules: Mapping[str, Rule], depths: dict[str, int], above: tuple[str, ...]) -> int:
    if name in above:
        circle = " -> ".join([*above[above.index(name) :], name])
        raise Mistake(f"rules that refer to each other in a circle: {circle}", rule=name)
    if len(above) > CHAIN:
        raise Mistake(f"rules refer to rules at most {CHAIN} deep: {' -> '.join(above[:3])} -> …", rule=above[0])
    if name not in depths:
        depths[name] = 1 + max((_known(each, name, rules, depths, above) for each in refs(rules[name])), default=0)
    return depths[name]


def _known(name: str, by: str, rules: Mapping[str, Rule], depths: dict[str, int], above: tuple[str, ...]) -> int:
    if name not in rules:
        raise Mistake(f"it refers to a rule that there is not, {name!r:.60}: {nearest(name, rules)}", rule=by)
    return _depth(name, rules, depths, (*above, by))

"""Say in words why a rule holds or not, by the part of it that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metastore._data import Data
from metastore._principal import Principal
from metastore.policy._decide import absent, attribute, holds, joined, negated, reduced, shown
from metastore.policy._rules import (
    Always,
    Caller,
    Either,
    Every,
    Match,
    Never,
    Not,
    Ref,
    Role,
    Rule,
    Template,
    print_rule,
)

__all__ = ["Decision", "explained"]


class Decision(Data):
    """What a rule says of one caller and one target: whether they may, the rule's name and text, and a sentence."""

    allowed: bool
    rule: str
    text: str
    reason: str


class _Case(Data):
    rules: Mapping[str, Rule]
    caller: Principal
    target: Mapping[str, Any]
    change: Mapping[str, Any]

    def holds(self, rule: Rule) -> bool:
        return holds(reduced(rule, self.rules, self.caller.credentials()), self.target, self.change)


def explained(
    rules: Mapping[str, Rule], name: str, caller: Principal | None, target: Mapping[str, Any], change: Mapping[str, Any]
) -> Decision:
    """Return the decision of the rule of that name."""
    rule, text = rules[name], print_rule(rules[name])
    if caller is None:
        return Decision(True, name, text, f"{name} is allowed: no caller, so this is the owner of the process")
    case = _Case(rules, caller, target, change)
    allowed = case.holds(rule)
    return Decision(allowed, name, text, _granted(case, name, rule) if allowed else _refused(case, name, rule))


def _granted(case: _Case, name: str, rule: Rule) -> str:
    deciding = _deciding(case, rule)
    if isinstance(deciding, Always):
        return f"{name} is allowed to anyone"
    return f"{name} is allowed by {print_rule(deciding)}{_facts(case, deciding)}"


def _refused(case: _Case, name: str, rule: Rule) -> str:
    deciding = _deciding(case, rule)
    if isinstance(deciding, Never):
        return f"{name} is allowed to nobody"
    return f"{name} needs {print_rule(deciding)}{_facts(case, deciding)}"


def _deciding(case: _Case, rule: Rule) -> Rule:
    """Return the least part of a rule that makes it what it is: of an ``and`` that fails what fails, and so on."""
    match rule:
        case Ref(name=name):
            return _deciding(case, case.rules[name])
        case Not(item=item):
            return negated(_deciding(case, item))
        case Every(items=items) | Either(items=items):
            truth, kind = case.holds(rule), type(rule)
            alike = [each for each in items if case.holds(each) is truth]
            enough = alike[:1] if kind is Either and truth else alike
            return joined(kind, [_deciding(case, each) for each in enough])
        case _:
            return rule


def _facts(case: _Case, rule: Rule) -> str:
    """Return what caller and target have of what the rule asks for."""
    caller = dict.fromkeys(_caller_facts(case, rule))
    target = dict.fromkeys(_target_facts(case, rule))
    told = [f"{_name(case.caller)} has {', '.join(caller)}"] if caller else []
    return "".join(f"; {each}" for each in (*told, *target))


def _name(caller: Principal) -> str:
    return caller.user or (f"a caller of project {caller.project}" if caller.project else "an unnamed caller")


def _leaves(rule: Rule) -> Iterator[Rule]:
    if isinstance(rule, Not):
        yield from _leaves(rule.item)
    elif isinstance(rule, Every | Either):
        for item in rule.items:
            yield from _leaves(item)
    else:
        yield rule


def _caller_facts(case: _Case, rule: Rule) -> Iterator[str]:
    told = case.caller.credentials()
    for leaf in _leaves(rule):
        if isinstance(leaf, Role):
            yield f"roles {' '.join(told['roles'])}" if told["roles"] else "no roles"
        elif isinstance(leaf, Match) and isinstance(leaf.left, Caller):
            name = leaf.left.attribute
            yield f"{name} {told[name]}" if name in told else f"no {name}"


def _target_facts(case: _Case, rule: Rule) -> Iterator[str]:
    for leaf in _leaves(rule):
        if isinstance(leaf, Match) and isinstance(leaf.right, Template):
            name = leaf.right.field
            value = attribute(name, case.target, case.change)
            text = None if value is absent else shown(value)
            yield f"{name} is {text!r:.60}" if text is not None else f"there is no {name}"

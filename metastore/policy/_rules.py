"""A rule is a tree of the nodes below: plain frozen data, printed as oslo.policy writes its check strings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metastore._data import Data

__all__ = [
    "BARE",
    "Always",
    "Caller",
    "Either",
    "Every",
    "Fixed",
    "Literal",
    "Match",
    "Never",
    "Not",
    "OneOf",
    "Ref",
    "Role",
    "Rule",
    "Template",
    "print_rule",
    "refs",
]

BARE = re.compile(r"True|False|0|-?[1-9][0-9]{0,17}")
"""Literals that are written without quotes."""


class Rule(Data):
    """Base of every node."""

    def __str__(self) -> str:
        return print_rule(self)


class Always(Rule):
    """Anyone may: ``@``, or nothing at all."""


class Never(Rule):
    """Nobody may: ``!``."""


class Every(Rule):
    """All items hold: ``a and b``."""

    items: tuple[Rule, ...]


class Either(Rule):
    """At least one item holds: ``a or b``."""

    items: tuple[Rule, ...]


class Not(Rule):
    """The exact complement: ``not a``."""

    item: Rule


class Ref(Rule):
    """What another rule says: ``rule:name``."""

    name: str


class Role(Rule):
    """The caller has the role, whatever its case: ``role:name``."""

    name: str


class Caller(Data):
    """Left of a colon: an attribute of the caller, like ``project_id``."""

    attribute: str


class Literal(Data):
    """Left of a colon: a fixed text, like ``'public'`` or ``True``; ``None`` is absence."""

    text: str | None


class Fixed(Data):
    """Right of a colon: a fixed text."""

    text: str


class Template(Data):
    """Right of a colon: a target's attribute, ``%(field)s``, with what stands around it."""

    field: str
    before: str = ""
    after: str = ""


class Match(Rule):
    """Both sides are the same text: ``left:right``."""

    left: Caller | Literal
    right: Fixed | Template


class OneOf(Rule):
    """The target's attribute is one of ``texts`` (``None``: absent).

    Never written: it is what a `Match` comes to once the caller is known.
    """

    field: str
    texts: tuple[str | None, ...]


def refs(rule: Rule) -> Iterator[str]:
    """Yield the names of the rules that this one refers to, in order."""
    if isinstance(rule, Ref):
        yield rule.name
    elif isinstance(rule, Not):
        yield from refs(rule.item)
    elif isinstance(rule, Every | Either):
        for item in rule.items:
            yield from refs(item)


def print_rule(rule: Rule) -> str:
    """Return the rule as text, from which `parse_rule` makes an equal one.

    >>> from metastore.policy._read import parse_rule
    >>> print_rule(parse_rule("(role:a or role:b)  AND not (rule:c)"))
    '(role:a or role:b) and not rule:c'
    """
    match rule:
        case Always():
            return "@"
        case Never():
            return "!"
        case Ref(name=name):
            return f"rule:{name}"
        case Role(name=name):
            return f"role:{_escaped(name)}"
        case Match(left=left, right=right):
            return f"{_left(left)}:{_right(right)}"
        case Not(item=item):
            return f"not {_inside(item)}"
        case Every(items=items):
            return " and ".join(_inside(item) for item in items)
        case Either(items=items):
            return " or ".join(print_rule(item) if isinstance(item, Every) else _inside(item) for item in items)
        case OneOf(field=name, texts=texts):
            return " or ".join(f"{_left(Literal(text))}:%({name})s" for text in texts)
        case _:
            raise TypeError(f"expected a rule, got {type(rule).__name__}")


def _inside(rule: Rule) -> str:
    text = print_rule(rule)
    return f"({text})" if isinstance(rule, Every | Either) else text


def _left(left: Caller | Literal) -> str:
    if isinstance(left, Caller):
        return left.attribute
    text = left.text
    if text is None or BARE.fullmatch(text):
        return str(text)
    return f'"{text}"' if "'" in text else f"'{text}'"


def _right(right: Fixed | Template) -> str:
    if isinstance(right, Fixed):
        return _escaped(right.text)
    return f"{_escaped(right.before)}%({right.field})s{_escaped(right.after)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")

"""What both spellings spell: operations over names, values and lists, before they mean anything.

The operations carry the names of CQL2 JSON (``and``, ``isNull``, ``a_contains`` …), so the JSON form is this tree
written down, and the text form the same tree in another hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

__all__ = [
    "KEYWORDS",
    "MAX_DEPTH",
    "NAME",
    "Group",
    "Literal",
    "Mistake",
    "Node",
    "Op",
    "Property",
    "fits",
    "flaw",
    "print_name",
    "read_name",
    "unwrap",
]

MAX_DEPTH = 100
"""Most levels of AND, OR, NOT and followed links, one inside the other."""

KEYWORDS = frozenset(["and", "or", "not", "in", "like", "between", "is", "null", "true", "false"])
"""Words that a name must be quoted to be."""

_PART = r'(?:(?:[^\W\d]|:)[\w:]*|"(?:[^"]|"")*+")'
NAME = rf"{_PART}(?:\.{_PART})*+"
"""A name in both forms: identifiers or quoted parts, with dots between."""

_plain = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_name = re.compile(NAME).fullmatch
_parts = re.compile(_PART).findall
_refused = re.compile("[\0\ud800-\udfff]").search

Place = int | str
"""Where a node stood: the offset in a text, the path in a JSON document; empty for a node that is to be printed."""


class Mistake(Exception):
    """What is wrong, and where; the doors turn it into a QuerySyntaxError that shows the place."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


@frozen
class Node:
    """Base of the syntax tree; two nodes at two places are equal."""

    place: Place = field(default="", eq=False, kw_only=True)


@frozen
class Op(Node):
    """An operator or function applied to its arguments."""

    name: str
    args: tuple[Node, ...]


@frozen
class Property(Node):
    """A dotted name, each part as it is without quotes."""

    parts: tuple[str, ...]


@frozen
class Literal(Node):
    """A text, number or truth value, as it stands."""

    value: Any


@frozen
class Group(Node):
    """What stands in parentheses: a list, or (``listed`` is false) perhaps just one item in parentheses."""

    items: tuple[Node, ...]
    listed: bool = False


def unwrap(node: Node) -> Node:
    """Return what parentheses that make no list hold."""
    while isinstance(node, Group) and len(node.items) == 1 and not node.listed:
        node = node.items[0]
    return node


def fits(value: int) -> bool:
    """Say whether an integer fits in 64 bits, signed."""
    return -(2**63) <= value < 2**63


def flaw(text: str) -> int | None:
    """Return the offset of the first character that no catalogue holds: NUL or a lone surrogate."""
    found = _refused(text)
    return found.start() if found else None


def read_name(text: str, place: Place) -> Property:
    r"""Return the name that a text spells.

    >>> read_name('properties."a.b"', 0).parts
    ('properties', 'a.b')
    """
    if not _name(text):
        raise Mistake(
            f"{text[:60]!r} is no name: expected words with dots between, any other part in double quotes", place
        )
    return Property(tuple(_unquoted(_parts(text))), place=place)


def _unquoted(parts: list[str]) -> Iterator[str]:
    for part in parts:
        yield part[1:-1].replace('""', '"') if part.startswith('"') else part


def print_name(parts: tuple[str, ...]) -> str:
    r"""Return the text that spells a name, with quotes only where they are needed.

    >>> print_name(("properties", "a.b"))
    'properties."a.b"'
    """
    return ".".join(_quoted(part) for part in parts)


def _quoted(part: str) -> str:
    if _plain(part) and part.lower() not in KEYWORDS:
        return part
    return '"' + part.replace('"', '""') + '"'

"""Queries are data: frozen nodes that say what is asked, and nothing about how.

A predicate is a tree of the nodes below. Users build it from class attributes
(``Image.size > 10``), the CQL2 room from text, a backend reads it. Behaviour lives
in functions that walk the tree. Truth is two-valued: a comparison with an absent
value is false, and ``~`` is the exact complement.

Before a backend sees a query the engine *binds* it: every path is checked against
the type's spec and carries its ``kind``, every value is a plain row value
(`metastore.backend` lists them), and negation stands on leaves only.

Nodes that nearly every query makes have a constructor of their own: it takes two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NoReturn

from metastore._data import Data, evolve

__all__ = [
    "Absent",
    "And",
    "Compare",
    "Contains",
    "Follow",
    "Followed",
    "HasKey",
    "In",
    "Key",
    "Matches",
    "Measure",
    "Not",
    "Or",
    "Order",
    "Path",
    "Position",
    "Predicate",
    "Query",
    "Rank",
    "References",
    "Text",
    "Within",
    "negations_down",
    "walk",
]

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]


class Predicate(Data):
    """Base of every condition: combine with ``&``, ``|``, ``~``; it has no truth value of its own.

    >>> from metastore.query import Absent, Path
    >>> ~Absent(Path("size"))
    Not(item=Absent(path=Path(field='size')))
    """

    def __and__(self, other: Predicate) -> Predicate:
        return And(_flat(And, self, other)) if isinstance(other, Predicate) else NotImplemented

    def __or__(self, other: Predicate) -> Predicate:
        return Or(_flat(Or, self, other)) if isinstance(other, Predicate) else NotImplemented

    def __invert__(self) -> Predicate:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a predicate has no truth value: combine with & | ~ (in parentheses), not with and, or, not, if"
        )


def _flat(kind: type[And | Or], *items: Predicate) -> tuple[Predicate, ...]:
    return tuple(part for item in items for part in (item.items if isinstance(item, kind) else (item,)))


class Path(Data):
    """Where a value lies in an artifact: a field, then keys or attributes inside it.

    ``keys`` are taken whole, whatever characters they have. ``folded`` asks for the
    case-folded form. ``kind`` is empty until the path is bound.
    """

    field: str
    keys: tuple[str, ...] = ()
    folded: bool = False
    kind: str = ""

    def __init__(self, field: str, keys: tuple[str, ...] = (), folded: bool = False, kind: str = "") -> None:
        self.__dict__.update(field=field, keys=keys, folded=folded, kind=kind)

    def __repr__(self) -> str:
        rest = "".join(f", {n}={v!r}" for n in ("keys", "folded", "kind") if (v := getattr(self, n)))
        return f"Path(field={self.field!r}{rest})"


class And(Predicate):
    """All items hold; true when there are none."""

    items: tuple[Predicate, ...]

    def __init__(self, items: tuple[Predicate, ...]) -> None:
        self.__dict__["items"] = items


class Or(Predicate):
    """At least one item holds; false when there are none."""

    items: tuple[Predicate, ...]


class Not(Predicate):
    """The exact complement of the item."""

    item: Predicate


class Compare(Predicate):
    """The value at the path is present and compares so with ``value``.

    Bound versions: ``eq`` and ``ne`` carry the canonical text, the others the pair
    (sort key, canonical text).
    """

    path: Path
    op: Comparison
    value: Any

    def __init__(self, path: Path, op: Comparison, value: Any) -> None:
        self.__dict__.update(path=path, op=op, value=value)


class In(Predicate):
    """The value at the path is one of ``values``; false when there are none."""

    path: Path
    values: tuple[Any, ...]


class Absent(Predicate):
    """There is no value at the path (``None``, or no such key)."""

    path: Path


class Text(Predicate):
    """The text at the path starts with, ends with, or contains ``value``."""

    path: Path
    how: Literal["starts", "ends", "contains"]
    value: str


class Within(Predicate):
    """The version at the path lies in the range ``^text`` or ``~text`` of its scheme.

    Ranges are intervals of precedence, so that of two texts of equal precedence both or none lie in it.
    Binding makes two comparisons of it.
    """

    path: Path
    how: Literal["caret", "tilde"]
    text: str


class Contains(Predicate):
    """The list at the path holds every one, or any one, of ``values``."""

    path: Path
    values: tuple[Any, ...]
    every: bool = True


class HasKey(Predicate):
    """The dict at the path has this key, whatever its value."""

    path: Path
    key: str


class Follow(Predicate):
    """A link at the path leads to a live artifact of type ``target`` for which ``where`` holds.

    For a list of links: at least one of them does.
    """

    path: Path
    target: str
    where: Predicate


class Followed(Predicate):
    """Some live artifact of type ``source`` for which ``where`` holds links here by its ``field``.

    The field is a link or a list of links. Where no such type is stored, it holds for nothing.
    """

    source: str
    field: str
    where: Predicate


class Matches(Predicate):
    """Every word occurs in a searchable field; ``words`` are folded, distinct, in order of first use.

    Where ``fields`` names some, only these are searched; empty stands for all. With no word at all it holds for nothing.
    """

    words: tuple[str, ...]
    fields: tuple[str, ...] = ()


class References(Predicate):
    """Some blob of the artifact has this url, or this digest written ``algorithm:hex``."""

    value: str


class Rank(Data):
    """A sort key: weighted number of (word, field) hits in ``fields`` (empty: in all searchable ones), see `metastore.backend`."""

    words: tuple[str, ...]
    fields: tuple[str, ...] = ()


Key = Path | Rank


class Order(Data):
    """One sort key. Absent is smallest: first when ascending, last when descending.

    ``-order`` turns the direction.
    """

    key: Key
    descending: bool = False

    def __init__(self, key: Key, descending: bool = False) -> None:
        self.__dict__.update(key=key, descending=descending)

    def __neg__(self) -> Order:
        return Order(self.key, not self.descending)


class Position(Data):
    """Where the page before ended: its last sort values, one per `Order`, and its last id.

    Values are row values; a version is the pair (sort key, text), an absent value ``None``.
    """

    values: tuple[Any, ...]
    id: bytes


class Measure(Data):
    """One figure per group: ``count`` takes no path, the others leave absent values out."""

    what: Literal["count", "min", "max", "sum", "avg"]
    path: Path | None = None


_ALL = And(())


class Query(Data):
    """What is asked of one type.

    The id ends every order, in the last key's direction (ascending when there is no key).
    ``latest`` keeps, per owner and name, the highest version among what ``where`` holds for
    (of equal precedence the greater text, of equal texts the greater id).
    ``limit`` counts artifacts, ``None`` is no limit.
    """

    type: str
    where: Predicate = _ALL
    order: tuple[Order, ...] = ()
    limit: int | None = None
    after: Position | None = None
    latest: bool = False

    def __init__(
        self,
        type: str,
        where: Predicate = _ALL,
        order: tuple[Order, ...] = (),
        limit: int | None = None,
        after: Position | None = None,
        latest: bool = False,
    ) -> None:
        self.__dict__.update(type=type, where=where, order=order, limit=limit, after=after, latest=latest)


def walk(predicate: Predicate) -> Iterator[Predicate]:
    """Yield the predicate and everything inside it, conditions at the other end of links included, outermost first."""
    yield predicate
    if isinstance(predicate, And | Or):
        for item in predicate.items:
            yield from walk(item)
    elif isinstance(predicate, Not):
        yield from walk(predicate.item)
    elif isinstance(predicate, Follow | Followed):
        yield from walk(predicate.where)


def negations_down(predicate: Predicate, *, negated: bool = False) -> Predicate:
    """Return an equal predicate in which ``Not`` stands on leaves only, or its complement.

    A compiler can then answer each leaf from an index: on 100,000 rows SQLite took
    8.9 ms for a negated group compiled as it stood, 0.08 ms for its leaves.

    >>> a, b = Absent(Path("a")), Absent(Path("b"))
    >>> negations_down(~(a & ~b)) == ~a | b
    True
    """
    if isinstance(predicate, Not):
        return negations_down(predicate.item, negated=not negated)
    if isinstance(predicate, And | Or):
        kind = type(predicate) if not negated else (Or if isinstance(predicate, And) else And)
        return kind(tuple([negations_down(item, negated=negated) for item in predicate.items]))
    if isinstance(predicate, Follow | Followed):
        predicate = evolve(predicate, where=negations_down(predicate.where))
    return Not(predicate) if negated else predicate

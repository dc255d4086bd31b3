"""The text form: CQL2 text, into the syntax tree (by lark) and out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from metastore._schema import TypeSpec
from metastore.cql2._grammar import GRAMMAR, HINTS, WORDS
from metastore.cql2._names import Specs
from metastore.cql2._read import COMPARISONS, read
from metastore.cql2._syntax import (
    NAME,
    Group,
    Literal,
    Mistake,
    Node,
    Op,
    Property,
    fits,
    flaw,
    print_name,
    read_name,
)
from metastore.cql2._write import write
from metastore.errors import MissingExtraError, QuerySyntaxError
from metastore.query import Predicate

if TYPE_CHECKING:
    from lark import Token, UnexpectedInput

__all__ = ["MAX_LENGTH", "parse_text", "print_text"]

MAX_LENGTH = 100_000
"""Most characters of a text."""

_CONTEXT = 24


def parse_text(text: str, spec: TypeSpec, specs: Specs) -> Predicate:
    """Return the unbound predicate that a CQL2 text means for artifacts of the type ``spec``.

    ``specs`` finds the type behind a link by name, ``None`` if it is not known. Values are not checked
    against their fields here.

    Raises QuerySyntaxError with the ``position`` of the mistake, UnknownFieldError with the nearest spelling,
    QueryError for a link whose type is not known, MissingExtraError without the package lark.

    >>> from metastore.backend import FieldSpec, TypeSpec
    >>> images = TypeSpec("images", (FieldSpec(name="size", kind="int"),))
    >>> parse_text("size <= 2048", images, {"images": images}.get)
    Compare(path=Path(field='size'), op='le', value=2048)
    """
    try:
        return read(_tree(text), spec, specs)
    except Mistake as mistake:
        position = mistake.place if isinstance(mistake.place, int) else 0
        raise QuerySyntaxError(f"{mistake.message} (at {position}: {_excerpt(text, position)})", position) from None


def print_text(predicate: Predicate, spec: TypeSpec, specs: Specs) -> str:
    """Return the CQL2 text of an unbound predicate, with parentheses only where they are needed.

    Versions, ids and enum members are written as their text. Raises QueryError for a value that no literal means.
    """
    return _print(write(predicate, spec, specs))


# --- reading --------------------------------------------------------------------------------------------------------


def _tree(text: str) -> Node:
    if len(text) > MAX_LENGTH:
        raise Mistake(f"the query has {len(text)} characters: at most {MAX_LENGTH} are read", MAX_LENGTH)
    if (at := flaw(text)) is not None:
        raise Mistake("a query may hold no NUL and no lone surrogate", at)
    parse, unexpected = _parser()
    try:
        return parse(text)
    except unexpected as error:
        raise _mistake(error, text) from None


@cache
def _parser() -> tuple[Callable[[str], Node], type[UnexpectedInput]]:
    try:
        from lark import Lark, UnexpectedInput
    except ImportError:
        raise MissingExtraError(
            "reading a query as text needs the package lark: install metastore-engine[cql2], or give the query as JSON"
        ) from None
    grammar = GRAMMAR.replace("%NAME%", NAME.replace("/", r"\/"))
    lark = Lark(grammar, parser="lalr", lexer="basic", transformer=_Builder(), maybe_placeholders=False)
    parse: Callable[[str], Node] = lark.parse  # type: ignore[assignment]  # a transformer makes nodes of ours of the trees
    return parse, UnexpectedInput


class _Builder:
    """Makes the syntax tree while lark reads: one method for each alias of the grammar, called with its children."""

    def joined_or(self, items: list[Node]) -> Node:
        return Op("or", tuple(items), place=items[0].place)

    def joined_and(self, items: list[Node]) -> Node:
        return Op("and", tuple(items), place=items[0].place)

    def negation(self, items: list[Any]) -> Node:
        return Op("not", (items[1],), place=_at(items[0]))

    def infix(self, items: list[Any]) -> Node:
        left, sign, right = items
        return Op(str(sign), (left, right), place=_at(sign))

    def tail(self, items: list[Any]) -> list[Any]:
        return items

    def affirmed(self, items: list[Any]) -> Node:
        left, (word, *rest) = items
        return Op(word.lower(), (left, *rest), place=_at(word))

    def denied(self, items: list[Any]) -> Node:
        left, word, tail = items
        return Op("not", (self.affirmed([left, tail]),), place=_at(word))

    def is_null(self, items: list[Any]) -> Node:
        return Op("isNull", (items[0],), place=_at(items[1]))

    def is_not_null(self, items: list[Any]) -> Node:
        return Op("not", (self.is_null(items),), place=_at(items[1]))

    def name(self, items: list[Token]) -> Node:
        return read_name(str(items[0]), _at(items[0]))

    def call(self, items: list[Any]) -> Node:
        name, group = items
        return Op(name.lower(), group.items, place=_at(name))

    def string(self, items: list[Token]) -> Node:
        return Literal(items[0][1:-1].replace("''", "'"), place=_at(items[0]))

    def truth(self, items: list[Token]) -> Node:
        return Literal(items[0].lower() == "true", place=_at(items[0]))

    def number(self, items: list[Token]) -> Node:
        text, place = str(items[0]), _at(items[0])
        if re.fullmatch("[+-]?[0-9]+", text):
            return Literal(_integer(text, place), place=place)
        if not isfinite(value := float(text)):
            raise Mistake("the number is too great for 64 bits", place)
        return Literal(value, place=place)

    def group(self, items: list[Any]) -> Node:
        return Group(tuple(items[1:]), place=_at(items[0]))


def _at(token: Token) -> int:
    return token.start_pos or 0


def _integer(text: str, place: int) -> int:
    if len(text.lstrip("+-0")) < 20 and fits(value := int(text)):
        return value
    raise Mistake("the integer does not fit in 64 bits", place)


# --- mistakes -------------------------------------------------------------------------------------------------------


def _mistake(error: UnexpectedInput, text: str) -> Mistake:
    token: Token | None = getattr(error, "token", None)
    position: int = _at(token) if token is not None else getattr(error, "pos_in_stream", 0)
    if token is None:
        sign = text[position : position + 1]
        return Mistake(HINTS.get(sign, f"the sign {sign!r} begins nothing that a query has"), position)
    if token.type == "$END":
        return Mistake(f"expected {_expected(error)}, found the end of the text", len(text.rstrip()))
    return Mistake(f"expected {_expected(error)}, found {str(token)[:40]}", position)


def _expected(error: UnexpectedInput) -> str:
    accepted: set[str] = getattr(error, "accepts", set())
    words = list(dict.fromkeys(word for name, word in WORDS.items() if name in accepted))
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words) or "something else"


def _excerpt(text: str, position: int) -> str:
    """Return the line around a mistake, with its word between « and »."""
    found = re.compile(r"'[^']*'|[\w:.\"]+|<>|<=|>=|\S|").match(text, position)
    word = found[0] if found else ""
    after = text[position + len(word) : position + len(word) + _CONTEXT]
    before = text[max(0, position - _CONTEXT) : position]
    cut = ("…" * (position > _CONTEXT), "…" * (position + len(word) + _CONTEXT < len(text)))
    line = " ".join(f"{cut[0]}{before}«{word[:_CONTEXT]}»{after}{cut[1]}".split())
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


# --- printing -------------------------------------------------------------------------------------------------------

_LOOSE, _ALL, _TIGHT = range(3)
"""How tightly what is around binds: as OR does, as AND does, tighter."""

_CQL2_FUNCTIONS = {"casei", "a_contains", "a_overlaps", "timestamp", "date"}


def _print(node: Node, around: int = _LOOSE) -> str:
    if isinstance(node, Literal):
        return _literal(node.value)
    if isinstance(node, Property):
        return print_name(node.parts)
    if isinstance(node, Group):
        return f"({', '.join(_print(each) for each in node.items)})"
    return _operation(node, around) if isinstance(node, Op) else ""


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).upper() if isinstance(value, bool) else repr(value)


def _operation(op: Op, around: int) -> str:
    if op.name == "or":
        return _enclosed(" OR ".join(_print(each, _ALL) for each in op.args), around > _LOOSE)
    if op.name == "and":
        return _enclosed(" AND ".join(_print(each, _TIGHT) for each in op.args), around > _ALL)
    if op.name == "not":
        return _negation(op.args[0])
    return _leaf(op)


def _enclosed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _negation(node: Node) -> str:
    if isinstance(node, Op) and node.name in ("like", "in", "between", "isNull"):
        return _leaf(node, "NOT ")
    if isinstance(node, Op) and node.name == "not":
        return f"NOT ({_print(node)})"
    return f"NOT {_print(node, _TIGHT)}"


def _leaf(op: Op, negation: str = "") -> str:
    args = [_print(each) for each in op.args]
    if op.name in COMPARISONS:
        return f"{args[0]} {op.name} {args[1]}"
    if op.name in ("like", "in"):
        return f"{args[0]} {negation}{op.name.upper()} {args[1]}"
    if op.name == "between":
        return f"{args[0]} {negation}BETWEEN {args[1]} AND {args[2]}"
    if op.name == "isNull":
        return f"{args[0]} IS {negation}NULL"
    name = op.name.upper() if op.name in _CQL2_FUNCTIONS else op.name
    return f"{name}({', '.join(args)})"

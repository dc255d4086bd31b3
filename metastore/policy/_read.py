"""Read a rule: oslo.policy's check strings, and its old lists of lists.

Where oslo.policy logs a rule that it does not understand and lets it fail closed, a rule here is an error with
its position.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from metastore.errors import ValidationError
from metastore.policy._rules import (
    BARE,
    Always,
    Caller,
    Either,
    Every,
    Fixed,
    Literal,
    Match,
    Never,
    Not,
    Ref,
    Role,
    Rule,
    Template,
)

__all__ = ["Mistake", "parse_rule", "read_rule"]

DEPTH = 50
"""Parentheses and nots nest at most this deep."""

_ATTRIBUTE = re.compile(r"[A-Za-z_][\w.\-]*")
_PLACE = re.compile(r"%\(([^()%\s]+)\)s")
_SIGN = re.compile(r"%(%?)")
_QUOTED = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_WORDS = {"and", "or", "not"}


class Mistake(Exception):
    """What is wrong with a rule, at which character of it, and later which rule; doors make errors of it."""

    def __init__(self, message: str, position: int | None = None, rule: str = "") -> None:
        super().__init__(message)
        self.position, self.rule = position, rule

    def __str__(self) -> str:
        which = [f"rule {self.rule}"] if self.rule else []
        at = [] if self.position is None else [f"position {self.position}"]
        return ": ".join([", ".join(which + at), self.args[0]] if which or at else [self.args[0]])


class _Token(NamedTuple):
    text: str
    at: int

    @property
    def word(self) -> str:
        """The operator or parenthesis that it is, else nothing."""
        low = self.text.lower()
        return low if low in _WORDS or low in ("(", ")") else ""


def parse_rule(text: str) -> Rule:
    """Return the rule that a check string says.

    Raises ValidationError, naming the position (characters, from 0).

    >>> parse_rule("role:admin or project_id:%(owner)s").items[0]
    Role(name='admin')
    """
    try:
        return read_rule(text)
    except Mistake as mistake:
        raise ValidationError(f"rule {text!r:.60}, {mistake}") from None


def read_rule(given: Any) -> Rule:
    """Return the rule of a text or of a list of lists. Raises Mistake."""
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, list | tuple):
        return _lists(given)
    raise Mistake(f"expected a rule as text like 'role:admin', got {type(given).__name__} {given!r:.60}")


def _lists(given: list[Any] | tuple[Any, ...]) -> Rule:
    if not given:
        return Always()
    either = [_joined(Every, [_listed(each) for each in _inner(part)]) for part in given if part not in ([], (), "")]
    return _joined(Either, either) if either else Never()


def _inner(part: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(part, str | list | tuple):
        raise Mistake(f"expected a list of checks like ['role:admin'], got {type(part).__name__} {part!r:.60}")
    return [part] if isinstance(part, str) else part


def _listed(given: Any) -> Rule:
    if not isinstance(given, str) or not given or re.search(r"\s|^\(|\)$", given):
        raise Mistake(f"expected one check like 'role:admin' in a list, got {given!r:.60}")
    return _check(_Token(given, 0))


def _joined(kind: type[Every | Either], items: list[Rule]) -> Rule:
    return items[0] if len(items) == 1 else kind(tuple(items))


def _text(text: str) -> Rule:
    if not text:
        return Always()
    tokens = _tokens(text)
    if not tokens:
        raise Mistake("only blanks: write @ for anyone, ! for nobody", 0)
    return _Reader(tokens, len(text)).whole()


def _tokens(text: str) -> list[_Token]:
    found = []
    for word in re.finditer(r"\S+", text):
        whole, at = word[0], word.start()
        body = whole.lstrip("(")
        found += [_Token("(", at + step) for step in range(len(whole) - len(body))]
        at += len(whole) - len(body)
        bare = body.rstrip(")")
        found += [_Token(bare, at)] if bare else []
        found += [_Token(")", at + len(bare) + step) for step in range(len(body) - len(bare))]
    return found


class _Reader:
    """Recursive descent: or binds least, then and, then not."""

    def __init__(self, tokens: list[_Token], end: int) -> None:
        self.tokens, self.end, self.next, self.depth = tokens, end, 0, 0

    def whole(self) -> Rule:
        found = self._either()
        if self.next < len(self.tokens):
            extra = self.tokens[self.next]
            raise Mistake(f"expected and, or, or the end, found {extra.text!r:.60}", extra.at)
        return found

    def _word(self) -> str:
        return self.tokens[self.next].word if self.next < len(self.tokens) else ""

    def _either(self) -> Rule:
        return self._series("or", Either, self._every)

    def _every(self) -> Rule:
        return self._series("and", Every, self._one)

    def _series(self, word: str, kind: type[Every | Either], item: Callable[[], Rule]) -> Rule:
        items = [item()]
        while self._word() == word:
            self.next += 1
            items.append(item())
        return _joined(kind, items)

    def _one(self) -> Rule:
        if self.next == len(self.tokens):
            raise Mistake("expected a check like role:admin, found the end", self.end)
        token = self.tokens[self.next]
        if token.word in ("and", "or", ")"):
            raise Mistake(f"expected a check like role:admin, found {token.text!r}", token.at)
        self.next += 1
        return _check(token) if not token.word else self._deeper(token)

    def _deeper(self, token: _Token) -> Rule:
        self.depth += 1
        if self.depth > DEPTH:
            raise Mistake(f"a rule nests at most {DEPTH} deep", token.at)
        found = Not(self._one()) if token.word == "not" else self._group(token)
        self.depth -= 1
        return found

    def _group(self, opened: _Token) -> Rule:
        found = self._either()
        if self._word() != ")":
            raise Mistake("this parenthesis is never closed", opened.at)
        self.next += 1
        return found


def _check(token: _Token) -> Rule:
    if token.text in ("@", "!"):
        return Always() if token.text == "@" else Never()
    left, colon, right = token.text.partition(":")
    if not colon:
        raise Mistake(f"expected a check like role:admin, found {token.text!r:.60}", token.at)
    at = token.at + len(left) + 1
    if left in ("http", "https"):
        raise Mistake(f"{left}: checks ask another server and are not supported; write the rule itself", token.at)
    if not right:
        raise Mistake(f"expected something after {left!r:.60} and the colon", at)
    if left == "rule":
        return Ref(right)
    return Role(_fixed(right, at).text) if left == "role" else Match(_left(left, token.at), _right(right, at))


def _left(text: str, at: int) -> Caller | Literal:
    if text == "None" or BARE.fullmatch(text):
        return Literal(None if text == "None" else text)
    if quoted := _QUOTED.fullmatch(text):
        return Literal(quoted[1] if quoted[2] is None else quoted[2])
    if not _ATTRIBUTE.fullmatch(text):
        raise Mistake(
            f"expected project_id, 'text' (without blanks), True, False, None or a number, found {text!r:.60}", at
        )
    return Caller(text)


def _right(text: str, at: int) -> Fixed | Template:
    place = _PLACE.search(text)
    if place is None:
        return _fixed(text, at)
    before, after = _plain(text[: place.start()], at), _plain(text[place.end() :], at + place.end())
    return Template(place[1], before, after)


def _fixed(text: str, at: int) -> Fixed:
    return Fixed(_plain(text, at))


def _plain(text: str, at: int) -> str:
    """Return the text with %% made %; another sign is a mistake."""
    for sign in _SIGN.finditer(text):
        if not sign[1]:
            raise Mistake(
                "expected at most one %(field)s here, none after role:, and %% for a percent sign", at + sign.start()
            )
    return text.replace("%%", "%")

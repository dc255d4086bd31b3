r"""LIKE patterns: the four forms that the algebra has, out of and into ``%`` and ``\``."""

from __future__ import annotations

from metastore.cql2._syntax import Mistake, Place
from metastore.query import Compare, Path, Text

__all__ = ["print_pattern", "read_pattern"]

_FORMS = (
    r"expected 'abc%' (starts), '%abc' (ends), '%abc%' (contains) or 'abc' (equals), and \% or \_ for the sign itself"
)


def read_pattern(path: Path, pattern: str, place: Place) -> Text | Compare:
    r"""Return the condition that a pattern stands for.

    >>> read_pattern(Path("name"), r"50\%%", 0)
    Text(path=Path(field='name'), how='starts', value='50%')
    """
    signs = _signs(pattern, place)
    first = signs[:1] == [None]
    last = signs[first:][-1:] == [None]
    middle = signs[first : len(signs) - last]
    text = "".join(sign for sign in middle if sign is not None)
    if len(text) != len(middle):
        raise Mistake(f"the pattern {pattern[:60]!r} has a % within: {_FORMS}", place)
    if not first and not last:
        return Compare(path, "eq", text)
    if first and last:
        return Text(path, "contains", text)
    return Text(path, "ends" if first and text else "starts", text)


def _signs(pattern: str, place: Place) -> list[str | None]:
    """Return each character meant as itself, and ``None`` for each ``%``."""
    signs: list[str | None] = []
    rest = iter(pattern)
    for sign in rest:
        if sign == "_":
            raise Mistake(f"the pattern {pattern[:60]!r} has the wildcard _: {_FORMS}", place)
        if sign == "\\":
            signs.append(_escaped(next(rest, None), pattern, place))
        else:
            signs.append(None if sign == "%" else sign)
    return signs


def _escaped(sign: str | None, pattern: str, place: Place) -> str:
    if sign is None:
        raise Mistake(f"the pattern {pattern[:60]!r} ends in a lone \\: write \\\\ for the sign itself", place)
    return sign


def print_pattern(how: str, text: str) -> str:
    r"""Return the pattern for a text that starts, ends or is contained.

    >>> print(print_pattern("starts", "50%"))
    50\%%
    """
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {"starts": f"{escaped}%", "ends": f"%{escaped}", "contains": f"%{escaped}%"}[how]

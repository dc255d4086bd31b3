"""Make a predicate of a reduced rule, so that the database selects what the rule allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from metastore._schema import FieldSpec, TypeSpec
from metastore._values import text as storable
from metastore._version import Version
from metastore.errors import MetastoreError
from metastore.policy._decide import ALIASES, shown
from metastore.policy._rules import Always, Either, Every, Never, Not, OneOf, Rule
from metastore.query import Absent, And, Compare, In, Or, Path, Predicate
from metastore.query import Not as Without

__all__ = ["predicate"]

ALWAYS, NEVER = And(()), Or(())


def predicate(rule: Rule, spec: TypeSpec) -> Predicate:
    """Return the unbound predicate of a reduced rule for one type; ``And(())`` is always, ``Or(())`` never."""
    match rule:
        case Always() | Never():
            return ALWAYS if isinstance(rule, Always) else NEVER
        case OneOf():
            return _one_of(rule, spec)
        case Not(item=item):
            return _negated(predicate(item, spec))
        case Every(items=items):
            return _joined(And, [predicate(item, spec) for item in items])
        case Either(items=items):
            return _joined(Or, [predicate(item, spec) for item in items])
        case _:
            raise TypeError(f"expected a reduced rule, got {type(rule).__name__}")


def _negated(item: Predicate) -> Predicate:
    if item in (ALWAYS, NEVER):
        return NEVER if item == ALWAYS else ALWAYS
    return Without(item)


def _joined(kind: type[And | Or], items: list[Predicate]) -> Predicate:
    idle, decisive = (ALWAYS, NEVER) if kind is And else (NEVER, ALWAYS)
    if decisive in items:
        return decisive
    left = [item for item in items if item != idle]
    return left[0] if len(left) == 1 else kind(tuple(left))


def _one_of(rule: OneOf, spec: TypeSpec) -> Predicate:
    name = "owner" if rule.field in ALIASES else rule.field
    field = spec.by_name.get(name)
    if field is None:
        return NEVER
    path, values = Path(name), [value for text in rule.texts if text is not None for value in _typed(field, text)]
    found: list[Predicate] = _absence(field, path) if None in rule.texts else []
    if values:
        found.append(Compare(path, "eq", values[0]) if len(values) == 1 else In(path, tuple(values)))
    return _joined(Or, found)


def _absence(field: FieldSpec, path: Path) -> list[Predicate]:
    if field.kind == "json" and not field.optional:
        return [Compare(path, "eq", None)]
    return [Absent(path)] if field.optional else []


def _typed(field: FieldSpec, text: str) -> tuple[Any, ...]:
    """Return the one value of the field's kind whose text this is; nothing where there is none."""
    reader = _READERS.get(field.kind)
    if reader is None:
        return ()
    try:
        value = reader(field, text)
    except (ValueError, MetastoreError):
        return ()
    return (value,) if shown(value) == text else ()


def _moment(_: FieldSpec, text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.utcoffset() != timedelta():
        raise ValueError(text)
    return found


def _int(_: FieldSpec, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(text)
    return int(text)


_READERS: dict[str, Callable[[FieldSpec, str], Any]] = {
    "str": lambda _, text: storable(text, "a rule"),
    "bool": lambda _, text: {"True": True, "False": False}.get(text),
    "int": _int,
    "float": lambda _, text: float(text),
    "datetime": _moment,
    "version": lambda field, text: Version(text, field.scheme or "semver"),
    "id": lambda _, text: UUID(text),
    "link": lambda _, text: UUID(text),
}

"""Protections: who may create, read, update and delete a declared field or a free-form property, by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from metastore._data import Data
from metastore.errors import ValidationError, nearest

if TYPE_CHECKING:
    from metastore._principal import Principal
    from metastore.policy._policy import Policy
    from metastore.policy._rules import Rule

__all__ = ["OPERATIONS", "Protection", "Protections"]

Kind = Literal["properties", "fields"]
Operation = Literal["create", "read", "update", "delete"]

OPERATIONS = ("create", "read", "update", "delete")
READABLE = (
    "id",
    "version",
    "owner",
    "status",
    "visibility",
    "revision",
    "created_at",
    "updated_at",
    "activated_at",
)
"""System fields that everybody reads who sees the artifact: queries and cursors stand on them."""


def _to_rule(given: Any) -> Rule:
    from metastore.policy._read import Mistake, read_rule
    from metastore.policy._rules import Rule

    try:
        return given if isinstance(given, Rule) else read_rule(given)
    except Mistake as mistake:
        raise ValidationError(f"a protection's rule {given!r:.60}: {mistake}") from None


def _pattern(given: Any) -> str:
    if not isinstance(given, str):
        raise ValidationError(f"a protection's pattern: expected a regular expression as text, got {given!r:.60}")
    try:
        re.compile(given)
    except re.error as broken:
        raise ValidationError(f"a protection's pattern {given!r:.60} is no regular expression: {broken}") from None
    return given


def _kind(given: Any) -> Any:
    if given not in ("properties", "fields"):
        raise ValidationError(f"a protection is of 'properties' or 'fields', not of {given!r:.60}")
    return given


class Protection(Data):
    """Who may do what to the properties, or declared fields, whose whole name ``pattern`` matches.

    Each operation has a rule as text; ``@`` is anyone, ``!`` nobody. With ``anywhere`` the pattern may match any
    part of the name, as it does in Glance's files. Raises ValidationError.
    """

    pattern: str
    of: Kind
    create: Rule
    read: Rule
    update: Rule
    delete: Rule
    anywhere: bool

    def __init__(
        self,
        pattern: str,
        *,
        of: Kind = "properties",
        create: str | Rule = "@",
        read: str | Rule = "@",
        update: str | Rule = "@",
        delete: str | Rule = "@",
        anywhere: bool = False,
    ) -> None:
        rules = [_to_rule(each) for each in (create, read, update, delete)]
        super().__init__(_pattern(pattern), _kind(of), *rules, anywhere)

    def matches(self, name: str) -> bool:
        """Return whether it is about that name."""
        return bool((re.search if self.anywhere else re.fullmatch)(self.pattern, name))


def _protections(given: Iterable[Any]) -> tuple[Protection, ...]:
    found = tuple(given)
    for each in found:
        if not isinstance(each, Protection):
            raise ValidationError(f"expected a Protection, got {type(each).__name__} {each!r:.60}")
    return found


class Protections(Data):
    """Protections in order: the first whose pattern matches a name decides.

    A property for which none does is nobody's, if there is any protection of properties; a declared field is
    anyone's. ``id``, version, owner, status, visibility, revision and times can be read by all: a protection against it
    raises ValidationError.

    >>> from metastore import Policy, Principal, Protection
    >>> some = Protections([Protection("x_.*", update="role:admin"), Protection(".*")])
    >>> some.may(Principal(roles=["member"]), "update", "properties", "x_billing", Policy.default())
    False
    """

    items: tuple[Protection, ...]

    def __init__(self, items: Iterable[Protection] = ()) -> None:
        from metastore.policy._rules import Always

        super().__init__(_protections(items))
        for name in READABLE:
            each = self._deciding("fields", name)
            if each is not None and each.read != Always():
                raise ValidationError(
                    f"the protection {each.pattern!r:.60} would hide the field {name}, on which queries and cursors stand:"
                    " let everybody read it (read='@'), or make the pattern narrower"
                )

    @cached_property
    def _may(self) -> Callable[[Principal, str, str, str, Policy], bool]:
        return lru_cache(maxsize=8192)(self._decide)

    def __reduce__(self) -> tuple[Any, ...]:
        return Protections, (self.items,)

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], *, rule_format: Literal["roles", "policies"] = "roles"
    ) -> Protections:
        """Return the protections of an INI file as Glance has it; a section ``[field name]`` is of declared fields.

        ``rule_format`` is Glance's option ``property_protection_rule_format``: each operation names roles, or one
        rule of the policy. Raises PolicyFileError.
        """
        from metastore.policy._ini import protections_from_file

        return protections_from_file(path, rule_format)

    def may(self, caller: Principal | None, operation: Operation, of: Kind, name: str, policy: Policy) -> bool:
        """Return whether the caller may do that to the field or property of that name.

        ``None``, the owner of the process, always may. Raises ValidationError for an unknown operation or kind, and
        where a protection names a rule that the policy has not.
        """
        return True if caller is None else self._may(caller, operation, of, name, policy)

    def _decide(self, caller: Principal, operation: str, of: str, name: str, policy: Policy) -> bool:
        if operation not in OPERATIONS or of not in ("properties", "fields"):
            raise ValidationError(
                f"expected one of {', '.join(OPERATIONS)} of properties or fields, got {operation!r} of {of!r}"
            )
        each = self._deciding(of, name)
        if each is None:
            return of == "fields" or not any(other.of == of for other in self.items)
        rule: Rule = getattr(each, operation)
        _check_refs(rule, policy)
        return policy.allows(rule, caller)

    def _deciding(self, of: str, name: str) -> Protection | None:
        return next((each for each in self.items if each.of == of and each.matches(name)), None)


def _check_refs(rule: Rule, policy: Policy) -> None:
    from metastore.policy._rules import refs

    missing: Iterator[str] = (name for name in refs(rule) if name not in policy.rules)
    for name in missing:
        raise ValidationError(
            f"a protection names the rule {name!r:.60}, which the policy has not: {nearest(name, policy.rules)}"
        )

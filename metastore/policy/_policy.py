"""Policy: who may do what, as named rules; asked for one artifact, for a query, or for the reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metastore.errors import ValidationError, nearest

if TYPE_CHECKING:  # the rules cost as much as the rest of the engine's face; they load when a policy is made
    from metastore._principal import Principal
    from metastore._schema import TypeSpec
    from metastore.policy._rules import Rule
    from metastore.policy._why import Decision
    from metastore.query import Predicate

__all__ = ["Policy"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Policy:
    """An immutable set of named rules. Begin with ``Policy.default()`` or ``Policy.from_file(path)``.

    A ``caller`` is a `Principal`; ``None`` is the owner of the process, who may do everything. A ``target`` maps
    the names of an artifact's fields to their values; ``change`` the names of fields to their new values, which
    rules call ``%(change.name)s``. Equal by rules.

    >>> from metastore import Principal
    >>> policy = Policy.default().with_rules({"artifact:publish": "role:editor"})
    >>> policy.allows("artifact:publish", Principal(roles=["Editor"]), {})
    True
    """

    __slots__ = ("_hash", "_holds", "_reduced", "actions", "rules")

    rules: Mapping[str, Rule]
    """Every rule by name."""
    actions: frozenset[str]
    """Actions of life cycles, for which types may have rules; those of ``artifact:…`` need not be named."""

    def __init__(self, rules: Mapping[str, Rule], actions: Iterable[str] = ()) -> None:
        from metastore.policy._decide import holds, reduced

        known = dict(rules)

        @lru_cache(maxsize=4096)
        def reduced_for(rule: str | Rule, caller: Principal) -> Rule:
            found = known[rule] if isinstance(rule, str) else rule
            return reduced(found, known, caller.credentials())

        self.rules, self.actions = MappingProxyType(known), frozenset(actions)
        self._reduced, self._holds, self._hash = reduced_for, holds, hash(frozenset(known))

    @classmethod
    def default(cls) -> Policy:
        """Return the rules of Glare and Glance by their own names and defaults, and ours for what they cannot do."""
        return _default()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, actions: Iterable[str] = ()) -> Policy:
        """Return the default rules with those of a file in their places: JSON, or YAML by the extra ``policy``.

        A file made for oslo.policy loads as it is. Raises PolicyFileError; MissingExtraError for YAML without PyYAML.
        """
        from metastore.policy._files import policy_from_file

        return policy_from_file(_default(), path, actions)

    def with_rules(self, rules: Mapping[str, str | list[Any]], *, actions: Iterable[str] = ()) -> Policy:
        """Return a policy with these rules in place of its own.

        A name is one of `rules`, ``type:action``, or a helper's that one of the rules refers to. ``actions`` are
        those of life cycles that types declare. Raises ValidationError, naming the rule and the position in it.
        """
        from metastore.policy._check import with_rules
        from metastore.policy._read import Mistake

        try:
            return with_rules(self, rules, actions)
        except Mistake as mistake:
            raise ValidationError(str(mistake)) from None

    def rule(self, type_name: str, action: str, names: Mapping[str, str] = _NOTHING) -> str:
        """Return the name of the rule that decides an action on a type.

        The first there is of: ``type:action``, what ``names`` calls it, ``artifact:action``; else ``artifact:update``,
        as an action that nobody has a rule for is a change. Raises ValidationError where ``names`` names no rule.

        >>> Policy.default().rule("images", "create", {"create": "add_image"})
        'add_image'
        """
        own = f"{type_name}:{action}"
        if own in self.rules:
            return own
        if action in names:
            return self._known(names[action])
        general = f"artifact:{action}"
        return general if general in self.rules else "artifact:update"

    def allows(
        self,
        rule: str | Rule,
        caller: Principal | None,
        target: Mapping[str, Any] = _NOTHING,
        change: Mapping[str, Any] = _NOTHING,
    ) -> bool:
        """Return whether the caller may. Raises ValidationError for a rule that there is not."""
        reduced = self._reduced_for(rule, caller)
        return reduced is None or self._holds(reduced, target, change)

    def where(self, rule: str | Rule, caller: Principal | None, spec: TypeSpec) -> Predicate:
        """Return the predicate that holds for exactly those artifacts for which the caller may.

        Not yet bound. ``And(())`` where the caller always may, ``Or(())`` where never. What the type has no field
        for is absent, the change of ``%(change.…)s`` too. Raises ValidationError for a rule that there is not.
        """
        from metastore.policy._where import ALWAYS, predicate

        reduced = self._reduced_for(rule, caller)
        return ALWAYS if reduced is None else predicate(reduced, spec)

    def why(
        self,
        rule: str,
        caller: Principal | None,
        target: Mapping[str, Any] = _NOTHING,
        change: Mapping[str, Any] = _NOTHING,
    ) -> Decision:
        """Return whether the caller may, and in words by which part of the rule.

        The words name what the target has. Raises ValidationError for a rule that there is not.

        >>> from metastore import Principal
        >>> Policy.default().why("artifact:publish", Principal(user="bob", roles=["member"])).reason
        'artifact:publish needs role:admin; bob has roles member'
        """
        from metastore.policy._why import explained

        return explained(self.rules, self._known(rule), caller, target, change)

    def _known(self, rule: str) -> str:
        if rule not in self.rules:
            raise ValidationError(f"there is no rule {rule!r:.60}: {nearest(str(rule), self.rules)}")
        return rule

    def _reduced_for(self, rule: str | Rule, caller: Principal | None) -> Rule | None:
        if isinstance(rule, str):
            self._known(rule)
        return None if caller is None else self._reduced(rule, caller)

    def __eq__(self, other: object) -> bool:
        return self.rules == other.rules if isinstance(other, Policy) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        own = {name: str(rule) for name, rule in self.rules.items() if _default().rules.get(name) != rule}
        return f"Policy.default().with_rules({own})" if own else "Policy.default()"


@lru_cache(maxsize=1)
def _default() -> Policy:
    from metastore.policy._defaults import RULES
    from metastore.policy._read import read_rule

    return Policy({name: read_rule(text) for name, text in RULES.items()})

"""Commands about the policy: what the rules are, and whether one lets somebody do something."""

from __future__ import annotations

from typing import Any

import click

from metastore import Catalog, Policy, Principal, TypeSpec, spec_of
from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, complete_type, spec_named
from metastore.cli._session import Group, caller, described, policy_of
from metastore.errors import NotFoundError, QueryError, nearest

__all__ = ["COMMANDS"]

FORBIDDEN = 5


@click.group(cls=Group)
def policy() -> None:
    """The rules that decide who may do what."""


@policy.command()
@click.argument("type_name", metavar="[TYPE]", required=False, shell_complete=complete_type)
def show(type_name: str | None) -> None:
    """Show the rules in force: name and text; of TYPE: action, name and text of the rule that decides it."""
    rules = policy_of()
    if type_name is None:
        output.rows(("rule", "text"), ((name, str(rules.rules[name])) for name in sorted(rules.rules)))
        return
    spec = spec_named(described(owner=True), type_name)
    named = ((action, rules.rule(spec.name, action, spec.rules)) for action in _actions(rules, spec))
    output.rows(("action", "rule", "text"), ((action, name, str(rules.rules[name])) for action, name in named))


def _actions(rules: Policy, spec: TypeSpec) -> list[str]:
    """Return every action on a type that some rule may decide, sorted."""
    general = {name.partition(":")[2] for name in rules.rules if name.startswith(("artifact:", f"{spec.name}:"))}
    return sorted({*general, *spec.rules, *spec.lifecycle.actions})


@policy.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="TYPE | ID | TYPE NAME[@VERSION]  ACTION", shell_complete=complete_type
)
@click.option("--user", metavar="USER", help="May this user? (Else whom --as-user names.)")
@click.option("--project", metavar="PROJECT", help="Of this project.")
@click.option("--role", "roles", metavar="ROLE", multiple=True, help="In this role; may be given again.")
def check(words: tuple[str, ...], user: str | None, project: str | None, roles: tuple[str, ...]) -> int:
    """Say whether a caller may take ACTION on an artifact (or, of a TYPE, create and list), by which rule, and why.

    Ends in 0 where it may, in 5 where it may not.

    \b
    metastore policy check images debian publish --user ann --project p1 --role member
    """
    who = _asker(user, project, roles)
    catalog, rules = described(owner=True), policy_of()
    artifact, spec = _target(catalog, words[:-1])
    name = rules.rule(spec.name, _action(rules, spec, words[-1]), spec.rules)
    target: dict[str, Any] = {"owner": who.project, "project_id": who.project} if artifact is None else vars(artifact)
    decision = rules.why(name, who, target)
    seen = artifact is None or _sees(catalog, who, artifact)
    reason = decision.reason if seen else _unseen(artifact)
    values = {"allowed": decision.allowed and seen, "rule": name, "text": decision.text, "reason": reason}
    output.object_(values)
    _advise(rules, who, spec, artifact, words[-1])
    return 0 if values["allowed"] else FORBIDDEN


def _asker(user: str | None, project: str | None, roles: tuple[str, ...]) -> Principal:
    who = Principal(user, project, roles) if (user, project, roles) != (None, None, ()) else caller()
    if who is None:
        raise click.UsageError("say who asks: --user, --project, --role (the owner of the process may do everything)")
    return who


def _target(catalog: Catalog, words: tuple[str, ...]) -> tuple[Any, TypeSpec]:
    if len(words) == 1 and "-" not in words[0]:
        return None, spec_named(catalog, words[0])
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact and one action; what is {rest[0]!r}?")
    return artifact, spec_of(type(artifact))


def _action(rules: Policy, spec: TypeSpec, action: str) -> str:
    if action not in (known := _actions(rules, spec)):
        raise QueryError(f"{spec.name} has no action {action!r}: {nearest(action, known)}")
    return action


def _sees(catalog: Catalog, who: Principal, artifact: Any) -> bool:
    try:
        catalog.as_(who).get(type(artifact), artifact.id)
    except NotFoundError:
        return False
    return True


def _unseen(artifact: Any) -> str:
    whose = "nobody" if artifact.owner is None else f"project {artifact.owner}"
    return f"it is not found by this caller: it is {artifact.visibility}, and of {whose}"


def _advise(rules: Policy, who: Principal, spec: TypeSpec, artifact: Any, action: str) -> None:
    """Tell what else stands against it, beside the policy: a state, or a role that nothing asks for."""
    sources = {each: one for one in spec.lifecycle.transitions if one.action == action for each in one.sources}
    targets = {one.target for one in sources.values()}
    if artifact is not None and sources and artifact.status not in {*sources, *targets}:
        output.note(f"its state refuses it: {action} begins in {' or '.join(sources)}, and it is {artifact.status}")
    asked = " ".join(map(str, rules.rules.values())).lower()
    for role in sorted(who.roles):
        if f"role:{role.lower()}" not in asked:
            output.note(f"no rule asks for the role {role!r}")


COMMANDS: tuple[click.Command, ...] = (policy,)

"""Commands that decide over artifacts: their states, who sees them, whose they are, and how long they stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from click.shell_completion import CompletionItem

from metastore import Catalog
from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, artifacts_of, complete_type, known_specs, spec_named
from metastore.cli._session import Command, caller, opened
from metastore.cli._values import ZONED, assignments, moment
from metastore.cli._write import REF, done
from metastore.errors import ValidationError

__all__ = ["COMMANDS"]

Change = Callable[[Catalog, Any], Any]

_AGO = re.compile(r"\+(\d{1,6})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_ANSWERS = {"accept": "accepted", "reject": "rejected", "pending": "pending"}


def _one(words: tuple[str, ...], change: Change) -> None:
    """Change the one artifact that the words name, and print its id."""
    catalog = opened(write=True)
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    done(catalog, change(catalog, artifact))


def _all(words: tuple[str, ...], change: Change) -> None:
    """Change every artifact that the words name, all or none, and print their ids."""
    catalog = opened(write=True)
    with catalog.transaction():
        found, rest = artifacts_of(catalog, words)
        if rest:
            raise click.UsageError(f"this takes no fields; what is {rest[0]!r}? (set changes fields)")
        made = [change(catalog, each) for each in found]
    for each in made:
        done(catalog, each)


def _act(action: str, words: tuple[str, ...]) -> None:
    """Set the fields given, then take an action, on every artifact that the words name."""
    catalog = opened(write=True)
    with catalog.transaction():
        found, rest = artifacts_of(catalog, words)
        made = [catalog.act(each, action, **_fields(catalog, each, rest)) for each in found]
    for each in made:
        done(catalog, each)


def _fields(catalog: Catalog, artifact: Any, words: list[str]) -> dict[str, Any]:
    return assignments(spec_named(catalog, catalog.dump(artifact)["type"]), words, artifact) if words else {}


def _complete_action(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    actions = {action for spec in known_specs(ctx) for action in spec.lifecycle.actions}
    return [CompletionItem(name) for name in sorted(actions) if name.startswith(incomplete)]


REFS = click.argument("words", nargs=-1, required=True, metavar=f"{REF}...", shell_complete=complete_type)
ONE = click.argument("words", nargs=-1, required=True, metavar=REF, shell_complete=complete_type)
ACTED = click.argument(
    "words", nargs=-1, required=True, metavar=f"{REF}... [FIELD=VALUE...]", shell_complete=complete_type
)


# states


@click.command(cls=Command)
@ACTED
def activate(words: tuple[str, ...]) -> None:
    """Make artifacts active, all or none; FIELD=VALUE is set before. Prints their ids, as all commands of this kind do."""
    _act("activate", words)


@click.command(cls=Command)
@ACTED
def deactivate(words: tuple[str, ...]) -> None:
    """Take active artifacts out of use; they do not change until they are reactivated."""
    _act("deactivate", words)


@click.command(cls=Command)
@ACTED
def reactivate(words: tuple[str, ...]) -> None:
    """Make deactivated artifacts active again."""
    _act("reactivate", words)


@click.command(cls=Command)
@click.argument("action", shell_complete=_complete_action)
@ACTED
def act(action: str, words: tuple[str, ...]) -> None:
    """Take any ACTION of the type's life cycle; FIELD=VALUE is set before."""
    _act(action, words)


# sight


@click.command(cls=Command)
@REFS
def publish(words: tuple[str, ...]) -> None:
    """Let everybody see artifacts."""
    _all(words, lambda catalog, artifact: catalog.publish(artifact))


@click.command(cls=Command)
@REFS
def unpublish(words: tuple[str, ...]) -> None:
    """Let only their owner see artifacts again."""
    _all(words, lambda catalog, artifact: catalog.unpublish(artifact))


@click.command(cls=Command)
@REFS
def communitize(words: tuple[str, ...]) -> None:
    """Let everybody get artifacts who knows of them, without showing them in lists."""
    _all(words, lambda catalog, artifact: catalog.communitize(artifact))


# members


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{REF} PROJECT...", shell_complete=complete_type)
def share(words: tuple[str, ...]) -> None:
    """Share an artifact with projects; each is listed it once it has accepted (see answer)."""
    _shared(words, lambda catalog, artifact, projects: catalog.share(artifact, *projects))


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{REF} [PROJECT...]", shell_complete=complete_type)
def unshare(words: tuple[str, ...]) -> None:
    """Take projects off the members of an artifact; without one it is private again."""
    _shared(words, lambda catalog, artifact, projects: catalog.unshare(artifact, *projects))


def _shared(words: tuple[str, ...], change: Callable[[Catalog, Any, list[str]], Any]) -> None:
    catalog = opened(write=True)
    artifact, projects = artifact_of(catalog, words)
    done(catalog, change(catalog, artifact, projects))


@click.command(cls=Command)
@ONE
def members(words: tuple[str, ...]) -> None:
    """List the projects that an artifact is shared with: project, answer, since when."""
    catalog = opened()
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    _tell(catalog.members(artifact))


def _tell(found: list[Any]) -> None:
    output.rows(("member", "answer", "since"), ((each.member, each.answer, each.updated_at) for each in found))


@click.command(cls=Command)
@click.argument("answer_", metavar="accept|reject|pending", type=click.Choice(list(_ANSWERS)))
@ONE
@click.option("--project", metavar="PROJECT", help="The project that answers; else the one that acts (--as-project).")
def answer(answer_: str, words: tuple[str, ...], project: str | None) -> None:
    """Say what a project says to an artifact that is shared with it."""
    catalog = opened(write=True)
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    if project is None and caller() is None:
        raise click.UsageError("say which project answers: --project PROJECT, or act as it with --as-project")
    _tell([catalog.answer(artifact, _ANSWERS[answer_], project=project)])


# ownership and holds


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{REF} PROJECT", shell_complete=complete_type)
def transfer(words: tuple[str, ...]) -> None:
    """Give an artifact to another project."""
    catalog = opened(write=True)
    artifact, rest = artifact_of(catalog, words)
    if len(rest) != 1:
        raise click.UsageError("name the project that gets it: transfer ID PROJECT")
    done(catalog, catalog.transfer(artifact, rest[0]))


@click.command(cls=Command)
@REFS
@click.option("--reason", required=True, help="Why it stays; whoever wants to delete it is told.")
def hold(words: tuple[str, ...], reason: str) -> None:
    """Put a legal hold on artifacts: nobody deletes them until they are released."""
    _all(words, lambda catalog, artifact: catalog.hold(artifact, reason))


@click.command(cls=Command)
@REFS
def release(words: tuple[str, ...]) -> None:
    """Take the legal hold off artifacts."""
    _all(words, lambda catalog, artifact: catalog.release(artifact))


# how long they stay


@click.command(cls=Command)
@REFS
def protect(words: tuple[str, ...]) -> None:
    """Protect artifacts: deleting them is refused."""
    _all(words, lambda catalog, artifact: catalog.update(artifact, protected=True))


@click.command(cls=Command)
@REFS
def unprotect(words: tuple[str, ...]) -> None:
    """Let artifacts be deleted again."""
    _all(words, lambda catalog, artifact: catalog.update(artifact, protected=False))


@click.command(cls=Command)
@click.argument("time", metavar="TIME|never")
@REFS
def expire(time: str, words: tuple[str, ...]) -> None:
    """Set when artifacts expire, like 2030-01-31T12:00:00Z or +30d (+12h, +90m) from now; never clears it."""
    when = None if time == "never" else _time(time)
    _all(words, lambda catalog, artifact: catalog.update(artifact, expires_at=when))


def _time(text: str) -> datetime:
    if match := _AGO.fullmatch(text):
        return datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        return moment(text)
    except ValueError:
        raise ValidationError(f"expected {ZONED}, +30d, or never, found {text!r:.60}") from None


COMMANDS: tuple[click.Command, ...] = (
    activate, deactivate, reactivate, act, publish, unpublish, communitize, share, unshare, members, answer, transfer,
    hold, release, protect, unprotect, expire,
)  # fmt: skip

"""Commands that write: add, set, tag, rm."""

from __future__ import annotations

from typing import Any

import click

from metastore import Catalog
from metastore._building import NOT_SETTABLE
from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, complete_type, spec_named
from metastore.cli._read import shown
from metastore.cli._session import Command, asked, opened
from metastore.cli._values import assignments
from metastore.errors import StaleRevisionError, ValidationError

__all__ = ["COMMANDS", "REF", "done"]

REF = "ID | TYPE NAME[@VERSION]"


def done(catalog: Catalog, artifact: Any) -> None:
    """Show what was written: all of it as JSON, else its id."""
    if asked("json"):
        shown(catalog, artifact)
    else:
        output.lines([str(artifact.id)])


@click.command(cls=Command)
@click.argument("type_name", metavar="TYPE", shell_complete=complete_type)
@click.argument("values", nargs=-1, metavar="FIELD=VALUE...")
def add(type_name: str, values: tuple[str, ...]) -> None:
    """Add an artifact of TYPE and print its id.

    A value is read by its field's kind; lists of texts take commas; FIELD:=JSON gives any value as JSON.

    \b
    metastore add images name=debian version=12.4.0 tags=lts,stable disk=s3://images/debian.qcow2 properties.os=linux
    """
    catalog = opened(make=True)
    spec = spec_named(catalog, type_name)
    given = assignments(spec, values)
    if own := [name for name in given if name in NOT_SETTABLE - {"id"}]:
        raise ValidationError(f"{own[0]} of {type_name} is set by the catalogue: leave it out")
    missing = [each.name for each in spec.fields if each.required and each.name not in given]
    if missing:
        raise ValidationError(f"{type_name} needs {', '.join(missing)}: give {missing[0]}=VALUE")
    done(catalog, catalog.add(catalog.artifact_type(type_name)(**given)))


@click.command("set", cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{REF} FIELD=VALUE...", shell_complete=complete_type)
@click.option("--revision", type=click.IntRange(min=1), help="Only if this still is its revision; else exit code 3.")
def set_(words: tuple[str, ...], revision: int | None) -> None:
    """Change fields of one artifact and print its id."""
    catalog = opened(write=True)
    artifact, rest = artifact_of(catalog, words)
    if not rest:
        raise click.UsageError("nothing to set: give FIELD=VALUE")
    if revision is not None and artifact.revision != revision:
        raise StaleRevisionError(
            f"{artifact.id} is at revision {artifact.revision}, not {revision}: show it, and decide again"
        )
    spec = spec_named(catalog, catalog.dump(artifact)["type"])
    done(catalog, catalog.update(artifact, **assignments(spec, rest, artifact)))


@click.command(
    cls=Command, letters=False, context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar=f"{REF} +TAG -TAG...",
    shell_complete=complete_type,
)
def tag(words: tuple[str, ...]) -> None:
    """Add tags (+lts) to one artifact and take tags away (-old); prints those it has then."""
    catalog = opened(write=True)
    artifact, changes = artifact_of(catalog, words)
    tags = dict.fromkeys(artifact.tags)
    for word in changes:
        if word[:1] not in ("+", "-") or len(word) < 2:
            raise click.UsageError(f"expected +TAG or -TAG, found {word!r}")
        tags.pop(word[1:], None) if word[0] == "-" else tags.setdefault(word[1:])
    if list(tags) != artifact.tags:
        artifact = catalog.update(artifact, tags=list(tags))
    output.rows(("tag",), ([each] for each in artifact.tags))


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{REF}...", shell_complete=complete_type)
def rm(words: tuple[str, ...]) -> None:
    """Delete artifacts, all or none; their ids are never used again, their names are free."""
    catalog = opened(write=True)
    with catalog.transaction():
        rest = list(words)
        while rest:
            artifact, rest = artifact_of(catalog, rest)
            catalog.delete(artifact)


COMMANDS: tuple[click.Command, ...] = (add, set_, tag, rm)

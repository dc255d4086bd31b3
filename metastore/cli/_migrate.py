"""Commands of a server's tables: where they are, and the steps of a migration."""

from __future__ import annotations

import click

from metastore._plugins import open_schema
from metastore.cli import _output as output
from metastore.cli._session import Group, url

__all__ = ["COMMANDS"]


@click.group(cls=Group)
def migrate() -> None:
    """Migrate the tables of a catalogue on a server, step by step.

    \b
    metastore migrate expand      what a new metastore needs is added; old programs go on
    metastore migrate backfill    what is new is filled in for what was there
    metastore migrate contract    what only old programs needed goes, and they are shut out
    """


@migrate.command()
def status() -> None:
    """Show the revision of the tables, the least that a program must know, and the steps that are next."""
    state = open_schema(url()).state()
    output.object_({"revision": state.revision, "least": state.least, "next": list(state.pending)})


@migrate.command()
def expand() -> None:
    """Add what the next revision needs; programs of the old one do not notice."""
    _take("expand")


@migrate.command()
def backfill() -> None:
    """Fill in what is new, a batch at a time, for what was there or old programs wrote since."""
    _take("backfill")


@migrate.command()
def contract() -> None:
    """Take away what only old programs needed, and shut them out."""
    _take("contract")


def _take(step: str) -> None:
    done = open_schema(url()).take(step)
    output.lines(done, "done")
    if not done:
        output.note(f"nothing to do: there is no step to {step}, or it was taken already")


@migrate.command()
def down() -> None:
    """Undo the last step."""
    done = open_schema(url()).down()
    output.lines(done, "undone")
    if not done:
        output.note("nothing to undo: the tables are as they were first made")


COMMANDS = [migrate]

"""Commands that move a catalogue to another store: copy it there, compare the two."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from metastore import Catalog, moving
from metastore.cli import _output as output
from metastore.cli._session import Command, as_caller, asked, complete_file

__all__ = ["COMMANDS"]

SHORT = 60
"""Signs of a value that a report shows without ``--json``."""


@click.command("copy", cls=Command)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.argument("destination", metavar="DST", shell_complete=complete_file)
def copy(source: str, destination: str) -> None:
    """Bring everything of the catalogue SRC to the catalogue DST, history and all, whatever stores they are.

    DST is made where there is none. Stopped at any moment it goes on when it is called again; called later it
    brings what is new. A DST that is not empty, and was not copied from SRC or was written to since, is refused.

    \b
    metastore copy catalog.db postgresql://metastore@db.example/metastore
    """
    old = _opened(source, "ro", "copy")
    new = _opened(destination, "rw", "copy")
    with _progress("copied") as progress:
        done = moving.copy(old, new, progress=progress)
    if asked("json"):
        output.object_({"transactions": done.transactions, "changes": done.changes})
    elif done.transactions or done.changes:
        output.note(f"{_counted(done.transactions, 'transaction')} with {_counted(done.changes, 'change')} copied")
    else:
        output.note("nothing new to copy")


@click.command("compare", cls=Command)
@click.argument("source", metavar="SRC", shell_complete=complete_file)
@click.argument("destination", metavar="DST", shell_complete=complete_file)
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, help="Show so many differences, 100 unless given; all count."
)
def compare(source: str, destination: str, limit: int) -> int:
    """Compare the catalogues SRC and DST field by field, history and all; exit code 1 if something differs.

    Nobody should write to either meanwhile.
    """
    with _progress("compared") as progress:
        found = moving.compare(
            _opened(source, "ro", "compare"), _opened(destination, "ro", "compare"), limit=limit, progress=progress
        )
    if asked("json"):
        output.object_(_report(found))
    else:
        output.rows(("what", "type", "id", "field", "source", "destination"), map(_row, found.differences))
        output.note(_summary(found))
    return 0 if found.equal else 1


def _opened(address: str, mode: Literal["rw", "ro"], what: str) -> Catalog:
    """Open a catalogue for the running command, which closes it at its end; it is for the owner of the process only."""
    catalog = click.get_current_context().with_resource(Catalog.open(address, mode=mode))
    as_caller(catalog)._check_ours(what)
    return catalog


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], object] | None]:
    """Show on a terminal how far it is, and nothing in a pipe."""
    if not sys.stderr.isatty() or asked("quiet") or asked("json"):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _report(found: moving.Comparison) -> dict[str, Any]:
    figures = {
        name: getattr(found, name) for name in ("equal", "types", "artifacts", "transactions", "changes", "count")
    }
    return {**figures, "differences": [_told(each) for each in found.differences]}


def _told(each: moving.Difference) -> dict[str, Any]:
    where = {"type": each.type, "id": each.id, "transaction": each.transaction}
    known = {name: value for name, value in where.items() if value is not None}
    return {"what": each.what, **known, "field": each.field, "source": each.source, "destination": each.destination}


def _row(each: moving.Difference) -> tuple[Any, ...]:
    field = each.field if each.transaction is None else f"{each.field} of transaction {each.transaction}"
    return each.what, each.type, each.id, field, _short(each.source), _short(each.destination)


def _short(value: Any) -> str:
    text = output.cell(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def _summary(found: moving.Comparison) -> str:
    seen = ", ".join(
        [
            _counted(found.types, "type"),
            _counted(found.artifacts, "artifact"),
            f"{_counted(found.transactions, 'transaction')} with {_counted(found.changes, 'change')}",
        ]
    )
    if found.equal:
        return f"equal: {seen}"
    more = f", {len(found.differences):,} shown" if len(found.differences) < found.count else ""
    return f"{_counted(found.count, 'difference')}{more}, in {seen}"


COMMANDS: tuple[click.Command, ...] = (copy, compare)

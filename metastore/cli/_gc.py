"""Commands that sweep stores: plan, quarantine, restore, delete. Nothing is done that a plan does not name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from metastore import Catalog, garbage
from metastore.cli import _output as output
from metastore.cli._session import Group, as_caller, asked, opened, url
from metastore.errors import ValidationError

__all__ = ["COMMANDS"]

COLUMNS = ("step", "store", "key", "size", "verdict", "reason")
DONE = ("step", "store", "key", "size", "left")
_SPAN = re.compile(r"(\d{1,6})([dhms]?)")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def _span(_context: click.Context, option: click.Parameter, text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None or (not match[2] and int(match[1])):
        raise click.BadParameter(f"expected a time like 7d, 12h, 30m, or 0, found {text!r:.40}", param=option)
    return timedelta(**{_UNITS[match[2] or "s"]: int(match[1])})


ROOT = click.option("--root", "more", multiple=True, metavar="URL", help="One more catalogue that may refer to the stores; may be given again.")  # fmt: skip
SNAPSHOT = click.option("--snapshot", "snapshots", multiple=True, metavar="URL", help="A catalogue that nobody writes any more, as a root.")  # fmt: skip
STORE = click.option("--store", "names", multiple=True, metavar="NAME", help="Sweep this store; may be given again. [all that can be written]")  # fmt: skip
TAKE_OVER = click.option("--take-over", is_flag=True, help="Another run holds the catalogues, and is known to be dead.")
PLAN = click.argument("file", metavar="PLAN", type=click.File(encoding="utf-8"))


def _roots(more: Iterable[str], snapshots: Iterable[str], *, write: bool) -> list[Catalog]:
    """Open every catalogue that may refer to the stores, none of which is made: a new one refers to nothing, so it would keep nothing."""
    context, mode = click.get_current_context(), "rw" if write else "ro"
    for each in (url(), *more) if write else ():
        Catalog.open(each, mode="ro").close()
    named: list[tuple[str, Any]] = [*((each, mode) for each in more), *((each, "ro") for each in snapshots)]
    others = [as_caller(context.with_resource(Catalog.open(each, mode=how))) for each, how in named]
    return [opened(write=write), *others]


@click.group(cls=Group)
def gc() -> None:
    """Sweep stores of what no catalogue refers to: plan, put aside, bring back, delete. Never by itself.

    Name every catalogue that may refer to the stores: what none of them refers to is garbage.

    \b
    metastore gc plan --store images --json > plan.jsonl
    metastore gc quarantine plan.jsonl
    """


@gc.command()
@STORE
@ROOT
@SNAPSHOT
@click.option("--min-age", default="7d", callback=_span, metavar="TIME", help="What was written less than that ago stays: 7d unless given.")  # fmt: skip
@click.option("--grace", default="7d", callback=_span, metavar="TIME", help="What was put aside that long ago may be deleted: 7d unless given.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Name what stays, too.")
def plan(
    names: tuple[str, ...], more: tuple[str, ...], snapshots: tuple[str, ...], min_age: timedelta, grace: timedelta, everything: bool
) -> None:  # fmt: skip
    """Show what may be done about every object of the stores, and why; nothing is done.

    With --json it is the plan that the other commands take.
    """
    roots = _roots(more, snapshots, write=False)
    made = garbage.plan(roots, names or None, min_age=min_age, grace=grace, everything=everything)
    if asked("json"):
        for line in made.to_plain():
            click.echo(json.dumps(line, ensure_ascii=False))
    else:
        output.rows(
            COLUMNS,
            ((each.step or "stays", each.store, each.key, each.size, each.verdict, each.reason) for each in made.items),
        )
    kept = ", ".join(f"{count} {verdict}" for verdict, count in made.kept.items())
    output.note(f"{len(made.going)} to be done about; {kept or 'nothing'} stays")


@gc.command()
@PLAN
@ROOT
@SNAPSHOT
@TAKE_OVER
def quarantine(file: Any, more: tuple[str, ...], snapshots: tuple[str, ...], take_over: bool) -> int:
    """Put aside what PLAN names, if nothing refers to it still; from then on nothing may. Exit code 1 if something is left.

    It can be brought back until it is deleted.
    """
    return _carried_out(file, more, snapshots, take_over, "quarantine")


@gc.command()
@PLAN
@ROOT
@SNAPSHOT
@TAKE_OVER
def delete(file: Any, more: tuple[str, ...], snapshots: tuple[str, ...], take_over: bool) -> int:
    """Delete for good what PLAN says was put aside long enough ago, and what broken uploads left. Exit code 1 if something is left."""
    return _carried_out(file, more, snapshots, take_over, "delete", "abandon")


def _carried_out(file: Any, more: Iterable[str], snapshots: Iterable[str], take_over: bool, *steps: Any) -> int:
    made = _read(file)
    roots = _roots(more, snapshots, write=True)
    with _bar(sum(each.step in steps for each in made.items)) as progress:
        done = garbage.carry_out(made, roots, *steps, take_over=take_over, progress=progress)
    return _told(done.items)


def _read(file: Any) -> garbage.GarbagePlan:
    try:
        lines = [json.loads(line) for line in file if line.strip()]
    except (ValueError, RecursionError) as broken:
        raise ValidationError(f"expected a plan as metastore gc plan --json writes it: {broken}") from None
    return garbage.GarbagePlan.from_plain(lines)


def _told(done: Iterable[garbage.Finding]) -> int:
    found = list(done)
    output.rows(DONE, ((each.step, each.store, each.key, each.size, each.left) for each in found))
    left = sum(each.left is not None for each in found)
    output.note(f"{len(found) - left} done, {left} left")
    return 1 if left else 0


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    if not output.on_terminal() or asked("quiet"):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("objects", total=total)
        yield lambda count: shown.update(task, completed=count)


@gc.command()
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@click.option("--all", "everything", is_flag=True, help="All that was put aside.")
@click.option("--plan", "file", metavar="PLAN", type=click.File(encoding="utf-8"), help="What this plan put aside, and what it says should come back.")  # fmt: skip
@STORE
@ROOT
@SNAPSHOT
@TAKE_OVER
def restore(
    keys: tuple[str, ...], everything: bool, file: Any, names: tuple[str, ...], more: tuple[str, ...], snapshots: tuple[str, ...], take_over: bool
) -> int:  # fmt: skip
    """Bring back what was put aside, so that it may be referred to again: KEYs, what a plan put there, or all.

    A KEY whose bytes were deleted may be used again, too, where other bytes lie there now. Exit code 1 if something is left.
    """
    if (bool(keys), everything, file is not None).count(True) != 1:
        raise click.UsageError("say what comes back: KEYs, --plan PLAN, or --all")
    made = None if file is None else _read(file)
    roots = _roots(more, snapshots, write=True)
    if made is None:
        return _told(garbage.restore(roots, names or None, keys=keys or None, take_over=take_over))
    back = garbage.carry_out(made, roots, "restore", take_over=take_over).items
    return _told([*back, *garbage.restore(roots, tuple(made.stores), plan=made.id, take_over=take_over)])


COMMANDS: tuple[click.Command, ...] = (gc,)

"""The command scan: run a scanner, and sum up what came of it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from metastore import Catalog
from metastore.cli import _output as output
from metastore.cli._fields import expression, value_at
from metastore.cli._session import Command, asked, opened, url
from metastore.cli._target import own_files
from metastore.scan import Options, Report, Scanner, Summarised, open_scanner, run, scanners

__all__ = ["COMMANDS"]

BIGGEST = 5


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    named = [CompletionItem(name) for name in scanners() if name.startswith(incomplete)]
    return [*named, CompletionItem(incomplete, type="dir")]


@click.command(cls=Command)
@click.argument("what", shell_complete=_complete, metavar="python | debian | DIR | SCANNER")
@click.argument("target", required=False, type=click.Path())
@click.option("--prune", is_flag=True, help="Delete what the scan before found here and this one did not.")
@click.option("--rehash", is_flag=True, help="Read every file again, also where size and time are as before.")
def scan(what: str, target: str | None, prune: bool, rehash: bool) -> int:
    """Catalogue what is there; a second scan writes only what changed.

    \b
    metastore scan python                  what this interpreter has installed
    metastore scan debian [FILE | DIR]     this machine's packages, or those of package lists
    metastore scan DIR                     every file of a tree (./python, if it is named like a scanner)
    """
    scanner = _scanner(what, target, Options(rehash=rehash, exclude=own_files()))
    catalog = opened(make=True, types=scanner.types)
    started = time.monotonic()
    with _progress(scanner.source) as progress:
        report = run(catalog, scanner, prune=prune, progress=progress)
    seconds = time.monotonic() - started
    if asked("json"):
        output.object_(attrs.asdict(report) | {"seconds": round(seconds, 3)})
    elif not asked("quiet"):
        _tell(catalog, scanner, report, seconds, prune)
    return int(report.unread > 0 and not report.found)  # nothing could be read, which a script has to know


def _scanner(what: str, target: str | None, options: Options) -> Scanner:
    if what in scanners() and (what != "tree" or target is not None):
        return open_scanner(what, target, options)
    if Path(what).is_dir():
        if target is not None:
            raise click.UsageError(f"{what} is a directory and scanned whole; found {target!r} after it")
        return open_scanner("tree", what, options)
    names = ", ".join(each for each in scanners() if each != "tree")
    raise click.UsageError(f"{what!r} is neither a directory nor a scanner ({names})")


@contextmanager
def _progress(source: str) -> Iterator[Callable[[int], object] | None]:
    """Show a running count on a terminal, and nothing in a pipe."""
    if not sys.stderr.isatty() or asked("quiet") or asked("json"):
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.completed} found"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as bars:
        bar = bars.add_task(output.printable(source), total=None)
        yield lambda count: bars.update(bar, completed=count)


def _tell(catalog: Catalog, scanner: Scanner, report: Report, seconds: float, prune: bool) -> None:
    output.lines(_result(report, seconds, prune))
    if isinstance(scanner, Summarised):
        for name, figures in scanner.figures.items():
            output.lines(_sums(catalog, name, figures, report))
    output.lines(_problems(report))
    if isinstance(scanner, Summarised) and report.found:
        again = ["metastore", *(["-c", url()] if asked("catalog") else [])]
        output.lines(["", "Next, try:", *(f"  {shlex.join(again)} {query}" for query in scanner.queries)])


def _result(report: Report, seconds: float, prune: bool) -> Iterator[str]:
    parts = [f"{getattr(report, name)} {name}" for name in ("added", "changed", "unchanged", "gone")]
    refused = f", {report.refused} refused" if report.refused else ""
    yield f"{_shown(report.source)}: {report.found} found in {seconds:.1f} s: {', '.join(parts)}{refused}"
    if report.gone:
        deleted = " and deleted" if report.pruned == report.gone else f", {report.pruned} of them deleted"
        yield f"Gone{deleted if prune else ' (delete with --prune)'}:"
        yield from (f"  {_shown(key)}" for key in report.gone_keys)
        if report.gone > len(report.gone_keys):
            yield f"  and {report.gone - len(report.gone_keys)} more"


def _sums(catalog: Catalog, name: str, figures: Any, report: Report) -> Iterator[str]:
    kind = catalog.artifact_type(name)
    found = catalog.find(kind, kind.scan_source == report.source)
    fields = {label: expression(catalog, name, field) for label, field in figures.items()}
    (sums,) = found.aggregate(artifacts="count", **{label: ("sum", field) for label, field in fields.items()})
    yield ""
    yield f"{name}: " + ", ".join(f"{number or 0:,} {label}" for label, number in sums.items())
    if "bytes" in fields and sums["artifacts"]:
        yield "Biggest:"
        yield from _biggest(catalog, kind, fields["bytes"], figures["bytes"], report)


def _biggest(catalog: Catalog, kind: type[Any], size: Any, field: str, report: Report) -> Iterator[str]:
    for each in catalog.find(kind, kind.scan_source == report.source, order_by=[-size], limit=BIGGEST):
        number = value_at(each, field)
        yield f"  {number or 0:>15,} bytes  {_shown(each.name)} {'' if str(each.version) == '0.0.0' else each.version}".rstrip()


def _problems(report: Report) -> Iterator[str]:
    if report.problems:
        yield ""
        yield "What did not fit:"
    for group in report.problems:
        yield f"  {group.count:,} x {group.what}"
        yield from (f"      {_shown(example)}" for example in group.examples[:3])
        if group.count > 3 and len(group.examples) > 3:
            yield "      …"


def _shown(text: str) -> str:
    """Return a name in one line."""
    return output.printable(text).replace("\n", "\\n")


COMMANDS: tuple[click.Command, ...] = (scan,)

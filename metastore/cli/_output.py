"""How results look: tables on a terminal, tab-separated in a pipe, JSON Lines with ``--json``."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import click
from rich.console import Console
from rich.table import Table

from metastore import Blob, Link, Version
from metastore._data import Data, as_dict
from metastore.cli._session import asked, printable, say

__all__ = ["cell", "lines", "note", "object_", "on_terminal", "plain", "printable", "rows"]

NARROWEST = 60
"""Columns of the narrowest table; where COLUMNS says less, the terminal breaks its lines."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def on_terminal() -> bool:
    """Say whether a person reads the output."""
    return sys.stdout.isatty() and not asked("json")


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Show rows of values: a table with a head, tab-separated lines without one, or one JSON object each."""
    if asked("json"):
        for row in values:
            _json_line(dict(zip(columns, map(plain, row), strict=True)))
    elif on_terminal():
        _table(columns, values)
    else:
        for row in values:
            _echo("\t".join(cell(value).translate(_ESCAPES) for value in row))


def _table(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Show a table as wide as the terminal; an id stays whole, since no command takes a part of one, and so does all that is said of one thing."""
    table = Table(box=None, header_style="bold", pad_edge=False, show_header=any(columns))
    for name in columns:
        table.add_column(name, no_wrap=name == "id", overflow="ellipsis" if name else "fold")
    for row in values:
        table.add_row(*(printable(cell(value)) for value in row))
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, NARROWEST)
    console.print(table)


def object_(values: Mapping[str, Any]) -> None:
    """Show one thing: a line per name and value, or one JSON object."""
    if asked("json"):
        _json_line({name: plain(value) for name, value in values.items()})
    else:
        rows(("", ""), values.items())


def lines(texts: Iterable[str], name: str = "line") -> None:
    """Show lines of text as they are, or as JSON objects under ``name``."""
    for text in texts:
        if asked("json"):
            _json_line({name: text})
        else:
            _echo(printable(text) if on_terminal() else text)


def _echo(text: str) -> None:
    """Write a line as it is, where click would take what looks like a colour out of a value."""
    click.echo(text, color=True)


def note(text: str) -> None:
    """Tell a person something beside the result, on standard error; not with ``--quiet``."""
    if not asked("quiet"):
        say(text)


def _json_line(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, sort_keys=False))


def cell(value: Any) -> str:
    """Return a value as one text: nothing for ``None``, JSON for what is structured.

    >>> cell(None), cell(True), cell(["a", "b"]), cell(Link("0190a6e0-0000-7000-8000-000000000001"))
    ('', 'true', '["a", "b"]', '0190a6e0-0000-7000-8000-000000000001')
    """
    simple = plain(value)
    if simple is None:
        return ""
    return simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return a value as JSON types."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, UUID | Version):
        return str(value)
    if isinstance(value, Link):
        return str(value.id)
    if isinstance(value, Blob):
        return _blob(value)
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, Data):
        return {name: plain(each) for name, each in as_dict(value).items()}
    if attrs.has(type(value)):
        return {each.name: plain(getattr(value, each.name)) for each in attrs.fields(type(value))}
    return value


def _blob(blob: Blob) -> dict[str, Any]:
    values = {"url": blob.url, "size": blob.size, "media_type": blob.media_type, "digests": dict(blob.digests)}
    more = list(blob.urls)[1:]
    return {name: value for name, value in (values | {"more_urls": more}).items() if value not in (None, {}, [])}

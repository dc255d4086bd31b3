"""The command closure: what an artifact links to, and what links to it, hop by hop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.tree import Tree

from metastore import Catalog, Record
from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, complete_type, value_at
from metastore.cli._session import Command, opened

__all__ = ["COMMANDS"]


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="ID | TYPE NAME[@VERSION]", shell_complete=complete_type)
@click.option("--backwards", is_flag=True, help="What links to it, instead of what it links to.")
@click.option("--depth", type=click.IntRange(min=1), help="At most so many hops; else all.")
def closure(words: tuple[str, ...], backwards: bool, depth: int | None) -> None:
    """Show every link that leads on from an artifact, or back to it: depth, source, field, target, and what is there.

    On a terminal it is a tree. A link to what is not there, or is not to be seen, has no type and name.
    """
    catalog = opened()
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    edges = catalog.closure(artifact, depth, backwards=backwards)
    ends = _ends(catalog, (each.source if backwards else each.target for each in edges))
    if output.on_terminal():
        _draw(artifact, edges, ends, backwards=backwards)
        return
    columns = ("depth", "source", "field", "target", "type", "name", "version")
    found = ((each, ends.get(each.source if backwards else each.target)) for each in edges)
    output.rows(columns, ((each.depth, each.source, each.field, each.target, *_what(end)) for each, end in found))


def _ends(catalog: Catalog, ids: Iterable[UUID]) -> dict[UUID, Any]:
    return {each.id: each for each in catalog.get_many(Record, dict.fromkeys(ids))}


def _what(artifact: Any) -> tuple[Any, Any, Any]:
    if artifact is None:
        return None, None, None
    return value_at(artifact, "type"), getattr(artifact, "name", None), getattr(artifact, "version", None)


def _draw(artifact: Any, edges: list[Any], ends: dict[UUID, Any], *, backwards: bool) -> None:
    """Draw the links as a tree: each link once; what is reached again stands there without what follows it."""
    root = Tree(_label(artifact, artifact.id))
    nodes = {artifact.id: root}
    for edge in edges:  # by depth, so what a link leads on from is there already
        here, there = (edge.target, edge.source) if backwards else (edge.source, edge.target)
        again = " …" if there in nodes else ""
        node = nodes[here].add(f"{edge.field} {'<-' if backwards else '->'} {_label(ends.get(there), there)}{again}")
        nodes.setdefault(there, node)
    Console(highlight=False, markup=False).print(root)


def _label(artifact: Any, ident: UUID) -> str:
    if artifact is None:
        return f"{ident}, which is not there"
    told = [str(each) for each in _what(artifact) if each is not None]
    return output.printable(f"{' '.join(told)} ({ident})")


COMMANDS: tuple[click.Command, ...] = (closure,)

"""The closure of links as one caller sees it: hop by hop, through visible artifacts only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from metastore.backend import Backend, Edge

if TYPE_CHECKING:
    from metastore._types import Shelf

__all__ = ["seen_closure"]

Seen = Callable[[Iterable[bytes]], "dict[bytes, Shelf]"]
Shows = Callable[["Shelf", str], bool]


def seen_closure(
    seen: Seen, shows: Shows, backend: Backend, start: bytes, depth: int | None, *, backwards: bool = False
) -> list[Edge]:
    """Return links between visible artifacts, by depth, each at its least depth.

    ``seen`` tells which ids are visible, ``shows`` which fields of them. A link that leads to nothing visible is shown
    forwards, as the artifact that holds it shows it, and goes no further. One statement per hop, and one per type met.
    """
    edges: list[Edge] = []
    here, known, hop = seen([start]), {start}, 0
    while here and (depth is None or hop < depth):
        hop += 1
        found = [_at(edge, hop) for edge in backend.closure(sorted(here), 1, backwards=backwards)]
        visible = seen({edge.source if backwards else edge.target for edge in found})
        holders = visible if backwards else here
        shown = [edge for edge in found if edge.source in holders and shows(holders[edge.source], edge.field)]
        edges += shown
        ends = {edge.source if backwards else edge.target for edge in shown}
        here = {ident: visible[ident] for ident in ends if ident in visible and ident not in known}
        known |= ends
    return sorted(edges, key=lambda edge: (edge.depth, edge.source, edge.field, edge.target))


def _at(edge: Edge, depth: int) -> Edge:
    return Edge(edge.source, edge.field, edge.target, depth)

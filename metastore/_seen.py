"""The closure of links as one caller sees it: hop by hop, through visible artifacts only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from metastore.backend import Backend, Edge

__all__ = ["seen_closure"]

Seen = Callable[[Iterable[bytes]], set[bytes]]
Follows = Callable[[str], bool]


def seen_closure(
    seen: Seen, follows: Follows, backend: Backend, start: bytes, depth: int | None, *, backwards: bool = False
) -> list[Edge]:
    """Return links between visible artifacts, by depth, each at its least depth.

    ``seen`` tells which ids are visible, ``follows`` whether a field may be read, by its name. A link that leads to nothing
    visible is shown forwards, as the artifact that holds it shows it, and goes no further. One statement per hop, and
    one per type met.
    """
    edges: list[Edge] = []
    here, known, hop = seen([start]), {start}, 0
    while here and (depth is None or hop < depth):
        hop += 1
        links = backend.closure(sorted(here), 1, backwards=backwards)
        found = [_at(edge, hop) for edge in links if follows(edge.field)]
        ends = {edge.source if backwards else edge.target for edge in found}
        visible = seen(ends)
        edges += [edge for edge in found if not backwards or edge.source in visible]
        here = visible - known
        known |= ends
    return sorted(edges, key=lambda edge: (edge.depth, edge.source, edge.field, edge.target))


def _at(edge: Edge, depth: int) -> Edge:
    return Edge(edge.source, edge.field, edge.target, depth)

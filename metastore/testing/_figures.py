"""The oracle of figures and graphs: groups and their measures, and what can be reached by links."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metastore.backend import Edge
from metastore.query import (
    Measure,
    Path,
    Query,
)
from metastore.testing._model import Thing, World
from metastore.testing._oracle import as_json, linked, place, select, values_at

__all__ = ["aggregate", "closure"]


def _groups(thing: Thing, by: tuple[Path, ...]) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Return (sort places, values) of every group an artifact is in."""
    groups: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [((), ())]
    for path in by:
        found = values_at(thing, path)
        if found and isinstance(found[0], list):
            one = [((1, as_json(value)), as_json(value)) for value in dict.fromkeys(found[0])]
        else:
            one = [(place(thing, path), found[0] if found else None)]
        groups = [((*places, place), (*values, value)) for places, values in groups for place, value in one]
    return groups


def _figure(things: list[Thing], measure: Measure) -> Any:
    if measure.path is None:
        return len(things)
    path = measure.path
    present = [(place(each, path), values_at(each, path)[0]) for each in things if values_at(each, path)]
    if measure.what == "count":
        return len(present)
    if not present:
        return None
    if measure.what in ("min", "max"):
        return (min if measure.what == "min" else max)(present, key=lambda one: one[0])[1]
    total = sum(value for _, value in present)
    return total if measure.what == "sum" else total / len(present)


def aggregate(world: World, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]) -> list[tuple[Any, ...]]:
    """Return one tuple per group, as `metastore.backend.Backend.aggregate` promises."""
    grouped: dict[Any, tuple[tuple[Any, ...], list[Thing]]] = {} if by else {(): ((), [])}
    for each in select(world, Query(query.type, query.where, latest=query.latest)):
        for places, values in _groups(each, by):
            grouped.setdefault(places, (values, []))[1].append(each)
    return [
        (*values, *(_figure(things, one) for one in measures))
        for _, (values, things) in sorted(grouped.items(), key=lambda g: g[0])
    ]


def closure(
    world: World, start: Iterable[bytes], depth: int | None, *, backwards: bool = False, field: str | None = None
) -> list[Edge]:
    """Return every link reachable from the start, by depth, source, field, target."""
    links = {
        (each.id, spec.name, target)
        for each in world.things.values()
        for spec in each.spec.fields
        if spec.links is not None and field in (None, spec.name)
        for target in linked(each, spec.name)
    }
    front: set[Any] = set(start)
    seen, hop, found = set(front), 0, []
    while front and (depth is None or hop < depth):
        hop += 1
        new = {link for link in links if link[2 if backwards else 0] in front}
        links -= new
        found += sorted((hop, *link) for link in new)
        front = {link[0 if backwards else 2] for link in new} - seen
        seen |= front
    return [Edge(source, name, target, hops) for hops, source, name, target in found]

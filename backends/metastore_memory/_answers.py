"""Queries answered over the dicts: selection, aggregates, closure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from operator import itemgetter
from typing import Any

from metastore.backend import Edge, TypeSpec, Usage, known_bytes, targets
from metastore.errors import QueryError
from metastore.query import Measure, Order, Path, Position, Query
from metastore_memory._store import Store
from metastore_memory._truth import Scope, truth
from metastore_memory._values import ABSENT, Place, RowMap, place, position_place, reader, sorter

__all__ = ["aggregated", "closed", "held", "links_of", "selected"]

_BIGGEST = 2**63 - 1


def matching(store: Store, spec: TypeSpec, query: Query) -> list[RowMap]:
    """Return the rows that the query is about, in no order."""
    try:
        holds = truth(query.where, Scope(spec, store))
        found: list[RowMap] = [row for row in store.rows.get(spec.name, {}).values() if holds(row)]
    except RecursionError:
        raise QueryError(
            "Expected a predicate nested a hundred deep at most, found far more; ask for less at once"
        ) from None
    return _latest(found) if query.latest else found


def _latest(rows: list[RowMap]) -> list[RowMap]:
    best: dict[tuple[Any, Any], RowMap] = {}
    for row in rows:
        group = row.get("owner"), row.get("name")
        if group not in best or _age(row) > _age(best[group]):
            best[group] = row
    return list(best.values())


def _age(row: RowMap) -> tuple[str, str, bytes]:
    return row.get("version__key") or "", row.get("version") or "", row["id"]


def selected(store: Store, spec: TypeSpec, query: Query) -> list[RowMap]:
    """Return the rows of the query in its order."""
    rows, order = matching(store, spec, query), _complete(query.order)
    for at, descending in reversed(order_of(spec, order)):
        rows.sort(key=at, reverse=descending)
    if query.after is not None:
        rows = _beyond(rows, spec, order, query.after)
    return rows[: query.limit]


def _complete(order: tuple[Order, ...]) -> tuple[Order, ...]:
    return (*order, Order(Path("id", kind="id"), descending=bool(order) and order[-1].descending))


def order_of(spec: TypeSpec, order: tuple[Order, ...]) -> list[tuple[Callable[[RowMap], Place], bool]]:
    """Return how each sort key reads a row, and whether it descends."""
    return [(sorter(spec, each.key), each.descending) for each in order]


def _beyond(rows: list[RowMap], spec: TypeSpec, order: tuple[Order, ...], after: Position) -> list[RowMap]:
    if len(after.values) != len(order) - 1:
        raise QueryError(f"Expected a position of {len(order) - 1} sort values, found {len(after.values)}")
    ends = [position_place(each.key, value) for each, value in zip(order, (*after.values, after.id), strict=True)]
    steps = order_of(spec, order)

    def beyond(row: RowMap) -> bool:
        for (at, descending), end in zip(steps, ends, strict=True):
            if (here := at(row)) != end:
                return here < end if descending else here > end
        return False

    return [row for row in rows if beyond(row)]


Labelled = Callable[[RowMap], list[tuple[Place, Any]]]


def aggregated(
    store: Store, spec: TypeSpec, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]
) -> list[tuple[Any, ...]]:
    """Return one tuple per group: its values, then its measures, in ascending order of the values."""
    labels = [_labels(spec, path) for path in by]
    groups: dict[tuple[Place, ...], tuple[list[Any], list[RowMap]]] = {} if by else {(): ([], [])}
    for row in matching(store, spec, query):
        for chosen in product(*(label(row) for label in labels)):
            key = tuple(at for at, _ in chosen)
            groups.setdefault(key, ([value for _, value in chosen], []))[1].append(row)
    figures = [_figure(spec, measure) for measure in measures]
    ordered = [group for _, group in sorted(groups.items(), key=itemgetter(0))]
    return [(*values, *(figure(rows) for figure in figures)) for values, rows in ordered]


def _labels(spec: TypeSpec, path: Path) -> Labelled:
    """Return a function from a row to the groups it is in: where each stands, and its value."""
    at, read = sorter(spec, path), reader(spec, path)
    if path.kind == "list":
        return lambda row: list({place("json", each): each for value in read(row) for each in value}.items())
    return lambda row: [(here := at(row), None if here == ABSENT else read(row)[0])]


def _figure(spec: TypeSpec, measure: Measure) -> Callable[[list[RowMap]], Any]:
    path = measure.path
    if path is None:
        return len
    at, read = sorter(spec, path), reader(spec, path)
    if measure.what == "count":
        return lambda rows: len(_having(rows, at))
    if measure.what in ("min", "max"):
        best = min if measure.what == "min" else max
        return lambda rows: next(iter(read(best(present, key=at))), None) if (present := _having(rows, at)) else None
    total = _sum if measure.what == "sum" else _average
    return lambda rows: total(numbers) if (numbers := list(_numbers(rows, read))) else None


def _having(rows: list[RowMap], at: Callable[[RowMap], Place]) -> list[RowMap]:
    return [row for row in rows if at(row) != ABSENT]


def _numbers(rows: list[RowMap], read: Callable[[RowMap], list[Any]]) -> Iterator[int | float]:
    for row in rows:
        value = next(iter(read(row)), None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield value


def _sum(numbers: list[int | float]) -> int | float:
    if any(isinstance(each, float) for each in numbers):
        return _finite(numbers)
    total = sum(numbers)
    if not -_BIGGEST - 1 <= total <= _BIGGEST:
        raise QueryError(f"Expected a sum within 64 bits, found {total}; narrow the query or ask for the average")
    return total


def _finite(numbers: list[int | float]) -> float:
    try:
        return math.fsum(numbers)
    except OverflowError as error:
        raise QueryError("Expected a finite sum, it is beyond what a float can hold; narrow the query") from error


def _average(numbers: list[int | float]) -> float:
    if not any(isinstance(each, float) for each in numbers):
        return sum(numbers) / len(numbers)
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:  # of the sum, as no average is beyond the greatest of its numbers
        return math.fsum(each / len(numbers) for each in numbers)


Hop = tuple[bytes, str, bytes]


def closed(
    store: Store, start: Sequence[bytes], depth: int | None, *, backwards: bool, field: str | None
) -> list[Edge]:
    """Return the links reachable from ``start``, or leading to it, breadth first."""
    hops = _by_end(_every_link(store, field), 2 if backwards else 0)
    edges: list[Edge] = []
    seen: set[bytes] = set(start)
    front, hop = set(start), 0
    while front and (depth is None or hop < depth):
        hop += 1
        found = sorted(link for end in front for link in hops.get(end, ()))
        edges.extend(Edge(source, name, target, hop) for source, name, target in found)
        front = {source if backwards else target for source, _, target in found} - seen
        seen |= front
    return edges


def _by_end(links: Iterable[Hop], end: int) -> dict[Any, list[Hop]]:
    grouped: dict[Any, list[Hop]] = {}
    for link in links:
        grouped.setdefault(link[end], []).append(link)
    return grouped


def _every_link(store: Store, field: str | None) -> Iterator[Hop]:
    for name, rows in store.rows.items():
        for row in rows.values():
            for each, target in links_of(store.specs[name][-1].spec, row):
                if field is None or each == field:
                    yield row["id"], each, target


def links_of(spec: TypeSpec, row: RowMap) -> Iterator[tuple[str, bytes]]:
    """Yield (field, target) of every link in a row."""
    for field in spec.fields:
        if field.links is not None:
            for target in targets(field, row.get(field.name)):
                yield field.name, target


def held(store: Store, whose: Callable[[RowMap], bool]) -> dict[str, Usage]:
    """Return what the rows for which ``whose`` holds amount to, by type name."""
    found = {}
    for name, stored in store.specs.items():
        rows = [row for row in store.rows[name].values() if whose(row)]
        if rows and not stored[-1].spec.engine_owned:
            found[name] = Usage(len(rows), sum(_bytes(stored[-1].spec, row) for row in rows))
    return found


def _bytes(spec: TypeSpec, row: RowMap) -> int:
    return sum(known_bytes(each, row.get(each.name)) for each in spec.fields if each.kind in ("blob", "folder"))

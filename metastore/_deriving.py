"""What backends over a database have in common: what they derive from rows, and answers they put in order themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from metastore._schema import Column, TypeSpec
from metastore._text import fold
from metastore._version import sort_key
from metastore.errors import DuplicateError, IdTakenError
from metastore.query import Path

__all__ = ["Edge", "by_depth", "derived_value", "duplicate", "id_taken", "merged_group", "repeated"]


def derived_value(spec: TypeSpec, column: Column, row: Sequence[Any]) -> str | None:
    """Return what a derived column of a field holds for a row: the folded text, or the version's sort key."""
    name, _, what = column.name.rpartition("__")
    value = row[spec.position[name]]
    if value is None:
        return None
    return fold(value) if what == "folded" else sort_key(value, spec.by_name[name].scheme)


def duplicate(spec: TypeSpec, row: Sequence[Any]) -> DuplicateError:
    """Return the error for a row whose unique key another one holds."""
    scope = ", ".join(f"{name} {row[spec.position[name]]!r}" for name in spec.unique)
    return DuplicateError(f"another of {spec.name} already has {scope}; change one, or update the other")


def id_taken(ident: bytes) -> IdTakenError:
    """Return the error for an id that was ever used."""
    return IdTakenError(
        f"id {UUID(bytes=ident)} was used before; an id is never used again, leave it out to get a new one"
    )


def repeated(keys: Sequence[bytes]) -> bytes | None:
    """Return a key that is there twice; ``None`` where each is there once.

    >>> repeated([b"a", b"b", b"a"]), repeated([b"a"])
    (b'a', None)
    """
    return None if len(set(keys)) == len(keys) else max(keys, key=keys.count)


def merged_group(by: Sequence[Path], row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a group in which kind (1 for a bool) and value of a free JSON path, which came apart, are one value."""
    values, rest = [], list(row)
    for path in by:
        first = rest.pop(0)
        if path.kind == "json":
            value = rest.pop(0)
            first = bool(value) if first == 1 else value
        values.append(first)
    return (*values, *rest)


class Edge(NamedTuple):
    """One link found by a closure: ``depth`` counts hops from the start, 1 for its own links."""

    source: bytes
    field: str
    target: bytes
    depth: int


_in_order = itemgetter(3, 0, 1, 2)


def by_depth(start: Sequence[bytes], links: Collection[Sequence[Any]], *, backwards: bool) -> list[Edge]:
    """Return links (source, field, target) found within reach, each at its least depth, in the order of `Backend.closure`.

    >>> found = by_depth([b"a"], [(b"b", "parent", b"c"), (b"a", "parent", b"b")], backwards=False)
    >>> [tuple(edge) for edge in found]
    [(b'a', 'parent', b'b', 1), (b'b', 'parent', b'c', 2)]
    """
    if not links:
        return []
    ways: dict[bytes, list[Any]] = {}
    for link in links:
        ways.setdefault(link[2] if backwards else link[0], []).append(link)
    edges, depths, queue = [], dict.fromkeys(start, 0), deque(dict.fromkeys(start))
    while queue:
        here = queue.popleft()
        for source, field, target in ways.get(here, ()):
            edges.append(Edge(source, field, target, depths[here] + 1))
            there = source if backwards else target
            if there not in depths:
                depths[there] = depths[here] + 1
                queue.append(there)
    edges.sort(key=_in_order)
    return edges

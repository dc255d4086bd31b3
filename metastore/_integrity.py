"""What happens to links when an artifact goes: its owner's other artifacts restrict, let go, or go with it.

Links that other owners hold never restrict, as nobody can block a stranger's deletion; they become dangling. What the engine keeps of an
artifact goes with it, so where that is of none, it came without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from metastore._find import Asked
from metastore._json import decode, encode
from metastore._types import OUR_LINK
from metastore.errors import LinkedError
from metastore.query import Query

if TYPE_CHECKING:
    from metastore._types import Shelf, Types
    from metastore.backend import Backend, Edge, Row

__all__ = ["Holder", "held", "holders", "refuse", "strays", "without"]

BATCH = 500


class Holder:
    """One artifact that links to the one that goes, by one of its fields."""

    __slots__ = ("field", "on_delete", "row", "shelf")

    def __init__(self, shelf: Shelf, row: Row, field: str, on_delete: str) -> None:
        self.shelf, self.row, self.field, self.on_delete = shelf, row, field, on_delete


def holders(backend: Backend, types: Types, shelf: Shelf, row: Row) -> list[Holder]:
    """Return what the artifact's owner holds of links to it, each with what its field declares, restricting ones first."""
    edges = backend.closure((row[0],), 1, backwards=True)
    if not edges:
        return []
    found = [holder for _, holder in _held(backend, types, edges, {row[0]: row[shelf.owner]})]
    return sorted(found, key=lambda each: each.on_delete != "restrict")


def held(backend: Backend, types: Types, targets: Sequence[tuple[Shelf, Row]]) -> Iterator[tuple[bytes, Holder]]:
    """Yield, for many artifacts at once, the id of each and what its owner holds of links to it."""
    owners = {row[0]: row[shelf.owner] for shelf, row in targets}
    return _held(backend, types, backend.closure([*owners], 1, backwards=True), owners)


def _held(
    backend: Backend, types: Types, edges: Iterable[Edge], owners: Mapping[bytes, Any]
) -> Iterator[tuple[bytes, Holder]]:
    edges = [edge for edge in edges if edge.source != edge.target]
    sources = _sources(backend, types, {edge.source for edge in edges}) if edges else {}
    for edge in edges:
        source, row = sources.get(edge.source, (None, ()))
        if source is not None and (source.ours or row[source.owner] == owners[edge.target]):
            declared = source.spec.by_name[edge.field].on_delete or "restrict"
            yield edge.target, Holder(source, row, edge.field, "cascade" if source.ours else declared)


def _sources(backend: Backend, types: Types, ids: Iterable[bytes]) -> dict[bytes, tuple[Shelf, Row]]:
    groups: dict[str, list[bytes]] = {}
    for ident, known in backend.identify([*ids]).items():
        groups.setdefault(known.type, []).append(ident)
    shelves = {name: types.shelf(types.cls(name)) for name in groups}
    return {
        row[0]: (shelves[name], row) for name, each in groups.items() for row in backend.fetch(shelves[name].spec, each)
    }


def refuse(shelf: Shelf, row: Row, holder: Holder, named: Callable[[Holder], bool]) -> LinkedError:
    """Return the error of a restricting link; it names the holder where ``named`` says that the caller may know of it."""
    what = (
        f"{holder.shelf.spec.name} {UUID(bytes=holder.row[0])} by {holder.field}"
        if named(holder)
        else "another artifact of its owner"
    )
    return LinkedError(f"{shelf.spec.name} {UUID(bytes=row[0])} is linked to by {what}: delete or change that first")


def without(holder: Holder, row: Row, ident: bytes) -> dict[str, Any]:
    """Return the change that lets a link go, as plain values of columns; ``row`` is the holder's as it is now."""
    at = holder.shelf.spec.position[holder.field]
    if holder.shelf.spec.by_name[holder.field].kind != "list":
        return {holder.field: None}
    gone = str(UUID(bytes=ident))
    return {holder.field: encode([each for each in decode(row[at]) if each != gone])}


def strays(backend: Backend, types: Types) -> Iterator[str]:
    """Yield a sentence for each thing that the engine keeps of an artifact which is not there."""
    for shelf in [types.shelf(types.cls(name)) for name in types.own()]:
        at = shelf.spec.position.get(OUR_LINK)
        rows = iter(()) if at is None else Asked(shelf, shelf.binder, Query(shelf.spec.name)).stream(None, None)
        while batch := {row[0]: row[at] for row in islice(rows, BATCH)}:
            known = backend.identify([*batch.values()])
            for ident, target in batch.items():
                state = known[target].state if target in known else "foreign"
                if state != "live" and shelf.fetch([ident]):  # it may have gone with its artifact meanwhile
                    yield _stray(shelf, ident, target, state)


def _stray(shelf: Shelf, ident: bytes, target: bytes, state: str) -> str:
    why = "was deleted: delete this, too" if state == "deleted" else "is not here: import that, or delete this"
    return f"{shelf.spec.name} {UUID(bytes=ident)}: the artifact {UUID(bytes=target)}, of which it is, {why}"

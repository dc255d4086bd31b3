"""What happens to links when an artifact goes: its owner's other artifacts restrict, let go, or go with it.

Links that other owners hold never restrict, as nobody can block a stranger's deletion; they become dangling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from metastore._json import decode, encode
from metastore.errors import LinkedError

if TYPE_CHECKING:
    from metastore._types import Shelf, Types
    from metastore.backend import Backend, Row

__all__ = ["Holder", "holders", "refuse", "without"]


class Holder:
    """One artifact that links to the one that goes, by one of its fields."""

    __slots__ = ("field", "on_delete", "row", "shelf")

    def __init__(self, shelf: Shelf, row: Row, field: str, on_delete: str) -> None:
        self.shelf, self.row, self.field, self.on_delete = shelf, row, field, on_delete


def holders(backend: Backend, types: Types, shelf: Shelf, row: Row) -> Iterator[Holder]:
    """Yield what the artifact's owner holds of links to it, each with what its field declares, restricting ones first."""
    found = [*_holders(backend, types, shelf, row)]
    yield from sorted(found, key=lambda each: each.on_delete != "restrict")


def _holders(backend: Backend, types: Types, shelf: Shelf, row: Row) -> Iterator[Holder]:
    edges = [edge for edge in backend.closure([row[0]], 1, backwards=True) if edge.source != row[0]]
    known = backend.identify([edge.source for edge in edges]) if edges else {}
    for edge in edges:
        source = types.shelf(types.cls(known[edge.source].type))
        rows = backend.fetch(source.spec, [edge.source])
        if rows and (source.ours or rows[0][source.owner] == row[shelf.owner]):
            declared = source.spec.by_name[edge.field].on_delete or "restrict"
            yield Holder(source, rows[0], edge.field, "cascade" if source.ours else declared)


def refuse(shelf: Shelf, row: Row, holder: Holder, named: Callable[[Shelf, Row], bool]) -> LinkedError:
    """Return the error of a restricting link; it names the holder where ``named`` says that the caller sees it."""
    what = (
        f"{holder.shelf.spec.name} {UUID(bytes=holder.row[0])} by {holder.field}"
        if named(holder.shelf, holder.row)
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

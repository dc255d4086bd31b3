"""Following: the links between artifacts, as far as they lead."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from metastore._artifact import Record
from metastore._data import Data
from metastore._ids import read_id
from metastore._link import id_of
from metastore._reading import Reading
from metastore._seen import seen_closure
from metastore._types import OUR_LINK, Shelf, is_ours
from metastore.backend import Edge as Step
from metastore.errors import QueryError

__all__ = ["Edge", "Following"]

_BOUNDED = 100
"""Hops up to which a database bounds a closure itself."""


class Edge(Data):
    """One link of a closure: ``source`` points to ``target`` by ``field``; ``depth`` counts hops, from 1."""

    source: UUID
    field: str
    target: UUID
    depth: int

    def __init__(self, source: UUID, field: str, target: UUID, depth: int) -> None:
        self.__dict__.update(source=source, field=field, target=target, depth=depth)


class Following(Reading):
    """What is asked of artifacts by their links; a principal follows those only that lead from and to what it sees."""

    def closure(
        self, artifact: Record | UUID | str, depth: int | None = None, *, backwards: bool = False
    ) -> list[Edge]:
        """Return every link that can be reached from an artifact, or backwards leads to it, in one statement.

        By depth; each link once, at its least depth; cycles end; ``depth`` bounds the hops. A principal sees links
        between artifacts that it sees, hop by hop, in one statement per hop and type. Empty for an unknown id.

        >>> from metastore import Artifact, Catalog, Field, Link, field
        >>> class Part(Artifact, type_name="parts"):
        ...     of: Field[Link["Part"] | None] = field(default=None)
        >>> with Catalog.open("memory:") as catalog:
        ...     whole = catalog.add(Part(name="whole"))
        ...     half = catalog.add(Part(name="half", of=Link(whole)))
        ...     bit = catalog.add(Part(name="bit", of=Link(half)))
        ...     [(edge.field, edge.depth) for edge in catalog.closure(bit)]
        [('of', 1), ('of', 2)]
        """
        if depth is not None and (type(depth) is not int or depth < 0):
            raise QueryError(f"expected depth as a whole number, 0 or more, got {depth!r:.40}")
        start = id_of(artifact).bytes
        if self._access is None:
            found = self._users(self._within(start, depth, backwards=backwards))
        else:
            found = seen_closure(self._seen, self._shows, self._backend, start, depth, backwards=backwards)
        ids = {raw: read_id(raw) for raw in {raw for edge in found for raw in (edge.source, edge.target)}}
        return [Edge(ids[source], field, ids[target], hops) for source, field, target, hops in found]

    def _within(self, start: bytes, depth: int | None, *, backwards: bool) -> list[Step]:
        """Return the links of a closure; one of many hops is cut from the whole, since a database walks cycles to their bound."""
        if depth is None or depth <= _BOUNDED:
            return self._backend.closure([start], depth, backwards=backwards)
        return [step for step in self._backend.closure([start], None, backwards=backwards) if step.depth <= depth]

    def _users(self, edges: list[Step]) -> list[Step]:
        """Leave out links that the engine keeps for itself; only those of one name can be, so others are not asked for."""
        named = [edge.source for edge in edges if edge.field == OUR_LINK]
        known = self._backend.identify(named) if named else {}
        ours = {ident for ident, each in known.items() if is_ours(each.type)}
        return [edge for edge in edges if edge.source not in ours] if ours else edges

    def _seen(self, ids: Iterable[bytes]) -> dict[bytes, Shelf]:
        """Return the shelves of those ids that the caller sees an artifact of."""
        groups: dict[str, list[bytes]] = {}
        for ident, known in self._backend.identify(list(ids)).items():
            if known.state == "live" and not is_ours(known.type):
                groups.setdefault(known.type, []).append(ident)
        seen: dict[bytes, Shelf] = {}
        for name, each in groups.items():
            shelf = self._types.shelf(self._types.cls(name))
            rows = self._visible(shelf, self._backend.fetch(shelf.spec, each))
            seen.update({row[0]: shelf for row in rows})
        return seen

    def _shows(self, shelf: Shelf, field: str) -> bool:
        """Whether the caller may read the field by which an artifact links."""
        return self._access is None or self._access.may("read", "fields", field)

    def back_links(self, artifact: Record | UUID | str) -> list[Edge]:
        """Return the links that point to an artifact: `closure` backwards, one hop."""
        return self.closure(artifact, 1, backwards=True)

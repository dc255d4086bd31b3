"""Retention: what is due, what would go along with it, and what of both may not go.

An artifact goes only if all that its deletion touches may: whoever restricts it goes as well, and whoever goes with it may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from metastore._access import both
from metastore._data import evolve
from metastore._find import Asked
from metastore._integrity import Holder, held
from metastore._order import position_of
from metastore.errors import QueryError
from metastore.query import Absent, And, Compare, Measure, Order, Path, Predicate

if TYPE_CHECKING:
    from metastore._types import Shelf, Types
    from metastore.backend import Backend, Row

__all__ = ["Links", "beyond", "gathered", "knots", "settled"]

Rows = dict[bytes, "tuple[Shelf, Row]"]
Links = dict[bytes, list[Holder]]
"""Per artifact, who of the same owner links to it; what the engine keeps for itself is not among them."""

BATCH = 500
_NEWEST = (Order(Path("version"), descending=True), Order(Path("created_at"), descending=True))


def beyond(asked: Asked, keep: int) -> Iterator[Row]:
    """Yield the rows beyond the newest ``keep`` of each owner and name; two statements for a name that has more.

    What has no name is no version of anything, and is not counted.
    """
    if "name" not in asked.shelf.spec.by_name:
        raise QueryError(f"{asked.shelf.spec.name} has no name, so there are no versions of one to keep")
    owner, name = (asked.binder.path(Path(each))[0] for each in ("owner", "name"))
    order = asked.binder.order(_NEWEST)
    for whose, what, count in asked.aggregate((owner, name), (Measure("count"),)):
        if count > keep and what is not None:
            same = And((_is(owner, whose), _is(name, what)))
            query = evolve(asked.query, where=both(asked.query.where, same), order=order)
            yield from _after(Asked(asked.shelf, asked.binder, query), keep)


def _is(path: Path, value: str | None) -> Predicate:
    return Absent(path) if value is None else Compare(path, "eq", value)


def _after(asked: Asked, keep: int) -> Iterator[Row]:
    newest = asked.rows(None, keep)
    if len(newest) == keep:
        yield from asked.stream(position_of(asked.shelf.spec, newest[-1], asked.query.order), None)


def gathered(
    backend: Backend, types: Types, rows: Rows, refused: dict[bytes, str], refusal: Callable[[Holder], str | None]
) -> Links:
    """Return who links to the rows, adding to them what would go along, and to ``refused`` what may not for its sake.

    ``refusal`` says why an artifact that would go along is not to be taken; with a reason it is not added.
    """
    links: Links = {}
    front, done = list(rows), 0
    while done < len(front):
        here, done = front[done : done + BATCH], done + BATCH
        for target, holder in held(backend, types, [rows[ident] for ident in here]):
            if holder.shelf.ours:
                continue
            links.setdefault(target, []).append(holder)
            if holder.on_delete == "cascade" and holder.row[0] not in rows:
                if reason := refusal(holder):
                    refused.setdefault(target, reason)
                else:
                    rows[holder.row[0]] = (holder.shelf, holder.row)
                    front.append(holder.row[0])
    return links


def settled(
    due: Sequence[bytes], links: Links, refused: Mapping[bytes, str], linked: Callable[[bytes, Holder], str]
) -> tuple[dict[bytes, bytes | None], dict[bytes, str]]:
    """Return what goes (with what it goes along with), and what of ``due`` stays, with the reason.

    ``refused`` says what may not go for itself; ``linked`` words why a link keeps an artifact.
    """
    roots, staying = list(due), dict[bytes, str]()
    while True:
        going = _reached(roots, links)
        kept = _kept(going, links, refused, linked)
        stay = [ident for ident in roots if ident in kept]  # whatever is kept keeps the root that would take it along
        if not stay:
            return going, staying
        staying.update((ident, kept[ident]) for ident in stay)
        roots = [ident for ident in roots if ident not in kept]


def _reached(roots: Sequence[bytes], links: Links) -> dict[bytes, bytes | None]:
    """The roots, and what goes along with them, each with the one that takes it."""
    going: dict[bytes, bytes | None] = dict.fromkeys(roots)
    front = list(roots)
    while front:
        ident = front.pop()
        for holder in links.get(ident, ()):
            if holder.on_delete == "cascade" and holder.row[0] not in going:
                going[holder.row[0]] = ident
                front.append(holder.row[0])
    return going


def _kept(
    going: Mapping[bytes, object],
    links: Links,
    refused: Mapping[bytes, str],
    linked: Callable[[bytes, Holder], str],
) -> dict[bytes, str]:
    """What of ``going`` may not go, with the reason: refused, restricted by what stays, or taking along what stays."""
    kept = {ident: refused[ident] for ident in going if ident in refused}
    held_by: dict[bytes, list[tuple[bytes, Holder]]] = {}
    for ident in going:
        for holder in links.get(ident, ()):
            held_by.setdefault(holder.row[0], []).append((ident, holder))
            if holder.on_delete == "restrict" and holder.row[0] not in going:
                kept.setdefault(ident, linked(ident, holder))
    front = list(kept)
    while front:
        stays = front.pop()
        for ident, holder in held_by.get(stays, ()):
            if ident not in kept and holder.on_delete != "detach":
                kept[ident] = linked(ident, holder) if holder.on_delete == "restrict" else kept[stays]
                front.append(ident)
    return kept


def knots(going: Mapping[bytes, object], links: Links) -> list[list[bytes]]:
    """Return what goes in groups that go together or not at all: those tied by links that restrict or cascade."""
    ties: dict[bytes, list[bytes]] = {ident: [] for ident in going}
    for ident in going:
        for holder in links.get(ident, ()):
            if holder.on_delete != "detach" and holder.row[0] in ties:
                ties[ident].append(holder.row[0])
                ties[holder.row[0]].append(ident)
    seen = set[bytes]()
    return [_tied(ident, ties, seen) for ident in going if ident not in seen]


def _tied(start: bytes, ties: Mapping[bytes, list[bytes]], seen: set[bytes]) -> list[bytes]:
    seen.add(start)
    group = [start]
    for ident in group:
        fresh = [each for each in dict.fromkeys(ties[ident]) if each not in seen]
        seen.update(fresh)
        group += fresh
    return group

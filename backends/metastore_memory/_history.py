"""The history read in order, and taken over from another catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import UUID

from metastore.backend import Change, Identity, Recorded, Row, TypeSpec, gathered
from metastore.errors import ConflictError
from metastore_memory._rows import keep, mapping, remove
from metastore_memory._store import Store

__all__ = ["adopt", "known_after", "told_after", "told_of"]


def known_after(store: Store, after: bytes, limit: int, state: str) -> list[tuple[bytes, Identity]]:
    """Return the first identities beyond an id, of one state where it is given."""
    beyond = (id for id in sorted(store.identities) if id > after and state in ("", store.identities[id].state))
    return [(id, store.identities[id]) for id in islice(beyond, limit)]


def told_after(store: Store, after: int, limit: int, skip: int) -> list[Recorded]:
    """Return the transactions after a sequence: the place of a commit among all, from 1."""
    told = list(islice(enumerate(store.commits.values(), 1), max(after, 0), max(after, 0) + limit))
    places = {commit.id: seq for seq, commit in told}
    changes = [(places[id], change) for id, change in store.changes.values() if id in places]
    return gathered(told, changes[skip : skip + limit + 1], limit, skip)


def told_of(store: Store, commit: bytes | None) -> Recorded | None:
    """Return a transaction by its commit's id, or the last one, with the number of its changes."""
    for place, each in reversed(list(enumerate(store.commits.values(), 1))):
        if commit in (None, each.id):
            return Recorded(place, each, at=len(_changes(store, each.id)))
    return None


def _changes(store: Store, commit: bytes) -> list[Change]:
    return [change for id, change in store.changes.values() if id == commit]


def adopt(
    store: Store,
    told: Sequence[Recorded],
    known: Mapping[bytes, Identity],
    rows: Sequence[tuple[TypeSpec, Sequence[Row]]],
) -> None:
    """Put what is told at the end of the history, and rows in the place of all that is known here of these ids."""
    for id, identity in known.items():
        _forget(store, id, identity)
    for spec, those in rows:
        for row in those:
            keep(store, spec, mapping(spec, row))
    for each in told:
        _go_on(store, each)
        for change in each.changes:
            store.put(store.changes, len(store.changes) + 1, (each.commit.id, change))
            if change.kind == "delete":
                store.put(store.tombstones, change.id, (each.commit, change))


def _forget(store: Store, id: bytes, identity: Identity) -> None:
    row = store.rows.get(identity.type, {}).get(id)
    if row is not None:
        remove(store, store.specs[identity.type][-1].spec, row)
    if identity.state != "foreign" or id not in store.identities:
        store.put(store.identities, id, identity)


def _go_on(store: Store, each: Recorded) -> None:
    """Record a commit, or find that it is the last one, which ``each`` continues."""
    last = told_of(store, None)
    if each.at and (last is None or (last.commit, last.at) != (each.commit, each.at)):
        raise ConflictError(
            f"The transaction {UUID(bytes=each.commit.id)} is not the last one here, with {each.at} changes"
        )
    if not each.at:
        if each.commit.id in store.commits:
            raise ConflictError(
                f"The transaction {UUID(bytes=each.commit.id)} was recorded before; it is not done twice"
            )
        store.put(store.commits, each.commit.id, each.commit)

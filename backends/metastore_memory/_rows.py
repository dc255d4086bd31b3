"""Rows in and out of a `Store`, with everything that follows from them."""

from __future__ import annotations

from typing import Any

from metastore.backend import Change, Identity, Row, StoredSpec, TypeSpec, duplicate, id_taken
from metastore.errors import ConflictError, UnknownTypeError, nearest
from metastore_memory._answers import links_of
from metastore_memory._store import Store
from metastore_memory._values import RowMap
from metastore_memory._widen import widening

__all__ = [
    "check_free",
    "check_known",
    "claim",
    "free",
    "keep",
    "mapping",
    "record",
    "remove",
    "row_of",
    "still",
    "store_spec",
    "swap",
    "widen",
]


def mapping(spec: TypeSpec, row: Row) -> dict[str, Any]:
    """Return a row by the names of its columns."""
    return dict(zip((column.name for column in spec.columns), row, strict=True))


def row_of(spec: TypeSpec, row: RowMap) -> Row:
    """Return a stored row as a spec has it."""
    return tuple([row.get(column.name) for column in spec.columns])


def check_known(store: Store, name: str) -> None:
    """Raise UnknownTypeError for a type that is not stored."""
    if name not in store.specs:
        raise UnknownTypeError(f"The catalogue holds no type {name!r}: {nearest(name, store.specs)}")


def widen(store: Store, old: TypeSpec, new: TypeSpec) -> None:
    """Give every row of a type what a wider spec adds."""
    rows, widened = store.rows[new.name], widening(old, new)
    for id, row in list(rows.items()):
        store.put(rows, id, widened(row))


def store_spec(store: Store, entry: StoredSpec) -> None:
    """Store the next spec of a type. Raises ConflictError for another number."""
    name, stored = entry.spec.name, store.specs.get(entry.spec.name, ())
    if entry.number != len(stored) + 1:
        raise ConflictError(
            f"Expected spec {len(stored) + 1} of type {name!r}, found {entry.number}; read specs() again"
        )
    store.put(store.specs, name, (*stored, entry))
    if not stored:
        store.put(store.rows, name, {})
        store.put(store.unique, name, {})


def still(store: Store, spec: TypeSpec, before: Row) -> dict[str, Any] | None:
    """Return what is stored, if that is the revision of ``before``."""
    check_known(store, spec.name)
    id, revision = before[spec.position["id"]], before[spec.position["revision"]]
    stored = store.rows[spec.name].get(id)
    return stored if stored is not None and stored["revision"] == revision else None


def claim(store: Store, id: bytes) -> None:
    """Raise IdTakenError for an id that was ever live."""
    known = store.identities.get(id)
    if known is not None and known.state != "foreign":
        raise id_taken(id)


def keep(store: Store, spec: TypeSpec, row: dict[str, Any]) -> None:
    """Store a row with everything derived from it."""
    id, key, taken = row["id"], row["unique_key"], store.unique[spec.name]
    if key is not None:
        if key in taken:
            raise duplicate(spec, [row[each.name] for each in spec.columns])
        store.put(taken, key, id)
    store.put(store.rows[spec.name], id, row)
    store.put(store.identities, id, Identity(spec.name, "live"))
    for _, target in links_of(spec, row):
        if target not in store.identities:
            store.put(store.identities, target, Identity("", "foreign"))


def free(store: Store, spec: TypeSpec, row: RowMap) -> None:
    """Let go of the unique key that a row holds."""
    if row["unique_key"] is not None:
        store.drop(store.unique[spec.name], row["unique_key"])


def check_free(store: Store, spec: TypeSpec, before: Row, after: Row) -> None:
    """Raise DuplicateError where a row is to have a unique key that another one holds."""
    key = after[-2]
    if key is not None and key != before[-2] and store.unique[spec.name].get(key, after[0]) != after[0]:
        raise duplicate(spec, after)


def swap(store: Store, spec: TypeSpec, before: Row, after: Row, change: Change) -> bool:
    """Put a row in the place of ``before``, if that is still the stored revision; return whether it is."""
    stored = still(store, spec, before)
    if stored is None:
        return False
    free(store, spec, stored)
    keep(store, spec, {**stored, **mapping(spec, after)})
    record(store, change)
    return True


def remove(store: Store, spec: TypeSpec, row: RowMap) -> None:
    """Take a row away; its id stays, deleted."""
    free(store, spec, row)
    store.drop(store.rows[spec.name], row["id"])
    store.put(store.identities, row["id"], Identity(spec.name, "deleted"))


def record(store: Store, change: Change) -> None:
    """Add a change to the transaction that is under way."""
    store.put(store.changes, len(store.changes) + 1, (store.under_way.get("commit"), change))

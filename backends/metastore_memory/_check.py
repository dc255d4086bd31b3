"""The self-audit: everything derived is made again from the rows and compared."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from metastore._version import sort_key
from metastore.backend import Identity, TypeSpec, fold
from metastore_memory._answers import links_of
from metastore_memory._store import Store
from metastore_memory._values import RowMap

__all__ = ["disagreements"]


def disagreements(store: Store) -> Iterator[str]:
    """Yield a sentence per disagreement."""
    for name, rows in sorted(store.rows.items()):
        spec = store.specs[name][-1].spec
        for id, row in rows.items():
            yield from _of_row(store, spec, id, row)
        keys = {row["unique_key"]: id for id, row in rows.items() if row["unique_key"] is not None}
        if keys != store.unique[name]:
            yield f"The unique keys of type {name!r} are not those of its rows"
    yield from _without_rows(store)


def _of_row(store: Store, spec: TypeSpec, id: bytes, row: RowMap) -> Iterator[str]:
    label = f"{spec.name} {UUID(bytes=id)}"
    if row["id"] != id:
        yield f"The row of {label} carries another id, {row['id'].hex()}"
    if store.identities.get(id) != Identity(spec.name, "live"):
        yield f"The row of {label} is there, but its identity is {store.identities.get(id)}"
    for field, target in links_of(spec, row):
        if target not in store.identities:
            yield f"The {field} of {label} links to {UUID(bytes=target)}, which has no identity"
    for field in (each.name for each in spec.fields if each.folded):
        text = row[field]
        if row[f"{field}__folded"] != (None if text is None else fold(text)):
            yield f"The folded {field} of {label} is not that of its text"
    for each in spec.fields:
        value = row.get(each.name)
        if each.kind == "version" and row.get(f"{each.name}__key") != (
            None if value is None else sort_key(value, each.scheme)
        ):
            yield f"The sort key of {each.name} of {label} is not that of its version"


def _without_rows(store: Store) -> Iterator[str]:
    for id, known in store.identities.items():
        if known.state == "live" and id not in store.rows.get(known.type, {}):
            yield f"The identity {UUID(bytes=id)} is live, but type {known.type!r} has no row of it"

"""Migration: every row of a type read by its old spec, changed, and written by the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from metastore._artifact import spec_of
from metastore._codec import Codec
from metastore._dynamic import make_type
from metastore._exchange import dumped, loaded
from metastore._lookups import urls_of
from metastore._types import Types
from metastore.backend import Backend, Row, StoredSpec
from metastore.errors import UnknownTypeError
from metastore.query import Order, Path, Position, Query

__all__ = ["migrated"]


def migrated(
    backend: Backend,
    types: Types,
    cls: Any,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    admit: Callable[[set[str]], None],
) -> int:
    """Rebuild a type's rows by the spec that ``cls`` declares; the caller holds the transaction, and ``admit`` what is referred to anew."""
    spec = spec_of(cls)
    known = backend.specs(spec.name)
    if not known:
        raise UnknownTypeError(f"the catalogue holds no type {spec.name!r}, so there is nothing to migrate")
    old = Codec(make_type(known[-1].spec, types.cls), known[-1].spec)
    new = Codec(cls, spec)
    referred: set[str] = set()
    rows: list[Row] = []
    for row in _every(backend, old):
        referred.update(urls_of(old.spec, row))
        rows.append(_row(new, change(dumped(old, row))))
    admit({url for row in rows for url in urls_of(spec, row)} - referred)
    backend.rebuild(spec, len(known) + 1, rows)
    types.replace(cls, StoredSpec(len(known) + 1, spec, breaking=True))
    return len(rows)


def _row(codec: Codec, record: dict[str, Any]) -> Row:
    return loaded(codec, {**record, "type": codec.spec.name, "revision": record["revision"] + 1})


def _every(backend: Backend, codec: Codec) -> Iterator[Row]:
    after: Position | None = None
    while rows := backend.select(
        codec.spec, Query(codec.spec.name, order=(Order(Path("id", kind="id")),), limit=1000, after=after)
    ):
        yield from rows
        after = Position((rows[-1][0],), rows[-1][0])

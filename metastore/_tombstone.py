"""Tombstones: what the history still says of an artifact that was deleted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from metastore._codec import Codec
from metastore._data import Data
from metastore._dynamic import make_type
from metastore._json import decode
from metastore._values import instant
from metastore._version import Version

if TYPE_CHECKING:
    from metastore._access import Access
    from metastore._schema import FieldSpec, TypeSpec
    from metastore._types import Types
    from metastore.backend import Backend, Change

__all__ = ["Tombstone", "tombstone_of"]


class Tombstone(Data):
    """What is known of a deleted artifact: what it last was, who deleted it and when (UTC), and what the transaction said.

    ``None`` stands for what it had not, and for what the caller may not read; who deleted it and the message are for its
    owner's project only.
    """

    id: UUID
    type: str
    name: str | None
    version: Version | None
    owner: str | None
    time: datetime
    actor: str | None
    message: str | None


def tombstone_of(backend: Backend, types: Types, access: Access | None, ident: UUID) -> Tombstone | None:
    """Return the tombstone of an id; nothing where it has none, or the caller would not have seen what went."""
    told, known = backend.deleted(ident.bytes), backend.identify([ident.bytes]).get(ident.bytes)
    if told is None or known is None:
        return None
    commit, change = told
    spec, was = _as_it_was(backend, types, known.type, change)
    if access is not None and not access.saw(spec, was):
        return None
    name, version, owner = (
        was.get(each) if access is None or access.may("read", "fields", each) else None
        for each in ("name", "version", "owner")
    )
    own = access is None or access.admin or was["owner"] == access.caller.project
    said = (commit.actor, commit.message) if own else (None, None)
    return Tombstone(ident, known.type, name, version, owner, instant(commit.time), *said)


def _as_it_was(backend: Backend, types: Types, name: str, change: Change) -> tuple[TypeSpec, dict[str, Any]]:
    """The values of the row that went, read by the spec that it was stored by: its type may have changed since."""
    spec = next(each.spec for each in backend.specs(name) if each.number == change.spec)
    plain = decode(change.before or "{}")
    row = [_plain(each, plain[each.name]) for each in spec.fields]
    return spec, Codec(make_type(spec, types.cls), spec).decode(row).__dict__


def _plain(spec: FieldSpec, value: Any) -> Any:
    return bytes.fromhex(value) if value is not None and spec.storage == "bytes" else value

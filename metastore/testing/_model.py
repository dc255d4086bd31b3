"""The world of the examiner: artifacts as Python values, and the rows a backend is given for them.

A *thing* is one artifact, its values decoded: a datetime is a `datetime`, a list a list, a
link 16 bytes. The oracle reads things; rows are made here and only go to a backend.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any, Literal
from uuid import UUID, uuid4

from attrs import field, frozen

from metastore._artifact import Artifact
from metastore._data import evolve
from metastore._version import default, sort_key
from metastore.backend import Backend, Change, Commit, FieldSpec, Row, TypeSpec, fold, spec_to_json

__all__ = [
    "EPOCH",
    "SYSTEM",
    "Thing",
    "World",
    "change",
    "commit",
    "delete",
    "insert",
    "micros",
    "new_id",
    "plain",
    "replace",
    "row",
    "thing",
    "type_spec",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SYSTEM: tuple[FieldSpec, ...] = tuple(each.spec for each in Artifact.__fields_by_name__.values())

_defaults: dict[str, Any] = {
    "version": "0.0.0",
    "status": "drafted",
    "visibility": "private",
    "hidden": False,
    "protected": False,
    "tags": [],
    "properties": {},
    "created_at": EPOCH,
    "updated_at": EPOCH,
    "revision": 1,
    "name": "thing",
}


@frozen(eq=False, repr=False)
class Thing:
    """One artifact: its type's spec, and its values by field name (absent is ``None``)."""

    spec: TypeSpec
    values: Mapping[str, Any]
    unique_key: bytes | None = None

    @property
    def id(self) -> bytes:
        """Its identity."""
        found: bytes = self.values["id"]
        return found

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __repr__(self) -> str:
        told = {name: value for name, value in self.values.items() if value != _defaults.get(name)}
        return f"{self.spec.name}({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    def but(self, **changes: Any) -> Thing:
        """Return the next revision of it, with other values."""
        values = {**self.values, "revision": self["revision"] + 1, **changes}
        return Thing(self.spec, values, changes.pop("unique_key", self.unique_key))


@frozen(eq=False, repr=False)
class World:
    """What a catalogue should hold: the specs by type name, the live things by id."""

    specs: dict[str, TypeSpec]
    things: dict[bytes, Thing] = field(factory=dict)

    def of(self, type_name: str) -> Iterator[Thing]:
        """Yield the things of one type."""
        return (each for each in self.things.values() if each.spec.name == type_name)

    def __repr__(self) -> str:
        system = {each.name for each in SYSTEM}
        own = {
            name: [spec_to_json(each) for each in spec.fields if each.name not in system]
            for name, spec in self.specs.items()
        }
        return f"World({own}, {list(self.things.values())})"


def new_id() -> bytes:
    """Return an id that nobody has."""
    return uuid4().bytes


def type_spec(name: str, *own: FieldSpec, scheme: str = "semver") -> TypeSpec:
    """Return a type with the system fields and its own."""
    system = tuple(_versioned(each, scheme) if each.name == "version" else each for each in SYSTEM)
    return TypeSpec(name=name, fields=(*system, *own))


def _versioned(version: FieldSpec, scheme: str) -> FieldSpec:
    return evolve(version, scheme=scheme, required=False, default=default(scheme))


def thing(spec: TypeSpec, *, unique_key: bytes | None = None, **values: Any) -> Thing:
    """Return a new artifact of that type; what is not given is a default, or absent."""
    whole = {each.name: _defaults.get(each.name) for each in spec.fields}
    return Thing(spec, whole | {"id": new_id()} | values, unique_key)


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 UTC."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _inner(spec: FieldSpec | None, value: Any) -> Any:
    """Return how a value stands inside JSON."""
    if spec is None or value is None:
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    if spec.kind in ("link", "id"):
        return str(UUID(bytes=value))
    if isinstance(value, list):
        return [_inner(spec.item, each) for each in value]
    if isinstance(value, dict) and spec.kind == "object":
        return {each.name: _inner(each, value[each.name]) for each in spec.fields}
    return {key: _inner(spec.item, each) for key, each in value.items()} if isinstance(value, dict) else value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plain(spec: FieldSpec, value: Any) -> Any:
    """Return how a row holds the value of a field."""
    if value is None:
        return _canonical(None) if spec.kind == "json" and not spec.optional else None
    if spec.kind == "datetime":
        return micros(value)
    if spec.kind in ("list", "dict", "object", "json", "blob", "folder"):
        return _canonical(_inner(spec, value))
    return int(value) if spec.kind == "bool" else value


def row(each: Thing) -> Row:
    """Return the row of an artifact, derived columns and all."""
    spec = each.spec
    found = {name.name: plain(name, each[name.name]) for name in spec.fields}
    for name in spec.fields:
        if name.kind == "version":
            text = found[name.name]
            found[f"{name.name}__key"] = None if text is None else sort_key(text, name.scheme)
        if name.folded:
            found[f"{name.name}__folded"] = None if found[name.name] is None else fold(found[name.name])
    found["unique_key"] = each.unique_key
    found["digest"] = _digest(spec, found)
    return tuple(found[column.name] for column in spec.columns)


_NOT_CONTENT = ("created_at", "updated_at", "revision")


def _digest(spec: TypeSpec, found: dict[str, Any]) -> bytes:
    names = [each.name for each in spec.fields if each.name not in _NOT_CONTENT and found[each.name] is not None]
    return sha256(_canonical([spec.name, {name: _hexed(found[name]) for name in names}]).encode()).digest()


def _hexed(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _json_of(spec: TypeSpec, values: Row, only: Iterable[str] | None = None) -> str:
    names = [column.name for column in spec.columns if not column.derived]
    return _canonical({name: _hexed(values[spec.position[name]]) for name in names if only is None or name in only})


def change(kind: Literal["add", "update", "delete"], before: Thing | None, after: Thing | None) -> Change:
    """Return the history's part of one write, complete as the contract says."""
    subject = after or before
    assert subject is not None
    spec, old, new = subject.spec, row(before) if before else None, row(after) if after else None
    fresh, last = (new or old or (b"",))[-1], (old or (b"",))[-1]
    if kind == "add" or old is None:
        return Change("add", subject.id, subject["revision"], 1, fresh)
    if new is None:
        return Change("delete", subject.id, subject["revision"] + 1, 1, fresh, last, before=_json_of(spec, old))
    differ = {
        column.name for column in spec.columns if old[spec.position[column.name]] != new[spec.position[column.name]]
    }
    whole = _json_of(spec, new) if subject["revision"] % 16 == 0 else None
    return Change(
        "update",
        subject.id,
        subject["revision"],
        1,
        fresh,
        last,
        _json_of(spec, old, differ),
        _json_of(spec, new, differ),
        whole,
    )


_serial = count()


def commit(**words: Any) -> Commit:
    """Return a new transaction of the history; its id is a UUIDv7."""
    stamp = time.time_ns() // 1_000_000
    tail = uuid4().bytes
    made = stamp.to_bytes(6, "big") + bytes([0x70 | tail[6] & 0x0F]) + tail[7:]
    return Commit(**{"id": made, "time": time.time_ns() // 1000 + next(_serial), **words})


def insert(backend: Backend, *things: Thing) -> None:
    """Add artifacts, of any types, in one transaction."""
    with backend.transaction():
        backend.stamp(commit())
        for name in dict.fromkeys(each.spec.name for each in things):
            some = [each for each in things if each.spec.name == name]
            backend.insert(some[0].spec, [(row(each), change("add", None, each)) for each in some])


def replace(backend: Backend, before: Thing, after: Thing) -> bool:
    """Change an artifact in a transaction of its own; return whether it was the one expected."""
    with backend.transaction():
        backend.stamp(commit())
        return not backend.replace(after.spec, [(row(before), row(after), change("update", before, after))])


def delete(backend: Backend, before: Thing) -> bool:
    """Delete an artifact in a transaction of its own; return whether it was the one expected."""
    with backend.transaction():
        backend.stamp(commit())
        return backend.delete(before.spec, row(before), change("delete", before, None))

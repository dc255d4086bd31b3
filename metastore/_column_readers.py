"""From a stored column to the Python value of a field: one function per column, chosen once per class and spec."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, get_args
from uuid import UUID

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._ids import read_id
from metastore._json import decode
from metastore._link import Link
from metastore._schema import FieldSpec, TypeSpec
from metastore._values import EPOCH
from metastore._version import Version

__all__ = ["Resolve", "column_reader", "column_readers"]

Resolve = Callable[[str, UUID], bool]
"""Tells whether an id is that of an artifact of a type (empty: of any) that the reader can get."""

_new = object.__new__
_put_target, _put_leads = Link.__dict__["id"].__set__, Link.__dict__["_leads"].__set__


def column_readers(
    cls: type[Record], spec: TypeSpec, resolve: Resolve | None, without: Collection[str]
) -> Iterator[tuple[int, Callable[[Any], Any]]]:
    """Yield the place of each column whose value is not what is stored, and what makes it; none of ``without``."""
    for each in spec.fields:
        if each.name in cls.__fields_by_name__ and each.name not in without:
            read = column_reader(cls, each, resolve)
            if read is not _same:
                yield spec.position[each.name], read


def _same(value: Any) -> Any:
    return value


def _instant(count: int) -> Any:
    return EPOCH + timedelta(0, 0, count)


def _link_reader(spec: FieldSpec, resolve: Resolve | None) -> Callable[[Any], Any]:
    target = spec.links.target  # type: ignore[union-attr]  # asked of links only
    leads = None if resolve is None else partial(resolve, target)

    def link(ident: bytes) -> Link[Any]:
        found = _new(Link)
        _put_target(found, read_id(ident))
        _put_leads(found, leads)
        return found

    if spec.kind == "link":
        return link
    return lambda text: [link(bytes.fromhex(each.replace("-", ""))) for each in decode(text)]


def _folder(text: str) -> dict[str, Blob]:
    blobs = decode(text)
    for name, plain in blobs.items():
        blobs[name] = Blob.from_plain(plain)
    return blobs  # type: ignore[no-any-return]


_READERS: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "id": read_id,
    "datetime": _instant,
    "blob": Blob.from_plain,
    "folder": _folder,
    "json": decode,
}


def _member_reader(cls: type[Enum]) -> Callable[[Any], Any]:
    """Return what makes a member of a value; one that has none here, as a newer program added it, stays as it is stored."""
    members = {each.value: each for each in cls}
    known = members.get

    def member(value: Any) -> Any:
        found = known(value)
        return _without_member(cls, value) if found is None else found

    return member


def _without_member(cls: type[Enum], value: Any) -> Any:
    try:
        return cls(value)  # its _missing_ may know
    except ValueError:
        return value


def column_reader(cls: type[Record], spec: FieldSpec, resolve: Resolve | None) -> Callable[[Any], Any]:
    """Return what makes the Python value of one stored column, which is not ``None``; links it makes ask ``resolve`` where they lead."""
    if spec.links is not None:
        return _link_reader(spec, resolve)
    declared = cls.__fields_by_name__.get(spec.name)
    hint = _without_none(declared.hint) if declared is not None else None
    if spec.kind in ("list", "dict", "object"):
        return _structured(hint, spec)
    if spec.kind == "version":
        return lambda text: Version.trusted(text, spec.scheme)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member_reader(hint)
    return _READERS.get(spec.kind, _same)


def _without_none(hint: Any) -> Any:
    parts = [part for part in get_args(hint) if part is not type(None)]
    return parts[0] if type(None) in get_args(hint) and len(parts) == 1 else hint


def _structured(hint: Any, spec: FieldSpec) -> Callable[[Any], Any]:
    if hint is None or _all_plain(spec):
        return decode
    from metastore._nested import reader  # cattrs, at first use

    return reader(hint)


def _all_plain(spec: FieldSpec) -> bool:
    item = spec.item
    return (
        item is not None
        and not item.choices
        and (item.kind in ("str", "int", "bool", "float", "json") or (item.item is not None and _all_plain(item)))
    )

"""Copies within the cluster; those of large objects are large objects with segments of their own."""

from __future__ import annotations

import base64
import errno
from typing import Any

from metastore_swift._entries import Entry
from metastore_swift._headers import stored_with
from metastore_swift._names import joined, split
from metastore_swift._objects import Objects
from metastore_swift._parts import Parts
from metastore_swift._reading import Reading

__all__ = ["copied"]


def copied(objects: Objects, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Copy an object, with type, metadata and expiry. The copy of a large one shares nothing with it: either may go; onto itself nothing is copied.

    Raises: FileNotFoundError.
    """
    entry = objects.head(*source)
    if source == target:
        return
    if entry["kind"] == "object":
        objects.copy(source, target)
        return
    parts = Parts(objects, *target, _kept(entry))
    try:
        size = _copy_segments(objects, parts, source, entry["kind"])
        if size != entry["size"]:
            said = f"The large object has {entry['size']} bytes, and its segments hold {size}"
            raise OSError(errno.EIO, said, joined(*source))
    except BaseException:
        parts.discard()
        raise
    parts.publish(create=False)


def _kept(entry: Entry) -> dict[str, str]:
    return stored_with(entry["content_type"], entry["metadata"], delete_at=entry["delete_at"])


def _copy_segments(objects: Objects, parts: Parts, source: tuple[str, str], kind: str) -> int:
    """Copy what a large object consists of, large segments segment by segment; return the number of bytes."""
    size = 0
    for row in objects.manifest(*source) if kind == "slo" else objects.segments(*source):
        if "data" in row:
            data = base64.b64decode(row["data"])
            parts.add(data)
            size += len(data)
        else:
            place = (row["container"], row["name"]) if "container" in row else split(row["name"])
            size += _copy_segment(objects, parts, place, row)
    return size


def _copy_segment(objects: Objects, parts: Parts, place: tuple[str, str], row: dict[str, Any]) -> int:
    if "range" in row:
        first, _, last = row["range"].partition("-")
        return _carried(objects, parts, place, int(first), int(last) + 1)
    if row.get("sub_slo") or "slo_etag" in row:
        return _copy_segments(objects, parts, place, "slo")
    parts.add_copy(place, row["hash"], row["bytes"])
    return int(row["bytes"])


def _carried(objects: Objects, parts: Parts, place: tuple[str, str], start: int, stop: int) -> int:
    """Copy a part of a segment by way of this machine: Swift's own copies are of whole objects."""
    step = objects.account.settings.block_size
    for at in range(start, stop, step):
        with Reading(objects.account, *place, at, min(at + step, stop)) as reading:
            parts.add(reading.read_all())
    return stop - start

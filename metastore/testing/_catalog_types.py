"""Types for the exam of the face: a field of every kind, and values that none of them takes."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from attrs import frozen

from metastore._artifact import Artifact, Field, Record, field
from metastore._blob import Blob
from metastore._link import Link

__all__ = ["NAN", "SHA", "WRONG", "Disk", "Firmware", "Hardware", "Image", "Note", "a_disk", "a_note", "deep", "image"]


NAN = float("nan")
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Firmware(enum.Enum):
    """Of a machine."""

    BIOS = "bios"
    UEFI = "uefi"


@frozen
class Hardware:
    """What an image needs."""

    cores: int
    note: str | None = None


class Disk(Artifact, type_name="exam_disks"):
    """Something to link to."""


class Image(Artifact, type_name="exam_images"):
    """A field of every kind."""

    size: Field[int] = field(default=0, ge=0, index=True)
    arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64", index=True)
    firmware: Field[Firmware | None] = field(default=None)
    ratio: Field[float | None] = field(default=None)
    ready: Field[bool] = field(default=False)
    built: Field[datetime | None] = field(default=None)
    label: Field[str | None] = field(default=None, max_length=32, pattern="[a-z]*")
    hardware: Field[Hardware | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None, max_size=10**9)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link[Image] | None] = field(default=None)
    disks: Field[list[Link[Disk]]] = field(factory=list)
    limits: Field[dict[str, int]] = field(factory=dict, allowed_keys=("cpu", "ram"))


class Note(Record, type_name="exam_notes"):
    """A record without a name, and without a unique scope."""

    text: Field[str] = field(default="", search=1)


def image(**values: Any) -> Image:
    """Return an image that is not stored; its name is ``base`` unless given."""
    return Image(**{"name": "base", **values})


def a_disk(name: str) -> Disk:
    """Return a disk that is not stored."""
    return Disk(name=name, version="0.0.0")


def a_note(text: str = "") -> Note:
    """Return a note that is not stored."""
    return Note(text=text, version="0.0.0")


WRONG: dict[str, dict[str, Any]] = {
    "a text for an int": {"size": "1"},
    "a bool for an int": {"size": True},
    "an int for a bool": {"ready": 1},
    "a number below its bound": {"size": -1},
    "an int beyond 64 bits": {"size": 2**63},
    "a huge int": {"size": 10**400},
    "not a number": {"ratio": float("nan")},
    "infinity": {"ratio": float("inf")},
    "no choice": {"arch": "z80"},
    "a text that its pattern refuses": {"label": "A"},
    "a text too long": {"label": "a" * 33},
    "a name too long": {"name": "n" * 256},
    "an empty name": {"name": ""},
    "a naive moment": {"built": datetime(2024, 1, 1)},  # noqa: DTZ001 - that is what is refused
    "a text for a moment": {"built": "2024-01-01T00:00:00Z"},
    "a lone surrogate": {"description": "\ud800"},
    "a NUL": {"description": "a\0b"},
    "a NUL in a key": {"properties": {"a\0": 1}},
    "a surrogate in a tag": {"tags": ["\udfff"]},
    "a tag twice": {"tags": ["a", "a"]},
    "a set among properties": {"properties": {"a": {1}}},
    "a key that is no text": {"properties": {1: 1}},
    "infinity among properties": {"properties": {"a": [float("inf")]}},
    "an int beyond 64 bits among properties": {"properties": {"a": 2**64}},
    "a key that is not allowed": {"limits": {"gpu": 1}},
    "a blob too large": {"disk": Blob(size=10**9 + 1)},
    "a text for a blob": {"disk": "s3://a/b"},
    "an id for a link": {"parent": uuid4()},
    "an unknown visibility": {"visibility": "secret"},
    "an empty owner": {"owner": ""},
}


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if depth % 2 else [value]
    return value

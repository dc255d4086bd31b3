"""Make the database file of the current schema revision: ``python tests/assets/make.py tests/assets/revision-1.db``.

Run once per released revision, then never again: the file is the old wound that test_revisions.py keeps open.
It holds every kind of field, links (also to what is deleted, and to what never was), tags, look-ups, history with a checkpoint,
deleted artifacts, and a type that was widened and one that was migrated.
"""

import sqlite3
import sys
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import attrs

from metastore import Artifact, Blob, Catalog, Field, Link, Location, Record, Version, field


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Place:
    room: str
    shelf: int = 0


class Thing(Artifact, type_name="things"):
    """One field of every kind, each with and without None."""

    flag: Field[bool] = field(default=False)
    count: Field[int] = field(default=0, index=True, ge=-(2**63))
    weight: Field[float] = field(default=0.5, unit="kg")
    title: Field[str] = field(default="", max_length=80, index=True, folded=True, search=3)
    at: Field[datetime | None] = field(default=None, index=True)
    needs: Field[Version | None] = field(default=None, scheme="debian", index=True)
    file: Field[Blob | None] = field(default=None)
    files: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link["Thing"] | None] = field(default=None)
    others: Field[list[Link["Thing"]]] = field(factory=list)
    labels: Field[list[str]] = field(factory=list, index=True, unique_items=True)
    numbers: Field[list[float]] = field(factory=list)
    facts: Field[dict[str, int]] = field(factory=dict)
    colour: Field[Colour] = field(default=Colour.RED)
    arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64")
    place: Field[Place | None] = field(default=None)
    places: Field[list[Place]] = field(factory=list)


class Bare(Record, type_name="bare", scheme="opaque", unique=()):
    """A type without a name, whose artifacts need not be unique."""

    data: Field[dict[str, Any]] = field(factory=dict)


class OldTool(Artifact, type_name="tools", scheme="pep440"):
    size: Field[int] = field()


class Tool(Artifact, type_name="tools", scheme="pep440"):
    size: Field[int] = field()
    note: Field[str | None] = field(default=None, search=1)


class OldJob(Artifact, type_name="jobs"):
    seconds: Field[int] = field()


class Job(Artifact, type_name="jobs"):
    minutes: Field[float] = field()


NEVER_WAS = UUID("00000000-0000-4000-8000-000000000001")


def rich(parent: Thing, gone: UUID) -> Thing:
    """Return a thing of which every field says something."""
    return Thing(
        id="018f0000-0000-7000-8000-000000000002", name="rich", version="1.2.3-rc.1+b5", owner="o", visibility="public",
        description="Größe, 大きさ, 🚀", tags=["lts", "ﬁn"], properties={"a.b": 1, "c/d": {"e~f": [True, None, 1.5]}, "": "empty"},
        flag=True, count=-(2**63), weight=1e-300, title="Straße NACH Süden", at=datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC), needs=Version("1:2.3~rc1-4", scheme="debian"),
        file=Blob(size=5, media_type="text/plain", digests={"md5": "00" * 16, "sha256": "ab" * 32}, locations=(Location("s3://b/1"), Location("file:///b/2"))),
        files={"a b": Blob("s3://b/3"), "ü/..": Blob(sha256="cd" * 32)}, parent=Link(parent), others=[Link(parent), Link(gone), Link(NEVER_WAS)],
        labels=["x", "y"], numbers=[1.0, -0.5], facts={"k": 2**63 - 1}, colour=Colour.BLUE, arch="aarch64", place=Place("r", 3), places=[Place("x"), Place("y", 1)],
    )  # fmt: skip


def fill(catalog: Catalog) -> None:
    """Write through every kind of change."""
    base = catalog.add(Thing(id="018f0000-0000-7000-8000-000000000001", name="base", version="0.1.0"))
    gone = catalog.add(Thing(name="gone", tags=["lts"], title="was here"))
    with catalog.transaction(message="two at once", actor="someone"):
        catalog.add(rich(base, gone.id))
        catalog.add(Bare(version="any text", data={"deep": {"list": [1, {"x": None}]}}))
    catalog.delete(gone)
    for count in range(17):
        base = catalog.update(base, count=count, title=f"turn {count}")
    catalog.add_many(Tool(name=f"tool{at}", version=f"1.{at}rc1", size=at, note="a note") for at in range(5))
    catalog.migrate(
        Job,
        lambda record: {
            **{name: each for name, each in record.items() if name != "seconds"},
            "minutes": record["seconds"] / 60,
        },
    )


def make(path: Path) -> None:
    with Catalog.open(str(path), types=[OldTool, OldJob], actor="maker") as catalog:
        catalog.add(OldTool(name="older", version="0.9", size=9))
        catalog.add_many(OldJob(name=name, seconds=90) for name in "ab")
    with Catalog.open(str(path), types=[Thing, Bare, Tool], actor="maker") as catalog:
        fill(catalog)
        faults = catalog.check()
    if faults:
        raise SystemExit("\n".join(faults))
    compact(path)


def compact(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "journal_mode = DELETE",
        "page_size = 1024",
    ):  # most tables are all but empty: a quarter of the size
        connection.execute(f"PRAGMA {statement}")
    connection.execute("VACUUM")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    for beside in ("-wal", "-shm", "-lock"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))

"""What users would take instead: sqlite-utils tables and the SQLAlchemy ORM: `python -m benchmarks.peers`.

Both as their documentation shows, with WAL and synchronous=FULL as everyone here; plain, equal and metastore run in the
same rounds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, create_engine, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlite_utils import Database
from sqlite_utils.db import NotFoundError

from benchmarks import baseline, environment, report
from benchmarks.baseline import Row, uuid7, version_key
from benchmarks.harness import Bench, compare
from benchmarks.run import CONTENDERS, factory
from benchmarks.workload import INDEXED, LIMIT, BlobData, Item, Workload

OPERATIONS = ("get", "by_name", "latest", "filter", "tag", "count", "create", "add_many", "update", "delete")
PLAIN = ("name", "version", "owner", "description", *INDEXED)


class Tables:
    """sqlite-utils: one table with JSON columns, a tag table, indexes; `BEGIN IMMEDIATE`, as its `atomic()` is deferred."""

    name = "sqlite-utils"

    def __init__(self, directory: Path) -> None:
        self.db = Database(directory / "sqlite-utils.db")
        self.db.enable_wal()
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("PRAGMA cache_size=-65536")
        if "images" not in self.db.table_names():
            self._make()

    def _make(self) -> None:
        texts = dict.fromkeys(
            ("id", "name", "version", "version_key", "owner", "description", "os_distro", "arch"), str
        )
        rest = {"min_ram": int, "size": int, "score": float, "tags": str, "blobs": str, "parent": str, "revision": int}
        images = self.db.table("images").create(texts | rest, pk="id")
        for columns in (["name", "version_key"], *([field] for field in INDEXED)):
            images.create_index(columns)
        self.db.table("tags").create({"tag": str, "id": str}, pk=("tag", "id"))

    def key(self, ident: UUID) -> str:
        """Return an id as it stands in the table."""
        return str(ident)

    def ident(self, row: Row) -> UUID:
        """Return the id of a row."""
        return UUID(row["id"])

    def revision(self, row: Row) -> int:
        """Return the revision of a row."""
        return int(row["revision"])

    def item(self, row: Row) -> Item:
        """Return the generated item that a row stands for."""
        blobs = tuple(BlobData(**blob) for blob in row["blobs"])
        parent = row["parent"] and UUID(row["parent"])
        known = {key: row[key] for key in PLAIN}
        return Item(id=UUID(row["id"]), tags=tuple(row["tags"]), blobs=blobs, parent=parent, **known)

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue."""
        self.add_many(items)
        self.db.execute("ANALYZE")

    def get(self, key: str) -> Row:
        """Return a row by id."""
        try:
            return _parsed(self.db.table("images").get(key))
        except NotFoundError:
            raise LookupError(key) from None

    def by_name(self, name: str, version: str) -> Row:
        """Return a row by name and version."""
        return self._rows("name = ? AND version_key = ?", [name, version_key(version)])[0]

    def latest(self, name: str) -> Row:
        """Return the highest version of a name."""
        return self._rows("name = ?", [name], order_by="version_key DESC", limit=1)[0]

    def filter(self, os_distro: str, min_ram: int) -> list[Row]:
        """Return the smallest 100 of a two-field filter."""
        return self._rows("os_distro = ? AND min_ram <= ?", [os_distro, min_ram], order_by="size, id", limit=LIMIT)

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        return self.db.table("images").count_where("os_distro = ? AND min_ram <= ?", [os_distro, min_ram])

    def tag(self, tag: str) -> list[Row]:
        """Return the first 100 with a tag."""
        sql = f"SELECT images.* FROM tags JOIN images USING (id) WHERE tag = ? ORDER BY tags.id LIMIT {LIMIT}"
        return list(map(_parsed, self.db.query(sql, [tag])))

    def _rows(self, where: str, bindings: list[Any], **options: Any) -> list[Row]:
        return list(map(_parsed, self.db.table("images").rows_where(where, bindings, **options)))

    def create(self, item: Item) -> Row:
        """Add one in a transaction of its own."""
        row = _row(item)
        with baseline.writing(self.db.conn):
            self._insert([row])
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        with baseline.writing(self.db.conn):
            return sum(self._insert(list(map(_row, chunk))) for chunk in baseline.chunks(items))

    def _insert(self, rows: list[Row]) -> int:
        self.db.table("images").insert_all(rows, pk="id")
        self.db.table("tags").insert_all(
            ({"tag": tag, "id": row["id"]} for row in rows for tag in row["tags"]), pk=("tag", "id")
        )
        return len(rows)

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field; sqlite-utils has no compare-and-set, so the revision is read first."""
        with baseline.writing(self.db.conn):
            images, changed = self.db.table("images"), {"min_ram": min_ram, "revision": row["revision"] + 1}
            if images.get(row["id"])["revision"] != row["revision"]:
                raise LookupError(row["id"])
            images.update(row["id"], changed)
        return row | changed

    def delete(self, row: Row) -> None:
        """Remove a row."""
        with baseline.writing(self.db.conn):
            self.db.table("images").delete(row["id"])
            self.db.table("tags").delete_where("id = ?", [row["id"]])

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def _row(item: Item) -> Row:
    row = asdict(item) | {"id": str(item.id or uuid7()), "parent": item.parent and str(item.parent)}
    return row | {"version_key": version_key(item.version), "tags": list(item.tags), "revision": 1}


def _parsed(row: Row) -> Row:
    return row | {"tags": json.loads(row["tags"]), "blobs": json.loads(row["blobs"])}


class Base(DeclarativeBase):
    """Registry of the mapped classes."""


class ImageRow(Base):
    """An image: tags and blobs are rows of their own, loaded with it."""

    __tablename__ = "images"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    version_key: Mapped[str]
    owner: Mapped[str]
    description: Mapped[str]
    os_distro: Mapped[str] = mapped_column(index=True)
    arch: Mapped[str] = mapped_column(index=True)
    min_ram: Mapped[int] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(index=True)
    score: Mapped[float] = mapped_column(index=True)
    parent: Mapped[str | None]
    revision: Mapped[int] = mapped_column(default=1)
    tags: Mapped[list[TagRow]] = relationship(lazy="selectin", cascade="all, delete-orphan", order_by="TagRow.tag")
    blobs: Mapped[list[BlobRow]] = relationship(lazy="selectin", cascade="all, delete-orphan", order_by="BlobRow.n")
    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012  # as SQLAlchemy declares it


class TagRow(Base):
    """A tag of an image."""

    __tablename__ = "tags"

    tag: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(ForeignKey("images.id"), primary_key=True, index=True)


class BlobRow(Base):
    """A blob of an image."""

    __tablename__ = "blobs"

    image: Mapped[str] = mapped_column(ForeignKey("images.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    media_type: Mapped[str]


class Orm:
    """SQLAlchemy's ORM: a session per operation, the version column as compare-and-set."""

    name = "sqlalchemy"

    def __init__(self, directory: Path) -> None:
        self.engine = create_engine(f"sqlite:///{directory / 'sqlalchemy.db'}")
        event.listen(self.engine, "connect", _settings)
        Base.metadata.create_all(self.engine)

    def key(self, ident: UUID) -> str:
        """Return an id as it stands in the table."""
        return str(ident)

    def ident(self, row: ImageRow) -> UUID:
        """Return the id of an image."""
        return UUID(row.id)

    def revision(self, row: ImageRow) -> int:
        """Return the revision of an image."""
        return row.revision

    def item(self, row: ImageRow) -> Item:
        """Return the generated item that an image stands for."""
        blobs = tuple(BlobData(blob.url, blob.size, blob.sha256, blob.media_type) for blob in row.blobs)
        known: dict[str, Any] = {key: getattr(row, key) for key in PLAIN}
        parent = UUID(row.parent) if row.parent else None
        return Item(id=UUID(row.id), tags=tuple(tag.tag for tag in row.tags), blobs=blobs, parent=parent, **known)

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue."""
        self.add_many(items)

    def session(self) -> Session:
        """Return a session whose objects stay readable after it."""
        return Session(self.engine, expire_on_commit=False)

    def get(self, key: str) -> ImageRow:
        """Return an image by id."""
        with self.session() as session:
            found = session.get(ImageRow, key)
        if found is None:
            raise LookupError(key)
        return found

    def by_name(self, name: str, version: str) -> ImageRow:
        """Return an image by name and version."""
        return self._all(select(ImageRow).filter_by(name=name, version_key=version_key(version)))[0]

    def latest(self, name: str) -> ImageRow:
        """Return the highest version of a name."""
        return self._all(select(ImageRow).filter_by(name=name).order_by(ImageRow.version_key.desc()).limit(1))[0]

    def filter(self, os_distro: str, min_ram: int) -> list[ImageRow]:
        """Return the smallest 100 of a two-field filter."""
        wanted = select(ImageRow).where(ImageRow.os_distro == os_distro, ImageRow.min_ram <= min_ram)
        return self._all(wanted.order_by(ImageRow.size, ImageRow.id).limit(LIMIT))

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        counted = select(func.count()).select_from(ImageRow)
        with self.session() as session:
            return session.scalar(counted.where(ImageRow.os_distro == os_distro, ImageRow.min_ram <= min_ram)) or 0

    def tag(self, tag: str) -> list[ImageRow]:
        """Return the first 100 with a tag."""
        wanted = select(ImageRow).join(TagRow, TagRow.image == ImageRow.id).where(TagRow.tag == tag)
        return self._all(wanted.order_by(TagRow.image).limit(LIMIT))

    def _all(self, wanted: Any) -> list[ImageRow]:
        with self.session() as session:
            return list(session.scalars(wanted))

    def create(self, item: Item) -> ImageRow:
        """Add one in a transaction of its own."""
        with self.session() as session, session.begin():
            session.add(row := _mapped(item))
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        with self.session() as session, session.begin():
            return sum(self._flushed(session, chunk) for chunk in baseline.chunks(items))

    def _flushed(self, session: Session, chunk: list[Item]) -> int:
        session.add_all(map(_mapped, chunk))
        session.flush()
        session.expunge_all()
        return len(chunk)

    def update(self, row: ImageRow, min_ram: int) -> ImageRow:
        """Set one field, if nobody else changed the image."""
        with self.session() as session, session.begin():
            session.add(row)
            row.min_ram = min_ram
        return row

    def delete(self, row: ImageRow) -> None:
        """Delete an image."""
        with self.session() as session, session.begin():
            session.delete(row)

    def close(self) -> None:
        """Close the file."""
        self.engine.dispose()


def _settings(connection: Any, _: Any) -> None:
    for pragma in baseline.PRAGMAS:
        connection.execute(pragma).close()


def _mapped(item: Item) -> ImageRow:
    known = {key: getattr(item, key) for key in PLAIN}
    tags, blobs = [TagRow(tag=tag) for tag in item.tags], list(_blobs(item))
    ids = {"id": str(item.id or uuid7()), "parent": item.parent and str(item.parent)}
    return ImageRow(**ids, **known, version_key=version_key(item.version), tags=tags, blobs=blobs)


def _blobs(item: Item) -> Iterator[BlobRow]:
    return (BlobRow(n=n, **asdict(blob)) for n, blob in enumerate(item.blobs))


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--dir", type=Path, help="where the databases go (default: the temporary directory)")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds per operation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        result = measured(options, Path(name))
    report.write(
        result, markdown := report.page(result | {"bars": []}), report.RESULTS / f"peers-{options.n}-{result['medium']}"
    )
    print(markdown)


def measured(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Run all five contenders and return the result as data."""
    about = {"n": options.n} | environment.about(directory)
    factories: list[Any] = [*map(factory, CONTENDERS), Tables, Orm]
    bench = Bench(factories, Workload(options.n), directory, options.budget)
    return report.document(compare(bench, OPERATIONS), about | environment.load_after())


if __name__ == "__main__":
    main()

"""The contender *metastore*: the engine through its public face, whole typed objects in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID

from benchmarks.workload import INDEXED, LIMIT, BlobData, Item
from metastore import Artifact, Blob, Catalog, Field, Link, field, matches

Arch = Literal["x86_64", "aarch64", "ppc64le", "s390x"]


class Image(Artifact, type_name="images"):
    """A bootable disk image."""

    os_distro: Field[str] = field(index=True, max_length=64)
    arch: Field[Arch] = field(index=True)
    min_ram: Field[int] = field(default=0, ge=0, unit="MiB", mutable=True, index=True)
    size: Field[int] = field(ge=0, unit="bytes", index=True)
    score: Field[float] = field(index=True)
    disk: Field[Blob | None] = field(default=None, required_for="active")
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link[Image] | None] = field(default=None)


class Engine:
    """The catalogue in one SQLite file; `url` lets the same run another backend."""

    name = "metastore"

    def __init__(self, directory: Path, url: str | None = None) -> None:
        self.catalog = Catalog.open(url or f"sqlite:///{directory / 'metastore.db'}", types=[Image])

    def key(self, ident: UUID) -> UUID:
        """Return an id as the face takes it."""
        return ident

    def ident(self, row: Image) -> UUID:
        """Return the id of an image."""
        return row.id

    def revision(self, row: Image) -> int:
        """Return the revision of an image."""
        return row.revision

    def item(self, row: Image) -> Item:
        """Return the generated item that an image stands for."""
        known = {name: getattr(row, name) for name in ("id", "name", "owner", "description", *INDEXED)}
        blobs = tuple(map(_blob_data, [row.disk, *map(row.layers.__getitem__, sorted(row.layers))]))
        parent = row.parent.id if row.parent else None
        return Item(version=str(row.version), tags=tuple(row.tags), blobs=blobs, parent=parent, **known)

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue."""
        self.add_many(items)

    def get(self, key: UUID) -> Image:
        """Return an image by id."""
        return self.catalog.get(Image, key)

    def by_name(self, name: str, version: str) -> Image:
        """Return an image by name and version."""
        return self.catalog.get(Image, name=name, version=version)

    def latest(self, name: str) -> Image:
        """Return the highest version of a name."""
        return self.catalog.latest(Image, name=name)

    def filter(self, os_distro: str, min_ram: int) -> list[Image]:
        """Return the smallest 100 of a two-field filter."""
        wanted = (Image.os_distro == os_distro) & (Image.min_ram <= min_ram)
        return list(self.catalog.find(Image, wanted, order_by=[Image.size], limit=LIMIT))

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        return self.catalog.count(Image, (Image.os_distro == os_distro) & (Image.min_ram <= min_ram))

    def tag(self, tag: str) -> list[Image]:
        """Return the first 100 with a tag, in the default order."""
        return list(self.catalog.find(Image, Image.tags.contains(tag), limit=LIMIT))

    def text(self, query: str) -> list[Image]:
        """Return the best 100 of a search."""
        return list(self.catalog.find(Image, matches(query), limit=LIMIT))

    def traverse(self, key: UUID) -> list[UUID]:
        """Return the ids along three links, nearest first."""
        return [edge.target for edge in self.catalog.closure(key, 3)]

    def create(self, item: Item) -> Image:
        """Make an image and add it in a transaction of its own."""
        return self.catalog.add(image(item))

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction, as they come."""
        return self.catalog.add_many(map(image, items))

    def update(self, row: Image, min_ram: int) -> Image:
        """Set one field, if nobody else changed the image."""
        return self.catalog.update(row, min_ram=min_ram)

    def delete(self, row: Image) -> None:
        """Delete an image, if nobody else changed it."""
        self.catalog.delete(row)

    def close(self) -> None:
        """Close the catalogue."""
        self.catalog.close()


def image(item: Item) -> Image:
    """Return the image of an item: its first blob is the disk, the others are layers; only a given id is passed on."""
    disk, *layers = map(_blob, item.blobs)
    given: dict[str, Any] = {} if item.id is None else {"id": item.id}
    return Image(
        name=item.name, version=item.version, owner=item.owner, description=item.description, tags=list(item.tags),
        os_distro=item.os_distro, arch=cast("Arch", item.arch), min_ram=item.min_ram, size=item.size, score=item.score,
        disk=disk, layers=dict(_named(layers)), parent=None if item.parent is None else Link(item.parent), **given,
    )  # fmt: skip


def _named(layers: Iterable[Blob]) -> Iterator[tuple[str, Blob]]:
    return ((f"layer-{number}", layer) for number, layer in enumerate(layers))


def _blob(data: BlobData) -> Blob:
    return Blob(data.url, size=data.size, sha256=data.sha256, media_type=data.media_type)


def _blob_data(blob: Blob | None) -> BlobData:
    if blob is None or blob.url is None or blob.size is None or blob.media_type is None:
        raise ValueError(blob)
    return BlobData(blob.url, blob.size, blob.digests["sha256"], blob.media_type)

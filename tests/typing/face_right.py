"""Right lines: no checker may say a word about any of them."""

from datetime import UTC, datetime
from typing import assert_type
from uuid import UUID

from face_declared import Image

from metastore import Blob, Catalog, Link, Predicate, Version, absent, linked_from, matches, references

image = Image(name="debian", version="12.4.0", os_distro="debian", arch="x86_64", tags=["lts"], disk=Blob("s3://i/d"))
child = Image(name="child", os_distro="debian", arch="aarch64", parent=Link(image), layers={"base": Blob(size=1)})

assert_type(image.min_ram, int)
assert_type(image.name, str)
assert_type(image.tags, list[str])
assert_type(image.vendor, str | None)
assert_type(image.version, Version)
assert_type(image.disk, Blob | None)
assert_type(image.layers, dict[str, Blob])
assert_type(image.id, UUID)
assert_type(image.created_at, datetime)

predicates: list[Predicate] = [
    Image.min_ram <= 2048,
    Image.min_ram == 3,
    Image.min_ram.in_([1, 2]),
    Image.min_ram.between(1, 2),
    Image.os_distro != "debian",
    Image.os_distro.startswith("deb"),
    Image.os_distro.folded == "debian",
    Image.os_distro.contains("bia"),
    Image.arch == "x86_64",
    Image.tags.contains("lts"),
    Image.tags.contains_all(["a", "b"]),
    Image.tags.contains_any(["a"]),
    Image.vendor == "acme",
    Image.version >= "12.0.0",
    Image.version == Version("12.0.0"),
    Image.version.caret("1.2"),
    Image.properties["a.b"] == 1,
    Image.properties.has_key("k"),
    Image.limits["cpu"] > 1,
    Image.disk.size > 10**9,
    Image.disk.sha256 == "9f" * 32,
    Image.disk.digest("md5") == "9f" * 16,
    Image.disk.url == "s3://i/d",
    Image.disk.media_type.startswith("application/"),
    Image.layers["base"].size > 1,
    Image.layers.has_key("base"),
    Image.parent.name == "base",
    Image.parent.min_ram > 3,
    Image.parent.parent.name.startswith("b"),
    Image.sources.any(Image.name == "x"),
    Image.created_at < datetime.now(UTC),
    absent(Image.parent),
    absent(Image.vendor),
    matches("debian rescue"),
    matches("debian rescue", Image.name, Image.description, Image.tags),
    linked_from(Image.parent),
    linked_from(Image.parent, Image.name == "x", Image.min_ram > 3),
    linked_from(Image.sources, Image.name == "x"),
    linked_from(Image.parent.sources, ~linked_from(Image.parent)),
    references("sha256:9f"),
    (Image.min_ram > 1) & ~(Image.load < 0.5) | absent(Image.load),
]

with Catalog.open("memory:", types=[Image]) as catalog:
    assert_type(catalog.add(image), Image)
    assert_type(catalog.update(image, min_ram=512), Image)
    assert_type(catalog.upsert(image), Image)
    assert_type(catalog.get(Image, image.id), Image)
    assert_type(catalog.get(Image, name="debian", version="12.4.0"), Image)
    assert_type(catalog.get_many(Image, [image.id]), list[Image])
    assert_type(catalog.count(Image, Image.min_ram > 1), int)
    assert_type(catalog.find(Image).first(), Image | None)
    assert_type(catalog.find(Image).all(), list[Image])
    for found in catalog.find(Image, Image.min_ram > 1, order_by=[Image.name, -Image.version], limit=10):
        assert_type(found, Image)
    for row in catalog.find(Image).select(Image.name, Image.min_ram):
        print(row)

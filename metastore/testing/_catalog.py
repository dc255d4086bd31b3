"""The exam at the level of the face in one class to subclass: every method of `Catalog` and its errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any

import pytest

from metastore._artifact import Artifact
from metastore._blob import Blob
from metastore._catalog import Catalog
from metastore._link import Link
from metastore.errors import (
    ClosedError,
    MetastoreError,
    ReadOnlyError,
    UnknownTypeError,
)
from metastore.testing._catalog_finds import CatalogFinds
from metastore.testing._catalog_types import (
    Firmware,
    Hardware,
    Image,
    image,
)
from metastore.testing._catalog_writes import CatalogWrites

__all__ = ["CatalogSuite"]


class CatalogSuite(CatalogWrites, CatalogFinds):
    """What a user of `Catalog` may rely on, whatever store is behind it.

    Subclass it in a test module and say at which URL a new store lies::

        class TestMyCatalog(CatalogSuite):
            def url(self, tmp_path):
                return f"my:{tmp_path}/catalog"
    """

    # --- the whole ---

    def test_what_is_dumped_can_be_loaded_elsewhere(self, catalog: Catalog, another: Callable[[], Catalog]) -> None:
        base = catalog.add(
            image(
                disk=Blob("s3://a/b", size=1),
                firmware=Firmware.BIOS,
                built=datetime(2024, 2, 29, tzinfo=UTC),
                hardware=Hardware(1),
            )
        )
        stored = catalog.update(
            catalog.add(image(name="c", parent=Link(base), properties={"a": [1, {"b": None}]}, owner="ann")), size=3
        )
        records = list(catalog.dump_many(Image))
        other = another()
        assert other.load(Image, records) == 2
        assert list(other.dump_many(Image)) == records
        assert other.load(Image, records) == 0
        assert (other.get(Image, stored.id).revision, other.get(Image, stored.id).owner) == (2, "ann")
        assert other.check() == []

    def test_a_class_need_not_be_there_to_read_and_write(self, catalog: Catalog) -> None:
        stored = catalog.add(image(size=3, hardware=Hardware(1), tags=["a"]))
        dynamic: Any = Catalog(catalog._backend).artifact_type("exam_images")
        other = Catalog(catalog._backend)
        dynamic = other.artifact_type("exam_images")
        found = other.find(dynamic, dynamic.size == 3).one()
        assert (found.id, found.name, found.tags, found.hardware.cores) == (stored.id, "base", ["a"], 1)
        assert other.update(found, size=4).revision == 2
        with pytest.raises(UnknownTypeError, match="exam_images"):
            other.artifact_type("exam_imags")

    def test_the_catalogue_describes_its_types(self, catalog: Catalog) -> None:
        catalog.add(image())
        assert {"exam_images", "exam_disks", "exam_notes"} <= {each.name for each in catalog.types()}
        assert catalog.stats()["artifacts"]["exam_images"] == 1

    def test_all_is_refused_after_closing(self, tmp_path: FilePath) -> None:
        catalog = Catalog.open(self.url(tmp_path), types=[Image])
        stored = catalog.add(image())
        catalog.close()
        catalog.close()
        for use in (
            lambda: catalog.add(image(name="x")),
            lambda: catalog.get(Image, stored.id),
            lambda: catalog.find(Image).all(),
            lambda: catalog.update(stored, size=1),
            catalog.stats,
            catalog.check,
            lambda: catalog.closure(stored),
        ):
            with pytest.raises(ClosedError):
                use()

    def test_a_catalogue_that_lasts_is_there_again(self, tmp_path: FilePath) -> None:
        if not self.lasts():
            pytest.skip("the store does not outlive its opening: see lasts()")
        with Catalog.open(self.url(tmp_path), cursor_key=b"k" * 32) as catalog:
            catalog.add_many(image(name=f"n{at}") for at in range(5))
            cursor, ident = catalog.find(Image, limit=2).page().next, catalog.id
        with Catalog.open(self.url(tmp_path), mode="ro", cursor_key=b"k" * 32) as again:
            assert again.id == ident
            assert len(again.find(Image, limit=10, after=cursor).all()) == 3
            with pytest.raises(ReadOnlyError):
                again.add(image(name="x"))
            assert again.check() == []

    def test_nothing_but_errors_of_ours_leaves_a_wrong_call(self, catalog: Catalog) -> None:
        stored = catalog.add(image())
        for call in (
            lambda: catalog.add("x"),  # type: ignore[type-var]
            lambda: catalog.add(Artifact(name="abstract", version="0.0.0")),
            lambda: catalog.get(Image, "no id"),
            lambda: catalog.get(Image),
            lambda: catalog.get_many(Image, ["no id"]),
            lambda: catalog.closure("no id"),
            lambda: catalog.closure(stored, -1),
            lambda: catalog.load(Image, [{"name": "x", "nonsense": 1}]),
            lambda: catalog.load(Image, [{"name": 1}]),
            lambda: catalog.load(Image, [{"name": "x", "id": "no id"}]),
            lambda: catalog.load(Image, [{"name": "x", "created_at": "yesterday"}]),
            lambda: catalog.load(Image, [{"name": "x", "revision": 0}]),
            lambda: catalog.load(Image, [{"name": "x", "disk": {"locations": [{"url": "s3://u:p@a/b"}]}}]),
            lambda: catalog.find(Image).facets(),
            lambda: catalog.find(Image).aggregate(total=("sum", Image.name)),
            lambda: catalog.find(Image).aggregate(total="median"),
            lambda: list(catalog.find(Image).select(Image.parent.name)),
        ):
            with pytest.raises(MetastoreError):
                call()

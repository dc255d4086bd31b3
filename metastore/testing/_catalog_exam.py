"""What every part of the exam of the face stands on: how a catalogue is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest

from metastore._catalog import Catalog
from metastore.testing._catalog_types import Disk, Image, Note

__all__ = ["CatalogExam"]


class CatalogExam:
    """Opens the catalogue that is examined; a subclass says at which URL."""

    def url(self, tmp_path: FilePath) -> str:
        """Return the address of a new and empty store in ``tmp_path``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method url(self, tmp_path)")

    def lasts(self) -> bool:
        """Return whether the store outlives its opening, so that the same URL finds it again."""
        return False

    @pytest.fixture
    def catalog(self, tmp_path: FilePath) -> Iterator[Catalog]:
        """A new catalogue, audited at the end of each test."""
        with Catalog.open(self.url(tmp_path), types=[Image, Disk, Note]) as opened:
            yield opened
            assert opened.check() == []

    @pytest.fixture
    def another(self, tmp_path: FilePath) -> Iterator[Callable[[], Catalog]]:
        """A function that opens another new catalogue."""
        opened: list[Catalog] = []

        def open_another() -> Catalog:
            place = tmp_path / f"another{len(opened)}"
            place.mkdir()
            opened.append(Catalog.open(self.url(place)))
            return opened[-1]

        yield open_another
        for each in opened:
            each.close()

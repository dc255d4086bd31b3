from pathlib import Path

import pytest

from metastore.testing import BackendSuite, CatalogSuite
from metastore_sql import open_backend


class _Placed:
    """Every folder of a test has an empty place of its own on the server."""

    @pytest.fixture(autouse=True)
    def _server(self, mysql):
        self._place, self._places = mysql, {}

    def address(self, folder: Path) -> str:
        if folder not in self._places:
            self._places[folder] = self._place()
        return self._places[folder]


class TestBackend(_Placed, BackendSuite):
    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(self.address(tmp_path), mode=mode, durability="normal", timeout=60.0)


class TestCatalog(_Placed, CatalogSuite):
    def url(self, tmp_path):
        return self.address(tmp_path)

    def lasts(self):
        return True

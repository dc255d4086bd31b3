from functools import partial

import pytest

from metastore.testing import BackendSuite, CatalogSuite
from metastore_sql import open_backend

DAMAGES = (
    "DELETE FROM _links WHERE field = 'parent'",
    "UPDATE _links SET field = 'other' WHERE field = 'parent'",
    "DELETE FROM _references",
    "UPDATE _references SET id = mark",
    "DELETE FROM _identity WHERE state = 'foreign'",
    "UPDATE _identity SET state = 'deleted' WHERE state = 'live'",
    "DELETE FROM `images:tags`",
    "UPDATE `images:tags` SET value = 'b'",
    "DELETE FROM `images:properties` WHERE kind = 5",
    "UPDATE `images:properties` SET head = 'x' WHERE kind = 5",
    "DELETE FROM `images:text`",
    "UPDATE `images:text` SET field = 'name' WHERE field = 'tags'",
    "UPDATE images SET name__folded = 'other'",
    "UPDATE images SET version__key = 'other'",
    "UPDATE images SET description = 'other'",
    "DELETE FROM images",
    "DELETE FROM _changes",
    "UPDATE _turn SET generation = generation + 1",
    "UPDATE _turn SET seq = 0",
)


def run(statement, backend):
    """Run a statement behind the store's back; foreign keys do not hold it up."""
    with backend._connections.apart() as apart:
        apart.execute("SET foreign_key_checks = 0")
        apart.execute(statement)


class _Placed:
    @pytest.fixture(autouse=True)
    def _server(self, mysql):
        self._place, self._places = mysql, {}

    def address(self, folder):
        """Every folder of a test has an empty place of its own on the server."""
        if folder not in self._places:
            self._places[folder] = self._place()
        return self._places[folder]


class TestBackend(_Placed, BackendSuite):
    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(self.address(tmp_path), mode=mode, durability="normal", timeout=60.0)

    def damages(self):
        return [partial(run, statement) for statement in DAMAGES]


class TestCatalog(_Placed, CatalogSuite):
    def url(self, tmp_path):
        return self.address(tmp_path)

    def lasts(self):
        return True

from metastore.testing import BackendSuite, CatalogSuite
from metastore_sqlite import open_backend


class TestBackend(BackendSuite):
    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(f"sqlite:///{tmp_path}/catalog.db", mode=mode, durability="normal", timeout=60.0)


class TestCatalog(CatalogSuite):
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/catalog.db"

    def lasts(self):
        return True

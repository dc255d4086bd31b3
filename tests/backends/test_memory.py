from metastore.testing import BackendSuite, CatalogSuite
from metastore_memory import open_backend


class TestBackend(BackendSuite):
    def open_backend(self, tmp_path):
        return open_backend("memory:", mode="rw", durability="full", timeout=60.0)


class TestCatalog(CatalogSuite):
    def url(self, tmp_path):
        return "memory:"

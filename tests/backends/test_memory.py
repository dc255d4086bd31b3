from metastore.testing import BackendSuite
from metastore_memory import open_backend


class TestMemory(BackendSuite):
    def open_backend(self, tmp_path):
        return open_backend("memory:", mode="rw", durability="full", timeout=60.0)

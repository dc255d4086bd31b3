from functools import partial

from metastore._data import evolve
from metastore.testing import BackendSuite, CatalogSuite
from metastore_memory import open_backend


def spoil(backend, **columns):
    """Change columns of one row behind the store's back."""
    rows = backend._store.rows["images"]
    ident = next(iter(rows))
    rows[ident] = {**rows[ident], **columns}


def forget(backend):
    backend._store.identities.popitem()


def bury(backend):
    known = backend._store.identities
    ident = next(iter(backend._store.rows["images"]))
    known[ident] = evolve(known[ident], state="deleted")


class TestBackend(BackendSuite):
    def open_backend(self, tmp_path):
        return open_backend("memory:", mode="rw", durability="full", timeout=60.0)

    def damages(self):
        spoilt = ({"name__folded": "other"}, {"version__key": "other"}, {"unique_key": b"k"}, {"id": b"i" * 16})
        return [*(partial(spoil, **columns) for columns in spoilt), bury, forget]


class TestCatalog(CatalogSuite):
    def url(self, tmp_path):
        return "memory:"

from functools import partial

from servers.placed import Placed

from metastore.testing import BackendSuite, CatalogSuite

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
    "UPDATE _specs SET digest = 'other'",
)


def run(statement, backend):
    """Run a statement behind the store's back; foreign keys do not hold it up."""
    with backend._connections.apart() as apart:
        apart.execute("SET foreign_key_checks = 0")
        apart.execute(statement)


class TestBackend(Placed, BackendSuite):
    server = "mysql"

    def damages(self):
        return [partial(run, statement) for statement in DAMAGES]


class TestCatalog(Placed, CatalogSuite):
    server = "mysql"

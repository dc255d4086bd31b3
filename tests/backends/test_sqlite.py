import re
import sqlite3
from contextlib import closing
from functools import partial

import pytest

from metastore import Artifact, Blob, Catalog, Field, field, matches, references
from metastore.backend import FieldSpec
from metastore.query import Compare, Followed, Path, Query
from metastore.testing import BackendSuite, CatalogSuite
from metastore.testing._model import type_spec
from metastore.testing._suite_usage import IMAGES, begun, image, insert
from metastore_sqlite import open_backend
from metastore_sqlite._words import mark

DAMAGES = (
    "DELETE FROM _links WHERE field = 'parent'",
    "UPDATE _links SET field = 'other' WHERE field = 'parent'",
    "INSERT INTO \"images:text\" (rowid, _disk) VALUES (1, '\xa7ab')",
    "DELETE FROM _identity WHERE state = 'foreign'",
    "UPDATE _identity SET state = 'deleted' WHERE state = 'live'",
    'DELETE FROM "images:tags"',
    "UPDATE \"images:tags\" SET value = 'b'",
    "DELETE FROM \"images:properties\" WHERE key = '/k/l'",
    'INSERT INTO "images:text" ("images:text") VALUES (\'delete-all\')',
    "UPDATE images SET name__folded = 'other'",
    "UPDATE images SET version__key = 'other'",
    "UPDATE images SET description = 'other'",
    "DELETE FROM images",
    "DELETE FROM _changes",
)


def run(statement, backend):
    """Run a statement behind the store's back."""
    with closing(sqlite3.connect(backend.path)) as connection, connection:
        connection.execute(statement)


class TestBackend(BackendSuite):
    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(f"sqlite:///{tmp_path}/catalog.db", mode=mode, durability="normal", timeout=60.0)

    def damages(self):
        return [partial(run, statement) for statement in DAMAGES]


class TestCatalog(CatalogSuite):
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/catalog.db"

    def lasts(self):
        return True


MEMBERS = type_spec(
    "members",
    FieldSpec(name="artifact", kind="link", optional=True),
    FieldSpec(name="others", kind="list", required=False, default=[], item=FieldSpec(kind="link")),
    FieldSpec(name="member", kind="str", index=True),
)


@pytest.mark.parametrize("link", ["artifact", "others"])
def test_what_links_here_is_found_from_the_side_that_the_condition_is_on(tmp_path, link):
    images = type_spec("images")
    ann = Followed("members", link, Compare(Path("member", kind="str"), "eq", "ann"))
    with closing(open_backend(f"{tmp_path}/catalog.db", mode="rw", durability="normal", timeout=60.0)) as backend:
        for spec in (images, MEMBERS):
            backend.ensure(spec, 1)
        plan = backend.explain(images, Query("images", ann, limit=10)).plan
    assert re.search(r"SEARCH t USING INDEX \S+ \(id=\?\)", plan)
    assert re.search(r"SEARCH t1 USING (COVERING )?INDEX members:member \(member=\?\)", plan)
    assert "SCAN" not in plan


class Disk(Artifact, type_name="disks"):
    file: Field[Blob | None] = field(default=None)
    parts: Field[dict[str, Blob]] = field(factory=dict)


@pytest.fixture
def disks(tmp_path):
    with Catalog.open(f"{tmp_path}/catalog.db", types=[Disk]) as catalog:
        yield catalog


def test_no_search_for_words_finds_the_mark_of_a_blob(disks):
    disks.add(Disk(name="one", file=Blob("s3://b/k", sha256="ab" * 32)))
    told = [mark("s3://b/k"), mark(f"sha256:{'ab' * 32}")]
    assert [disks.count(Disk, matches(each)) for each in (*told, *(each[1:] for each in told), "s3", "b", "k")] == [
        0
    ] * 7
    disks.add(Disk(name="two", description=told[0]))
    assert [each.name for each in disks.find(Disk, matches(told[0]))] == ["two"]
    assert [each.name for each in disks.find(Disk, references("s3://b/k"))] == ["one"]


def test_a_mark_is_told_apart_by_the_field_that_has_it(disks):
    blob = Blob("s3://b/k", sha256="ab" * 32)
    disks.add(Disk(name="one", file=blob))
    two = disks.add(Disk(name="two", parts={"a": blob}))
    assert [each.name for each in disks.find(Disk, Disk.file.url == "s3://b/k")] == ["one"]
    assert disks.count(Disk, references("s3://b/k")) == 2
    disks.update(two, parts={})
    assert disks.count(Disk, references("s3://b/k")) == 1
    assert disks.check() == []


def test_references_are_searched_for_and_not_scanned(disks):
    disks.add(Disk(name="one", file=Blob("s3://b/k")))
    for wanted in (references("s3://b/k"), Disk.file.url == "s3://b/k"):
        plan = disks.find(Disk, wanted).explain().plan
        assert "VIRTUAL TABLE INDEX" in plan
        assert "SCAN t\n" not in f"{plan}\n"


@pytest.fixture
def tallied(tmp_path):
    """A store that keeps a tally of two images."""
    store = TestBackend().open_backend(tmp_path)
    store.ensure(IMAGES, 1)
    insert(begun(store), image("ann", 5), image(None, 6))
    yield store
    store.close()


def in_schema(store, words):
    """Return the names in the schema that are like this."""
    return [name for (name,) in store._read("SELECT name FROM sqlite_master WHERE name LIKE ?", (words,))]


def test_a_catalogue_without_quotas_has_neither_tally_nor_triggers(tmp_path):
    store = TestBackend().open_backend(tmp_path)
    store.ensure(IMAGES, 1)
    insert(store, image("ann", 5))
    assert in_schema(store, "%usage%") == []
    assert in_schema(begun(store), "%usage%") != []
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE _usage SET count = count + 1 WHERE owner = 'ann'",
        "UPDATE _usage SET low = low - 1 WHERE owner = 0",
        "UPDATE _usage SET high = 1 WHERE owner = ''",
        "DELETE FROM _usage",
        "INSERT INTO _usage VALUES ('bob', 'images', 1, 0, 0)",
        "DROP TRIGGER `images:usage:drop`",
    ],
)
def test_the_audit_finds_a_tally_that_is_wrong_or_not_kept(tallied, damage):
    assert list(tallied.check()) == []
    run(damage, tallied)
    assert list(tallied.check())


def test_a_change_of_what_is_not_counted_fires_no_trigger(tallied):
    plan = tallied._read("EXPLAIN UPDATE images SET description = 'x' WHERE id = x'00'", ())
    assert not [step for step in plan if step[1] == "Program"]
    assert [
        step
        for step in tallied._read("EXPLAIN UPDATE images SET owner = 'x' WHERE id = x'00'", ())
        if step[1] == "Program"
    ]

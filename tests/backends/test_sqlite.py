import os
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import partial
from threading import Event

import pytest

from metastore import Artifact, Blob, Catalog, Field, field, matches, references
from metastore.backend import FieldSpec
from metastore.errors import BackendError, CatalogUrlError, ClosedError, DamagedError
from metastore.query import Compare, Followed, Matches, Path, Query, References
from metastore.testing import BackendSuite, CatalogSuite
from metastore.testing._model import Thing, delete, replace, thing, type_spec
from metastore.testing._suite_usage import IMAGES, begun, image, insert
from metastore_sqlite import _full_text, open_backend
from metastore_sqlite._words import mark, marks_moved

DAMAGES = (
    "DELETE FROM _links WHERE field = 'parent'",
    "UPDATE _links SET field = 'other' WHERE field = 'parent'",
    "INSERT INTO \"images::text\" (rowid, _disk) VALUES (1, '\xa7ab')",
    "DELETE FROM _identity WHERE state = 'foreign'",
    "UPDATE _identity SET state = 'deleted' WHERE state = 'live'",
    'DELETE FROM "images:tags"',
    "UPDATE \"images:tags\" SET value = 'b'",
    "DELETE FROM \"images:properties\" WHERE key = '/k/l'",
    'INSERT INTO "images::text" ("images::text") VALUES (\'delete-all\'); UPDATE _indexed SET last = 99',
    "DELETE FROM _indexed",
    "UPDATE images SET name__folded = 'other'",
    "UPDATE images SET version__key = 'other'",
    "UPDATE images SET description = 'other'",
    "DELETE FROM images",
    "DELETE FROM _changes",
)


def run(statement, backend):
    """Run a statement behind the store's back."""
    with closing(sqlite3.connect(backend.path)) as connection, connection:
        connection.executescript(statement)


class TestBackend(BackendSuite):
    def open_backend(self, tmp_path):
        return self.reopen(tmp_path)

    def reopen(self, tmp_path, *, mode="rw"):
        return open_backend(f"sqlite:///{tmp_path}/catalog.db", mode=mode, durability="normal", timeout=60.0)

    def damages(self):
        _full_text.PENDING = 0  # as else nothing is in full text that could be broken; the next test has its own again
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


def test_a_mark_that_leaves_one_field_is_known_by_those_that_keep_it(disks):
    blob = Blob("s3://b/k", sha256="ab" * 32)
    one = disks.add(Disk(name="one", description="s3 b k", file=blob, parts={"a": blob, "b": Blob("s3://b/l")}))
    for fields in ({"file": Blob("s3://b/l")}, {"description": "k"}, {"parts": {"c": blob}}, {"file": None}):
        one = disks.update(one, **fields)
        assert disks.check() == []
        assert disks.count(Disk, references("s3://b/k"), references(f"sha256:{'ab' * 32}"), matches("k")) == 1
    disks.update(one, parts={})
    assert [disks.count(Disk, references(f"s3://b/{key}")) for key in "kl"] == [0, 0]


def test_of_the_marks_of_a_folder_only_those_that_differ_are_written_again():
    folder = FieldSpec(name="parts", kind="folder")
    old, new = '{"a":{"locations":[{"url":"s3://b/k"}]}}', '{"a":{"locations":[{"url":"s3://b/k"},{"url":"s3://b/l"}]}}'
    assert marks_moved([(folder, old, new)]) == ([""], [mark("s3://b/l")])
    assert marks_moved([(folder, new, old)]) == ([mark("s3://b/l")], [""])


def test_a_digest_is_no_url(disks):
    disks.add(Disk(name="one", file=Blob("s3://b/k", sha256="ab" * 32)))
    assert disks.count(Disk, Disk.file.url == f"sha256:{'ab' * 32}") == 0


def test_references_are_searched_for_and_not_scanned(disks):
    disks.add(Disk(name="one", file=Blob("s3://b/k")))
    for wanted in (references("s3://b/k"), Disk.file.url == "s3://b/k"):
        for beside in ((), (Disk.name == "one",), (Disk.tags.contains("a"),)):
            plan = disks.find(Disk, wanted, *beside).explain().plan
            assert "VIRTUAL TABLE INDEX" in plan
            assert "id=?" in plan


class Measure(Artifact, type_name="measures"):
    weight: Field[float | None] = field(default=None, index=True)
    share: Field[float] = field(default=0.0, index=True)
    at: Field[datetime | None] = field(default=None, index=True)
    text: Field[str] = field(default="", index=True, max_length=9, folded=True)
    text_data: Field[dict[str, int]] = field(factory=dict)
    text_idx: Field[list[float]] = field(factory=list, index=True)
    free: Field[list[float]] = field(factory=list)


@pytest.fixture
def measures(tmp_path):
    with Catalog.open(f"{tmp_path}/catalog.db", types=[Measure]) as catalog:
        catalog.add(Measure(name="one", text="A", text_data={"a": 1}, text_idx=[0.0], properties={"a": [1, 0.0]}))
        yield catalog


@pytest.mark.parametrize("key", [Measure.weight, Measure.share, Measure.at, Measure.text.folded], ids=repr)
def test_a_page_is_a_range_of_the_index_however_many_are_equal(measures, key):
    plan = measures.find(Measure, order_by=[key], limit=3).explain().plan
    assert "COVERING INDEX" in plan
    assert "RIGHT PART" not in plan


def test_fields_are_named_as_the_tables_of_full_text_are(measures):
    wanted = (Measure.text == "A", Measure.text_data["a"] == 1, Measure.text_idx.contains(0.0), matches("one"))
    assert measures.count(Measure, *wanted) == 1
    assert measures.check() == []


def test_what_a_list_contains_is_told_by_value(measures):
    listed = Measure.properties["a"]
    assert [measures.count(Measure, listed.contains(each)) for each in (1, 1.0, 0, -0.0)] == [1] * 4
    assert [measures.count(Measure, listed.contains(each)) for each in (True, False)] == [0] * 2


EXTRA, NOTES = (
    FieldSpec(name="extra", kind="blob", optional=True),
    FieldSpec(name="notes", kind="list", item=FieldSpec(kind="str"), index=True, search=1, required=False, default=[]),
)
PLACE = {"locations": [{"url": "s3://b/k"}]}


def test_look_ups_follow_what_a_program_writes_by_an_older_spec(tmp_path):
    with closing(open_backend(f"{tmp_path}/c.db", mode="rw", durability="normal", timeout=60.0)) as store:
        wider = type_spec("images", *IMAGES.fields[-2:], EXTRA, NOTES)
        store.ensure(IMAGES, 1)
        store.ensure(wider, 2)
        insert(store, new := thing(wider, disk=PLACE, extra=PLACE, files={}, notes=["a"], description="a"))
        old = Thing(IMAGES, {each.name: new.values[each.name] for each in IMAGES.fields}, new.unique_key)
        assert replace(store, old, changed := old.but(disk=None, description=""))
        for wanted in (References("s3://b/k"), Matches(("a",))):
            assert len(store.select(wider, Query("images", wanted))) == 1
        assert list(store.check()) == []
        assert delete(store, changed)
        assert list(store.check()) == []


def test_full_text_takes_rows_in_by_the_widest_spec(tmp_path, monkeypatch):
    monkeypatch.setattr(_full_text, "PENDING", 1)
    with closing(open_backend(f"{tmp_path}/c.db", mode="rw", durability="normal", timeout=60.0)) as store:
        wider = type_spec("images", *IMAGES.fields[-2:], EXTRA, NOTES)
        store.ensure(IMAGES, 1)
        store.ensure(wider, 2)
        insert(store, thing(wider, disk=PLACE, files={}, notes=["a"]))
        insert(store, image("ann", 5))
        assert len(store.select(wider, Query("images", Matches(("a",))))) == 1
        assert list(store.check()) == []


class Plain(Artifact, type_name="notes"):
    body: Field[str] = field(default="", mutable=True)


class Searched(Artifact, type_name="notes"):
    body: Field[str] = field(default="", mutable=True, search=1)


def test_what_another_program_stored_is_known_after_a_rollback(tmp_path):
    with Catalog.open(f"{tmp_path}/c.db") as one, Catalog.open(f"{tmp_path}/c.db") as other:
        note = one.add(Plain(name="one"))
        other.count(Searched)
        with pytest.raises(KeyError), one.transaction():
            raise KeyError
        one.update(note, body="word")
        assert other.count(Searched, matches("word")) == 1
        assert other.check() == []


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


def test_a_path_may_hold_bytes_that_are_no_utf_8(tmp_path):
    path = f"{tmp_path}/\udcff?#%20.db"
    with Catalog.open(path) as catalog:
        assert catalog.check() == []
    with Catalog.open(path, mode="ro") as catalog:
        assert catalog.stats()["artifacts"] == {}


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


def test_pages_by_version_hold_every_artifact_of_listed_names_where_sqlite_knows_how_many_there_are(tmp_path):
    path, found, after = f"{tmp_path}/catalog.db", [], None
    stored = (("a", "3.0.0"), ("a", "1.1.0"), ("c", "0.2.0"), ("a", "3.3.0"))
    with Catalog.open(path, types=[Plain]) as catalog:
        catalog.add_many(Plain(name=name, version=version) for name, version in stored)
    run("ANALYZE", catalog._backend)
    with Catalog.open(path, types=[Plain]) as catalog:
        while after is not None or not found:
            asked = catalog.find(Plain, Plain.name.in_(["a", "c"]), order_by=[Plain.version], limit=1, after=after)
            page = asked.page()
            found += [str(each.version) for each in page.items]
            after = page.next
    assert found == ["0.2.0", "1.1.0", "3.0.0", "3.3.0"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP INDEX `disks:unique_key`", "the index disks:unique_key of disks is not there"),
        (
            "DROP INDEX `disks:unique_key`; CREATE INDEX `disks:unique_key` ON disks (unique_key)",
            "the index disks:unique_key of disks is not there, or not as it should be",
        ),
        (
            "UPDATE _specs SET spec = json_set(spec, '$.description', 'other')",
            "spec 1 of disks is not what its digest says",
        ),
        ("DROP INDEX _changes_artifact", "the index _changes_artifact of _changes is not there"),
        ("DROP TABLE `disks:tags`", "the table disks:tags is not there"),
        ("UPDATE _identity SET state = 'foreign'", "but the history tells of it"),
        ("INSERT INTO _identity VALUES (x'00', 'none', 'live')", "of a type 'none' that is not stored"),
        ("UPDATE disks SET created_at = 9223372036854775807", "it cannot be read (OverflowError)"),
    ],
)
def test_the_audit_finds_what_is_lost_or_cannot_be(disks, damage, words):
    disks.add(Disk(name="one"))
    assert disks.check() == []
    run(damage, disks._backend)
    assert any(words in each for each in disks.check()), disks.check()


@pytest.mark.parametrize(
    "damage",
    [
        """tags = '["x"'""",
        "properties = 'no JSON'",
        "properties = '[]'",
        "version = 'no version'",
        "file = '[]'",
        "parts = '{\"a\":1}'",
        "id = x'00'",
        "name = CAST(x'61FF62' AS TEXT)",
    ],
)
def test_the_audit_goes_on_where_a_row_cannot_be_read(disks, damage):
    one, two = (disks.add(Disk(name=name)) for name in ("one", "two"))
    run(f"UPDATE disks SET {damage} WHERE name = 'one'; DELETE FROM _changes WHERE revision = 1", disks._backend)
    told = disks.check()
    assert any(str(one.id) in each or "id = " in damage for each in told)
    assert f"disks {two.id}: the history does not end in what is stored" in told


def test_a_text_whose_bytes_were_hit_is_told_as_damage(disks):
    one, two = (disks.add(Disk(name=name)) for name in ("one", "two"))
    run("UPDATE disks SET description = CAST(x'61FF62' AS TEXT) WHERE name = 'one'", disks._backend)
    with pytest.raises(DamagedError, match=r"is damaged .*'description'.*; check names the rows"):
        disks.get(Disk, one.id)
    assert disks.get(Disk, two.id) == two


def test_what_was_migrated_before_an_inner_transaction_that_failed_can_be_written(disks):
    class Thin(Artifact, type_name="disks"):
        pass

    one = disks.add(Disk(name="one", file=Blob("s3://b/k")))
    with disks.transaction():
        disks.migrate(Thin, lambda was: {name: value for name, value in was.items() if name not in ("file", "parts")})
        with pytest.raises(RuntimeError), disks.transaction():
            raise RuntimeError
    disks.add(Thin(name="two"))
    assert disks.update(disks.get(Thin, one.id), description="thin").description == "thin"
    assert disks.check() == []


def test_a_file_is_the_same_by_every_name_and_wherever_the_program_goes(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to("real.db")
    monkeypatch.chdir(tmp_path)
    with Catalog.open("real.db", types=[Disk]) as real:
        real.add(Disk(name="first"))
        monkeypatch.chdir("folder")
        with Catalog.open("../link.db", types=[Disk]) as link, ThreadPoolExecutor(1) as another:
            link.add(Disk(name="second"))
            another.submit(real.add, Disk(name="third")).result()
            assert (link.count(Disk), os.listdir()) == (3, [])
    assert not [*tmp_path.glob("link.db-*")]


def test_a_path_that_no_file_can_have_is_refused(tmp_path):
    with pytest.raises(CatalogUrlError, match=r"no file can have the name '.*\\ud800.db'"):
        Catalog.open(f"{tmp_path}/\ud800.db")


@pytest.mark.parametrize(("replaced", "told"), [(False, "is gone"), (True, "is another file")])
def test_nothing_is_written_where_it_would_be_lost_with_a_file_that_was_taken_away(tmp_path, replaced, told):
    path = tmp_path / "catalog.db"
    with ThreadPoolExecutor(1) as another, Catalog.open(str(path), types=[Disk]) as catalog:
        catalog.add(Disk(name="first"))
        path.rename(tmp_path / "before.db")
        if replaced:
            path.write_bytes(b"new")
        with pytest.raises(BackendError, match=told):
            catalog.add(Disk(name="second"))
        with pytest.raises(BackendError, match=told):
            another.submit(catalog.count, Disk).result()
        another.submit(catalog.close).result()
    assert path.exists() is replaced


def test_a_close_leaves_other_threads_what_they_are_at(tmp_path, monkeypatch):
    monkeypatch.setattr("metastore_sqlite._connection.CLOSE_SECONDS", 0.0)
    catalog, begun, closed = Catalog.open(f"{tmp_path}/c.db", types=[Disk]), Event(), Event()

    def write():
        with catalog.transaction():
            catalog.add(Disk(name="first"))
            begun.set()
            closed.wait()
            with pytest.raises(ClosedError):
                catalog.add(Disk(name="second"))

    with ThreadPoolExecutor(1) as another:
        written = another.submit(write)
        begun.wait()
        catalog.close()
        closed.set()
        written.result()
    with Catalog.open(f"{tmp_path}/c.db", types=[Disk]) as again:
        assert [each.name for each in again.find(Disk)] == ["first"]


@pytest.mark.parametrize("spec", ["", "nope", "{}", "[]", "7", '{"name":"disks"}', '{"name":"disks","fields":[1]}'])
def test_a_spec_that_cannot_be_read_is_told_as_damage(tmp_path, spec):
    path = f"{tmp_path}/c.db"
    with Catalog.open(path, types=[Disk]) as catalog:
        catalog.add(Disk(name="first"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE _specs SET spec = ?", (spec,))
    with pytest.raises(DamagedError, match=r"c.db has a spec of the type 'disks' that cannot be read; restore"):
        Catalog.open(path)

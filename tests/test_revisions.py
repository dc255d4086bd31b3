"""A database file of every released schema revision is kept, and today's code opens a copy of it.

`assets/make.py` made each file once; what it wrote is said here again, by hand.
"""

import importlib.util
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from metastore import Artifact, Catalog, Record, matches, references
from metastore.errors import DamagedError, IdTakenError, NewerRevisionError, SchemaConflictError
from metastore_sqlite import _layout as layout

ASSETS = Path(__file__).with_name("assets")
REVISIONS = sorted(int(re.search(r"\d+", path.name).group()) for path in ASSETS.glob("revision-*.db"))
RICH = UUID("018f0000-0000-7000-8000-000000000002")

spec = importlib.util.spec_from_file_location("assets_make", ASSETS / "make.py")
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)


@pytest.fixture(params=REVISIONS)
def path(request, tmp_path):
    return shutil.copy(ASSETS / f"revision-{request.param}.db", tmp_path / "c.db")


@pytest.fixture
def catalog(path):
    with Catalog.open(str(path), types=[made.Thing, made.Bare, made.Tool, made.Job]) as catalog:
        yield catalog


def test_there_is_a_file_of_every_revision_up_to_today_s():
    assert list(range(1, layout.REVISION + 1)) == REVISIONS


def test_the_files_are_small():
    assert all(path.stat().st_size < 200_000 for path in ASSETS.glob("*.db"))


def test_the_audit_finds_nothing(catalog):
    assert catalog.check() == []


def test_it_opens_without_classes_and_read_only(path):
    with Catalog.open(str(path), mode="ro") as catalog:
        assert catalog.check() == []
        assert [each.name for each in catalog.types()] == ["bare", "jobs", "things", "tools"]
        assert len(catalog.find(Record).all()) == 11


def test_it_holds_every_artifact(catalog):
    assert catalog.stats()["artifacts"] == {"bare": 1, "jobs": 2, "things": 2, "tools": 6}
    assert catalog.stats()["deleted"] == 1


def test_every_kind_of_field_reads_as_it_was_written(catalog):
    got = catalog.get(made.Thing, RICH)
    wrote = made.rich(catalog.get(made.Thing, name="base"), got.others[1].id)
    for name in set(wrote.__dict__) - {"created_at", "updated_at", "revision"}:
        assert getattr(got, name) == getattr(wrote, name), name
    assert got.revision == 1


def test_some_values_said_by_hand(catalog):
    got = catalog.get(made.Thing, RICH)
    assert (got.count, got.weight, got.title, got.arch) == (-(2**63), 1e-300, "Straße NACH Süden", "aarch64")
    assert got.at == datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
    assert (str(got.version), str(got.needs), got.tags) == ("1.2.3-rc.1+b5", "1:2.3~rc1-4", ["lts", "ﬁn"])
    assert got.properties == {"a.b": 1, "c/d": {"e~f": [True, None, 1.5]}, "": "empty"}
    assert list(got.file.urls) == ["s3://b/1", "file:///b/2"]


def test_every_index_answers(catalog):
    thing = made.Thing
    asked = [
        thing.count < 0,
        thing.title.folded == "strasse nach süden",
        matches("STRASSE"),
        thing.tags.contains("lts"),
        thing.labels.contains_all(["x", "y"]),
        thing.properties["a.b"] == 1,
        thing.facts["k"] == 2**63 - 1,
        thing.parent.name == "base",
        thing.others.any(thing.name == "base"),
        thing.needs > "1:2.2-1",
        thing.version >= "1.0.0",
        references("s3://b/3"),
        references("sha256:" + "cd" * 32),
        thing.file.digest("md5") == "00" * 16,
        thing.files["a b"].url == "s3://b/3",
    ]
    assert [[each.id for each in catalog.find(thing, wanted)] for wanted in asked] == [[RICH]] * len(asked)


def test_who_refers_to_bytes_is_told_without_writing(path):
    before = path.read_bytes()
    with Catalog.open(str(path), mode="ro") as catalog:
        asked = [references("s3://b/3"), references("sha256:" + "cd" * 32)]
        assert [[each.id for each in catalog.find(Record, wanted)] for wanted in asked] == [[RICH]] * 2
    assert path.read_bytes() == before


ASKED = {
    "find": lambda reader: [each.id for each in reader.find(Record, references("s3://b/3"))] == [RICH],
    "count": lambda reader: reader.find(made.Thing, references("s3://b/3")).count() == 1,
    "words": lambda reader: reader.count(made.Thing, matches("STRASSE")) == 1,
    "ranked": lambda reader: [each.id for each in reader.find(made.Thing, matches("STRASSE"), limit=3)] == [RICH],
    "check": lambda reader: reader.check() == [],
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_reader_goes_on_when_another_program_migrates_the_file(path, ask):
    with Catalog.open(str(path), mode="ro") as reader:
        assert ask(reader)
        Catalog.open(str(path)).close()
        assert ask(reader)


class Fresh(Artifact, type_name="fresh"):
    """A type that no file has."""


LATER = layout.REVISION + 1
TABLES = ("_specs", "_transactions", "_changes", "sqlite_master")
READS = {
    "get": lambda catalog: catalog.get(made.Thing, RICH),
    "find": lambda catalog: catalog.find(made.Thing, made.Thing.count < 0).all(),
    "count": lambda catalog: catalog.count(Record),
    "group": lambda catalog: catalog.find(made.Thing).facets(made.Thing.arch),
    "links": lambda catalog: catalog.closure(RICH),
    "stats": lambda catalog: catalog.stats(),
    "check": lambda catalog: catalog.check(),
}
WRITES = {
    "add": lambda catalog: catalog.add(made.Tool(name="new", version="2", size=1)),
    "update": lambda catalog: catalog.update_many(made.Thing, made.Thing.name == "base", title="new words"),
    "delete": lambda catalog: catalog.delete(made.Tool(name="one", size=1)),
    "nothing": lambda catalog: catalog.run(lambda: None),
    "type": lambda catalog: catalog.count(Fresh),
    "quota": lambda catalog: catalog.set_quota(everybody=True, count=9),
}


def brought_on(path, *changes):
    """Do to a file what a migration to a later revision may do, from another program."""
    with closing(sqlite3.connect(path)) as other:
        for each in changes:
            other.execute(each)
        other.execute(f"PRAGMA user_version = {LATER}")
        other.execute("INSERT OR REPLACE INTO _meta VALUES ('revision', ?)", (str(LATER),))
        other.commit()


MOVED = [
    f"ALTER TABLE {name} RENAME TO {name}_2" for name in ("_identity", "_links", "_specs", "_transactions", "things")
]


@pytest.mark.parametrize("act", [*READS.values(), *WRITES.values()], ids=[*READS, *WRITES])
def test_a_file_that_another_program_brings_to_a_later_revision_asks_for_a_newer_metastore(catalog, path, act):
    READS["get"](catalog)
    brought_on(path, *MOVED)
    with pytest.raises(
        NewerRevisionError, match=f"is of schema revision {LATER}, .* knows up to {layout.REVISION}: use"
    ):
        act(catalog)


@pytest.mark.parametrize("act", WRITES.values(), ids=WRITES)
def test_a_file_of_a_later_revision_is_not_written_even_where_that_would_succeed(catalog, path, act):
    brought_on(path)
    with closing(sqlite3.connect(path)) as other:
        before = [other.execute(f"SELECT count(*) FROM {name}").fetchone() for name in TABLES]
        with pytest.raises(NewerRevisionError):
            act(catalog)
        after = [other.execute(f"SELECT count(*) FROM {name}").fetchone() for name in TABLES]
    assert before == after


def test_a_file_that_says_no_number_of_its_revision_is_damaged(catalog, path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT OR REPLACE INTO _meta VALUES ('revision', 'two')")
        other.commit()
    with pytest.raises(DamagedError, match="its revision is 'two'"):
        catalog.run(lambda: None)


def test_a_file_that_is_damaged_is_told_to_be_as_before(catalog, path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE _identity RENAME TO _identities")
    with pytest.raises(DamagedError, match="lacks a table of the catalogue's own"):
        catalog.stats()


def test_to_open_it_for_writing_makes_it_a_file_of_today_s(path, catalog):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (layout.REVISION,)
        gone = "SELECT 1 FROM sqlite_master WHERE name IN ('_references', 'things:text')"
        assert not connection.execute(gone).fetchall()


def test_updates_and_the_widened_and_migrated_types_are_there(catalog):
    base = catalog.get(made.Thing, name="base")
    assert (base.revision, base.count, base.title) == (18, 16, "turn 16")
    assert catalog.get(made.Tool, name="older").note is None
    assert catalog.count(made.Tool, matches("note")) == 5
    assert [each.minutes for each in catalog.find(made.Job)] == [1.5, 1.5]
    with pytest.raises(SchemaConflictError):
        catalog.count(made.OldJob)


def test_it_can_be_written(catalog):
    base = catalog.get(made.Thing, name="base")
    catalog.update(base, title="new words", tags=["t"])
    catalog.delete(catalog.get(made.Thing, RICH))
    catalog.add(made.Tool(name="new", version="2", size=1))
    assert catalog.count(made.Thing, matches("new words")) == 1
    assert catalog.check() == []


def test_ids_used_then_are_never_used_again(catalog):
    catalog.delete(catalog.get(made.Thing, RICH))
    with pytest.raises(IdTakenError):
        catalog.add(made.Thing(id=RICH, name="again"))


def test_the_history_is_there(path):
    connection = sqlite3.connect(path)
    kinds = dict(connection.execute("SELECT kind, count(*) FROM _changes GROUP BY kind"))
    [checkpoint] = connection.execute("SELECT revision FROM _changes WHERE checkpoint IS NOT NULL").fetchall()
    [said] = connection.execute("SELECT actor, message FROM _transactions WHERE message = 'two at once'").fetchall()
    connection.close()
    assert (kinds, checkpoint, said) == (
        {"add": 12, "update": 17, "delete": 1, "migrate": 2},
        (16,),
        ("someone", "two at once"),
    )

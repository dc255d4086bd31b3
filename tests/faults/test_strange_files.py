"""Files that are no catalogue, or no longer, or not yet: one clear error, and not a byte changed."""

import os
import sqlite3
from itertools import product

import fault_programs as programs
import pytest

from metastore import Catalog
from metastore.errors import (
    BackendError,
    CatalogUrlError,
    DamagedError,
    MetastoreError,
    NewerRevisionError,
    NotACatalogError,
)

MODES = ["rw", "ro"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a catalogue of some pages."""
    path = tmp_path_factory.mktemp("whole") / "c.db"
    programs.add_named(path, *(f"n{at}" for at in range(300)))
    return path.read_bytes()


def refused(path, mode, kind):
    """Return the words by which opening and reading is refused; the file stays as it is."""
    before, beside = path.read_bytes(), set(os.listdir(path.parent))
    with pytest.raises(kind) as caught, Catalog.open(str(path), types=[programs.Note], mode=mode) as catalog:
        programs.state(catalog)
    assert path.read_bytes() == before
    assert not [name for name in set(os.listdir(path.parent)) - beside if not name.endswith(("-shm", "-wal", "-lock"))]
    return str(caught.value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", [0.001, 0.01, 0.2, 0.5, 0.77, 0.9, 0.999])
def test_a_truncated_file_is_damaged(tmp_path, whole, part, mode):
    path = tmp_path / "c.db"
    path.write_bytes(whole[: int(len(whole) * part)])
    refused(path, mode, (DamagedError, NotACatalogError) if part < 0.002 else DamagedError)


@pytest.mark.parametrize("mode", MODES)
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, whole, mode):
    path = tmp_path / "c.db"
    for cut in (1, 15, 16, 17, 99, 100, 101, 511, 512, 1024, 4095, 4096, 4097, 8192, len(whole) - 4096, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(path, mode, (DamagedError, NotACatalogError))


@pytest.mark.slow
def test_a_file_cut_at_any_page_or_near_it_is_refused(tmp_path, whole):
    path = tmp_path / "c.db"
    for page, off in product(range(4096, len(whole), 4096), (-1, 0, 1)):
        path.write_bytes(whole[: page + off])
        refused(path, "rw", DamagedError if page > 4096 else (DamagedError, NotACatalogError))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"\0" * 5000, b"PK\x03\x04" * 3000, b"SQLite format 3\0", b"SQLite format 3\0" + b"x" * 9000],
)
def test_a_file_that_is_no_database(tmp_path, content, mode):
    (tmp_path / "c.db").write_bytes(content)
    assert "c.db" in refused(tmp_path / "c.db", mode, (NotACatalogError, DamagedError))


@pytest.mark.parametrize("mode", MODES)
def test_a_database_of_something_else(tmp_path, mode):
    with sqlite3.connect(tmp_path / "c.db") as other:
        other.execute("CREATE TABLE accounts (id INTEGER)")
    other.close()
    assert "something else" in refused(tmp_path / "c.db", mode, NotACatalogError)


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_names_another_application(tmp_path, mode):
    other = sqlite3.connect(tmp_path / "c.db")
    other.execute("PRAGMA application_id = 1234")
    other.close()
    refused(tmp_path / "c.db", mode, NotACatalogError)


def test_an_empty_file_becomes_a_catalogue(tmp_path):
    (tmp_path / "c.db").touch()
    programs.add_named(tmp_path / "c.db", "a")
    assert programs.read_state(tmp_path / "c.db") == ({"a": 1}, [])


@pytest.mark.parametrize("mode", MODES)
def test_a_newer_schema_revision_asks_for_a_newer_metastore(tmp_path, whole, mode):
    path = tmp_path / "c.db"
    path.write_bytes(whole)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    assert "999" in refused(path, mode, NewerRevisionError)


@pytest.mark.parametrize("loss", ["DROP TABLE _meta", "DELETE FROM _meta WHERE key = 'catalogue'"])
@pytest.mark.parametrize("mode", MODES)
def test_a_catalogue_that_lost_what_it_says_of_itself_is_damaged(tmp_path, whole, mode, loss):
    path = tmp_path / "c.db"
    path.write_bytes(whole)
    broken = sqlite3.connect(path, isolation_level=None)
    broken.execute(loss)
    broken.close()
    refused(path, mode, DamagedError)


@pytest.mark.parametrize("mode", MODES)
def test_a_type_with_the_spec_of_another_is_damaged(tmp_path, whole, mode):
    path = tmp_path / "c.db"
    path.write_bytes(whole)
    broken = sqlite3.connect(path, isolation_level=None)
    broken.execute("UPDATE _specs SET spec = json_set(spec, '$.name', 'other')")
    broken.close()
    assert "a spec of 'other'" in refused(path, mode, DamagedError)


def test_bytes_turned_over_in_the_middle_are_found_by_check_or_refused(tmp_path, whole):
    path = tmp_path / "c.db"
    for page in range(1, len(whole) // 4096, 3):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        assert faults_of(path)


def faults_of(path):
    try:
        with Catalog.open(str(path), types=[programs.Note], mode="ro") as catalog:
            return catalog.check()
    except MetastoreError as error:
        return [type(error).__name__]


@pytest.mark.parametrize("mode", MODES)
def test_a_directory_that_is_not_there(tmp_path, mode):
    with pytest.raises(CatalogUrlError, match="directory"):
        Catalog.open(str(tmp_path / "none" / "c.db"), mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_path_that_is_a_directory(tmp_path, mode):
    with pytest.raises(CatalogUrlError, match="is a directory"):
        Catalog.open(str(tmp_path), mode=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["fifo", "loop", "dangling"])
def test_a_path_that_is_no_plain_file(tmp_path, name, mode):
    path = tmp_path / name
    {
        "fifo": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to(path),
        "dangling": lambda: path.symlink_to(tmp_path / "no" / "file"),
    }[name]()
    with pytest.raises(BackendError):
        Catalog.open(str(path), mode=mode)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/c.db",
        ":memory:",
        "sqlite::memory:",
        "file:c.db",
        "oracle://h/d",
        "c\0.db",
        "no-such-scheme:x",
        None,
        7,
    ],
)
def test_an_address_that_no_backend_can_open(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogUrlError):
        Catalog.open(url)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["a b.db", "q?mode=ro.db", "h#x.db", "100%41.db", "ü.db", "'; DROP TABLE _meta; --.db"]
)
def test_any_file_name_is_taken_as_it_is(tmp_path, name):
    programs.add_named(f"sqlite:///{tmp_path}/{name}", "a")
    assert (tmp_path / name).is_file()
    assert programs.read_state(tmp_path / name) == ({"a": 1}, [])


def test_a_file_that_vanishes_under_an_open_catalogue_is_an_error_of_ours_or_none(tmp_path):
    with programs.open_notes(tmp_path / "c.db") as catalog:
        catalog.add(programs.note("a", 1))
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        assert programs.state(catalog) == {"a": 1}

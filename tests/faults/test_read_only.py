"""Read-only: reading never changes the file, writing is one clear error."""

import os

import fault_programs as programs
import pytest

from metastore import Catalog
from metastore.errors import CatalogUrlError, NotACatalogError, ReadOnlyError, UnknownTypeError

HAD = ({"a": 1, "b": 1}, [])


@pytest.fixture
def path(open_folder):
    path = open_folder / "c.db"
    programs.add_named(path, "a", "b")
    return path


def test_reading_read_only_does_not_change_the_file(path):
    before = path.read_bytes()
    with Catalog.open(str(path), mode="ro") as catalog:
        notes = catalog.artifact_type("notes")
        assert catalog.count(notes) == 2
        assert (catalog.check(), catalog.stats()["artifacts"]) == ([], {"notes": 2})
    assert path.read_bytes() == before


def test_reading_read_only_beside_a_writer_sees_its_commits_and_leaves_the_file_alone(path):
    with programs.open_notes(path) as writer, programs.open_notes(path, mode="ro") as reader:
        before = path.read_bytes()
        writer.add(programs.note("c", 1))
        assert sorted(programs.state(reader)) == ["a", "b", "c"]
        reader.close()
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    "write",
    [
        lambda catalog: catalog.add(programs.note("c", 1)),
        lambda catalog: catalog.add_many([programs.note("c", 1)]),
        lambda catalog: catalog.update(catalog.get(programs.Note, name="a"), n=2),
        lambda catalog: catalog.delete(catalog.get(programs.Note, name="a")),
        lambda catalog: catalog.update_many(programs.Note, n=2),
        lambda catalog: catalog.delete_many(programs.Note),
        lambda catalog: catalog.transaction().__enter__(),
    ],
)
def test_every_write_through_a_read_only_catalogue_is_refused(path, write):
    before = path.read_bytes()
    with programs.open_notes(path, mode="ro") as catalog, pytest.raises(ReadOnlyError):
        write(catalog)
    assert path.read_bytes() == before


def test_an_unknown_type_of_a_read_only_catalogue_is_named(path):
    class Other(programs.Artifact, type_name="others"):
        pass

    with Catalog.open(str(path), mode="ro") as catalog, pytest.raises(UnknownTypeError, match="others"):
        catalog.count(Other)


def test_a_missing_catalogue_is_not_made_read_only(tmp_path):
    with pytest.raises(CatalogUrlError, match="no catalogue"):
        Catalog.open(str(tmp_path / "c.db"), mode="ro")
    assert os.listdir(tmp_path) == []


def test_an_empty_file_is_no_catalogue_read_only(tmp_path):
    (tmp_path / "c.db").touch()
    with pytest.raises(NotACatalogError):
        Catalog.open(str(tmp_path / "c.db"), mode="ro")
    assert (tmp_path / "c.db").read_bytes() == b""


def test_read_only_media_answer_every_read(path, read_only_media):
    with read_only_media(path.parent) as media:
        assert programs.read_only_state(media / path.name) == HAD


def test_read_only_media_refuse_to_open_for_writing(path, read_only_media):
    with (
        read_only_media(path.parent) as media,
        pytest.raises(ReadOnlyError),
        programs.open_notes(media / path.name) as catalog,
    ):
        catalog.add(programs.note("c", 1))


def test_read_only_media_refuse_a_catalogue_beside_a_log_not_taken_in(path, read_only_media, start):
    writer = start(programs.write_until_killed, str(path), str(path.parent / "journal"), 1)
    writer.kill_after(0.5)
    assert (path.parent / "c.db-wal").stat().st_size
    with read_only_media(path.parent) as media, pytest.raises(ReadOnlyError, match="write-ahead log"):
        programs.open_notes(media / path.name, mode="ro")
    with programs.open_notes(path) as catalog:
        assert catalog.check() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize("options", [{}, {"mode": "ro"}])
def test_a_directory_without_write_permission(path, run, options):
    before = path.read_bytes()
    read, write = (
        run(programs.as_nobody, programs.read_only_state, str(path)),
        run(programs.as_nobody, programs.add_named, str(path), "c"),
    )
    assert read == ("nothing", "")
    assert write[0] == "ReadOnlyError"
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_new_catalogue_in_a_directory_without_write_permission(open_folder, run):
    name, words = run(programs.as_nobody, programs.add_named, str(open_folder / "new.db"), "c")
    assert (name, "new.db cannot be made: " in words) == ("ReadOnlyError", True), words
    assert os.listdir(open_folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_file_that_may_not_be_read(path, run):
    path.chmod(0o600)
    name, words = run(programs.as_nobody, programs.read_only_state, str(path))
    assert (name, words) == (
        "CatalogUrlError",
        f"{path} may not be read by who runs this; ask who owns it, or give another path",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_file_in_a_folder_that_may_not_be_entered(path, run):
    path.parent.chmod(0)
    name, words = run(programs.as_nobody, programs.read_only_state, str(path))
    path.parent.chmod(0o755)
    assert (name, words) == (
        "CatalogUrlError",
        f"{path} cannot be looked at (Permission denied); ask who owns its folder, or give another path",
    )

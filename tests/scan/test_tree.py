"""The scanner of a directory, on real trees."""

import hashlib
import os
from datetime import UTC, datetime

import pytest

from metastore import Catalog
from metastore.errors import MetastoreError
from metastore.scan import Options, open_scanner, run
from metastore.scan import _tree as tree
from metastore.scan._tree import File


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as catalog:
        yield catalog


@pytest.fixture
def root(tmp_path):
    top = tmp_path / "top"
    (top / "docs").mkdir(parents=True)
    (top / "docs" / "read me.md").write_text("# hello\n")
    (top / "data.json").write_bytes(b"{}")
    return top


def scanned(catalog, root, *, prune=False, **options):
    return run(catalog, open_scanner("tree", str(root), Options(**options)), prune=prune)


def named(catalog, name):
    return catalog.get(File, name=name)


def told(report):
    return {group.what: group.examples for group in report.problems}


def test_a_file_has_its_path_type_size_and_digest(catalog, root):
    scanned(catalog, root)
    found = named(catalog, "docs/read me.md")
    assert (found.path, found.media_type, found.size) == ("docs/read me.md", "text/markdown", 8)
    assert found.content.sha256 == hashlib.sha256(b"# hello\n").hexdigest()


def test_the_time_of_change_is_kept_to_the_microsecond(catalog, root):
    os.utime(root / "data.json", ns=(0, 1_700_000_000_123_456_789))
    scanned(catalog, root)
    assert named(catalog, "data.json").modified == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


def test_a_second_scan_writes_nothing(catalog, root):
    scanned(catalog, root)
    changes = catalog.stats()["changes"]
    assert scanned(catalog, root).unchanged == 2
    assert catalog.stats()["changes"] == changes


@pytest.fixture
def hashed(monkeypatch):
    paths, real = [], tree._hashed
    monkeypatch.setattr(tree, "_hashed", lambda entry: paths.append(entry.path) or real(entry))
    return paths


def test_an_unchanged_file_is_not_read_again(catalog, root, hashed):
    scanned(catalog, root)
    scanned(catalog, root)
    assert hashed == ["data.json", "docs/read me.md"]


def test_rehash_reads_every_file_again(catalog, root, hashed):
    scanned(catalog, root)
    scanned(catalog, root, rehash=True)
    assert len(hashed) == 4


def test_a_changed_file_is_updated(catalog, root):
    scanned(catalog, root)
    (root / "data.json").write_bytes(b"[1, 2]")
    assert scanned(catalog, root).changed == 1
    assert (named(catalog, "data.json").size, named(catalog, "data.json").revision) == (6, 2)


def test_a_newer_time_makes_it_read_again(catalog, root):
    scanned(catalog, root)
    (root / "data.json").write_bytes(b"[]")
    os.utime(root / "data.json", ns=(0, 1_000))
    scanned(catalog, root)
    assert named(catalog, "data.json").content.sha256 == hashlib.sha256(b"[]").hexdigest()


def test_bytes_that_changed_under_the_same_size_and_time_are_found_by_rehash(catalog, root):
    scanned(catalog, root)
    stamp = (root / "data.json").stat().st_mtime_ns
    (root / "data.json").write_bytes(b"[]")
    os.utime(root / "data.json", ns=(stamp, stamp))
    assert scanned(catalog, root).changed == 0
    assert scanned(catalog, root, rehash=True).changed == 1


def test_a_file_that_is_gone_is_pruned_on_request(catalog, root):
    scanned(catalog, root)
    (root / "data.json").unlink()
    assert (scanned(catalog, root).gone, catalog.count(File)) == (1, 2)
    assert (scanned(catalog, root, prune=True).pruned, catalog.count(File)) == (1, 1)


def test_a_symbolic_link_is_catalogued_as_one(catalog, root):
    (root / "link").symlink_to("data.json")
    assert not told(scanned(catalog, root))
    found = named(catalog, "link")
    assert (found.kind, found.target, found.content) == ("symlink", "data.json", None)


def test_a_link_out_of_the_tree_is_reported_and_not_followed(catalog, root, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    (root / "out").symlink_to(tmp_path / "secret")
    report = scanned(catalog, root)
    assert report.found == 3
    assert f"out -> {tmp_path}/secret" in told(report)["a symbolic link leads out of the tree; not followed"]


def test_a_loop_of_links_ends(catalog, root):
    (root / "docs" / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    assert scanned(catalog, root).found == 4


def test_a_pipe_is_passed_over_and_reported(catalog, root):
    os.mkfifo(root / "pipe")
    report = scanned(catalog, root)
    assert (report.found, report.problems[0].examples) == (2, ("pipe",))


def test_a_name_that_is_no_utf8_is_escaped_and_reported(catalog, root):
    os.close(os.open(os.fsencode(root) + b"/caf\xe9%.txt", os.O_CREAT))
    report = scanned(catalog, root)
    assert named(catalog, "caf%E9%25.txt").escaped
    assert told(report)["a name is not UTF-8 and is percent-escaped"] == ("caf%E9%25.txt",)
    assert scanned(catalog, root).unchanged == 3


def test_a_name_that_reads_like_a_url_is_a_name(catalog, root):
    (root / "data:\u00fc").mkdir()
    (root / "data:\u00fc" / "x,.txt").write_bytes(b"x")
    scanned(catalog, root)
    assert named(catalog, "data:\u00fc/x,.txt").media_type == "text/plain"


def test_an_escaped_name_does_not_meet_its_double(catalog, root):
    os.close(os.open(os.fsencode(root) + b"/a\xff", os.O_CREAT))
    (root / "a%FF").touch()
    assert scanned(catalog, root).added == 4
    assert scanned(catalog, root).unchanged == 4


def test_a_file_that_cannot_be_read_is_catalogued_without_digest(catalog, root, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(tree, "_opened", refuse)
    report = scanned(catalog, root)
    assert (report.added, named(catalog, "data.json").content.sha256, named(catalog, "data.json").content.size) == (
        2,
        None,
        2,
    )
    assert told(report) == {
        "a file cannot be read (Permission denied); catalogued without a digest": ("data.json", "docs/read me.md")
    }


def test_files_of_a_directory_that_cannot_be_read_are_not_gone(catalog, root, monkeypatch):
    os.close(os.open(os.fsencode(root) + b"/docs/\xff", os.O_CREAT))
    scanned(catalog, root)
    real = os.scandir

    def refuse(path):
        if path == str(root / "docs"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = scanned(catalog, root, prune=True)
    assert (report.gone, catalog.count(File)) == (0, 3)
    assert told(report) == {"a directory cannot be read": ("docs: Permission denied",)}


def test_files_of_a_directory_that_cannot_be_looked_at_are_not_gone(catalog, root, monkeypatch):
    os.close(os.open(os.fsencode(root) + b"/docs/\xff", os.O_CREAT))
    scanned(catalog, root)
    real = os.lstat

    def refuse(path, *args, **more):
        if path == str(root / "docs"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **more)

    monkeypatch.setattr(os, "lstat", refuse)
    report = scanned(catalog, root, prune=True)
    assert (report.gone, told(report)) == (0, {"a file cannot be looked at": ("docs: Permission denied",)})


def test_a_file_that_changes_while_it_is_read_is_read_again_by_the_next_scan(catalog, root, monkeypatch):
    real = hashlib.file_digest

    def meddling(file, name):
        digest = real(file, name)
        (root / "data.json").write_bytes(b"longer now")
        return digest

    monkeypatch.setattr(hashlib, "file_digest", meddling)
    assert "a file changed while it was read; the next scan reads it again" in told(scanned(catalog, root))
    monkeypatch.undo()
    assert scanned(catalog, root).changed == 1


def test_excluded_files_are_left_out_and_reported(catalog, root):
    report = scanned(catalog, root, exclude=(str(root / "data.json"),))
    assert (report.found, told(report)) == (1, {"left out as the catalogue's own": ("data.json",)})


def test_a_deep_and_long_path_is_kept_whole(catalog, root):
    deep = root.joinpath(*["d" * 90] * 8)
    deep.mkdir(parents=True)
    (deep / "file").touch()
    scanned(catalog, root)
    found = catalog.find(File, File.name.startswith("d" * 90)).one()
    assert (len(found.name), found.path) == (255, str((deep / "file").relative_to(root)))
    assert scanned(catalog, root).unchanged == 3


def test_what_is_no_directory_is_refused(tmp_path):
    with pytest.raises(MetastoreError, match="expected a directory"):
        open_scanner("tree", str(tmp_path / "none"))

"""Files below a folder: nothing leads out, nothing is overwritten, nothing is half there."""

import contextlib
import errno
import os
import threading

import pytest

from metastore.errors import (
    KeyTakenError,
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
    UnsafeUrlError,
)
from metastore.stores import Store, Stores

SECRET = "what nobody may read"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_text(SECRET)
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def drive(root):
    return Stores([Store("disk", f"file://{root}")]).drive("disk")


def whole(drive, key):
    return b"".join(drive.read(key))


def left(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_what_is_created_is_read_back(drive, root):
    told = drive.create("a/b/c d?#é", [b"one", b"two"])
    assert (whole(drive, "a/b/c d?#é"), told.size, drive.stat("a/b/c d?#é")) == (b"onetwo", 6, told)
    assert left(root) == ["a/b/c d?#é"]


def test_what_is_not_there_is_removed_without_a_trace(drive, root):
    drive.create("a", [b"one"])
    for key in ("b", "no/such/folder", "a"):
        drive.remove(key)
    assert list(root.iterdir()) == []


def test_nothing_is_known_to_be_gone_while_the_root_is_away(drive, root):
    drive.create("a/b", [b"bytes"])
    root.rename(root.with_name("elsewhere"))
    for act in (drive.remove, drive.stat, lambda key: whole(drive, key), drive.begin, lambda _: [*drive.keys()]):
        with pytest.raises(StoreUnreachableError, match=r"disk: its folder .*/root is not there; make it, or mount it"):
            act("a/b")


@pytest.mark.parametrize("key", ["link", "inside", "folder/secret", "deep/er/secret", "loop"])
def test_a_symbolic_link_is_not_followed(drive, root, key):
    (root / "real").write_text("here")
    for name, target in {"link": "../secret", "inside": "real", "folder": "../out", "loop": "loop"}.items():
        (root / name).symlink_to(target)
    (root / "deep").mkdir()
    (root / "deep" / "er").symlink_to("../../out")
    with pytest.raises(UnsafeUrlError, match="symbolic link"):
        whole(drive, key)
    with pytest.raises(UnsafeUrlError):
        drive.stat(key)
    assert drive.listed([key]) == {}


def test_a_folder_that_becomes_a_link_between_two_looks_is_not_followed(drive, root):
    (root / "a").mkdir()
    (root / "a" / "secret").write_text("mine")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(root / "a", root / "b")
            os.symlink("../out", root / "a")
            os.unlink(root / "a")
            os.rename(root / "b", root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    read, sizes = set(), set()
    for _ in range(500):
        with contextlib.suppress(UnsafeUrlError, MissingBytesError):
            read.add(whole(drive, "a/secret"))
        sizes |= {told.size for told in drive.listed(["a/secret"]).values()}
    stop.set()
    thread.join()
    assert (read | {b"mine"}, sizes | {4}) == ({b"mine"}, {4})


@pytest.mark.parametrize("key", ["folder", "pipe", "missing", "folder/missing", "a/b"])
def test_what_is_no_file_is_not_there(drive, root, key):
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    with pytest.raises(MissingBytesError):
        whole(drive, key)


def test_folders_tell_of_their_files_what_each_tells_and_of_nothing_else(drive, root):
    keys = ["a", "deep/a", "deep/b", "deep/er/c"]
    for key in keys:
        drive.create(key, [key.encode()])
    os.mkfifo(root / "deep" / "pipe")
    asked = ["missing", "deep/pipe", *keys, "no/folder", "deep/er", "a/b", "deep/" + "x" * 300, "nul/\0"]
    assert drive.listed(iter(asked)) == {key: drive.stat(key) for key in keys}


def test_what_is_there_is_not_overwritten(drive, root):
    drive.create("a", [b"first"])
    with pytest.raises(KeyTakenError):
        drive.create("a", [b"second"])
    assert (whole(drive, "a"), left(root)) == (b"first", ["a"])


def test_of_many_who_create_one_wins(drive, root):
    results = []

    def create(number):
        try:
            drive.create("a", [b"%d" % number])
            results.append(number)
        except KeyTakenError:
            pass

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [b"%d" % number for number in results] == [whole(drive, "a")]
    assert left(root) == ["a"]


def broken():
    yield b"some"
    raise RuntimeError("the source broke")


def test_a_source_that_breaks_leaves_nothing(drive, root):
    with pytest.raises(RuntimeError):
        drive.create("a", broken())
    assert left(root) == []


def test_a_full_disk_is_an_error_that_leaves_nothing(drive, root, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreFullError, match=r"disk at 'a': it has no room left"):
        drive.create("a", [b"x"])
    assert left(root) == []


def test_a_disk_that_can_only_be_read_denies_what_is_written(drive, root, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "pwrite", read_only)
    with pytest.raises(StoreDeniedError, match=r"disk at 'a': it can only be read \(OSError, EROFS\)"):
        drive.create("a", [b"x"])


def test_a_real_full_disk_is_an_error():
    with pytest.raises(StoreFullError):
        Stores([Store("dev", "file:///dev")]).drive("dev")._in_folder(
            "full", lambda folder, name: os.write(os.open(name, os.O_WRONLY, dir_fd=folder), b"x")
        )


def test_parts_make_a_file_and_can_be_gone_on_with(drive, root):
    upload = drive.begin("a/b")
    mark = drive.send("a/b", upload, 1, b"12345", 0)
    drive.send("a/b", upload, 2, b"678", 5)
    assert drive.sent("a/b", upload, 5) == {1: mark}
    drive.finish("a/b", upload, {})
    assert (whole(drive, "a/b"), left(root)) == (b"12345678", ["a/b"])


@pytest.mark.parametrize("upload", ["../../secret", "", "0" * 15, "0123456789abcdeg", "0123456789abcdef"])
def test_an_upload_that_was_never_begun_is_missing(drive, root, upload):
    for act in (
        lambda: drive.sent("a", upload, 5),
        lambda: drive.send("a", upload, 1, b"x", 0),
        lambda: drive.finish("a", upload, {}),
    ):
        with pytest.raises(MissingBytesError):
            act()
    assert (root.parent / "secret").read_text() == SECRET


def test_removing_twice_is_fine(drive):
    drive.create("a/b", [b"x"])
    drive.remove("a/b")
    drive.remove("a/b")
    with pytest.raises(MissingBytesError):
        drive.stat("a/b")


def test_keys_are_told_by_name_without_links(drive, root):
    for key in ("b/c", "a", "b/a"):
        drive.create(key, [key.encode()])
    (root / "link").symlink_to("a")
    assert [(key, told.size) for key, told in drive.keys()] == [("a", 1), ("b/a", 3), ("b/c", 3)]  # noqa: SIM118 - no dict


def test_the_mark_changes_with_the_file(drive, root):
    before = drive.create("a", [b"1"]).mark
    (root / "a").write_bytes(b"22")
    assert drive.stat("a").mark != before


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(StoreUnreachableError, match="the store gone: its folder"):
        Stores([Store("gone", f"file://{tmp_path}/gone")]).drive("gone").stat("a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_denied(drive, root):
    drive.create("a", [b"x"])
    (root / "a").chmod(0)
    with pytest.raises(StoreDeniedError):
        whole(drive, "a")


def test_errors_are_ours(drive):
    with pytest.raises(StoreError):
        drive.stat("x" * 300)

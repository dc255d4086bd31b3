"""Large objects: written as they come, seen at once or not at all, read, copied and removed as a whole."""

import gzip
import hashlib
import json
import os
import threading
import time
import tracemalloc

import pytest
from fsspec.callbacks import Callback

DATA = hashlib.shake_256(b"large").digest(12_345)


@pytest.fixture
def segments(fs, container):
    """A function that lists the segments of the test's container."""
    return lambda: fs.find(f"{container}_segments")


def written(fs, path, data=DATA, step=777, mode="wb", **options):
    with fs.open(path, mode, **options) as file:
        for at in range(0, len(data), step):
            assert file.write(data[at : at + step]) == len(data[at : at + step])
    return path


@pytest.mark.parametrize("step", [1, 999, 1000, 1001, 5000, 12_345])
@pytest.mark.parametrize("block", [1000, 12_345, 12_346])
def test_what_is_written_is_what_is_read(fs, container, block, step):
    data = DATA if step > 1 else DATA[:3000]
    path = written(fs, f"{container}/x", data, step, block_size=block)
    assert fs.cat_file(path) == data
    assert fs.info(path)["size"] == len(data)


def test_up_to_a_block_is_a_plain_object(fs, small, container):
    path = written(small, f"{container}/x", DATA[:1000])
    assert (fs.info(path)["kind"], fs.info(path)["md5"]) == ("object", hashlib.md5(DATA[:1000]).hexdigest())


def test_the_etag_of_a_large_object_is_no_md5(fs, small, container, witness):
    path = written(small, f"{container}/x")
    entry = fs.info(path)
    assert (entry["kind"], entry["md5"], entry["size"]) == ("slo", None, len(DATA))
    assert witness.head_object(container, "x")["etag"] == f'"{entry["etag"]}"'


@pytest.mark.parametrize("options", [{}, {"block_size": 400}])
def test_a_listing_tells_the_same_as_the_object(fs, small, container, options):
    path = written(small, f"{container}/x", **options)
    [listed] = fs.ls(container)
    assert fs.info(path).items() >= listed.items()


def test_more_segments_than_a_manifest_takes_are_nested(fs, container, witness):
    path = written(fs, f"{container}/x", block_size=100)
    assert fs.cat_file(path) == DATA
    manifest = json.loads(witness.get_object(container, "x", query_string="multipart-manifest=get")[1])
    assert len(manifest) == 2
    assert all(row["sub_slo"] for row in manifest)


def test_nothing_is_seen_before_the_file_is_closed(fs, small, container):
    with small.open(f"{container}/x", "wb") as file:
        file.write(DATA)
        assert fs.find(container) == []
    assert fs.find(container) == [f"{container}/x"]


def test_an_error_inside_of_with_stores_nothing(fs, small, container, segments):
    with pytest.raises(RuntimeError), small.open(f"{container}/x", "wb") as file:
        file.write(DATA)
        raise RuntimeError
    assert fs.find(container) == segments() == []


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_an_error_among_texts_stores_nothing(fs, container, options):
    with pytest.raises(RuntimeError), fs.open(f"{container}/x", "w", **options) as file:
        file.write("half of")
        raise RuntimeError
    assert fs.find(container) == []


def test_a_file_that_is_discarded_leaves_nothing(fs, small, container, segments):
    file = small.open(f"{container}/x", "wb")
    file.write(DATA)
    file.discard()
    assert fs.find(container) == segments() == []
    with pytest.raises(ValueError, match="closed"):
        file.write(b"more")


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_is_forgotten_leaves_nothing_but_a_warning(fs, container, mode):
    file = fs.open(f"{container}/x", mode)
    file.write(DATA if mode == "wb" else "text")
    kept = [file]
    del file
    with pytest.warns(ResourceWarning, match="never closed"):
        kept.clear()
    assert fs.find(container) == []


@pytest.mark.parametrize("mode", ["wb", "xb"])
def test_metadata_that_cannot_be_sent_leaves_nothing(fs, small, container, segments, mode):
    with pytest.raises(ValueError, match="line break"):
        written(small, f"{container}/x", mode=mode, metadata={"colour": "red\nblue"})
    assert fs.find(container) == segments() == []


def test_a_closed_file_holds_neither_blocks_nor_threads(fs, container):
    """It may be kept for long: by who wrote it, and by a transaction until its end."""
    before = threading.active_count()
    tracemalloc.start()
    with fs.transaction:
        for number in range(4):
            written(fs, f"{container}/{number}", bytes(8 * 2**20), 2**20, block_size=2**20)
        assert tracemalloc.get_traced_memory()[0] < 2**20
        assert threading.active_count() == before
    tracemalloc.stop()


def test_a_file_is_closed_once(fs, container):
    file = fs.open(f"{container}/x", "wb")
    file.write(b"once")
    file.close()
    file.close()
    file.discard()
    assert fs.cat(f"{container}/x") == b"once"


def test_texts_and_compressed_texts_come_back(fs, container):
    for path, options in ((f"{container}/x", {}), (f"{container}/x.gz", {"compression": "gzip"})):
        with fs.open(path, "w", encoding="latin-1", newline="\r\n", **options) as file:
            file.write("über\nunter")
        with fs.open(path, "r", encoding="latin-1", **options) as file:
            assert file.read() == "über\nunter"
    assert gzip.decompress(fs.cat(f"{container}/x.gz")).decode("latin-1") == "über\r\nunter"


@pytest.mark.parametrize("size", [100, len(DATA)])
def test_a_transaction_makes_its_objects_at_its_end(fs, small, container, size):
    with small.transaction:
        small.pipe_file(f"{container}/x", DATA[:size])
        written(small, f"{container}/y", DATA[:size])
        assert fs.find(container) == []
    assert set(fs.cat([f"{container}/x", f"{container}/y"]).values()) == {DATA[:size]}


def test_a_transaction_that_fails_leaves_nothing(fs, small, container, segments):
    with pytest.raises(RuntimeError), small.transaction:
        written(small, f"{container}/x")
        small.pipe_file(f"{container}/y", b"")
        raise RuntimeError
    assert fs.find(container) == segments() == []


@pytest.mark.parametrize("size", [0, 100, len(DATA)])
def test_what_is_to_be_new_is_new(fs, small, container, size):
    written(small, f"{container}/x", DATA[:size], mode="xb")
    assert fs.cat(f"{container}/x") == DATA[:size]
    with pytest.raises(FileExistsError):
        small.open(f"{container}/x", "xb")


@pytest.mark.parametrize("size", [100, len(DATA)])
def test_of_two_that_make_the_same_object_one_does(fs, small, container, segments, size):
    first, second = (small.open(f"{container}/x", "xb") for _ in range(2))
    first.write(DATA[:size])
    first.close()
    needed = segments()
    second.write(DATA[-size:])
    with pytest.raises(FileExistsError):
        second.close()
    assert fs.cat(f"{container}/x") == DATA[:size]
    assert segments() == needed


def test_bytes_are_made_large_too(fs, small, container):
    small.pipe_file(f"{container}/x", memoryview(bytearray(DATA)))
    assert (fs.cat(f"{container}/x"), fs.info(f"{container}/x")["kind"]) == (DATA, "slo")
    with pytest.raises(FileExistsError):
        small.pipe_file(f"{container}/x", DATA, mode="create")


@pytest.fixture
def sizes(container, witness):
    """A function that tells the sizes of the segments of an object."""

    def told(name):
        rows = json.loads(witness.get_object(container, name, query_string="multipart-manifest=get")[1])
        return [row["bytes"] for row in rows]

    return told


@pytest.mark.parametrize("way", ["pipe", "put"])
@pytest.mark.parametrize(
    ("size", "segments"), [(1001, [1000, 1]), (12_345, [3087] * 3 + [3084]), (20_001, [4000] * 5 + [1])]
)
def test_what_needs_no_memory_is_sent_in_few_segments(fs, small, container, sizes, tmp_path, way, size, segments):
    data = (DATA + DATA)[:size]
    (tmp_path / "here").write_bytes(data)
    if way == "pipe":
        small.pipe_file(f"{container}/x", data)
    else:
        small.put_file(tmp_path / "here", f"{container}/x")
    assert fs.cat(f"{container}/x") == data
    assert sizes("x") == segments


@pytest.mark.parametrize(("most", "segment"), [(100, 1000), (1500, 1500), (5 * 2**30, 2250)])
def test_a_segment_is_no_larger_than_a_cluster_takes(opened, container, sizes, monkeypatch, most, segment):
    fs = opened(block_size=1000)
    monkeypatch.setitem(fs.objects.account.abilities["swift"], "max_file_size", most)
    fs.pipe_file(f"{container}/x", DATA[:9000])
    assert (fs.cat(f"{container}/x"), max(sizes("x"))) == (DATA[:9000], segment)


def test_bytes_that_are_stored_are_the_callers(fs, small, container):
    """Nothing is kept of them: what changes afterwards changes no object."""
    data = bytearray(DATA)
    small.pipe_file(f"{container}/x", data)
    data[:] = bytes(len(DATA))
    data.clear()
    assert fs.cat(f"{container}/x") == DATA


@pytest.mark.parametrize("size", [0, 1000, 1001, len(DATA)])
def test_a_file_of_the_disk_comes_and_goes(fs, small, container, tmp_path, size):
    (tmp_path / "here").write_bytes(DATA[:size])
    small.put_file(tmp_path / "here", f"{container}/x")
    small.get_file(f"{container}/x", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == fs.cat(f"{container}/x") == DATA[:size]
    with pytest.raises(FileExistsError):
        small.put_file(tmp_path / "here", f"{container}/x", mode="create")


@pytest.mark.parametrize("size", [1000, 1001])
def test_how_it_is_stored_is_one_of_two_ways(fs, small, container, tmp_path, size):
    """A slip in the word does not overwrite."""
    fs.pipe(f"{container}/x", b"old")
    (tmp_path / "here").write_bytes(DATA[:size])
    with pytest.raises(ValueError, match="one of overwrite, create"):
        small.put_file(tmp_path / "here", f"{container}/x", mode="creat")
    assert fs.cat(f"{container}/x") == b"old"


def test_a_file_of_the_disk_is_never_in_memory_as_a_whole(fs, opened, container, tmp_path):
    (tmp_path / "here").write_bytes(DATA * 2000)
    blocks = opened(block_size=2**20)
    tracemalloc.start()
    with blocks.transaction:
        blocks.put_file(tmp_path / "here", f"{container}/x")
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
    assert fs.cat(f"{container}/x") == DATA * 2000


def after_two(act):
    """A callback of fsspec that acts once, when two parts of a file were added."""
    turns = iter((lambda: None, act))
    return Callback(hooks={"act": lambda size, value: next(turns, int)() if value else None})


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(fs, small, container, segments, tmp_path):
    (tmp_path / "here").write_bytes(DATA)
    shrinking = after_two(lambda: os.truncate(tmp_path / "here", 5000))
    with pytest.raises(OSError, match="shorter"):
        small.put_file(tmp_path / "here", f"{container}/x", callback=shrinking)
    assert fs.find(container) == segments() == []


def test_a_file_whose_name_another_takes_while_it_is_sent_is_the_one_that_was_opened(fs, small, container, tmp_path):
    (tmp_path / "here").write_bytes(DATA)
    (tmp_path / "other").write_bytes(bytes(len(DATA)))
    replacing = after_two(lambda: os.replace(tmp_path / "other", tmp_path / "here"))
    small.put_file(tmp_path / "here", f"{container}/x", callback=replacing)
    assert fs.cat(f"{container}/x") == DATA


def test_removing_a_large_object_removes_its_segments(fs, small, container, segments):
    written(small, f"{container}/x")
    written(fs, f"{container}/nested", block_size=100)
    fs.rm_file(f"{container}/x")
    fs.rm(f"{container}/nested")
    assert fs.find(container) == segments() == []


def test_removing_a_tree_removes_segments(fs, small, container, segments):
    written(small, f"{container}/a/x")
    small.pipe(f"{container}/a/y", b"")
    fs.rm(f"{container}/a", recursive=True)
    assert fs.find(container) == segments() == []


def test_objects_in_their_own_right_outlive_a_manifest_that_names_them(fs, container, witness):
    fs.pipe(f"{container}/own", DATA)
    witness.put_object(
        container, "x", json.dumps([{"path": f"/{container}/own"}]), query_string="multipart-manifest=put"
    )
    fs.rm_file(f"{container}/x")
    assert fs.find(container) == [f"{container}/own"]


@pytest.mark.parametrize("block", [700, 100])
def test_a_copy_shares_nothing(fs, container, block):
    path = written(fs, f"{container}/x", block_size=block, content_type="image/x", metadata={"colour": "grün"})
    fs.cp_file(path, f"{container}/y")
    fs.rm_file(path)
    assert fs.cat(f"{container}/y") == DATA
    entry = fs.info(f"{container}/y")
    assert (entry["kind"], entry["content_type"], entry["metadata"]) == ("slo", "image/x", {"colour": "grün"})


def test_moving_a_large_object(fs, small, container):
    fs.mv(written(small, f"{container}/x"), f"{container}/y")
    assert fs.find(container) == [f"{container}/y"]
    assert fs.cat(f"{container}/y") == DATA


def test_a_dynamic_large_object_is_read_and_copied(fs, container, witness):
    for at in range(3):
        fs.pipe(f"{container}/parts/{at}", DATA[at * 1000 : at * 1000 + 1000])
    witness.put_object(container, "dlo", b"", headers={"X-Object-Manifest": f"{container}/parts/"})
    entry = fs.info(f"{container}/dlo")
    assert (entry["kind"], entry["md5"], entry["size"]) == ("dlo", None, 3000)
    assert fs.ls(container)[0].items() <= entry.items()
    fs.cp_file(f"{container}/dlo", f"{container}/copy")
    fs.rm(f"{container}/parts", recursive=True)
    assert fs.cat(f"{container}/copy") == DATA[:3000]


@pytest.fixture(scope="module")
def endless(fs, shared, witness):
    """A dynamic large object of more segments than a listing has: Swift tells 0 as its size, and ignores ranges."""
    fs.pipe({f"{shared}/parts/{at:03d}": b"%03d" % at for at in range(120)})
    witness.put_object(shared, "endless", b"", headers={"X-Object-Manifest": f"{shared}/parts/"})
    return f"{shared}/endless"


ENDLESS = b"".join(b"%03d" % at for at in range(120))


def test_a_dynamic_large_object_of_more_segments_than_a_listing_has_is_told_truly(fs, shared, endless):
    entry = fs.info(endless)
    assert (entry["size"], entry["etag"], entry["md5"]) == (360, "", None)
    assert entry in fs.ls(shared)


@pytest.mark.parametrize("part", [(None, None), (-6, None), (10, 20), (290, 310), (354, None), (350, 999), (360, None)])
def test_such_a_one_is_read_in_whole_and_in_part(fs, endless, part):
    assert fs.cat_file(endless, *part) == ENDLESS[slice(*part)]


def test_such_a_one_is_read_as_a_file(fs, endless):
    with fs.open(endless, block_size=20) as file:
        file.seek(300)
        assert file.read(30) + file.read() == ENDLESS[300:]


def test_such_a_one_is_copied(fs, container, endless):
    fs.cp_file(endless, f"{container}/copy")
    assert fs.cat(f"{container}/copy") == ENDLESS


def test_a_manifest_with_parts_of_objects_and_bytes_of_its_own_is_copied(fs, small, container, witness):
    fs.pipe(f"{container}/whole", DATA)
    rows = [{"path": f"/{container}/whole", "range": "10-1509"}, {"data": "aGVsbG8="}, {"path": f"/{container}/whole"}]
    witness.put_object(container, "x", json.dumps(rows), query_string="multipart-manifest=put")
    small.cp_file(f"{container}/x", f"{container}/y")
    fs.rm(f"{container}/whole")
    assert fs.cat(f"{container}/y") == DATA[10:1510] + b"hello" + DATA


def test_segments_are_where_the_policy_of_the_container_puts_them(fs, small, container, witness):
    silver = f"{container}-silver"
    fs.mkdir(silver, storage_policy="silver")
    written(small, f"{silver}/x")
    assert witness.head_container(f"{silver}_segments")["x-storage-policy"] == "silver"
    for each in (silver, f"{silver}_segments"):
        fs.rm(each, recursive=True)


def test_segments_live_longer_than_what_they_are_for(fs, small, container, segments):
    at = int(time.time()) + 5000
    path = written(small, f"{container}/x", delete_at=at)
    assert fs.info(path)["delete_at"].timestamp() == at
    assert {fs.info(each)["delete_at"].timestamp() for each in segments()} == {at + 86_400}


def test_a_copy_of_a_large_object_expires_as_it_does(fs, small, container):
    path = written(small, f"{container}/x", delete_after=5000)
    fs.cp_file(path, f"{container}/y")
    assert fs.info(f"{container}/y")["delete_at"] == fs.info(path)["delete_at"]


def test_what_no_manifest_needs_is_an_orphan(fs, small, container, segments):
    written(fs, f"{container}/kept", block_size=200)
    needed = set(segments())
    written(small, f"{container}/x")
    before = set(segments()) - needed
    written(small, f"{container}/x", DATA[::-1])
    assert {entry["name"] for entry in fs.orphans(container, older_than=0)} == before
    assert fs.orphans(container) == []


def test_a_container_without_segments_has_no_orphans(fs, container):
    assert fs.orphans(container) == []


def test_a_long_name_is_large_too(fs, small, container):
    path = written(small, f"{container}/{'n' * 1000}")
    assert fs.cat_file(path) == DATA


def test_what_is_read_is_not_written(fs, container):
    fs.pipe(f"{container}/x", DATA)
    with fs.open(f"{container}/x", "rb") as file, pytest.raises(ValueError):
        file.write(b"")
    with fs.open(f"{container}/y", "wb") as file:
        assert (file.readable(), file.writable(), file.seekable(), file.tell()) == (False, True, False, 0)


def test_nothing_is_appended(fs, container):
    with pytest.raises(NotImplementedError, match="'ab'"):
        fs.open(f"{container}/x", "ab")


@pytest.mark.parametrize("then", [lambda fs, path: fs.rm(path), lambda fs, path: fs.pipe(path, b"[1]")])
@pytest.mark.parametrize(
    "ask", [lambda fs, container: fs.orphans(container), lambda fs, container: fs.pieces(container)[0]]
)
def test_a_large_object_that_goes_while_manifests_are_read_needs_nothing(small, container, monkeypatch, ask, then):
    path, read = written(small, f"{container}/x"), small.objects.manifest

    def late(*place):
        monkeypatch.undo()
        then(small, path)
        return read(*place)

    monkeypatch.setattr(small.objects, "manifest", late)
    assert not ask(small, container)


def test_a_tree_is_removed_though_another_one_removes_large_objects_of_it(small, container, segments, monkeypatch):
    for name in "ab":
        written(small, f"{container}/d/{name}")
    small.pipe(f"{container}/d/plain", b"x")
    delete = small.objects.delete

    def beside(*place, large):
        monkeypatch.undo()
        for name in "ab":
            delete(container, f"d/{name}", large=True)
        delete(*place, large=large)

    monkeypatch.setattr(small.objects, "delete", beside)
    small.rm(f"{container}/d", recursive=True)
    assert (small.find(container), segments()) == ([], [])

"""Objects, the tree their names make, and addresses that are signed."""

import datetime as dt
import hashlib
import urllib.error
import urllib.request
import uuid

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastore_swift import SwiftFileSystem

PARTS = st.sampled_from(["a", "b", "c d", "é", ""])
TREES = st.sets(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(lambda n: n and n[-1] != "/"), min_size=1, max_size=8
)


def folders_of(names):
    """Return the pseudo-directories of names, by going through their letters."""
    found = set()
    for name in names:
        parts = name.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if above and not above.endswith("/"):
                found.add(above)
    return found


@settings(max_examples=15)
@given(TREES)
def test_a_tree_is_what_its_names_make(fs, shared, names):
    root = f"{shared}/{uuid.uuid4().hex}"
    fs.pipe({f"{root}/{name}": b"1" for name in names})
    files, folders = {f"{root}/{name}" for name in names}, {f"{root}/{name}" for name in folders_of(names)}
    assert fs.find(root) == sorted(files)
    assert set(fs.find(root, withdirs=True)) == files | folders | {root}
    assert {f"{path}/{name}" for path, _, found in fs.walk(root) for name in found} == files
    assert {f"{path}/{name}" for path, found, _ in fs.walk(root, topdown=False) for name in found} == folders
    assert all(fs.isfile(path) for path in files)
    assert all(fs.isdir(path) for path in folders - files)
    fs.rm(root, recursive=True)
    assert not fs.exists(root)


def test_a_listing_longer_than_a_page_is_whole(fs, container):
    names = sorted(f"{container}/d/{at:03d}" for at in range(250))
    fs.pipe(dict.fromkeys(names, b"x"))
    fs.pipe({f"{container}/{at:03d}/x": b"" for at in range(120)})
    assert fs.ls(f"{container}/d", detail=False) == fs.find(f"{container}/d") == names
    assert len(fs.ls(container)) == 121
    assert list(fs.info_many(names)) == names
    fs.rm(f"{container}/d", recursive=True)
    assert len(fs.find(container)) == 120


@pytest.mark.parametrize(("marker", "kind"), [("d/", ""), ("d", "application/directory")])
def test_markers_of_other_programs_are_pseudo_directories(fs, container, witness, marker, kind):
    witness.put_object(container, marker, b"", content_type=kind or None)
    assert fs.ls(container) == [{"name": f"{container}/d", "size": 0, "type": "directory"}]
    assert fs.isdir(f"{container}/d")
    assert fs.find(container) == []
    fs.rm(f"{container}/d", recursive=True)
    assert witness.get_container(container)[1] == []


def test_a_marker_with_content_is_an_object(fs, container, witness):
    witness.put_object(container, "d/", b"content")
    assert fs.find(container) == [f"{container}/d/"]
    assert fs.cat_file(f"{container}/d/") == b"content"


def test_containers_are_the_top(fs, container):
    assert container in fs.ls("", detail=False)
    assert (fs.isdir(container), fs.isdir(""), fs.ls(container)) == (True, True, [])
    with pytest.raises(FileExistsError):
        fs.mkdir(container)
    fs.makedirs(container, exist_ok=True)
    fs.pipe(f"{container}/x", b"")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(container)
    with pytest.raises(IsADirectoryError):
        fs.rm(container)
    fs.rm(f"{container}/x")
    fs.rmdir(container)
    assert not fs.exists(container)
    fs.mkdir(container)


def test_what_is_missing_is_missing(fs, container):
    for missing in (f"{container}/no", f"{container}-no/x", f"{container}-no"):
        assert not fs.exists(missing)
        for ask in (fs.info, fs.ls, fs.cat_file, fs.rm, fs.modified, fs.sizes and fs.ukey):
            with pytest.raises(FileNotFoundError):
                ask(missing)
    with pytest.raises(FileNotFoundError):
        fs.pipe(f"{container}-no/x", b"")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{container}-no/d", create_parents=False)


def test_what_is_stored_beside_the_bytes(fs, container):
    fs.pipe_file(f"{container}/x", b"1", content_type="a/b", metadata={"Farbe": "grün"}, delete_after=100)
    entry = fs.info(f"{container}/x")
    assert (entry["content_type"], entry["metadata"]) == ("a/b", {"farbe": "grün"})
    assert 90 < (entry["delete_at"] - entry["last_modified"]).total_seconds() <= 100
    with fs.open(f"{container}/y", "wb", delete_at=dt.datetime(2100, 1, 1)) as file:
        file.write(b"1")
    assert fs.info(f"{container}/y")["delete_at"] == dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("options", [{"delete_at": 0}, {"delete_after": -1}, {"delete_at": 9e9, "delete_after": 1}])
def test_an_expiry_that_cannot_be_is_an_error(fs, container, options):
    with pytest.raises(ValueError, match="expires"):
        fs.pipe_file(f"{container}/x", b"", **options)


def test_a_change_of_content_changes_its_keys(fs, container):
    path = f"{container}/x"
    fs.pipe(path, b"1")
    before = fs.ukey(path), fs.checksum(path)
    assert before == (fs.ukey(path), fs.checksum(path))
    fs.pipe(path, b"2")
    assert fs.ukey(path) != before[0]
    assert fs.checksum(path) != before[1]
    assert fs.info(path)["md5"] == hashlib.md5(b"2").hexdigest()


def test_many_are_asked_at_once_and_errors_stay_in_their_places(fs, container):
    fs.pipe({f"{container}/{at}": b"%d" % at for at in range(3)})
    paths = [f"{container}/{at}" for at in (2, 9, 0)]
    assert [entry["size"] for entry in fs.info_many(paths, on_error="omit").values()] == [1, 1]
    assert isinstance(fs.info_many(paths, on_error="return")[paths[1]], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.info_many(paths)
    assert fs.cat(paths, on_error="omit") == {paths[0]: b"2", paths[2]: b"0"}
    assert fs.cat(container, recursive=True) == {f"{container}/{at}": b"%d" % at for at in range(3)}


def test_patterns_find_names(fs, container):
    fs.pipe({f"{container}/{name}": b"" for name in ("a.txt", "b.txt", "d/c.txt", "d/e/f.txt")})
    assert fs.glob(f"{container}/*.txt") == [f"{container}/a.txt", f"{container}/b.txt"]
    assert len(fs.glob(f"{container}/**/*.txt")) == 4
    assert (fs.du(container), fs.find(container, maxdepth=2)[-1]) == (0, f"{container}/d/c.txt")


def test_fsspec_opens_a_url(opened, container, swift_server):
    fsspec.register_implementation("swift", SwiftFileSystem, clobber=True)
    options = {"auth_url": swift_server.auth_url, "user": "test:tester", "key": "testing"}
    with fsspec.open(f"swift://{container}/q?x#y", "wb", **options) as file:
        file.write(b"exact")
    assert opened().cat_file(f"{container}/q?x#y") == b"exact"


@pytest.fixture
def keyed(opened, witness):
    witness.post_account({"X-Account-Meta-Temp-URL-Key": "sesame"})
    yield opened()
    witness.post_account({"X-Account-Meta-Temp-URL-Key": ""})


def status(url, verb="GET", data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, method=verb)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_signed_url_allows_its_verb_on_its_object_and_nothing_else(keyed, container):
    keyed.pipe({f"{container}/ü ?#/x": b"odd", f"{container}/y": b""})
    url = keyed.sign(f"{container}/ü ?#/x", 60)
    assert urllib.request.urlopen(url).read() == b"odd"
    assert status(url, "HEAD") == 200
    assert [
        status(url, "PUT", b""),
        status(url, "DELETE"),
        status(url.replace("temp_url_expires=1", "temp_url_expires=2")),
    ] == [401] * 3
    assert "sesame" not in url


def test_a_signed_url_takes_an_object(keyed, container):
    assert status(keyed.sign(f"{container}/up", 60, method="put"), "PUT", b"bytes") == 201
    assert keyed.cat(f"{container}/up") == b"bytes"


def test_a_signed_url_ends(keyed, container):
    from metastore_swift._tempurl import signed

    keyed.pipe(f"{container}/x", b"")
    url = signed(keyed.objects.account, container, "x", method="GET", expiration=60, now=0)
    assert status(url) == 401


def test_the_key_may_be_the_containers_or_given(opened, container, witness):
    witness.post_container(container, {"X-Container-Meta-Temp-URL-Key": "own"})
    opened().pipe(f"{container}/x", b"")
    assert status(opened().sign(f"{container}/x", digest="sha512")) == 200
    assert status(opened(temp_url_key="own").sign(f"{container}/x")) == 200
    assert status(opened(temp_url_key="other").sign(f"{container}/x")) == 401


def test_without_a_key_nothing_is_signed(fs, container):
    with pytest.raises(PermissionError, match="No TempURL key"):
        fs.sign(f"{container}/x")


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "PATCH"},
        {"expiration": 0},
        {"expiration": float("inf")},
        {"expiration": float("nan")},
        {"digest": "md5"},
    ],
)
def test_what_cannot_be_signed_is_an_error(fs, container, asked):
    with pytest.raises(ValueError, match="signed for"):
        fs.sign(f"{container}/x", **asked)
    with pytest.raises(ValueError, match="for an object"):
        fs.sign(container)


def test_a_name_that_is_no_utf_8_is_signed_by_no_url(keyed, container):
    with pytest.raises(OSError, match="half of a surrogate pair"):
        keyed.sign(f"{container}/\ud800")

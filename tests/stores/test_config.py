"""Stores from files and from Python, and secrets that show nowhere (S09 to S11)."""

import copy
import logging
import os
import pickle  # noqa: TID251 - secrets must not survive it
import sys
import traceback

import fsspec
import pytest
from fsspec import AbstractFileSystem

from metastore import Catalog
from metastore.errors import MissingExtraError, StoreError, StoresFileError, StoreUnreachableError
from metastore.stores import FromEnv, FromFile, Secret, Store, Stores

CANARY = "c4nary-s3cret"

GOOD = """
[stores.images]
url = "s3://images/all"
description = "Disks"
read_only = true
timeout = 5
credentials.key = { env = "IMAGES_KEY" }
credentials.secret = { file = "FILE" }
options = { endpoint = "https://s3.example", region = "r1" }

[stores.web]
url = "https://"
"""

WRONG = [
    ("[stores.a]\nurl = 's3://'", "no bucket"),
    ("[stores.a]\nurl = 'file:///'", "whole machine"),
    ("[stores.a]\nurl = 'file:///srv/../etc'", r"\. or \.\. as a segment"),
    ("[stores.a]\nurl = 'zip://x'", "other file systems"),
    ("[stores.a]\nurl = 'simplecache::s3://x'", "blob's url"),
    ("[stores.a]\nurl = 'https://a.example/?b=c'", "query"),
    ("[stores.a]\nurl = 'https://k:s@a.example/'", "must not carry credentials"),
    ("[stores.a]\nurl = 3", "as text"),
    ("[stores.a]\nurll = 'file:///srv'", "did you mean 'url'"),
    ("[stores.a]", "no url"),
    ("[stores.'a/b']\nurl = 'file:///srv'", "name of a store"),
    ("[stores.a]\nurl = 's3://b'\ncredentials.key = 'c4nary-s3cret'", "does not stand in the file itself"),
    ("[stores.a]\nurl = 's3://b'\ncredentials.key = { vault = 'x' }", "does not stand"),
    ("[stores.a]\nurl = 's3://b'\ncredentials = 3", "as a table"),
    ("[stores.a]\nurl = 's3://b'\noptions = { secret = 'c4nary-s3cret' }", "belongs to the credentials"),
    ("[stores.a]\nurl = 's3://b'\noptions = { temp_url_key = 'c4nary-s3cret' }", "belongs to the credentials"),
    ("[stores.a]\nurl = 's3://b'\noptions = { fo = '/etc' }", "another file system"),
    ("[stores.a]\nurl = 's3://b'\noptions = { target_protocol = 'file' }", "another file system"),
    ("[stores.a]\nurl = 's3://b'\noptions = 3", "options by name"),
    ("[stores.a]\nurl = 's3://b'\nread_only = 'yes'", "true or false"),
    ("[stores.a]\nurl = 's3://b'\ntimeout = 0", "in seconds"),
    ("[stores]\na = 3", "expected tables"),
    ("stores = 3", "expected tables"),
    ("[stores.a", "no TOML"),
    ('[store.a]\nurl = "s3://a"', "and nothing else, found 'store'"),
    ('[images]\nurl = "s3://a"', "found 'images'"),
    ("x = " + "[" * 100_000, "no TOML"),
]


def toml(tmp_path, text):
    path = tmp_path / "stores.toml"
    path.write_text(text)
    return path


def test_files_that_a_file_names_are_found_from_its_folder(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "secret").write_text("beside\n")
    (tmp_path / "secret").write_text("where it was started\n")
    monkeypatch.chdir(tmp_path)
    text = GOOD.replace("FILE", "secret").replace('region = "r1"', 'region = "r1", ca = "../ca.pem"')
    toml(tmp_path / "etc", text)
    images = Stores.from_file("etc/stores.toml")["images"]
    monkeypatch.chdir("/")
    assert images.credentials["secret"].reveal().text == "beside"
    assert os.path.normpath(images.options["ca"]) == str(tmp_path / "ca.pem")
    assert images.options["region"] == "r1"


def test_a_file_names_stores(tmp_path):
    stores = Stores.from_file(toml(tmp_path, GOOD.replace("FILE", f"{tmp_path}/secret")))
    images = stores["images"]
    assert (list(stores), images.read_only, images.timeout) == (["images", "web"], True, 5.0)
    assert images.credentials == {"key": FromEnv("IMAGES_KEY"), "secret": FromFile(f"{tmp_path}/secret")}
    assert (images.options["region"], images.internal, stores["web"].internal) == ("r1", True, False)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_mistake_in_a_file_names_file_and_store_and_shows_no_secret(tmp_path, text, words):
    path = toml(tmp_path, text)
    with pytest.raises(StoresFileError, match=words) as caught:
        Stores.from_file(path)
    assert str(path) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(StoresFileError, match=r"no\.toml cannot be read: No such file"):
        Stores.from_file(tmp_path / "no.toml")


def test_two_stores_have_two_names():
    with pytest.raises(StoresFileError, match="two stores are named a"):
        Stores([Store("a", "file:///srv"), Store("a", "file:///mnt")])


def test_a_name_that_is_no_store_gets_the_nearest():
    with pytest.raises(StoreError, match="did you mean 'images'"):
        Stores([Store("images", "file:///srv")]).named("image")


@pytest.mark.parametrize(
    "protocol", ["zip", "reference", "simplecache", "filecache", "tar", "libarchive", "dir", "git"]
)
def test_a_store_that_reads_through_others_is_refused(protocol):
    with pytest.raises(StoresFileError, match="other file systems"):
        Store("a", f"{protocol}://x/y")


def test_a_protocol_that_nothing_knows_is_an_error_when_it_is_opened():
    with pytest.raises(StoresFileError, match="the store a: gopher cannot be opened"):
        Stores([Store("a", "gopher://x/y")]).drive("a")


def test_any_other_protocol_of_fsspec_is_a_store():
    stores = Stores([Store("ram", "memory://metastore/tests")])
    drive, key, _ = stores.reach("memory://metastore/tests/a/b%20c")
    drive.create(key, [b"one", b"two"])
    assert (key, b"".join(drive.read(key, 1)), sorted(dict(drive.keys()))) == ("a/b c", b"netwo", ["a/b c"])
    drive.remove(key)


# secrets


def keeper():
    """Return a store that was given secrets in every way there is."""
    given = {"key": CANARY, "secret": Secret(CANARY), "token": FromEnv("CANARY")}
    return Store("s3", "s3://bucket", credentials=given, options={"endpoint": "http://127.0.0.1:9"}, timeout=1)


def shows(thing):
    return [CANARY in text for text in (repr(thing), str(thing), f"{thing}", "%s" % (thing,))]  # noqa: UP031 - one more way


def test_nothing_that_holds_a_secret_shows_it(monkeypatch):
    monkeypatch.setenv("CANARY", CANARY)
    stores = Stores([keeper()])
    things = [
        Secret(CANARY),
        keeper(),
        stores,
        stores["s3"].credentials,
        stores.drive("s3"),
        FromEnv("CANARY").reveal(),
    ]
    assert [any(shows(each)) for each in things] == [False] * len(things)


def test_no_secret_is_pickled_or_copied_to_one():
    for thing in (Secret(CANARY), keeper(), Stores([keeper()])):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError):
            copy.deepcopy(thing)


def test_where_a_secret_lies_may_be_pickled():
    stores = Stores([Store("a", "s3://b", credentials={"key": FromEnv("A"), "secret": FromFile("/b")})])
    assert pickle.loads(pickle.dumps(stores)) == stores


NOWHERE = "http://127.0.0.1:9"
KEEPERS = {
    "s3": keeper,
    "tempauth": lambda: Store(
        "sw", "swift://c", credentials={"key": CANARY, "temp_url_key": CANARY},
        options={"auth_url": NOWHERE, "user": "a:b", "retries": 0},
    ),
    "keystone": lambda: Store(
        "ks", "swift://c", credentials={"password": FromEnv("CANARY")},
        options={"auth_url": f"{NOWHERE}/v3", "username": "a", "project_name": "b", "retries": 0},
    ),
    "token": lambda: Store(
        "tk", "swift://c", credentials={"token": CANARY}, options={"storage_url": f"{NOWHERE}/v1/A", "retries": 0}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEEPERS)
def test_a_traceback_with_locals_and_every_log_line_are_without_secrets(monkeypatch, caplog, kind):
    pytest.importorskip("s3fs")
    monkeypatch.setenv("CANARY", CANARY)
    caplog.set_level(logging.DEBUG)
    store = KEEPERS[kind]()
    with pytest.raises(StoreUnreachableError) as caught:
        Stores([store]).drive(store.name).stat("a")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(shown.format())
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    assert CANARY not in caplog.text


class Failing(AbstractFileSystem):
    """A driver that tells what it was given."""

    def __init__(self, **options):
        super().__init__(**options)
        raise RuntimeError(f"wrong: {options}")


def test_a_driver_that_fails_while_it_is_made_tells_no_secret():
    fsspec.register_implementation("failing", Failing, clobber=True)
    stores = Stores([Store("a", "failing://x", credentials={"password": CANARY})])
    with pytest.raises(StoreError, match="the store a: it failed") as caught:
        stores.drive("a")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert CANARY not in "".join(shown.format())


def test_a_rotated_credential_is_read_again_and_changes_no_row(seaweed, made, add, opened, monkeypatch):
    store = made("s3")
    monkeypatch.setenv("ROTATED", seaweed.secret)
    rotated = Store(
        "one", store.url, credentials={"key": seaweed.key, "secret": FromEnv("ROTATED")}, options=store.options
    )
    catalog = opened(rotated)
    disk = catalog.upload(add(catalog), "data", b"bytes")
    before = list(catalog.dump_many(type(disk)))
    monkeypatch.setenv("ROTATED", "wrong")
    catalog.stores.renew("one")
    with pytest.raises(StoreError):
        catalog.open_blob(disk, "data")
    monkeypatch.setenv("ROTATED", seaweed.secret)
    assert catalog.open_blob(disk, "data").read() == b"bytes"
    assert list(catalog.dump_many(type(disk))) == before


def test_no_secret_lands_in_the_file_of_a_catalogue(seaweed, made, add, tmp_path):
    stores = Stores([made("s3")])
    with Catalog.open(f"{tmp_path}/c.db", stores=stores) as catalog:
        disk = catalog.upload(add(catalog), "data", b"bytes")
        catalog.verify(disk)
        catalog.probe("one")
        catalog.upload_url(disk, "data", size=5, sha256=disk.data.sha256)
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert seaweed.secret.encode() not in written
    assert b"X-Amz-Signature" not in written
    assert b"metastore_probes" in written


def test_a_credential_that_is_not_there_says_where_it_was_to_be(tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    for given, words in ((FromEnv("NOT_SET"), "no NOT_SET"), (FromFile(f"{tmp_path}/no"), "cannot be read")):
        with pytest.raises(StoresFileError, match=words):
            given.reveal()


def test_a_file_with_a_secret_may_end_in_a_newline(tmp_path):
    (tmp_path / "secret").write_text("abc\n")
    assert FromFile(f"{tmp_path}/secret").reveal().text == "abc"


# clouds.yaml

CLOUDS = """
clouds:
  edge:
    region_name: r1
    auth: {auth_url: "https://keystone.example/v3", username: ann, project_name: p1, password: c4nary-s3cret}
"""


@pytest.fixture
def clouds(tmp_path, monkeypatch):
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


def test_a_cloud_gives_its_credentials_and_shows_none(clouds):
    from metastore.stores._clouds import of_cloud

    found = of_cloud("s", "edge")
    assert (found["auth_url"], found["password"], found["region_name"]) == ("https://keystone.example/v3", CANARY, "r1")
    assert CANARY not in repr(found)


def test_what_secure_yaml_says_is_added(clouds):
    from metastore.stores._clouds import of_cloud

    clouds.with_name("secure.yaml").write_text("clouds: {edge: {auth: {password: other}}}")
    assert of_cloud("s", "edge")["password"] == "other"


@pytest.mark.parametrize("text", ["clouds: [", "[]", "clouds: 3", "clouds: {edge: 3}", "clouds: {edge: {auth: 3}}"])
def test_a_broken_clouds_yaml_is_one_clear_error(clouds, text):
    from metastore.stores._clouds import of_cloud

    clouds.write_text(text)
    with pytest.raises(StoresFileError):
        of_cloud("s", "edge")


def test_a_cloud_that_is_not_there_gets_the_nearest(clouds):
    from metastore.stores._clouds import of_cloud

    with pytest.raises(StoresFileError, match="did you mean 'edge'"):
        of_cloud("s", "egde")


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[s3\]"):
        Stores([Store("a", "s3://bucket")]).drive("a")


def test_a_child_process_opens_stores_of_its_own(tmp_path):
    stores = Stores([Store("a", f"file://{tmp_path}")])
    mine = stores.drive("a")
    child = os.fork()
    if child == 0:
        os._exit(stores.drive("a") is mine)
    assert os.waitpid(child, 0)[1] == 0

"""Servers that go away in the middle, urls and tokens that expire: nothing half is referenced, and what can goes on."""

import hashlib
import os
import pickle  # noqa: TID251 - where an upload goes on is plain data, which survives it
import time
import urllib.error
import urllib.request
from datetime import timedelta
from types import SimpleNamespace

import pytest
from servers.seaweedfs import Seaweed, SeaweedMissingError

from metastore.errors import (
    StoreDeniedError,
    StoreUnreachableError,
    UploadBrokenError,
    ValidationError,
    WrongBytesError,
)
from metastore.stores import Store, Stores

PART = 8 * 2**20
BODY = os.urandom(3 * PART + 5)


@pytest.fixture
def mortal():
    """An S3 that may be killed."""
    try:
        server = Seaweed()
    except SeaweedMissingError as missing:
        pytest.skip(str(missing))
    yield server
    server.close()


@pytest.fixture
def counted(monkeypatch):
    """A function that lets a drive fail at its n-th part, and gives the numbers of those that were sent."""

    sends = {}

    def count(drive, fail_at=0):
        sent, send = [], sends.setdefault(type(drive), type(drive).send)

        def counting(self, key, upload, number, part, offset):
            if number == fail_at:
                raise StoreUnreachableError("gone", store="one")
            mark = send(self, key, upload, number, part, offset)
            sent.append(number)
            return mark

        monkeypatch.setattr(type(drive), "send", counting)
        return sent

    return count


def lying(catalog):
    return dict(catalog.stores.drive("one").keys())


@pytest.mark.parametrize("kind", ["file", "s3", "swift"])
def test_an_upload_that_broke_off_goes_on_with_what_is_missing(made, opened, add, counted, kind):
    catalog = opened(made(kind))
    disk = add(catalog)
    counted(catalog.stores.drive("one"), fail_at=3)
    with pytest.raises(UploadBrokenError, match="can go on") as caught:
        catalog.upload(disk, "data", BODY)
    assert catalog.get(type(disk), disk.id).data is None
    sent = counted(catalog.stores.drive("one"))
    done = catalog.upload(disk, "data", BODY, resume=pickle.loads(pickle.dumps(caught.value.resume)))
    assert 1 not in sent
    assert 3 in sent
    assert done.data.sha256 == hashlib.sha256(BODY).hexdigest()
    assert catalog.open_blob(done, "data").read() == BODY


def test_an_upload_does_not_go_on_with_other_bytes(made, opened, add, counted):
    catalog = opened(made("file"))
    disk = add(catalog)
    counted(catalog.stores.drive("one"), fail_at=3)
    with pytest.raises(UploadBrokenError) as caught:
        catalog.upload(disk, "data", BODY)
    sent = counted(catalog.stores.drive("one"))
    other = BODY[:5] + b"x" + BODY[6:]
    done = catalog.upload(disk, "data", other, resume=caught.value.resume)
    assert 1 in sent
    assert catalog.open_blob(done, "data").read() == other


def test_an_upload_whose_parts_are_gone_begins_anew(made, opened, add, counted):
    catalog = opened(made("s3"))
    disk = add(catalog)
    counted(catalog.stores.drive("one"), fail_at=2)
    with pytest.raises(UploadBrokenError) as caught:
        catalog.upload(disk, "data", BODY)
    resume = caught.value.resume
    catalog.stores.drive("one").abandon(resume.key, resume.upload)
    counted(catalog.stores.drive("one"))
    done = catalog.upload(disk, "data", BODY, resume=resume)
    assert catalog.open_blob(done, "data").read() == BODY


def test_to_go_on_is_for_the_same_artifact(made, opened, add, counted):
    catalog = opened(made("file"))
    counted(catalog.stores.drive("one"), fail_at=2)
    with pytest.raises(UploadBrokenError) as caught:
        catalog.upload(add(catalog), "data", BODY)
    with pytest.raises(ValidationError, match="another artifact"):
        catalog.upload(add(catalog, "other"), "data", BODY, resume=caught.value.resume)


def test_a_server_killed_in_mid_upload_leaves_nothing_referenced_and_the_upload_goes_on(mortal, opened, add):
    store = mortal.store("one", "mortal", timeout=5)
    Stores([store]).drive("one")._fs.mkdir("mortal")
    catalog = opened(store)
    disk = add(catalog)

    def source():
        yield BODY[: 2 * PART]
        mortal.kill()
        yield BODY[2 * PART :]

    with pytest.raises(UploadBrokenError) as caught:
        catalog.upload(disk, "data", source(), size=len(BODY))
    assert catalog.get(type(disk), disk.id) == disk
    mortal.start()
    done = catalog.upload(disk, "data", BODY, resume=caught.value.resume)
    assert catalog.open_blob(done, "data").read() == BODY


def test_a_server_killed_in_mid_download_is_one_clear_error(mortal, opened, add):
    store = mortal.store("one", "mortal", timeout=5)
    Stores([store]).drive("one")._fs.mkdir("mortal")
    catalog = opened(store)
    disk = catalog.upload(add(catalog), "data", BODY)
    with catalog.open_blob(disk, "data") as file:
        chunks = file.chunks()
        next(chunks)
        mortal.kill()
        with pytest.raises(StoreUnreachableError, match="one"):
            list(chunks)
    assert [each.result for each in catalog.verify(disk)] == ["unreachable"]


def test_a_blob_with_another_place_outlives_its_server(mortal, made, opened, add):
    store = mortal.store("dies", "mortal", timeout=5)
    Stores([store]).drive("dies")._fs.mkdir("mortal")
    catalog = opened(store, made("file"))
    disk = catalog.copy_blob(catalog.upload(add(catalog), "data", BODY, "dies"), "data", "one")
    with catalog.open_blob(disk, "data") as file:
        chunks = file.chunks()
        got = [next(chunks)]
        mortal.kill()
        got += chunks
    assert b"".join(got) == BODY


@pytest.fixture
def an_hour_ago(monkeypatch):
    """What is signed is signed an hour ago."""
    import botocore.compat

    now = botocore.compat.get_current_datetime
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **said: now(**said) - timedelta(hours=1))
    monkeypatch.setattr("metastore_swift._tempurl.time", SimpleNamespace(time=lambda: time.time() - 3600))


@pytest.mark.parametrize("kind", ["s3", "swift"])
@pytest.mark.parametrize(("seconds", "status"), [(60, {401, 403}), (7200, {200})])
def test_a_url_that_expired_is_refused_by_the_store(made, opened, add, kind, seconds, status, request):
    catalog = opened(made(kind))
    disk = catalog.upload(add(catalog), "data", b"x")
    drive, key, _ = catalog.stores.reach(disk.data.url)
    request.getfixturevalue("an_hour_ago")
    url, _ = drive.sign_get(key, seconds)
    try:
        with urllib.request.urlopen(url) as answer:
            found = answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            found = refused.code
    assert found in status


def test_wrong_credentials_are_denied(seaweed, opened, add):
    catalog = opened(seaweed.store("one", "metastore-tests", credentials={"secret": "wrong"}))
    with pytest.raises(StoreDeniedError, match="the store one"):
        catalog.upload(add(catalog), "data", b"x")


@pytest.mark.parametrize("length", [4, 5, 6])
def test_an_object_that_changes_its_length_while_it_is_read_is_an_error(opened, add, length):
    catalog = opened(Store("one", f"memory://metastore/{os.urandom(4).hex()}"))
    disk = catalog.upload(add(catalog), "data", b"12345")
    drive, key, _ = catalog.stores.reach(disk.data.url)
    drive._fs.pipe_file(drive.path(key), b"67890x"[:length])
    with pytest.raises(WrongBytesError):
        catalog.open_blob(disk, "data").read()


def test_a_hook_after_the_commit_does_not_take_the_bytes_away(made, opened, add, monkeypatch):
    catalog = opened(made("file"))
    disk, change = add(catalog), type(catalog)._change

    def then_break(self, *args):
        change(self, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(catalog), "_change", then_break)
    with pytest.raises(KeyboardInterrupt):
        catalog.upload(disk, "data", b"bytes")
    monkeypatch.undo()
    stored = catalog.get(type(disk), disk.id)
    assert catalog.open_blob(stored, "data").read() == b"bytes"


@pytest.fixture
def mortal_swift():
    """A Swift that may be killed, with a container, and a store in it."""
    servers = pytest.importorskip("servers.swift")
    server = servers.Swift()
    options = {"auth_url": server.auth_url, "user": servers.USER, "retries": 0}
    store = Store("one", "swift://mortal/all", credentials={"key": servers.KEY}, options=options, timeout=5)
    Stores([store]).drive("one")._fs.mkdir("mortal")
    yield server, store
    server.close()


def test_a_swift_killed_in_mid_upload_leaves_nothing_referenced(mortal_swift, opened, add):
    server, store = mortal_swift
    catalog = opened(store)
    disk = add(catalog)

    def source():
        yield BODY
        server.kill()
        yield BODY

    with pytest.raises((StoreUnreachableError, UploadBrokenError), match="one"):
        catalog.upload(disk, "data", source())
    server.start()
    assert (catalog.get(type(disk), disk.id), lying(catalog)) == (disk, {})
    done = catalog.upload(disk, "data", BODY)
    assert catalog.open_blob(done, "data").read() == BODY


def test_a_swift_killed_in_mid_download_is_one_clear_error(mortal_swift, opened, add):
    server, store = mortal_swift
    catalog = opened(store)
    disk = catalog.upload(add(catalog), "data", BODY)
    with catalog.open_blob(disk, "data") as file:
        chunks = file.chunks()
        next(chunks)
        server.kill()
        with pytest.raises(StoreUnreachableError, match="one"):
            list(chunks)
    assert [each.result for each in catalog.verify(disk)] == ["unreachable"]

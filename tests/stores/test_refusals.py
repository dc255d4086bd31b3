"""What a store answers in the place of bytes: one clear error of ours, by either protocol, and nothing is written."""

import hashlib
import os

import pytest
from servers.faulty import Fault, FaultyProxy

from metastore.errors import (
    KeyTakenError,
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
    WrongBytesError,
)
from metastore.stores import Store

BODY = b"some bytes" * 100
PART = 8 * 2**20
REFUSALS = {
    400: StoreError, 401: StoreDeniedError, 403: StoreDeniedError, 404: MissingBytesError, 409: StoreError, 412: KeyTakenError,
    413: StoreFullError, 429: StoreUnreachableError, 500: StoreUnreachableError, 503: StoreUnreachableError, 507: StoreFullError,
}  # fmt: skip
RESULTS = {401: "denied", 404: "missing", 429: "unreachable", 503: "unreachable"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Tries follow each other at once; botocore would wait seconds, whatever a server says."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("metastore_swift._account.FIRST_PAUSE", 0.001)


@pytest.fixture(params=["s3", "swift"])
def behind(request, made):
    """A store behind a proxy that spoils what it is told to, and the proxy."""
    store = made(request.param)
    server = request.getfixturevalue("seaweed" if request.param == "s3" else "swift")
    with FaultyProxy(server.endpoint if request.param == "s3" else server.base) as proxy:
        there = (
            {"endpoint": proxy.base}
            if request.param == "s3"
            else {"storage_url": server.storage_url.replace(server.base, proxy.base)}
        )
        yield (
            Store("one", store.url, credentials=store.credentials, options={**store.options, **there}, timeout=5),
            proxy,
        )


@pytest.fixture
def catalog(behind, opened):
    return opened(behind[0])


@pytest.fixture
def proxy(behind, catalog):
    catalog.stores.drive("one")
    return behind[1]


@pytest.fixture
def disk(catalog, add):
    """An artifact whose bytes lie in the store."""
    return catalog.upload(add(catalog), "data", BODY)


def refusing(proxy, status, **said):
    proxy.spoil(Fault(status, {"Retry-After": "0"}, b""), times=99, **said)


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_to_read_is_one_clear_error(catalog, disk, proxy, status):
    refusing(proxy, status)
    with pytest.raises(REFUSALS[status], match="the store one at ") as caught:
        catalog.open_blob(disk, "data")
    assert (caught.value.store, caught.value.__context__) == ("one", None)
    [found] = catalog.verify(disk)
    assert found.result == RESULTS.get(status, found.result) != "ok"
    assert catalog.get(type(disk), disk.id) == disk


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_to_write_leaves_the_artifact_as_it_is(catalog, disk, proxy, status):
    refusing(proxy, status, verb="PUT")
    with pytest.raises(StoreError if status == 404 else REFUSALS[status], match="the store one at "):
        catalog.upload(disk, "files", BODY[:9], key="a")
    assert catalog.get(type(disk), disk.id) == disk
    assert len(dict(catalog.stores.drive("one").keys())) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_waited_for(catalog, disk, proxy, status):
    proxy.spoil(Fault(status, {"Retry-After": "0"}, b""), times=1)
    assert catalog.open_blob(disk, "data").read() == BODY


@pytest.mark.parametrize(("fault", "error"), [(Fault(flip=7), WrongBytesError), (Fault(cut=40), StoreUnreachableError)])
def test_spoiled_bytes_are_never_given_out(catalog, disk, proxy, fault, error):
    proxy.spoil(fault, verb="GET", times=99)
    with pytest.raises(error, match="the store one at "):
        catalog.open_blob(disk, "data").read()
    assert [each.result for each in catalog.verify(disk)] == ["wrong" if error is WrongBytesError else "unreachable"]


def test_more_bytes_than_were_promised_are_not_taken(catalog, disk, proxy):
    proxy.spoil(Fault(longer=b"x" * 9), verb="GET", times=99)
    assert catalog.open_blob(disk, "data").read() == BODY


def test_silence_is_an_error_of_the_store(behind, opened, add):
    store, proxy = behind
    hasty = Store("one", store.url, credentials=store.credentials, options=store.options, timeout=0.2)
    catalog = opened(hasty)
    disk = add(catalog)
    proxy.spoil(Fault(silent=True), times=99)
    with pytest.raises(StoreUnreachableError, match="the store one"):
        catalog.attach(disk, "data", catalog.stores.url("one", "a"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_and_no_credential_goes_elsewhere(catalog, disk, proxy, status):
    with FaultyProxy(proxy.base) as other:
        proxy.spoil(Fault(status, {"Location": f"{other.base}/elsewhere"}, b""), times=99)
        with pytest.raises(StoreError, match="the store one"):
            catalog.open_blob(disk, "data")
        assert other.seen == []


MANY = os.urandom(2 * PART + 5)


@pytest.mark.parametrize(("body", "path"), [(BODY, ""), (MANY, "uploadId="), (MANY, "multipart-manifest=put")])
def test_an_upload_whose_last_answer_is_lost_finds_what_it_made(catalog, proxy, add, body, path):
    proxy.spoil(Fault(lost=True), verb="POST" if path == "uploadId=" else "PUT", path=path)
    done = catalog.upload(add(catalog), "data", body)
    drive, key, _ = catalog.stores.reach(done.data.url)
    assert list(dict(drive.keys())) == [key]
    assert catalog.open_blob(done, "data").read() == body


@pytest.mark.parametrize("body", [BODY, MANY], ids=["at once", "in parts"])
def test_what_another_one_wrote_is_not_taken_for_that_of_a_lost_request(catalog, proxy, body):
    drive, md5 = catalog.stores.drive("one"), hashlib.md5(body[:PART], usedforsecurity=False).hexdigest()
    drive.create("key", [BODY[::-1]])
    proxy.spoil(Fault(lost=True), verb="P", path="/key", times=1, after=0 if body is BODY else 2)
    with pytest.raises(KeyTakenError, match="the store one at 'key': something lies there"):
        if body is BODY:
            drive.create("key", [body])
        else:
            upload = drive.begin("key")
            drive.send("key", upload, 1, body[:PART], 0)
            drive.finish("key", upload, {1: md5})
    assert b"".join(drive.read("key")) == BODY[::-1]

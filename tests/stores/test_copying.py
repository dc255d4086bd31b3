"""Copies that a server makes by itself: when its word is believed, and when the bytes have to pass here after all."""

import os
import sys

import pytest

from metastore.errors import StoreUnreachableError, WrongBytesError
from metastore.stores import Copies, Stat, Store

PART = 8 * 2**20
SMALL = b"a few bytes"


@pytest.fixture(params=["s3", "swift"])
def pair(request, made, opened):
    """A catalogue over two stores of one server."""
    return opened(made(request.param), made(request.param, "two"))


@pytest.fixture
def sent(monkeypatch):
    """A function that counts the bytes that pass here from now on, in a list."""

    def count(catalog):
        kind, passed = type(catalog.stores.drive("one")), []
        read = kind.read

        def counting(self, *args):
            for chunk in read(self, *args):
                passed.append(len(chunk))
                yield chunk

        monkeypatch.setattr(kind, "read", counting)
        return passed

    return count


def verified(catalog, add, body):
    disk = catalog.upload(add(catalog), "data", body, "one")
    assert [each.result for each in catalog.verify(disk)] == ["ok"]
    return disk


def is_whole(catalog, disk, body):
    only = catalog.detach(disk, "data", disk.data.urls[0])
    return only.data.locations[0].store == "two" and catalog.open_blob(only, "data").read() == body


@pytest.mark.parametrize("how", ["copy_blob", "mirror"])
def test_what_was_verified_is_copied_by_the_server(pair, add, sent, how):
    disk, passed = verified(pair, add, SMALL), sent(pair)
    if how == "mirror":
        [found] = pair.mirror(type(disk), store="two", budget=len(SMALL))
        assert (found.result, found.size) == ("copied", len(SMALL))
        copy = found.artifact
    else:
        copy = pair.copy_blob(disk, "data", "two")
    assert passed == []
    assert is_whole(pair, copy, SMALL)


@pytest.mark.parametrize("key", ["ü ☃/a b", "per%cent%20", "q?x#y", "a+b&c=d;e", "x" * 200])
def test_odd_names_are_copied_by_the_server_too(pair, add, sent, key):
    pair.stores.drive("one").create(key, [SMALL])
    disk = pair.attach(add(pair), "data", pair.stores.url("one", key))
    assert [each.result for each in pair.verify(disk)] == ["ok"]
    passed = sent(pair)
    [found] = pair.mirror(type(disk), store="two")
    assert (found.result, passed) == ("copied", [])
    assert is_whole(pair, found.artifact, SMALL)


def test_a_copy_on_the_server_counts_in_the_budget(pair, add, sent):
    disk = verified(pair, add, SMALL)
    [found] = pair.mirror(type(disk), store="two", budget=len(SMALL) - 1)
    assert (found.result, dict(pair.stores.drive("two").keys())) == ("skipped", {})


def test_what_was_never_verified_passes_here(pair, add, sent):
    disk = pair.upload(add(pair), "data", SMALL, "one")
    passed = sent(pair)
    copy = pair.copy_blob(disk, "data", "two")
    assert sum(passed) == len(SMALL)
    assert is_whole(pair, copy, SMALL)


def test_a_large_object_is_copied_by_a_server_that_keeps_what_tells_its_parts(pair, add, sent, made):
    body = os.urandom(2 * PART + 5)
    disk, passed = verified(pair, add, body), sent(pair)
    copy = pair.copy_blob(disk, "data", "two")
    by_itself = pair.stores["one"].place.protocol == "swift"
    assert (sum(passed) == 0) is by_itself
    assert is_whole(pair, copy, body)


def test_what_was_replaced_since_is_not_copied(pair, add):
    disk = verified(pair, add, SMALL)
    drive, key, _ = pair.stores.reach(disk.data.url)
    drive.remove(key)
    drive.create(key, [SMALL.upper()])
    with pytest.raises(WrongBytesError, match="other bytes than were attached"):
        pair.copy_blob(disk, "data", "two")
    assert dict(pair.stores.drive("two").keys()) == {}


def test_a_copy_that_comes_out_otherwise_is_taken_away_and_the_bytes_pass_here(pair, add, sent, monkeypatch):
    disk, passed, kind = verified(pair, add, SMALL), sent(pair), type(pair.stores.drive("two"))
    copy = kind.copy

    def otherwise(self, *args):
        told = copy(self, *args)
        return Stat(told.size, "another mark")

    monkeypatch.setattr(kind, "copy", otherwise)
    made = pair.copy_blob(disk, "data", "two")
    assert sum(passed) == len(SMALL)
    assert len(dict(pair.stores.drive("two").keys())) == 1
    assert is_whole(pair, made, SMALL)


def test_a_server_that_fails_to_copy_is_made_up_for(pair, add, sent, monkeypatch):
    disk, passed, kind = verified(pair, add, SMALL), sent(pair), type(pair.stores.drive("two"))

    def failing(*_):
        raise StoreUnreachableError("gone", store="two")

    monkeypatch.setattr(kind, "copy", failing)
    copy = pair.copy_blob(disk, "data", "two")
    assert sum(passed) == len(SMALL)
    assert is_whole(pair, copy, SMALL)


def test_another_server_is_never_asked(made, opened, add, sent):
    catalog = opened(made("s3"), made("swift", "two"))
    disk, passed = verified(catalog, add, SMALL), sent(catalog)
    two = catalog.stores.drive("two")
    assert isinstance(two, Copies)
    drive, key, _ = catalog.stores.reach(disk.data.url)
    assert two.copy(drive, key, "a", drive.stat(key)) is None
    catalog.copy_blob(disk, "data", "two")
    assert sum(passed) == len(SMALL)


def test_another_account_of_the_same_server_is_never_asked(swift, made, opened, add, sent):
    strange = sys.modules["servers.swift"]
    stranger = {"auth_url": swift.auth_url, "user": strange.STRANGER}
    catalog = opened(
        made("swift"), Store("two", "swift://theirs", credentials={"key": strange.STRANGER_KEY}, options=stranger)
    )
    two = catalog.stores.drive("two")
    two._fs.makedirs("theirs", exist_ok=True)
    disk, passed = verified(catalog, add, SMALL), sent(catalog)
    copy = catalog.copy_blob(disk, "data", "two")
    assert sum(passed) == len(SMALL)
    assert is_whole(catalog, copy, SMALL)

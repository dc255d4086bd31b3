"""Servers that are killed in the middle of a mirror: the next run sends what is missing, and nothing is referred to that is not there."""

import os

import pytest
from servers.seaweedfs import Seaweed, SeaweedMissingError

from metastore.stores import Store, Stores

PART = 8 * 2**20
BODY = os.urandom(4 * PART + 5)


@pytest.fixture(params=["s3", "swift"])
def mortal(request):
    """A server that may be killed, and a store there."""
    if request.param == "s3":
        try:
            server = Seaweed()
        except SeaweedMissingError as missing:
            pytest.skip(str(missing))
        store = server.store("two", "mortal", timeout=5)
    else:
        servers = pytest.importorskip("servers.swift")
        try:
            server = servers.Swift()
        except servers.SwiftMissingError as missing:
            pytest.skip(str(missing))
        said = {"auth_url": server.auth_url, "user": servers.USER, "retries": 1, "longest_pause": 0.1}
        store = Store("two", "swift://mortal/below", credentials={"key": servers.KEY}, options=said, timeout=5)
    Stores([store]).drive("two")._fs.mkdir("mortal")
    yield server, store
    server.close()


def test_a_target_killed_in_the_middle_gets_the_missing_parts_from_the_next_run(mortal, made, opened, add, monkeypatch):
    server, store = mortal
    catalog = opened(made("file"), store)
    disk = catalog.upload(add(catalog), "data", BODY, "one")
    kind = type(catalog.stores.drive("two"))
    send, numbers = kind.send, []

    def dying(self, key, upload, number, part, offset):
        if number == 4:
            server.kill()
        mark = send(self, key, upload, number, part, offset)
        numbers.append(number)
        return mark

    monkeypatch.setattr(kind, "send", dying)
    monkeypatch.setattr(kind, "at_once", 1)
    [found] = catalog.mirror(type(disk), store="two")
    assert (found.result, "the store two" in found.reason, numbers) == ("unreachable", True, [1, 2, 3])
    assert catalog.get(type(disk), disk.id) == disk
    server.start()
    monkeypatch.setattr(kind, "send", lambda self, *args: (numbers.append(args[2]), send(self, *args))[1])
    catalog.stores.renew("two")
    [found] = catalog.mirror(type(disk), store="two")
    assert (found.result, numbers) == ("copied", [1, 2, 3, 4, 5])
    assert {each.result for each in catalog.verify(found.artifact)} == {"ok"}


@pytest.mark.parametrize("mortal", ["swift"], indirect=True)
def test_a_source_killed_in_the_middle_is_told_and_made_up_for(mortal, made, opened, add, monkeypatch):
    server, store = mortal
    catalog = opened(made("file"), store)
    disk = catalog.upload(add(catalog), "data", BODY, "two")
    kind = type(catalog.stores.drive("two"))
    read = kind.read

    def dying(self, *args):
        chunks = read(self, *args)
        yield next(chunks)
        server.kill()
        yield from chunks

    monkeypatch.setattr(kind, "read", dying)
    [found] = catalog.mirror(type(disk), store="one")
    assert (found.result, dict(catalog.stores.drive("one").keys())) == ("unreachable", {})
    monkeypatch.setattr(kind, "read", read)
    server.start()
    catalog.stores.renew("two")
    assert [each.result for each in catalog.mirror(type(disk), store="one")] == ["copied"]

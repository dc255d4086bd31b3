"""Sweeping stores: what is garbage, and what becomes of it, alike on every store that can be written."""

from datetime import timedelta

import pytest
from stores.conftest import Disk

from metastore import Blob, garbage
from metastore.errors import (
    QuarantinedError,
    UnsafeUrlError,
)

NONE = timedelta(0)


def put(catalog, key, data=b"some bytes", store="one"):
    """Let bytes lie in the store without the catalogue, and return their url."""
    catalog.stores.drive(store).create(key, [data])
    return catalog.stores.url(store, key)


def verdicts(catalog, *roots, **said):
    said = {"min_age": NONE, "grace": NONE, **said}
    return {each.key: (each.verdict, each.step) for each in garbage.survey([catalog, *roots], ["one"], **said)}


def swept(catalog, *steps, roots=(), **said):
    """Plan and carry out; return what was done and what was left."""
    plan = garbage.plan([catalog, *roots], ["one"], min_age=NONE, grace=NONE, **said)
    done = garbage.carry_out(plan, [catalog, *roots], *steps)
    return {each.key for each in done.going}, {each.key: each.left for each in done.left}


def keys(catalog):
    return {key for key, _ in catalog.stores.drive("one").keys()}  # noqa: SIM118 - no dict


def aside(catalog):
    return {key for key, _ in catalog.stores.drive("one").aside()}


def test_what_nothing_refers_to_is_put_aside_brought_back_and_deleted(catalog, disk):
    made = catalog.upload(disk, "data", b"referred to")
    [kept] = keys(catalog)
    put(catalog, "left/behind")
    assert verdicts(catalog) == {kept: ("referenced", None), "left/behind": ("unreferenced", "quarantine")}
    assert swept(catalog, "quarantine") == ({"left/behind"}, {})
    assert (keys(catalog), aside(catalog)) == ({kept}, {"left/behind"})
    assert [each.left for each in garbage.restore([catalog], ["one"])] == [None]
    assert (keys(catalog), aside(catalog)) == ({kept, "left/behind"}, set())
    assert swept(catalog, "quarantine") == ({"left/behind"}, {})
    assert swept(catalog, "delete") == ({"left/behind"}, {})
    assert (keys(catalog), aside(catalog), verdicts(catalog)) == ({kept}, set(), {kept: ("referenced", None)})
    assert catalog.open_blob(made, "data").read() == b"referred to"


def test_large_objects_are_put_aside_and_come_back_whole(catalog, disk):
    body = bytes(range(251)) * 50_000
    made = catalog.upload(disk, "data", body)
    url = made.data.url
    gone = catalog.detach(made, "data")
    assert len(swept(catalog, "quarantine")[0]) == 1
    assert keys(catalog) == set()
    garbage.restore([catalog], ["one"])
    again = catalog.attach(gone, "data", url, size=len(body), digests=made.data.digests)
    assert catalog.open_blob(again, "data").read() == body


def test_nothing_may_refer_to_what_was_discarded(catalog, disk):
    url = put(catalog, "a/b")
    swept(catalog, "quarantine")
    blob = Blob(url)
    for attempt in (
        lambda: catalog.add(Disk(name="x", data=blob)),
        lambda: catalog.add_many([Disk(name="x", data=blob)]),
        lambda: catalog.update(disk, files={"a": blob}),
        lambda: catalog.load(Disk, [{**catalog.dump(disk), "files": {"a": blob.to_plain()}}]),
    ):
        with pytest.raises(QuarantinedError, match=r"put aside as garbage.*gc restore"):
            attempt()
    assert catalog.count(Disk) == 1
    swept(catalog, "delete")
    put(catalog, "a/b")
    with pytest.raises(QuarantinedError, match="were deleted as garbage"):
        catalog.attach(disk, "data", url)
    [restored] = garbage.restore([catalog], ["one"], keys=["a/b"])
    assert (restored.left, catalog.attach(disk, "data", url).data.url) == (None, url)


def test_a_quarantine_is_never_opened_nor_listed(catalog):
    put(catalog, "a")
    swept(catalog, "quarantine")
    for key in (".metastore-quarantine/a", "x/.metastore-quarantine/a"):
        with pytest.raises(UnsafeUrlError):
            catalog.stores.reach(catalog.stores.url("one", key))

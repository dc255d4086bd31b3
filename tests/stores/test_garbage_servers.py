"""Sweeping with catalogues on servers: marks are kept by the same transactions there."""

from contextlib import ExitStack
from datetime import timedelta
from threading import Thread

import pytest
from stores.conftest import Disk

from metastore import Blob, Catalog, garbage
from metastore.errors import ConflictError, QuarantinedError, StoreError
from metastore.stores import Stores

NONE = timedelta(0)


@pytest.fixture(params=["postgres", "mysql"])
def roots(request, made):
    """Two catalogues on a server, over one folder."""
    place, stores = request.getfixturevalue(request.param), Stores([made("file")])
    with ExitStack() as opened:
        yield [opened.enter_context(Catalog.open(place(), types=[Disk], stores=stores)) for _ in range(2)]


def sweep(roots, *steps):
    return garbage.carry_out(garbage.plan(roots, min_age=NONE, grace=NONE), roots, *steps)


def test_garbage_is_put_aside_refused_brought_back_and_deleted(roots, tmp_path):
    first, second = roots
    disk = first.upload(first.add(Disk(name="root")), "data", b"bytes")
    other = second.add(Disk(name="other", data=disk.data))
    first.delete(disk)
    assert sweep(roots, "quarantine").items == ()
    second.delete(other)
    assert len(sweep(roots, "quarantine").going) == 1
    for each in roots:
        with pytest.raises(QuarantinedError):
            each.add(Disk(name="late", data=Blob(disk.data.url)))
    assert [each.left for each in garbage.restore(roots)] == [None]
    assert len(sweep(roots, "quarantine").going) == len(sweep(roots, "delete").going) == 1
    assert [each for each in (tmp_path / "one").rglob("*") if each.is_file()] == []


def test_nothing_is_missing_where_uploads_and_sweeps_run_at_once(roots, tmp_path):
    first, second = roots

    def work():
        for at in range(20):
            try:
                disk = first.upload(first.add(Disk(name=str(at))), "data", b"bytes")
                if at % 2:
                    second.add(Disk(name=str(at), data=disk.data))
                first.delete(disk)
            except (ConflictError, StoreError):
                continue

    worker = Thread(target=work)
    worker.start()
    while worker.is_alive():
        for step in ("restore", "quarantine", "delete"):
            sweep(roots, step)
    worker.join()
    for step in ("restore", "quarantine", "delete"):
        sweep(roots, step)
    referred = {disk.data.url for each in roots for disk in each.find(Disk) if disk.data is not None}
    assert referred == {f"file://{each}" for each in (tmp_path / "one").rglob("*") if each.is_file()}

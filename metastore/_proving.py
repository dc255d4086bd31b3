"""Proving: every place of a blob read to the end, by any thread; no catalogue is asked here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metastore._blob import Blob
from metastore._blobs import image_format
from metastore._data import Data
from metastore._results import result_of
from metastore.errors import MetastoreError, StoreError

if TYPE_CHECKING:
    from metastore._results import Result
    from metastore._schema import FieldSpec
    from metastore.stores import Stores

__all__ = ["Found", "Job", "Sum", "proved"]

Progress = Callable[[int], object]


class Found(Data):
    """What came of reading one place."""

    url: str
    store: str | None
    result: Result
    size: int | None
    digests: dict[str, str]
    mark: str | None
    reason: str | None


class Job(Data):
    """One blob to be verified."""

    artifact: Any
    field: FieldSpec
    key: str | None
    blob: Blob


class Sum:
    """The bytes of several threads' reads, told as one number that only grows."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._total, self._lock = progress, 0, threading.Lock()

    def one(self) -> Progress | None:
        """Return what one read tells how far it is."""
        if self._progress is None:
            return None
        progress, before = self._progress, 0

        def tell(count: int) -> None:
            nonlocal before
            with self._lock:
                self._total, before = self._total + count - before, count
                progress(self._total)

        return tell


def proved(stores: Stores, job: Job, progress: Progress | None) -> list[Found]:
    """Read every place of a blob; no catalogue is asked here, so that several threads can."""
    found: list[Found] = []
    before = 0
    for place in job.blob.locations:
        told = None if progress is None else _after(progress, before)
        found.append(_read(stores, job, place.url, told))
        before += found[-1].size or 0
    return found


def _after(progress: Progress, before: int) -> Progress:
    return lambda count: progress(before + count)


def _read(stores: Stores, job: Job, url: str, progress: Progress | None) -> Found:
    from metastore.stores._formats import Inspector, inspected
    from metastore.stores._proof import Hasher, lively, whole

    blob, said = job.blob, image_format(job.artifact, job.field)
    hasher, store, mark = Hasher(_algorithms(blob)), None, None
    try:
        drive, key, configured = stores.reach(url)
        store, mark = configured.name, drive.stat(key).mark
        chunks = lively(drive.read(key), store, configured.timeout, progress)
        if said is not None:
            chunks = inspected(chunks, Inspector(said))
        for _ in whole(chunks, blob, hasher, store, key):
            pass
    except StoreError as refused:
        result = result_of(refused)
        size = hasher.size if result == "wrong" else None
        return Found(url, store, result, size, {}, mark, str(refused)[:1000])
    except MetastoreError as refused:
        return Found(url, store, "unable", None, {}, mark, str(refused)[:1000])
    return Found(url, store, "ok", hasher.size, hasher.digests(), mark, None)


def _algorithms(blob: Blob) -> set[str]:
    """Return what to compute: all that is known of the blob, so that all of it is checked, and the SHA-256 that it may lack."""
    known = set(blob.digests)
    return known if blob.proof is not None else {*known, "sha256"}

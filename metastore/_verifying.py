"""Verifying: reading bytes to prove them, remembering what came of it, and finding out what stores can do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from metastore._abreast import abreast, check_workers
from metastore._artifact import Record
from metastore._blob import PROOFS, Blob, combined
from metastore._blobs import blob_field, blobs_of, image_format, replaced, some_blob
from metastore._delivering import Delivering
from metastore._fetching import VERIFICATIONS
from metastore._link import Link
from metastore._results import result_of
from metastore._steps import Put
from metastore._transaction import atomic
from metastore.errors import (
    ConflictError,
    MetastoreError,
    NotFoundError,
    StoreError,
    UnverifiedError,
    ValidationError,
    WrongBytesError,
)

if TYPE_CHECKING:
    from metastore._results import Result
    from metastore._schema import FieldSpec
    from metastore._verifications import Probe, Verification
    from metastore.query import Predicate
    from metastore.stores import Stores
    from metastore.stores._pace import Stop

__all__ = ["Sum", "Verifying"]

PROBES = "metastore_probes"
"""The type of the engine's own in which it is kept what stores can do."""

A = TypeVar("A", bound=Record)
Progress = Callable[[int], object]


class _Found(NamedTuple):
    """What came of reading one place."""

    url: str
    store: str | None
    result: Result
    size: int | None
    digests: dict[str, str]
    mark: str | None
    reason: str | None


class _Job(NamedTuple):
    """One blob to be verified."""

    artifact: Any
    field: FieldSpec
    key: str | None
    blob: Blob


class Verifying(Delivering):
    """What proves bytes. Results are kept with the time they were made; they change no artifact, but fill in digests that lack."""

    def verify(
        self, artifact: Record, field: str | None = None, *, key: str | None = None, progress: Progress | None = None
    ) -> list[Verification]:
        """Read every place of a blob (without ``field``, of all blobs) to the end; return and keep what came of each.

        ``result`` is ok, wrong (other bytes), hostile (a disk image that is not what it says), missing, denied, unreachable, uncovered (no store covers the url) or unable. A blob without a
        strong digest gets the SHA-256, and the size, of the bytes found, where all that was known of it holds, as a new revision
        of the artifact; one whose state keeps it as it is stays unverified, and the ``reason`` says so. ``progress`` gets the count of bytes.
        """
        jobs = self._jobs(artifact, field, key)
        return [each for job in jobs for each in self._settled_job(job, _verified(self._configured, job, progress))]

    def verify_many(
        self,
        type: type[A],
        *predicates: Predicate,
        since: datetime | None = None,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> Iterator[Verification]:
        """Verify the blobs of every artifact that fits, several at once; yield what came of each place, as soon as it is kept.

        With ``since``, blobs whose every place was found right after that time are passed over: so a run that was stopped goes on where it
        was when it is started again with the same ``since``. ``progress`` gets the bytes read so far, of all. Raises ForbiddenError
        for a principal who may not verify one that fits.
        """
        from metastore.stores._pace import Stop

        check_workers(workers)
        told, stop = Sum(progress), Stop()

        def work(job: _Job) -> list[_Found]:
            stop.check()
            return _verified(self._configured, job, _heeding(stop, told.one()))

        for job, found in abreast(work, self._due_jobs(type, predicates, since), workers, stop.wish):
            yield from self._settled_job(job, found)

    def identity(self, artifact: Record, field: str | None = None) -> str:
        """Return the identity of an artifact's blobs together (of a folder's, by ``field``), as ``sha256:…``.

        Other bytes, other names or another set of parts give another one. Raises UnverifiedError where a part has no strong digest.
        """
        jobs = self._stored_blobs(artifact, field)
        if any(job.blob.proof is None or job.blob.size is None for job in jobs):
            raise UnverifiedError(
                f"a part of {artifact.id} is unverified, so nothing says which bytes it is: verify it first"
            )
        return combined(
            {job.field.name if job.key is None else f"{job.field.name}/{job.key}": job.blob for job in jobs}
        )

    def check_identity(self, artifact: Record, expected: str, field: str | None = None) -> None:
        """Raise WrongBytesError where the blobs together are not what was expected: right parts in a wrong assembly, too."""
        found = self.identity(artifact, field)
        if found != expected:
            raise WrongBytesError(
                f"{artifact.id} is not put together of the parts expected: expected {expected}, found {found}",
                what="identity", expected=expected, found=found,
            )  # fmt: skip

    def _stored_blobs(self, artifact: Record, field: str | None) -> list[_Job]:
        stored = self.get(type(artifact), artifact.id)
        shelf = self._types.shelf(type(stored))
        return [_Job(stored, *each) for each in blobs_of(stored, shelf.spec) if field in (None, each[0].name)]

    def _due_jobs(
        self, type: type[Record], predicates: tuple[Predicate, ...], since: datetime | None
    ) -> Iterator[_Job]:
        if since is not None and since.utcoffset() is None:
            raise ValidationError(f"expected since as a datetime with a time zone, got {since!r:.60}")
        for artifact in self.find(type, *predicates, unlisted=True):
            for job in self._jobs(artifact, None, None):
                if since is None or not self._right_since(job, since):
                    yield job

    def _right_since(self, job: _Job, since: datetime) -> bool:
        known = {each.url: each for each in self._remembered(job.artifact, job.field.name, job.key)}
        urls = [place.url for place in job.blob.locations]
        return bool(urls) and all(
            url in known and known[url].result == "ok" and known[url].checked_at >= since for url in urls
        )

    def _jobs(self, artifact: Record, field: str | None, key: str | None) -> list[_Job]:
        shelf = self._types.shelf(type(artifact))
        rows = self._visible(shelf, self._backend.fetch(shelf.spec, [artifact.id.bytes]))
        if not rows:
            raise self._missing(shelf, artifact.id)
        if self._access is not None:
            self._access.check(shelf, "verify", shelf.codec.decode(rows[0]).__dict__)
        stored = self._reader(shelf)(rows[0])
        if field is None:
            return [_Job(stored, *each) for each in blobs_of(stored, shelf.spec)]
        spec = blob_field(shelf.spec, field, key)
        return [_Job(stored, spec, key, some_blob(stored, spec, key))]

    def _settled_job(self, job: _Job, found: list[_Found]) -> list[Verification]:
        """Fill in what the blob lacks, and keep what came of its places."""
        right = [each for each in found if each.result == "ok"]
        reason = self._filled_in(job, right[0]) if right and job.blob.proof is None else None
        return [self._kept(job, each, reason) for each in found]

    def _filled_in(self, job: _Job, found: _Found) -> str | None:
        """Write digest and size of the bytes found, where they lack; return why not."""
        try:
            self._fill_in(job, found)
        except (ConflictError, NotFoundError) as refused:
            return str(refused)[:1000]
        return None

    @atomic
    def _fill_in(self, job: _Job, found: _Found) -> None:
        stored = self.get(type(job.artifact), job.artifact.id)
        blob = some_blob(stored, job.field, job.key)
        if blob.to_plain() != job.blob.to_plain():
            raise ConflictError("the blob was changed while it was read: verify it again")
        filled = blob.evolve(size=found.size, digests={**blob.digests, "sha256": found.digests["sha256"]})
        self._change(stored, (Put("verify", replaced(stored, job.field, job.key, filled)),))

    @atomic
    def _kept(self, job: _Job, found: _Found, reason: str | None) -> Verification:
        from metastore._verifications import Verification

        proof = next((f"{name}:{found.digests[name]}" for name in PROOFS if name in found.digests), None)
        made: Any = Verification(
            artifact=Link(job.artifact.id), blob=job.field.name, part=job.key, url=found.url,
            result=found.result, checked_at=datetime.now(UTC), size=found.size, proof=proof, mark=found.mark,
            reason=found.reason or reason,
        )  # fmt: skip
        kept: Verification = self._engine().upsert(made)
        return kept

    def verifications(self, artifact: Record) -> list[Verification]:
        """Return what came of the last verification of each place of an artifact's blobs, by field and url.

        A principal gets those of fields that it may read. Raises NotFoundError.
        """
        stored = self.get(type(artifact), artifact.id)
        if not self._types.has(VERIFICATIONS):
            return []
        access = self._access
        return [each for each in self._remembered(stored) if access is None or access.reads(each.blob)]

    # stores

    def probe(self, store: str) -> Probe:
        """Try once what a store can do, with objects of its own that are taken away again; return and keep what was seen.

        Whether signed uploads are bound is tried with a deliberately wrong checksum. Raises UncoveredError for an unknown name,
        StoreError where the store cannot be reached at all; for a principal ForbiddenError.
        """
        from metastore._verifications import Probe
        from metastore.stores._probe import probed

        self._check_ours("probe")
        configured = self._configured.named(store)
        seen = probed(self._configured, store)
        made = Probe(store=store, url=configured.url, probed_at=datetime.now(UTC), **seen)
        return self._keep_probe(made)

    @atomic
    def _keep_probe(self, made: Probe) -> Probe:
        kept: Probe = self._engine().upsert(made)
        return kept

    def _probed(self, store: str) -> Probe:
        """Return what is known of a store, by trying it where it was never tried at its url."""
        from metastore._verifications import Probe

        if self._types.has(PROBES):
            for each in self._engine().find(Probe, Probe.store == store, Probe.url == self._configured[store].url):
                return each
        return self._engine().probe(store)


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


def _heeding(stop: Stop, progress: Progress | None) -> Progress:
    """Return what is told how far a read is, and ends it where that is wished."""

    def tell(count: int) -> None:
        stop.check()
        if progress is not None:
            progress(count)

    return tell


def _verified(stores: Stores, job: _Job, progress: Progress | None) -> list[_Found]:
    """Read every place of a blob; no catalogue is asked here, so that several threads can."""
    found: list[_Found] = []
    before = 0
    for place in job.blob.locations:
        told = None if progress is None else _after(progress, before)
        found.append(_read(stores, job, place.url, told))
        before += found[-1].size or 0
    return found


def _after(progress: Progress, before: int) -> Progress:
    return lambda count: progress(before + count)


def _read(stores: Stores, job: _Job, url: str, progress: Progress | None) -> _Found:
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
        return _Found(url, store, result, size, {}, mark, str(refused)[:1000])
    except MetastoreError as refused:
        return _Found(url, store, "unable", None, {}, mark, str(refused)[:1000])
    return _Found(url, store, "ok", hasher.size, hasher.digests(), mark, None)


def _algorithms(blob: Blob) -> set[str]:
    """Return what to compute: all that is known of the blob, so that all of it is checked, and the SHA-256 that it may lack."""
    known = set(blob.digests)
    return known if blob.proof is not None else {*known, "sha256"}

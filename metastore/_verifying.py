"""Verifying: reading bytes to prove them, remembering what came of it, and finding out what stores can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from metastore._abreast import abreast, check_workers
from metastore._artifact import Record
from metastore._blob import PROOFS, Blob, combined
from metastore._blobs import blob_field, blobs_of, check_blob_field, some_blob
from metastore._data import Data, evolve
from metastore._delivering import Delivering
from metastore._link import Link
from metastore._proving import Found, Job, Sum, proved
from metastore._together import Draft, attempt, in_bunches, together
from metastore._transaction import atomic, patiently
from metastore.errors import (
    ConflictError,
    NotFoundError,
    StaleRevisionError,
    UnverifiedError,
    ValidationError,
    WrongBytesError,
)

if TYPE_CHECKING:
    from metastore._schema import FieldSpec
    from metastore._verifications import Probe, Verification
    from metastore.query import Predicate
    from metastore.stores._pace import Stop

__all__ = ["Verifying"]

PROBES = "metastore_probes"
"""The type of the engine's own in which it is kept what stores can do."""

A = TypeVar("A", bound=Record)
T = TypeVar("T")
Progress = Callable[[int], object]


class _Read(Data):
    """What came of reading every place of a blob; ``reason`` says why what was found did not come into the catalogue."""

    job: Job
    found: list[Found]
    reason: str | None = None

    @property
    def field(self) -> FieldSpec:
        """The field of the blob."""
        return self.job.field

    @property
    def lacked(self) -> Found | None:
        """What fills in the blob, if it has no strong digest and was found."""
        return next((each for each in self.found if each.result == "ok" and self.job.blob.proof is None), None)


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
        return list(self._proved(in_bunches(self._jobs(artifact, field, key)), 1, progress))

    def verify_many(
        self,
        type: type[A],
        *predicates: Predicate,
        since: datetime | None = None,
        workers: int = 4,
        progress: Progress | None = None,
    ) -> Iterator[Verification]:
        """Verify the blobs of every artifact that fits, several at once; yield what came of each place, as soon as it is kept.

        What is found of one artifact is kept together: of up to 500 blobs (of more than 5,000, a tenth), or of those read within ten seconds.
        With ``since``, blobs whose every place was found right after that time are passed over: so a run that was stopped goes on where it
        was when it is started again with the same ``since``: what was read by then is kept, unless it is killed. What is deleted meanwhile is passed over, too. ``progress`` gets the
        bytes read so far, of all. Raises ForbiddenError for a principal who may not verify one that fits.
        """
        check_workers(workers)
        return self._proved(self._due_bunches(type, predicates, since), workers, progress)

    def _proved(
        self, bunches: Iterable[Sequence[Job]], workers: int, progress: Progress | None
    ) -> Iterator[Verification]:
        from metastore.stores._pace import Stop

        told, stop = Sum(progress), Stop()

        def work(job: Job) -> list[Found]:
            stop.check()
            return proved(self._configured, job, _heeding(stop, told.one()))

        def take(ended: Sequence[tuple[Job, list[Found]]]) -> list[Verification]:
            return self._kept(self._filled_in([_Read(*each) for each in ended]))

        for kept in abreast(work, bunches, workers, take, stop.wish):
            yield from kept or ()

    def identity(self, artifact: Record, field: str | None = None) -> str:
        """Return the identity of an artifact's blobs together (of a folder's, by ``field``), as ``sha256:…``.

        Other bytes, other names or another set of parts give another one. Raises UnverifiedError where a part has no strong digest,
        UnknownFieldError.
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

    def _stored_blobs(self, artifact: Record, field: str | None) -> list[Job]:
        stored = self.get(type(artifact), artifact.id)
        spec = self._types.shelf(type(stored)).spec
        if field is not None:
            check_blob_field(spec, field)
        return [Job(stored, *each) for each in blobs_of(stored, spec) if field in (None, each[0].name)]

    def _due_bunches(
        self, type: type[Record], predicates: tuple[Predicate, ...], since: datetime | None
    ) -> Iterator[Sequence[Job]]:
        if since is not None and (not isinstance(since, datetime) or since.utcoffset() is None):
            raise ValidationError(f"expected since as a datetime with a time zone, got {since!r:.60}")
        for artifact in self.find(type, *predicates, unlisted=True):
            yield from in_bunches(self._due_jobs(artifact, since))

    def _due_jobs(self, artifact: Record, since: datetime | None) -> list[Job]:
        """Leave out those whose every place was found right after a time; all, where the artifact went meanwhile."""
        try:
            jobs = self._jobs(artifact, None, None)
        except NotFoundError:
            return []
        if since is None:
            return jobs
        known = self._remembered_by_blob(artifact)
        return [job for job in jobs if not _right_since(job.blob, known.get((job.field.name, job.key), ()), since)]

    def _jobs(self, artifact: Record, field: str | None, key: str | None) -> list[Job]:
        shelf = self._types.shelf(type(artifact))
        rows = self._visible(shelf, self._backend.fetch(shelf.spec, [artifact.id.bytes]))
        if not rows:
            raise self._missing(shelf, artifact.id)
        if self._access is not None:
            self._access.check(shelf, "verify", shelf.codec.decode(rows[0]).__dict__)
        stored = self._reader(shelf)(rows[0])
        if field is None:
            return [Job(stored, *each) for each in blobs_of(stored, shelf.spec)]
        spec = blob_field(shelf.spec, field, key)
        return [Job(stored, spec, key, some_blob(stored, spec, key))]

    def _on_fresh(self, artifact: Record, act: Callable[[Any], T]) -> T:
        """Return what ``act`` returns for the artifact as it is stored; asked again, for a while, when others write it meanwhile."""
        pauses = patiently(self._patience)
        while True:
            try:
                return act(self.get(type(artifact), artifact.id))
            except StaleRevisionError:
                if next(pauses, None) is None:
                    raise

    def _filled_in(self, read: Sequence[_Read]) -> list[_Read]:
        """Write digests and sizes of the bytes found, where blobs of one artifact lack them; return all with the reasons why not."""
        lacking = [each for each in read if each.lacked is not None]
        reasons = together(
            lacking,
            lambda some: self._on_fresh(some[0].job.artifact, lambda now: self._fill_in(now, some)),
            lambda _, refused: str(refused)[:1000],
        )
        why = dict(zip(map(id, lacking), reasons, strict=True))
        return [evolve(each, reason=why.get(id(each))) for each in read]

    def _fill_in(self, now: Any, some: Sequence[_Read]) -> list[str | None]:
        draft = Draft(now)
        refusals = [attempt(lambda each=each: _fill_in(now, draft, each)) for each in some]  # type: ignore[misc]
        if draft.fields:
            self._put_as(now, "verify", draft.fields)
        return [None if why is None else str(why)[:1000] for why in refusals]

    @atomic
    def _kept(self, read: Sequence[_Read]) -> list[Verification]:
        """Keep what came of the places of blobs of one artifact, unless that went meanwhile: then it is only told."""
        from metastore._verifications import Verification

        engine, made = self._engine(), [_verification(each, found) for each in read for found in each.found]
        engine._types.shelf(Verification)  # stored before the transaction needs it
        with engine.transaction():
            there = engine.get_many(Record, [read[0].job.artifact.id])
            return [engine.upsert(each) for each in made] if there else made

    def verifications(self, artifact: Record) -> list[Verification]:
        """Return what came of the last verification of each place of an artifact's blobs, by field and url.

        A principal gets those of fields that it may read. Raises NotFoundError.
        """
        stored = self.get(type(artifact), artifact.id)
        access = self._access
        return [each for each in self._remembered(stored) if access is None or access.reads(each.blob)]

    # stores

    def probe(self, store: str) -> Probe:
        """Try once what a store can do, with objects of its own that are taken away again; return and keep what was seen.

        Where one could not be taken away, the ``reason``, or the error, names it. Whether signed uploads are bound is tried with a deliberately wrong checksum. Raises UncoveredError for an unknown name,
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


def _right_since(blob: Blob, verifications: Iterable[Verification], since: datetime) -> bool:
    right = {each.url for each in verifications if each.result == "ok" and each.checked_at >= since}
    return bool(blob.urls) and right.issuperset(blob.urls)


def _fill_in(now: Any, draft: Draft, read: _Read) -> None:
    """Put what was found of a blob into the draft, where it still is the blob that was read."""
    job, found = read.job, read.lacked
    blob = some_blob(now, job.field, job.key)
    if blob.to_plain() != job.blob.to_plain():
        raise ConflictError("the blob was changed while it was read: verify it again")
    if found is not None:
        digests = {**blob.digests, "sha256": found.digests["sha256"]}
        draft.put(job.field, job.key, blob.evolve(size=found.size, digests=digests))


def _verification(read: _Read, found: Found) -> Any:
    """Return what is kept of one place."""
    from metastore._verifications import Verification

    proof = next((f"{name}:{found.digests[name]}" for name in PROOFS if name in found.digests), None)
    made: Any = Verification(
        artifact=Link(read.job.artifact.id), blob=read.field.name, part=read.job.key, url=found.url,
        result=found.result, checked_at=datetime.now(UTC), size=found.size, proof=proof, mark=found.mark,
        reason=found.reason or read.reason,
    )  # fmt: skip
    return made


def _heeding(stop: Stop, progress: Progress | None) -> Progress:
    """Return what is told how far a read is, and ends it where that is wished."""

    def tell(count: int) -> None:
        stop.check()
        if progress is not None:
            progress(count)

    return tell

"""Mirroring: the blobs that a query chooses, brought to one more store, as many as may be at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, count, takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from metastore._abreast import abreast, check_workers
from metastore._admission import admit_urls
from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_of, blobs_of, joined, some_blob
from metastore._data import EMPTY, Data, evolve
from metastore._fetching import marks_of
from metastore._location import Location
from metastore._proving import Sum
from metastore._results import mirror_result_of
from metastore._steps import Put
from metastore._together import Draft, attempt, in_bunches, together
from metastore._verifying import Verifying
from metastore.errors import (
    ConflictError,
    MetastoreError,
    NotFoundError,
    QuarantinedError,
    UnverifiedError,
    ValidationError,
)
from metastore.query import Order, Path

if TYPE_CHECKING:
    from metastore._results import MirrorResult
    from metastore._schema import FieldSpec
    from metastore._types import Shelf
    from metastore.query import Predicate
    from metastore.stores._carrying import Carried, Carrier

__all__ = ["Mirrored", "Mirroring"]

A = TypeVar("A", bound=Record)
Progress = Callable[[int], object]
HELD = 86_400
"""Seconds for which what a run finds or brings is kept from being swept, and half of which it takes until it says so again."""


class Mirrored(Data):
    """What came of one blob: ``artifact`` as it is stored now, the field ``blob``, the name ``part`` in a folder.

    ``url`` is its place in the store, if it has one now; ``reason`` says why not.
    """

    artifact: Any
    blob: str
    part: str | None
    result: MirrorResult
    size: int | None
    url: str | None = None
    reason: str | None = None


class _Job(Data):
    """One blob to be brought to a key, from what is left of its places; or why it may not be."""

    artifact: Any
    field: FieldSpec
    key: str | None
    blob: Blob
    at: str = ""
    marks: Mapping[str, str] = EMPTY
    refusal: MetastoreError | None = None

    @property
    def due(self) -> bool:
        """Whether there is something to be done, or to be told: not of what has gone meanwhile, or lies there."""
        return bool(self.at) if self.refusal is None else not isinstance(self.refusal, NotFoundError)

    def refused(self, error: MetastoreError) -> _Job:
        """Return it with the reason why it may not be brought."""
        return evolve(self, refusal=error)

    def failed(self, error: MetastoreError) -> Mirrored:
        """Return what came of it."""
        word, reason = mirror_result_of(error), str(error)[:1000]
        return Mirrored(self.artifact, self.field.name, self.key, word, self.blob.size, None, reason)


class _Brought(Data):
    """A blob that lies in the store now, and is to be referred to there."""

    job: _Job
    carried: Carried

    @property
    def field(self) -> FieldSpec:
        """The field of the blob."""
        return self.job.field

    def told(self, artifact: Any, url: str) -> Mirrored:
        """Return what came of it, once the artifact refers to it."""
        word: MirrorResult = "copied" if self.carried.copied else "there"
        return Mirrored(artifact, self.field.name, self.job.key, word, self.carried.size, url)


class _Seen(Data):
    """An artifact as it is stored now: what was got of it, what its caller sees, what is remembered of its blobs, and what refuses unsigned ones."""

    now: Any
    shelf: Shelf
    stored: Any
    verified: dict[tuple[str, str | None], list[Any]]
    check_signed: Callable[[str, str | None], None]


_Ended = tuple[_Job, "Carried | MetastoreError | None"]


class _Order(Data):
    """What all of one run have in common."""

    target: str
    source: str | None
    priority: int


class Mirroring(Verifying):
    """What brings many blobs to another store."""

    def mirror(
        self,
        type: type[A],
        *predicates: Predicate,
        store: str,
        source: str | None = None,
        budget: int | None = None,
        rate: float | None = None,
        workers: int = 4,
        priority: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[Mirrored]:
        """Bring the blobs of every artifact that fits, and that do not lie in the store yet, to it; yield what came of each.

        They begin in the order of their artifacts' ids, ``workers`` at once. Those of one artifact are referred to together, as one revision, and told then: up to
        500 of them (of more than 5,000, a tenth), or what was brought within ten seconds. ``result`` is copied, there (its bytes lay there
        already, and are referred to now), skipped (not within the ``budget``), unverified (no strong digest), refused (by policy, life cycle or a hook), full, or as
        `verify` has it; one that fails stops no other. With ``source`` only blobs that lie in that store, and only from there.

        ``budget`` bounds the bytes that are sent in this run; what does not fit is skipped, and smaller ones after it are not. ``rate`` bounds
        the bytes per second that pass here, over all workers. ``progress`` gets the bytes so far, of all. A run that was stopped, at whatever
        point, is gone on with by the same call: nothing is sent that lies there; unless it is killed, it refers to what was brought before it ends. The same content of one owner is sent once.

        Raises UncoveredError for an unknown store, StoreUnableError for one that is not written, and the target's StoreUnreachableError
        or StoreDeniedError once it failed eight times in a row; QueryError.
        """
        from metastore._garbage import Holding
        from metastore.stores._carrying import Carrier
        from metastore.stores._pace import Budget, Rate, Stop

        check_workers(workers)
        order = _Order(self._configured.writable(store).name, source, priority)
        if source is not None:
            self._configured.named(source)
        _check_bounds(budget, rate)
        found = self.find(type, *predicates, order_by=[Order(Path("id"))], unlisted=True)
        stop, told = Stop(), Sum(progress)
        pace = None if rate is None else Rate(rate)
        carrier = Carrier(self._configured, order.target, Budget(budget), pace, stop)
        hold = Holding(self._engine(), self._configured.url(order.target, self._folder), HELD, "a mirror")
        bunches = self._bunches_of(takewhile(lambda _: carrier.ended is None, found), order, hold)
        done = abreast(
            lambda job: _carried(carrier, job, told.one()),
            bunches,
            workers,
            lambda ended: self._ended(ended, order),
            stop.wish,
        )
        return self._mirrored(done, carrier, hold)

    def _bunches_of(self, found: Iterable[Record], order: _Order, hold: Callable[[], None]) -> Iterator[list[_Job]]:
        for each in found:
            blobs = blobs_of(each, self._types.shelf(type(each)).spec)
            lacking = [_Job(each, field, key, blob) for field, key, blob in blobs if self._lacks(blob, order)]
            for bunch in in_bunches(lacking):
                if jobs := self._jobs_of(bunch, order):
                    hold()
                    yield jobs

    @property
    def _folder(self) -> str:
        return f"{self.id}/by-digest"

    def _place(self, key: str, order: _Order) -> Location:
        return Location(self._configured.url(order.target, key), order.priority, order.target)

    def _lacks(self, blob: Blob, order: _Order) -> bool:
        lying = {self._configured.covering(url) for url in blob.urls}
        return order.target not in lying and (order.source is None or order.source in lying)

    def _jobs_of(self, bunch: Sequence[_Job], order: _Order) -> list[_Job]:
        """Return what is to be done for blobs of one artifact as they are stored now, without those that need nothing any more."""
        jobs = together(
            bunch,
            lambda some: self._on_fresh(some[0].artifact, lambda now: self._judged(now, some, order)),
            _Job.refused,
        )
        return [each for each in jobs if each.due]

    def _judged(self, now: Any, some: Sequence[_Job], order: _Order) -> list[_Job]:
        """Return the jobs as they are to be done; raise what referring to all their places would raise, before a byte is read."""
        shelf = self._shelf_of(now)
        row = self._at_revision(shelf, now)
        stored = self._reader(shelf)(row)
        check_signed = self._signed_check(shelf, row, [(each.field.name, each.key) for each in some])
        seen, draft = _Seen(now, shelf, stored, self._remembered_by_blob(stored), check_signed), Draft(stored)
        jobs = [self._job_for(seen, draft, each, order) for each in some]
        if draft.fields:
            self._preview(now, (Put("copy_blob", draft.fields),))
        return jobs

    def _job_for(self, seen: _Seen, draft: Draft, job: _Job, order: _Order) -> _Job:
        """Return the job with its key and what is known of its places, or why it may not be done; put its new place into the draft."""
        blob = blob_of(seen.stored, job.field, job.key)
        if blob is None or not self._lacks(blob, order):
            return job
        at = attempt(lambda: self._key_for(seen, job, blob, order))
        if isinstance(at, MetastoreError):
            return evolve(job, artifact=seen.now, blob=blob, refusal=at)
        draft.put(job.field, job.key, joined(blob, self._place(at, order)))
        near = [each for each in blob.locations if order.source in (None, self._configured.covering(each.url))]
        marks = marks_of(seen.verified.get((job.field.name, job.key), ()))
        return evolve(job, artifact=seen.now, blob=blob.evolve(locations=near), at=at, marks=marks)

    def _key_for(self, seen: _Seen, job: _Job, blob: Blob, order: _Order) -> str:
        self._blob_field(seen.shelf, seen.stored, job.field.name, job.key)
        if blob.proof is None:
            raise UnverifiedError("it is unverified, so a copy would prove nothing: verify it first")
        seen.check_signed(job.field.name, job.key)
        return self._free_key(self._content_key(seen.stored, *blob.proof), order)

    def _content_key(self, artifact: Any, algorithm: str, digest: str) -> str:
        """Return where content lies: once per owner, since whoever only knows a digest must not come by the bytes of others."""
        import hashlib  # OpenSSL, and what keeps leases, take a tenth of the time that importing the engine does

        owner = artifact.owner
        whose = "nobody" if owner is None else hashlib.sha256(owner.encode()).hexdigest()[:32]
        return f"{self._folder}/{whose}/{algorithm}-{digest}"

    def _free_key(self, key: str, order: _Order) -> str:
        """Return the key, or one beside it where bytes were discarded as garbage: nothing may refer to such a key any more."""
        beside = (f"{key}.{turn}" for turn in count(1))
        return next(each for each in chain((key,), beside) if not self._is_discarded(each, order))

    def _is_discarded(self, key: str, order: _Order) -> bool:
        try:
            admit_urls(self._engine(), [self._configured.url(order.target, key)])
        except QuarantinedError:
            return True
        return False

    # what was carried is referred to

    def _mirrored(
        self, done: Iterator[list[Mirrored] | None], carrier: Carrier, hold: Callable[[], None]
    ) -> Iterator[Mirrored]:
        for told in done:
            hold()
            yield from told or ()
        if carrier.ended is not None:
            raise carrier.ended

    def _ended(self, ended: Sequence[_Ended], order: _Order) -> list[Mirrored]:
        """Refer to what was brought, and return what came of each."""
        failed = [job.failed(found) for job, found in ended if isinstance(found, MetastoreError)]
        brought = [_Brought(job, found) for job, found in ended if found and not isinstance(found, MetastoreError)]
        return [*failed, *self._referred(brought, order)]

    def _referred(self, brought: Sequence[_Brought], order: _Order) -> list[Mirrored]:
        """Refer to blobs of one artifact where they lie now, and return what came of each."""
        return together(
            brought,
            lambda some: self._on_fresh(some[0].job.artifact, lambda now: self._located(now, some, order)),
            lambda each, error: each.job.failed(error),
        )

    def _located(self, now: Any, some: Sequence[_Brought], order: _Order) -> list[Mirrored]:
        shelf = self._shelf_of(now)
        stored = self._stored(shelf, now)
        draft = Draft(stored)
        refusals = [attempt(partial(self._locate, shelf, stored, draft, each, order)) for each in some]
        made = self._put_as(now, "copy_blob", draft.fields) if draft.fields else now
        return [
            each.told(made, self._place(each.carried.key, order).url) if why is None else each.job.failed(why)
            for each, why in zip(some, refusals, strict=True)
        ]

    def _locate(self, shelf: Shelf, stored: Any, draft: Draft, brought: _Brought, order: _Order) -> None:
        """Put the place of one into the draft, where it still is the blob that was brought, and lies there nowhere else."""
        job = brought.job
        field = self._blob_field(shelf, stored, job.field.name, job.key)
        blob = some_blob(stored, field, job.key)
        if blob.proof != job.blob.proof:
            raise ConflictError(f"{field.name} of {stored.id} was given other bytes meanwhile: mirror it again")
        if self._lacks(blob, evolve(order, source=None)):
            place = self._place(brought.carried.key, order)
            draft.put(field, job.key, joined(blob, place, size=brought.carried.size))


def _carried(carrier: Carrier, job: _Job, progress: Progress | None) -> Carried | MetastoreError | None:
    """Bring one blob; no catalogue is asked here, so that several threads can. What broke off since the run ended is nothing to be told."""
    if job.refusal is not None:
        return job.refusal
    try:
        return carrier.carried(job.blob, job.at, job.marks, progress)
    except MetastoreError as error:
        return error.with_traceback(None) if carrier.ended in (None, error) else None


def _check_bounds(budget: Any, rate: Any) -> None:
    if budget is not None and (type(budget) is not int or budget < 0):
        raise ValidationError(f"expected the budget in bytes, 0 or more, got {budget!r:.40}")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 2**63):
        raise ValidationError(
            f"expected the rate in bytes per second, more than 0 and less than 2^63, got {rate!r:.40}"
        )

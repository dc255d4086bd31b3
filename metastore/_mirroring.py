"""Mirroring: the blobs that a query chooses, brought to one more store, as many as may be at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from metastore._abreast import abreast, check_workers
from metastore._admission import admit_urls
from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_of, blobs_of, joined, some_blob
from metastore._data import Data
from metastore._location import Location
from metastore._results import mirror_result_of
from metastore._transaction import patiently
from metastore._verifying import Sum, Verifying
from metastore.errors import (
    BackendError,
    ConflictError,
    MetastoreError,
    NotFoundError,
    QuarantinedError,
    StaleRevisionError,
    StoreDeniedError,
    StoreUnreachableError,
    UnverifiedError,
    ValidationError,
)
from metastore.query import Order, Path

if TYPE_CHECKING:
    from metastore._results import MirrorResult
    from metastore._schema import FieldSpec
    from metastore.query import Predicate
    from metastore.stores._carrying import Carried, Carrier

__all__ = ["Mirrored", "Mirroring"]

A = TypeVar("A", bound=Record)
T = TypeVar("T")
Progress = Callable[[int], object]
HELD = 86_400
"""Seconds for which what a run finds or brings is kept from being swept, and half of which it takes until it says so again."""
IN_A_ROW = 8
"""Failures of the target itself, one after the other, after which a run ends."""


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


class _Job(NamedTuple):
    """One blob to be brought to a key, from what is left of its places; or why it may not be."""

    artifact: Any
    field: FieldSpec
    key: str | None
    blob: Blob
    at: str = ""
    marks: dict[str, str] = {}  # noqa: RUF012 - never changed
    refusal: MetastoreError | None = None

    def failed(self, error: MetastoreError) -> Mirrored:
        """Return what came of it."""
        word, reason = mirror_result_of(error), str(error)[:1000]
        return Mirrored(self.artifact, self.field.name, self.key, word, self.blob.size, None, reason)


class _Order(NamedTuple):
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

        They begin in the order of their artifacts' ids, ``workers`` at once, and are told as they end. ``result`` is copied, there (its bytes lay there
        already, and are referred to now), skipped (not within the ``budget``), unverified (no strong digest), refused (by policy, life cycle or a hook), full, or as
        `verify` has it; one that fails stops no other. With ``source`` only blobs that lie in that store, and only from there.

        ``budget`` bounds the bytes that are sent in this run; what does not fit is skipped, and smaller ones after it are not. ``rate`` bounds
        the bytes per second that pass here, over all workers. ``progress`` gets the bytes so far, of all. A run that was stopped, at whatever
        point, is gone on with by the same call: nothing is sent that lies there. The same content of one owner is sent once.

        Raises UncoveredError for an unknown store, StoreUnableError for one that is not written, and the target's StoreUnreachableError
        or StoreDeniedError once it failed eight times in a row; QueryError.
        """
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
        done = abreast(lambda job: _carried(carrier, job, told.one()), self._jobs_of(found, order), workers, stop.wish)
        return self._mirrored(done, order)

    def _jobs_of(self, found: Iterable[Record], order: _Order) -> Iterator[_Job]:
        due = 0.0
        for each in found:
            for field, key, blob in blobs_of(each, self._types.shelf(type(each)).spec):
                if self._lacks(blob, order) and (job := self._job(each, field, key, order)) is not None:
                    due = self._leased(order, due)
                    yield job

    def _leased(self, order: _Order, due: float) -> float:
        """Keep what lies there from being swept before it is referred to; return when to do so again."""
        from metastore._garbage import lease

        if monotonic() < due:
            return due
        lease(self._engine(), self._configured.url(order.target, self._folder), HELD, "a mirror")
        return monotonic() + HELD / 2

    @property
    def _folder(self) -> str:
        return f"{self.id}/by-digest"

    def _lacks(self, blob: Blob, order: _Order) -> bool:
        lying = {self._configured.covering(url) for url in blob.urls}
        return order.target not in lying and (order.source is None or order.source in lying)

    def _job(self, artifact: Record, field: FieldSpec, key: str | None, order: _Order) -> _Job | None:
        """Return what is to be done for a blob as it is stored now, ``None`` where it needs nothing any more."""
        try:
            return self._on_fresh(artifact, lambda now: self._judged(now, field, key, order))
        except NotFoundError:
            return None
        except BackendError:
            raise
        except MetastoreError as refused:
            return _Job(artifact, field, key, blob_of(artifact, field, key) or Blob(), refusal=refused)

    def _judged(self, now: Any, field: FieldSpec, key: str | None, order: _Order) -> _Job | None:
        """Raise whatever referring to the new place would raise, before a byte is read."""
        shelf, spec, stored = self._writable(now, field.name, key)
        blob = some_blob(stored, spec, key)
        if not self._lacks(blob, order):
            return None
        if blob.proof is None:
            raise UnverifiedError("it is unverified, so a copy would prove nothing: verify it first")
        self._check_signed(shelf, self._at_revision(shelf, now), field.name, key)
        at = self._free_key(self._content_key(stored, *blob.proof), order)
        place = Location(self._configured.url(order.target, at), order.priority, order.target)
        self._check_may(now, shelf, spec, key, joined(blob, place), "copy_blob")
        near = [each for each in blob.locations if order.source in (None, self._configured.covering(each.url))]
        return _Job(now, spec, key, blob.evolve(locations=near), at, self._marks(stored, field.name, key))

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

    def _on_fresh(self, artifact: Record, act: Callable[[Any], T]) -> T:
        """Return what ``act`` returns for the artifact as it is stored; asked again, for a while, when others write it meanwhile."""
        pauses = patiently(self._patience)
        while True:
            try:
                return act(self.get(type(artifact), artifact.id))
            except StaleRevisionError:
                if next(pauses, None) is None:
                    raise

    # what was carried is referred to

    def _mirrored(self, done: Iterator[tuple[_Job, Carried | MetastoreError]], order: _Order) -> Iterator[Mirrored]:
        in_a_row = 0
        for job, carried in done:
            if isinstance(carried, MetastoreError):
                in_a_row = in_a_row + 1 if _is_of_target(carried, order) else 0
                yield job.failed(carried)
                if in_a_row >= IN_A_ROW:
                    raise carried
            else:
                in_a_row = 0
                yield self._settled_copy(job, carried, order)

    def _settled_copy(self, job: _Job, carried: Carried, order: _Order) -> Mirrored:
        place = Location(self._configured.url(order.target, carried.key), order.priority, order.target)
        try:
            artifact = self._on_fresh(job.artifact, lambda now: self._located(now, job, place, carried.size, order))
        except BackendError:
            raise
        except MetastoreError as refused:
            return job.failed(refused)
        word: MirrorResult = "copied" if carried.copied else "there"
        return Mirrored(artifact, job.field.name, job.key, word, carried.size, place.url)

    def _located(self, now: Any, job: _Job, place: Location, size: int | None, order: _Order) -> Any:
        shelf, spec, stored = self._writable(now, job.field.name, job.key)
        blob = some_blob(stored, spec, job.key)
        if blob.proof != job.blob.proof:
            raise ConflictError(f"{spec.name} of {stored.id} was given other bytes meanwhile: mirror it again")
        made = joined(blob, place, size=size) if self._lacks(blob, order._replace(source=None)) else blob
        return self._refer(now, shelf, spec, job.key, made, "copy_blob")


def _carried(carrier: Carrier, job: _Job, progress: Progress | None) -> Carried | MetastoreError:
    """Bring one blob; no catalogue is asked here, so that several threads can."""
    if job.refusal is not None:
        return job.refusal
    try:
        return carrier.carried(job.blob, job.at, job.marks, progress)
    except MetastoreError as error:
        return error.with_traceback(None)


def _is_of_target(error: MetastoreError, order: _Order) -> bool:
    return isinstance(error, StoreUnreachableError | StoreDeniedError) and error.store == order.target


def _check_bounds(budget: Any, rate: Any) -> None:
    if budget is not None and (type(budget) is not int or budget < 0):
        raise ValidationError(f"expected the budget in bytes, 0 or more, got {budget!r:.40}")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0):
        raise ValidationError(f"expected the rate in bytes per second, more than 0, got {rate!r:.40}")

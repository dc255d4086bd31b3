"""What a catalogue keeps of garbage: objects that were put aside, to which nothing may refer any more, and leases that keep objects.

Kept as types of the engine's own. A catalogue that never had one does not store the type, and no write asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Literal

from metastore._artifact import Field, Record, field
from metastore._location import check_url
from metastore._places import base_of, inside, signs_of_key, signs_of_url, tails
from metastore.errors import QuarantinedError, ValidationError
from metastore.query import In, Path, Query

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore._types import Shelf
    from metastore.backend import Row

__all__ = [
    "GARBAGE",
    "KEPT",
    "LEASES",
    "Discarded",
    "Holding",
    "Lease",
    "lease",
    "leases",
    "refuse_discarded",
    "tail_of",
]

GARBAGE, LEASES = "metastore_garbage", "metastore_leases"
"""The types of the engine's own in which these are kept."""
LONGEST = 366 * 86_400
BATCH = 500


class Discarded(Record, type_name=GARBAGE, unique=("base", "key")):
    """An object that nobody referred to: put aside, or deleted since. Nothing may refer to it; restored, it is discarded no more."""

    base: Field[str] = field(max_length=2100, description="Where its store begins.")
    key: Field[str] = field(max_length=2048, description="Its key there.")
    tail: Field[str] = field(max_length=64, index=True, description="Mark of the last step of its key.")
    state: Field[Literal["aside", "deleted"]] = field(
        default="aside", mutable=True, index=True, description="Where it is."
    )
    plan: Field[str] = field(max_length=64, mutable=True, description="The plan by which.")
    size: Field[int | None] = field(default=None, ge=0, mutable=True, unit="bytes", description="Its size.")


class Lease(Record, type_name=LEASES, unique=("url",)):
    """A promise that what lies at a url, or below it, is no garbage until a time, for something that is under way."""

    url: Field[str] = field(max_length=2048, description="What is kept.")
    until: Field[datetime] = field(mutable=True, index=True, description="Until when.")
    holder: Field[str] = field(max_length=255, mutable=True, description="What is under way.")


KEPT: dict[str, type[Record]] = {GARBAGE: Discarded, LEASES: Lease}
"""The classes by the names of their types."""


# leases


def lease(catalog: Catalog, url: str, seconds: float, holder: str) -> Lease:
    """Keep what lies at a url, or below it, from being put aside for some seconds; taken again, it only grows longer.

    Take one in each catalogue that `plan` is asked with, or in one of them: any keeps. Raises ValidationError; ForbiddenError for a principal.

    >>> from metastore import Catalog
    >>> with Catalog.open("memory:") as catalog:
    ...     lease(catalog, "s3://images/all", 3600, "a mirror").holder
    'a mirror'
    """
    catalog._check_ours("lease")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST:
        raise ValidationError(
            f"expected how long a lease holds in seconds, more than 0, at most {LONGEST}, got {seconds!r:.40}"
        )
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    wanted = Lease(url=check_url(url), until=until, holder=holder)

    catalog._types.shelf(Lease)  # stored before the transaction needs it

    def taken() -> Lease:
        for each in catalog.find(Lease, Lease.url == url):
            return catalog.update(each, until=max(each.until, until), holder=holder)
        return catalog.add(wanted)

    return catalog.run(taken)


class Holding:
    """A lease for as long as a run lasts: whenever it is called, and half of its time is over, it is taken again."""

    def __init__(self, catalog: Catalog, url: str, seconds: float, holder: str) -> None:
        self._take = partial(lease, catalog, url, seconds, holder)
        self._half, self._due = seconds / 2, -inf

    def __call__(self) -> None:
        if monotonic() >= self._due:
            self._take()
            self._due = monotonic() + self._half


def leases(catalog: Catalog, now: datetime) -> list[Lease]:
    """Return the leases that hold at a time."""
    if not catalog._types.has(LEASES):
        return []
    return list(catalog.find(Lease, Lease.until > now))


def leased(held: Iterable[Lease], url: str) -> Lease | None:
    """Return a lease that keeps what lies at a url."""
    return next((each for each in held if inside(url, each.url)), None)


# what was discarded


def tail_of(step: str) -> str:
    """Return the mark by which the last step of a key is looked up."""
    import hashlib

    return hashlib.blake2b(step.encode(), digest_size=16).hexdigest()


def refuse_discarded(catalog: Catalog, urls: Iterable[str]) -> None:
    """Raise QuarantinedError for a url that may name what was discarded. Called with the write lock held, for urls that are new."""
    named: dict[str, list[str]] = {}
    for url in urls:
        for step in tails(url):
            named.setdefault(tail_of(step), []).append(url)
    shelf = catalog._types.shelf(Discarded)
    base, key, tail = (shelf.spec.position[name] for name in ("base", "key", "tail"))
    for row in _of_tails(shelf, sorted(named)):
        place = base_of(row[base])
        signs = set(signs_of_key(place, row[key]))
        for url in named[row[tail]]:
            if not signs.isdisjoint(signs_of_url(place, url)):
                raise _refused(url, shelf.codec.decode(row))


def _of_tails(shelf: Shelf, marks: list[str]) -> Iterator[Row]:
    for begin in range(0, len(marks), BATCH):
        yield from shelf.select(Query(GARBAGE, In(Path("tail", kind="str"), tuple(marks[begin : begin + BATCH]))))


def _refused(url: str, found: Discarded) -> QuarantinedError:
    what, then = {
        "aside": ("were put aside", "bring them back first, by metastore gc restore"),
        "deleted": ("were deleted", "they can only be brought anew, under another key"),
    }[found.state]
    when = found.updated_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return QuarantinedError(
        f"the bytes at {url:.300} {what} as garbage on {when}, since nobody referred to them: {then}",
        url=url, base=found.base, key=found.key,
    )  # fmt: skip

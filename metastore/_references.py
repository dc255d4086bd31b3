"""References: every url that a catalogue refers to, remembered in eight bytes a sign, and kept up with what is written meanwhile."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from metastore._lookups import urls_of
from metastore._places import Base, signs_of_key, signs_of_url
from metastore.query import Order, Path, Position, Query

if TYPE_CHECKING:
    from metastore.backend import Backend, Row, TypeSpec

__all__ = ["References"]

PAGE = 500
_ID = Path("id", kind="id")


class References:
    """What one catalogue refers to below some stores: whatever it referred to since this was made counts.

    It is read once, without a lock; what changed since is in the history, so `catch_up` under the write lock makes it exact. Signs are kept as
    hashes of 64 bits: two that fall together keep an object, and give none up.
    """

    def __init__(self, backend: Backend, bases: Sequence[Base]) -> None:
        self._backend, self._bases, self._hashes = backend, bases, _Hashes()
        last = backend.recorded()
        self._seen = 0 if last is None else last.seq - 1  # a transaction that is being copied may grow yet
        for spec in self._specs():
            for row in self._every(spec):
                self._take(spec, row)

    def name(self, store: int, key: str) -> bool:
        """Whether something may refer to that key of the store with that number."""
        return any(f"{store}{sign}" in self._hashes for sign in signs_of_key(self._bases[store], key))

    def catch_up(self) -> None:
        """Take in what was written since."""
        changed: set[bytes] = set()
        after, skip = self._seen, 0
        while page := self._backend.history(after, PAGE, skip=skip):
            last = page[-1]
            changed.update(change.id for told in page for change in told.changes)
            after, skip = (after, skip + len(last.changes)) if last.more else (last.seq, 0)
            self._seen = last.seq - 1
        self._look_at(sorted(changed))

    def _look_at(self, ids: Sequence[bytes]) -> None:
        specs = self._specs()
        for at in range(0, len(ids), PAGE):
            for spec in specs:
                for row in self._backend.fetch(spec, ids[at : at + PAGE]):
                    self._take(spec, row)

    def _specs(self) -> list[TypeSpec]:
        """The types whose artifacts refer to bytes, as they are stored now."""
        latest = {each.spec.name: each.spec for each in self._backend.specs()}
        return [spec for spec in latest.values() if any(each.kind in ("blob", "folder") for each in spec.fields)]

    def _every(self, spec: TypeSpec) -> Iterator[Row]:
        after: Position | None = None
        while rows := self._backend.select(spec, Query(spec.name, order=(Order(_ID),), limit=PAGE, after=after)):
            yield from rows
            after = Position((rows[-1][0],), rows[-1][0])

    def _take(self, spec: TypeSpec, row: Row) -> None:
        for url in urls_of(spec, row):
            for number, base in enumerate(self._bases):
                self._hashes.update(f"{number}{sign}" for sign in signs_of_url(base, url))


class _Hashes:
    """A set of texts by their hashes, eight bytes each."""

    def __init__(self) -> None:
        self._sorted, self._loose = [array("Q") for _ in range(256)], [array("Q") for _ in range(256)]

    def update(self, texts: Iterable[str]) -> None:
        for each in texts:
            number = _hash(each)
            self._loose[number & 255].append(number)

    def __contains__(self, text: str) -> bool:
        number = _hash(text)
        at = number & 255
        if self._loose[at]:
            self._sorted[at] = array("Q", sorted({*self._sorted[at], *self._loose[at]}))
            self._loose[at] = array("Q")
        place = bisect_left(self._sorted[at], number)
        return place < len(self._sorted[at]) and self._sorted[at][place] == number


def _hash(text: str) -> int:
    import hashlib

    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())

"""The incremental engine: what a scanner finds is compared with the catalogue, and only the difference is written."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import Factory, define, frozen

from metastore import Catalog, Link
from metastore._ids import make_id
from metastore.errors import FrozenFieldError, LinkedError, ProtectedError, ValidationError, VersionError, VetoError
from metastore.scan._contract import Found, Problem, Scanned, Scanner, beginnings, short

__all__ = ["ProblemGroup", "Report", "run"]

BATCH = 2000
"""Weight of one transaction: an artifact counts 1, and 1 for each element of its lists and dicts."""

EXAMPLES = 5
_REFUSALS = (ValidationError, VersionError)
_HELD = (FrozenFieldError, VetoError)
"""What stands against a change of an artifact that is active, out of use, or watched by a hook."""
_KEPT = (ProtectedError, LinkedError, VetoError)
"""What stands against deleting one."""
GONE_SHOWN = 20


@frozen
class ProblemGroup:
    """Problems of one kind: how many there were, and the first few."""

    what: str
    count: int
    examples: tuple[str, ...]


@frozen(kw_only=True)
class Report:
    """What a scan came to. ``gone_keys`` are the first twenty of those gone.

    ``found`` is ``added + changed + unchanged``; ``refused`` counts what no field could hold and what its state keeps
    from changing, each one told in ``problems``; ``unread`` counts the places that could not be read, where nothing is taken
    for gone; ``gone`` includes ``pruned``.
    """

    source: str
    found: int
    added: int
    changed: int
    unchanged: int
    refused: int
    unread: int
    gone: int
    pruned: int
    gone_keys: tuple[str, ...] = ()
    problems: tuple[ProblemGroup, ...] = ()


def run(
    catalog: Catalog, scanner: Scanner, *, prune: bool = False, progress: Callable[[int], object] | None = None
) -> Report:
    """Scan, and bring the catalogue up to date: new is added, changed is updated, unchanged is not written.

    Works in batches, each one transaction, so an interrupted scan leaves whole batches, and the next one goes on from
    there. What the same source held before and holds no more is reported as gone, and deleted only with ``prune``.
    Tags, properties, owner, status and visibility of what was found before stay as they are. ``progress`` gets
    the number of things found so far. Memory does not grow with the artifacts, but for about 100 bytes each.
    """
    catalog.register(*scanner.types)
    work = _Scan(catalog, scanner, short(scanner.source), progress or (lambda _count: None))
    for batch in work.batches():
        work.write(batch)
    work.find_gone(prune)
    return work.report()


@define
class _Scan:
    catalog: Catalog
    scanner: Scanner
    source: str
    progress: Callable[[int], object]
    seen: set[bytes] = Factory(set)
    stored: Counter[type[Scanned]] = Factory(Counter)
    """How many of those seen the catalogue holds now."""
    keep: set[str] = Factory(set)
    ids: dict[str, UUID] = Factory(dict)
    """Ids of link targets by key; that of a target which is yet to come is made before it."""
    problems: dict[str, tuple[int, list[str]]] = Factory(dict)
    counts: dict[str, int] = Factory(
        lambda: dict.fromkeys(("added", "changed", "unchanged", "refused", "unread", "gone", "pruned"), 0)
    )
    gone_keys: list[str] = Factory(list)

    def batches(self) -> Iterator[list[Found]]:
        batch: list[Found] = []
        weight = 0
        for found in self.finds():
            batch.append(found)
            weight += _weight(found)
            if weight >= BATCH:
                yield batch
                batch, weight = [], 0
        if batch:
            yield batch

    def finds(self) -> Iterator[Found]:
        for item in self.scanner.scan(self.known):
            if isinstance(item, Problem):
                self.note(item)
                continue
            mark = _mark(item.type, short(item.key))
            if not _is_text(item.key):
                self.refuse(repr(item.key), ValueError("its key has NUL or lone surrogates"))
            elif mark in self.seen:
                self.note(Problem("found twice under one key; the first one counts", item.key))
            else:
                self.seen.add(mark)
                self.progress(len(self.seen))
                yield item

    def note(self, problem: Problem) -> None:
        count, examples = self.problems.get(problem.what, (0, []))
        if problem.example and len(examples) < EXAMPLES:
            examples.append(problem.example)
        self.problems[problem.what] = (count + problem.count, examples)
        self.keep.update(problem.keep)
        self.counts["unread"] += bool(problem.keep)

    def known(self, kind: type[Scanned], keys: Sequence[str]) -> Mapping[str, Any]:
        names = {short(key): key for key in keys}
        # By the key alone: with the source beside it a database may choose the index that all artifacts share.
        held = self.catalog.find(kind, kind.scan_key.in_(list(names)))
        return {names[each.scan_key]: each for each in held if each.scan_source == self.source}

    def known_ids(self, kind: type[Scanned], keys: Sequence[str]) -> Iterator[tuple[str, UUID]]:
        """Yield key and id of what the catalogue holds, without reading the rest of it."""
        names = {short(key): key for key in keys}
        found = self.catalog.find(kind, kind.scan_key.in_(list(names)))
        for key, identity, source in found.select(kind.scan_key, kind.id, kind.scan_source):
            if source == self.source:
                yield names[key], identity

    def write(self, batch: list[Found]) -> None:
        with self.catalog.transaction(message=short(f"scan {self.source}")):
            held = self.held(batch)
            self.resolve(batch, held)
            self.add([new for found in batch if (new := self.settle(found, held.get(found.key))) is not None])

    def held(self, batch: list[Found]) -> dict[str, Any]:
        """Return what the catalogue holds of a batch, by key."""
        held: dict[str, Any] = {}
        for kind in self.scanner.types:
            keys = [found.key for found in batch if found.type is kind]
            known = self.known(kind, keys) if keys else {}
            self.stored[kind] += len(known)
            held.update(known)
        return held

    def resolve(self, batch: list[Found], held: Mapping[str, Any]) -> None:
        """Give every link target of a batch its id: the stored one, or a new one for what is yet to come."""
        wanted = dict.fromkeys(key for found in batch for keys in found.links.values() for key in _several(keys))
        unknown = [key for key in wanted if key not in self.ids]
        for kind in self.scanner.types:
            self.ids.update(self.known_ids(kind, unknown) if unknown else {})
        for key in unknown:
            self.ids.setdefault(key, make_id())
        self.ids.update({key: each.id for key, each in held.items() if key in wanted})

    def settle(self, found: Found, before: Any) -> Scanned | None:
        """Return the artifact to add, or update the one held before where it differs."""
        try:
            now = self.build(found, before.id if before is not None else self.ids.get(found.key) or make_id())
            if before is None:
                return now
            self.bring_up(before, now, (*found.values, *found.links))
        except _REFUSALS as error:
            self.refuse(found.key, error)
        except _HELD as error:
            self.refuse(found.key, error, "changed, but what is catalogued may not change; left as it was")
        return None

    def add(self, new: list[Scanned]) -> None:
        """Add all at once, or, where one is refused, one at a time, so that only that one is left out."""
        try:
            with self.catalog.transaction():
                self.catalog.add_many(new)
        except _REFUSALS as error:
            if len(new) == 1:
                self.refuse(new[0].scan_key, error)
                return
            for one in new:
                self.add([one])
            return
        self.counts["added"] += len(new)
        self.stored.update(type(one) for one in new)

    def refuse(self, key: str, error: Exception, what: str = "not catalogued, a value does not fit its field") -> None:
        self.counts["refused"] += 1
        self.note(Problem(what, f"{key}: {error}"))

    def build(self, found: Found, identity: UUID) -> Scanned:
        links = {name: self.link(keys) for name, keys in found.links.items()}
        return found.type(**found.values, **links, id=identity, scan_source=self.source, scan_key=short(found.key))

    def link(self, keys: str | Sequence[str]) -> Any:
        if isinstance(keys, str):
            return Link(self.ids[keys])
        return [Link(self.ids[key]) for key in keys]

    def bring_up(self, before: Any, now: Any, names: Sequence[str]) -> None:
        changed = {name: value for name in names if (value := getattr(now, name)) != getattr(before, name)}
        if changed:
            self.catalog.update(before, **changed)
        self.counts["changed" if changed else "unchanged"] += 1

    def find_gone(self, prune: bool) -> None:
        for kind in self.scanner.types:
            if self.catalog.count(kind, kind.scan_source == self.source) == self.stored[kind]:
                continue  # what is counted is what was seen, so the keys need not be read
            gone = list(self.gone_of(kind))
            self.counts["gone"] += len(gone)
            for start in range(0, len(gone) if prune else 0, BATCH):
                self.prune(kind, gone[start : start + BATCH])

    def prune(self, kind: type[Scanned], gone: list[UUID]) -> None:
        """Delete all at once, or, where something stands against it, half of them at a time, down to the one it is."""
        try:
            self.counts["pruned"] += self.catalog.delete_many(kind, kind.id.in_(gone))
        except _KEPT as error:
            if len(gone) == 1:
                self.note(Problem("gone, but what is catalogued may not be deleted; kept", str(error)))
                return
            middle = len(gone) // 2
            self.prune(kind, gone[:middle])
            self.prune(kind, gone[middle:])

    def gone_of(self, kind: type[Scanned]) -> Iterator[UUID]:
        """Yield the ids of what this source held before and the scan did not come across."""
        kept = tuple(each for prefix in self.keep for each in beginnings(prefix))
        for identity, key in self.catalog.find(kind, kind.scan_source == self.source).select(kind.id, kind.scan_key):
            if _mark(kind, key) in self.seen or key.startswith(kept):
                continue
            if len(self.gone_keys) < GONE_SHOWN:
                self.gone_keys.append(key)
            yield identity

    def report(self) -> Report:
        problems = tuple(ProblemGroup(what, count, tuple(some)) for what, (count, some) in self.problems.items())
        found = sum(self.counts[name] for name in ("added", "changed", "unchanged"))
        return Report(
            source=self.source, found=found, gone_keys=tuple(self.gone_keys), problems=problems, **self.counts
        )


def _weight(found: Found) -> int:
    return 1 + sum(len(value) for value in found.values.values() if isinstance(value, dict | list))


def _several(keys: str | Sequence[str]) -> Sequence[str]:
    return (keys,) if isinstance(keys, str) else keys


def _mark(kind: type[Scanned], key: str) -> bytes:
    """Return 12 bytes that stand for a key: a million of them fit where the keys would not."""
    return hashlib.blake2b(f"{kind.__qualname__} {key}".encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _is_text(key: str) -> bool:
    return "\0" not in key and not any("\ud800" <= sign <= "\udfff" for sign in key)

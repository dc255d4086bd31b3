"""Generate the seeded catalogue that every contender loads, and the answers every contender must give.

An item is a pure function of (seed, index, total), so a million of them stream without being kept, and the answers are
computed here in plain Python, from the generated data alone: an oracle that shares no code with any contender.
"""

from __future__ import annotations

import heapq
import random
import re
import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from operator import itemgetter
from typing import Any
from uuid import UUID

SEED = 7
VERSIONS_PER_NAME = 5
VOCABULARY = 2_000
TAGS = 200
OWNERS = 40
LIMIT = 100
WEIGHTS = {"name": 4, "tags": 2, "description": 1}
DISTROS = (
    "debian", "ubuntu", "fedora", "centos", "rocky", "alma", "arch", "alpine", "opensuse", "gentoo",
    "freebsd", "netbsd", "openbsd", "nixos", "void", "slackware", "oracle", "amazon", "flatcar", "cirros",
)  # fmt: skip
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
MEDIA_TYPES = ("application/x-qemu-disk", "application/x-raw-disk", "application/gzip")
EPOCH_MS = 1_700_000_000_000
INDEXED = ("os_distro", "arch", "min_ram", "size", "score")
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class BlobData:
    """One reference to bytes; `size` in bytes."""

    url: str
    size: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Item:
    """One artifact as generated; `id` is None for one that a contender creates itself."""

    id: UUID | None
    name: str
    version: str
    owner: str
    description: str
    tags: tuple[str, ...]
    os_distro: str
    arch: str
    min_ram: int
    size: int
    score: float
    blobs: tuple[BlobData, ...]
    parent: UUID | None


@dataclass(frozen=True, slots=True)
class Query:
    """One question of an operation and what every contender must answer to it.

    `expected` is a tuple of ids in order for the operations that return rows or ids, a number for `count`.
    """

    operation: str
    arguments: tuple[Any, ...]
    expected: Any


def item_id(seed: int, index: int) -> UUID:
    """Return the UUIDv7 of the item at `index`: one millisecond later than the one before it."""
    tail = int.from_bytes(sha256(b"%d/%d" % (seed, index)).digest()[:10], "big")
    high = (EPOCH_MS + index) << 80
    return UUID(int=high | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0x2 << 62 | tail & (1 << 62) - 1)


def words(text: str) -> list[str]:
    """Split text as the engine does: `\\w+` of the NFKC-casefolded text."""
    return WORD.findall(unicodedata.normalize("NFKC", text.casefold()).casefold())


class Words:
    """A vocabulary with a skewed distribution: the word of rank r is drawn in proportion to 1 / (r + 5)."""

    def __init__(self, seed: int, size: int = VOCABULARY) -> None:
        rng = random.Random(f"words {seed}")
        self.all = list(dict.fromkeys(_spell(rng) for _ in range(size * 2)))[:size]
        self._sums = list(accumulate(1 / (rank + 5) for rank in range(len(self.all))))

    def draw(self, rng: random.Random) -> str:
        """Return one word."""
        return self.all[bisect_right(self._sums, rng.random() * self._sums[-1])]


def _spell(rng: random.Random) -> str:
    """Make up one pronounceable word of four to eight letters."""
    return "".join(rng.choice("bcdfghklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(2, 4)))


class Workload:
    """The catalogue of `total` items that grows from `seed`."""

    def __init__(self, total: int, seed: int = SEED) -> None:
        self.total, self.seed = total, seed
        self.names = max(1, total // VERSIONS_PER_NAME)
        self.words = Words(seed)
        self.tags = random.Random(f"tags {seed}").sample(self.words.all, TAGS)

    def __iter__(self) -> Iterator[Item]:
        """Yield every item in the order of its id."""
        return map(self.item, range(self.total))

    def item(self, index: int) -> Item:
        """Return the item at `index`, with its id."""
        return self._make(random.Random(self.seed << 40 | index), index, item_id(self.seed, index))

    def fresh(self, number: int) -> Item:
        """Return the `number`th item that is not part of the catalogue, without an id and under a name of its own."""
        rng = random.Random(f"fresh {self.seed} {number}")
        return self._make(rng, self.total + number, None)

    def _make(self, rng: random.Random, index: int, ident: UUID | None) -> Item:
        name, version, owner = self._naming(index, ident is None)
        words_ = [self.words.draw(rng) for _ in range(rng.randint(7, 13))]
        tags = tuple(sorted(rng.sample(self.tags, 3)))
        parent = item_id(self.seed, rng.randrange(min(index, self.total))) if index and rng.random() < 0.8 else None
        return Item(
            ident, name, version, owner, " ".join(words_), tags, DISTROS[int(20 * rng.random() ** 1.5)],
            rng.choice(ARCHES), 256 * rng.randint(0, 64), rng.randrange(10**6, 10**11), round(rng.random(), 6),
            tuple(_blob(rng) for _ in range(rng.randint(1, 3))), parent,
        )  # fmt: skip

    def _naming(self, index: int, fresh: bool) -> tuple[str, str, str]:
        """Return name, version and owner; the five versions of a name lie far apart and in no order."""
        series, slot = (index, 0) if fresh else (index % self.names, index // self.names)
        rng = random.Random(f"name {self.seed} {series}")
        name = f"{self.words.draw(rng)}-{self.words.draw(rng)}-{series:06d}{'f' if fresh else ''}"
        return name, _versions(rng, slot + 1)[slot], f"owner-{rng.randrange(OWNERS):02d}"

    @cached_property
    def items(self) -> list[Item]:
        """Every item, kept; for the oracle, not for streaming."""
        return list(self)


def _versions(rng: random.Random, count: int) -> list[str]:
    """Return at least five different versions, a pre-release among them and one that text order would misplace."""
    major = rng.randint(0, 12)
    numbers = [f"{major}.9.{rng.randint(0, 9)}", f"{major}.10.0", f"{major}.10.0-rc.1", f"{major + 1}.0.0"]
    rest = [f"{major}.{minor}.0" for minor in range(1, max(2, count - 3))]
    rng.shuffle(pool := numbers + rest)
    return pool


def _blob(rng: random.Random) -> BlobData:
    """Make up one reference."""
    digest, ident = rng.getrandbits(256), UUID(int=rng.getrandbits(128))
    return BlobData(f"s3://bucket/{ident}", rng.randrange(1, 10**10), f"{digest:064x}", rng.choice(MEDIA_TYPES))


def version_order(version: str) -> tuple[Any, ...]:
    """Return a value that sorts as SemVer 2.0.0 says; Source: semver.org, item 11."""
    core, _, pre = version.partition("+")[0].partition("-")
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split(".")] if pre else []
    return (*map(int, core.split(".")), not pre, parts)


class Oracle:
    """Computes the answer to every question from the generated items, by plain scans of Python lists."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.items = workload.items
        self._by_id = {item.id: item for item in self.items}
        self._fields = [{key: set(words(text)) for key, text in _texts(item)} for item in self.items]

    def get(self, ident: UUID) -> tuple[UUID, ...]:
        """Answer a get by id."""
        return (ident,)

    def by_name(self, name: str, version: str) -> tuple[UUID | None, ...]:
        """Answer a get by name and version."""
        return tuple(i.id for i in self.items if i.name == name and i.version == version)

    def latest(self, name: str) -> tuple[UUID | None, ...]:
        """Answer with the highest version of a name."""
        return (max((i for i in self.items if i.name == name), key=lambda i: version_order(i.version)).id,)

    def filter(self, os_distro: str, min_ram: int) -> tuple[UUID | None, ...]:
        """Answer the two-field filter, the smallest 100 by size."""
        hits = (i for i in self.items if i.os_distro == os_distro and i.min_ram <= min_ram)
        return tuple(i.id for i in heapq.nsmallest(LIMIT, hits, key=lambda i: (i.size, i.id)))

    def tag(self, tag: str) -> tuple[UUID | None, ...]:
        """Answer with the first 100 that carry a tag, in the order of their ids."""
        return tuple([i.id for i in self.items if tag in i.tags][:LIMIT])

    def text(self, query: str) -> tuple[UUID | None, ...]:
        """Answer a text search: every word somewhere, best weight first, then by id, 100 of them."""
        asked = dict.fromkeys(words(query))
        ranked = [(-self._rank(n, asked), item.id) for n, item in enumerate(self.items) if self._hits(n, asked)]
        return tuple(ident for _, ident in sorted(ranked, key=itemgetter(0))[:LIMIT])

    def _hits(self, number: int, asked: dict[str, None]) -> bool:
        fields = self._fields[number].values()
        return all(any(word in field for field in fields) for word in asked)

    def _rank(self, number: int, asked: dict[str, None]) -> int:
        return sum(WEIGHTS[key] for key, field in self._fields[number].items() for word in asked if word in field)

    def traverse(self, ident: UUID) -> tuple[UUID, ...]:
        """Answer with the ancestors along three links, nearest first."""
        found: list[UUID] = []
        step = self._by_id[ident].parent
        while step is not None and len(found) < 3:
            found.append(step)
            step = self._by_id[step].parent
        return tuple(found)

    def count(self, os_distro: str, min_ram: int) -> int:
        """Answer the count of the two-field filter."""
        return sum(1 for i in self.items if i.os_distro == os_distro and i.min_ram <= min_ram)


def _texts(item: Item) -> tuple[tuple[str, str], ...]:
    """Return the searched fields of an item."""
    return ("name", item.name), ("tags", " ".join(item.tags)), ("description", item.description)


READS = ("get", "by_name", "latest", "filter", "tag", "text", "traverse", "count")


def questions(oracle: Oracle, each: int = 24) -> dict[str, list[Query]]:
    """Return `each` different questions per read operation, with their answers."""
    asked = _arguments(oracle, random.Random(f"ask {oracle.workload.seed}"), each)
    return {op: [Query(op, args, getattr(oracle, op)(*args)) for args in asked[op]] for op in READS}


def _arguments(oracle: Oracle, rng: random.Random, each: int) -> dict[str, list[tuple[Any, ...]]]:
    """Draw what to ask: some of everything, starts of a traverse with three links before them."""
    some = rng.sample(oracle.items, each)
    deep = [i for i in rng.sample(oracle.items, min(len(oracle.items), each * 40)) if len(oracle.traverse(i.id)) == 3]  # type: ignore[arg-type]  # loaded items have ids
    pairs = [(DISTROS[n % len(DISTROS)], 256 * rng.randint(8, 48)) for n in range(each)]
    asked: dict[str, list[tuple[Any, ...]]] = defaultdict(list, filter=list(pairs), count=list(pairs))
    asked |= {"get": [(i.id,) for i in some], "by_name": [(i.name, i.version) for i in some]}
    asked |= {"latest": [(i.name,) for i in some], "tag": [(tag,) for tag in rng.sample(oracle.workload.tags, each)]}
    return asked | {"traverse": [(i.id,) for i in deep[:each]], "text": _searches(oracle, rng, each)}


def _searches(oracle: Oracle, rng: random.Random, each: int) -> list[tuple[str]]:
    """Draw searches: a third of one middling word, a third of two words, a third of two with a tag's word."""
    middling, tags = oracle.workload.words.all[20:400], oracle.workload.tags

    def one(kind: int) -> str:
        if kind == 1:
            return _pair(oracle, rng)
        return rng.choice(middling) if kind == 0 else f"{rng.choice(tags)} {rng.choice(middling)}"

    return [(one(n % 3),) for n in range(each)]


def _pair(oracle: Oracle, rng: random.Random) -> str:
    """Return two different words that occur together in some description."""
    common = Counter(rng.choice(oracle.items).description.split())
    return " ".join(list(common)[:2])

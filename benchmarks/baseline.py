"""What both hand-written baselines share: the connection, the transaction, version keys and ranked full text."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import UUID

from benchmarks.workload import LIMIT, WEIGHTS, BlobData, Item, words

Row = dict[str, Any]
encode = json.JSONEncoder(separators=(",", ":")).encode

CACHE_KIB = 64 * 1024
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    "PRAGMA busy_timeout=60000",
    "PRAGMA foreign_keys=ON",
)
# The words are split by us and joined by spaces, so the tokenizer has nothing to decide.
FTS = """CREATE VIRTUAL TABLE fts USING fts5(name, tags, description,
    content='', columnsize=0, detail=column, tokenize="ascii tokenchars '_'")"""
SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


class Contender(Protocol):
    """One way to keep the catalogue; `key` and `ident` translate ids outside the timed loops, `item` rows."""

    name: str

    def key(self, ident: UUID) -> Any: ...
    def ident(self, row: Any) -> UUID: ...
    def item(self, row: Any) -> Item: ...
    def revision(self, row: Any) -> int: ...
    def load(self, items: Iterable[Item]) -> None: ...
    def get(self, key: Any) -> Any: ...
    def by_name(self, name: str, version: str) -> Any: ...
    def latest(self, name: str) -> Any: ...
    def filter(self, os_distro: str, min_ram: int) -> Sequence[Any]: ...
    def tag(self, tag: str) -> Sequence[Any]: ...
    def text(self, query: str) -> Sequence[Any]: ...
    def traverse(self, key: Any) -> Sequence[UUID]: ...
    def count(self, os_distro: str, min_ram: int) -> int: ...
    def create(self, item: Item) -> Any: ...
    def add_many(self, items: Iterable[Item]) -> int: ...
    def update(self, row: Any, min_ram: int) -> Any: ...
    def delete(self, row: Any) -> None: ...
    def close(self) -> None: ...


def connect(path: Path, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
    """Open `path` with the settings of every baseline; transactions are begun by hand."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    for pragma in PRAGMAS:
        connection.execute(pragma).close()
    connection.execute(f"PRAGMA cache_size=-{cache_kib}").close()
    return connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock from the start, commit at the end, roll back on an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def chunks(items: Iterable[Item], size: int = 1_000) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def blob_rows(item: Item) -> list[Row]:
    """Return the blobs of an item as JSON data."""
    return [{"url": b.url, "size": b.size, "sha256": b.sha256, "media_type": b.media_type} for b in item.blobs]


class Ids:
    """Makes version 7 ids that only grow; Source: RFC 9562, 5.7 and 6.2 (the tail counts on within a millisecond)."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> UUID:
        """Return the next id."""
        tail = int.from_bytes(os.urandom(10), "big")
        high = (time.time_ns() // 1_000_000) << 80
        made = high | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0x2 << 62 | tail & (1 << 62) - 1
        self._last = max(made, self._last + 1)
        return UUID(int=self._last)


uuid7 = Ids()


def version_key(version: str) -> str:
    """Return a text that sorts as SemVer 2.0.0 says; Source: semver.org, item 11.

    Numbers carry their length in front, a release sorts after its pre-releases, numeric identifiers before others.
    """
    match = SEMVER.fullmatch(version)
    if match is None:
        raise ValueError(version)
    *core, pre = match.groups()
    return "".join(f"{len(n):02d}{n}." for n in core) + (_pre_key(pre) if pre else "~")


def _pre_key(pre: str) -> str:
    """Return the key of a pre-release: `!` ends an identifier below every character of one."""
    return "".join(f"0{len(p):02d}{p}!" if p.isdigit() else f"1{p}!" for p in pre.split("."))


def text_columns(name: str, tags: Iterable[str], description: str) -> tuple[str, str, str]:
    """Return what the full-text index is fed."""
    return " ".join(words(name)), " ".join(words(" ".join(tags))), " ".join(words(description))


def asked(query: str) -> list[str]:
    """Return the different words of a search, quoted for FTS5."""
    return [f'"{word}"' for word in dict.fromkeys(words(query))]


def everywhere(quoted: Sequence[str]) -> str:
    """Return the MATCH expression for rows in which each word stands in some field."""
    return " AND ".join(quoted)


def ranking(quoted: Sequence[str]) -> tuple[str, list[str]]:
    """Return a SELECT of (rowid, rank) of every hit, unordered, and its bindings.

    One branch per word and field; each is held to the rows that have every word, so nothing else crosses the VM.
    """
    every = everywhere(quoted)
    branches = [(weight, f"({field}:{word}) AND {every}") for word in quoted for field, weight in WEIGHTS.items()]
    union = " UNION ALL ".join(f"SELECT rowid AS n, {weight} AS w FROM fts WHERE fts MATCH ?" for weight, _ in branches)
    return f"SELECT n, sum(w) AS rank FROM ({union}) GROUP BY n", [match for _, match in branches]


def rank_of(quoted: Sequence[str], row: Row) -> int:
    """Return the rank of a row by looking at its fields: quicker than SQL for a few dozen hits."""
    asked_words = {word[1:-1] for word in quoted}
    columns = text_columns(row["name"], row["tags"], row["description"])
    return sum(
        weight * len(asked_words.intersection(text.split()))
        for weight, text in zip(WEIGHTS.values(), columns, strict=True)
    )


FEW = 150  # hits; measured: below it, fetching and ranking them here is quicker than ranking in SQL
HITS = f"SELECT rowid FROM fts WHERE fts MATCH ? LIMIT {FEW + 1}"


class Handwritten:
    """The reads of both baselines; each brings its own statements and its own way to decode a row."""

    name: ClassVar[str]
    cache_kib: ClassVar[int] = CACHE_KIB
    schema: ClassVar[Sequence[str]]
    select_one: ClassVar[str]
    select_version: ClassVar[str]
    select_latest: ClassVar[str]
    select_filter: ClassVar[str]
    select_count: ClassVar[str]
    select_tag: ClassVar[str]
    select_ancestors: ClassVar[str]
    select_numbers: ClassVar[str]
    select_best: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.connection = connect(directory / f"{self.name}.db", self.cache_kib)
        if not self.connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            for statement in self.schema:
                self.connection.execute(statement)

    def key(self, ident: UUID) -> Any:
        """Return an id as it stands in the table."""
        raise NotImplementedError

    def _uuid(self, key: Any) -> UUID:
        """Return the id that a key stands for."""
        raise NotImplementedError

    def _row(self, values: Any) -> Row:
        """Return the row that a fetched tuple stands for."""
        raise NotImplementedError

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        raise NotImplementedError

    def ident(self, row: Row) -> UUID:
        """Return the id of a row."""
        return self._uuid(row["id"])

    def revision(self, row: Row) -> int:
        """Return the revision of a row."""
        return int(row["revision"])

    def item(self, row: Row) -> Item:
        """Return the generated item that a row stands for."""
        known = {key: row[key] for key in Item.__slots__ if key not in ("id", "tags", "blobs", "parent")}
        blobs = tuple(BlobData(**blob) for blob in row["blobs"])
        parent = self._uuid(row["parent"]) if row["parent"] else None
        return Item(id=self.ident(row), tags=tuple(row["tags"]), blobs=blobs, parent=parent, **known)

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue, collect the planner's statistics and fold the log into the file."""
        self.add_many(items)
        self.connection.execute("ANALYZE")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def get(self, key: Any) -> Row:
        """Return a row by id."""
        return self._one(self.select_one, (key,))

    def by_name(self, name: str, version: str) -> Row:
        """Return a row by name and version."""
        return self._one(self.select_version, (name, version_key(version)))

    def latest(self, name: str) -> Row:
        """Return the highest version of a name."""
        return self._one(self.select_latest, (name,))

    def filter(self, os_distro: str, min_ram: int) -> list[Row]:
        """Return the smallest 100 of a two-field filter."""
        return self._all(self.select_filter, (os_distro, min_ram))

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        return int(self.connection.execute(self.select_count, (os_distro, min_ram)).fetchone()[0])

    def tag(self, tag: str) -> list[Row]:
        """Return the first 100 with a tag."""
        return self._all(self.select_tag, (tag,))

    def traverse(self, key: Any) -> list[UUID]:
        """Return the ids along three links, nearest first."""
        uuid = self._uuid
        return [uuid(found) for (found,) in self.connection.execute(self.select_ancestors, (key,))]

    def text(self, query: str) -> list[Row]:
        """Return the best 100 of a search: few hits are fetched and ranked here, many are ranked in SQL."""
        quoted = asked(query)
        hits = [n for (n,) in self.connection.execute(HITS, (everywhere(quoted),))]
        if len(hits) > FEW:
            ranked, bindings = ranking(quoted)
            return self._all(self.select_best.format(ranked=ranked), bindings)
        rows = self._all(self.select_numbers, (encode(hits),))
        return sorted(rows, key=lambda row: (-rank_of(quoted, row), row["id"]))[:LIMIT]

    def _one(self, sql: str, bindings: Sequence[Any]) -> Row:
        found = self.connection.execute(sql, bindings).fetchone()
        if found is None:
            raise KeyError(bindings)
        return self._row(found)

    def _all(self, sql: str, bindings: Sequence[Any]) -> list[Row]:
        return list(map(self._row, self.connection.execute(sql, bindings)))

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

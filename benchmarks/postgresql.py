"""The operations on PostgreSQL over a local socket, beside psycopg 3 by hand on the same layout: `python -m benchmarks.postgresql`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import environment, report
from benchmarks.baseline import blob_rows, chunks, uuid7, version_key
from benchmarks.engine import Engine, Image
from benchmarks.harness import OPERATIONS, Bench, compare
from benchmarks.workload import LIMIT, SEED, WEIGHTS, BlobData, Item, Workload, words
from metastore import Catalog
from metastore_sql.trial import Home, postgresql

Row = dict[str, Any]
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode
DURABILITY = "fsync off, as the medium is not what is compared; each contender in a schema of its own"
COLUMNS = (
    "id", "version", "owner", "status", "visibility", "hidden", "protected", "hold", "description", "tags", "properties",
    "created_at", "updated_at", "activated_at", "expires_at", "revision", "name", "os_distro", "arch", "min_ram", "size",
    "score", "disk", "layers", "parent",
)  # fmt: skip
DERIVED = ("version__key", "name__folded", "unique_key", "digest", "row__words")
JSON_COLUMNS = ("tags", "properties", "disk", "layers")
KEPT = ("name", "version", "owner", "description", "os_distro", "arch", "min_ram", "size", "score")
TURN = "UPDATE _turn SET seq = seq + 1 RETURNING seq"
TRANSACTION = "INSERT INTO _transactions (seq, id, time, actor) VALUES (%s, %s, %s, 'bench')"
IDENTITY = "INSERT INTO _identity (id, type, state) VALUES (%s, 'images', 'live')"
INSERT = f"INSERT INTO images ({', '.join(COLUMNS + DERIVED)}) VALUES ({', '.join(['%s'] * len(COLUMNS + DERIVED))})"
CHANGE = """INSERT INTO _changes (tx, at, kind, artifact, revision, spec, digest, parents, before, after)
    VALUES (%s, %s, %s, %s, %s, 1, %s, %s, %s, %s)"""
LOOK_UPS = {
    "tags": ('INSERT INTO "images:tags" (mark, id, value) VALUES (%s, %s, %s)', 'DELETE FROM "images:tags" WHERE id = %s AND mark = ANY(%s)'),
    "references": ("INSERT INTO _references (mark, id, field) VALUES (%s, %s, %s)", "DELETE FROM _references WHERE id = %s AND mark = ANY(%s)"),
}  # fmt: skip
LINK = "INSERT INTO _links (source, field, target) VALUES (%s, 'parent', %s)"
UNLINK = "DELETE FROM _links WHERE source = %s AND field = 'parent'"
SELECT = f"SELECT {', '.join(f'images.{column}' for column in COLUMNS)}"
ONE = f"{SELECT}, digest FROM images WHERE id = %s"
UPDATE = "UPDATE images SET min_ram = %s, revision = %s, updated_at = %s, digest = %s WHERE id = %s AND revision = %s"
DELETE = f"DELETE FROM images WHERE id = %s AND revision = %s RETURNING {', '.join(COLUMNS)}, digest"
BURY = "UPDATE _identity SET state = 'deleted' WHERE id = %s"
VERSION = f"{SELECT} FROM images WHERE name = %s AND version = %s"
LATEST = f"{SELECT} FROM images WHERE name = %s ORDER BY version__key DESC NULLS LAST LIMIT 1"
FILTER = f"{SELECT} FROM images WHERE os_distro = %s AND min_ram <= %s ORDER BY size NULLS FIRST, id LIMIT {LIMIT}"
COUNT = "SELECT count(*) FROM images WHERE os_distro = %s AND min_ram <= %s"
TAG = f'{SELECT} FROM "images:tags" AS t JOIN images USING (id) WHERE t.mark = %s ORDER BY t.id LIMIT {LIMIT}'
ANCESTORS = """WITH RECURSIVE up (depth, id) AS (
        SELECT 1, target FROM _links WHERE source = %s
        UNION ALL
        SELECT depth + 1, target FROM up JOIN _links ON source = up.id WHERE depth < 3)
    SELECT id FROM up"""


class Psycopg:
    """The layout of the engine, by hand for one type, with psycopg's own means: prepared statements, `executemany`, ``json``."""

    name = "psycopg"

    def __init__(self, dsn: str, address: str) -> None:
        with Catalog.open(f"{address}&schema=by_hand", types=[Image], durability="normal") as catalog:
            catalog.count(Image)  # at first use its tables are made
        self.connection = psycopg.connect(f"{dsn} options='-c search_path=by_hand'", autocommit=True)
        for kind in ("json", "jsonb"):
            self.connection.adapters.register_loader(kind, psycopg.types.string.TextLoader)

    def key(self, ident: UUID) -> UUID:
        """Return an id as the driver takes it."""
        return ident

    def ident(self, row: Row) -> UUID:
        """Return the id of a row."""
        found: UUID = row["id"]
        return found

    def revision(self, row: Row) -> int:
        """Return the revision of a row."""
        return int(row["revision"])

    def item(self, row: Row) -> Item:
        """Return the generated item that a row stands for."""
        layers = [row["layers"][name] for name in sorted(row["layers"])]
        blobs = tuple([_blob_data(each) for each in [row["disk"], *layers]])
        return Item(
            id=row["id"],
            tags=tuple(row["tags"]),
            blobs=blobs,
            parent=row["parent"],
            **{name: row[name] for name in KEPT},
        )

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue and collect the planner's statistics."""
        self.add_many(items)
        self.connection.execute("ANALYZE")

    def get(self, key: UUID) -> Row:
        """Return a row by id."""
        return self._one(ONE, (key,))

    def by_name(self, name: str, version: str) -> Row:
        """Return a row by name and version."""
        return self._one(VERSION, (name, version))

    def latest(self, name: str) -> Row:
        """Return the highest version of a name."""
        return self._one(LATEST, (name,))

    def filter(self, os_distro: str, min_ram: int) -> list[Row]:
        """Return the smallest 100 of a two-field filter."""
        return self._all(FILTER, (os_distro, min_ram))

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        found = self.connection.execute(COUNT, (os_distro, min_ram)).fetchone()
        return int(found[0]) if found else 0

    def tag(self, tag: str) -> list[Row]:
        """Return the first 100 with a tag."""
        return self._all(TAG, (_mark(tag),))

    def text(self, query: str) -> list[Row]:
        """Return the best 100 of a search."""
        asked = list(dict.fromkeys(words(query)))
        pairs = [(f"{field}:{word}", weight) for word in asked for field, weight in WEIGHTS.items()]
        rank = " + ".join(["(row__words @> %s::text[])::int * %s"] * len(pairs))
        sql = f"{SELECT} FROM images WHERE row__words @> %s::text[] ORDER BY {rank} DESC, id LIMIT {LIMIT}"
        return self._all(sql, [asked, *[part for word, weight in pairs for part in ([word], weight)]])

    def traverse(self, key: UUID) -> list[UUID]:
        """Return the ids along three links, nearest first."""
        return [found for (found,) in self.connection.execute(ANCESTORS, (key,))]

    def create(self, item: Item) -> Row:
        """Add one in a transaction of its own."""
        execute = self.connection.execute
        with self.connection.transaction():
            seq, at = self._begin()
            row = _row(item, at)
            digest = _digest(row)
            execute(IDENTITY, (row["id"],))
            execute(INSERT, _stored(row, digest))
            self._look_up([row])
            execute(CHANGE, (seq, 0, "add", row["id"], 1, digest, b"", None, None))
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        total, cursor = 0, self.connection.cursor()
        with self.connection.transaction():
            seq, at = self._begin()
            for chunk in chunks(items):
                rows = [_row(item, at) for item in chunk]
                digests = [_digest(row) for row in rows]
                cursor.executemany(IDENTITY, [(row["id"],) for row in rows])
                cursor.executemany(INSERT, [_stored(row, digest) for row, digest in zip(rows, digests, strict=True)])
                self._look_up(rows)
                made = enumerate(zip(rows, digests, strict=True), total)
                cursor.executemany(
                    CHANGE, [(seq, n, "add", row["id"], 1, digest, b"", None, None) for n, (row, digest) in made]
                )
                total += len(rows)
        return total

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field, if nobody else changed the row."""
        ident, revision = row["id"], row["revision"]
        with self.connection.transaction():
            seq, at = self._begin()
            found = self.connection.execute(ONE, (ident,)).fetchone()
            if found is None or found[COLUMNS.index("revision")] != revision:
                raise KeyError(ident)
            new = _decoded(found) | {"min_ram": min_ram, "revision": revision + 1, "updated_at": at}
            digest = _digest(new)
            self.connection.execute(UPDATE, (min_ram, revision + 1, at, digest, ident, revision))
            before, after = canonical({"min_ram": row["min_ram"]}), canonical({"min_ram": min_ram})
            self.connection.execute(CHANGE, (seq, 0, "update", ident, revision + 1, digest, found[-1], before, after))
        return new

    def delete(self, row: Row) -> None:
        """Remove a row, if nobody else changed it; the history keeps all of it."""
        ident, revision, execute = row["id"], row["revision"], self.connection.execute
        with self.connection.transaction():
            seq, _ = self._begin()
            found = execute(DELETE, (ident, revision)).fetchone()
            if found is None:
                raise KeyError(ident)
            old = _decoded(found)
            execute(BURY, (ident,))
            for name, marks in (("tags", _tags([old])), ("references", _references([old]))):
                execute(LOOK_UPS[name][1], (ident, [mark for mark, *_ in marks]))
            execute(UNLINK, (ident,))
            execute(CHANGE, (seq, 0, "delete", ident, revision + 1, found[-1], found[-1], canonical(old), None))

    def _begin(self) -> tuple[int, datetime]:
        """Take the turn and record the transaction; return its number and time."""
        found, at = self.connection.execute(TURN).fetchone(), datetime.now(UTC)
        seq = found[0] if found else 0
        self.connection.execute(TRANSACTION, (seq, uuid7(), at))
        return seq, at

    def _look_up(self, rows: Sequence[Row]) -> None:
        cursor = self.connection.cursor()
        cursor.executemany(LOOK_UPS["tags"][0], _tags(rows))
        cursor.executemany(LOOK_UPS["references"][0], _references(rows))
        cursor.executemany(LINK, [(row["id"], row["parent"]) for row in rows if row["parent"]])

    def _one(self, sql: str, bindings: Sequence[Any]) -> Row:
        found = self.connection.execute(sql, bindings).fetchone()
        if found is None:
            raise KeyError(bindings)
        return _decoded(found)

    def _all(self, sql: str, bindings: Sequence[Any]) -> list[Row]:
        return [_decoded(found) for found in self.connection.execute(sql, bindings)]

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Served(Engine):
    """The engine over PostgreSQL."""

    def __init__(self, directory: Path, address: str) -> None:
        self.catalog = Catalog.open(f"{address}&schema=ours", types=[Image], durability="normal")
        self._analyze: Callable[[], object] = lambda: None

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue and collect the planner's statistics, which an hour later the server does by itself."""
        self.add_many(items)
        with self.catalog._backend._connections.apart() as apart:  # type: ignore[attr-defined]  # the face has no word for it
            apart.execute("ANALYZE")


def _mark(text: str) -> UUID:
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def _tags(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    return [(_mark(tag), row["id"], tag) for row in rows for tag in row["tags"]]


def _references(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    named = [(row["id"], field, blob) for row in rows for field, blob in _blobs(row)]
    pairs = [(_mark(text), ident, field) for ident, field, blob in named for text in _known(blob)]
    return list(dict.fromkeys(pairs))


def _blobs(row: Row) -> list[tuple[str, Row]]:
    return [("disk", row["disk"]), *[("layers", each) for each in row["layers"].values()]]


def _known(blob: Row) -> list[str]:
    return [blob["locations"][0]["url"], f"sha256:{blob['digests']['sha256']}"]


def _blob_data(blob: Row) -> BlobData:
    return BlobData(blob["locations"][0]["url"], blob["size"], blob["digests"]["sha256"], blob["media_type"])


def _decoded(values: Sequence[Any]) -> Row:
    row = dict(zip(COLUMNS, values, strict=False))
    for name in JSON_COLUMNS:
        row[name] = json.loads(row[name])
    return row


def _digest(row: Row) -> bytes:
    return sha256(canonical(row).encode()).digest()


def _stored(row: Row, digest: bytes) -> list[Any]:
    """Return the values of a row as the table keeps them."""
    key = sha256(canonical(["images", row["name"], row["version"], row["owner"]]).encode()).digest()
    found = {"name": words(row["name"]), "tags": words(" ".join(row["tags"])), "description": words(row["description"])}
    every = sorted({part for field, those in found.items() for word in those for part in (word, f"{field}:{word}")})
    values = [canonical(row[name]) if name in JSON_COLUMNS else row[name] for name in COLUMNS]
    return [*values, version_key(row["version"]), row["name"].casefold(), key, digest, every]


def _row(item: Item, at: datetime) -> Row:
    """Return the row of an item."""
    disk, *layers = [
        {
            "digests": {"sha256": b["sha256"]},
            "locations": [{"url": b["url"]}],
            "media_type": b["media_type"],
            "size": b["size"],
        }
        for b in blob_rows(item)
    ]
    known = {name: getattr(item, name) for name in KEPT}
    return {
        "id": item.id or uuid7(), **known, "status": "drafted", "visibility": "private", "hidden": False, "protected": False,
        "hold": None, "tags": item.tags, "properties": {}, "created_at": at, "updated_at": at, "activated_at": None,
        "expires_at": None, "revision": 1, "disk": disk, "layers": {f"layer-{n}": each for n, each in enumerate(layers)},
        "parent": item.parent,
    }  # fmt: skip


def main() -> None:
    """Start a server, compare, print the page and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgresql", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="artifacts in the catalogue")
    parser.add_argument("--only", default=",".join(OPERATIONS), help="operations, comma-separated")
    parser.add_argument("--budget", type=float, default=12.0, help="seconds per operation")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="where the results go")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, Home() as home:
        server = postgresql(home)
        factories = [lambda _: Psycopg(server.dsn(), server.address()), lambda place: Served(place, server.address())]
        bench = Bench(factories, Workload(options.n, SEED), Path(directory), options.budget)
        run = compare(bench, options.only.split(","))
        about = {"n": options.n, "seed": SEED, "durability": DURABILITY} | environment.about(Path(directory))
        result = report.document(run, about | {"medium": "PostgreSQL"} | environment.load_after())
    whole = options.only == ",".join(OPERATIONS)
    report.write(
        result, page := report.page(result), options.out / f"{options.n}-postgresql{'' if whole else '-partial'}"
    )
    print(page, f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

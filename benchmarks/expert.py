"""The baseline *psycopg*: SQL written by hand for one type with psycopg 3 alone, over the very tables that the engine makes.

Prepared statements, one trip for all that a write says (pipeline mode), rows as dicts with JSON parsed by the driver, uniqueness
by the tables' constraints, the turn of the writers, look-ups and the whole history: what the engine keeps, without its layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Json

from benchmarks.baseline import Row, chunks, uuid7, version_key
from benchmarks.workload import INDEXED, LIMIT, WEIGHTS, BlobData, Item, words

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode

COLUMNS = (
    "id", "version", "owner", "status", "visibility", "hidden", "protected", "hold", "description", "tags", "properties",
    "created_at", "updated_at", "activated_at", "expires_at", "revision", "name", "os_distro", "arch", "min_ram", "size",
    "score", "disk", "layers", "parent", "version__key", "name__folded", "unique_key", "digest",
)  # fmt: skip
JSON_COLUMNS = ("tags", "properties", "disk", "layers")
NAMES = ", ".join(COLUMNS)
WHOLE = ", ".join(f"i.{name}" for name in COLUMNS)

ONE = f"SELECT {NAMES} FROM images WHERE id = %s"
VERSION = f"SELECT {NAMES} FROM images WHERE name = %s AND version = %s"
LATEST = (
    f"SELECT {NAMES} FROM images WHERE name = %s"
    " ORDER BY version__key DESC NULLS LAST, version DESC NULLS LAST, id DESC LIMIT 1"
)
TWO = "FROM images WHERE os_distro = %s AND min_ram <= %s"
FILTER = f"SELECT {NAMES} {TWO} ORDER BY size NULLS FIRST, id LIMIT {LIMIT}"
COUNT = f"SELECT count(*) {TWO}"
TAG = (
    f'SELECT {WHOLE} FROM "images:tags" AS t JOIN images AS i USING (id) WHERE t.mark = %s ORDER BY t.id LIMIT {LIMIT}'
)
TEXT = f"SELECT {NAMES} FROM images WHERE row__words @> %s ORDER BY {{rank}} DESC, id LIMIT {LIMIT}"
ANCESTORS = """WITH RECURSIVE up (depth, id) AS (
        SELECT 1, target FROM _links WHERE source = %s AND field = 'parent'
        UNION ALL
        SELECT depth + 1, target FROM up JOIN _links ON source = up.id AND field = 'parent' WHERE depth < 3)
    SELECT id FROM up ORDER BY depth"""

TURN = "UPDATE _turn SET seq = seq + 1, time = greatest(time, %s)"
TRANSACTION = "INSERT INTO _transactions (seq, id, time) SELECT seq, %s, time FROM _turn"
IDENTITY = "INSERT INTO _identity (id, type, state) VALUES (%s, 'images', 'live')"
FOREIGN = "INSERT INTO _identity (id, type, state) VALUES (%s, '', 'foreign') ON CONFLICT DO NOTHING"
IMAGE = f"INSERT INTO images ({NAMES}, row__words) VALUES ({', '.join(['%s'] * (len(COLUMNS) + 1))})"
ADD_TAG = 'INSERT INTO "images:tags" (mark, id, value) VALUES (%s, %s, %s)'
ADD_LINK = "INSERT INTO _links (source, field, target) VALUES (%s, 'parent', %s)"
ADD_REFERENCE = "INSERT INTO _references (mark, id, field) VALUES (%s, %s, %s)"
CHANGE = """INSERT INTO _changes (tx, at, kind, artifact, revision, spec, digest, parents, before, after)
    SELECT seq, %s, %s, %s, %s, 1, %s, %s, %s, %s FROM _turn"""
OLD = f"SELECT {NAMES} FROM images WHERE id = %s AND revision = %s"
UPDATE = "UPDATE images SET min_ram = %s, revision = revision + 1, updated_at = %s, digest = %s WHERE id = %s AND revision = %s"
DELETE = f"DELETE FROM images WHERE id = %s AND revision = %s RETURNING {NAMES}"
DROP_TAG = 'DELETE FROM "images:tags" WHERE mark = %s AND id = %s'
DROP_LINK = "DELETE FROM _links WHERE source = %s AND field = 'parent' AND target = %s"
DROP_REFERENCE = "DELETE FROM _references WHERE mark = %s AND id = %s AND field = %s"
BURY = "UPDATE _identity SET state = 'deleted' WHERE id = %s"


class Expert:
    """The engine's tables in a schema of their own, by hand."""

    name = "psycopg"

    def __init__(self, dsn: str, schema: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        self.connection.prepare_threshold = 1
        self.connection.execute(f"SET search_path = {schema}")
        self.connection.execute("SET jit = off")
        self.execute = self.connection.cursor(binary=True).execute

    def key(self, ident: UUID) -> UUID:
        """Return an id as the driver takes it."""
        return ident

    def ident(self, row: Row) -> UUID:
        """Return the id of a row."""
        return UUID(str(row["id"]))

    def revision(self, row: Row) -> int:
        """Return the revision of a row."""
        return int(row["revision"])

    def item(self, row: Row) -> Item:
        """Return the generated item that a row stands for."""
        known = {name: row[name] for name in ("id", "name", "version", "owner", "description", "parent", *INDEXED)}
        blobs = tuple(map(_blob_data, [row["disk"], *[row["layers"][name] for name in sorted(row["layers"])]]))
        return Item(tags=tuple(row["tags"]), blobs=blobs, **known)

    def load(self, items: Iterable[Item]) -> None:
        """Fill an empty catalogue."""
        self.add_many(items)

    # reading

    def get(self, key: UUID) -> Row:
        """Return a row by id."""
        return self._one(ONE, (key,))

    def by_name(self, name: str, version: str) -> Row:
        """Return a row by name and version."""
        return self._one(VERSION, (name, version))

    def latest(self, name: str) -> Row:
        """Return the highest version of a name."""
        return self._one(LATEST, (name,))

    def _one(self, sql: str, bindings: Sequence[Any]) -> Row:
        found = self.execute(sql, bindings).fetchone()
        if found is None:
            raise KeyError(bindings)
        return found

    def filter(self, os_distro: str, min_ram: int) -> list[Row]:
        """Return the smallest 100 of a two-field filter."""
        return self.execute(FILTER, (os_distro, min_ram)).fetchall()

    def count(self, os_distro: str, min_ram: int) -> int:
        """Count a two-field filter."""
        return int(self._one(COUNT, (os_distro, min_ram))["count"])

    def tag(self, tag: str) -> list[Row]:
        """Return the first 100 with a tag."""
        return self.execute(TAG, (_element(tag),)).fetchall()

    def text(self, query: str) -> list[Row]:
        """Return the best 100 of a search."""
        asked = list(dict.fromkeys(words(query)))
        hits = [(weight, f"{field}:{word}") for field, weight in WEIGHTS.items() for word in asked]
        rank = " + ".join(f"(row__words @> %s)::int * {weight}" for weight, _ in hits)
        return self.execute(TEXT.format(rank=rank), (asked, *[[hit] for _, hit in hits])).fetchall()

    def traverse(self, key: UUID) -> list[UUID]:
        """Return the ids along three links, nearest first."""
        return [row["id"] for row in self.execute(ANCESTORS, (key,))]

    # writing

    @contextmanager
    def _writing(self) -> Iterator[datetime]:
        """Take the turn and record a transaction; everything in it goes in one trip."""
        now = datetime.now(UTC)
        with self.connection.transaction(), self.connection.pipeline():
            self.connection.execute(TURN, (now,))
            self.connection.execute(TRANSACTION, (uuid7(),))
            yield now

    def create(self, item: Item) -> Row:
        """Add one in a transaction of its own."""
        with self._writing() as now:
            row = _row(item, now)
            self.connection.execute(IDENTITY, (row["id"],))
            self.connection.execute(IMAGE, _stored(row))
            for statement, bindings in _look_ups(row):
                self.connection.execute(statement, bindings)
            self.connection.execute(CHANGE, (0, "add", row["id"], 1, row["digest"], b"", None, None))
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        with self._writing() as now:
            return sum(
                self._insert([_row(item, now) for item in chunk], at * 1_000) for at, chunk in enumerate(chunks(items))
            )

    def _insert(self, rows: list[Row], start: int) -> int:
        many = self.connection.cursor().executemany
        many(IDENTITY, [(row["id"],) for row in rows])
        many(IMAGE, [_stored(row) for row in rows])
        groups: dict[str, list[Any]] = {}
        for row in rows:
            for statement, bindings in _look_ups(row):
                groups.setdefault(statement, []).append(bindings)
        for statement in (FOREIGN, ADD_LINK, ADD_TAG, ADD_REFERENCE):
            many(statement, groups.get(statement, []))
        many(CHANGE, [(at, "add", row["id"], 1, row["digest"], b"", None, None) for at, row in enumerate(rows, start)])
        return len(rows)

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field, if nobody else changed the row."""
        ident, revision = row["id"], row["revision"]
        with self.connection.transaction():
            now = datetime.now(UTC)
            self.execute(TURN, (now,))
            old = self._one(OLD, (ident, revision))
            new = old | {"min_ram": min_ram, "revision": revision + 1, "updated_at": now}
            new["digest"] = _digest(new)
            before, after = (
                {name: each[name] for name in ("min_ram", "revision", "updated_at")} for each in (old, new)
            )
            with self.connection.pipeline():
                self.connection.execute(TRANSACTION, (uuid7(),))
                self.connection.execute(UPDATE, (min_ram, now, new["digest"], ident, revision))
                change = (
                    0,
                    "update",
                    ident,
                    revision + 1,
                    new["digest"],
                    old["digest"],
                    canonical(before),
                    canonical(after),
                )
                self.connection.execute(CHANGE, change)
        return new

    def delete(self, row: Row) -> None:
        """Remove a row, if nobody else changed it; the history keeps all of it."""
        ident, revision = row["id"], row["revision"]
        with self.connection.transaction():
            self.execute(TURN, (datetime.now(UTC),))
            old = self._one(DELETE, (ident, revision))
            with self.connection.pipeline():
                self.connection.execute(TRANSACTION, (uuid7(),))
                for statement, bindings in _dropped(old):
                    self.connection.execute(statement, bindings)
                self.connection.execute(BURY, (ident,))
                whole = canonical({name: old[name] for name in COLUMNS if name not in ("unique_key", "digest")})
                self.connection.execute(
                    CHANGE, (0, "delete", ident, revision + 1, old["digest"], old["digest"], whole, None)
                )

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _mark(text: str) -> UUID:
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def _element(tag: str) -> UUID:
    """Return what the look-up of tags keeps for one: a text is of kind 3."""
    return UUID(bytes=blake2b(b"\x03" + tag.encode(), digest_size=16).digest())


def _row(item: Item, now: datetime) -> Row:
    """Return the row of an item."""
    disk, *layers = map(_blob, item.blobs)
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"id": item.id or uuid7(), "status": "drafted", "visibility": "private", "hidden": False, "protected": False}
    row |= {name: getattr(item, name) for name in ("name", "version", "owner", "description", "parent", *INDEXED)}
    row |= {
        "tags": list(item.tags),
        "properties": {},
        "created_at": now,
        "updated_at": now,
        "revision": 1,
        "disk": disk,
    }
    row |= {"layers": {f"layer-{at}": layer for at, layer in enumerate(layers)}, "name__folded": item.name.casefold()}
    scope = canonical(["images", item.name, item.version, item.owner])
    row |= {"version__key": version_key(item.version), "unique_key": sha256(scope.encode()).digest()}
    return row | {"digest": _digest(row)}


def _blob(data: BlobData) -> dict[str, Any]:
    return {
        "digests": {"sha256": data.sha256},
        "locations": [{"url": data.url}],
        "media_type": data.media_type,
        "size": data.size,
    }


def _blob_data(blob: dict[str, Any]) -> BlobData:
    return BlobData(blob["locations"][0]["url"], blob["size"], blob["digests"]["sha256"], blob["media_type"])


def _stored(row: Row) -> list[Any]:
    """Return the values of a row as the table keeps them, its words last."""
    values = [Json(row[name], canonical) if name in JSON_COLUMNS else row[name] for name in COLUMNS]
    return [*values, sorted(_words(row))]


def _words(row: Row) -> set[str]:
    texts = {"name": row["name"], "tags": " ".join(row["tags"]), "description": row["description"]}
    return {form for field, text in texts.items() for word in words(text) for form in (word, f"{field}:{word}")}


def _digest(row: Row) -> bytes:
    content = {name: row[name] for name in COLUMNS if name not in ("created_at", "updated_at", "revision", "digest")}
    return sha256(canonical(content).encode()).digest()


def _referred(row: Row) -> list[tuple[UUID, UUID, str]]:
    """Return what the blobs of a row refer to."""
    blobs = [("disk", row["disk"]), *[("layers", layer) for layer in row["layers"].values()]]
    texts = [
        (field, text)
        for field, blob in blobs
        for text in (blob["locations"][0]["url"], f"sha256:{blob['digests']['sha256']}")
    ]
    return [(_mark(text), row["id"], field) for field, text in texts]


def _look_ups(row: Row) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield what is derived from a new row: each a statement and its bindings."""
    if row["parent"]:
        yield FOREIGN, (row["parent"],)
        yield ADD_LINK, (row["id"], row["parent"])
    for tag in row["tags"]:
        yield ADD_TAG, (_element(tag), row["id"], tag)
    for found in _referred(row):
        yield ADD_REFERENCE, found


def _dropped(row: Row) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield how what was derived from a row goes with it."""
    if row["parent"]:
        yield DROP_LINK, (row["id"], row["parent"])
    for tag in row["tags"]:
        yield DROP_TAG, (_element(tag), row["id"])
    for found in _referred(row):
        yield DROP_REFERENCE, found

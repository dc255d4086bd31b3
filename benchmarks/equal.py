"""The baseline *equal*: typed tables with the guarantees of the engine, as an expert writes them by hand for one type.

Unique ids over all types, a unique key, look-ups by tag, digest, url and link, and the whole history in the transaction
of the change: what the engine must keep, without the layers that make it general.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any
from uuid import UUID

from benchmarks import baseline
from benchmarks.baseline import Handwritten, Row, blob_rows, chunks, encode, text_columns, uuid7, version_key, writing
from benchmarks.workload import INDEXED, LIMIT, Item

TYPE, SPEC, ACTOR = "images", 1, "bench"
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=bytes.hex).encode
COLUMNS = (
    "id", "name", "version", "version_key", "owner", "status", "visibility", "description", "tags", "properties",
    "created_at", "updated_at", "revision", "os_distro", "arch", "min_ram", "size", "score", "blobs", "parent",
)  # fmt: skip
JSON_COLUMNS = ("tags", "properties", "blobs")
SCHEMA = (
    """CREATE TABLE identities (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, type TEXT NOT NULL, state TEXT NOT NULL)
    STRICT""",
    """CREATE TABLE images (
        id BLOB NOT NULL PRIMARY KEY REFERENCES identities (id), name TEXT NOT NULL, version TEXT NOT NULL,
        version_key TEXT NOT NULL, owner TEXT, status TEXT NOT NULL, visibility TEXT NOT NULL, description TEXT NOT NULL,
        tags TEXT NOT NULL, properties TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
        revision INTEGER NOT NULL, os_distro TEXT NOT NULL, arch TEXT NOT NULL, min_ram INTEGER NOT NULL,
        size INTEGER NOT NULL, score REAL NOT NULL, blobs TEXT NOT NULL, parent BLOB,
        unique_key BLOB UNIQUE, digest BLOB NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX images_name ON images (name, version_key)",
    *(f"CREATE INDEX images_{field} ON images ({field})" for field in INDEXED),
    "CREATE TABLE tags (tag TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (tag, id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE digests (digest TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (digest, id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE urls (url TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (url, id)) STRICT, WITHOUT ROWID",
    """CREATE TABLE links (target BLOB NOT NULL REFERENCES identities (id), source BLOB NOT NULL, field TEXT NOT NULL,
        PRIMARY KEY (target, source, field)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE transactions (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at INTEGER NOT NULL,
        actor TEXT NOT NULL, message TEXT NOT NULL) STRICT""",
    """CREATE TABLE changes (seq INTEGER PRIMARY KEY, tx INTEGER NOT NULL REFERENCES transactions (seq),
        kind TEXT NOT NULL, artifact BLOB NOT NULL, revision INTEGER NOT NULL, spec INTEGER NOT NULL, fields TEXT,
        digest BLOB NOT NULL, parent BLOB) STRICT""",
    "CREATE INDEX changes_artifact ON changes (artifact, revision)",
    baseline.FTS,
)
INSERT_IDENTITY = "INSERT INTO identities (id, type, state) VALUES (?, 'images', 'live')"
INSERT_IDENTITIES = "INSERT INTO identities (n, id, type, state) VALUES (?, ?, 'images', 'live')"
NEXT = "SELECT coalesce(max(n), 0) + 1 FROM identities"
INSERT = f"INSERT INTO images ({', '.join(COLUMNS)}, unique_key, digest) VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
INSERT_LOOK_UPS = (
    "INSERT INTO tags (tag, id) VALUES (?, ?)",
    "INSERT INTO digests (digest, id) VALUES (?, ?)",
    "INSERT INTO urls (url, id) VALUES (?, ?)",
    "INSERT INTO links (target, source, field) VALUES (?, ?, 'parent')",
)
INSERT_TEXT = "INSERT INTO fts (rowid, name, tags, description) VALUES (?, ?, ?, ?)"
INSERT_TRANSACTION = "INSERT INTO transactions (id, at, actor, message) VALUES (?, ?, ?, '')"
INSERT_CHANGE = """INSERT INTO changes (tx, kind, artifact, revision, spec, fields, digest, parent)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
DELETE = f"DELETE FROM images WHERE id = ? AND revision = ? RETURNING {', '.join(COLUMNS)}, digest"
DELETE_LOOK_UPS = (
    "DELETE FROM tags WHERE tag = ? AND id = ?",
    "DELETE FROM digests WHERE digest = ? AND id = ?",
    "DELETE FROM urls WHERE url = ? AND id = ?",
    "DELETE FROM links WHERE target = ? AND source = ? AND field = 'parent'",
)
DELETE_TEXT = "INSERT INTO fts (fts, rowid, name, tags, description) VALUES ('delete', ?, ?, ?, ?)"
BURY = "UPDATE identities SET state = 'deleted' WHERE id = ? RETURNING n"
SELECT = f"SELECT {', '.join('images.' + column for column in COLUMNS)}"
OLD = f"SELECT {', '.join(COLUMNS)}, digest FROM images WHERE id = ? AND revision = ?"
UPDATE = "UPDATE images SET min_ram = ?, revision = ?, updated_at = ?, digest = ? WHERE id = ? AND revision = ?"
FEW_IDS = "SELECT id FROM identities WHERE n IN (SELECT value FROM json_each(?))"


class Equal(Handwritten):
    """The typed tables with history."""

    name = "equal"
    schema = SCHEMA
    select_one = f"{SELECT} FROM images WHERE id = ?"
    select_version = f"{SELECT} FROM images WHERE name = ? AND version_key = ?"
    select_latest = f"{SELECT} FROM images WHERE name = ? ORDER BY version_key DESC LIMIT 1"
    select_filter = f"{SELECT} FROM images WHERE os_distro = ? AND min_ram <= ? ORDER BY size, id LIMIT {LIMIT}"
    select_count = "SELECT count(*) FROM images WHERE os_distro = ? AND min_ram <= ?"
    select_tag = f"{SELECT} FROM tags AS t JOIN images USING (id) WHERE t.tag = ? ORDER BY t.id LIMIT {LIMIT}"
    select_ancestors = """WITH RECURSIVE up (depth, id) AS (
            SELECT 1, parent FROM images WHERE id = ?
            UNION ALL
            SELECT depth + 1, parent FROM up JOIN images USING (id) WHERE depth < 3)
        SELECT id FROM up WHERE id IS NOT NULL"""
    select_numbers = f"{SELECT} FROM images WHERE id IN ({FEW_IDS})"
    # The ids of all hits come from the slim identity table, the rows of the best alone.
    select_best = f"""{SELECT} FROM (SELECT id, rank FROM ({{ranked}}) JOIN identities USING (n)
        ORDER BY rank DESC, id LIMIT {LIMIT}) AS best JOIN images USING (id) ORDER BY rank DESC, best.id"""

    def key(self, ident: UUID) -> bytes:
        """Return an id as it stands in the table."""
        return ident.bytes

    def _uuid(self, key: bytes) -> UUID:
        return UUID(bytes=key)

    def _row(self, values: Sequence[Any]) -> Row:
        return _decoded(values)

    def create(self, item: Item) -> Row:
        """Add one in a transaction of its own."""
        execute, many = self.connection.execute, self.connection.executemany
        with writing(self.connection):
            transaction, at = self._begin()
            row = _row(item, at)
            ident, digest = row["id"], _digest(row)
            number = execute(INSERT_IDENTITY, (ident,)).lastrowid
            execute(INSERT, (*_stored(row), _unique_key(row), digest))
            for statement, bindings in zip(INSERT_LOOK_UPS, _look_ups(row), strict=True):
                many(statement, bindings)
            execute(INSERT_TEXT, (number, *text_columns(item.name, item.tags, item.description)))
            execute(INSERT_CHANGE, (transaction, "add", ident, 1, SPEC, None, digest, None))
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        with writing(self.connection):
            transaction, at = self._begin()
            return sum(self._insert(chunk, transaction, at) for chunk in chunks(items))

    def _begin(self) -> tuple[int | None, int]:
        """Record a transaction; return its number and its time in microseconds."""
        at = time.time_ns() // 1000
        return self.connection.execute(INSERT_TRANSACTION, (uuid7().bytes, at, ACTOR)).lastrowid, at

    def _insert(self, items: list[Item], transaction: int | None, at: int) -> int:
        rows = [_row(item, at) for item in items]
        digests = list(map(_digest, rows))
        (start,), many = self.connection.execute(NEXT).fetchone(), self.connection.executemany
        many(INSERT_IDENTITIES, [(n, row["id"]) for n, row in enumerate(rows, start)])
        many(INSERT, [(*_stored(row), _unique_key(row), digest) for row, digest in zip(rows, digests, strict=True)])
        for statement, *bindings in zip(INSERT_LOOK_UPS, *map(_look_ups, rows), strict=True):
            many(statement, chain.from_iterable(bindings))
        many(INSERT_TEXT, [(n, *_texts(row)) for n, row in enumerate(rows, start)])
        made = zip(rows, digests, strict=True)
        many(INSERT_CHANGE, [(transaction, "add", row["id"], 1, SPEC, None, digest, None) for row, digest in made])
        return len(rows)

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field, if nobody else changed the row."""
        ident, revision = row["id"], row["revision"]
        with writing(self.connection):
            *stored, parent = self.connection.execute(OLD, (ident, revision)).fetchone()
            transaction, at = self._begin()
            old = _decoded(stored)
            new = old | {"min_ram": min_ram, "revision": revision + 1, "updated_at": at}
            digest, fields = _digest(new), encode({"min_ram": [old["min_ram"], min_ram]})
            self.connection.execute(UPDATE, (min_ram, revision + 1, at, digest, ident, revision))
            self.connection.execute(
                INSERT_CHANGE, (transaction, "update", ident, revision + 1, SPEC, fields, digest, parent)
            )
        return new

    def delete(self, row: Row) -> None:
        """Remove a row, if nobody else changed it; the history keeps all of it."""
        ident, revision = row["id"], row["revision"]
        with writing(self.connection):
            *stored, parent = self.connection.execute(DELETE, (ident, revision)).fetchone()
            transaction, _ = self._begin()
            old = _decoded(stored)
            (number,) = self.connection.execute(BURY, (ident,)).fetchone()
            for statement, bindings in zip(DELETE_LOOK_UPS, _look_ups(old), strict=True):
                self.connection.executemany(statement, bindings)
            self.connection.execute(DELETE_TEXT, (number, *_texts(old)))
            change = (transaction, "delete", ident, revision + 1, SPEC, canonical(old), parent, parent)
            self.connection.execute(INSERT_CHANGE, change)


def _decoded(values: Sequence[Any]) -> Row:
    """Return a row with its JSON columns parsed."""
    row = dict(zip(COLUMNS, values, strict=True))
    row["tags"] = json.loads(row["tags"])
    row["properties"] = json.loads(row["properties"])
    row["blobs"] = json.loads(row["blobs"])
    return row


def _look_ups(row: Row) -> tuple[list[tuple[Any, bytes]], ...]:
    """Return the tags, digests, urls and links of a row, each beside its id."""
    ident, blobs, parent = row["id"], row["blobs"], row["parent"]
    digests, urls = {b["sha256"] for b in blobs}, {b["url"] for b in blobs}
    found = row["tags"], digests, urls, [parent] if parent else []
    return tuple([(value, ident) for value in values] for values in found)


def _texts(row: Row) -> tuple[str, str, str]:
    return text_columns(row["name"], row["tags"], row["description"])


def _stored(row: Row) -> list[Any]:
    """Return the values of a row as the table keeps them."""
    return [encode(row[column]) if column in JSON_COLUMNS else row[column] for column in COLUMNS]


def _digest(row: Row) -> bytes:
    """Return the content digest of a row."""
    return sha256(canonical(row).encode()).digest()


def _unique_key(row: Row) -> bytes:
    """Return the digest of the unique scope of a row."""
    return sha256(encode([TYPE, row["name"], row["version"], row["owner"]]).encode()).digest()


def _row(item: Item, at: int) -> Row:
    """Return the row of an item."""
    row = {
        "id": (item.id or uuid7()).bytes, "name": item.name, "version": item.version,
        "version_key": version_key(item.version), "owner": item.owner, "status": "draft", "visibility": "private",
        "description": item.description, "tags": item.tags, "properties": {}, "created_at": at, "updated_at": at,
        "revision": 1,
    }  # fmt: skip
    row |= {field: getattr(item, field) for field in INDEXED}
    return row | {"blobs": blob_rows(item), "parent": item.parent and item.parent.bytes}

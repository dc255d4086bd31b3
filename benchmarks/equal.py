"""The baseline *equal*: typed tables with the guarantees of the engine, as an expert writes them by hand for one type.

Unique ids over all types, a unique key, look-ups by tag, digest, url and link, and the whole history in the transaction
of the change: what the engine must keep, without the layers that make it general.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any
from uuid import UUID

from benchmarks import baseline
from benchmarks.baseline import Handwritten, Row, text_columns, uuid7, version_key, writing
from benchmarks.workload import INDEXED, LIMIT, Item

TYPE, SPEC, ACTOR = "images", 1, "bench"
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
INSERT = f"INSERT INTO images ({', '.join(COLUMNS)}, unique_key, digest) VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
INSERT_TAG = "INSERT INTO tags (tag, id) VALUES (?, ?)"
INSERT_DIGEST = "INSERT OR IGNORE INTO digests (digest, id) VALUES (?, ?)"
INSERT_URL = "INSERT OR IGNORE INTO urls (url, id) VALUES (?, ?)"
INSERT_LINK = "INSERT INTO links (target, source, field) VALUES (?, ?, 'parent')"
INSERT_TEXT = "INSERT INTO fts (rowid, name, tags, description) VALUES (?, ?, ?, ?)"
INSERT_TRANSACTION = "INSERT INTO transactions (id, at, actor, message) VALUES (?, ?, ?, '')"
INSERT_CHANGE = """INSERT INTO changes (tx, kind, artifact, revision, spec, fields, digest, parent)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
DELETE = f"DELETE FROM images WHERE id = ? AND revision = ? RETURNING {', '.join(COLUMNS)}, digest"
DELETE_TAG = "DELETE FROM tags WHERE tag = ? AND id = ?"
DELETE_DIGEST = "DELETE FROM digests WHERE digest = ? AND id = ?"
DELETE_URL = "DELETE FROM urls WHERE url = ? AND id = ?"
DELETE_LINK = "DELETE FROM links WHERE target = ? AND source = ? AND field = 'parent'"
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
        with writing(self.connection):
            transaction, at = self._begin()
            return self._insert(item, transaction, at)

    def add_many(self, items: Iterable[Item]) -> list[Row]:
        """Add many in one transaction."""
        with writing(self.connection):
            transaction, at = self._begin()
            return [self._insert(item, transaction, at) for item in items]

    def _begin(self) -> tuple[int | None, int]:
        """Record a transaction; return its number and its time in microseconds."""
        at = time.time_ns() // 1000
        return self.connection.execute(INSERT_TRANSACTION, (uuid7().bytes, at, ACTOR)).lastrowid, at

    def _insert(self, item: Item, transaction: int | None, at: int) -> Row:
        row = _row(item, at)
        values, key, digest = _stored(row), _unique_key(row), _digest(row)
        ident, execute = row["id"], self.connection.execute
        number = execute(INSERT_IDENTITY, (ident,)).lastrowid
        execute(INSERT, (*values, key, digest))
        self._look_ups(INSERT_TAG, INSERT_DIGEST, INSERT_URL, INSERT_LINK, row)
        execute(INSERT_TEXT, (number, *text_columns(item.name, item.tags, item.description)))
        execute(INSERT_CHANGE, (transaction, "add", ident, 1, SPEC, None, digest, None))
        return row

    def _look_ups(self, tag: str, digest: str, url: str, link: str, row: Row) -> None:
        """Run the given statements for each tag, digest, url and link of a row."""
        ident, many = row["id"], self.connection.executemany
        many(tag, [(value, ident) for value in row["tags"]])
        many(digest, [(blob["sha256"], ident) for blob in row["blobs"]])
        many(url, [(blob["url"], ident) for blob in row["blobs"]])
        if row["parent"]:
            self.connection.execute(link, (row["parent"], ident))

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field, if nobody else changed the row."""
        ident, revision = row["id"], row["revision"]
        with writing(self.connection):
            *stored, parent = self.connection.execute(OLD, (ident, revision)).fetchone()
            transaction, at = self._begin()
            old = _decoded(stored)
            new = old | {"min_ram": min_ram, "revision": revision + 1, "updated_at": at}
            digest, fields = _digest(new), json.dumps({"min_ram": [old["min_ram"], min_ram]})
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
            self._look_ups(DELETE_TAG, DELETE_DIGEST, DELETE_URL, DELETE_LINK, old)
            self.connection.execute(DELETE_TEXT, (number, *text_columns(old["name"], old["tags"], old["description"])))
            change = (transaction, "delete", ident, revision + 1, SPEC, _canonical(old), parent, parent)
            self.connection.execute(INSERT_CHANGE, change)

def _decoded(values: Sequence[Any]) -> Row:
    """Return a row with its JSON columns parsed."""
    row = dict(zip(COLUMNS, values, strict=True))
    row["tags"] = json.loads(row["tags"])
    row["properties"] = json.loads(row["properties"])
    row["blobs"] = json.loads(row["blobs"])
    return row


def _stored(row: Row) -> list[Any]:
    """Return the values of a row as the table keeps them."""
    return [json.dumps(row[column]) if column in JSON_COLUMNS else row[column] for column in COLUMNS]


def _canonical(row: Row) -> str:
    """Return the canonical JSON of a row."""
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=bytes.hex)


def _digest(row: Row) -> bytes:
    """Return the content digest of a row."""
    return sha256(_canonical(row).encode()).digest()


def _unique_key(row: Row) -> bytes:
    """Return the digest of the unique scope of a row."""
    return sha256(json.dumps([TYPE, row["name"], row["version"], row["owner"]]).encode()).digest()


def _row(item: Item, at: int) -> Row:
    """Return the row of an item."""
    row = {
        "id": (item.id or uuid7()).bytes, "name": item.name, "version": item.version,
        "version_key": version_key(item.version), "owner": item.owner, "status": "draft", "visibility": "private",
        "description": item.description, "tags": item.tags, "properties": {}, "created_at": at, "updated_at": at,
        "revision": 1,
    }  # fmt: skip
    row |= {field: getattr(item, field) for field in INDEXED}
    return row | {"blobs": [asdict(b) for b in item.blobs], "parent": item.parent and item.parent.bytes}

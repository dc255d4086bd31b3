"""The baseline *plain*: one JSON document table, as a careful developer writes it with `sqlite3` alone.

Expression indexes on the five fields and on name and version, a tag table, FTS5. No history, no types, no uniqueness but
the id's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from benchmarks import baseline
from benchmarks.baseline import Handwritten, Row, blob_rows, chunks, encode, text_columns, uuid7, version_key, writing
from benchmarks.workload import INDEXED, LIMIT, Item

SCHEMA = (
    "CREATE TABLE docs (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL)",
    "CREATE TABLE tags (tag TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tag, id)) WITHOUT ROWID",
    "CREATE INDEX docs_name ON docs (json_extract(doc, '$.name'), json_extract(doc, '$.version_key'))",
    *(f"CREATE INDEX docs_{field} ON docs (json_extract(doc, '$.{field}'))" for field in INDEXED),
    baseline.FTS,
)
INSERT = "INSERT INTO docs (id, doc) VALUES (?, ?)"
INSERT_MANY = "INSERT INTO docs (n, id, doc) VALUES (?, ?, ?)"
NEXT = "SELECT coalesce(max(n), 0) + 1 FROM docs"
INSERT_TAG = "INSERT INTO tags (tag, id) VALUES (?, ?)"
INSERT_TEXT = "INSERT INTO fts (rowid, name, tags, description) VALUES (?, ?, ?, ?)"
DELETE = "DELETE FROM docs WHERE id = ? AND json_extract(doc, '$.revision') = ? RETURNING n, doc"
DELETE_TAG = "DELETE FROM tags WHERE tag = ? AND id = ?"
DELETE_TEXT = "INSERT INTO fts (fts, rowid, name, tags, description) VALUES ('delete', ?, ?, ?, ?)"
UPDATE = """UPDATE docs SET doc = json_set(doc, '$.min_ram', ?, '$.revision', ?, '$.updated_at', ?)
    WHERE id = ? AND json_extract(doc, '$.revision') = ? RETURNING doc"""
WHERE_TWO = "FROM docs WHERE json_extract(doc, '$.os_distro') = ? AND json_extract(doc, '$.min_ram') <= ?"


class Plain(Handwritten):
    """The JSON document table."""

    name = "plain"
    schema = SCHEMA
    select_one = "SELECT doc FROM docs WHERE id = ?"
    select_version = """SELECT doc FROM docs
        WHERE json_extract(doc, '$.name') = ? AND json_extract(doc, '$.version_key') = ?"""
    select_latest = """SELECT doc FROM docs
        WHERE json_extract(doc, '$.name') = ? ORDER BY json_extract(doc, '$.version_key') DESC LIMIT 1"""
    select_filter = f"SELECT doc {WHERE_TWO} ORDER BY json_extract(doc, '$.size'), id LIMIT {LIMIT}"
    select_count = f"SELECT count(*) {WHERE_TWO}"
    select_tag = f"SELECT doc FROM tags JOIN docs USING (id) WHERE tag = ? ORDER BY tags.id LIMIT {LIMIT}"
    select_ancestors = """WITH RECURSIVE up (depth, id) AS (
            SELECT 1, json_extract(doc, '$.parent') FROM docs WHERE id = ?
            UNION ALL
            SELECT depth + 1, json_extract(doc, '$.parent') FROM up JOIN docs USING (id) WHERE depth < 3)
        SELECT id FROM up WHERE id IS NOT NULL"""
    select_numbers = "SELECT doc FROM docs WHERE n IN (SELECT value FROM json_each(?))"
    # Ties go by rowid, which is the order of the ids here: this writer makes every id, and they only grow.
    select_best = f"""SELECT doc FROM (SELECT n, rank FROM ({{ranked}}) ORDER BY rank DESC, n LIMIT {LIMIT})
        JOIN docs USING (n) ORDER BY rank DESC, n"""

    def key(self, ident: UUID) -> str:
        """Return an id as it stands in the table."""
        return str(ident)

    def _uuid(self, key: str) -> UUID:
        return UUID(key)

    def _row(self, values: tuple[str]) -> Row:
        row: Row = json.loads(values[0])
        return row

    def _all(self, sql: str, bindings: Sequence[Any]) -> list[Row]:
        return [json.loads(doc) for (doc,) in self.connection.execute(sql, bindings)]

    def create(self, item: Item) -> Row:
        """Add one in a transaction of its own."""
        row, execute = _document(item), self.connection.execute
        ident = row["id"]
        with writing(self.connection):
            number = execute(INSERT, (ident, encode(row))).lastrowid
            self.connection.executemany(INSERT_TAG, [(tag, ident) for tag in item.tags])
            execute(INSERT_TEXT, (number, *text_columns(item.name, item.tags, item.description)))
        return row

    def add_many(self, items: Iterable[Item]) -> int:
        """Add many in one transaction and return how many."""
        with writing(self.connection):
            return sum(self._insert(list(map(_document, chunk))) for chunk in chunks(items))

    def _insert(self, rows: list[Row]) -> int:
        (start,), many = self.connection.execute(NEXT).fetchone(), self.connection.executemany
        numbered = list(enumerate(rows, start))
        many(INSERT_MANY, [(n, row["id"], encode(row)) for n, row in numbered])
        many(INSERT_TAG, [(tag, row["id"]) for row in rows for tag in row["tags"]])
        many(INSERT_TEXT, [(n, *text_columns(row["name"], row["tags"], row["description"])) for n, row in numbered])
        return len(rows)

    def update(self, row: Row, min_ram: int) -> Row:
        """Set one field, if nobody else changed the row."""
        revision = row["revision"]
        with writing(self.connection):
            changed = self.connection.execute(UPDATE, (min_ram, revision + 1, _now(), row["id"], revision)).fetchone()
            return self._row(changed)

    def delete(self, row: Row) -> None:
        """Remove a row, if nobody else changed it."""
        with writing(self.connection):
            number, doc = self.connection.execute(DELETE, (row["id"], row["revision"])).fetchone()
            old = json.loads(doc)
            self.connection.executemany(DELETE_TAG, [(tag, row["id"]) for tag in old["tags"]])
            self.connection.execute(DELETE_TEXT, (number, *text_columns(old["name"], old["tags"], old["description"])))


class Lean(Plain):
    """The same with the page cache that the engine has: what of the engine's figures is due to that, it has as well."""

    name = "lean"
    cache_kib = 16 * 1024


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _document(item: Item) -> Row:
    """Return the document of an item."""
    now = _now()
    row = {
        "id": str(item.id or uuid7()), "name": item.name, "version": item.version, "version_key": version_key(item.version),
        "owner": item.owner, "status": "draft", "visibility": "private", "description": item.description, "tags": item.tags,
        "properties": {}, "created_at": now, "updated_at": now, "revision": 1,
    }  # fmt: skip
    row |= {field: getattr(item, field) for field in INDEXED}
    return row | {"blobs": blob_rows(item), "parent": item.parent and str(item.parent)}

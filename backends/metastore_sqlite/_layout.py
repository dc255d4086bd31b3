"""Tables: the catalogue's own, and those of each type.

Names of ours start with an underscore; what belongs to a type is ``type:field``, a name no type can have. All are
STRICT. Look-ups are WITHOUT ROWID, keyed by what they are asked for. Rows of a type have a number of their own (``row__n``, also
that of their full text): keyed by the id instead, rows of a kilobyte spilled out of their pages, the file was twice as large
and a two-field filter of 100,000 took 26 ms against 10.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import uuid4

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from metastore.backend import Column, FieldSpec, TypeSpec
from metastore.errors import DamagedError, NewerRevisionError, NotACatalogError
from metastore_sqlite import _words as words

__all__ = [
    "MARKED",
    "REVISION",
    "TAILED",
    "beside",
    "check_told",
    "check_whole",
    "create_search",
    "create_type",
    "drop_type",
    "lacking",
    "look_ups",
    "prepare",
    "quoted",
    "revision_of",
    "text_table",
    "widen_type",
]

APPLICATION_ID = 0x6D746131
"""``mta1``, in the header of every catalogue file."""

REVISION = 3
"""Of the catalogue's own tables; kept in ``user_version``, and in ``_meta`` for who has the file open and looks there in every transaction."""

MARKED = 2
"""The first revision that keeps the marks of blobs in full text; before, they had a table of their own, ``_references``."""

TAILED = 3
"""The first revision in which the last few rows of a type are not in full text yet; before, each was with its own transaction."""

_STORAGE = {"integer": "INTEGER", "real": "REAL", "text": "TEXT", "bytes": "BLOB"}

_OF_TEXT = {"text", "text_data", "text_idx", "text_config"}
"""The tables that full text of a type was in up to revision 2: FTS5 names its own."""

SEGMENTS = 8
"""Segments of a size that full text merges into one; half as many, which is FTS5's own choice, made bulk writes write a fiftieth more (measured)."""

_TABLES = """
CREATE TABLE _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE _specs (
    type TEXT, number INTEGER, breaking INTEGER NOT NULL, digest TEXT NOT NULL, spec TEXT NOT NULL,
    PRIMARY KEY (type, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE _identity (id BLOB PRIMARY KEY, type TEXT NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE _links (
    source BLOB, field TEXT, target BLOB REFERENCES _identity (id), PRIMARY KEY (source, field, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX _links_target ON _links (target, field, source);

CREATE TABLE _references (mark BLOB, id BLOB, field TEXT, PRIMARY KEY (mark, id, field)) STRICT, WITHOUT ROWID;

CREATE TABLE _transactions (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, actor TEXT, message TEXT
) STRICT;

CREATE TABLE _changes (
    seq INTEGER PRIMARY KEY, tx INTEGER NOT NULL REFERENCES _transactions (seq), kind TEXT NOT NULL,
    artifact BLOB NOT NULL REFERENCES _identity (id), revision INTEGER NOT NULL, spec INTEGER NOT NULL,
    digest BLOB NOT NULL, parents BLOB NOT NULL, before TEXT, after TEXT, checkpoint TEXT
) STRICT;

CREATE INDEX _changes_artifact ON _changes (artifact, revision)
"""

migrations = Migrations("metastore")


@migrations(name="1: identity, specs, look-ups, history")
def _first(db: Database) -> None:
    for statement in _TABLES.split(";"):  # executescript() would commit the transaction that is open
        db.execute(statement)
    db.table("_meta").insert({"key": "catalogue", "value": str(uuid4())})


@migrations(name="2: marks of blobs in full text")
def _second(db: Database) -> None:
    db.execute("DROP TABLE _references")


@migrations(name="3: full text follows rows a few at a time")
def _third(db: Database) -> None:
    """Full text gets another name, too: who still reads as of revision 2 would miss the rows that it has not yet."""
    db.execute("CREATE TABLE _indexed (type TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    virtual = "SELECT name FROM sqlite_master WHERE rootpage = 0 AND name LIKE '%:text'"
    for (name,) in db.execute(virtual).fetchall():
        of = name.removesuffix(":text")
        db.execute(f"ALTER TABLE {quoted(name)} RENAME TO {text_table(of)}")
        db.execute(f"INSERT INTO _indexed SELECT ?, coalesce(max(row__n), 0) FROM {quoted(of)}", (of,))


_THERE = (
    "SELECT type, name, tbl_name, sql LIKE 'CREATE UNIQUE %' FROM sqlite_master"
    " WHERE type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC, name"
)


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """Return a name as SQL text. Names come from checked specs only, never from a caller's query.

    In backticks: SQLite takes a name in double quotes that it does not know, as after another program's migration, for a text.
    """
    return "`" + name.replace("`", "``") + "`"


def text_table(type_name: str, revision: int = REVISION) -> str:
    """Return, as SQL text, the name of a type's full-text table in a file of a revision."""
    return quoted(f"{type_name}::text" if revision >= TAILED else f"{type_name}:text")


def revision_of(conn: Any, path: str) -> int:
    """Return the revision of a catalogue of ours, 0 where the file is empty.

    Raises NotACatalogError, NewerRevisionError.
    """
    application, revision = (
        conn.execute("PRAGMA application_id").fetchone()[0],
        conn.execute("PRAGMA user_version").fetchone()[0],
    )
    if application == APPLICATION_ID:
        _check_known(revision, path)
        return int(revision)
    if application or conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise NotACatalogError(f"{path} is a SQLite database of something else, no catalogue; give another path")
    return 0


def check_told(revision: str, path: str) -> None:
    """Raise NewerRevisionError for what ``_meta`` says of a later revision, DamagedError where that is no number."""
    if not revision.isdecimal():
        raise DamagedError(f"{path} says of itself that its revision is {revision!r:.40}; restore it from a copy")
    _check_known(int(revision), path)


def _check_known(revision: int, path: str) -> None:
    """Raise NewerRevisionError for a revision that this program does not know."""
    if revision > REVISION:
        raise NewerRevisionError(
            f"{path} is of schema revision {revision}, and this metastore knows up to {REVISION}: use a newer metastore"
        )


def check_whole(conn: Any, path: str) -> None:
    """Raise DamagedError for a file shorter than its header says; SQLite finds out only when it reads there.

    The sizes are asked of SQLite and of the directory: to open and close the file ourselves would give up every lock that this process has on it
    (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    expected = conn.execute("PRAGMA page_count").fetchone()[0] * conn.execute("PRAGMA page_size").fetchone()[0]
    wal = f"{path}-wal"
    if (os.path.exists(wal) and os.path.getsize(wal)) or not os.path.exists(path):
        return
    if os.path.getsize(path) and not expected:
        raise NotACatalogError(f"{path} is no SQLite database")  # SQLite takes a file of one byte for an empty one
    if os.path.getsize(path) < expected:
        raise DamagedError(
            f"{path} is cut off: it has {os.path.getsize(path)} bytes of {expected}; restore it from a copy"
        )


def prepare(conn: Any) -> None:
    """Make or migrate the catalogue's own tables; the caller holds the write transaction, and then fills full text."""
    migrations.apply(Database(conn))
    conn.execute("INSERT OR REPLACE INTO _meta (key, value) VALUES ('revision', ?)", (str(REVISION),))
    conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version = {REVISION}")


def beside(type_name: str, name: str) -> str:
    """Return the name of a field's look-up table or index, apart from those of full text up to revision 2.

    >>> beside("images", "tags"), beside("images", "text")
    ('images:tags', 'images:text:')
    """
    return f"{type_name}:{name}{':' if name in _OF_TEXT else ''}"


def look_ups(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that have a look-up table of their own: indexed lists, and dicts."""
    return [each for each in spec.fields if each.kind == "dict" or (each.kind == "list" and each.index)]


def create_type(db: Database, spec: TypeSpec) -> None:
    """Make every table of a type."""
    columns = [_column(each) for each in spec.columns if each.name != "id"]
    db.execute(
        f"CREATE TABLE {quoted(spec.name)} (row__n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE REFERENCES _identity (id), {', '.join(columns)}) STRICT"
    )
    for each in spec.fields:
        _create_indexes(db, spec, each)
    if "name" in spec.by_name:
        _index(db, spec, ["name", "version__key", "version"])
    _index_sight(db, spec)
    db.table(spec.name).create_index(["unique_key"], index_name=f"{spec.name}:unique_key", unique=True)
    for each in look_ups(spec):
        _create_look_up(db, spec, each)
    create_search(db, spec)


def _index_sight(db: Database, spec: TypeSpec) -> None:
    """Index what callers see: the rows of each owner, and those that are not private; where nobody owns or shares it costs nothing."""
    table = quoted(spec.name)
    db.execute(f"CREATE INDEX {quoted(f'{spec.name}:owner')} ON {table} (owner, id) WHERE owner IS NOT NULL")
    db.execute(
        f"CREATE INDEX {quoted(f'{spec.name}:visibility')} ON {table} (visibility, id) WHERE visibility <> 'private'"
    )


def _column(column: Column) -> str:
    return f"{quoted(column.name)} {_STORAGE[column.storage]}"


def _index(db: Database, spec: TypeSpec, columns: list[str], *, paged: bool = True) -> None:
    """Index by the columns, then the id: a page in id order is a range scan, however many rows are equal."""
    ends = ["id"] if paged else []
    db.table(spec.name).create_index(
        [*columns, *ends], index_name=beside(spec.name, "+".join(columns)), if_not_exists=True
    )


def _create_indexes(db: Database, spec: TypeSpec, field: FieldSpec) -> None:
    if not field.index or field.kind == "list":
        return
    columns = [f"{field.name}__key", field.name] if field.kind == "version" else [field.name]
    _index(db, spec, columns, paged=not _measured(field))
    if field.folded:
        _index(db, spec, [f"{field.name}__folded"])


def _measured(field: FieldSpec) -> bool:
    """Whether hardly two rows are equal, so that the id would only widen the index: what is absent or by default is so by thousands."""
    return field.kind == "float" and field.required and not field.optional


def _create_look_up(db: Database, spec: TypeSpec, field: FieldSpec) -> None:
    if field.kind == "list":
        columns, key = "value ANY, id BLOB", "value, id"
    else:
        columns, key = "key TEXT, kind TEXT, value ANY, id BLOB", "key, kind, value, id"
    db.execute(
        f"CREATE TABLE {quoted(beside(spec.name, field.name))} ({columns}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID"
    )


def create_search(db: Database, spec: TypeSpec) -> None:
    """Make the full-text table of a type, where it has searched fields or blobs; all rows there are are pending."""
    fields = words.columns(spec)
    if not fields:
        return
    table = text_table(spec.name)
    names = ", ".join(quoted(f"_{each.name}") for each in fields)  # FTS5 keeps rank and rowid for itself
    db.execute(
        f"CREATE VIRTUAL TABLE {table} USING fts5({names}, content='', detail=column, columnsize=0, tokenize=\"ascii tokenchars '_'\")"
    )
    db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('automerge', {SEGMENTS})")
    # SQLite tells a new virtual table of savepoints from the next one on; one that was never told keeps the words of what is
    # rolled back, and the savepoint after that fails with "SQL logic error" (3.40)
    db.execute("SAVEPOINT told")
    db.execute("RELEASE told")
    db.execute("INSERT OR REPLACE INTO _indexed (type, last) VALUES (?, 0)", (spec.name,))


def drop_type(db: Database, spec: TypeSpec) -> None:
    """Take every table of a type away."""
    for name in (spec.name, *(beside(spec.name, each.name) for each in look_ups(spec))):
        db.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
    db.execute(f"DROP TABLE IF EXISTS {text_table(spec.name)}")
    db.execute("DELETE FROM _indexed WHERE type = ?", (spec.name,))


def lacking(conn: Any, specs: Iterable[TypeSpec]) -> list[tuple[str, str, str]]:
    """Return what a file of today's revision that holds these types lacks: of each table and index its kind, its name, and whose it is."""
    empty = Database(memory=True)
    prepare(empty.conn)
    for spec in specs:
        create_type(empty, spec)
    there = {*conn.execute(_THERE)}
    lost = [tuple(each[:3]) for each in empty.execute(_THERE) if each not in there]
    empty.close()
    return lost


def widen_type(db: Database, old: TypeSpec, new: TypeSpec) -> None:
    """Add the columns, indexes and look-up tables that the new spec has and the old one had not; rows keep their values."""
    for column in new.columns:
        if column.name not in old.position:
            db.execute(f"ALTER TABLE {quoted(new.name)} ADD COLUMN {_column(column)}")
    for each in new.fields:
        _create_indexes(db, new, each)
    had = {each.name for each in look_ups(old)}
    for each in look_ups(new):
        if each.name not in had:
            _create_look_up(db, new, each)

"""The self-audit: everything derived is derived again from the rows and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from metastore.backend import FieldSpec, StoredSpec, derived_value, references, text_mark
from metastore_sqlite._layout import MARKED, TAILED, beside, look_ups, quoted, text_table
from metastore_sqlite._tail import indexed
from metastore_sqlite._tally import audited
from metastore_sqlite._words import columns, terms
from metastore_sqlite._writer import TypeTable

__all__ = ["audit"]


def audit(conn: Any, stored: Iterable[StoredSpec], revision: int) -> Iterator[str]:
    """Yield a sentence per fault in the file, which is of a revision, its look-ups, full text (with the marks of blobs, where they are there) and history."""
    for (fault,) in conn.execute("PRAGMA integrity_check(20)"):
        if fault != "ok":
            yield f"the file is damaged: {fault}"
    for table, _, parent, _ in conn.execute("PRAGMA foreign_key_check"):
        yield f"{table} refers to an entry of {parent} that is not there"
    latest = {each.spec.name: each.spec for each in stored}
    tables = [TypeTable(spec) for spec in latest.values()]
    for table in tables:
        yield from _identities(conn, table)
        yield from _columns(conn, table)
        yield from _look_ups(conn, table)
        yield from _search(conn, table, revision)
    yield from _links(conn, tables)
    if revision < MARKED:
        yield from _references(conn, tables)
    yield from _history(conn, tables)
    yield from audited(conn, latest.values())


def _rows(conn: Any, table: TypeTable) -> Iterator[Any]:
    return iter(conn.execute(f"SELECT {table.columns} FROM {table.table}"))


def _identities(conn: Any, table: TypeTable) -> Iterator[str]:
    name = table.spec.name
    lost = f"SELECT id FROM {table.table} WHERE id NOT IN (SELECT id FROM _identity WHERE type = ? AND state = 'live')"
    for (ident,) in conn.execute(lost, (name,)):
        yield f"{name} {UUID(bytes=ident)} is stored but not known as live"
    gone = f"SELECT id FROM _identity WHERE type = ? AND state = 'live' AND id NOT IN (SELECT id FROM {table.table})"
    for (ident,) in conn.execute(gone, (name,)):
        yield f"{name} {UUID(bytes=ident)} is known as live but not stored"


def _columns(conn: Any, table: TypeTable) -> Iterator[str]:
    spec = table.spec
    for row in _rows(conn, table):
        for column in spec.columns:
            if (
                column.derived
                and "__" in column.name
                and row[spec.position[column.name]] != derived_value(spec, column, row)
            ):
                yield f"{spec.name} {UUID(bytes=row[0])}: column {column.name} is not what its field says"


def _look_ups(conn: Any, table: TypeTable) -> Iterator[str]:
    own = {each.name for each in look_ups(table.spec)}
    for each in table.derived:
        if each.field.name in own:
            expected = {
                tuple(entry) for row in _rows(conn, table) for entry in each.derive(each.field, row[each.at], row[0])
            }
            name = beside(table.spec.name, each.field.name)
            yield from _differences(name, expected, set(conn.execute(f"SELECT * FROM {quoted(name)}")))


def _links(conn: Any, tables: list[TypeTable]) -> Iterator[str]:
    expected = {
        tuple(entry)
        for table in tables
        for each in table.derived
        if each.field.links
        for row in _rows(conn, table)
        for entry in each.derive(each.field, row[each.at], row[0])
    }
    yield from _differences("_links", expected, set(conn.execute("SELECT source, field, target FROM _links")))


def _references(conn: Any, tables: list[TypeTable]) -> Iterator[str]:
    expected = {
        (text_mark(each), row[0], field.name)
        for table in tables
        for field in table.spec.fields
        if field.kind in ("blob", "folder")
        for row in _rows(conn, table)
        for each in references(field, row[table.spec.position[field.name]])
    }
    yield from _differences("_references", expected, set(conn.execute("SELECT mark, id, field FROM _references")))


def _differences(name: str, expected: set[Any], found: set[Any]) -> Iterator[str]:
    for entry in list(expected - found)[:20]:
        yield f"look-up {name} lacks {_shown(entry)}"
    for entry in list(found - expected)[:20]:
        yield f"look-up {name} has {_shown(entry)}, which no row says"


def _shown(entry: Iterable[Any]) -> str:
    return ", ".join(
        str(UUID(bytes=value)) if isinstance(value, bytes) and len(value) == 16 else repr(value) for value in entry
    )


def _search(conn: Any, table: TypeTable, revision: int) -> Iterator[str]:
    fields = columns(table.spec) if revision >= MARKED else list(table.spec.searched)
    if not fields:
        return
    taken = indexed(table.spec) if revision >= TAILED else "9223372036854775807"
    if conn.execute(f"SELECT {taken}").fetchone()[0] is None:
        yield f"which rows of {table.spec.name} full text has is not known"
        return
    expected = _expected_words(conn, table, fields, taken)
    name = text_table(table.spec.name, revision)
    conn.execute(f"CREATE VIRTUAL TABLE temp.metastore_words USING fts5vocab(main, {name}, instance)")
    try:
        found = set(conn.execute("SELECT doc, col, term FROM temp.metastore_words"))
    finally:
        conn.execute("DROP TABLE temp.metastore_words")
    for doc, field, word in [*list(expected - found)[:20], *list(found - expected)[:20]]:
        yield f"full text of {table.spec.name} disagrees with its rows: word {word!r} of {field[1:]}, row {doc}"


def _expected_words(conn: Any, table: TypeTable, fields: Sequence[FieldSpec], taken: str) -> set[Any]:
    at = table.spec.position
    expected = set()
    for *row, doc in conn.execute(f"SELECT {table.columns}, row__n FROM {table.table} WHERE row__n <= {taken}"):
        for field in fields:
            expected |= {(doc, f"_{field.name}", word) for word in terms(field, row[at[field.name]])}
    return expected


def _history(conn: Any, tables: list[TypeTable]) -> Iterator[str]:
    for table in tables:
        last = "SELECT c.digest, c.revision FROM _changes AS c WHERE c.artifact = t.id ORDER BY c.seq DESC LIMIT 1"
        for (ident,) in conn.execute(
            f"SELECT t.id FROM {table.table} AS t WHERE (t.digest, t.revision) IS NOT ({last})"
        ):
            yield f"{table.spec.name} {UUID(bytes=ident)}: the history does not end in what is stored"

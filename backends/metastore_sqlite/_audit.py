"""The self-audit: everything derived is derived again from the rows and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from metastore._ids import shown_id
from metastore.backend import Column, FieldSpec, StoredSpec, derived_value, references, text_mark
from metastore_sqlite._layout import MARKED, REVISION, TAILED, beside, lacking, look_ups, quoted, text_table
from metastore_sqlite._tail import indexed
from metastore_sqlite._tally import audited
from metastore_sqlite._words import columns, terms
from metastore_sqlite._writer import TypeTable

__all__ = ["audit"]


_OF_NO_TYPE = "SELECT id, type FROM _identity WHERE state = 'live' AND type NOT IN (SELECT type FROM _specs)"
_CHANGED_ELSEWHERE = (
    "SELECT id FROM _identity WHERE state = 'foreign' AND EXISTS (SELECT 1 FROM _changes WHERE artifact = _identity.id)"
)


class _Audited(TypeTable):
    """A type's table, and the ids of its rows that nothing can be derived from, as what stands there has another form."""

    broken: frozenset[bytes] = frozenset()


def audit(conn: Any, stored: Iterable[StoredSpec], revision: int) -> Iterator[str]:
    """Yield a sentence per fault in the file, which is of a revision, its look-ups, full text (with the marks of blobs, where they are there) and history."""
    for (fault,) in conn.execute("PRAGMA integrity_check(20)"):
        if fault != "ok":
            yield f"the file is damaged: {fault}"
    for table, _, parent, _ in conn.execute("PRAGMA foreign_key_check"):
        yield f"{table} refers to an entry of {parent} that is not there"
    every = list(stored)
    latest = {each.spec.name: each.spec for each in every}
    lost = lacking(conn, latest.values()) if revision == REVISION else []
    for kind, name, of in lost:
        yield f"the {kind} {name} {'' if name == of else f'of {of} '}is not there, or not as it should be"
    if any(kind == "table" for kind, _, _ in lost):
        return  # what follows reads them
    yield from _specs(conn, every)
    yield from _unowned(conn)
    tables = [_Audited(spec) for spec in latest.values()]
    for table in tables:
        table.broken = frozenset(_unreadable(conn, table))
        for ident in table.broken:
            yield f"{_named(table, ident)}: what is stored cannot be read"
        yield from _identities(conn, table)
        yield from _columns(conn, table)
        yield from _look_ups(conn, table)
        yield from _search(conn, table, revision)
    yield from _links(conn, tables)
    if revision < MARKED:
        yield from _references(conn, tables)
    yield from _history(conn, tables)
    yield from audited(conn, latest.values())


def _unreadable(conn: Any, table: _Audited) -> Iterator[bytes]:
    for row in _rows(conn, table):
        try:
            UUID(bytes=row[0])
            _encode(row)
            _derive(table, row)
        except Exception:  # noqa: BLE001 - whatever a value of a form that was never written makes of its readers
            yield row[0]


def _encode(row: Any) -> None:
    """Encode every text of a row, which is read with a lone surrogate for each byte that is no UTF-8."""
    for value in row:
        if type(value) is str and not value.isascii():
            value.encode()


def _derive(table: _Audited, row: Any) -> None:
    spec = table.spec
    for column in filter(_follows, spec.columns):
        derived_value(spec, column, row)
    for each in table.derived:
        list(each.derive(each.field, row[each.at], row[0]))
    for field in columns(spec):
        terms(field, row[spec.position[field.name]])


def _follows(column: Column) -> bool:
    return column.derived and "__" in column.name


def _rows(conn: Any, table: _Audited) -> Iterator[Any]:
    rows = conn.execute(f"SELECT {table.columns} FROM {table.table}")
    return (row for row in rows if row[0] not in table.broken)


def _specs(conn: Any, stored: Iterable[StoredSpec]) -> Iterator[str]:
    told = {(name, number): digest for name, number, digest in conn.execute("SELECT type, number, digest FROM _specs")}
    for each in stored:
        if told[each.spec.name, each.number] != each.spec.digest:
            yield f"spec {each.number} of {each.spec.name} is not what its digest says"


def _unowned(conn: Any) -> Iterator[str]:
    for ident, name in conn.execute(_OF_NO_TYPE):
        yield f"{_shown((ident,))} is known as live, of a type {name!r} that is not stored"
    for (ident,) in conn.execute(_CHANGED_ELSEWHERE):
        yield f"{_shown((ident,))} is known as never held here, but the history tells of it"


def _identities(conn: Any, table: _Audited) -> Iterator[str]:
    name = table.spec.name
    lost = f"SELECT id FROM {table.table} WHERE id NOT IN (SELECT id FROM _identity WHERE type = ? AND state = 'live')"
    for (ident,) in conn.execute(lost, (name,)):
        yield f"{_named(table, ident)} is stored but not known as live"
    gone = f"SELECT id FROM _identity WHERE type = ? AND state = 'live' AND id NOT IN (SELECT id FROM {table.table})"
    for (ident,) in conn.execute(gone, (name,)):
        yield f"{_named(table, ident)} is known as live but not stored"


def _columns(conn: Any, table: _Audited) -> Iterator[str]:
    spec = table.spec
    for row in _rows(conn, table):
        for column in filter(_follows, spec.columns):
            if row[spec.position[column.name]] != derived_value(spec, column, row):
                yield f"{_named(table, row[0])}: column {column.name} is not what its field says"


def _look_ups(conn: Any, table: _Audited) -> Iterator[str]:
    own = {each.name for each in look_ups(table.spec)}
    for each in table.derived:
        if each.field.name in own:
            expected = {
                tuple(entry) for row in _rows(conn, table) for entry in each.derive(each.field, row[each.at], row[0])
            }
            name = beside(table.spec.name, each.field.name)
            yield from _differences(name, expected, set(conn.execute(f"SELECT * FROM {quoted(name)}")))


def _links(conn: Any, tables: list[_Audited]) -> Iterator[str]:
    expected = {
        tuple(entry)
        for table in tables
        for each in table.derived
        if each.field.links
        for row in _rows(conn, table)
        for entry in each.derive(each.field, row[each.at], row[0])
    }
    yield from _differences("_links", expected, set(conn.execute("SELECT source, field, target FROM _links")))


def _references(conn: Any, tables: list[_Audited]) -> Iterator[str]:
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


def _named(table: _Audited, ident: bytes) -> str:
    return f"{table.spec.name} {_shown((ident,))}"


def _shown(entry: Iterable[Any]) -> str:
    return ", ".join(map(shown_id, entry))


def _search(conn: Any, table: _Audited, revision: int) -> Iterator[str]:
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


def _expected_words(conn: Any, table: _Audited, fields: Sequence[FieldSpec], taken: str) -> set[Any]:
    at = table.spec.position
    expected = set()
    for *row, doc in conn.execute(f"SELECT {table.columns}, row__n FROM {table.table} WHERE row__n <= {taken}"):
        if row[0] in table.broken:
            continue
        for field in fields:
            expected |= {(doc, f"_{field.name}", word) for word in terms(field, row[at[field.name]])}
    return expected


def _history(conn: Any, tables: list[_Audited]) -> Iterator[str]:
    for table in tables:
        last = "SELECT c.digest, c.revision FROM _changes AS c WHERE c.artifact = t.id ORDER BY c.seq DESC LIMIT 1"
        for (ident,) in conn.execute(
            f"SELECT t.id FROM {table.table} AS t WHERE (t.digest, t.revision) IS NOT ({last})"
        ):
            yield f"{_named(table, ident)}: the history does not end in what is stored"

"""What another catalogue holds of some artifacts, put in the place of what is held here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metastore.backend import Identity, Row
from metastore_sqlite._writer import TypeTable

__all__ = ["hold"]

_KNOW = "INSERT INTO _identity (id, type, state) VALUES (?, ?, ?) ON CONFLICT (id)"
_KNOWN = f"{_KNOW} DO UPDATE SET type = excluded.type, state = excluded.state"
_FOREIGN = f"{_KNOW} DO NOTHING"


def hold(
    conn: Any,
    known: Mapping[bytes, Identity],
    given: Sequence[tuple[TypeTable, Sequence[Row]]],
    table_of: Callable[[str], TypeTable | None],
) -> None:
    """Have these identities, and of them these rows and no others. Raises DuplicateError when rows are taken away already."""
    there = _stored(conn, known, table_of)
    fresh = [(table, [row for row in rows if there.get(row[0], (None, ()))[1] != row]) for table, rows in given]
    stay = {row[0] for table, rows in given for row in rows} - {row[0] for _, rows in fresh for row in rows}
    for ident, (table, before) in there.items():
        if ident not in stay:
            table.take(conn, before)
    states = [(ident, each.type, each.state) for ident, each in known.items()]
    conn.executemany(_FOREIGN, [each for each in states if each[2] == "foreign"])
    conn.executemany(_KNOWN, [each for each in states if each[2] != "foreign"])
    for table, rows in fresh:
        if rows:
            last, taken = table.unheld(conn, rows)
            table.insert(conn, rows, last)
            (table_of(table.spec.name) or table).text.follow(conn, taken, last + len(rows))


def _stored(
    conn: Any, known: Mapping[bytes, Identity], table_of: Callable[[str], TypeTable | None]
) -> dict[bytes, tuple[TypeTable, Row]]:
    tables = {name: table_of(name) for name in {each.type for each in known.values() if each.state != "foreign"}}
    found: dict[bytes, tuple[TypeTable, Row]] = {}
    for ident, each in known.items():
        table = tables.get(each.type)
        row = None if table is None else conn.execute(table.by_id, (ident,)).fetchone()
        if table is not None and row is not None:
            found[ident] = table, row
    return found

"""The self-audit: everything derived is derived again from the rows and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select

from metastore._ids import shown_id
from metastore._json import decode
from metastore.backend import Row, derived_value, spec_from_json
from metastore_sql._columns import IDENT
from metastore_sql._ledger import Ledger
from metastore_sql._prepared import Prepared, Reads, slot
from metastore_sql._rows import chunks
from metastore_sql._tally import Tally, add_up
from metastore_sql._writer import Derived, TypeTable, words_of

__all__ = ["audit"]

CHUNK = 20_000
"""Rows that are looked at together: each look-up is read through once for so many."""

SHOWN = 20


class _Audit:
    """One audit, over one state of the catalogue."""

    def __init__(self, session: Reads, ledger: Ledger) -> None:
        self._session, self._own, self._sa, self._dialect = session, ledger.own, ledger.dialect.sa, ledger.dialect

    def _read(self, asked: Any, *values: Any) -> list[tuple[Any, ...]]:
        return Prepared(asked, self._sa).read(self._session, *values)

    def identities(self, table: TypeTable) -> Iterator[str]:
        name, identity, rows = table.spec.name, self._own.identity, table.relation.table
        of_type = identity.c.type == slot(0, identity.c.type.type), identity.c.state == slot(1, identity.c.state.type)
        lost = select(rows.c.id).where(~select(identity.c.id).where(identity.c.id == rows.c.id, *of_type).exists())
        gone = select(identity.c.id).where(*of_type, ~select(rows.c.id).where(rows.c.id == identity.c.id).exists())
        for (ident,) in self._read(lost, name, "live"):
            yield f"{name} {UUID(bytes=ident)} is stored but not known as live"
        for (ident,) in self._read(gone, name, "live"):
            yield f"{name} {UUID(bytes=ident)} is known as live but not stored"

    def rows(self, table: TypeTable, held: dict[tuple[str, str], list[int]]) -> Iterator[str]:
        """Yield what is wrong in and beside the rows, a chunk of ids after the other."""
        words = "row__words" in table.relation.table.c
        last: bytes | None = None
        for rows in chunks(self._session, table.relation, self._dialect, words=words, size=CHUNK):
            readable = rows
            try:
                told = list(self._of_rows(table, rows, last, rows[-1][0], words=words))
            except Exception:  # noqa: BLE001 - whatever a value of a form that was never written makes of its readers
                readable = [row for row in rows if _is_readable(table, row, words=words)]
                told = list(self._of_rows(table, readable, last, rows[-1][0], words=words))
                for ident in {row[0] for row in rows} - {row[0] for row in readable}:
                    yield f"{table.spec.name} {UUID(bytes=ident)}: what is stored cannot be read"
            yield from told
            add_up(held, table.spec, readable)
            last = rows[-1][0]
        yield from self._beside(table, [], last, b"\xff" * 16)

    def _of_rows(
        self, table: TypeTable, rows: Sequence[Row], above: bytes | None, upto: bytes, *, words: bool
    ) -> Iterator[str]:
        add_up({}, table.spec, rows)  # which fails where sizes cannot be read
        yield from self._columns(table, rows)
        yield from self._words(table, rows) if words else ()
        yield from self._beside(table, rows, above, upto)

    def _columns(self, table: TypeTable, rows: Sequence[Row]) -> Iterator[str]:
        spec = table.spec
        derived = [(at, each) for at, each in enumerate(spec.columns) if each.derived and "__" in each.name]
        for row in rows:
            for at, column in derived:
                if row[at] != derived_value(spec, column, row):
                    yield f"{spec.name} {UUID(bytes=row[0])}: column {column.name} is not what its field says"

    def _words(self, table: TypeTable, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            if (row[-1] or []) != words_of(table.relation, row):
                yield f"full text of {table.spec.name} {UUID(bytes=row[0])} disagrees with its row"

    def _beside(self, table: TypeTable, rows: Sequence[Row], above: bytes | None, upto: bytes) -> Iterator[str]:
        """Compare every look-up with these rows, for the ids above one and up to another."""
        groups: dict[str, list[Derived]] = {}
        for each in table.derived:
            groups.setdefault(each.table.name, []).append(each)
        for name, some in groups.items():
            expected = {entry for each in some for row in rows for entry in each.of(row)}
            found = {tuple(row) for row in self._entries(table, some[0].table, above, upto)}
            yield from _differences(name, expected, found)

    def _entries(self, table: TypeTable, side: Table, above: bytes | None, upto: bytes) -> list[tuple[Any, ...]]:
        ident = side.c.source if "source" in side.c else side.c.id
        first = ident >= slot(0, IDENT) if above is None else ident > slot(0, IDENT)
        asked, above = select(side).where(first, ident <= slot(1, IDENT)), above or b"\0" * 16
        if ":" in side.name:
            return self._read(asked, above, upto)
        identity = self._own.identity.c
        mine = asked.join(self._own.identity, identity.id == ident).where(identity.type == slot(2, identity.type.type))
        return self._read(mine, above, upto, table.spec.name)

    def shared(self) -> Iterator[str]:
        """Yield entries of the tables that all types share which belong to nobody, or lead to nothing known."""
        identity = self._own.identity.c
        for side, column in ((self._own.links, "source"), (self._own.references, "id"), (self._own.links, "target")):
            known = select(identity.id).where(identity.id == side.c[column])
            if column != "target":
                known = known.where(identity.state == slot(0, identity.state.type))
            for entry in self._read(select(side).where(~known.exists()), "live")[:SHOWN]:
                yield f"look-up {side.name} has {_shown(entry)}, which no row says"

    def history(self, table: TypeTable) -> Iterator[str]:
        rows, changes = table.relation.table, self._own.changes
        last = select(changes.c.digest).where(changes.c.artifact == rows.c.id)
        last = last.order_by(changes.c.revision.desc(), changes.c.tx.desc()).limit(slot(0, changes.c.at.type))
        for (ident,) in self._read(select(rows.c.id).where(rows.c.digest.is_distinct_from(last.scalar_subquery())), 1):
            yield f"{table.spec.name} {UUID(bytes=ident)}: the history does not end in what is stored"

    def specs(self) -> Iterator[str]:
        """Compare each spec with its digest."""
        specs = self._own.specs.c
        for name, number, digest, text in self._read(select(specs.type, specs.number, specs.digest, specs.spec)):
            if spec_from_json(decode(text)).digest != digest:
                yield f"spec {number} of {name} is not what its digest says"

    def turn(self) -> Iterator[str]:
        """Compare the row that every writer locks with what it counts."""
        turn, sums = self._own.turn.c, (self._own.transactions.c.seq, self._own.transactions.c.time)
        rows = self._read(select(turn.seq, turn.time, turn.generation))
        [(seq, time)] = self._read(select(*[func.max(each) for each in sums]))
        [(count,)] = self._read(select(func.count()).select_from(self._own.specs))
        if len(rows) != 1 or rows[0][2] != count or (seq is not None and (rows[0][0] < seq or rows[0][1] < time)):
            yield f"_turn says {rows}, the history ends in {seq} at {time} and {count} specs are stored"


def _is_readable(table: TypeTable, row: Row, *, words: bool) -> bool:
    """Whether all that follows from a row can be derived from it."""
    try:
        for column in table.spec.columns:
            if column.derived and "__" in column.name:
                derived_value(table.spec, column, row)
        for each in table.derived:
            each.of(row)
        if words:
            words_of(table.relation, row)
        add_up({}, table.spec, [row])
    except Exception:  # noqa: BLE001 - as above
        return False
    return True


def _differences(name: str, expected: set[Any], found: set[Any]) -> Iterator[str]:
    for entry in list(expected - found)[:SHOWN]:
        yield f"look-up {name} lacks {_shown(entry)}"
    for entry in list(found - expected)[:SHOWN]:
        yield f"look-up {name} has {_shown(entry)}, which no row says"


def _shown(entry: Iterable[Any]) -> str:
    return ", ".join(map(shown_id, entry))


def audit(session: Reads, ledger: Ledger, tally: Tally, tables: Iterable[TypeTable], *, tallied: bool) -> Iterator[str]:
    """Yield a sentence per disagreement between the rows and what is derived from them."""
    made, held = _Audit(session, ledger), dict[tuple[str, str], list[int]]()
    for table in tables:
        yield from made.identities(table)
        yield from made.rows(table, held)
        yield from made.history(table)
    yield from made.shared()
    yield from made.specs()
    yield from made.turn()
    yield from tally.audited(session, held) if tallied else ()

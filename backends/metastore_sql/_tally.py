"""The tally: what everybody holds, kept by whoever writes, in the transaction that changes it.

The key of ``_usage`` is (owner, type): the owner's text after ``=``, nothing for what has no owner, ``*`` for everybody together.
Until `begin` nothing is kept, and what is asked is summed up from the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnClause, func, literal_column, select

from metastore.backend import Row, TypeSpec, Usage, known_bytes
from metastore_sql._adding import Adding
from metastore_sql._connection import Session
from metastore_sql._ledger import Ledger
from metastore_sql._prepared import Prepared, Reads, dropping, slot
from metastore_sql._tables import Relation

__all__ = ["EVERYBODY", "Tally", "add_up", "owner_key"]

EVERYBODY = "*"

Held = dict[str, list[int]]
"""By owner's key: how many artifacts, how many bytes."""


_SIZES = {
    ("postgresql", "blob"): "coalesce(({}->>'size')::numeric, 0)",
    ("postgresql", "folder"): "coalesce((SELECT sum((_e.value->>'size')::numeric) FROM json_each({}) AS _e), 0)",
    ("mysql", "blob"): "coalesce(cast(json_value({}, '$.size') AS DECIMAL(65)), 0)",
    (
        "mysql",
        "folder",
    ): "coalesce((SELECT sum(_e.size) FROM json_table({}, '$.*' COLUMNS (size DECIMAL(65) PATH '$.size')) AS _e), 0)",
}
"""The bytes that a column knows of, as `known_bytes` says."""


def owner_key(owner: str | None) -> str:
    """Return the key of what an owner holds, ``None`` for what has no owner."""
    return "" if owner is None else f"={owner}"


def _size(spec: TypeSpec, row: Row) -> int:
    return sum(known_bytes(each, row[at]) for at, each in enumerate(spec.fields) if each.kind in ("blob", "folder"))


class Tally:
    """The tally of one catalogue."""

    def __init__(self, ledger: Ledger) -> None:
        usage, self._sa = ledger.own.usage, ledger.dialect.sa
        self._ledger, self._name = ledger, ledger.dialect.name
        self._add = Adding(usage, self._sa, summed=("count", "bytes"))
        self._drop = Prepared(dropping(usage, "type"), self._sa)
        held = select(usage.c.type, usage.c.count, usage.c.bytes).where(usage.c.owner == slot(0, usage.c.owner.type))
        self._held = Prepared(held, self._sa)
        self._all = Prepared(select(usage.c.owner, usage.c.type, usage.c.count, usage.c.bytes), self._sa)

    def follow(self, session: Session, spec: TypeSpec, gone: Iterable[Row], come: Iterable[Row]) -> None:
        """Count rows that went and rows that came, where a tally is kept."""
        if session.turn is None or not session.turn.tallied or spec.engine_owned:
            return
        owner, held = spec.position["owner"], defaultdict[str, list[int]](lambda: [0, 0])
        for rows, sign in ((gone, -1), (come, 1)):
            for row in rows:
                size = _size(spec, row)
                for key in (owner_key(row[owner]), EVERYBODY):
                    held[key][0] += sign
                    held[key][1] += sign * size
        self._write(session, spec, {key: found for key, found in held.items() if any(found)})

    def _write(self, session: Session, spec: TypeSpec, held: Held) -> None:
        self._add.many(session, [(key, spec.name, count, size) for key, (count, size) in sorted(held.items())])

    def recount(self, session: Session, relation: Relation) -> None:
        """Count a type anew, whose tables were made or changed; nothing where no tally is kept."""
        spec = relation.spec
        if session.turn is None or not session.turn.tallied or spec.engine_owned:
            return
        self._drop.later(session, spec.name)
        held: Held = {owner_key(owner): [count, size] for owner, count, size in self._sums(session, relation)}
        if held:
            held[EVERYBODY] = [sum(each) for each in zip(*held.values(), strict=True)]
        self._write(session, spec, held)

    def _sums(self, session: Reads, relation: Relation) -> list[tuple[str | None, int, int]]:
        owner = relation.table.c.owner
        write = self._sa.identifier_preparer
        parts = [
            _SIZES[self._name, each.kind].format(write.format_column(relation.table.c[each.name], use_table=True))
            for each in relation.spec.fields
            if each.kind in ("blob", "folder")
        ]
        size: ColumnClause[Any] = literal_column(f"coalesce(sum({' + '.join(parts) or 0}), 0)")
        asked = select(owner, func.count(), size).select_from(relation.table).group_by(owner)
        rows = Prepared(asked, self._sa).read(session)
        return [(whose, count, int(total)) for whose, count, total in rows]

    def usage(
        self, session: Session, relations: Callable[[], Iterable[Relation]], owner: str | None, *, everybody: bool
    ) -> dict[str, Usage]:
        """Return what an owner, or everybody, holds by type name: read where a tally is kept, else summed up from the rows."""
        if self._ledger.state(session)[1]:
            rows = self._held.read(session, EVERYBODY if everybody else owner_key(owner))
            return {name: Usage(count, int(size)) for name, count, size in rows if count}
        found = {}
        for each in relations():
            sums = [(count, size) for whose, count, size in self._sums(session, each) if everybody or whose == owner]
            if sums and not each.spec.engine_owned:
                found[each.spec.name] = Usage(*[sum(part) for part in zip(*sums, strict=True)])
        return found

    def audited(self, session: Reads, held: dict[tuple[str, str], list[int]]) -> Iterator[str]:
        """Yield a sentence per entry that is not what ``held`` says, by (owner's key, type)."""
        found = {(owner, name): [count, int(size)] for owner, name, count, size in self._all.read(session)}
        for key in sorted(held.keys() | found.keys()):
            if held.get(key, [0, 0]) != found.get(key, [0, 0]):
                yield f"the tally of {key[1]} says {found.get(key)} for owner {key[0]!r}, its rows say {held.get(key)}"


def add_up(held: dict[tuple[str, str], list[int]], spec: TypeSpec, rows: Sequence[Row]) -> None:
    """Add what rows hold, read from the rows themselves."""
    owner = spec.position["owner"]
    for row in rows if not spec.engine_owned else ():
        for key in (owner_key(row[owner]), EVERYBODY):
            entry = held.setdefault((key, spec.name), [0, 0])
            entry[0] += 1
            entry[1] += _size(spec, row)

"""The history read in order, and taken over from another catalogue.

Changes stand in the order of their transactions, without gaps. So where those of a transaction begin is found by halving, and needs no
index, which every write would pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from metastore.backend import Change, Commit, Identity, Recorded, gathered
from metastore.errors import ConflictError
from metastore_sqlite._connection import driver
from metastore_sqlite._writer import add_changes

__all__ = ["known_after", "record", "told_after", "told_of"]

Read = Callable[[str, Sequence[Any]], list[Any]]

_TOLD = "SELECT seq, id, time, actor, message FROM _transactions"
_CHANGES = (
    "SELECT tx, kind, artifact, revision, spec, digest, parents, before, after, checkpoint"
    " FROM _changes WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?"
)


def known_after(read: Read, after: bytes, limit: int, state: str) -> list[tuple[bytes, Identity]]:
    """Return the first identities beyond an id, of one state where it is given."""
    only, bound = (" AND state = ?", (after, state, limit)) if state else ("", (after, limit))
    rows = read(f"SELECT id, type, state FROM _identity WHERE id > ?{only} ORDER BY id LIMIT ?", bound)
    return [(ident, Identity(name, is_)) for ident, name, is_ in rows]


def told_after(read: Read, after: int, limit: int, skip: int) -> list[Recorded]:
    """Return the transactions after a sequence, as `gathered` has them."""
    rows = read(f"{_TOLD} WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
    if not rows:
        return []
    begin, end = _begin(read, rows[0][0]) + skip, _begin(read, rows[-1][0] + 1)
    changes = [(tx, Change(*values)) for tx, *values in read(_CHANGES, (begin, end, limit + 1))]
    return gathered([(seq, Commit(*values)) for seq, *values in rows], changes, limit, skip)


def _begin(read: Read, tx: int) -> int:
    """Return the number of the first change of a transaction or a later one, or the next number."""
    low, high = 1, read("SELECT coalesce(max(seq), 0) + 1 FROM _changes", ())[0][0]
    while low < high:
        middle = (low + high) // 2
        if read("SELECT tx FROM _changes WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,))[0][0] < tx:
            low = middle + 1
        else:
            high = middle
    return int(low)


def told_of(read: Read, commit: bytes | None) -> Recorded | None:
    """Return a transaction by its commit's id, or the last one, with the number of its changes."""
    one, bound = (" ORDER BY seq DESC LIMIT 1", ()) if commit is None else (" WHERE id = ?", (commit,))
    for seq, *values in read(f"{_TOLD}{one}", bound):
        return Recorded(seq, Commit(*values), at=_begin(read, seq + 1) - _begin(read, seq))
    return None


def record(conn: Any, told: Sequence[Recorded]) -> None:
    """Put transactions at the end of the history, the first perhaps as more of the last one."""
    for each in told:
        add_changes(conn, _go_on(conn, each) if each.at else _begun(conn, each.commit), each.changes)


def _begun(conn: Any, commit: Commit) -> int:
    sql = "INSERT INTO _transactions (id, time, actor, message) VALUES (?, ?, ?, ?) RETURNING seq"
    try:
        seq: int = conn.execute(sql, (commit.id, commit.time, commit.actor, commit.message)).fetchone()[0]
    except driver.IntegrityError:
        raise ConflictError(f"transaction {UUID(bytes=commit.id)} was recorded before; it is not done twice") from None
    return seq


def _go_on(conn: Any, each: Recorded) -> int:
    last = told_of(lambda sql, bound: conn.execute(sql, bound).fetchall(), None)
    if last is None or (last.commit, last.at) != (each.commit, each.at):
        raise ConflictError(f"transaction {UUID(bytes=each.commit.id)} is not the last one here with {each.at} changes")
    return last.seq

"""The history read in order, and taken over from another catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from metastore.backend import Change, Commit, Identity, Recorded, gathered, repeated
from metastore.errors import ConflictError
from metastore_sql._columns import COUNT, IDENT, NUMBER
from metastore_sql._ledger import Ledger, turn_of
from metastore_sql._prepared import Prepared, Reads, setting, slot
from metastore_sql._session import Session
from metastore_sql._statements import Statements

__all__ = ["History"]


class History:
    """The statements on the history as a whole."""

    def __init__(self, ledger: Ledger, statements: Statements) -> None:
        self._ledger, self._recorded, sa = ledger, statements.recorded, ledger.dialect.sa
        own = ledger.own
        x, c, known = own.transactions.c, own.changes.c, own.identity.c
        told = select(x.seq, x.id, x.time, x.actor, x.message)
        self._told = Prepared(told.where(x.seq > slot(0, NUMBER)).order_by(x.seq).limit(slot(1, COUNT)), sa)
        self._last = Prepared(told.order_by(x.seq.desc()).limit(slot(0, COUNT)), sa)
        self._one = Prepared(told.where(x.id == slot(0, IDENT)), sa)
        self._ends = Prepared(select(func.max(c.at)).where(c.tx == slot(0, NUMBER)), sa)
        part = (c.kind, c.artifact, c.revision, c.spec, c.digest, c.parents, c.before, c.after, c.checkpoint)
        changes = select(c.tx, *part)
        rest = changes.where(c.tx == slot(0, NUMBER), c.at >= slot(1, COUNT)).order_by(c.at).limit(slot(2, COUNT))
        between = c.tx > slot(0, NUMBER), c.tx <= slot(1, NUMBER)
        further = changes.where(*between).order_by(c.tx, c.at).limit(slot(2, COUNT))
        self._rest, self._further = Prepared(rest, sa), Prepared(further, sa)
        every = select(known.id, known.type, known.state).order_by(known.id).limit(slot(0, COUNT))
        narrowed = every, every.where(known.id > slot(1, IDENT))
        of = known.state == slot(2, known.state.type)
        self._known = [[Prepared(asked, sa), Prepared(asked.where(of), sa)] for asked in narrowed]
        self._number = Prepared(setting(own.turn, ["seq", "time"], []), sa)

    # reading

    def known_after(self, session: Reads, after: bytes, limit: int, state: str) -> list[tuple[bytes, Identity]]:
        """Return the first identities beyond an id, of one state where it is given."""
        rows = self._known[bool(after)][bool(state)].read(session, limit, after, state)
        return [(ident, Identity(name, is_)) for ident, name, is_ in rows]

    def told_after(self, session: Reads, after: int, limit: int, skip: int) -> list[Recorded]:
        """Return the transactions after a sequence, as `gathered` has them."""
        rows = self._told.read(session, after, limit)
        if not rows:
            return []
        changes = self._changes(session, rows[0][0], rows[-1][0], limit + 1, skip)
        told = [(seq, Commit(*values)) for seq, *values in rows]
        return gathered(told, [(tx, Change(*values)) for tx, *values in changes], limit, skip)

    def _changes(self, session: Reads, first: int, last: int, limit: int, skip: int) -> list[tuple[Any, ...]]:
        """Return the changes of transactions, of the first one those after ``skip``: two ranges of one index."""
        if not skip:
            return self._further.read(session, first - 1, last, limit)
        rest = self._rest.read(session, first, skip, limit)
        more = limit - len(rest)
        return [*rest, *(self._further.read(session, first, last, more) if more and last > first else ())]

    def told_of(self, session: Reads, commit: bytes | None) -> Recorded | None:
        """Return a transaction by its commit's id, or the last one, with the number of its changes."""
        if commit is not None and len(commit) != 16:
            return None
        for seq, *values in self._last.read(session, 1) if commit is None else self._one.read(session, commit):
            ((end,),) = self._ends.read(session, seq)
            return Recorded(seq, Commit(*values), at=0 if end is None else int(end) + 1)
        return None

    # taking over

    def take_over(self, session: Session, told: Sequence[Recorded]) -> None:
        """Put transactions at the end of the history, the first perhaps as more of the last one. Raises ConflictError."""
        turn, fresh = turn_of(session), [each.commit for each in told if not each.at]
        self._check_new(session, [each.id for each in fresh])
        last = self.told_of(session, None) if told and told[0].at else None
        numbers = dict(enumerate(fresh, turn.seq + (session.stamped is not None)))
        self._ledger.transactions(session, numbers.items())
        ahead = iter(numbers)
        for each in told:
            seq = _going_on(last, each) if each.at else next(ahead)
            end = each.at + self._ledger.changes(session, seq, each.at, each.changes)
            last = Recorded(seq, each.commit, at=end)
        if fresh and last is not None:
            session.turn = turn._replace(seq=last.seq, time=max(turn.time, last.commit.time))
            session.stamped, session.changes = last.commit.id, last.at
            self._number.run(session, session.turn.seq, session.turn.time)

    def _check_new(self, session: Session, commits: list[bytes]) -> None:
        found = repeated(commits) or next(
            (ident for (ident,) in session.read(self._recorded.sql, self._recorded.bind((commits,)))), None
        )
        if found is not None:
            raise ConflictError(f"transaction {UUID(bytes=found)} was recorded before; it is not done twice")


def _going_on(last: Recorded | None, each: Recorded) -> int:
    """Return the number of the last transaction, which ``each`` continues."""
    if last is None or (last.commit, last.at) != (each.commit, each.at):
        raise ConflictError(f"transaction {UUID(bytes=each.commit.id)} is not the last one here with {each.at} changes")
    return last.seq

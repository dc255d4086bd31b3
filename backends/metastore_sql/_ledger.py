"""The ledger: the statements on the catalogue's own tables, each written once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select

from metastore._json import decode, encode
from metastore.backend import Change, Commit, StoredSpec, TypeSpec, spec_from_json, spec_to_json
from metastore.errors import ConflictError
from metastore_sql._adding import Adding
from metastore_sql._columns import IDENT
from metastore_sql._connection import Session
from metastore_sql._dialect import Dialect, Turn
from metastore_sql._prepared import Prepared, dropping, setting, slot
from metastore_sql._tables import Own

__all__ = ["Ledger", "turn_of", "written"]


def turn_of(session: Session) -> Turn:
    """Return the turn of the open transaction. Raises ConflictError where there is none."""
    if session.turn is None:
        raise ConflictError("a write stands inside a transaction")
    return session.turn


def written(session: Session) -> Turn:
    """Return the turn of a stamped transaction. Raises ConflictError where there is none, or no stamp yet."""
    turn = turn_of(session)
    if session.stamped is None:
        raise ConflictError("a write needs a stamped transaction: call stamp() first")
    return turn


class Ledger:
    """Identities, links, references, specs and history: how they are written, and what of them is read one by one."""

    def __init__(self, own: Own, dialect: Dialect) -> None:
        self.own, self.dialect, sa = own, dialect, dialect.sa
        self.know = Adding(own.identity, sa, taken=("type", "state"))
        self.foreign = Adding(own.identity, sa, leniently=True)
        self.move = Prepared(setting(own.identity, ["state"], ["id"]), sa)
        self.add_link = Adding(own.links, sa)
        self.drop_link = Prepared(dropping(own.links, "source", "field", "target"), sa)
        self.add_reference = Adding(own.references, sa)
        self.drop_reference = Prepared(dropping(own.references, "mark", "id", "field"), sa)
        self._transaction, self._change = (
            Adding(own.transactions, sa),
            Adding(own.changes, sa),
        )
        self._spec = Adding(own.specs, sa)
        self._moved = Prepared(setting(own.specs, ["relation"], ["type"]), sa)
        self._turn = {each: Prepared(setting(own.turn, [each], []), sa) for each in ("time", "generation", "tallied")}
        self._state = Prepared(select(own.turn.c.generation, own.turn.c.tallied), sa)
        seq = select(own.transactions.c.seq).where(own.transactions.c.id == slot(0, IDENT))
        self._recorded = Prepared(seq, sa)

    def stamp(self, session: Session, commit: Commit) -> int:
        """Record the transaction that is under way and return its time.

        Raises ConflictError for one that was recorded before, with the next statement that is asked: to wait for the answer now would
        be a trip more for every write.
        """
        turn = turn_of(session)

        def check(found: Sequence[object]) -> None:
            if found:
                raise ConflictError(f"transaction {commit.id.hex()} was recorded before; it is not done twice")

        check([session.stamped] if session.stamped else [])
        session.later(self._recorded.sql, self._recorded.bind((commit.id,)), check)
        time = max(commit.time, turn.time)
        self._transaction.later(session, turn.seq, commit.id, time, commit.actor, commit.message)
        if time > turn.time:
            self._turn["time"].later(session, time)
        session.stamped = commit.id
        return time

    def record(self, session: Session, changes: Iterable[Change]) -> None:
        """Add changes to the stamped transaction."""
        session.changes += self.changes(session, written(session).seq, session.changes, changes)

    def changes(self, session: Session, seq: int, first: int, changes: Iterable[Change]) -> int:
        """Add changes to a transaction, from number ``first`` on; return how many."""
        rows = [
            (
                seq, at, each.kind, each.id, each.revision, each.spec, each.digest, each.parents, each.before, each.after, each.checkpoint,
            )
            for at, each in enumerate(changes, first)
        ]  # fmt: skip
        self._change.many(session, rows)
        return len(rows)

    def transactions(self, session: Session, commits: Iterable[tuple[int, Commit]]) -> None:
        """Add transactions as they were, with their numbers."""
        rows = [(seq, each.id, each.time, each.actor, each.message) for seq, each in commits]
        self._transaction.many(session, rows)

    def state(self, session: Session) -> tuple[int, bool]:
        """Return how many specs are stored in all, and whether a tally is kept."""
        if session.turn is not None:
            return session.turn.generation, bool(session.turn.tallied)
        generation, tallied = self._state.read(session)[0]
        return generation, bool(tallied)

    def stored(self, session: Session, type_name: str | None = None) -> list[tuple[StoredSpec, str]]:
        """Return every spec (of one type) with the name of the type's tables, by type name, then number."""
        specs = self.own.specs.c
        asked = select(specs.number, specs.breaking, specs.spec, specs.relation)
        if type_name is not None:
            asked = asked.where(specs.type == slot(0, specs.type.type))
        found = Prepared(asked.order_by(specs.type, specs.number), self.dialect.sa)
        rows = found.read(session, *(() if type_name is None else (type_name,)))
        return [
            (StoredSpec(number, spec_from_json(decode(text)), bool(breaking)), relation)
            for number, breaking, text, relation in rows
        ]

    def add_spec(self, session: Session, spec: TypeSpec, number: int, relation: str, *, breaking: bool) -> None:
        """Store a spec, whose rows are from now on in those tables."""
        text = encode(spec_to_json(spec))
        self._spec.run(session, spec.name, number, breaking, spec.digest, text, relation)
        self._moved.run(session, relation, spec.name)
        self._set(session, "generation", turn_of(session).generation + 1)

    def begin_tally(self, session: Session) -> bool:
        """Say that from now on a tally is kept; return whether it was not."""
        begun = not turn_of(session).tallied
        if begun:
            self._set(session, "tallied", True)
        return begun

    def _set(self, session: Session, what: str, value: Any) -> None:
        self._turn[what].run(session, value)
        session.turn = turn_of(session)._replace(**{what: value})

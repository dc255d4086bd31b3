"""The store: the backend contract over a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from metastore.backend import (
    Change,
    Commit,
    Edge,
    Explanation,
    Identity,
    Recorded,
    Row,
    StoredSpec,
    TypeSpec,
    Usage,
    by_depth,
)
from metastore.errors import DamagedError, SchemaConflictError
from metastore.query import Measure, Path, Query
from metastore_sql._adopting import hold
from metastore_sql._audit import audit
from metastore_sql._connection import Apart, Connections
from metastore_sql._dialect import Dialect
from metastore_sql._figures import plain
from metastore_sql._founding import opened
from metastore_sql._history import History
from metastore_sql._ledger import Ledger, turn_of, written
from metastore_sql._session import Session
from metastore_sql._settings import Settings
from metastore_sql._shaping import Shaped, Shaping
from metastore_sql._statements import Statements
from metastore_sql._tables import Relation
from metastore_sql._tally import Tally
from metastore_sql._types import Types, fitted_row
from metastore_sql._writer import TypeTable

__all__ = ["SqlStore"]

_COUNTS = (
    "SELECT (SELECT count(*) FROM _changes), (SELECT count(*) FROM _transactions),"
    " (SELECT count(*) FROM _identity WHERE state = 'deleted'), version()"
)
_ARTIFACTS = "SELECT type, count(*) FROM _identity WHERE state = 'live' GROUP BY type ORDER BY type"

_SNAPSHOT = {
    "postgresql": ["BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"],
    "mysql": ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"],
}


class SqlStore:
    """A catalogue on PostgreSQL or MariaDB, shared by threads, processes and machines.

    Writers take turns at one row of the database, so what a transaction asked stays true until its commit.
    """

    def __init__(self, settings: Settings, dialect: Dialect) -> None:
        self.address, self.read_only = settings.address, settings.read_only
        self._dialect, self._connections = dialect, Connections(settings, dialect)
        try:
            own, self.catalogue = opened(self._connections)
            self._ledger = Ledger(own, dialect)
            self._tally = Tally(self._ledger)
            self._types = Types(self._connections, self._ledger)
            self._shaping = Shaping(self._connections, self._types, self._ledger, self._tally)
            self._statements = Statements(dialect, own, self._types.followed)
            self._history = History(self._ledger, self._statements)
            self._connections.settle = self._shaping.settle
            self.specs()
        except BaseException:
            self._connections.close()
            raise

    # types

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Return every stored spec (of one type), by type name, then number."""
        return self._types.specs(type_name)

    def generation(self) -> int:
        """Return how many specs are stored in all."""
        return self._ledger.state(self._connections.local())[0]

    def ensure(self, spec: TypeSpec, number: int) -> None:
        """Store a spec and widen what keeps its rows."""
        with self.transaction():
            self._shaping.ensure(spec, number)

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store a breaking spec and put ``rows`` in the place of all rows of the type."""
        with self.transaction():
            self._shaping.rebuild(spec, number, rows)

    # transactions

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which writes are one; it waits for the turn on entering."""
        return Shaped(self._connections, self._types, self._shaping)

    def stamp(self, commit: Commit) -> int:
        """Record the transaction that is under way, once, and return its time."""
        return self._ledger.stamp(self._connections.local(), commit)

    # writing

    def insert(self, spec: TypeSpec, entries: Sequence[tuple[Row, Change]]) -> None:
        """Add rows; all or none."""
        if not entries:
            return
        session = self._connections.local()
        written(session)
        table = self._types.table(spec)
        added = [(fitted_row(spec, row, table.spec), change) for row, change in entries]
        rows = [row for row, _ in added]
        table.check_free(session, rows, rows)
        table.insert(session, added)
        self._tally.follow(session, table.spec, (), rows)

    def replace(self, spec: TypeSpec, entries: Sequence[tuple[Row, Row, Change]]) -> list[bytes]:
        """Put each entry's second row in the place of its first, if the stored revision still is that of the first."""
        session = self._connections.local()
        written(session)
        table, stored = self._types.table(spec), self._as_stored(session, spec, [before for before, _, _ in entries])
        done = [
            (stored[before[0]], fitted_row(spec, after, table.spec, stored[before[0]]), change)
            for before, after, change in entries
            if before[0] in stored
        ]
        table.check_keys(session, [after for before, after, _ in done if after[-2] != before[-2]])
        if not table.replace(session, done):
            return [before[0] for before, _, _ in entries]
        self._tally.follow(session, table.spec, [before for before, _, _ in done], [after for _, after, _ in done])
        return [before[0] for before, _, _ in entries if before[0] not in stored]

    def delete(self, spec: TypeSpec, before: Row, change: Change) -> bool:
        """Take the row away and mark its id deleted, if the stored revision still is that of ``before``."""
        session = self._connections.local()
        written(session)
        table, held = self._types.table(spec), self._as_stored(session, spec, [before]).get(before[0])
        if held is None or not table.delete(session, held, change):
            return False
        self._tally.follow(session, table.spec, (held,), ())
        return True

    def adopt(
        self,
        told: Sequence[Recorded],
        known: Mapping[bytes, Identity],
        rows: Sequence[tuple[TypeSpec, Sequence[Row]]],
    ) -> None:
        """Take over transactions of another catalogue, and what it holds of some artifacts."""
        session = self._connections.local()
        turn_of(session)
        with self.transaction():
            given = {self._types.table(spec): those for spec, those in rows}
            hold(session, self._ledger, self._tally, known, given, self._there(known))
            self._history.take_over(session, told)

    def _there(self, known: Mapping[bytes, Identity]) -> dict[TypeTable, list[Row]]:
        """Return the stored rows of artifacts."""
        ids: dict[str, list[bytes]] = {}
        for ident, each in known.items():
            if each.state != "foreign":
                ids.setdefault(each.type, []).append(ident)
        tables = {name: self._types.latest(name) for name in ids}
        return {
            self._types.table_of(each): self.fetch(each.spec, ids[name])
            for name, each in tables.items()
            if each is not None
        }

    def _as_stored(self, session: Session, spec: TypeSpec, rows: Sequence[Row]) -> dict[bytes, Row]:
        """Return by their ids the rows whose revision still is stored, as the latest spec has them.

        Those of an older spec do not say all, so they are read; and of many it is asked beforehand, as writing a single one tells.
        """
        table = self._types.table(spec)
        if spec.digest == table.spec.digest and len(rows) == 1:
            return {rows[0][0]: rows[0]}
        wanted, at = {row[0]: row[spec.position["revision"]] for row in rows}, table.spec.position["revision"]
        return {row[0]: row for row in self.fetch(table.spec, [*wanted]) if row[at] == wanted[row[0]]}

    # reading

    def _asked(self, spec: TypeSpec, ask: Callable[[Relation], tuple[str, Sequence[Any]]]) -> list[Any]:
        """Return the rows of what is asked of a type's tables; once more where a migration gave it others meanwhile."""
        session = self._connections.local()
        relation = self._types.relation(spec)
        try:
            return session.read(*ask(relation))
        except (DamagedError, SchemaConflictError):
            if session.depth or not self._types.moved(spec.name):
                raise
        return session.read(*ask(self._types.relation(spec)))

    def fetch(self, spec: TypeSpec, ids: Sequence[bytes], *, short: bool = False) -> list[Row]:
        """Return the live rows of that type with these ids, in the order asked, always whole."""
        known = [ident for ident in ids if len(ident) == 16]

        def ask(relation: Relation) -> tuple[str, Sequence[Any]]:
            made = self._statements.fetch(relation, one=len(known) == 1)
            return made.sql, made.bind((known,))

        rows = self._asked(spec, ask)
        if len(ids) == 1:
            return rows
        found = {row[0]: row for row in rows}
        return [found[ident] for ident in ids if ident in found]

    def named(self, spec: TypeSpec, name: str, version: str | None, limit: int) -> list[Row]:
        """Return the live rows of a name (and of a canonical version), the highest version first."""

        def ask(relation: Relation) -> tuple[str, Sequence[Any]]:
            made = self._statements.named(relation, versioned=version is not None)
            return made.sql, made.bind((name, limit, version))

        return self._asked(spec, ask)

    def identify(self, ids: Sequence[bytes]) -> dict[bytes, Identity]:
        """Return what is known of each id."""
        known = [ident for ident in ids if len(ident) == 16]
        made = self._statements.identify(one=len(known) == 1)
        rows = self._connections.local().read(made.sql, made.bind((known,)))
        return {ident: Identity(name, state) for ident, name, state in rows}

    def deleted(self, id: bytes) -> tuple[Commit, Change] | None:
        """Return the transaction in which an artifact was deleted, and its part of it."""
        session, made = self._connections.local(), self._statements.deleted
        rows = session.read(made.sql, made.bind((id,))) if len(id) == 16 else []
        return (Commit(*rows[0][:4]), Change(*rows[0][4:])) if rows else None

    def identities(self, after: bytes, limit: int, *, state: str = "") -> list[tuple[bytes, Identity]]:
        """Return what is known of the ids beyond ``after``, in order."""
        return self._history.known_after(self._connections.local(), after, limit, state)

    def history(self, after: int, limit: int, *, skip: int = 0) -> list[Recorded]:
        """Return the next transactions recorded after the one of that sequence."""
        return self._history.told_after(self._connections.local(), after, limit, skip)

    def recorded(self, commit: bytes | None = None) -> Recorded | None:
        """Return the transaction with a commit's id, or the last one, without its changes."""
        return self._history.told_of(self._connections.local(), commit)

    def select(self, spec: TypeSpec, query: Query) -> list[Row]:
        """Return the rows of a bound query in its order."""

        def ask(relation: Relation) -> tuple[str, Sequence[Any]]:
            made, values = self._statements.select(relation, query)
            return made.sql, made.bind(values)

        return self._asked(spec, ask)

    def aggregate(
        self, spec: TypeSpec, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]
    ) -> list[tuple[Any, ...]]:
        """Return one tuple per group: its values, then its measures."""

        def ask(relation: Relation) -> tuple[str, Sequence[Any]]:
            made, values = self._statements.aggregate(relation, query, by, measures)
            return made.sql, made.bind(values)

        rows = self._asked(spec, ask)
        dicts = [bool(path.keys) and spec.by_name[path.field].kind == "dict" for path in by]
        return [plain(row, by, measures, dicts) for row in rows]

    def closure(
        self, start: Sequence[bytes], depth: int | None, *, backwards: bool = False, field: str | None = None
    ) -> list[Edge]:
        """Return every link reachable from ``start`` (or, backwards, leading to it) in one statement."""
        session, known = self._connections.local(), [ident for ident in start if len(ident) == 16]
        if depth == 0:
            return []
        one, only = len(known) == 1, field is not None
        if depth == 1:
            made = self._statements.neighbours(backwards=backwards, field=only, one=one)
        else:
            made = self._statements.closure(bounded=depth is not None, backwards=backwards, field=only, one=one)
        rows = session.read(made.sql, made.bind((known, depth, field)))
        return by_depth(known, rows, backwards=backwards)

    def explain(self, spec: TypeSpec, query: Query) -> Explanation:
        """Return the statement, its bindings and its plan, without running it."""
        made, values = self._statements.select(self._types.relation(spec), query)
        steps = self._connections.local().read(f"EXPLAIN {made.sql}", made.bind(values))
        plan = "\n".join(" ".join([str(part) for part in step if part is not None]) for step in steps)
        return Explanation(made.sql, made.told(values), plan)

    # what is held

    def tally(self) -> None:
        """Begin to keep what everybody holds; a second call does nothing."""
        session = self._connections.local()
        if self._ledger.begin_tally(session):
            for each in self._every():
                self._tally.recount(session, each)

    def usage(self, owner: str | None, *, everybody: bool = False) -> dict[str, Usage]:
        """Return what an owner, or everybody, holds by type name."""
        return self._tally.usage(self._connections.local(), self._every, owner, everybody=everybody)

    def _every(self) -> list[Relation]:
        names = dict.fromkeys(each.spec.name for each in self.specs())
        return [relation for name in names if (relation := self._types.latest(name)) is not None]

    # the whole

    def check(self) -> Iterator[str]:
        """Yield a sentence per disagreement between rows and what is derived from them, all of one moment."""
        session = self._connections.local()
        tables = [self._types.table_of(each) for each in self._every()]
        tallied = self._ledger.state(session)[1]
        if session.depth:
            yield from audit(session, self._ledger, self._tally, tables, tallied=tallied)
            return
        with self._connections.apart() as apart:
            self._begin_snapshot(apart)
            yield from audit(apart, self._ledger, self._tally, tables, tallied=tallied)

    def _begin_snapshot(self, apart: Apart) -> None:
        for statement in _SNAPSHOT[self._dialect.name]:
            apart.execute(statement)

    def stats(self) -> dict[str, Any]:
        """Return figures: artifacts per type, changes, transactions, the longest wait for the turn to write in seconds."""
        session = self._connections.local()
        counts = session.read(_ARTIFACTS)
        changes, transactions, deleted, server = session.read(_COUNTS)[0]
        return {
            "artifacts": dict(counts),
            "changes": changes,
            "transactions": transactions,
            "deleted": deleted,
            "longest_wait": self._connections.longest_wait(),
            "server": server,
        }

    def close(self) -> None:
        """Give every connection back; closing twice is fine."""
        self._connections.close()

"""Shaping: how the tables of a type come to be, grow, and are put in the place of others.

In PostgreSQL that is part of the transaction. MariaDB commits at each such statement, so there they go over a connection of their own:
tables that a transaction makes get a name that none has, and `_specs` says in the transaction which are the type's. Those of one that
is undone, and those that others took the place of, are dropped afterwards; a program that dies before leaves tables that nobody refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from sqlalchemy import Table, insert, select

from metastore.backend import Row, StoredSpec, TypeSpec
from metastore.errors import MetastoreError, RetryError
from metastore_sql import _layout as layout
from metastore_sql._connection import Connections, Scope
from metastore_sql._known import Known
from metastore_sql._ledger import Ledger, turn_of, written
from metastore_sql._prepared import Prepared
from metastore_sql._rebuild import derive_again, leave, refill
from metastore_sql._session import Session
from metastore_sql._tables import Relation
from metastore_sql._tally import Tally
from metastore_sql._types import Types

__all__ = ["Shaped", "Shaping"]

Run = Callable[[str], object]

TIDYING = 2
"""Seconds that somebody who reads old tables is waited for before they are left where they are."""


class Shaping:
    """What changes the tables of types; its methods are called in a transaction."""

    def __init__(self, connections: Connections, types: Types, ledger: Ledger, tally: Tally) -> None:
        self._connections, self._types, self._ledger, self._tally = connections, types, ledger, tally
        self._dialect = connections.dialect

    def ensure(self, spec: TypeSpec, number: int) -> None:
        """Store a spec and make, or widen, the tables that keep its rows."""
        session, known = self._connections.local(), self._known(spec.name)
        old = self._types.latest(spec.name) if known else None
        if old is None:
            new = self._fresh(session, spec)
        else:
            new = self._widened(session, old, spec)
            derive_again(session, old, self._types.table_of(new))
        self._stored(session, known, StoredSpec(number, spec), new)

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store a breaking spec and put ``rows`` in the place of all rows of the type."""
        session, known, rows = self._connections.local(), self._known(spec.name), list(rows)
        (written if rows else turn_of)(session)
        old = self._types.relation(known.spec if known else spec)
        live = leave(session, old, self._ledger)
        if self._dialect.name == "postgresql":
            self._run(session, layout.drop(old.tables, self._dialect))
        new = self._fresh(session, spec)
        refill(session, self._types.table_of(new), rows, number, set(live))
        self._stored(session, known, StoredSpec(number, spec, breaking=True), new)

    def _known(self, name: str) -> Known | None:
        self._types.specs(name)
        return self._types.known(name)

    def _fresh(self, session: Session, spec: TypeSpec) -> Relation:
        """Make new and empty tables of a type."""
        made = self._types.made(spec, layout.free_name(session, self._dialect, spec.name))
        self._run(session, layout.create(made, self._dialect))
        session.made.append(made)
        return made

    def _widened(self, session: Session, old: Relation, spec: TypeSpec) -> Relation:
        new = self._types.made(spec, old.name)
        written_here = (
            self._dialect.name == "mysql" and old.name in session.touched
        )  # altering waits for this transaction
        if written_here or layout.obstructed(session, old, new, self._dialect):
            return self._copied(session, old, spec)
        self._run(session, layout.widen(session, old, new, self._dialect))
        return new

    def _copied(self, session: Session, old: Relation, spec: TypeSpec) -> Relation:
        new = self._fresh(session, spec)
        self._copy(session, old.table, new.table)
        for name, side in old.sides.items():
            self._copy(session, side, new.sides[name])
        if old.text is not None and new.text is not None:
            self._copy(session, old.text, new.text)
        return new

    def _copy(self, session: Session, source: Table, target: Table) -> None:
        names = [each.key for each in source.c]
        asked = select(*[source.c[name] for name in names])
        Prepared(insert(target).from_select([target.c[name] for name in names], asked), self._dialect.sa).run(session)

    def _stored(self, session: Session, known: Known | None, made: StoredSpec, relation: Relation) -> None:
        self._ledger.add_spec(session, made.spec, made.number, relation.name, breaking=made.breaking)
        session.touched.add(relation.name)
        session.specs[made.spec.name] = Known((*(known.stored if known else ()), made), relation.name)
        self._tally.recount(session, relation)

    def _run(self, session: Session, statements: Iterable[str]) -> None:
        with self._ddl(session) as run:
            for statement in statements:
                run(statement)

    @contextmanager
    def _ddl(self, session: Session) -> Iterator[Run]:
        """Give what runs DDL: in the transaction, or where that would commit it, beside it."""
        if self._dialect.name == "postgresql":
            yield session.execute
        else:
            with self._connections.apart() as apart:
                yield apart.execute

    def settle(self, specs: dict[str, Known | None]) -> None:
        """Take in what a transaction that is committed did to types, and drop the tables that it left behind."""
        for old in self._types.settle(specs):
            self._tidy(old)

    def forget(self, made: Sequence[Relation]) -> None:
        """Drop tables that were made beside a transaction that is undone."""
        for each in made if self._dialect.name == "mysql" else ():
            self._tidy(each)

    def _tidy(self, old: Relation) -> None:
        """Drop tables that a type has no more, and former ones where that failed; it may fail again: they are nobody's."""
        try:
            known = self._types.known(old.spec.name)
            with self._connections.apart() as apart:
                apart.execute(f"SET SESSION lock_wait_timeout = {TIDYING}")
                former = layout.stale(apart, old.spec.name, known.relation) if known else []
                for statement in (*layout.drop(old.tables, self._dialect), *former):
                    apart.execute(statement)
        except MetastoreError:
            return


class Shaped(Scope):
    """A scope that at its start takes in what others did to the types, and leaves no tables behind when it is undone."""

    __slots__ = ("_shaping", "_types")

    def __init__(self, connections: Connections, types: Types, shaping: Shaping) -> None:
        super().__init__(connections)
        self._types, self._shaping = types, shaping

    def __enter__(self) -> None:
        super().__enter__()
        if self._level == 0:
            try:
                self._types.renew(self._session)
            except BaseException:
                self._undo()
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        made = self._session.made if self._level == 0 else []
        try:
            super().__exit__(kind, error, trace)
        except RetryError:
            self._shaping.forget(made)
            raise
        if kind is not None:
            self._shaping.forget(made)

"""Reading: the half of the contract that only asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from metastore._json import encode
from metastore.backend import (
    Change,
    Commit,
    Edge,
    Explanation,
    Identity,
    Recorded,
    Row,
    TypeSpec,
    Usage,
    by_depth,
    known_key,
    merged_group,
)
from metastore.errors import BackendError, DamagedError, QueryError
from metastore.query import Measure, Path, Query
from metastore_sqlite import _history as history
from metastore_sqlite import _statements as statements
from metastore_sqlite import _tally as tally
from metastore_sqlite._audit import audit
from metastore_sqlite._connection import Local, driver
from metastore_sqlite._file import CatalogFile

__all__ = ["Reading"]

_TOO_DEEP = "the query nests too deeply to be answered; ask in parts"


def _even_damaged(stored: bytes) -> str:
    """Return a stored text; what is no UTF-8 in it becomes lone surrogates, which no text has, so that the audit finds it and goes on."""
    return stored.decode(errors="surrogateescape")


class Reading(CatalogFile):
    """What can be asked of one file; an answer never waits for a writer."""

    def fetch(self, spec: TypeSpec, ids: Sequence[bytes], *, short: bool = False) -> list[Row]:
        """Return the live rows of that type with these ids, in the order asked; a single one ends with its fields if ``short``."""
        table, local = self._tables.get(spec.digest) or self._table(spec), self._connections.local()
        try:
            with local.busy:
                if len(ids) == 1:
                    row = local.conn.execute(table.short_by_id if short else table.by_id, ids).fetchone()
                    return [] if row is None else [row]
                return table.fetch(local.conn, ids)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def named(self, spec: TypeSpec, name: str, version: str | None, limit: int) -> list[Row]:
        """Return the live rows of a name (and of a canonical version), the highest version first."""
        table = self._tables.get(spec.digest) or self._table(spec)
        if version is None:
            return self._read(table.named, (name, limit))
        key = known_key(spec.by_name["version"].scheme, version)  # the index has it before the text
        return self._read(table.named_version, (name, key, version, limit))

    def identify(self, ids: Sequence[bytes]) -> dict[bytes, Identity]:
        """Return what is known of each id."""
        sql = "SELECT id, type, state FROM _identity WHERE id IN (SELECT metastore_bytes(value) FROM json_each(?))"
        return {ident: Identity(name, state) for ident, name, state in self._read(sql, (encode(list(ids)),))}

    def deleted(self, id: bytes) -> tuple[Commit, Change] | None:
        """Return the transaction in which an artifact was deleted, and its part of it."""
        rows = self._read(statements.DELETED, (id,))
        return (Commit(*rows[0][:4]), Change(*rows[0][4:])) if rows else None

    def identities(self, after: bytes, limit: int, *, state: str = "") -> list[tuple[bytes, Identity]]:
        """Return what is known of the ids beyond ``after``, in order."""
        return history.known_after(self._read, after, limit, state)

    def history(self, after: int, limit: int, *, skip: int = 0) -> list[Recorded]:
        """Return the next transactions recorded after the one of that sequence."""
        return history.told_after(self._read, after, limit, skip)

    def recorded(self, commit: bytes | None = None) -> Recorded | None:
        """Return the transaction with a commit's id, or the last one, without its changes."""
        return history.told_of(self._read, commit)

    def select(self, spec: TypeSpec, query: Query) -> list[Row]:
        """Return the rows of a bound query in its order."""
        table = self._tables.get(spec.digest) or self._table(spec)
        return self._answer(self._shapes.select, spec, query, table.qualified)

    def _answer(self, compile: Callable[..., Any], *asked: Any) -> list[Any]:
        known = self._known
        try:
            return self._read(*compile(*asked, known))
        except RecursionError:
            raise QueryError(_TOO_DEEP) from None
        except BackendError as refused:
            if type(refused) not in (BackendError, DamagedError):
                raise
            self._look_again()
            if known.revision == self._known.revision:
                raise
            return self._answer(compile, *asked)

    def aggregate(
        self, spec: TypeSpec, query: Query, by: tuple[Path, ...], measures: tuple[Measure, ...]
    ) -> list[tuple[Any, ...]]:
        """Return one tuple per group: its values, then its measures."""
        rows = self._answer(statements.aggregate, spec, query, by, measures)
        return [merged_group(by, row) for row in rows] if any(path.kind == "json" for path in by) else rows

    def closure(
        self, start: Sequence[bytes], depth: int | None, *, backwards: bool = False, field: str | None = None
    ) -> list[Edge]:
        """Return every link reachable from ``start`` (or, backwards, leading to it) in one statement."""
        if depth == 0:
            return []
        one = len(start) == 1
        bound: list[Any] = [start[0] if one else encode(list(start))]
        only = [] if field is None else [field]
        if depth == 1:
            sql = statements.neighbours(one=one, backwards=backwards, field=field is not None)
            bound += only
        else:
            sql = statements.closure(one=one, bounded=depth is not None, backwards=backwards, field=field is not None)
            bound += [*([] if depth is None else [depth]), *only, *only]
        return by_depth(start, self._read(sql, bound), backwards=backwards)

    def explain(self, spec: TypeSpec, query: Query) -> Explanation:
        """Return the statement, its bindings and its plan, without running it."""
        try:
            sql, bound = self._shapes.select(spec, query, self._table(spec).qualified, self._known)
        except RecursionError:
            raise QueryError(_TOO_DEEP) from None
        steps = self._read(f"EXPLAIN QUERY PLAN {sql}", bound)
        return Explanation(sql, tuple(bound), "\n".join(step[3] for step in steps))

    def usage(self, owner: str | None, *, everybody: bool = False) -> dict[str, Usage]:
        """Return what an owner, or everybody, holds by type name."""
        local = self._connections.local()
        try:
            with local.busy:
                return tally.usage(local.conn, self._every_type, owner, everybody=everybody)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def stats(self) -> dict[str, Any]:
        """Return figures: artifacts per type, changes, transactions, bytes, the longest wait for the write lock in seconds."""
        counts = self._read("SELECT type, count(*) FROM _identity WHERE state = 'live' GROUP BY type ORDER BY type", ())
        one = "SELECT (SELECT count(*) FROM _changes), (SELECT count(*) FROM _transactions), (SELECT count(*) FROM _identity WHERE state = 'deleted')"
        changes, transactions, deleted = self._read(one, ())[0]
        return {
            "artifacts": dict(counts),
            "changes": changes,
            "transactions": transactions,
            "deleted": deleted,
            "bytes": os.path.getsize(self.path),
            "longest_wait": self._connections.longest_wait(),
            "sqlite": driver.sqlite_version,
        }

    def check(self) -> Iterator[str]:
        """Return a sentence per disagreement between rows and what is derived from them, all of one moment."""
        local = self._connections.local()
        try:
            with local.busy:
                local.conn.execute("PRAGMA query_only = OFF")  # full text is audited by a table of its own, in temp
                return iter(self._audited(local))
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def _audited(self, local: Local) -> list[str]:
        try:
            if not local.depth:
                local.conn.execute("BEGIN")
            self._look_again()
            local.conn.text_factory = _even_damaged
            return list(audit(local.conn, self.specs(), self._known.revision))
        finally:
            local.conn.text_factory = str
            if local.conn.in_transaction and not local.depth:
                local.conn.execute("ROLLBACK")
            local.conn.execute(f"PRAGMA query_only = {int(self.read_only)}")

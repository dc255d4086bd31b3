"""The store: the backend contract over one SQLite file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlite_utils import Database

from metastore._json import decode, encode
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
    known_key,
    merged_group,
    spec_from_json,
    spec_to_json,
)
from metastore.errors import (
    BackendError,
    CatalogUrlError,
    ClosedError,
    ConflictError,
    DamagedError,
    MetastoreError,
    NewerRevisionError,
    NotACatalogError,
    QueryError,
    SchemaConflictError,
)
from metastore.query import Measure, Path, Query
from metastore_sqlite import _history as history
from metastore_sqlite import _layout as layout
from metastore_sqlite import _statements as statements
from metastore_sqlite import _tally as tally
from metastore_sqlite._adopting import hold
from metastore_sqlite._audit import audit
from metastore_sqlite._compile import Known
from metastore_sqlite._connection import Connections, Local, driver, translated
from metastore_sqlite._rebuild import derive_again, mark_again, refill
from metastore_sqlite._scope import Scope
from metastore_sqlite._shapes import Shapes
from metastore_sqlite._writer import TypeTable

__all__ = ["SqliteStore", "open_backend"]

_TOO_DEEP = "the query nests too deeply to be answered; ask in parts"
_GENERATION = (
    "SELECT (SELECT count(*) FROM _specs), (SELECT time FROM _transactions ORDER BY seq DESC LIMIT 1),"
    " (SELECT value FROM _meta WHERE key = 'revision')"
)
_KNOWN = (None, str(layout.REVISION))
"""What ``_meta`` says of the revision in a file that this program can write; files of before say nothing."""


def open_backend(url: str, *, mode: str, durability: str, timeout: float) -> SqliteStore:
    """Return the opened catalogue file of a path or ``sqlite:///path``."""
    return SqliteStore(_path(url), mode=mode, durability=durability, timeout=timeout)


def _path(url: str) -> str:
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:") else url
    if not path or path.startswith(("sqlite:", ":")):
        raise CatalogUrlError(f"expected catalog.db or sqlite:///path/catalog.db, got {url!r} (in memory: 'memory:')")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CatalogUrlError(f"there is no directory {folder} for the catalogue; make it first")
    if os.path.isdir(path):
        raise CatalogUrlError(f"{path} is a directory; give the path of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise CatalogUrlError(f"{path} is no plain file; give the path of one")
    return path


class SqliteStore:
    """A catalogue in one SQLite file (WAL), shared by threads and processes.

    Every thread has a connection of its own; a writer holds its `Turns` turn and SQLite's write lock for a whole transaction.
    """

    def __init__(self, path: str, *, mode: str, durability: str, timeout: float) -> None:
        self.path, self.read_only = path, mode == "ro"
        self._connections = Connections(path, mode=mode, durability=durability, timeout=timeout)
        self._tables: dict[str, TypeTable] = {}
        self._latest: dict[str, TypeSpec] = {}
        self._shapes = Shapes()
        try:
            self._open()
        except driver.Error as refused:
            self._connections.close()
            raise translated(refused, path) from refused
        except BaseException:
            self._connections.close()
            raise

    def _open(self) -> None:
        if self.read_only and not os.path.exists(self.path):
            raise CatalogUrlError(f"there is no catalogue {self.path} to open read-only")
        conn = self._connections.local().conn
        layout.check_whole(conn, self.path)
        revision = layout.revision_of(conn, self.path)
        if revision < layout.REVISION and not (revision and self.read_only):
            self._make(conn)
        self._look_again()
        self.catalogue: str = conn.execute("SELECT value FROM _meta WHERE key = 'catalogue'").fetchone()[0]
        self.specs()

    def _make(self, conn: Any) -> None:
        if self.read_only:
            raise NotACatalogError(f"{self.path} is empty, no catalogue; open it for writing once to make it one")
        conn.execute("PRAGMA journal_mode = WAL")
        with Scope(self):
            if layout.revision_of(conn, self.path) < layout.REVISION:
                layout.prepare(conn)
                mark_again(conn, self._every_type())

    def _look_again(self) -> None:
        """Learn of which revision the file is; one that is read only may be migrated by another program at any time."""
        revision = layout.revision_of(self._connections.local().conn, self.path)
        self._known = Known(self._spec, marked=revision >= layout.MARKED)

    def _translated(self, refused: BaseException) -> MetastoreError:
        """Return the error that says what one of the driver means: that, where another program brought the file to a later revision."""
        found = translated(refused, self.path)
        if type(found) in (BackendError, DamagedError, SchemaConflictError):
            with contextlib.suppress(driver.Error, ClosedError, NotACatalogError):
                try:
                    layout.revision_of(self._connections.local().conn, self.path)
                except NewerRevisionError as newer:
                    return newer
        return found

    # types

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Return every stored spec (of one type), by type name, then number."""
        sql = "SELECT number, breaking, spec FROM _specs"
        rows = (
            self._read(f"{sql} WHERE type = ? ORDER BY number", (type_name,))
            if type_name
            else self._read(f"{sql} ORDER BY type, number", ())
        )
        found = [StoredSpec(number, spec_from_json(decode(text)), bool(breaking)) for number, breaking, text in rows]
        local = self._connections.local()
        known: Any = local.specs if local.depth else self._latest
        known.update((each.spec.name, each.spec) for each in found)
        return found

    def _settle(self, local: Local) -> None:
        """Show every thread the specs of a transaction that is committed."""
        self._latest.update((name, spec) for name, spec in local.specs.items() if spec is not None)
        local.specs = {}

    def generation(self) -> int:
        """Return how many specs are stored in all."""
        local = self._connections.local()
        try:
            with local.busy:
                count, latest, revision = local.conn.execute(_GENERATION).fetchone()
        except driver.Error as refused:
            raise self._translated(refused) from refused
        if revision not in _KNOWN:  # asked in each transaction: what that keeps could not be kept right here
            layout.check_told(revision, self.path)
        if local.depth:
            local.latest = latest or 0
        return int(count)

    def ensure(self, spec: TypeSpec, number: int) -> None:
        """Store a spec and widen what keeps its rows."""
        with Scope(self):
            local = self._altering()
            db, known = Database(local.conn), self.specs(spec.name)
            try:
                self._store_spec(local, spec, number, breaking=False)
                if not known:
                    layout.create_type(db, spec)
                else:
                    layout.widen_type(db, known[-1].spec, spec)
                    derive_again(local.conn, known[-1].spec, spec)
                tally.recount(local.conn, spec)
            except driver.Error as refused:
                raise self._translated(refused) from refused
            local.specs[spec.name] = spec

    def rebuild(self, spec: TypeSpec, number: int, rows: Iterable[Row]) -> None:
        """Store a breaking spec and put ``rows`` in the place of all rows of the type."""
        with Scope(self):
            local = self._altering()
            try:
                fresh = list(rows)
                tx = self._stamped().transaction if fresh else 0
                refill(local.conn, self.specs(spec.name)[-1].spec, spec, fresh, tx, number)
                self._store_spec(local, spec, number, breaking=True)
                tally.recount(local.conn, spec)
            except driver.Error as refused:
                raise self._translated(refused) from refused
            local.specs[spec.name] = spec

    def _store_spec(self, local: Local, spec: TypeSpec, number: int, *, breaking: bool) -> None:
        local.conn.execute(
            "INSERT INTO _specs (type, number, breaking, digest, spec) VALUES (?, ?, ?, ?, ?)",
            (spec.name, number, int(breaking), spec.digest, encode(spec_to_json(spec))),
        )

    def _table(self, spec: TypeSpec) -> TypeTable:
        found = self._tables.get(spec.digest)
        if found is None:
            found = self._tables[spec.digest] = TypeTable(spec)
        return found

    def _latest_table(self, spec: TypeSpec, local: Local) -> TypeTable:
        """The table by the spec that widened this one, where one did: its look-ups follow what is written by this one, too."""
        latest = self._spec(spec.name) if local.specs else self._latest.get(spec.name) or self._spec(spec.name)
        if latest is None or latest.digest == spec.digest or not spec.position.keys() <= latest.position.keys():
            latest = spec
        return self._tables.get(latest.digest) or self._table(latest)

    # transactions

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context in which writes are one; it takes the turn and the write lock on entering."""
        return Scope(self)

    def _local(self) -> Local:
        local = self._connections.local()
        if local.depth == 0:
            raise ConflictError("a write stands inside a transaction")
        return local

    def _altering(self) -> Local:
        """Return what this thread holds, for what needs no stamp, so that `generation` may not have been asked. Raises NewerRevisionError."""
        local = self._local()
        self.generation()
        return local

    def stamp(self, commit: Commit) -> int:
        """Record the transaction that is under way, once, and return its time."""
        local = self._local()
        if local.latest is None:
            self.generation()  # which learns it, too
        moment = max(commit.time, local.latest or 0)
        try:
            local.transaction = local.conn.execute(
                "INSERT INTO _transactions (id, time, actor, message) VALUES (?, ?, ?, ?)",
                (commit.id, moment, commit.actor, commit.message),
            ).lastrowid
        except driver.IntegrityError:
            raise ConflictError(f"transaction {commit.id.hex()} was recorded before; it is not done twice") from None
        except driver.Error as refused:
            raise self._translated(refused) from refused
        local.latest = None
        return moment

    def _stamped(self) -> Local:
        """Return what this thread holds, which has a transaction that is stamped."""
        local = self._connections.local()
        if not local.transaction:
            self._local()
            raise ConflictError("a write needs a stamped transaction: call stamp() first")
        return local

    # writing

    def insert(self, spec: TypeSpec, entries: Sequence[tuple[Row, Change]]) -> None:
        """Add rows; all or none."""
        if not entries:
            return
        local, table = self._stamped(), self._table(spec)
        rows, changes = zip(*entries, strict=True)
        try:
            # refused before anything is written, which spares a savepoint: journalling one cost a tenth of a bulk write (measured)
            table.insert(local.conn, rows, table.free(local.conn, rows), local.transaction, changes)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def replace(self, spec: TypeSpec, entries: Sequence[tuple[Row, Row, Change]]) -> list[bytes]:
        """Put each entry's second row in the place of its first, if the stored revision still is that of the first."""
        local = self._stamped()
        conn, table = local.conn, self._latest_table(spec, local)
        try:
            if table.spec is not spec:
                entries = [
                    (table.completed(conn, spec, before), table.completed(conn, spec, after), change)
                    for before, after, change in entries
                ]
            if moved := [after for before, after, _ in entries if after[-2] != before[-2]]:
                table.check_keys(conn, moved)
            return table.replace(conn, local.transaction, entries)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def delete(self, spec: TypeSpec, before: Row, change: Change) -> bool:
        """Take the row away and mark its id deleted, if the stored revision still is that of ``before``."""
        local = self._stamped()
        conn, table = local.conn, self._latest_table(spec, local)
        try:
            whole = before if table.spec is spec else table.completed(conn, spec, before)
            return table.delete(conn, local.transaction, whole, change)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def adopt(
        self,
        told: Sequence[Recorded],
        known: Mapping[bytes, Identity],
        rows: Sequence[tuple[TypeSpec, Sequence[Row]]],
    ) -> None:
        """Take over transactions of another catalogue, and what it holds of some artifacts."""
        local = self._altering()
        local.latest = None
        with Scope(self):
            try:
                hold(local.conn, known, [(self._table(spec), those) for spec, those in rows], self._stored_table)
                history.record(local.conn, told)
            except driver.Error as refused:
                raise self._translated(refused) from refused

    def _stored_table(self, name: str) -> TypeTable | None:
        spec = self._spec(name)
        return None if spec is None else self._table(spec)

    # reading

    def _read(self, sql: str, bound: Sequence[Any]) -> list[Any]:
        local = self._connections.local()
        try:
            with local.busy:
                found: list[Any] = local.conn.execute(sql, bound).fetchall()
        except (driver.Error, OverflowError) as refused:
            raise self._translated(refused) from refused
        return found

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
        except DamagedError:
            self._look_again()
            if known.marked == self._known.marked:
                raise
            return self._answer(compile, *asked)

    def _spec(self, name: str) -> TypeSpec | None:
        own = self._connections.local().specs
        found = own[name] if name in own else self._latest.get(name)
        if found is None and (stored := self.specs(name)):
            found = stored[-1].spec
        return found

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

    # what is held

    def tally(self) -> None:
        """Begin to keep what everybody holds; a second call does nothing."""
        local = self._altering()
        try:
            tally.begin(local.conn, self._every_type())
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def usage(self, owner: str | None, *, everybody: bool = False) -> dict[str, Usage]:
        """Return what an owner, or everybody, holds by type name."""
        local = self._connections.local()
        try:
            with local.busy:
                return tally.usage(local.conn, self._every_type, owner, everybody=everybody)
        except driver.Error as refused:
            raise self._translated(refused) from refused

    def _every_type(self) -> list[TypeSpec]:
        return list({each.spec.name: each.spec for each in self.specs()}.values())

    # the whole

    def check(self) -> Iterator[str]:
        """Yield a sentence per disagreement between rows and what is derived from them."""
        conn = self._connections.local().conn
        try:
            conn.execute("PRAGMA query_only = OFF")  # the audit of full text needs a table of its own, in temp
            self._look_again()
            yield from audit(conn, self.specs(), marked=self._known.marked)
            conn.execute(f"PRAGMA query_only = {int(self.read_only)}")
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

    def close(self) -> None:
        """Give every connection back; statistics for the planner are brought up to date first."""
        if self._connections.open and not self.read_only:
            self._optimize()
        self._connections.close()

    def _optimize(self) -> None:
        try:
            conn = self._connections.local().conn
            conn.execute("PRAGMA busy_timeout = 0")
            conn.execute("PRAGMA analysis_limit = 400")
            conn.execute("PRAGMA optimize")
        except driver.Error:
            return

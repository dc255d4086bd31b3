"""The store: the backend contract over one SQLite file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlite_utils import Database

from metastore._json import encode
from metastore.backend import Change, Commit, Identity, Recorded, Row, TypeSpec, spec_to_json
from metastore.errors import CatalogUrlError, ConflictError, MetastoreError
from metastore_sqlite import _history as history
from metastore_sqlite import _layout as layout
from metastore_sqlite import _tally as tally
from metastore_sqlite._adopting import hold
from metastore_sqlite._connection import Local, driver
from metastore_sqlite._reading import Reading
from metastore_sqlite._rebuild import derive_again, refill
from metastore_sqlite._scope import Scope
from metastore_sqlite._writer import TypeTable

__all__ = ["SqliteStore", "open_backend"]


def open_backend(url: str, *, mode: str, durability: str, timeout: float) -> SqliteStore:
    """Return the opened catalogue file of a path or ``sqlite:///path``."""
    return SqliteStore(_path(url, mode), mode=mode, durability=durability, timeout=timeout)


def _path(url: str, mode: str) -> str:
    """Return where the file lies: one name for it, whatever link or relative path led there, as its log and its lock lie beside it and more connections are made later."""
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:") else url
    if not path or path.startswith(("sqlite:", ":")):
        raise CatalogUrlError(f"expected catalog.db or sqlite:///path/catalog.db, got {url!r} (in memory: 'memory:')")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise CatalogUrlError(f"no file can have the name {path!a}; give another path") from None
    _check_permitted(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise CatalogUrlError(f"there is no directory {folder} for the catalogue; make it first")
    if os.path.isdir(path):
        raise CatalogUrlError(f"{path} is a directory; give the path of a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise CatalogUrlError(f"{path} is no plain file; give the path of one")
    if mode == "ro" and not os.path.exists(path):
        raise CatalogUrlError(f"there is no catalogue {path}; is that the right path?")
    return os.path.realpath(path)


def _check_permitted(path: str) -> None:
    """Raise CatalogUrlError for a file that may not be read or reached, which else looks as if it were not there."""
    try:
        os.stat(path)
    except PermissionError as error:
        raise CatalogUrlError(
            f"{path} cannot be looked at ({error.strerror}); ask who owns its folder, or give another path"
        ) from None
    except OSError:
        return
    if not os.access(path, os.R_OK):
        raise CatalogUrlError(f"{path} may not be read by who runs this; ask who owns it, or give another path")


class SqliteStore(Reading):
    """A catalogue in one SQLite file (WAL), shared by threads and processes.

    A writer holds its `Turns` turn and SQLite's write lock for a whole transaction.
    """

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

    # types

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

    def _latest_table(self, spec: TypeSpec, local: Local) -> TypeTable:
        """The table by the spec that widened this one, where one did: its look-ups follow what is written by this one, too."""
        latest = self._spec(spec.name) if local.specs else self._latest.get(spec.name) or self._spec(spec.name)
        if latest is None or latest.digest == spec.digest or not spec.position.keys() <= latest.position.keys():
            latest = spec
        return self._tables.get(latest.digest) or self._table(latest)

    def _stored_table(self, name: str) -> TypeTable | None:
        spec = self._spec(name)
        return None if spec is None else self._table(spec)

    # writing

    def insert(self, spec: TypeSpec, entries: Sequence[tuple[Row, Change]]) -> None:
        """Add rows; all or none."""
        if not entries:
            return
        local, table = self._stamped(), self._table(spec)
        rows, changes = zip(*entries, strict=True)
        try:
            # refused before anything is written, which spares a savepoint: journalling one cost a tenth of a bulk write (measured)
            last, taken = table.free(local.conn, rows)
            table.insert(local.conn, rows, last, local.transaction, changes)
            latest = self._latest_table(spec, local)
            # rows by an older spec lack what the latest one's full text may ask for, so they are read as they are stored
            latest.text.follow(local.conn, taken, last + len(rows), rows if latest is table else ())
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

    def tally(self) -> None:
        """Begin to keep what everybody holds; a second call does nothing."""
        local = self._altering()
        try:
            tally.begin(local.conn, self._every_type())
        except driver.Error as refused:
            raise self._translated(refused) from refused

    # the end

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
        except (driver.Error, MetastoreError):
            return

"""Connections: the pool of one catalogue, the session of each thread, and scopes of transactions."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from metastore.errors import BackendError, ClosedError, MetastoreError, ReadOnlyError, RetryError, UnreachableError
from metastore_sql._dialect import Dialect
from metastore_sql._hosts import Hosts, pauses
from metastore_sql._known import Known
from metastore_sql._pool import Pool
from metastore_sql._session import Mark, Session
from metastore_sql._settings import Settings

__all__ = ["Apart", "Connections", "Scope", "Session"]

LANDED = "SELECT 1 FROM _transactions WHERE id = %s"

_guard = threading.Lock()
_all: weakref.WeakSet[Connections] = weakref.WeakSet()
_parents: list[Any] = []
"""What a forked child inherited. It stays referred to for ever: to close one here would end the parent's conversation."""


def _in_child() -> None:
    _guard.release()
    for each in list(_all):
        each.start_anew()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_in_child)


class Connections:
    """The connections of one catalogue. ``settle`` is told the specs of a transaction that was committed, if it has any."""

    def __init__(self, settings: Settings, dialect: Dialect) -> None:
        self.settings, self.dialect = settings, dialect
        self.open = True
        self.settle: Callable[[dict[str, Known | None]], None] | None = None
        self._longest = 0.0
        self._start()
        with _guard:
            _all.add(self)

    def _start(self) -> None:
        settings, dialect = self.settings, self.dialect
        self._hosts = Hosts(settings, dialect, writing=not settings.read_only)
        self._pool = self._readers = self._pool_of(self._hosts)
        if settings.reads == "any" and not settings.read_only:
            self._readers = self._pool_of(Hosts(settings, dialect, writing=False))
        self._gate = threading.Lock()
        self._thread = threading.local()

    def _pool_of(self, hosts: Hosts) -> Pool:
        return Pool(hosts, self.dialect.close, self.settings.pool_size, self.settings.timeout)

    def start_anew(self) -> None:
        """Leave everything to the parent process and begin with nothing; called in a forked child."""
        _parents.append((self._hosts, self._pool, self._readers, self._gate, self._thread))
        self._start()

    def local(self) -> Session:
        """Return this thread's session, made anew in a forked child. Raises ClosedError."""
        if not self.open:
            raise ClosedError("the catalogue was closed")
        found: Session | None = getattr(self._thread, "session", None)
        if found is None:
            found = self._thread.session = Session(self, self._pool, self._gate)
        return found

    def read(self, sql: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one statement by itself; on a fresh connection again where the one at hand broke."""
        pool = self._readers
        conn = pool.take()
        try:
            answer = self.dialect.run(conn, [(sql, bound)])[0]
            found = self.dialect.rows(conn, answer)
        except self.dialect.errors as refused:
            meaning = self._given_back(pool, conn, refused)
        except BaseException:
            pool.drop(conn)
            raise
        else:
            pool.give(conn)
            return found
        if meaning is not None:
            raise meaning
        return self._read_again(pool, sql, bound)

    def _given_back(self, pool: Pool, conn: Any, refused: BaseException) -> MetastoreError | None:
        """Return what an error means, or nothing where the statement may do better on another connection."""
        meaning = self.dialect.meaning(refused, self.settings)
        if self.dialect.lost(conn, refused) or isinstance(meaning, RetryError):
            self.lost(pool, conn)
            return None
        pool.give(conn)
        return meaning

    def _read_again(self, pool: Pool, sql: str, bound: Sequence[Any]) -> list[tuple[Any, ...]]:
        conn = pool.take()
        try:
            answer = self.dialect.run(conn, [(sql, bound)])[0]
            found = self.dialect.rows(conn, answer)
        except self.dialect.errors as refused:
            self.lost(pool, conn)
            raise self.dialect.meaning(refused, self.settings) from None
        except BaseException:
            pool.drop(conn)
            raise
        pool.give(conn)
        return found

    def lost(self, pool: Pool, conn: Any) -> None:
        """Drop a connection that broke, those that nobody uses with it, and try its server last."""
        pool.hosts.avoid(conn.server)
        pool.drop(conn)
        pool.clear()

    def landed(self, commit: bytes) -> bool:
        """Return whether a commit whose answer was lost happened; if not, it never will.

        Asked under the turn to write, and believed when that transaction is committed itself: what comes late collides with it.
        Raises UnreachableError where nobody answers within the timeout.
        """
        for _ in pauses(self.settings.timeout):
            with suppress(*self.dialect.errors, BackendError):
                return self._landed(commit)
        raise UnreachableError(
            f"the answer to a commit was lost, and no server of {self.settings.address} says within {self.settings.timeout:g} s"
            f" whether it happened; look for transaction {commit.hex()} before doing it again"
        )

    def _landed(self, commit: bytes) -> bool:
        conn = self._hosts.connect()
        try:
            self.dialect.begin(conn)
            found, _ = self.dialect.run(conn, [(LANDED, (commit,)), ("COMMIT", ())])
            return bool(self.dialect.rows(conn, found))
        except self.dialect.errors:
            self._hosts.avoid(conn.server)
            raise
        finally:
            self.dialect.close(conn)

    @contextmanager
    def apart(self) -> Iterator[Apart]:
        """Give a connection of its own, in autocommit, for DDL that would commit, or must not wait for the pool."""
        conn = self._hosts.connect()
        try:
            yield Apart(conn, self.settings, self.dialect)
        finally:
            self.dialect.close(conn)

    def waited(self, seconds: float) -> None:
        """Note how long somebody waited for the turn."""
        self._longest = max(self._longest, seconds)

    def longest_wait(self) -> float:
        """Return the longest wait for the turn to write since opening, in seconds."""
        return self._longest

    def close(self) -> None:
        """Close every connection of this process, those in use when they are given back; closing twice is fine."""
        self.open = False
        for pool in {self._pool, self._readers}:
            pool.close()


class Apart:
    """One connection by itself, in autocommit; its errors are ours."""

    def __init__(self, conn: Any, settings: Settings, dialect: Dialect) -> None:
        self.conn, self._settings, self._dialect = conn, settings, dialect

    def read(self, sql: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return self._dialect.rows(self.conn, self._answer(sql, bound))

    def execute(self, sql: str, bound: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        return self._dialect.count(self._answer(sql, bound))

    def _answer(self, sql: str, bound: Sequence[Any]) -> Any:
        try:
            return self._dialect.run(self.conn, [(sql, bound)])[0]
        except self._dialect.errors as refused:
            raise self._dialect.meaning(refused, self._settings) from refused


class Scope:
    """One level of a transaction of one thread: the outermost has the turn, inner ones are savepoints.

    A signal may raise between any two steps (Ctrl-C): whatever was begun is then undone, and leaving twice is fine. A child
    that was forked inside it leaves it to its parent.
    """

    __slots__ = ("_connections", "_level", "_mark", "_session")

    def __init__(self, connections: Connections) -> None:
        self._connections, self._level = connections, -1
        self._mark: Mark | None = None

    def __enter__(self) -> None:
        if self._connections.settings.read_only:
            raise ReadOnlyError(f"{self._connections.settings.address} is open read-only")
        self._session = session = self._connections.local()
        self._level = session.depth
        try:
            if self._level == 0:
                session.specs.clear()
                session.begin()
            else:
                self._mark = session.mark(self._level)
            session.depth = self._level + 1
        except BaseException:
            self._undo()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._level < 0:
            return
        if self._session.pid != os.getpid():
            self._level = -1
            return
        try:
            if kind is None:
                self._keep()
        except BaseException:
            self._undo()
            raise
        if kind is not None:
            self._undo()

    def _keep(self) -> None:
        session, level = self._session, self._level
        if self._mark is not None:
            session.keep(level, self._mark)
            session.depth, self._level = level, -1
            return
        session.commit()
        specs, session.specs = session.specs, {}
        self._level = -1
        session.leave()
        if specs and self._connections.settle is not None:
            self._connections.settle(specs)

    def _undo(self) -> None:
        session, level = self._session, self._level
        self._level = -1
        try:
            if level == 0:
                session.undo()
            elif self._mark is not None:
                session.undo_to(level, self._mark)
            session.specs = dict.fromkeys(session.specs if level else ())
        finally:
            session.depth = level
            if level == 0:
                session.leave()

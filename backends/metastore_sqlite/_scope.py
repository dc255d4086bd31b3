"""Transactions of one file: who has the turn and the lock, and how all of it is given back, whatever comes in between."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from metastore.errors import ConflictError, ReadOnlyError
from metastore_sqlite._connection import driver, forked_inside

if TYPE_CHECKING:
    from metastore_sqlite._file import CatalogFile

__all__ = ["Scope"]


class Scope:
    """One level of a transaction of one thread: the outermost has the turn and the lock, inner ones are savepoints.

    A signal may raise between any two steps (Ctrl-C): whatever was begun is then undone, and leaving twice is fine.
    """

    __slots__ = ("_busy", "_level", "_local", "_stamped", "_store")

    def __init__(self, store: CatalogFile) -> None:
        self._store = store
        self._level, self._busy = -1, False

    def __enter__(self) -> None:
        if self._store.read_only:
            raise ReadOnlyError(f"{self._store.path} is open read-only")
        if self._store.path in forked_inside:
            raise ConflictError(
                f"this process was forked inside a transaction on {self._store.path}, so it can only read; fork before the transaction, or start it anew (spawn)"
            )
        self._local = local = self._store._connections.local()
        self._level, self._stamped = local.depth, local.transaction
        try:
            if self._level == 0:
                local.turns.take()
                self._busy = local.busy.acquire()
                local.specs.clear()
                self._store._connections.check_there()
            local.conn.execute(f"SAVEPOINT s{self._level}" if self._level else "BEGIN IMMEDIATE")
            local.depth = self._level + 1
        except BaseException as refused:
            self._undo()
            raise self._translated(refused) from refused

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._level < 0 or self._store.path in forked_inside:  # it is for the parent to end
            return
        try:
            if kind is None:
                self._local.conn.execute(f"RELEASE s{self._level}" if self._level else "COMMIT")
        except BaseException as refused:
            self._undo()
            raise self._translated(refused) from refused
        if kind is None:
            if self._level == 0 and self._local.specs:
                self._store._settle(self._local)
            self._leave()
        else:
            self._undo()

    def _undo(self) -> None:
        conn = self._local.conn
        try:
            if conn.in_transaction and self._level:
                conn.execute(f"ROLLBACK TO s{self._level}")
                conn.execute(f"RELEASE s{self._level}")
            elif conn.in_transaction:
                conn.execute("ROLLBACK")
            self._local.transaction = self._stamped
            if self._local.specs and not self._level:
                self._store._latest.clear()  # in here it may have been learned what other programs stored
            self._local.specs = dict.fromkeys(self._local.specs if self._level else ())
        except driver.ProgrammingError:
            pass  # closed meanwhile, which undid all of it
        except driver.OperationalError as refused:
            if "no such savepoint" not in str(refused):  # the signal came after its release
                raise
        finally:
            self._leave()

    def _leave(self) -> None:
        level, self._level = self._level, -1
        self._local.depth = level
        if level == 0:
            self._local.transaction, self._local.latest = 0, None
            if self._busy:
                self._busy = False
                try:
                    self._local.busy.release()
                except RuntimeError:  # only its own thread can, and another one ends this: it collected a generator
                    self._local.busy = threading.RLock()
            self._local.turns.give()

    def _translated(self, refused: BaseException) -> BaseException:
        return self._store._translated(refused) if isinstance(refused, driver.Error) else refused

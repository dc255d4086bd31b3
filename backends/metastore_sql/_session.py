"""Session: what one thread has of the database, and its transaction while there is one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from metastore.errors import (
    BackendError,
    BusyError,
    ConflictError,
    DamagedError,
    MetastoreError,
    ReadOnlyError,
    RetryError,
)
from metastore_sql._dialect import Statement, Turn
from metastore_sql._hosts import pauses
from metastore_sql._known import Known
from metastore_sql._revisions import check_revision
from metastore_sql._tables import Relation

if TYPE_CHECKING:
    from metastore_sql._connection import Connections
    from metastore_sql._pool import Pool

__all__ = ["Mark", "Session"]


MANY = 1000
"""Statements that one trip takes."""

Check = Callable[[list[tuple[Any, ...]]], None]
"""What looks at the rows of a statement that went with others."""


class Mark(NamedTuple):
    """Where a savepoint stands among the statements, and what was true there."""

    sent: int
    at: int
    spoilt: MetastoreError | None
    turn: Turn | None
    stamped: bytes | None
    changes: int


class Session:
    """What one thread of one process holds: its transaction, if there is one, and the connection of it.

    Outside a transaction every read takes a connection of the pool for one statement. ``specs`` are those that
    the open transaction read or stored, nobody else's before it is committed; ``None`` for one to be read again.
    ``stamped`` is the id of the commit that was recorded in it, by which a commit whose answer was lost is found; ``changes``
    counts the changes recorded since. ``touched`` names the tables of types that it read or wrote,
    ``made`` are those that it made. Write methods
    raise ConflictError outside a transaction; once a transaction is undone by the database, everything in it raises RetryError.
    """

    def __init__(self, connections: Connections, pool: Pool, gate: threading.Lock) -> None:
        self._connections, self._pool, self._gate = connections, pool, gate
        self._dialect, self._settings = connections.dialect, connections.settings
        self.pid = os.getpid()
        self.depth = 0
        self.specs: dict[str, Known | None] = {}
        self._holds = False
        self._clear()

    def _clear(self) -> None:
        self.conn: Any = None
        self.turn: Turn | None = None
        self.stamped: bytes | None = None
        self._spoilt: MetastoreError | None = None
        self._gone = False
        self._waiting: list[Statement] = []
        self._checks: list[tuple[int, Check]] = []
        self._sent = 0
        self.changes = 0
        self.touched: set[str] = set()
        self.made: list[Relation] = []

    # asking and writing

    def read(self, sql: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement: in this thread's transaction if there is one, else at once and by itself."""
        if self.depth == 0:
            return self._connections.read(sql, bound)
        return self._dialect.rows(self.conn, self._answer(sql, bound))

    def execute(self, sql: str, bound: Sequence[Any] = ()) -> int:
        """Run a statement of the open transaction; return how many rows it changed."""
        self._check_inside()
        return self._dialect.count(self._answer(sql, bound))

    def later(self, sql: str, bound: Sequence[Any] = (), check: Check | None = None) -> None:
        """Run a statement of the open transaction whose answer nobody waits for; it goes, and may fail, with the next that is asked.

        ``check`` gets its rows then, and may raise; what has to be checked is, before COMMIT.
        """
        self._check_inside()
        self._check_sound()
        if check is not None:
            self._checks.append((len(self._waiting), check))
        self._waiting.append((sql, bound))

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement of the open transaction once per row; small numbers of rows wait for the next trip."""
        self._check_inside()
        if self._dialect.gathers or len(rows) <= 1:
            for at in range(0, len(rows), MANY):
                self._waiting.extend([(sql, row) for row in rows[at : at + MANY]])
                if len(self._waiting) >= MANY:
                    self.send()
            return
        self.send()
        try:
            self._dialect.many(self.conn, sql, rows)
        except self._dialect.errors as refused:
            raise self._failed(refused) from refused

    def send(self) -> None:
        """Run now what waits, and look at what is to be checked."""
        self._check_sound()
        if self._waiting:
            self._run(())

    def _answer(self, sql: str, bound: Sequence[Any]) -> Any:
        self._check_sound()
        return self._run(((sql, bound),))[-1]

    def _run(self, last: Sequence[Statement]) -> list[Any]:
        """Return the answers to what waits and to what comes last, all of one trip where the driver can."""
        statements, checks = [*self._waiting, *last], self._checks
        self._waiting, self._checks = [], []
        self._sent += 1
        try:
            answers = self._dialect.run(self.conn, statements)
        except self._dialect.errors as refused:
            raise self._failed(refused) from refused
        for at, check in checks:
            check(self._dialect.rows(self.conn, answers[at]))
        return answers

    def _check_inside(self) -> None:
        if self.depth == 0:
            raise ConflictError("a write stands inside a transaction")

    def _check_sound(self) -> None:
        if self._spoilt is None:
            return
        if isinstance(self._spoilt, RetryError):
            raise RetryError(*self._spoilt.args)
        raise BackendError(f"an earlier error spoilt the transaction, undo it: {self._spoilt}")

    def _failed(self, refused: BaseException) -> MetastoreError:
        """Return our error for the driver's. Until it is undone the transaction is spoilt: what waited may have gone in part."""
        meaning = self._dialect.meaning(refused, self._settings)
        if self._dialect.lost(self.conn, refused):
            self._gone = True
            meaning = RetryError(
                f"the connection broke off in mid-transaction, nothing of it is written; do all of it again ({meaning})"
            )
        self._spoilt = meaning
        return meaning

    # transactions

    def begin(self) -> None:
        """Wait for the turn to write, boundedly, and take it. Raises BusyError, RetryError, and what connecting raises.

        The threads of one process queue here, so that those who wait keep no connection from those who read.
        """
        began = time.monotonic()
        if not self._gate.acquire(timeout=self._settings.timeout):
            raise BusyError(
                f"another thread of this process wrote for {self._settings.timeout:g} s; try again, or open with a longer timeout"
            )
        self._holds = True
        self._take_turn()
        self._connections.waited(time.monotonic() - began)

    def _take_turn(self) -> None:
        error: MetastoreError | None = None
        for _ in pauses(self._settings.timeout):
            self.conn = self._pool.take()
            try:
                self.turn = self._dialect.begin(self.conn)
            except self._dialect.errors as refused:
                error = self._without_turn(refused)
                continue
            if self.turn is None:
                raise DamagedError(f"{self._settings.address} lacks the row that writers lock; restore it from a copy")
            check_revision(self.turn.revision, self.turn.least, self._settings.address)
            return
        if error is not None:
            raise error

    def _without_turn(self, refused: BaseException) -> MetastoreError:
        """Return the error of a turn that another server may give; nothing was written. Raises any other."""
        meaning = self._dialect.meaning(refused, self._settings)
        if not self._dialect.lost(self.conn, refused) and not isinstance(meaning, ReadOnlyError):
            raise meaning from refused
        self._connections.lost(self._pool, self.conn)
        self.conn = None
        return meaning

    def commit(self) -> None:
        """Commit, in one trip with what waits; when it returns, it is kept. Raises RetryError where it is certain that it is not."""
        self._check_sound()
        if self._checks:
            self.send()
        waiting, self._waiting = [*self._waiting, ("COMMIT", ())], []
        try:
            self._dialect.run(self.conn, waiting)
        except self._dialect.errors as refused:
            if not self._dialect.lost(self.conn, refused) and not self._dialect.unsure(refused):
                raise self._failed(refused) from refused
            self._find_out(refused)

    def _find_out(self, refused: BaseException) -> None:
        self._gone = True
        self._spoilt = RetryError(
            f"the connection broke off at COMMIT, and nothing was written; do all of it again ({self._dialect.meaning(refused, self._settings)})"
        )
        if self.stamped is None or not self._connections.landed(self.stamped):
            raise self._spoilt from refused

    def undo(self) -> None:
        """Roll the whole transaction back; whatever the server says, nothing of it is kept."""
        if self.conn is None or self._gone:
            return
        self._gone = True
        try:
            self._dialect.run(self.conn, [("ROLLBACK", ())])
            self._gone = False
        except self._dialect.errors:
            return  # the server undoes what it hears no more of

    def leave(self) -> None:
        """Give connection and gate back, whatever became of the transaction; a second time is fine."""
        conn, gone = self.conn, self._gone
        self._clear()
        self.depth = 0
        try:
            if conn is not None and gone:
                self._connections.lost(self._pool, conn)
            elif conn is not None:
                self._pool.give(conn)
        finally:
            if self._holds:
                self._holds = False
                self._gate.release()

    def mark(self, level: int) -> Mark:
        """Set a savepoint; it goes with the next statement."""
        self._check_sound()
        self._waiting.append((f"SAVEPOINT s{level}", ()))
        return Mark(self._sent, len(self._waiting) - 1, self._spoilt, self.turn, self.stamped, self.changes)

    def keep(self, level: int, mark: Mark) -> None:
        """Let go of a savepoint, and keep what came after it."""
        self._check_sound()
        if mark.sent == self._sent and mark.at == len(self._waiting) - 1:
            self._waiting.pop()
        else:
            self._waiting.append((f"RELEASE SAVEPOINT s{level}", ()))

    def undo_to(self, level: int, mark: Mark) -> None:
        """Undo what came after a savepoint. Where the database undid everything, that stays so."""
        sent, at, spoilt, self.turn, self.stamped, self.changes = mark
        if self._gone or isinstance(self._spoilt, RetryError):
            return
        if sent == self._sent:
            del self._waiting[at:]
            self._checks = [each for each in self._checks if each[0] < at]
            return
        self._waiting, self._checks = [], []
        try:
            self._dialect.run(self.conn, [(f"ROLLBACK TO SAVEPOINT s{level}", ()), (f"RELEASE SAVEPOINT s{level}", ())])
            self._spoilt = spoilt
        except self._dialect.errors as refused:
            self._spoilt = self._failed(refused)

    def __del__(self) -> None:
        # a thread that ended in mid-transaction; what a parent process holds stays its own
        if self.pid == os.getpid() and (self.conn is not None or self._holds):
            self._gone = True
            self.leave()

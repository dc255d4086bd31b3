"""Connections: a pool of them, a session per thread, and scopes of transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from metastore.backend import TypeSpec
from metastore_sql._dialect import Dialect, Turn
from metastore_sql._settings import Settings

__all__ = ["Connections", "Scope", "Session"]


class Session:
    """What one thread of one process holds: its transaction, if there is one, and the connection of it.

    Outside a transaction every read takes a connection of the pool for one statement. ``specs`` are those that
    the open transaction read or stored, nobody else's before it is committed; ``None`` for one to be read again.
    ``stamped`` is the id of the commit that was recorded in it. Write methods raise ConflictError outside a transaction.
    """

    conn: Any
    depth: int
    turn: Turn | None
    stamped: bytes | None
    specs: dict[str, TypeSpec | None]

    def read(self, sql: str, bound: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement: in this thread's transaction if there is one, else at once and by itself."""
        raise NotImplementedError

    def execute(self, sql: str, bound: Sequence[Any] = ()) -> int:
        """Run a statement of the open transaction; return how many rows it changed."""
        raise NotImplementedError

    def later(self, sql: str, bound: Sequence[Any] = ()) -> None:
        """Run a statement of the open transaction whose answer nobody needs; it may fail at the next one, or at COMMIT."""
        raise NotImplementedError

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement of the open transaction once per row."""
        raise NotImplementedError


class Connections:
    """The pool of one catalogue, and the session of each of its threads."""

    settings: Settings
    dialect: Dialect
    open: bool

    def __init__(self, settings: Settings, dialect: Dialect) -> None:
        raise NotImplementedError

    def local(self) -> Session:
        """Return this thread's session, made anew in a forked child. Raises ClosedError."""
        raise NotImplementedError

    def longest_wait(self) -> float:
        """Return the longest wait for the turn to write since opening, in seconds."""
        raise NotImplementedError

    def apart(self) -> Any:
        """Return a context with a connection of its own in autocommit, for DDL that would commit (MariaDB)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection of this process; closing twice is fine."""
        raise NotImplementedError


class Scope:
    """One level of a transaction of one thread: the outermost has the turn, inner ones are savepoints."""

    def __init__(self, connections: Connections) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

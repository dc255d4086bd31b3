"""Dialect: what differs between the two families of servers, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy.engine import Dialect as Compiling

from metastore.errors import MetastoreError
from metastore_sql._settings import Host, Settings

__all__ = ["Dialect", "Turn", "dialect_of"]


class Turn(NamedTuple):
    """What a writer read in the row that it locked: its own number, and the state that holds until it commits.

    ``seq`` is this transaction's number, ``time`` that of the last stamped commit in microseconds since 1970,
    ``generation`` how many specs are stored, ``tallied`` whether usage is kept.
    """

    seq: int
    time: int
    generation: int
    tallied: bool


class Dialect(Protocol):
    """One family of servers and its driver.

    Statements have ``%s`` for parameters and ``%%`` for a percent sign. A connection is in autocommit until `begin`.
    Driver errors leave every method but `connect` as they are; `meaning` says what they are.
    """

    name: Literal["postgresql", "mysql"]
    sa: Compiling
    """The SQLAlchemy dialect to compile statements with (paramstyle ``format``)."""

    errors: tuple[type[Exception], ...]
    """What the driver raises."""

    def connect(self, settings: Settings, host: Host) -> Any:
        """Return a new connection, set up and checked. Raises errors of ours."""

    def begin(self, conn: Any) -> Turn:
        """Begin a transaction and wait boundedly for the turn."""

    def read(self, conn: Any, sql: str, bound: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return every row of an answer, in the plain values of the contract."""

    def execute(self, conn: Any, sql: str, bound: Sequence[Any]) -> int:
        """Run a statement and return how many rows it changed (for an UPDATE: matched)."""

    def later(self, conn: Any, sql: str, bound: Sequence[Any]) -> None:
        """Run a statement whose answer nobody needs: at the latest with the next that needs one, or at COMMIT."""

    def many(self, conn: Any, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once per row, in as few trips as the driver can."""

    def finish(self, conn: Any, *, commit: bool) -> None:
        """COMMIT or ROLLBACK; when it returns from a commit, the server has said that it is one."""

    def close(self, conn: Any) -> None:
        """Close a connection; a broken one is fine."""

    def broken(self, conn: Any) -> bool:
        """Whether a connection is of no use any more."""

    def meaning(self, error: BaseException, settings: Settings) -> MetastoreError:
        """Return the error of ours that says what an error of the driver means and what to do."""


def dialect_of(name: str) -> Dialect:
    """Return the dialect of a scheme. Raises MissingExtraError where its driver is not installed."""
    raise NotImplementedError

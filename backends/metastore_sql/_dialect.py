"""Dialect: what differs between the two families of servers, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy.engine import Dialect as Compiling

from metastore.errors import MetastoreError, MissingExtraError
from metastore_sql._settings import Host, Settings

__all__ = ["Dialect", "Statement", "Turn", "dialect_of"]

Statement = tuple[str, Sequence[Any]]
"""SQL, and what is bound to it."""


class Turn(NamedTuple):
    """What a writer read in the row that it locked: its own number, and the state that holds until it commits.

    ``seq`` is this transaction's number, ``time`` that of the last stamped commit in microseconds since 1970,
    ``generation`` how many specs are stored, ``tallied`` whether usage is kept, ``revision`` which one the tables have, ``least`` the one
    that a program must know.
    """

    seq: int
    time: int
    generation: int
    tallied: bool
    revision: int
    least: int


class Dialect(Protocol):
    """One family of servers and its driver.

    Statements have ``%s`` for parameters and ``%%`` for a percent sign. A connection is in autocommit but between
    `begin` and `finish`. What a connection gives is plain, as the contract has it. Driver errors (`errors`) leave every
    method but `connect` as they are; `meaning` says what they are, `lost` whether the connection went with them.
    """

    errors: tuple[type[Exception], ...]
    """What the driver raises."""

    gathers: bool
    """Whether statements that go together go faster."""

    @property
    def name(self) -> str:
        """The family: ``postgresql`` or ``mysql``."""

    @property
    def sa(self) -> Compiling:
        """The SQLAlchemy dialect to compile statements with."""

    @property
    def collation(self) -> str:
        """The collation that compares by code point, without padding; right once a connection was made."""

    def connect(self, settings: Settings, host: Host, *, writing: bool) -> Any:
        """Return a new connection, set up and checked; ``writing`` wants a server that takes writes. Raises errors of ours."""

    def begin(self, conn: Any) -> Turn | None:
        """Begin a transaction and wait boundedly for the turn; ``None`` where the catalogue's row is not there."""

    def run(self, conn: Any, statements: Sequence[Statement]) -> list[Any]:
        """Return the answer to each statement, in as few trips as the driver can; the first that fails raises."""

    def rows(self, conn: Any, answer: Any) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""

    def count(self, answer: Any) -> int:
        """Return how many rows a statement changed (an UPDATE: matched)."""

    def many(self, conn: Any, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row, in as few trips as the driver can."""

    def close(self, conn: Any) -> None:
        """Close a connection; a broken one is fine."""

    def lost(self, conn: Any, error: BaseException) -> bool:
        """Whether a connection is of no use any more after an error, so that nobody knows what became of the last statement."""

    def unsure(self, error: BaseException) -> bool:
        """Whether a commit that raised this on a sound connection may have happened all the same."""

    def meaning(self, error: BaseException, settings: Settings) -> MetastoreError:
        """Return the error of ours that says what an error of the driver means and what to do."""


def _postgresql() -> Dialect:
    from metastore_sql._postgresql import PostgreSQL

    return PostgreSQL()


def _mysql() -> Dialect:
    from metastore_sql._mysql import MySQL

    return MySQL()


_FAMILIES: dict[str, Callable[[], Dialect]] = {"postgresql": _postgresql, "mysql": _mysql}


def dialect_of(family: str) -> Dialect:
    """Return the dialect of a family. Raises MissingExtraError where its driver is not installed."""
    try:
        return _FAMILIES[family]()
    except ImportError as missing:
        raise MissingExtraError(
            f"{family} needs {missing.name or 'a package'}, which is not installed: pip install 'metastore-engine[{family}]'"
        ) from missing

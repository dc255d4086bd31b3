"""The schema of one database: what state it is in, and the next step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from attrs import frozen
from sqlalchemy import Connection, create_engine, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from metastore.errors import BusyError, MigrationError, NotACatalogError, ReadOnlyError, UnreachableError
from metastore_sql._dialect import dialect_of
from metastore_sql._settings import settings_of
from metastore_sql._tables import own_tables

__all__ = ["STEPS", "VERSIONS", "Schema", "State"]

STEPS = ("expand", "backfill", "contract")
VERSIONS = "_alembic"
"""The table in which Alembic notes where a database is."""

_DRIVERS = {"postgresql": "postgresql+psycopg://", "mysql": "mysql+pymysql://"}
_LOCK = {
    "postgresql": ("SELECT pg_advisory_lock(hashtextextended(:name, 0))", "SELECT pg_advisory_unlock(hashtextextended(:name, 0))"),
    "mysql": ("SELECT GET_LOCK(:name, :seconds)", "SELECT RELEASE_LOCK(:name)"),
}  # fmt: skip


@frozen
class State:
    """Where a database is: the revision of its tables, the least that a program must know, and the steps that are next."""

    revision: int
    least: int
    pending: tuple[str, ...]


class Schema:
    """The schema of the catalogue at an address; ``scripts`` are folders of further versions.

    Raises as opening does where the server cannot be reached, NotACatalogError where it holds no catalogue.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, scripts: Sequence[Path] = ()) -> None:
        self._settings = settings_of(url, os.environ, mode="rw", durability="full", timeout=timeout)
        self._dialect = dialect_of(self._settings.dialect)
        self._scripts = [Path(__file__).parent / "versions", *scripts]

    def state(self) -> State:
        """Return where the database is."""
        with self._connected() as connection:
            return self._state(connection)

    def take(self, step: str) -> tuple[str, ...]:
        """Take the next step, which must be the one that is named; return what was done, nothing where it is done already.

        Raises MigrationError where another step comes first, BusyError where somebody else migrates for longer than the timeout.
        """
        with self._connected() as connection, self._alone(connection):
            pending, here = self._state(connection).pending, self._here(connection)
            if pending and pending[0].endswith(f"_{step}"):
                command.upgrade(self._config(connection), pending[0])
                return pending[:1]
            if pending and not here.endswith(f"_{step}"):
                raise MigrationError(f"{self._settings.address}: the next step is {pending[0]}, not {step}")
            return ()

    def down(self) -> tuple[str, ...]:
        """Undo the last step; return which it was, nothing where there is none to undo."""
        with self._connected() as connection, self._alone(connection):
            config = self._config(connection)
            here = self._here(connection)
            if here == self._every(config)[0]:
                return ()
            command.downgrade(config, "-1")
            return (here,)

    def _state(self, connection: Connection) -> State:
        every, here = self._every(self._config(connection)), self._here(connection)
        turn = own_tables(self._dialect, self._settings.schema).turn
        revision, least = connection.execute(select(turn.c.revision, turn.c.least)).one()
        connection.rollback()
        return State(revision, least, tuple(every[every.index(here) + 1 :]) if here in every else ())

    def _every(self, config: Config) -> list[str]:
        scripts = ScriptDirectory.from_config(config)
        return [each.revision for each in scripts.walk_revisions()][::-1]

    def _here(self, connection: Connection) -> str:
        """Return the last step taken; a catalogue that was never migrated is as its first program made it."""
        found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()
        connection.rollback()
        return str(found)

    def _config(self, connection: Connection) -> Config:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", os.pathsep.join(map(str, self._scripts)))
        config.attributes.update(connection=connection, dialect=self._dialect, schema=self._settings.schema)
        return config

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        engine = create_engine(
            _DRIVERS[self._dialect.name], creator=self._driver, poolclass=NullPool, isolation_level="READ COMMITTED"
        )
        with engine.connect() as connection:
            self._check(connection)
            yield connection

    def _driver(self) -> Any:
        """Return a connection to the first server that takes writes."""
        *others, last = self._settings.hosts
        for host in others:
            try:
                return self._dialect.connect(self._settings, host, writing=True)
            except (UnreachableError, ReadOnlyError):
                continue
        return self._dialect.connect(self._settings, last, writing=True)

    def _check(self, connection: Connection) -> None:
        tables = set(inspect(connection).get_table_names(schema=self._schema))
        if "_turn" not in tables:
            raise NotACatalogError(f"{self._settings.address} holds no catalogue; opening it makes one")
        connection.rollback()
        if VERSIONS not in tables:
            config = self._config(connection)
            command.stamp(config, self._made_at(connection, config))

    def _made_at(self, connection: Connection, config: Config) -> str:
        """Return the version that says how the tables were made: whole, at the revision of the program that made them."""
        revision = self._state_of_turn(connection)
        whole = [each for each in self._every(config) if each in (f"{revision}", f"{revision}_{STEPS[-1]}")]
        return whole[0]

    def _state_of_turn(self, connection: Connection) -> int:
        found = connection.execute(
            select(own_tables(self._dialect, self._settings.schema).turn.c.revision)
        ).scalar_one()
        connection.rollback()
        return int(found)

    @property
    def _schema(self) -> str | None:
        return self._settings.schema if self._dialect.name == "postgresql" else None

    @contextmanager
    def _alone(self, connection: Connection) -> Iterator[None]:
        """Hold the lock of who migrates, which is waited for boundedly. Raises BusyError."""
        take, give = _LOCK[self._dialect.name]
        name = f"metastore {self._settings.database} {self._settings.schema}"[:64]
        if not self._taken(connection, take, name):
            raise BusyError(f"somebody else is migrating {self._settings.address}; look again when they are done")
        try:
            yield
        finally:
            connection.rollback()
            connection.execute(text(give), {"name": name})
            connection.commit()

    def _taken(self, connection: Connection, take: str, name: str) -> bool:
        seconds = max(1, round(self._settings.timeout))
        if self._dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")
        try:
            got = connection.execute(
                text(take), {"name": name} if ":seconds" not in take else {"name": name, "seconds": seconds}
            )
            held = got.scalar() not in (0, None)
            connection.commit()
        except OperationalError:  # PostgreSQL's lock_timeout
            connection.rollback()
            return False
        return held

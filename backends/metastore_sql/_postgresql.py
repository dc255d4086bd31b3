"""PostgreSQL by psycopg 3.

Every parameter goes without a type, so that the server takes that of the place where it stands: one prepared statement
serves whatever is absent. Bytes go as they are, in the server's binary form of that type: 16 of them are a uuid.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg.adapt import AdaptersMap, Buffer, Loader
from psycopg.pq import Format
from psycopg.types.array import ListDumper
from psycopg.types.bool import BoolDumper
from psycopg.types.numeric import FloatDumper, Int8Dumper
from psycopg.types.string import BytesBinaryDumper, StrDumperUnknown
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect as Compiling

from metastore.errors import MetastoreError, ReadOnlyError, UnfitServerError
from metastore_sql._dialect import Statement, Turn
from metastore_sql._errors import POSTGRESQL, said, told_by_words
from metastore_sql._settings import Host, Settings
from metastore_sql._trips import Trips

__all__ = ["OLDEST", "PostgreSQL"]

OLDEST = 14

_TURN: tuple[Statement, ...] = (
    ("BEGIN", ()),
    ("UPDATE _turn SET seq = seq + 1 RETURNING seq, time, generation, tallied, revision, least", ()),
)

_EPOCH = 946_684_800_000_000
"""PostgreSQL counts microseconds since 2000."""

_LONG = struct.Struct("!q").unpack


class _RawDumper(BytesBinaryDumper):
    oid = 0


class _IntDumper(Int8Dumper):
    oid = 0


class _FloatDumper(FloatDumper):
    oid = 0


class _BoolDumper(BoolDumper):
    oid = 0


class _MomentLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return cast("int", _LONG(data)[0]) + _EPOCH


class _FlagLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> int:
        return data[0]


def _adapters() -> AdaptersMap:
    made = AdaptersMap(psycopg.adapters)
    made.register_dumper(bytes, _RawDumper)
    made.register_dumper(str, StrDumperUnknown)
    made.register_dumper(int, _IntDumper)
    made.register_dumper(float, _FloatDumper)
    made.register_dumper(bool, _BoolDumper)
    made.register_dumper(list, ListDumper)
    made.register_loader("uuid", made.get_loader(made.types["bytea"].oid, Format.BINARY) or Loader)
    made.register_loader("json", made.get_loader(made.types["text"].oid, Format.BINARY) or Loader)
    made.register_loader("timestamptz", _MomentLoader)
    made.register_loader("bool", _FlagLoader)
    return made


_ADAPTERS = _adapters()


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection of the driver, and the trips over it."""

    server: Host
    trips: Trips


class PostgreSQL:
    """PostgreSQL, version 14 or newer."""

    name = "postgresql"
    sa: Compiling = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]  # its __init__ has no types
    collation = "C"
    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    gathers = True

    def connect(self, settings: Settings, host: Host, *, writing: bool) -> Connection:
        """Return a new connection, set up and checked."""
        conn = self._connected(settings, host)
        refused: MetastoreError | None = None
        try:
            self._check(conn, settings, host, writing=writing)
            self._set_up(conn, settings)
        except psycopg.Error as error:
            refused = self.meaning(error, settings)
        except MetastoreError as error:
            refused = error
        if refused is not None:
            conn.close()
            raise refused
        return conn

    def _connected(self, settings: Settings, host: Host) -> Connection:
        try:
            conn = Connection.connect(**_place(settings, host), autocommit=True, context=_Context())
        except psycopg.Error as error:
            text = str(error)
        else:
            conn.trips = Trips(conn, settings.connect_timeout, lambda: _answers(settings, host))
            return conn
        # raised out here, as the driver's error carries the password within
        raise said(told_by_words(text), text, settings)

    def _check(self, conn: Connection, settings: Settings, host: Host, *, writing: bool) -> None:
        version = conn.info.server_version
        if version < OLDEST * 10000:
            raise UnfitServerError(
                f"{host} runs PostgreSQL {version // 10000}; metastore needs {OLDEST} or newer, upgrade it"
            )
        told = conn.info.parameter_status
        if told("server_encoding") != "UTF8":
            raise UnfitServerError(
                f"the database {settings.database} of {host} is encoded in {told('server_encoding')}, which cannot hold every text;"
                " make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        if writing and "on" in (told("in_hot_standby"), told("default_transaction_read_only")):
            raise ReadOnlyError(
                f"{host} takes no writes from {settings.user or 'the user'}: it is a standby, or read-only for that role or"
                " database; give the address of the primary or another role, or open with mode='ro'"
            )

    def _set_up(self, conn: Connection, settings: Settings) -> None:
        patience = str(max(1, int(settings.timeout * 1000)))
        wanted = {
            "search_path": _quoted(settings.schema),
            "lock_timeout": patience,
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "on" if settings.read_only else "off",
            "standard_conforming_strings": "on",
            "TimeZone": "UTC",
            "extra_float_digits": "1",
            "jit": "off",
            "tcp_keepalives_idle": "10",  # a client that is cut off in mid-transaction holds the turn until it is found out
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        if settings.durability == "full":
            [kept] = conn.trips.run([("SELECT current_setting('synchronous_commit')", ())])
            wanted |= {"synchronous_commit": "on"} if conn.trips.rows(kept)[0][0] == "off" else {}
        asked = ", ".join(["set_config(%s, %s, false)"] * len(wanted))
        conn.trips.run([(f"SELECT {asked}", [text for pair in wanted.items() for text in pair])])

    def begin(self, conn: Connection) -> Turn | None:
        """Begin a transaction and take the turn, in one trip."""
        found = conn.trips.rows(conn.trips.run(_TURN)[1])
        return Turn(*found[0]) if found else None

    def run(self, conn: Connection, statements: Sequence[Statement]) -> list[Any]:
        """Return the answer to each statement, all in one trip."""
        return conn.trips.run(statements)

    def rows(self, conn: Connection, answer: Any) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        return conn.trips.rows(answer)

    def count(self, answer: Any) -> int:
        """Return how many rows a statement changed."""
        return answer.command_tuples or 0

    def many(self, conn: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row, in one trip."""
        conn.trips.run([(sql, row) for row in rows])

    def close(self, conn: Connection) -> None:
        """Close a connection."""
        conn.close()

    def lost(self, conn: Connection, error: BaseException) -> bool:
        """Whether a connection is of no use any more: it is closed, or its server says that it goes."""
        return conn.closed or (getattr(error, "sqlstate", None) or "").startswith(("57P", "08"))

    def unsure(self, error: BaseException) -> bool:
        """Never: what the server refuses at COMMIT did not happen."""
        return False

    def meaning(self, error: BaseException, settings: Settings) -> MetastoreError:
        """Return the error of ours that says what an error of the driver means."""
        state = getattr(error, "sqlstate", None)
        if (state is None and isinstance(error, psycopg.OperationalError)) or (state or "").startswith(("57P", "08")):
            return said(told_by_words(str(error)), str(error), settings)
        return said(POSTGRESQL.get(state or ""), str(error).partition("\n")[0], settings)


class _Context:
    """What a connection is made with: the driver takes its adapters from here."""

    adapters = _ADAPTERS
    connection = None


def _place(settings: Settings, host: Host) -> dict[str, Any]:
    given = {
        "host": host.socket or host.name or None,
        "port": host.port,
        "dbname": settings.database,
        "user": settings.user,
        "password": settings.password,
        "connect_timeout": max(1, round(settings.connect_timeout)),
        "client_encoding": "UTF8",
        "application_name": "metastore",
        **{f"ssl{name}": settings.tls.get(key) for name, key in _TLS.items()},
    }
    return {name: value for name, value in given.items() if value is not None}


_TLS = {"mode": "mode", "rootcert": "root", "cert": "cert", "key": "key", "crl": "crl"}


def _answers(settings: Settings, host: Host) -> bool:
    """Whether a server says anything at all to somebody who knocks, be it that it will not let us in."""
    try:
        psycopg.connect(**_place(settings, host)).close()
    except psycopg.Error as refused:
        return "FATAL" in str(refused)
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""PostgreSQL by psycopg 3.

Every parameter goes without a type, so that the server takes that of the place where it stands: one prepared statement
serves whatever is absent. Bytes go as they are, in the server's binary form of that type: 16 of them are a uuid.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Generator, Iterable, Sequence
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

__all__ = ["OLDEST", "PostgreSQL"]

OLDEST = 14

STATEMENTS = 500
"""Prepared statements that a connection keeps."""

LARGE = 1000
"""Rows of an answer that a connection at rest shall not hold."""

_TURN = (
    "BEGIN; UPDATE _turn SET seq = seq + 1"
    " RETURNING seq, (extract(epoch from time) * 1000000)::bigint, generation, tallied"
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
    """A connection that does not wait for a server that is gone.

    A frozen server, or one behind a cut wire, says nothing for ever: after ``patience`` seconds of silence somebody
    else's knock finds out whether it still answers, and again after as many.
    """

    patience = 5.0
    knock: Callable[[], bool] = staticmethod(lambda: True)
    server: Host
    plain: psycopg.Cursor[Any]
    """The cursor of every single statement: making one takes as long as half a statement."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Consume a generator of the driver's. Raises OperationalError for a server that does not answer at all."""
        return super().wait(self._watched(gen), interval)

    def _watched(self, gen: Any) -> Generator[Any, Any, Any]:
        since = 0.0
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                since = 0.0 if ready else self._heard(since)
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value

    def _heard(self, since: float) -> float:
        now = time.monotonic()
        if not since or now - since < self.patience:
            return since or now
        if not self.knock():
            self.pgconn.finish()
            raise psycopg.OperationalError("the server does not answer any more")
        return time.monotonic()


class PostgreSQL:
    """PostgreSQL, version 14 or newer."""

    name = "postgresql"
    sa: Compiling = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]  # its __init__ has no types
    collation = "C"
    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    spoils = True

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
            conn.patience = settings.connect_timeout
            conn.knock = lambda: _answers(settings, host)
            conn.prepare_threshold, conn.prepared_max = 1, STATEMENTS
            conn.plain = conn.cursor(binary=True)
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
        }
        if settings.durability == "full":
            [(kept,)] = self.read(conn, "SELECT current_setting('synchronous_commit')", ())
            wanted |= {"synchronous_commit": "on"} if kept == "off" else {}
        asked = ", ".join(["set_config(%s, %s, false)"] * len(wanted))
        self.read(conn, f"SELECT {asked}", [text for pair in wanted.items() for text in pair])

    def begin(self, conn: Connection) -> Turn | None:
        """Begin a transaction and take the turn: one trip, as the server takes both in one message."""
        with conn.cursor() as cursor:
            cursor.execute(_TURN)
            cursor.nextset()
            found = cursor.fetchone()
        return Turn(*found) if found else None

    def read(self, conn: Any, sql: str, bound: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return every row of an answer."""
        cursor = conn.plain.execute(sql, bound)
        found = cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []
        if len(found) > LARGE:
            conn.plain = conn.cursor(binary=True)
        return found

    def execute(self, conn: Any, sql: str, bound: Sequence[Any]) -> int:
        """Run a statement and return how many rows it changed."""
        changed: int = conn.plain.execute(sql, bound).rowcount
        return changed

    def run(self, conn: Any, statements: Sequence[Statement]) -> None:
        """Run statements in one trip."""
        if len(statements) == 1:
            conn.plain.execute(*statements[0])
            return
        with conn.pipeline():
            for sql, bound in statements:
                conn.execute(sql, bound)

    def many(self, conn: Any, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement once per row, all in one trip."""
        with conn.cursor() as cursor:
            cursor.executemany(sql, rows)

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
        if state is None or state.startswith(("57P", "08")):
            return said(told_by_words(str(error)), str(error), settings)
        return said(POSTGRESQL.get(state), str(error).partition("\n")[0], settings)


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

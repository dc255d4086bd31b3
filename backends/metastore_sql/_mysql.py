"""MariaDB and MySQL by PyMySQL."""

from __future__ import annotations

import math
import re
import select
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import encoders
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.engine import Dialect as Compiling

from metastore.errors import MetastoreError, ReadOnlyError, UnfitServerError
from metastore_sql._dialect import Statement, Turn
from metastore_sql._errors import MYSQL, said
from metastore_sql._settings import Host, Settings

__all__ = ["OLDEST_MARIADB", "OLDEST_MYSQL", "MySQL"]

OLDEST_MARIADB, OLDEST_MYSQL = (10, 6, 0), (8, 0, 17)

STALLED = 60.0
"""Seconds that an answer may stop in its middle; whether a server answers at all is found out sooner."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_TURN: tuple[Statement, ...] = (
    ("BEGIN", ()),
    ("UPDATE _turn SET seq = seq + 1", ()),
    ("SELECT seq, time, generation, tallied, revision, least FROM _turn", ()),
)

_ALL = {
    "autocommit": "1",
    "sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "time_zone": "'+00:00'",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_safe_updates": "0",
    "sql_select_limit": "DEFAULT",
    "group_concat_max_len": "1048576",
}
_MARIADB = {
    "tx_isolation": "'READ-COMMITTED'",
    "max_recursive_iterations": "4294967295",
    "idle_write_transaction_timeout": "600",  # a client that is cut off in mid-transaction holds the turn until then
}
_MYSQL = {"transaction_isolation": "'READ-COMMITTED'", "cte_max_recursion_depth": "4294967295"}
"""Settings of a session: those of both, of MariaDB, of MySQL."""

_LOST = frozenset((0, 1047, 1053, 1077, 1079, 1152, 1153, 1184, 1927, 2006, 2013, 2014, 2055, 3169, 4031))
"""Numbers after which a connection is of no use: broken, or to a node that left its cluster."""

_UNSURE = frozenset((1180, 1317, 1969, 3024))


def _moment(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _whole(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


_LOADERS: dict[Any, Callable[[str], Any]] = {
    FIELD_TYPE.TINY: int,
    FIELD_TYPE.SHORT: int,
    FIELD_TYPE.LONG: int,
    FIELD_TYPE.LONGLONG: int,
    FIELD_TYPE.INT24: int,
    FIELD_TYPE.YEAR: int,
    FIELD_TYPE.FLOAT: float,
    FIELD_TYPE.DOUBLE: float,
    FIELD_TYPE.DECIMAL: _whole,
    FIELD_TYPE.NEWDECIMAL: _whole,
    FIELD_TYPE.DATETIME: _moment,
    FIELD_TYPE.TIMESTAMP: _moment,
}
_CONVERSIONS: dict[Any, Any] = {**encoders, **_LOADERS}


class Connection(pymysql.Connection):
    """A connection that does not wait for a server that is gone.

    A frozen server, or one behind a cut wire, says nothing for ever: after ``patience`` seconds of silence somebody
    else's knock finds out whether it still answers, and again after as many.
    """

    patience = STALLED
    knock: Callable[[], bool] = staticmethod(lambda: True)
    server: Host
    most = 1 << 24
    """The bytes of a statement that the server takes; it hangs up on whoever sends more."""

    def _execute_command(self, command: int, sql: Any) -> None:
        if len(sql) >= self.most:
            raise pymysql.OperationalError(
                2020, f"{len(sql)} bytes at once are beyond its max_allowed_packet of {self.most}"
            )
        super()._execute_command(command, sql)  # type: ignore[misc]  # see below

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        heard = select.poll()
        heard.register(self._sock, select.POLLIN)  # type: ignore[attr-defined]  # the stubs leave out what is private
        while not heard.poll(self.patience * 1000):
            if not self.knock():
                self._force_close()  # type: ignore[attr-defined]  # see above
                raise pymysql.OperationalError(2013, "the server does not answer any more")
        return super()._read_query_result(unbuffered)  # type: ignore[misc]  # see above


class MySQL:
    """MariaDB 10.6 or newer, alone or as a Galera cluster; MySQL 8.0.17 or newer."""

    name = "mysql"
    collation = "utf8mb4_nopad_bin"
    sa: Compiling = MySQLDialect_pymysql(paramstyle="format", is_mariadb=True)
    errors: tuple[type[Exception], ...] = (pymysql.MySQLError,)
    gathers = False

    def connect(self, settings: Settings, host: Host, *, writing: bool) -> Connection:
        """Return a new connection, set up and checked."""
        refused: MetastoreError
        conn = None
        try:
            conn = _connected(settings, host)
            self._check(conn, settings, host, writing=writing)
            self._set_up(conn, settings)
            conn._read_timeout = STALLED  # type: ignore[attr-defined]  # the stubs leave it out
            conn.patience = settings.connect_timeout
            conn.knock = lambda: _answers(settings, host)
            return conn
        except MetastoreError as error:  # before OSError, which some of ours are
            refused = error
        except (pymysql.MySQLError, OSError) as error:
            refused = self.meaning(error, settings)
        if conn is not None:
            self.close(conn)
        raise refused  # out here, so that nothing of the driver's hangs on it

    def _check(self, conn: Connection, settings: Settings, host: Host, *, writing: bool) -> None:
        [told] = self.run(
            conn, [("SELECT version(), @@character_set_database, @@global.read_only, @@max_allowed_packet", ())]
        )
        [(version, encoding, read_only, conn.most)] = self.rows(conn, told)
        self._recognise(version, host)
        if encoding != "utf8mb4":
            raise UnfitServerError(
                f"the database {settings.database} of {host} is encoded in {encoding}, in which answers would differ;"
                " ALTER DATABASE … CHARACTER SET utf8mb4, or make a new one"
            )
        if writing and read_only:
            raise ReadOnlyError(
                f"{host} takes no writes: it is a replica, or was started with --read-only;"
                " give the address of the primary, or open with mode='ro'"
            )

    def _recognise(self, version: str, host: Host) -> None:
        mariadb = "mariadb" in version.lower()
        numbers = tuple([int(each) for each in re.findall(r"\d+", version.removeprefix("5.5.5-"))[:3]])
        oldest = OLDEST_MARIADB if mariadb else OLDEST_MYSQL
        if numbers < oldest:
            needed = ".".join([str(each) for each in oldest])
            raise UnfitServerError(
                f"{host} runs {'MariaDB' if mariadb else 'MySQL'} {version}; metastore needs {needed} or newer, upgrade it"
            )
        if not mariadb and self.collation != "utf8mb4_0900_bin":
            self.collation, self.sa = "utf8mb4_0900_bin", MySQLDialect_pymysql(paramstyle="format")

    def _set_up(self, conn: Connection, settings: Settings) -> None:
        patience = str(max(1, math.ceil(settings.timeout)))
        mariadb = self.collation == "utf8mb4_nopad_bin"
        wanted = {**_ALL, **(_MARIADB if mariadb else _MYSQL)}
        wanted |= {"innodb_lock_wait_timeout": patience, "lock_wait_timeout": patience}
        wanted["tx_read_only" if mariadb else "transaction_read_only"] = str(int(settings.read_only))
        if mariadb:
            wanted["wsrep_sync_wait"] = str(int(settings.reads == "latest"))
        conn.query("SET " + ", ".join([f"SESSION {name} = {value}" for name, value in wanted.items()]))

    def begin(self, conn: Connection) -> Turn | None:
        """Begin a transaction and take the turn."""
        found = self.rows(conn, self.run(conn, _TURN)[-1])
        return Turn(*found[0]) if found else None

    def run(self, conn: Connection, statements: Sequence[Statement]) -> list[Any]:
        """Return the answer to each statement, one after the other: this protocol knows no other way."""
        with conn.cursor() as cursor:
            return [(cursor.execute(sql, tuple(bound)), cursor.fetchall()) for sql, bound in statements]

    def rows(self, conn: Connection, answer: Any) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        return list(answer[1])

    def count(self, answer: Any) -> int:
        """Return how many rows a statement changed."""
        return int(answer[0])

    def many(self, conn: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row; an INSERT takes many rows at once."""
        with conn.cursor() as cursor:
            cursor.executemany(sql, list(rows))

    def close(self, conn: Connection) -> None:
        """Close a connection."""
        if conn.open:
            conn.close()

    def lost(self, conn: Connection, error: BaseException) -> bool:
        """Whether a connection is of no use any more: it is broken, or its node left the cluster."""
        return not conn.open or _number(error) in _LOST

    def unsure(self, error: BaseException) -> bool:
        """Whether a cluster may have kept what it broke off at COMMIT."""
        return _number(error) in _UNSURE

    def meaning(self, error: BaseException, settings: Settings) -> MetastoreError:
        """Return the error of ours that says what an error of the driver means."""
        text = str(error.args[-1]) if error.args and error.args[-1] else "the connection is closed"
        if "Errcode: 28" in text or '"No space left on device"' in text:
            return said(MYSQL[1021], text, settings)
        if isinstance(error, ssl.SSLError) or "SSL" in text or "certificate" in text:
            return said(MYSQL[2026], text, settings)
        return said(MYSQL.get(_number(error)), text, settings)


def _number(error: BaseException) -> int:
    found = error.args[0] if error.args else 0
    return found if isinstance(found, int) and isinstance(error, pymysql.MySQLError) else 2003


def _connected(settings: Settings, host: Host) -> Connection:
    """Return a connection over a socket made here: the driver leaves one open that could not be connected."""
    made = Connection(**_place(settings, host), defer_connect=True)
    made._secure = bool(host.socket)  # type: ignore[attr-defined]  # see above
    made.connect(_dialled(host, settings.connect_timeout))
    return made


def _dialled(host: Host, timeout: float) -> socket.socket:
    if not host.socket:
        made = socket.create_connection((host.name or "localhost", host.port), timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(timeout)
        made.connect(host.socket)
    except OSError:
        made.close()
        raise
    return made


def _place(settings: Settings, host: Host) -> dict[str, Any]:
    return {
        "host": host.name or "localhost",
        "port": host.port,
        "user": settings.user,
        "password": (settings.password or "").encode(),
        "database": settings.database,
        "charset": "utf8mb4",
        "binary_prefix": True,
        "client_flag": CLIENT.FOUND_ROWS,
        "conv": _CONVERSIONS,
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.connect_timeout,
        "write_timeout": STALLED,
        "program_name": "metastore",
        **_tls(settings, host),
    }


def _tls(settings: Settings, host: Host) -> dict[str, Any]:
    mode = "disable" if host.socket else settings.tls.get("mode", "prefer")
    if mode in ("disable", "prefer"):
        return {"ssl_disabled": True} if mode == "disable" else {}
    try:
        return {"ssl": _context(settings.tls, mode)}
    except OSError as refused:
        reason = refused.strerror or str(refused)
    named = " or ".join([path for name, path in settings.tls.items() if name != "mode"])
    raise said(MYSQL[2026], f"{reason}: {named}", settings)


def _context(tls: Mapping[str, str], mode: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.get("root"))
    context.check_hostname = mode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("verify") else ssl.CERT_NONE
    if "cert" in tls:
        context.load_cert_chain(tls["cert"], tls.get("key"))
    return context


def _answers(settings: Settings, host: Host) -> bool:
    """Whether a server says anything at all to somebody who knocks, be it that it will not let us in."""
    try:
        with _dialled(host, settings.connect_timeout) as line:
            return bool(line.recv(1))
    except OSError:
        return False

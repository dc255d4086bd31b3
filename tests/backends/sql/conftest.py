"""Connections to both kinds of servers, on a place with the two tables that they know."""

from contextlib import ExitStack

import pytest
from servers._wire import Wire

from metastore_sql._connection import Connections
from metastore_sql._dialect import dialect_of
from metastore_sql._settings import settings_of

TABLES = {
    "postgresql": (
        "CREATE TABLE _turn (seq bigint, time timestamptz, generation bigint, tallied boolean, revision int, least int)",
        "CREATE TABLE _transactions (seq bigint, id uuid PRIMARY KEY)",
    ),
    "mysql": (
        "CREATE TABLE _turn (seq bigint, time datetime(6), generation bigint, tallied boolean, revision int, least int)",
        "CREATE TABLE _transactions (seq bigint, id binary(16) PRIMARY KEY)",
    ),
}
FIRST = "INSERT INTO _turn VALUES (0, '2020-01-02 03:04:05.000006', 7, true, 1, 1)"


class Place:
    """An empty database of one kind, a wire that leads to it, and the connections of as many programs as a test wants.

    ``address`` leads to the server, ``wired`` to it by the wire, ``both`` tries the wire first, then the server.
    ``commit`` is what a COMMIT looks like on the wire.
    """

    def __init__(self, server, address, folder, stack):
        self.server, self.address, self._folder, self._stack = server, address, folder, stack
        self.kind = address.partition(":")[0]
        self.commit = {"postgresql": b"COMMIT\0", "mysql": b"\3COMMIT"}[self.kind]
        self.wired, self.both = getattr(self, f"_wire_{self.kind}")()
        stack.callback(self.wire.close)

    def _wire_postgresql(self):
        there = str(self.server.folder)
        self.wire = Wire(str(self._folder / ".s.PGSQL.5432"), f"{there}/.s.PGSQL.5432")
        return [self.address.replace(there, hosts) for hosts in (str(self._folder), f"{self._folder},{there}")]

    def _wire_mysql(self):
        there = ("127.0.0.1", self.server.port)
        self.wire = Wire(("127.0.0.1", 0), there)
        name = self.address.partition("@/")[2].partition("?")[0]
        ends = [f"{host}:{port}" for host, port in (self.wire.here, there)]
        return [f"mysql://probe:probe@{hosts}/{name}?sslmode=disable" for hosts in (ends[0], ",".join(ends))]

    def settings(self, address=None, *, mode="rw", durability="normal", timeout=20.0, environment=()):
        return settings_of(address or self.wired, dict(environment), mode=mode, durability=durability, timeout=timeout)

    def open(self, options="", *, address=None, **given):
        settings = self.settings((address or self.wired) + options, **given)
        made = Connections(settings, dialect_of(settings.dialect))
        self._stack.callback(made.close)
        return made

    def prepare(self):
        with self.open(address=self.address).apart() as apart:
            for statement in (*TABLES[self.kind], FIRST):
                apart.execute(statement)


@pytest.fixture(params=["postgres", "mysql"])
def empty(request, tmp_path_factory):
    """A place without any table."""
    server = request.getfixturevalue(f"{request.param}_server")
    if request.param == "mysql":
        server.execute("CREATE USER IF NOT EXISTS probe@'127.0.0.1' IDENTIFIED BY 'probe'")
        server.execute("GRANT ALL ON *.* TO probe@'127.0.0.1'")
    with ExitStack() as stack:
        yield Place(server, request.getfixturevalue(request.param)(), tmp_path_factory.mktemp("w"), stack)


@pytest.fixture
def place(empty):
    """A place with the tables that connections know."""
    empty.prepare()
    return empty

"""What a server, a role or a network may have against us: one clear error each, with what to do, and never the password."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from servers._wire import Wire

from metastore import Artifact, Catalog, Field, Link, field
from metastore.errors import (
    BackendError,
    BusyError,
    CatalogUrlError,
    LoginError,
    MissingExtraError,
    ReadOnlyError,
    UnfitServerError,
    UnreachableError,
)
from metastore_sql import _mysql, _postgresql
from metastore_sql._connection import Connections, Scope
from metastore_sql._dialect import dialect_of
from metastore_sql._settings import settings_of
from metastore_sql.trial import Home, mariadb, postgresql, system_user
from metastore_sql.trial._mariadb import connected

SECRET = "hush-hush"
HBA = (
    "local all stranger scram-sha-256",
    "local all all trust",
)


ODD = {
    "sql-mode": "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT",
    "transaction-isolation": "SERIALIZABLE",
    "default-time-zone": "+05:00",
    "max-recursive-iterations": "3",
}
"""What an operator may set for all sessions of MariaDB, but for nobody's good."""


def reach(address, *, mode="rw", environment=(), statement=None, timeout=0.2):
    """Connect to an address as a catalogue does, and close."""
    settings = settings_of(address, dict(environment), mode=mode, durability="full", timeout=timeout)
    with ExitStack() as stack:
        connections = Connections(settings, dialect_of(settings.dialect))
        stack.callback(connections.close)
        with connections.apart() as apart:
            if statement is not None:
                apart.execute(statement)


def refused(kind, address, words, **given):
    """Assert that an address is refused with an error that has some words, but not the password, in whatever is printed of it."""
    with pytest.raises(kind, match=words) as caught:
        reach(address, **given)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# no server, or another


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://ann:{SECRET}@127.0.0.1:1/cat",
        f"postgresql://ann:{SECRET}@no.such.host.invalid/cat",
        "postgresql://ann@/cat?host=/nowhere",
        f"mysql://ann:{SECRET}@127.0.0.1:1/cat",
        f"mysql://ann:{SECRET}@no.such.host.invalid/cat",
        "mysql://ann@/cat?unix_socket=/nowhere",
    ],
)
def test_where_no_server_is_it_is_said_at_once(address):
    refused(UnreachableError, address, "is the server running", timeout=600.0)


def test_each_server_of_an_address_is_told_of():
    refused(UnreachableError, "mysql://ann@127.0.0.1:1,127.0.0.1:2/cat", r"127.0.0.1:1: .* 127.0.0.1:2: ")


def test_a_server_that_is_too_old_is_to_be_upgraded(empty, monkeypatch):
    monkeypatch.setattr(_postgresql, "OLDEST", 99)
    monkeypatch.setattr(_mysql, "OLDEST_MARIADB", (99, 0, 0))
    refused(UnfitServerError, empty.address, r"runs (PostgreSQL|MariaDB) \d.* needs 99\S* or newer")


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("5.5.5-10.5.29-MariaDB-log", False),
        ("10.6.0-MariaDB", True),
        ("11.4.2-MariaDB-1:11.4.2+maria~deb12", True),
        ("8.0.16", False),
        ("8.0.17-0ubuntu0.1", True),
        ("9.1.0", True),
    ],
)
def test_versions_are_read_as_mariadb_and_mysql_write_them(version, fits):
    dialect = _mysql.MySQL()
    if not fits:
        with pytest.raises(UnfitServerError, match="upgrade"):
            dialect._recognise(version, "host")
    else:
        dialect._recognise(version, "host")
        assert dialect.collation == ("utf8mb4_nopad_bin" if "Maria" in version else "utf8mb4_0900_bin")


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "metastore_sql._mysql", None)
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[mysql\]"):
        dialect_of("mysql")


# databases


def test_a_database_that_is_not_there_is_to_be_made(empty):
    name = empty.settings(empty.address).database
    address = empty.address.replace(f"/{name}?", "/nowhere?")
    refused(CatalogUrlError, address, "there is no database nowhere; make it first")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_postgresql_in_another_encoding_is_refused(postgres_server, encoding):
    name = f"in_{encoding.lower()}"
    postgres_server.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    try:
        refused(UnfitServerError, postgres_server.address(name), f"{encoding}.*ENCODING 'UTF8'")
    finally:
        postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_of_mariadb_in_another_character_set_is_refused(mysql_server):
    mysql_server.execute("CREATE DATABASE in_latin CHARACTER SET latin1")
    try:
        refused(UnfitServerError, mysql_server.address("in_latin"), "latin1.*CHARACTER SET utf8mb4")
    finally:
        mysql_server.execute("DROP DATABASE in_latin")


# logins and roles: on servers of their own, as they are set up strictly


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key and a certificate of 127.0.0.1 by its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine; on Debian: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key")
    made = subprocess.run(
        ["openssl", "req", "-x509", *key, "-out", folder / "cert", *subject], capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def strict_postgres():
    with Home() as home:
        server = postgresql(home, hba=HBA)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{SECRET}'")
            connection.execute("CREATE ROLE reader LOGIN; ALTER ROLE reader SET default_transaction_read_only = on")
            connection.execute("CREATE ROLE nobody; CREATE TABLE public.kept (n int)")
        yield server


@pytest.fixture(scope="module")
def strict_mariadb(certificate):
    with Home(user=system_user()) as home:
        paths = {f"ssl-{name}": shutil.copy(certificate / name, home.root) for name in ("key", "cert")}
        for path in paths.values():
            home.own(Path(path))
        server = mariadb(home, settings={**paths, **ODD})
        assert connected(server.socket, "CREATE DATABASE kept") is not None
        yield server


def test_postgresql_refuses_a_wrong_password(strict_postgres):
    for password in ("", "no-" + SECRET):
        address = strict_postgres.address(user=f"stranger:{password}")
        refused(LoginError, address, "refuses stranger .*METASTORE_PASSWORD")


def test_postgresql_refuses_a_role_that_is_not_or_may_not(strict_postgres):
    for name in ("unheard_of", "nobody"):
        refused(LoginError, strict_postgres.address(user=name), f"refuses {name} ")


def test_a_password_comes_from_the_environment_or_a_file(strict_postgres, tmp_path):
    address = strict_postgres.address(user="stranger")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    reach(address, environment={"METASTORE_PASSWORD": SECRET})
    reach(address, environment={"METASTORE_PASSWORD_FILE": str(tmp_path / "password")})


def test_a_role_that_may_only_read_reads(strict_postgres):
    address = strict_postgres.address(user="reader")
    refused(ReadOnlyError, address, "takes no writes from reader.*mode='ro'")
    reach(address, mode="ro")


def test_a_role_without_a_grant_is_told_what_to_grant(strict_postgres):
    with pytest.raises(LoginError, match="grant the role"):
        reach(
            strict_postgres.address(user="stranger"),
            environment={"METASTORE_PASSWORD": SECRET},
            statement="SELECT * FROM kept",
        )


def test_a_server_without_room_for_more_connections_says_so(strict_postgres):
    with psycopg.connect(strict_postgres.dsn(), autocommit=True) as connection:
        connection.execute("ALTER ROLE stranger CONNECTION LIMIT 0")
        refused(BusyError, strict_postgres.address(user=f"stranger:{SECRET}"), "smaller pool_size")
        connection.execute("ALTER ROLE stranger CONNECTION LIMIT -1")


def test_mariadb_refuses_a_wrong_password(mysql_server):
    mysql_server.execute(f"CREATE OR REPLACE USER stranger@'127.0.0.1' IDENTIFIED BY '{SECRET}'")
    address = f"mysql://stranger:no-{SECRET}@127.0.0.1:{mysql_server.port}/mysql"
    refused(LoginError, address, "refuses stranger .*METASTORE_PASSWORD")


def test_a_user_of_mariadb_without_a_grant_is_told_what_to_grant(empty_mysql):
    server, name = empty_mysql
    server.execute(f"CREATE OR REPLACE USER stranger@'127.0.0.1' IDENTIFIED BY '{SECRET}'")
    address = f"mysql://stranger:{SECRET}@127.0.0.1:{server.port}/{name}"
    refused(LoginError, address, "grant the role")
    server.execute(f"GRANT SELECT ON {name}.* TO stranger@'127.0.0.1'")
    with pytest.raises(LoginError, match="grant the role"):
        reach(address, statement="CREATE TABLE t (n int)")


@pytest.fixture
def empty_mysql(mysql_server):
    with mysql_server.place() as address:
        yield mysql_server, settings_of(address, {}, mode="rw", durability="full", timeout=1.0).database


def test_a_server_of_mariadb_that_takes_no_writes_is_read(strict_mariadb):
    address = strict_mariadb.address("kept")
    connected(strict_mariadb.socket, "SET GLOBAL read_only = 1")
    refused(ReadOnlyError, address, "takes no writes.*mode='ro'")
    reach(address, mode="ro")
    connected(strict_mariadb.socket, "SET GLOBAL read_only = 0")


# TLS


def over_tls(port, scheme, user, password, database, **options):
    asked = "&".join([f"{name}={value}" for name, value in options.items()])
    return f"{scheme}://{user}:{password}@127.0.0.1:{port}/{database}?{asked}"


@pytest.fixture
def safe_wire(strict_postgres, certificate):
    """The port of a wire that speaks TLS: PostgreSQL from wheels does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    wire = Wire(("127.0.0.1", 0), f"{strict_postgres.folder}/.s.PGSQL.5432", context)
    yield wire.here[1]
    wire.close()


def test_postgresql_is_reached_by_tls_and_its_certificate_is_checked(safe_wire, certificate):
    def address(**options):
        return over_tls(safe_wire, "postgresql", "stranger", SECRET, "postgres", **options)

    trusted = {"METASTORE_SSLROOTCERT": str(certificate / "cert")}
    reach(address(sslmode="require"))
    reach(address(sslrootcert=certificate / "cert"))
    reach(address(), environment=trusted)
    refused(UnreachableError, address(sslrootcert=certificate / "key"), "sslrootcert")
    refused(UnreachableError, address(sslmode="verify-full"), "no safe connection")


def test_mariadb_is_reached_by_tls_and_its_certificate_is_checked(strict_mariadb, certificate):
    def address(**options):
        return over_tls(strict_mariadb.port, "mysql", "root", "", "kept", **options)

    reach(address(sslmode="require"), mode="ro")
    reach(address(ssl_ca=certificate / "cert"), mode="ro")
    refused(UnreachableError, address(ssl_ca=certificate / "key"), "sslrootcert", mode="ro")
    refused(UnreachableError, address(sslmode="verify-full"), "no safe connection", mode="ro")


def test_a_server_without_tls_is_not_reached_where_tls_is_demanded(mysql_server):
    address = over_tls(mysql_server.port, "mysql", "root", SECRET, "mysql", sslmode="require")
    refused(UnreachableError, address, "no safe connection")


def test_a_file_of_tls_that_is_not_there_is_named(mysql_server):
    for options in ({"sslrootcert": "/nowhere/ca.pem"}, {"sslmode": "require", "sslcert": "/nowhere/ca.pem"}):
        address = over_tls(mysql_server.port, "mysql", "root", SECRET, "mysql", **options)
        refused(UnreachableError, address, "no safe connection .*/nowhere/ca.pem")


# servers and roles that are set up oddly


class Odd(Artifact, type_name="odd"):
    share: Field[float] = field(default=0.1 + 0.2)
    at: Field[datetime] = field()
    parent: Field[Link[Odd] | None] = field(default=None)


def test_what_mariadb_takes_in_no_statement_is_refused_at_once(mysql):
    at, long = datetime(2024, 2, 29, tzinfo=UTC), "x" * (1 << 24)
    with Catalog.open(mysql(), types=[Odd], timeout=1) as catalog:
        with pytest.raises(BackendError, match="max_allowed_packet"):
            catalog.add(Odd(name="long", at=at, description=long))
        with pytest.raises(BackendError, match="max_allowed_packet"):
            catalog.count(Odd, Odd.description == long)
        with catalog.transaction():
            made = catalog.add(Odd(name="short", at=at))
            with pytest.raises(BackendError, match="max_allowed_packet"), catalog.transaction():
                catalog.update(made, description=long)
        assert catalog.find(Odd).one() == made


def test_a_write_that_mariadb_refuses_late_is_not_kept_in_part(mysql):
    at = datetime(2024, 2, 29, tzinfo=UTC)
    with Catalog.open(mysql(), types=[Odd], timeout=1) as catalog:
        with pytest.raises(BackendError, match="spoilt the transaction, undo it"), catalog.transaction():
            catalog.add(Odd(name="long", at=at, tags=["a"], description="x" * (1 << 24)))
            with pytest.raises(BackendError, match="max_allowed_packet"):
                catalog.count(Odd)
            catalog.add(Odd(name="short", at=at))
        assert catalog.count(Odd) == 0
        assert catalog.check() == []


def kept_as_it_was(address):
    """Assert that texts, times, floats and long ways go in and out unchanged."""
    at = datetime(2024, 2, 29, 12, 0, 0, 123456, UTC)
    with Catalog.open(address, types=[Odd], durability="normal") as catalog:
        last = None
        for number in range(6):
            made = catalog.add(Odd(name=f"back\\slash ' \" {number}", at=at, parent=last and Link(last)))
            last = made
        assert catalog.find(Odd, Odd.at == at, Odd.name.startswith("back\\slash '")).count() == 6
        assert catalog.get(Odd, last.id) == last
        assert len(catalog.closure(last)) == 5
        assert catalog.check() == []


def test_settings_of_a_role_of_postgresql_change_no_answer(strict_postgres):
    with psycopg.connect(strict_postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE odd SUPERUSER LOGIN; CREATE SCHEMA odd")
        for name, value in {
            "standard_conforming_strings": "off", "default_transaction_isolation": "serializable", "TimeZone": "Asia/Kolkata",
            "extra_float_digits": "-5", "bytea_output": "escape", "DateStyle": "SQL, DMY", "search_path": "pg_temp",
        }.items():  # fmt: skip
            connection.execute(
                f"ALTER ROLE odd SET {name} = '{value}'" if "," not in value else f"ALTER ROLE odd SET {name} = {value}"
            )
    kept_as_it_was(strict_postgres.address(user="odd", schema="odd"))


def test_settings_of_a_server_of_mariadb_change_no_answer(strict_mariadb):
    kept_as_it_was(strict_mariadb.address("kept"))


# reads


@pytest.mark.parametrize(("reads", "waits"), [("latest", 1), ("any", 0)])
def test_a_node_of_a_cluster_is_waited_for_unless_reads_opt_out(mysql_server, reads, waits):
    with mysql_server.place(reads=reads) as address:
        settings = settings_of(address, {}, mode="rw", durability="normal", timeout=1.0)
        connections = Connections(settings, dialect_of("mysql"))
        assert connections.read("SELECT @@wsrep_sync_wait") == [(waits,)]
        connections.close()


def test_reads_that_opt_out_go_to_a_server_that_takes_no_writes(strict_postgres):
    address = strict_postgres.address(user="reader", reads="any")
    settings = settings_of(address, {}, mode="rw", durability="normal", timeout=0.2)
    connections = Connections(settings, dialect_of("postgresql"))
    assert connections.read("SELECT 1") == [(1,)]
    with pytest.raises(ReadOnlyError), Scope(connections):
        pass
    connections.close()

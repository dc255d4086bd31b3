"""One PostgreSQL and one MariaDB, and how a test gets an empty place on them within milliseconds."""

import os
from contextlib import contextmanager
from itertools import count

import psycopg
import pymysql

from metastore_sql.trial import mariadb, postgresql, system_user
from servers._shared import Shared

_numbers = count()


def new_name():
    return f"t{os.getpid()}_{next(_numbers)}"


class Postgres:
    """The run's PostgreSQL; `place` gives the address of a new empty schema that is dropped afterwards."""

    def __init__(self, folder):
        self._shared = Shared(folder, "postgresql", lambda home: {"folder": postgresql(home).folder})
        self.folder = self._shared.told["folder"]
        self.dsn = f"host={self.folder} user=postgres dbname=postgres"
        self._connection = psycopg.connect(self.dsn, autocommit=True)
        self._connection.execute("SET client_min_messages = error")
        self._connection.execute("SET lock_timeout = '20s'")

    def execute(self, statement):
        """Run one statement as the superuser, outside any transaction."""
        return self._connection.execute(statement)

    @contextmanager
    def place(self, **options):
        name = new_name()
        self.execute(f"CREATE SCHEMA {name}")
        try:
            yield self.address(schema=name, **options)
        finally:
            self.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def address(self, database="postgres", user="postgres", **options):
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?host={self.folder}{asked}"

    def close(self):
        self._connection.close()
        self._shared.close()


class Mysql:
    """The run's MariaDB; `place` gives the address of a new empty database that is dropped afterwards."""

    def __init__(self, folder):
        self._shared = Shared(folder, "mariadb", self._start, user=system_user())
        self.socket, self.port = self._shared.told["socket"], self._shared.told["port"]
        self._connection = self.connect(autocommit=True)
        self.execute("SET lock_wait_timeout = 20")

    @staticmethod
    def _start(home):
        made = mariadb(home)
        return {"socket": made.socket, "port": made.port}

    def connect(self, **options):
        return pymysql.connect(unix_socket=self.socket, user="root", **options)

    def execute(self, statement):
        """Run one statement as root and return its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    @contextmanager
    def place(self, **options):
        name = new_name()
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.address(name, **options)
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name}")

    def address(self, database, user="root", **options):
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"mysql://{user}@/{database}?unix_socket={self.socket}{asked}"

    def close(self):
        self._connection.close()
        self._shared.close()

"""One MariaDB, with the system's programs and nothing of the system's settings."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket as socket_module
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from metastore_sql.trial._home import HOST, Home, Process, ServerMissingError, free_ports, until

__all__ = ["DEBIAN", "MariaDB", "arguments", "connected", "initialised", "mariadb", "program", "system_user"]

DEBIAN = "apt-get install --no-install-recommends mariadb-server galera-4 rsync"


def program(name: str) -> str:
    """Return the path of one of MariaDB's programs."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if found is None:
        raise ServerMissingError(f"No {name} on this machine. On Debian: {DEBIAN}")
    return found


def system_user() -> str:
    """Return whom MariaDB runs as: the caller, but for root the ``mysql`` of the package, else nobody."""
    if os.geteuid():
        return getpass.getuser()
    with suppress(KeyError):
        return pwd.getpwnam("mysql").pw_name
    return "nobody"


class MariaDB:
    """A running MariaDB: its process, its socket and its port."""

    def __init__(self, process: Process, socket: str, port: int, data: Path, host: str = HOST) -> None:
        self.process, self.socket, self.port, self.data, self.host = process, socket, port, data, host

    def address(self, database: str, user: str = "root", **options: str) -> str:
        """Return the address through the socket; options as in any address."""
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"mysql://{user}@/{database}?unix_socket={self.socket}{asked}"

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until it takes connections."""
        until(lambda: connected(self.socket, "SELECT 1") is not None, "MariaDB", self.process.log, seconds)


def connected(socket: str, *statements: str) -> list[tuple[Any, ...]] | None:
    """Return the rows of the last statement, asked as root; None where the server does not answer."""
    import pymysql

    try:
        with _opened(socket) as opened, opened.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return list(cursor.fetchall())
    except (OSError, pymysql.err.OperationalError):
        return None


def _opened(path: str) -> Any:
    """Connect through a socket of our own: PyMySQL forgets to close its one when nobody listens."""
    import pymysql

    wire = socket_module.socket(socket_module.AF_UNIX)
    try:
        wire.connect(path)
        made = pymysql.connect(user="root", autocommit=True, unix_socket=path, defer_connect=True)
        made.connect(wire)
    except BaseException:
        wire.close()
        raise
    return made


def initialised(home: Home, name: str) -> Path:
    """Return a new data directory; its root has no password."""
    folder = home.folder(name)
    data = folder / "data"
    if not (data / "mysql").exists():
        args = [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        home.run([*args, "--auth-root-authentication-method=normal"])
    return data


def arguments(data: Path, socket: str, port: int, host: str, *, durable: bool = False) -> list[str]:
    """Return the command of one server."""
    return [
        program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--port={port}",
        f"--bind-address={host}", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
        f"--innodb-flush-log-at-trx-commit={1 if durable else 2}",
        *([] if durable else ["--innodb-flush-method=nosync", "--skip-innodb-doublewrite"]),
        "--skip-name-resolve", "--performance-schema=OFF", "--character-set-server=utf8mb4",
        "--default-storage-engine=InnoDB", "--max-connections=200",
    ]  # fmt: skip


def mariadb(
    home: Home, *, name: str = "mariadb", durable: bool = False, settings: Mapping[str, str] | None = None
) -> MariaDB:
    """Make and start a MariaDB in a home that was made for `system_user`; root has no password.

    Unless ``durable`` it waits for no disk. ``settings`` go to the command line, without their dashes.
    """
    data, socket, [port] = initialised(home, name), home.socket(f"{name}/socket"), free_ports(1)
    args = arguments(data, socket, port, HOST, durable=durable)
    args += [f"--{key}={value}" for key, value in (settings or {}).items()]
    made = MariaDB(home.process(name, args).start(), socket, port, data)
    made.wait()
    return made

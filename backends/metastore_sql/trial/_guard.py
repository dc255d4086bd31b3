"""Ends the servers of a directory when the last process that used them is gone, however it went.

Run as a program of its own (``python _guard.py DIRECTORY``) it waits for the directory's lock, which the kernel
takes from a process that is killed as from one that ends well. Needs nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["ended", "finish", "running"]

PATIENCE = 15.0


def running(pid: int) -> bool:
    """Return whether a process runs; one that is ours and has ended is buried."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ended(pid: int, stop: int, patience: float = PATIENCE) -> None:
    """End one process by its own signal, after ``patience`` seconds by SIGKILL; a frozen one is thawed for it."""
    with suppress(ProcessLookupError):
        for each in (stop, signal.SIGCONT):
            os.kill(pid, each)
        if not _gone(pid, patience):
            os.kill(pid, signal.SIGKILL)
            _gone(pid, patience)


def _gone(pid: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while running(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def finish(root: Path) -> None:
    """End what runs in a directory, the last started first; remove the directory where it is a temporary one."""
    for noted in sorted(root.glob("pids/*"), reverse=True):
        pid, stop = (int(each) for each in noted.read_text().split())
        ended(pid, stop)
        noted.unlink(missing_ok=True)
    for noted in root.glob("*/postmaster.pid"):
        with suppress(OSError, ValueError):
            ended(int(noted.read_text().split()[0]), signal.SIGINT)
    if (root / "temporary").exists():
        shutil.rmtree(root, ignore_errors=True)


def _main(root: Path) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with (root / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finish(root)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

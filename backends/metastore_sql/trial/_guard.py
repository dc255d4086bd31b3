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
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
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


def ended(pids: Iterable[int], stop: int, patience: float = PATIENCE) -> None:
    """End processes by their own signal, after ``patience`` seconds by SIGKILL; a frozen one is thawed for it."""
    left = list(pids)
    for number in (stop, signal.SIGCONT):
        _send(left, number)
    left = _left(left, patience)
    _send(left, signal.SIGKILL)
    _left(left, patience)


def _send(pids: Iterable[int], number: int) -> None:
    for each in pids:
        with suppress(ProcessLookupError):
            os.kill(each, number)


def _left(pids: list[int], patience: float) -> list[int]:
    until = time.monotonic() + patience
    while (pids := [each for each in pids if running(each)]) and time.monotonic() < until:
        time.sleep(0.005)
    return pids


def finish(root: Path) -> None:
    """End what runs in a directory, kind by kind, the last name first.

    Those of a temporary directory end in haste, since nothing of it is kept; the directory goes too.
    """
    hasty = (root / "temporary").exists()
    noted = sorted(root.glob("pids/*"), reverse=True)
    for _, kind in groupby(noted, lambda path: path.name.rstrip("0123456789")):
        told = [[int(each) for each in path.read_text().split()] for path in kind]
        ended([pid for pid, _, _ in told], told[0][2 if hasty else 1])
    for path in root.glob("*/*/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            ended([int(path.read_text().split()[0])], signal.SIGQUIT if hasty else signal.SIGINT)
    for path in noted:
        path.unlink(missing_ok=True)
    if hasty:
        shutil.rmtree(root, ignore_errors=True)


def _main(root: Path) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with (root / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finish(root)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

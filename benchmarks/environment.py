"""Say on what a benchmark ran: versions, machine, load and file system; never where."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTIONS = ("metastore-engine", "attrs", "cattrs", "sqlite-utils", "SQLAlchemy", "apsw")


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Return the versions that a figure depends on."""
    found = {name: version(name) for name in DISTRIBUTIONS}
    return {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version} | found


def machine() -> dict[str, Any]:
    """Return processor, cores and the load averages of the last 1, 5 and 15 minutes."""
    load = [round(value, 2) for value in os.getloadavg()]
    return {"system": platform.system(), "processor": processor(), "cores": os.cpu_count(), "load": load}


def processor() -> str:
    """Return the name of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def filesystem(directory: Path) -> str:
    """Return the kind of file system that holds `directory`."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    held = [(len(point), kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(held, default=(0, "unknown"))[1]


def medium(directory: Path) -> str:
    """Return `tmpfs` or `disk`: which bars apply to a run in `directory`."""
    return "tmpfs" if filesystem(directory) == "tmpfs" else "disk"


def about(directory: Path) -> dict[str, Any]:
    """Return what every result starts with."""
    place = {"medium": medium(directory), "filesystem": filesystem(directory)}
    return place | {"versions": versions(), "machine": machine()}


def load_after() -> dict[str, Any]:
    """Return the load averages at the end of a run."""
    return {"load_after": machine()["load"]}

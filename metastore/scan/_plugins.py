"""Which scanners there are, and how one is opened by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from metastore.errors import MetastoreError, nearest
from metastore.scan._contract import Options, Scanner

__all__ = ["GROUP", "open_scanner", "scanners"]

GROUP = "metastore.scanners"


def _installed() -> dict[str, EntryPoint]:
    return {each.name: each for each in entry_points(group=GROUP)}


def scanners() -> list[str]:
    """Return the names of the scanners that are installed, sorted.

    >>> {"debian", "python", "tree"} <= set(scanners())
    True
    """
    return sorted(_installed())


def open_scanner(name: str, target: str | None = None, options: Options | None = None) -> Scanner:
    """Return the scanner of that name, set on ``target`` (what that means is the scanner's to say; ``None``: its default).

    Raises MetastoreError for a name that no installed scanner has.
    """
    installed = _installed()
    if name not in installed:
        raise MetastoreError(f"there is no scanner {name!r}: {nearest(name, installed)}")
    scanner: Scanner = installed[name].load()(target, options or Options())
    return scanner

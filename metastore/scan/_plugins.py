"""Which scanners there are, and how one is opened by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from metastore.errors import MetastoreError, nearest
from metastore.scan._contract import Options, Scanner

__all__ = ["GROUP", "open_scanner", "scanners"]

GROUP = "metastore.scanners"

# The entry points of our own distribution say the same; a checkout that was never installed has none.
_OWN = {
    "debian": "metastore.scan._debian:open_scanner",
    "python": "metastore.scan._python:open_scanner",
    "tree": "metastore.scan._tree:open_scanner",
}


@cache
def _table() -> dict[str, str]:
    return {**_OWN, **{each.name: each.value for each in entry_points(group=GROUP)}}


def scanners() -> list[str]:
    """Return the names of the scanners that are installed, sorted.

    >>> {"debian", "python", "tree"} <= set(scanners())
    True
    """
    return sorted(_table())


def open_scanner(name: str, target: str | None = None, options: Options | None = None) -> Scanner:
    """Return the scanner of that name, set on ``target`` (what that means is the scanner's to say; ``None``: its default).

    Raises MetastoreError for a name that no installed scanner has.
    """
    if name not in _table():
        raise MetastoreError(f"there is no scanner {name!r}: {nearest(name, _table())}")
    module, _, attribute = _table()[name].partition(":")
    factory: Callable[[str | None, Options], Scanner] = getattr(import_module(module), attribute)
    return factory(target, options or Options())

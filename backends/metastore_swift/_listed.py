"""Many objects told of by a walk along their container's listing, as long as that takes fewer requests than asking each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress

from metastore_swift._crowd import each
from metastore_swift._entries import Entry, is_marker, of_listing, told_truly
from metastore_swift._names import joined, split
from metastore_swift._objects import PAGE, Objects
from metastore_swift._tree import headed

__all__ = ["entries"]

WORTH = 100
"""Rows of a listing that cost as much as asking one object, more or less: each is a line of SQLite and of JSON."""


def entries(objects: Objects, paths: Iterable[str]) -> dict[str, Entry]:
    """Return the entries of those paths where an object is, by path; those of a listing where it can be believed.

    A listing may lag behind what was stored a moment ago.
    """
    names: dict[str, set[str]] = {}
    for path in paths:
        container, name = split(path)
        names.setdefault(container, set()).add(name)
    found: dict[str, Entry] = {}
    for container, wanted in names.items():
        with suppress(FileNotFoundError):  # there is no such container, so there is nothing in it
            found |= {entry["name"]: entry for entry in _walked(objects, container, sorted(wanted))}
    return {path: entry for path, entry in found.items() if not is_marker(entry)}


def _walked(objects: Objects, container: str, names: list[str]) -> Iterator[Entry]:
    """Yield what is told of names, by pages of the listing, each from the first name on that none has told of yet."""
    doubted: list[str] = []
    while names:
        rows = objects.page(container, _just_before(names[0]), f"{names[-1]}\x01", min(PAGE, WORTH * len(names)))
        at = bisect_right(names, rows[-1]["name"]) if rows else len(names)
        passed, names = {*names[:at]}, names[at:]
        for entry in (of_listing(container, row) for row in rows if row["name"] in passed):
            if told_truly(entry):
                yield entry
            else:
                doubted.append(entry["name"])
        if len(rows) > WORTH * len(passed):
            break
    asked = [*doubted, *(joined(container, name) for name in names)]
    told = each(lambda path: headed(objects, path), asked, objects.account.settings.concurrency)
    yield from (entry for entry in told if entry)


def _just_before(name: str) -> str:
    """Return a text that sorts before a name, with hardly anything between them: a listing begins behind its marker."""
    last = ord(name[-1]) - 1 if name else 0
    if last < 1 or 0xD800 <= last < 0xE000:
        return name[:-1]
    return f"{name[:-1]}{chr(last)}\U0010ffff"

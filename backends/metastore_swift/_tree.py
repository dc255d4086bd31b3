"""The tree that slashes make of names: pseudo-directories, and what lies in and below them.

A pseudo-directory is there as long as something lies below it. Slashes that follow each other are one step down, and
stay in the names: ``c//a`` is an object in the container itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from metastore_swift._crowd import each
from metastore_swift._entries import Entry, directory, is_marker, of_container, of_listing, told_truly
from metastore_swift._names import joined, levels_above, split
from metastore_swift._objects import Objects

__all__ = ["below", "described", "everything_below", "headed", "listed", "missing"]


def missing(path: str) -> FileNotFoundError:
    """Return the error for a path where nothing is."""
    return FileNotFoundError(errno.ENOENT, "There is no such container, object or pseudo-directory", path or "/")


def described(objects: Objects, path: str) -> Entry:
    """Return the entry of whatever is at a path: an object before a pseudo-directory. Raises: FileNotFoundError."""
    container, name = split(path)
    if not container:
        return directory("")
    if not name:
        reply = objects.holds(container)
        told = {"count": reply.header("X-Container-Object-Count"), "bytes": reply.header("X-Container-Bytes-Used")}
        held = {name: int(text) for name, text in told.items() if text.isdigit()}
        return of_container({"name": container, **held})
    entry = headed(objects, path)
    if entry and not is_marker(entry):
        return entry
    if not entry and not objects.first(container, f"{name.rstrip('/')}/"):
        raise missing(path)
    return directory(path.rstrip("/"))


def listed(objects: Objects, path: str) -> list[Entry]:
    """Return the entries of a pseudo-directory, by name; that of an object alone. Raises: FileNotFoundError.

    Where an object and a pseudo-directory have one name, there are two entries.
    """
    container, name = split(path)
    if not container:
        return [of_container(row) for row in objects.rows()]
    found = {(entry["name"], entry["type"]): entry for entry in _level(objects, container, f"{name}/" if name else "")}
    if name and not found:
        entry = described(objects, path)
        return [] if entry["type"] == "directory" else [entry]
    found.pop((path, "directory"), None)
    return _truly(objects, [found[key] for key in sorted(found)])


def _level(objects: Objects, container: str, prefix: str) -> Iterator[Entry]:
    """Yield what a listing shows one level below a prefix, and the prefix's own marker as a directory."""
    further = []
    for row in objects.rows(container, prefix, "/"):
        if row.get("subdir") == f"{prefix}/":
            further.append(row["subdir"])
        elif "subdir" in row:
            yield directory(joined(container, row["subdir"][:-1]))
        else:
            entry = of_listing(container, row)
            yield directory(entry["name"].rstrip("/")) if is_marker(entry) else entry
    for deeper in further:
        yield from _level(objects, container, deeper)


def everything_below(objects: Objects, path: str) -> Iterator[Entry]:
    """Yield the objects below a path, markers too, as their container's listing has them."""
    container, name = split(path)
    for row in objects.rows(container, f"{name}/" if name else ""):
        yield of_listing(container, row)


def below(objects: Objects, path: str, *, withdirs: bool) -> dict[str, Entry]:
    """Return what is below a path, at any depth, by name; pseudo-directories as well if ``withdirs``."""
    container, _ = split(path)
    if not container:
        return _in_all(objects, withdirs=withdirs)
    files, folders = {}, {}
    for entry in everything_below(objects, path):
        for above in levels_above(entry["name"], path) if withdirs else ():
            folders[above] = directory(above)
        if not is_marker(entry):
            files[entry["name"]] = entry
        elif withdirs:
            folders[entry["name"].rstrip("/")] = directory(entry["name"].rstrip("/"))
    folders.pop(path, None)
    true = {entry["name"]: entry for entry in _truly(objects, list(files.values()))}
    return dict(sorted((folders | true).items()))


def _in_all(objects: Objects, *, withdirs: bool) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in listed(objects, ""):
        found |= ({entry["name"]: entry} if withdirs else {}) | below(objects, entry["name"], withdirs=withdirs)
    return dict(sorted(found.items()))


def _truly(objects: Objects, entries: list[Entry]) -> list[Entry]:
    """Ask the objects themselves where a listing cannot be believed; one that went meanwhile is left out."""
    doubted = [entry["name"] for entry in entries if not told_truly(entry)]
    asked = each(lambda name: headed(objects, name), doubted, objects.account.settings.concurrency)
    known = dict(zip(doubted, asked, strict=True))
    told = (entry if told_truly(entry) else known[entry["name"]] for entry in entries)
    return [entry for entry in told if entry]


def headed(objects: Objects, path: str) -> Entry | None:
    """Return the entry of the object at a path, or None."""
    try:
        return objects.head(*split(path))
    except FileNotFoundError:
        return None

"""Moves within the cluster: what goes where is known before anything does, and what was not copied is not removed."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Any

from fsspec.spec import AbstractFileSystem

from metastore_swift._crowd import each
from metastore_swift._entries import Entry
from metastore_swift._housekeeping import Housekeeping
from metastore_swift._names import split

__all__ = ["Moving"]


class Moving(Housekeeping):
    """The part of the filesystem that gives objects other paths."""

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        """Move objects, by copies on the server; where a path leads is what `copy` says. What is moved onto itself stays as it is.

        Only what was copied is removed, after all of it was. Raises: FileNotFoundError; IsADirectoryError unless ``recursive``;
        OSError (EINVAL) before anything is copied, where one object would take the place of another that is moved as well.
        """
        planned = _Planned(self)
        AbstractFileSystem.copy(planned, path1, path2, recursive=recursive, maxdepth=maxdepth, on_error="raise")  # type: ignore[arg-type]
        if not planned.pairs:
            raise IsADirectoryError(errno.EISDIR, "This is moved with recursive=True", path1)
        moved = [(source, target) for source, target in planned.pairs if split(source) != split(target)]
        _check_apart(moved)
        each(lambda pair: self.cp_file(*pair), moved, self.settings.concurrency)
        self._rm_moved([source for source, _ in moved])

    def _rm_moved(self, sources: list[str]) -> None:
        """Remove objects, and pseudo-directories and containers that have nothing in them any more."""
        entries = [entry for entry in each(self._there, sources, self.settings.concurrency) if entry]
        groups: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry["type"] == "file":
                groups.setdefault(split(entry["name"])[0], []).append(entry)
        for container, doomed in groups.items():
            self._rm_entries(container, doomed)
        for folder in sorted((entry["name"] for entry in entries if entry["type"] == "directory"), reverse=True):
            self._rm_if_empty(folder)

    def _there(self, path: str) -> Entry | None:
        with suppress(FileNotFoundError):  # somebody removed it meanwhile
            return self.info(path)  # type: ignore[no-any-return]
        return None

    def _rm_if_empty(self, folder: str) -> None:
        try:
            self.rmdir(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise


class _Planned:
    """What stands for a filesystem while fsspec's own `copy` says what goes where, and copies nothing."""

    def __init__(self, system: Moving) -> None:
        self.expand_path, self.isdir = system.expand_path, system.isdir
        self.pairs: list[tuple[str, str]] = []

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Note where a path goes."""
        self.pairs.append((path1, path2))


def _check_apart(pairs: list[tuple[str, str]]) -> None:
    sources = {split(source) for source, _ in pairs}
    for _, target in pairs:
        if split(target) in sources:
            raise OSError(errno.EINVAL, "This is moved itself, and something else would take its place", target)

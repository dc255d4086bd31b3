"""Containers made and removed, objects removed, and what broken uploads left behind."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from glob import has_magic
from typing import Any
from urllib.parse import unquote

from fsspec.utils import stringify_path

from metastore_swift import _crowd, _tree
from metastore_swift._entries import Entry, of_listing
from metastore_swift._names import bare, split, stripped
from metastore_swift._parts import OWN, segments_of
from metastore_swift._transfers import Transfers

__all__ = ["Housekeeping"]

DAY = 86_400


class Housekeeping(Transfers):
    """The part of the filesystem that makes room and cleans up."""

    def mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        """Make a container; ``storage_policy`` names one of the cluster's. A pseudo-directory needs no making.

        Raises: FileExistsError; FileNotFoundError for a path in a container that is not there, unless ``create_parents``.
        """
        path = stripped(stringify_path(path))
        container, name = split(path)
        if name and self._is_free(path, create_parents=create_parents):
            return
        if not container or name or not self._made(container, **kwargs):
            raise FileExistsError(errno.EEXIST, "It is there already", path)

    def _is_free(self, path: str, *, create_parents: bool) -> bool:
        """Return whether nothing is at a path, in a container that is there or is made now."""
        container, name = split(path)
        try:
            below = self.objects.first(container, f"{name}/")
        except FileNotFoundError:
            if not create_parents:
                raise
            self._made(container)
            return True
        return below is None and not _tree.headed(self.objects, path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make the container of a path, if it is not there. Raises: FileExistsError unless ``exist_ok``."""
        container, name = split(stripped(stringify_path(path)))
        if not exist_ok:
            self.mkdir(path)
        elif container:
            self._made(container)
            if name and self.isfile(path):
                raise FileExistsError(errno.EEXIST, "An object is there", path)

    def _made(self, container: str, storage_policy: str | None = None, **kwargs: Any) -> bool:
        return self.objects.make(container, {"X-Storage-Policy": storage_policy} if storage_policy else None)

    def rmdir(self, path: str) -> None:
        """Remove an empty container, or the marker of an empty pseudo-directory. Raises: OSError (ENOTEMPTY)."""
        path = stripped(stringify_path(path))
        container, name = split(path)
        if not name:
            self.objects.drop(container)
            return
        if any(entry["name"] != f"{path}/" for entry in _tree.everything_below(self.objects, path)):
            raise OSError(errno.ENOTEMPTY, "The pseudo-directory is not empty", path)
        self.objects.delete_if_there(container, f"{name}/")

    def rm_file(self, path: str) -> None:
        """Remove an object; of a static large one its segments too. Raises: FileNotFoundError, IsADirectoryError."""
        container, name = split(stringify_path(path))
        try:
            entry = self.objects.head(container, name) if name else _tree.described(self.objects, container)
        except FileNotFoundError:
            if not self.isdir(path):
                raise
            entry = {"type": "directory"}
        if entry["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, "This is removed with recursive=True", path)
        self.objects.delete(container, name, large=entry["kind"] == "slo")

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove objects; with ``recursive`` also what is below, and containers. Many go in few requests.

        Raises: FileNotFoundError, IsADirectoryError.
        """
        if recursive and maxdepth is None:
            for root in self._roots(path):
                self._rm_tree(root)
            return
        for each in reversed(self.expand_path(path, recursive=recursive, maxdepth=maxdepth)):
            if not recursive or not self.isdir(each):
                self.rm_file(each)

    def _roots(self, path: Any) -> list[str]:
        given = [path] if isinstance(path, str | os.PathLike) else list(path)
        paths = [stripped(stringify_path(each)) for each in given]
        return [root for each in paths for root in (self.expand_path(each) if has_magic(each) else [each])]

    def _rm_tree(self, path: str) -> None:
        container, name = split(path)
        if not container:
            raise PermissionError(errno.EPERM, "A whole account is not removed", path)
        doomed = list(_tree.everything_below(self.objects, path))
        if name:
            itself = _tree.headed(self.objects, path)
            doomed += [itself] if itself else []
        if name and not doomed:
            raise _tree.missing(path)
        self._rm_entries(container, doomed)
        if not name:
            self.objects.drop(container)

    def _rm_entries(self, container: str, doomed: list[Entry]) -> None:
        for entry in doomed:
            if entry["kind"] == "slo":
                self._rm_large(entry["name"])
        plain = [split(entry["name"])[1] for entry in doomed if entry["kind"] != "slo"]
        self.objects.delete_many(container, plain)

    def _rm_large(self, path: str) -> None:
        try:
            self.objects.delete(*split(path), large=True)
        except FileNotFoundError:  # it may be a segment that is missing
            if _tree.headed(self.objects, path):
                raise

    def orphans(self, container: str, older_than: float = DAY) -> list[Entry]:
        """Return segments, older than some seconds, that this filesystem sent for objects of a container and none needs.

        An upload that was killed leaves such, and overwriting a large object. Only manifests in the container itself are
        looked at: do not sweep by this what other programs may have copied elsewhere by manifest. Nothing is removed.
        """
        container = split(container)[0]
        within = segments_of(self.objects, container)
        since = datetime.now(UTC) - timedelta(seconds=older_than)
        try:
            found = [of_listing(within, row) for row in self.objects.rows(within)]
        except FileNotFoundError:
            return []
        needed = self._needed(container)  # asked after the segments, so that none of a new object is missed
        ours = [entry for entry in found if OWN.search(entry["name"]) and entry["name"] not in needed]
        return [entry for entry in ours if entry["last_modified"] < since]

    def _needed(self, container: str) -> set[str]:
        """Return the segments that the manifests of a container name, and those of manifests among them."""
        return self._named([(container, row["name"]) for row in self.objects.rows(container) if "slo_etag" in row])

    def _named(self, todo: list[tuple[str, str]]) -> set[str]:
        """Return the segments that manifests name, and those of manifests among them."""
        needed: set[str] = set()
        while todo:
            for row in self._rows_of(*todo.pop()):
                place = bare(row.get("name", ""))
                needed.add(place)
                if row.get("sub_slo"):
                    todo.append(split(place))
        return needed

    def _rows_of(self, container: str, name: str) -> list[dict[str, Any]]:
        """Return what a manifest names, nothing where it was removed, or replaced, since it was listed."""
        try:
            return self.objects.manifest(container, name)
        except FileNotFoundError:
            if self._is_listed(container, name):  # it may be there, on servers that do not answer now
                raise
            return []

    def _is_listed(self, container: str, name: str) -> bool:
        try:
            found = self.objects.first(container, name)
        except FileNotFoundError:
            return False
        return found is not None and found.get("name") == name

    def pieces(self, container: str) -> tuple[set[str], tuple[str, ...]]:
        """Return the names in a container of what its other objects consist of or lead to, and how such names begin.

        Those are segments of static large objects and targets of symlinks; names that dynamic large objects gather have a
        beginning in common. Objects of other containers are not asked.
        """
        large: list[tuple[str, str]] = []
        empty: list[str] = []
        found: set[str] = set()
        for row in self.objects.rows(container):
            if "slo_etag" in row:
                large.append((container, row["name"]))
            elif "symlink_path" in row:
                found.add("/".join(unquote(row["symlink_path"]).split("/")[3:]))
            elif not row["bytes"]:
                empty.append(row["name"])
        gathered = _crowd.each(lambda name: self._gathers(container, name), empty, self.settings.concurrency)
        within = f"{container}/"
        names = {path.removeprefix(within) for path in found | self._named(large) if path.startswith(within)}
        return names, tuple(path.removeprefix(within) for path in gathered if path.startswith(within))

    def _gathers(self, container: str, name: str) -> str:
        """Return how the paths begin that an object gathers, if it is a dynamic large one."""
        try:
            return unquote(self.objects.account.ask("HEAD", container, name).header("X-Object-Manifest"))
        except FileNotFoundError:
            return ""

"""The filesystem that fsspec knows as ``swift``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from fsspec.utils import stringify_path

from metastore_swift import _tree
from metastore_swift._account import Account
from metastore_swift._crowd import each
from metastore_swift._entries import Entry, is_marker, told_truly
from metastore_swift._listed import entries
from metastore_swift._moving import Moving
from metastore_swift._names import PROTOCOL, bare, split, stripped
from metastore_swift._objects import Objects
from metastore_swift._settings import public, settings_from
from metastore_swift._tempurl import signed

__all__ = ["SwiftFileSystem"]

FSSPEC_OPTIONS = ("asynchronous", "loop", "use_listings_cache", "listings_expiry_time", "max_paths")
_living: WeakValueDictionary[int, SwiftFileSystem] = WeakValueDictionary()


class SwiftFileSystem(Moving):
    """Objects of an OpenStack Swift as files: ``swift://container/name``.

    Credentials, as options or from the environment (``OS_*``, ``ST_*``): ``token`` and ``storage_url``; ``auth_url``,
    ``user`` and ``key`` (tempauth); ``auth_url``, ``username``, ``password``, ``project_name`` (Keystone, or one of its
    application credentials). See `Settings` for all options.

    Threads may share a filesystem, and it goes on in the child of a fork. Listings are never kept: every answer is Swift's
    own. A pickle carries no secret; it opens with those of the living filesystem with the same options, or of the
    environment.

    Raises: FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, or another `OSError` with a sentence.
    """

    protocol = PROTOCOL
    root_marker = ""
    sep = "/"

    def __init__(self, **options: Any) -> None:
        told = {name: value for name, value in options.items() if name not in FSSPEC_OPTIONS}
        super().__init__()
        self.settings = settings_from(told)
        self.objects = Objects(Account(self.settings))
        self._public = public(told)
        _living[id(self)] = self

    @property  # fsspec's is an attribute, which would keep the secrets: pickles and to_json are made of it
    def storage_options(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The options this was made with, without the secret ones."""
        return dict(self._public)

    @storage_options.setter
    def storage_options(self, value: Mapping[str, Any]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Take fsspec's copy of the options, and keep none of its secrets."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (type(self), self._public)

    def __repr__(self) -> str:
        where = self.settings.storage_url or self.settings.auth_url or "nowhere"
        return f"<{type(self).__name__} at {where}>"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each_) for each_ in path]
        return stripped(stringify_path(path))

    def info(self, path: str, **kwargs: Any) -> Entry:
        """Return what Swift tells of an object (asking itself, not a listing), a pseudo-directory or a container.

        ``name``, ``size`` in bytes and ``type``; for objects also ``etag``, ``md5`` (None for large objects, whose ETag is
        none), ``kind`` (object, slo, dlo), ``content_type``, ``last_modified``, ``delete_at``, ``metadata``.
        """
        return _tree.described(self.objects, bare(stringify_path(path)))

    def info_many(self, paths: Iterable[str], on_error: str = "raise") -> dict[str, Any]:
        """Return `info` of each path, asked several at a time.

        ``on_error``: "raise", "omit" those that cannot be told of, or "return" the error in their place.
        """
        return self._many(self.info, [stripped(stringify_path(path)) for path in paths], on_error)

    def entries(self, paths: Iterable[str]) -> dict[str, Entry]:
        """Return what listings tell of objects (an `info` without metadata and expiry), by path; what is no object is left out.

        Neighbours in a container are told of thousands in a request; where listings would take longer, or show an object
        untruly, the objects are asked themselves. A listing may lag behind what was stored a moment ago.
        """
        return entries(self.objects, [bare(stringify_path(path)) for path in paths])

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return whether anything is there; what may not be seen is an error and not an absence."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isdir(self, path: str) -> bool:
        """Return whether a pseudo-directory or a container is there."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Return whether an object is there."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """Return what lies in a pseudo-directory, a container or the account, by name."""
        found = _tree.listed(self.objects, stripped(stringify_path(path)))
        return found if detail else [entry["name"] for entry in found]

    def walk(
        self, path: str, maxdepth: int | None = None, topdown: bool = True, on_error: Any = "omit", **kwargs: Any
    ) -> Any:
        """Yield (path, directories, files) of a tree, as `os.walk`; names are relative, and may begin with slashes."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path, detail = stripped(stringify_path(path)), kwargs.get("detail", False)
        try:
            listing = self.ls(path)
        except OSError as error:
            _heard(on_error, error)
            return
        start = len(path) + 1 if path else 0
        folders = {entry["name"][start:]: entry for entry in listing if entry["type"] == "directory"}
        files = {entry["name"][start:]: entry for entry in listing if entry["type"] != "directory"}
        inside = {entry["name"]: name for name, entry in folders.items()}
        told = (folders, files) if detail else (list(folders), list(files))
        if topdown:
            yield path, *told
        for folder, name in inside.items() if maxdepth != 1 else ():
            if not topdown or name in told[0]:
                yield from self.walk(folder, maxdepth and maxdepth - 1, topdown, on_error, detail=detail)
        if not topdown:
            yield path, *told

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any
    ) -> Any:
        """Return all objects below a path, by name; as a dict of entries if ``detail``.

        Without ``maxdepth`` that is one listing, a request for each ten thousand objects.
        """
        path = stripped(stringify_path(path))
        try:
            found = self._found(path, maxdepth, withdirs)
        except FileNotFoundError:
            found = {}
        return found if detail else list(found)

    def below(self, path: str) -> Iterator[Entry]:
        """Yield the objects below a path as they are listed, by name, however many there are; not the markers of pseudo-directories.

        What a listing cannot tell of an object, the object itself is asked; one that went meanwhile is left out.
        """
        for entry in _tree.everything_below(self.objects, stripped(stringify_path(path))):
            told = entry if told_truly(entry) or is_marker(entry) else _tree.headed(self.objects, entry["name"])
            if told and not is_marker(told):
                yield told

    def _found(self, path: str, maxdepth: int | None, withdirs: bool) -> dict[str, Entry]:
        if maxdepth is None:
            found = _tree.below(self.objects, path, withdirs=withdirs)
        else:
            found = self._found_by_level(path, maxdepth, withdirs)
        if not found or (withdirs and path):
            entry = self.info(path)
            if withdirs or entry["type"] == "file":
                found = {path: entry} | found
        return found

    def _found_by_level(self, path: str, maxdepth: int, withdirs: bool) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for _, folders, files in self.walk(path, maxdepth, detail=True):
            for entry in [*(folders.values() if withdirs else ()), *files.values()]:
                found[entry["name"]] = entry
        return dict(sorted(found.items()))

    def du(
        self, path: str, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any
    ) -> Any:
        """Return the bytes below a path, or those of each object unless ``total``."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        sizes = {name: entry["size"] for name, entry in found.items()}
        return sum(sizes.values()) if total else sizes

    def sizes(self, paths: list[str]) -> list[int | None]:
        """Return the size of each object, asked several at a time."""
        return [entry["size"] for entry in each(self.info, paths, self.settings.concurrency)]

    def modified(self, path: str) -> datetime:
        """Return when an object was stored last, in UTC. Raises: IsADirectoryError."""
        entry = self.info(path)
        if entry["type"] == "directory":
            raise IsADirectoryError(f"A pseudo-directory has no time: {path}")
        when: datetime = entry["last_modified"]
        return when

    def ukey(self, path: str) -> str:
        """Return a text that changes with the object's content."""
        entry = self.info(path)
        known = [entry.get("etag"), entry["size"], str(entry.get("last_modified"))]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()

    def checksum(self, path: str) -> int:
        """Return a number that changes with the object's content."""
        return int(self.ukey(path), 16)

    def sign(self, path: str, expiration: float = 100, method: str = "GET", **kwargs: Any) -> str:
        """Return a TempURL: an address by which anyone may GET, HEAD, PUT, POST or DELETE this object for some seconds.

        Further arguments: ``digest`` ("sha256" or "sha512"), ``filename`` for the one who downloads. A URL to PUT binds
        neither size nor content. Raises: PermissionError without a key; ValueError.
        """
        container, name = split(stringify_path(path))
        if not name:
            raise ValueError(f"A URL is signed for an object, and {path!r} is none.")
        return signed(self.objects.account, container, name, method=method.upper(), expiration=expiration, **kwargs)


def _heard(on_error: Any, error: OSError) -> None:
    if on_error == "raise":
        raise error
    if callable(on_error):
        on_error(error)


def _reopened(kind: type[SwiftFileSystem], options: Mapping[str, Any]) -> SwiftFileSystem:
    """Return the filesystem of a pickle: a living one with these options, or one with the environment's secrets.

    Where living ones differ in their secrets, none of them is taken: it cannot be known which was meant.
    """
    living = [each_ for each_ in list(_living.values()) if type(each_) is kind and each_._public == options]
    if living and all(each_.settings == living[0].settings for each_ in living):
        return living[0]
    return kind(**options)

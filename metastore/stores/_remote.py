"""Stores behind fsspec: any protocol it knows, with S3 and Swift by drives of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar, cast

from metastore.errors import KeyTakenError, MissingExtraError, StoreError, StoresFileError, StoreUnreachableError
from metastore.stores._drive import ASIDE, BLOCK, Stat, Unfinished, ask, is_own
from metastore.stores._secret import Hidden
from metastore.stores._store import Store

__all__ = ["RemoteDrive", "ahead", "file_system", "remote"]

T = TypeVar("T")


def remote(store: Store) -> RemoteDrive:
    """Return the drive of a store by its protocol."""
    if store.place.protocol in ("s3", "s3a"):
        from metastore.stores._s3 import S3Drive

        return cast("RemoteDrive", S3Drive(store))
    if store.place.protocol == "swift":
        from metastore.stores._swift import SwiftDrive

        return cast("RemoteDrive", SwiftDrive(store))
    return RemoteDrive(store, dict(store.options))


class RemoteDrive:
    """A store that fsspec reaches; it reads in ranges, so that no body is longer than what was asked for."""

    def __init__(self, store: Store, options: dict[str, Any]) -> None:
        self._store, self._name = store, store.name
        place = store.place
        self._base = "/".join([place.root, *place.segments]).strip("/")
        self._fs = ask(store.name, None, file_system, store, options)

    def path(self, key: str) -> str:
        """Return the path of a key as its file system knows it."""
        return f"{self._base}/{key}" if self._base else key

    def stat(self, key: str) -> Stat:
        """Return what the file system tells of an object."""
        return _stat(ask(self._name, key, self._info, key))

    def _info(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self._fs.info(self.path(key))
        if found.get("type") == "directory":
            raise FileNotFoundError
        return found

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in blocks, the next one on its way while one is used."""
        size = self.stat(key).size
        end = size if stop is None else stop if size is None else min(stop, size)
        if end is None:
            yield ask(self._name, key, self._fs.cat_file, self.path(key), start=start or None)
            return
        steps = [(at, min(at + BLOCK, end)) for at in range(start, end, BLOCK)]
        yield from ahead(lambda step: self._block(key, *step), steps)

    def _block(self, key: str, start: int, stop: int) -> bytes:
        found: bytes = ask(self._name, key, self._fs.cat_file, self.path(key), start=start, end=stop)
        if len(found) != stop - start:
            raise StoreUnreachableError(
                f"the store {self._name} at {key[:200]!r}: it gave {len(found)} bytes where {stop - start} were asked for",
                store=self._name,
                key=key,
            )
        return found

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Write an object, and take away what was written of it where that fails."""
        if ask(self._name, key, self._fs.exists, self.path(key)):
            raise KeyTakenError(
                f"the store {self._name} at {key[:200]!r}: something lies there", store=self._name, key=key
            )
        try:
            self._write(key, chunks)
        except BaseException:
            with contextlib.suppress(StoreError):
                self.remove(key)
            raise
        return self.stat(key)

    def _write(self, key: str, chunks: Iterable[bytes]) -> None:
        path = self.path(key)
        ask(self._name, key, self._fs.makedirs, path.rpartition("/")[0], exist_ok=True)
        file = ask(self._name, key, self._fs.open, path, "wb")
        try:
            for chunk in chunks:
                ask(self._name, key, file.write, chunk)
        finally:
            ask(self._name, key, file.close)

    def remove(self, key: str) -> None:
        """Take an object away."""

        def gone() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self.path(key))

        ask(self._name, key, gone)

    def keys(self) -> Iterator[tuple[str, Stat]]:
        """Yield what lies below the store's url, by name."""
        return ((key, told) for key, told in self._below("") if not is_own(key))

    def _below(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Yield whatever the file system finds below a folder of the store, by its key; the folder may be missing."""
        base = self.path(folder).rstrip("/")
        found: dict[str, dict[str, Any]] = ask(self._name, None, self._fs.find, base, detail=True)
        for path in sorted(found):
            yield path.strip("/").removeprefix(self._base).strip("/"), _stat(found[path])

    # sweeping

    def move(self, key: str, to: str) -> None:
        """Copy an object on the server, and take the first one away."""
        if ask(self._name, to, self._fs.exists, self.path(to)):
            raise KeyTakenError(
                f"the store {self._name} at {to[:200]!r}: something lies there", store=self._name, key=to
            )
        self.stat(key)
        self._copied(key, to)
        self.remove(key)

    def _copied(self, key: str, to: str) -> None:
        ask(self._name, to, self._fs.makedirs, self.path(to).rpartition("/")[0], exist_ok=True)
        ask(self._name, key, self._fs.cp_file, self.path(key), self.path(to))

    def aside(self) -> Iterator[tuple[str, Stat]]:
        """Yield what was put aside."""
        return ((key.removeprefix(f"{ASIDE}/"), told) for key, told in self._below(ASIDE))

    def unfinished(self) -> Iterator[Unfinished]:
        """Yield nothing: fsspec does not tell."""
        return iter(())

    def abandon(self, key: str, upload: str) -> None:
        """Do nothing: there is nothing unfinished."""

    def pieces(self) -> Container[str]:
        """Return nothing: objects are taken to be whole."""
        return frozenset()


def _modified(info: dict[str, Any]) -> datetime | None:
    for name in ("last_modified", "LastModified", "mtime", "modified", "updated", "created"):
        value = info.get(name)
        with contextlib.suppress(ValueError, OverflowError, OSError):
            if isinstance(value, str):
                value = datetime.fromisoformat(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                value = datetime.fromtimestamp(value, UTC)
            if isinstance(value, datetime):
                return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return None


def _stat(info: dict[str, Any]) -> Stat:
    size, modified = info.get("size"), _modified(info)
    mark = next((str(info[name]) for name in ("ETag", "etag", "md5") if info.get(name)), None)
    if mark is None and modified is not None:
        mark = modified.astimezone(UTC).isoformat()  # a listing may tell the same time in another form
    return Stat(size if type(size) is int else None, mark, modified=modified)


def ahead(get: Callable[[T], bytes], steps: Iterable[T]) -> Iterator[bytes]:
    """Yield what ``get`` returns for each step, in order, one step ahead of who asks."""
    with ThreadPoolExecutor(1, thread_name_prefix="metastore-read") as pool:
        coming = None
        for step in steps:
            found, coming = coming, pool.submit(get, step)
            if found is not None:
                yield found.result()
        if coming is not None:
            yield coming.result()


def file_system(store: Store, options: dict[str, Any]) -> Any:
    """Return a new file system of fsspec for a store; it is in no cache of fsspec's."""
    try:
        fsspec: Any = import_module("fsspec")  # by name: it says that it is typed, and is not
    except ImportError:
        raise MissingExtraError("stores need the package fsspec: pip install fsspec") from None
    protocol = store.place.protocol
    try:
        kind = fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as missing:
        why = str(missing).replace("\n", " ")
        raise StoresFileError(
            f"the store {store.name}: {protocol} cannot be opened: {why:.200}", store=store.name
        ) from None
    given = Hidden(options)
    given.update({name: each.reveal().text for name, each in store.credentials.items()})
    return kind(skip_instance_cache=True, **given)

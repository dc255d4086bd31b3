"""Files below one folder: no symbolic link is followed there, whoever makes one meanwhile, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat as modes
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from metastore._data import EMPTY
from metastore.errors import MissingBytesError, StoreError, StoreUnreachableError, UnsafeUrlError
from metastore.stores._drive import ASIDE, PART, Stat, Unfinished, ask, is_own

__all__ = ["LocalDrive"]

CHUNK = 2**20
T = TypeVar("T")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINKED = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}


class LocalDrive:
    """A folder of this machine. Each step of a key is opened in the folder before it, so that no name is resolved twice."""

    least, at_once = CHUNK, 1

    def __init__(self, name: str, root: str) -> None:
        self._name, self._root = name, root

    # reading

    def stat(self, key: str) -> Stat:
        """Return size, and inode with time of change as its mark."""

        def found() -> Stat:
            file = self._file(key)
            try:
                return _stat(os.fstat(file))
            finally:
                os.close(file)

        return ask(self._name, key, found)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in chunks of 1 MiB."""
        file = ask(self._name, key, self._file, key)
        try:
            at, end = start, stop
            while end is None or at < end:
                chunk = ask(self._name, key, os.pread, file, CHUNK if end is None else min(CHUNK, end - at), at)
                if not chunk:
                    return
                at += len(chunk)
                yield chunk
        finally:
            os.close(file)

    def keys(self) -> Iterator[tuple[str, Stat]]:
        """Yield every regular file below the folder, by name."""
        return ((key, told) for key, told in self._files() if not is_own(key))

    def _files(self) -> Iterator[tuple[str, Stat]]:
        root = ask(self._name, None, self._top)
        try:
            for folder, folders, files, at in os.fwalk(".", dir_fd=root, follow_symlinks=False):
                folders.sort()
                below = "" if folder == "." else folder.removeprefix("./") + "/"
                for each in sorted(files):
                    with contextlib.suppress(FileNotFoundError):  # it went while the folder was read
                        found = os.stat(each, dir_fd=at, follow_symlinks=False)
                        if modes.S_ISREG(found.st_mode):
                            yield below + each, _stat(found)
        finally:
            os.close(root)

    def listed(self, keys: Iterable[str]) -> dict[str, Stat]:
        """Return what folders tell of their files: none is opened, so one may be among them that cannot be read."""
        folders: dict[str, list[str]] = {}
        for key in keys:
            folders.setdefault(key.rpartition("/")[0], []).append(key)
        told: dict[str, Stat] = {}
        for own in folders.values():
            with contextlib.suppress(StoreError):
                told |= ask(self._name, own[0], self._told, own)
        return told

    def _told(self, keys: Iterable[str]) -> dict[str, Stat]:
        """Return what the folder that keys have in common tells of them."""
        first, *_ = keys = [*keys]
        at, told = self._folder(first), dict[str, Stat]()
        try:
            for key in keys:
                with contextlib.suppress(OSError):
                    found = os.stat(key.rpartition("/")[2], dir_fd=at, follow_symlinks=False)
                    if modes.S_ISREG(found.st_mode):
                        told[key] = _stat(found)
        finally:
            os.close(at)
        return told

    # writing

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Write a file under another name, make it durable, and give it its name if that is free."""
        upload, offset = self.begin(key), 0
        try:
            for chunk in chunks:
                self.send(key, upload, 1, chunk, offset)
                offset += len(chunk)
            self.finish(key, upload, {})
        except BaseException:
            with contextlib.suppress(StoreError):
                self.abandon(key, upload)
            raise
        return self.stat(key)

    def remove(self, key: str) -> None:
        """Unlink the file."""
        with contextlib.suppress(MissingBytesError):
            self._in_folder(key, lambda folder, name: os.unlink(name, dir_fd=folder), make=False)

    # sweeping

    def move(self, key: str, to: str) -> None:
        """Give a file another name; a link fails where that is taken, which a rename would not."""

        def moved(folder: int, name: str) -> None:
            self._in_folder(to, lambda target, other: _linked(folder, name, target, other))
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

        self.stat(key)  # nothing that is no file of this folder is moved, and no folder is made for what is not there
        self._in_folder(key, moved)

    def aside(self) -> Iterator[tuple[str, Stat]]:
        """Yield the files that were put aside."""
        below = f"{ASIDE}/"
        return ((key.removeprefix(below), told) for key, told in self._files() if key.startswith(below))

    def unfinished(self) -> Iterator[Unfinished]:
        """Yield the files of parts, each as the key of itself."""
        for key, told in self._files():
            name = key.rpartition("/")[2]
            if name.startswith(f"{PART}-") and not key.startswith(f"{ASIDE}/"):
                yield Unfinished(key, key, name.removeprefix(f"{PART}-"), told.size, told.modified)

    def pieces(self) -> frozenset[str]:
        """Return nothing: a file is whole."""
        return frozenset()

    # in parts: one file that grows

    def begin(self, key: str, *, media_type: str | None = None) -> str:
        """Make the file that the parts go to."""
        upload = secrets.token_hex(8)
        self._in_folder(key, lambda folder, _: os.close(os.open(_part(upload), _CREATE, 0o640, dir_fd=folder)))
        return upload

    def sent(self, key: str, upload: str, size: int) -> dict[int, str]:
        """Return the marks of the parts that are whole, by reading them."""

        def marks(file: int) -> dict[int, str]:
            whole = os.fstat(file).st_size // size
            return {number + 1: _mark(_read_at(file, number * size, size)) for number in range(whole)}

        return self._in_part(key, upload, os.O_RDONLY, marks)

    def send(self, key: str, upload: str, number: int, part: bytes, offset: int) -> str:
        """Write a part at its place."""
        self._in_part(key, upload, os.O_WRONLY, lambda file: _write_at(file, offset, part))
        return _mark(part)

    def finish(self, key: str, upload: str, marks: Mapping[int, str]) -> None:
        """Make the file durable and give it its name if that is free."""

        def named(folder: int, name: str) -> None:
            file = os.open(_part(upload), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                os.fsync(file)
            finally:
                os.close(file)
            _linked(folder, _part(upload), folder, name)
            os.unlink(_part(upload), dir_fd=folder)

        self._in_folder(key, named)

    def abandon(self, key: str, upload: str) -> None:
        """Unlink the file of the parts."""

        def gone(folder: int, _: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_part(upload), dir_fd=folder)

        self._in_folder(key, gone)

    # where a key leads

    def _in_part(self, key: str, upload: str, how: int, act: Callable[[int], T]) -> T:
        def opened(folder: int, _: str) -> T:
            file = os.open(_part(upload), how | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                return act(file)
            finally:
                os.close(file)

        return self._in_folder(key, opened)

    def _in_folder(self, key: str, act: Callable[[int, str], T], *, make: bool = True) -> T:
        """Return what ``act`` returns for the folder of a key, made where it is not there, unless said, and the name in it."""

        def opened() -> T:
            *folders, name = key.split("/")
            at = self._top()
            try:
                for each in folders:
                    at = self._below(at, each, key, make=make)
                return act(at, name)
            finally:
                os.close(at)

        return ask(self._name, key, opened)

    def _file(self, key: str) -> int:
        """Open the file of a key for reading."""
        at = self._folder(key)
        try:
            return self._regular(at, key.rpartition("/")[2], key)
        finally:
            os.close(at)

    def _top(self) -> int:
        """Open the folder of the store; while that is away, as when it is not mounted, nothing in it is known to be gone."""
        try:
            return os.open(self._root, _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreUnreachableError(
                f"the store {self._name}: its folder {self._root} is not there; make it, or mount it", store=self._name
            ) from None

    def _folder(self, key: str) -> int:
        """Open the folder of a key, each in the one before."""
        at = self._top()
        try:
            for each in key.split("/")[:-1]:
                at = self._below(at, each, key)
        except BaseException:
            os.close(at)
            raise
        return at

    def _below(self, at: int, name: str, key: str, *, make: bool = False) -> int:
        """Open a folder in the folder ``at``, which is closed: the caller holds one of them at any time."""
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o750, dir_fd=at)
                os.fsync(at)
        try:
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
        except OSError as broken:
            if broken.errno in _LINKED:
                raise self._linked(key) from None
            raise
        os.close(at)
        return below

    def _regular(self, at: int, name: str, key: str) -> int:
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        except OSError as broken:
            if broken.errno in _LINKED:
                raise self._linked(key) from None
            raise
        if modes.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        raise MissingBytesError(
            f"the store {self._name} at {key[:200]!r}: there is no file, but something else", store=self._name, key=key
        )

    def _linked(self, key: str) -> UnsafeUrlError:
        return UnsafeUrlError(
            f"the store {self._name} at {key[:200]!r}: the path leads through a symbolic link, or through what is no folder",
            store=self._name,
            key=key,
        )


_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def _part(upload: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{16}", upload):
        raise FileNotFoundError  # it comes back from the caller, and is a name of ours or nothing
    return f"{PART}-{upload}"


def _mark(part: bytes) -> str:
    return hashlib.md5(part, usedforsecurity=False).hexdigest()


def _stat(found: os.stat_result) -> Stat:
    mark = f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
    return Stat(found.st_size, mark, EMPTY, None, datetime.fromtimestamp(found.st_mtime, UTC))


def _read_at(file: int, offset: int, size: int) -> bytes:
    chunks = []
    while size and (chunk := os.pread(file, size, offset)):
        chunks.append(chunk)
        offset, size = offset + len(chunk), size - len(chunk)
    return b"".join(chunks)


def _write_at(file: int, offset: int, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        count = os.pwrite(file, rest, offset)
        offset, rest = offset + count, rest[count:]


def _linked(folder: int, name: str, target: int, other: str) -> None:
    """Give a file one more name; a link fails where the name is taken, which a rename would not."""
    os.link(name, other, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
    os.fsync(target)

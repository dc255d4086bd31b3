"""How bytes come and go: whole, in parts, as files, from and to the disk, between places of one cluster."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.compression import compr
from fsspec.core import get_compression
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike, stringify_path

from metastore_swift._copying import copied
from metastore_swift._crowd import each, or_error
from metastore_swift._entries import is_marker
from metastore_swift._headers import stored_with
from metastore_swift._names import split, stripped, to_write
from metastore_swift._objects import Objects
from metastore_swift._parts import Parts
from metastore_swift._ranges import part
from metastore_swift._reader import SwiftReader
from metastore_swift._reading import Reading
from metastore_swift._resumable import Resumable
from metastore_swift._settings import MEBIBYTE, Settings
from metastore_swift._writer import Compressed, SwiftText, SwiftWriter, put_bytes

__all__ = ["Transfers"]

FOR_READERS = ("cache_type", "size")
TEXT = ("encoding", "errors", "newline")
MODES = {"overwrite": "wb", "create": "xb"}
STRETCH = 4
"""Blocks of a segment whose bytes are in memory anyway, or on the disk; fewer segments are less work for Swift."""


class Transfers(AbstractFileSystem):
    """The half of the filesystem that moves bytes.

    What stores an object takes ``content_type``, ``metadata`` (texts by name), and ``delete_after`` (seconds) or ``delete_at``
    (a moment), when Swift removes it.
    """

    objects: Objects
    settings: Settings

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Return ``content[start:end]``; the whole of a plain object is compared with its MD5."""
        return part(self.objects, *split(stringify_path(path)), start, end)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """Return the content of an object, or of several by path, fetched several at a time.

        ``on_error`` is "raise", "omit" or "return", as for `info_many`.
        """
        paths = self.expand_path(path, recursive=recursive)
        if recursive:
            paths = [each_ for each_ in paths if not self.isdir(each_)]
        elif isinstance(path, str | os.PathLike) and paths == [stripped(stringify_path(path))]:
            return self.cat_file(paths[0], **kwargs)
        return self._many(lambda each_: self.cat_file(each_, **kwargs), paths, on_error)

    def _many(self, work: Any, paths: list[str], on_error: str) -> dict[str, Any]:
        tried = work if on_error == "raise" else or_error(work)
        found = dict(zip(paths, each(tried, paths, self.settings.concurrency), strict=True))
        if on_error == "omit":
            return {path: value for path, value in found.items() if not isinstance(value, Exception)}
        return found

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Return one part of each path, fetched several at a time; an error in its place, unless ``on_error`` is "raise"."""
        if max_gap is not None:
            raise NotImplementedError("Ranges are fetched as they are given: leave max_gap out.")
        starts, ends = (given if isinstance(given, list) else [given] * len(paths) for given in (starts, ends))
        if not len(paths) == len(starts) == len(ends):
            raise ValueError(f"{len(paths)} paths, {len(starts)} starts and {len(ends)} ends do not belong together.")
        asked = list(zip(paths, starts, ends, strict=True))
        work = self._range if on_error == "raise" else or_error(self._range)
        return each(work, asked, self.settings.concurrency)

    def _range(self, asked: tuple[str, int | None, int | None]) -> bytes:
        return self.cat_file(*asked)

    def get_file(
        self, rpath: str, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **kwargs: Any
    ) -> None:
        """Copy an object to the disk, or into an open file; what could not be copied whole is removed from the disk."""
        is_open: bool = isfilelike(lpath)
        outfile = lpath if outfile is None and is_open else outfile
        try:
            reading = Reading(self.objects.account, *split(stringify_path(rpath)))
        except FileNotFoundError:
            if outfile is not None or not self.isdir(rpath):
                raise
            os.makedirs(lpath, exist_ok=True)
            return
        with reading:
            if outfile is not None:
                _pour(reading, outfile, callback)
            elif is_marker(reading.entry):
                os.makedirs(lpath, exist_ok=True)
            else:
                _to_disk(reading, os.fspath(lpath), callback)

    def pipe_file(self, path: str, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        """Store bytes. Raises: FileExistsError where ``mode`` is "create" and there is an object already."""
        opened = _opened_by(mode)
        container, name = to_write(stringify_path(path))
        value = value if isinstance(value, bytes) else memoryview(value).cast("B")
        if self._intrans:
            with self.open(path, opened, **kwargs) as file:
                file.write(value)
        elif len(value) > self.settings.block_size:
            view = memoryview(value)
            self._put_parts(
                path, len(view), lambda parts, at, some: parts.add(view[at : at + some]), mode=mode, **kwargs
            )
        else:
            put_bytes(self.objects, container, name, value, stored_with(**kwargs), create=mode == "create")

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Store bytes at a path, or each path's of a dict, several at a time."""
        items = list(path.items()) if isinstance(path, Mapping) else [(path, value)]
        workers = 1 if self._intrans else self.settings.concurrency
        each(lambda item: self.pipe_file(item[0], item[1], **kwargs), items, workers)

    def put_file(
        self, lpath: Any, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        """Copy a file from the disk. Raises: FileExistsError where ``mode`` is "create" and there is an object already."""
        if os.path.isdir(lpath):
            self.makedirs(rpath, exist_ok=True)
            return
        opened = _opened_by(mode)
        with open(lpath, "rb") as file:  # once: another may take its name meanwhile
            size = os.fstat(file.fileno()).st_size
            callback.set_size(size)
            if self._intrans:
                self._put_written(file, rpath, opened, callback, **kwargs)
            elif size <= self.settings.block_size:
                self.pipe_file(rpath, file.read(), mode=mode, **kwargs)
                callback.relative_update(size)
            else:
                self._put_parts(
                    rpath, size, lambda parts, at, some: parts.add_slice(file, at, some), callback, mode=mode, **kwargs
                )

    def _put_written(self, file: IO[bytes], path: str, mode: str, callback: Any, **kwargs: Any) -> None:
        with self.open(path, mode, **kwargs) as target:
            while data := file.read(MEBIBYTE):
                target.write(data)
                callback.relative_update(len(data))

    def _put_parts(
        self, path: str, size: int, add: Callable[[Parts, int, int], None], callback: Any = DEFAULT_CALLBACK, *, mode: str,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        """Store a large object of what needs no memory of ours: ``add`` sends a part, from its start and of its size."""
        create = mode == "create"
        if create and self.exists(path):
            raise _there_already(path)
        parts, step = Parts(self.objects, *to_write(stringify_path(path)), stored_with(**kwargs)), self._step(size)
        try:
            for at in range(0, size, step):
                add(parts, at, min(step, size - at))
                callback.relative_update(min(step, size - at))
        except BaseException:
            parts.discard()
            raise
        parts.publish(create=create)

    def _step(self, size: int) -> int:
        """Return the size of segments: a quarter of all, but from one block to four, and no more than the cluster takes."""
        block = self.settings.block_size
        most = min(STRETCH * block, self.objects.account.limit("swift", "max_file_size", block))
        return max(block, min(most, -(-size // STRETCH)))

    def open(
        self, path: str, mode: str = "rb", block_size: int | None = None, cache_options: dict[str, Any] | None = None,
        compression: str | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Open an object: ``rb``, ``wb``, ``xb`` (FileExistsError where there is one), or as text without the ``b``.

        What is written is stored when the file is closed, by closing it or by leaving its ``with`` without an error.
        """
        if "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        text = {name: kwargs.pop(name) for name in TEXT if name in kwargs}
        binary = mode if "b" in mode else mode.replace("t", "") + "b"
        to_write(stringify_path(path))
        made: Any = super().open(path, binary, block_size, cache_options, None, **kwargs)
        if compression is not None:
            kind = get_compression(stringify_path(path), compression)
            made = Compressed(compr[kind](made, mode=binary[0]), made) if kind else made
        return made if "b" in mode else SwiftText(made, **text)

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True,
        cache_options: dict[str, Any] | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        if mode == "rb":
            return SwiftReader(self, path, mode, block_size, autocommit, cache_options=cache_options, **kwargs)
        if mode not in {"wb", "xb"}:
            raise NotImplementedError(f"An object is read or written anew; mode {mode!r} is neither.")
        if mode == "xb" and self.exists(path):
            raise _there_already(path)
        size = block_size or self.settings.block_size
        headers = stored_with(**{name: value for name, value in kwargs.items() if name not in FOR_READERS})
        return SwiftWriter(self, path, block_size=size, autocommit=autocommit, create=mode == "xb", headers=headers)

    def in_parts(self, path: str, upload: str = "") -> Resumable:
        """Return the object at a path as one that is sent in numbered parts; ``upload`` is the id of one that was begun."""
        return Resumable(self.objects, *to_write(stringify_path(path)), upload)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Copy an object within the cluster; of a pseudo-directory there is nothing to copy. Raises: FileNotFoundError."""
        source = split(stringify_path(path1))
        try:
            copied(self.objects, source, to_write(stringify_path(path2)))
        except FileNotFoundError:
            if not self.isdir(path1):
                raise


def _opened_by(mode: str) -> str:
    """Return the mode in which a file is opened for what ``mode`` says of an object that is there. Raises: ValueError."""
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, and {mode!r} is not.")
    return MODES[mode]


def _there_already(path: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "The object exists already", path)


def _pour(reading: Reading, file: Any, callback: Any) -> None:
    callback.set_size(reading.size)
    while data := reading.read():
        file.write(data)
        callback.relative_update(len(data))


def _to_disk(reading: Reading, path: str, callback: Any) -> None:
    """Write what is read to a file, which does not stay if that fails."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        try:
            _pour(reading, file, callback)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise

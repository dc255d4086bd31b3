"""The scanner of a directory: every file of a local tree."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, frozen

from metastore import Blob, Field, field
from metastore.errors import MetastoreError
from metastore.scan._contract import Found, Known, Options, Problem, Scanned, short
from metastore.scan._names import readable

__all__ = ["File", "TreeScanner", "open_scanner"]

ASKED_AT_ONCE = 500
NAME_LENGTH = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class File(Scanned, type_name="files", unique=("scan_source", "scan_key")):
    """A file of a local tree, or a symbolic link in it; its name is its path from the root of the tree."""

    path: Field[str] = field(description="the whole path from the root of the tree, with slashes")
    escaped: Field[bool] = field(
        default=False, description="the path has bytes that are no UTF-8, written %XX; a % is %25"
    )
    kind: Field[Literal["file", "symlink"]] = field(default="file", index=True)
    target: Field[str | None] = field(default=None, description="where a symbolic link points, as written")
    media_type: Field[str | None] = field(default=None, index=True, max_length=255, description="guessed from the name")
    size: Field[int | None] = field(default=None, index=True, ge=0, unit="bytes")
    modified: Field[datetime | None] = field(default=None, index=True, description="mtime, UTC, to the microsecond")
    content: Field[Blob | None] = field(
        default=None, description="its bytes; without a digest where they cannot be read"
    )


@frozen
class _Entry:
    """One directory entry: its full path, its path from the root as text, its key, and what ``lstat`` says."""

    full: str
    path: str
    escaped: bool
    info: os.stat_result

    @property
    def key(self) -> str:
        return _key(self.path, self.escaped)


@define
class TreeScanner:
    """Walks a tree by name, without following symbolic links, and hashes what size and mtime do not vouch for."""

    root: str
    rehash: bool = False
    exclude: frozenset[str] = frozenset()
    types: tuple[type[Scanned], ...] = (File,)

    figures: ClassVar = {"files": {"bytes": "size"}}
    queries: ClassVar = (
        "find files --order-by -size --limit 10 --select path,size,media_type",
        "facets files media_type",
        "find files \"media_type = 'text/x-python' AND size > 10000\"",
        "find files --order-by -modified --limit 10 --select path,modified",
    )

    @property
    def source(self) -> str:
        """The real path of the root."""
        return f"tree:{readable(self.root)[0]}"

    def scan(self, known: Known) -> Iterator[Found | Problem]:
        """Yield every file and symbolic link; other things are reported."""
        found = self.walk(self.root)
        while some := list(islice(found, ASKED_AT_ONCE)):
            entries = [each for each in some if isinstance(each, _Entry)]
            held = {} if self.rehash else known(File, [each.key for each in entries])
            for each in some:
                yield from self.told(each, held) if isinstance(each, _Entry) else (each,)

    def walk(self, top: str) -> Iterator[_Entry | Problem]:
        """Yield the entries of a directory by name, then those of its directories."""
        waiting = [top]
        while waiting:
            deeper = []
            for each in self.listed(waiting.pop()):
                if isinstance(each, str):
                    deeper.append(each)
                else:
                    yield each
            waiting += reversed(deeper)

    def listed(self, directory: str) -> Iterator[_Entry | Problem | str]:
        """Yield what is in a directory, a directory in it as its path."""
        try:
            with os.scandir(directory) as listing:
                names = sorted(each.name for each in listing)
        except OSError as error:
            path = readable(self.within(directory))[0]
            yield Problem("a directory cannot be read", f"{path or '.'}: {error.strerror}", keep=self.below(directory))
            return
        for name in names:
            yield self.look(f"{directory.rstrip(os.sep)}{os.sep}{name}")

    def look(self, full: str) -> _Entry | Problem | str:
        path, escaped = readable(self.within(full))
        try:
            info = os.lstat(full)
        except OSError as error:
            keep = (_key(path, escaped), *self.below(full))  # it may be a directory
            return Problem("a file cannot be looked at", f"{path}: {error.strerror}", keep=keep)
        if full in self.exclude:
            return Problem("left out as the catalogue's own", path)
        if stat.S_ISDIR(info.st_mode):
            return full
        if stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode):
            return _Entry(full, path, escaped, info)
        return Problem("neither a file, a directory nor a symbolic link; passed over", path)

    def within(self, full: str) -> str:
        return full[len(self.root) :].lstrip(os.sep).replace(os.sep, "/")

    def below(self, directory: str) -> tuple[str, ...]:
        """Return the prefixes of the keys of everything below a directory."""
        path = self.within(directory)
        if not path:
            return ("",)
        plain, escaped = readable(path + "/")
        always = readable(path + "/\udcff")[0].removesuffix("%FF")
        return (_key(always, escaped=True),) if escaped else (plain, _key(always, escaped=True))

    def told(self, entry: _Entry, held: Mapping[str, Any]) -> Iterator[Found | Problem]:
        if entry.escaped:
            yield Problem("a name is not UTF-8 and is percent-escaped", entry.path)
        if len(entry.path) > NAME_LENGTH:
            yield Problem(
                f"a path is longer than {NAME_LENGTH} characters; the name is cut, the path is whole", entry.path
            )
        values: dict[str, Any] = {"name": short(entry.path, NAME_LENGTH), "path": entry.path, "escaped": entry.escaped}
        if stat.S_ISLNK(entry.info.st_mode):
            yield from self.link(entry, values)
        else:
            yield from self.file(entry, values, held.get(entry.key))
        yield Found(File, entry.key, values)

    def link(self, entry: _Entry, values: dict[str, Any]) -> Iterator[Problem]:
        try:
            target = os.readlink(entry.full)
        except OSError as error:
            yield Problem("a symbolic link cannot be read", f"{entry.path}: {error.strerror}")
            target = None
        values |= {"kind": "symlink", "target": target and readable(target)[0], "modified": _time(entry.info)}
        values |= {"size": None, "media_type": None, "content": None}
        if target is None:
            return
        if os.path.commonpath([self.root, os.path.realpath(entry.full)]) != self.root:
            yield Problem(
                "a symbolic link leads out of the tree; not followed", f"{entry.path} -> {readable(target)[0]}"
            )

    def file(self, entry: _Entry, values: dict[str, Any], before: Any) -> Iterator[Problem]:
        media_type = mimetypes.guess_type(f"/{entry.path}")[0]  # without the slash, "data:…" would be read as a url
        values |= {"kind": "file", "target": None, "media_type": media_type}
        values |= {"size": entry.info.st_size, "modified": _time(entry.info)}
        if values["modified"] is None:
            yield Problem("a time of change is beyond the calendar; catalogued without", entry.path)
        if before is not None and _vouched(before, values):
            values["content"] = before.content
            return
        digest, size, flaw = _hashed(entry)
        values |= {"size": size, "content": Blob(size=size, sha256=digest, media_type=media_type)}
        if flaw:
            yield Problem(flaw, entry.path)


def _key(path: str, escaped: bool) -> str:
    # A path never begins with a slash, so an escaped one cannot meet a name that happens to read the same.
    return f"//{path}" if escaped else path


def _time(info: os.stat_result) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=info.st_mtime_ns // 1000)
    except OverflowError:
        return None


def _vouched(before: Any, values: dict[str, Any]) -> bool:
    known = before.content is not None and before.content.sha256 is not None and before.modified is not None
    same = all(getattr(before, name) == values[name] for name in ("kind", "size", "modified", "media_type"))
    return bool(known and same)


def _hashed(entry: _Entry) -> tuple[str | None, int, str | None]:
    """Return digest and size of the bytes, read as a stream, and what went wrong."""
    try:
        with open(entry.full, "rb", opener=_opened) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size, after = file.tell(), os.fstat(file.fileno())
    except OSError as error:
        return None, entry.info.st_size, f"a file cannot be read ({error.strerror}); catalogued without a digest"
    if (size, after.st_mtime_ns) != (entry.info.st_size, entry.info.st_mtime_ns):
        return digest, size, "a file changed while it was read; the next scan reads it again"
    return digest, size, None


def _opened(path: str, flags: int) -> int:
    # Between the look and the opening a file may have become a link out of the tree, or a pipe that never ends.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def open_scanner(target: str | None, options: Options) -> TreeScanner:
    """Return the scanner of the directory ``target``, the current one unless given.

    Raises MetastoreError for what is no directory.
    """
    root = os.path.realpath(target or ".")
    if not Path(root).is_dir():
        raise MetastoreError(
            f"expected a directory to scan, or one of the scanners by name; {readable(str(target))[0]!r} is neither"
        )
    return TreeScanner(root, options.rehash, frozenset(os.path.realpath(each) for each in options.exclude))

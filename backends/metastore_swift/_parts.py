"""Large objects: segments on their way, a few at a time, and the manifest that makes one object of them at once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, TypeVar

from metastore_swift import _faults
from metastore_swift._headers import for_segments
from metastore_swift._names import joined
from metastore_swift._objects import Objects
from metastore_swift._wire import PIECE, Body, in_pieces

__all__ = ["OWN", "Parts", "Slice", "md5_of", "segments_of"]

Row = dict[str, Any]
T = TypeVar("T")
P = TypeVar("P", bytes, memoryview)
LONGEST_NAME = 900
AT_ONCE = 2
OWN = re.compile(r"/slo/[0-9a-f]{32}/[0-9]{8}\Z")
MANIFEST = {"multipart-manifest": "put"}


def md5_of(data: bytes | bytearray | memoryview) -> str:
    """Return the MD5 that Swift calls an object's ETag."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def segments_of(objects: Objects, container: str) -> str:
    """Return the name of the container for the segments of another one's objects."""
    return objects.account.settings.segments.format(container=container)


class ShrunkError(Exception):
    """A file is shorter than it was; not an OSError, which would look like a broken connection and be tried again."""


class GivenUpError(Exception):
    """The upload was discarded while a part of it was on its way."""


class Slice:
    """A part of an open file, hashed as it is read; several may read one file at once."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._at, self._left = file, start, size
        self.md5 = hashlib.md5(usedforsecurity=False)

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            data = os.pread(self._file.fileno(), min(PIECE, self._left), self._at)
            if not data:
                raise ShrunkError
            self._at += len(data)
            self._left -= len(data)
            self.md5.update(data)
            yield data


class Parts:
    """The segments of one upload. Nobody sees an object before `publish`; `discard` removes what was sent.

    One thread adds and hashes, `AT_ONCE` others send: more gain nothing against one server, and each holds a block of memory.
    """

    def __init__(
        self, objects: Objects, container: str, name: str, headers: Mapping[str, str], upload: str = ""
    ) -> None:
        self._objects, self._container, self._name = objects, container, name
        self._headers = headers
        self._within = segments_of(objects, container)
        own = f"slo/{upload or uuid.uuid4().hex}"
        self._prefix = f"{name}/{own}" if len(name.encode()) < LONGEST_NAME else own
        self._workers = min(objects.account.settings.concurrency, AT_ONCE)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="swift")
        self._under_way: deque[Callable[[], Row]] = deque()
        self._rows: list[Row] = []
        self._sent = 0
        self._making, self._made = threading.Lock(), False
        self._discarded = False

    def add(self, data: bytes | bytearray | memoryview, done: Callable[[], object] = lambda: None) -> None:
        """Send a part from memory, which must not change until ``done`` is called; wait while too many are under way."""
        name, sending = self._started(
            lambda name: self._put(name, lambda: self._while_wanted(in_pieces(data)), len(data))
        )
        md5 = md5_of(data)  # while it is on its way: the server would wait for what is hashed first

        def arrived() -> Row:
            if sending.result() != md5:
                self._put(name, data, len(data), md5)
            done()
            return _row(self._within, name, md5, len(data))

        self._under_way.append(arrived)

    def add_slice(self, file: IO[bytes], start: int, size: int) -> None:
        """Send a part of a file on the disk, which is to be open until all has arrived or is discarded."""
        _, sending = self._started(lambda name: self._from_disk(name, file, start, size))
        self._under_way.append(sending.result)

    def add_copy(self, source: tuple[str, str], md5: str, size: int) -> None:
        """Let the cluster copy an object of ``size`` bytes to be a part."""
        _, copying = self._started(lambda name: self._from_object(name, source, md5, size))
        self._under_way.append(copying.result)

    def _started(self, send: Callable[[str], T]) -> tuple[str, Future[T]]:
        while len(self._under_way) >= self._workers:
            self._rows.append(self._under_way.popleft()())
        name = self._next_name()
        return name, self._pool.submit(send, name)

    def _while_wanted(self, pieces: Iterable[P]) -> Iterator[P]:
        """Return pieces of a part that end when the upload is discarded: it waits for no more of them, and no further try begins."""
        self._check_wanted()
        return map(self._check_wanted, pieces)

    def _check_wanted(self, piece: Any = None) -> Any:
        if self._discarded:
            raise GivenUpError
        return piece

    def _from_disk(self, name: str, file: IO[bytes], start: int, size: int) -> Row:
        tried: list[Slice] = []

        def body() -> Iterator[bytes]:
            tried.append(Slice(file, start, size))
            return self._while_wanted(tried[-1])

        try:
            etag = self._put(name, body, size)
        except ShrunkError:
            raise OSError(errno.EIO, "The file became shorter while it was being sent", file.name) from None
        if etag != (md5 := tried[-1].md5.hexdigest()):
            raise _faults.refused(422, joined(self._within, name), "PUT", {})
        return _row(self._within, name, md5, size)

    def _from_object(self, name: str, source: tuple[str, str], md5: str, size: int) -> Row:
        headers = for_segments(self._headers)
        self._in_container(lambda: self._objects.copy(source, (self._within, name), headers))
        return _row(self._within, name, md5, size)

    def _put(self, name: str, body: Body, size: int, md5: str = "") -> str:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            **for_segments(self._headers),
        }
        return self._in_container(lambda: self._objects.put(self._within, name, body, headers=headers, md5=md5))

    def _in_container(self, store: Callable[[], T]) -> T:
        """Store a part; where the container for it is missing, make it, by the policy of the object's own."""
        try:
            return store()
        except FileNotFoundError:
            self._make_container()
            return store()

    def _make_container(self) -> None:
        with self._making:
            if not self._made:
                policy = self._objects.holds(self._container).header("X-Storage-Policy")
                self._objects.make(self._within, {"X-Storage-Policy": policy} if policy else {})
                self._made = True

    def publish(self, *, create: bool) -> None:
        """Make the object of its segments, at once; if that is refused the segments are removed.

        But not where the manifest may have arrived, or may yet: better they are left to be swept. Raises: FileExistsError if
        ``create`` and there is an object already.
        """
        try:
            rows = self.arrive()
            while len(rows) > self._most:
                rows = self._grouped(rows)
        except BaseException:
            self.discard()
            raise
        try:
            self._manifest(self._container, self._name, rows, self._headers, create=create)
        except ValueError:  # of a header that was never sent
            self.discard()
            raise
        except OSError as error:
            if isinstance(error, FileExistsError) or not self._arrived_after_all(error):
                if _is_refusal(error):
                    self.discard()
                raise

    def _arrived_after_all(self, error: OSError) -> bool:
        try:
            return self._published()
        except OSError:
            raise error from None

    def arrive(self) -> list[Row]:
        """Wait for all that is under way, and return the rows of the manifest; no thread and no block is held any more."""
        while self._under_way:
            self._rows.append(self._under_way.popleft()())
        self._pool.shutdown()
        return self._rows

    @property
    def _most(self) -> int:
        return max(2, self._objects.account.limit("slo", "max_manifest_segments", 1000))

    def _grouped(self, rows: Sequence[Row]) -> list[Row]:
        """Make objects of as many segments as a manifest takes; they are the segments of the next one."""
        groups = [rows[at : at + self._most] for at in range(0, len(rows), self._most)]
        return [self._manifest(self._within, self._next_name(), group, for_segments(self._headers)) for group in groups]

    def _next_name(self) -> str:
        self._sent += 1
        return f"{self._prefix}/{self._sent - 1:08d}"

    def _manifest(
        self, container: str, name: str, rows: Sequence[Row], headers: Mapping[str, str], *, create: bool = False
    ) -> Row:
        body, etag = json.dumps(rows).encode(), md5_of("".join(row["etag"] for row in rows).encode())
        sent = {**headers, "Content-Length": str(len(body))}
        self._objects.put(
            container, name, body, headers=sent, md5=etag, create=create, query=MANIFEST, ours=self._published
        )
        sizes = [row["size_bytes"] for row in rows]
        return _row(container, name, etag, None if None in sizes else sum(sizes))

    def _published(self) -> bool:
        """Return whether what lies at the object's name consists of these segments."""
        try:
            if self._objects.head(self._container, self._name)["kind"] != "slo":
                return False
            rows = self._objects.manifest(self._container, self._name)
        except FileNotFoundError:
            return False
        return bool(rows) and str(rows[0].get("name", "")).startswith(f"/{self._within}/{self._prefix}/")

    def discard(self) -> None:
        """Remove what was sent; what cannot be removed now is left to be swept."""
        self._discarded = True
        self._pool.shutdown(cancel_futures=True)
        self._under_way.clear()
        names = [f"{self._prefix}/{number:08d}" for number in range(self._sent)]
        with suppress(OSError):
            self._objects.delete_many(self._within, names)


def _is_refusal(error: OSError) -> bool:
    """Whether Swift said no. Behind a broken connection, or an answer of 5xx, it may still be at work."""
    return isinstance(error, FileExistsError) or getattr(error, "status", 500) < 500


def _row(container: str, name: str, etag: str, size: int | None) -> Row:
    return {"path": f"/{container}/{name}", "etag": etag, "size_bytes": size}

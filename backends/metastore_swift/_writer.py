"""Files that are written: of any size, and seen by nobody until they are closed well."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from metastore_swift._names import to_write
from metastore_swift._objects import Objects
from metastore_swift._parts import Parts, md5_of

__all__ = ["Compressed", "SwiftText", "SwiftWriter", "put_bytes"]


def put_bytes(
    objects: Objects, container: str, name: str, data: bytes | bytearray | memoryview, headers: Mapping[str, str], *,
    create: bool,
) -> None:  # fmt: skip
    """Store a plain object; Swift compares the MD5. Raises: FileExistsError if ``create`` and there is one already."""
    md5 = md5_of(data)
    sent = {**headers, "Content-Length": str(len(data))}

    def ours() -> bool:
        return bool(objects.head(container, name)["md5"] == md5)

    objects.put(container, name, data, headers=sent, md5=md5, create=create, ours=ours)


class SwiftWriter(io.BufferedIOBase):
    """An object as a file to be written.

    Up to a block stays in memory and becomes a plain object; more becomes a static large object, whose segments are sent
    meanwhile. Leaving a ``with`` by an error, `discard`, or forgetting the file stores nothing and removes the segments.
    Without ``autocommit`` (in a transaction) closing only sends, and `commit` makes the object.
    """

    def __init__(
        self, fs: Any, path: str, *, block_size: int, autocommit: bool, create: bool, headers: Mapping[str, str]
    ) -> None:
        self.fs, self.path, self.autocommit = fs, path, autocommit
        self.mode, self.blocksize, self.loc = "xb" if create else "wb", block_size, 0
        self._name, self._headers = to_write(path), headers
        self._block, self._held = bytearray(), 0
        self._spare: list[bytearray] = []
        self._parts: Parts | None = None
        self._settled = False

    @property
    def _objects(self) -> Objects:
        objects: Objects = self.fs.objects
        return objects

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}{', closed' if self.closed else ''}>"

    def readable(self) -> bool:
        """Return False."""
        return False

    def writable(self) -> bool:
        """Return whether more can be written."""
        return not self.closed

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.loc

    def write(self, data: Any) -> int:
        """Take all of ``data``; wait while too much of it is under way. What fails discards the file: who goes on would leave a hole."""
        if self.closed:
            raise ValueError("The file is closed.")
        view = memoryview(data).cast("B")
        try:
            for at in range(0, len(view), self.blocksize):
                self._take(view[at : at + self.blocksize])
        except BaseException:
            self.discard()
            raise
        self.loc += len(view)
        return len(view)

    def _take(self, view: memoryview) -> None:
        if self._held == self.blocksize:
            self._send()
        part = view[: self.blocksize - self._held]
        if self._held == len(self._block):
            self._block += part
        else:  # a view, because a slice of a bytearray is only assigned to by way of a copy
            memoryview(self._block)[self._held : self._held + len(part)] = part
        self._held += len(part)
        if len(part) < len(view):
            self._take(view[len(part) :])

    def _send(self) -> None:
        """Send the block, and go on with another: one that was sent already, for new memory costs a quarter of the time."""
        parts = self._parts = self._parts or Parts(self._objects, *self._name, self._headers)
        block, spare = self._block, self._spare
        parts.add(memoryview(block)[: self._held], lambda: spare.append(block))
        self._block, self._held = spare.pop() if spare else bytearray(), 0

    def _send_rest(self) -> None:
        """Wait until all segments have arrived: who keeps a closed file, as a transaction does, keeps no blocks and no threads."""
        if self._parts is not None:
            if self._held:
                self._send()
            self._parts.arrive()
            self._block, self._held = bytearray(), 0
            self._spare.clear()

    def close(self) -> None:
        """Send the rest and, unless in a transaction, make the object."""
        if self.closed:
            return
        try:
            self._send_rest()
            super().close()
            if self.autocommit:
                self.commit()
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Make the object of what was written. Raises: FileExistsError if it was opened to be new, and is not."""
        if self._settled:
            return
        self._settled, parts = True, self._parts
        create = self.mode == "xb"
        if parts is None:
            put_bytes(self._objects, *self._name, self._block, self._headers, create=create)
        else:
            parts.publish(create=create)
        self._block, self._parts = bytearray(), None

    def discard(self) -> None:
        """Store nothing, and remove what was sent."""
        settled, self._settled, parts = self._settled, True, self._parts
        self._block, self._parts = bytearray(), None
        self._spare.clear()
        if parts is not None and not settled:
            parts.discard()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def forget(self) -> None:
        """Discard, with a warning, what nobody can close any more."""
        if not getattr(self, "_settled", True) and self.autocommit and not sys.is_finalizing():
            warnings.warn(
                f"{self!r} was never closed, and nothing is stored", ResourceWarning, stacklevel=3, source=self
            )
            with suppress(Exception):
                self.discard()

    def __del__(self) -> None:
        self.forget()


class Compressed(io.BufferedIOBase):
    """Bytes on their way through a compressor into an object; closing closes both, an error stores nothing."""

    def __init__(self, compressor: Any, target: SwiftWriter) -> None:
        self._compressor, self._target = compressor, target

    def writable(self) -> bool:
        """Return whether more can be written."""
        return not self.closed

    def write(self, data: Any) -> int:
        """Take all of ``data``."""
        taken = self._compressor.write(data)
        return len(data) if taken is None else int(taken)

    def close(self) -> None:
        """Compress the rest and make the object."""
        if not self.closed:
            super().close()
            self._compressor.close()
            self._target.close()

    def discard(self) -> None:
        """Store nothing."""
        self._target.discard()
        super().close()

    def forget(self) -> None:
        """Discard, with a warning, what nobody can close any more."""
        self._target.forget()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not self.closed:
            self.forget()


class SwiftText(io.TextIOWrapper):
    """Text on its way into an object; an error inside of its ``with`` stores nothing, as with bytes."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(self.buffer, SwiftWriter | Compressed):
            self.buffer.discard()
        super().__exit__(kind, error, trace)

    def __del__(self) -> None:
        if not self.closed and isinstance(self.buffer, SwiftWriter | Compressed):
            self.buffer.forget()

"""Disk images: what a format says of itself agrees with what was declared, and nothing in it refers to files outside.

By the inspector of oslo.utils (extra ``formats``), on the bytes as they pass: nothing is converted, unpacked or run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from metastore.errors import HostileFormatError, MissingExtraError

__all__ = ["Inspector", "inspected"]

PREFIX = 4 * 2**20
"""Bytes within which a format shows itself; what needs the end as well (a VMDK's footer) is judged there."""
SLICE = 2**16
PLAIN = ("raw", "ami", "ari", "aki")
"""Formats without a header; of a whole disk's a partition table is no other format."""
_BESIDE = {name: {"gpt"} for name in (*PLAIN, "iso")}
"""What else may be seen in a format: an ISO that boots from a stick begins with a partition table."""


class Inspector:
    """Judges one image by its bytes; ``virtual_size`` is the size that a guest sees, known at the end.

    ``declared`` is the format it is said to have, ``None`` where nothing is said: then only what is hostile is refused.
    """

    def __init__(self, declared: str | None) -> None:
        self._declared, self._size = declared, 0
        self._left: dict[str, Any] = _inspectors()
        self._found: dict[str, Any] | None = None
        self._safe: set[str] = set()
        self.virtual_size: int | None = None

    @property
    def format(self) -> str | None:
        """The format that was found, ``raw`` for none, ``None`` before it is known."""
        return None if self._found is None else next(iter(self._found), "raw")

    def take(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises HostileFormatError."""
        for at in range(0, len(chunk), SLICE):  # an inspector finds one region by another, and takes one step per look
            self._size += len(chunk[at : at + SLICE])
            self._look(chunk[at : at + SLICE])
            if self._found is None and self._size >= PREFIX:
                self._judge()
            self._check_safe()

    def _look(self, part: bytes) -> None:
        for name in list(self._left):
            if name in self._safe:
                continue
            self._try(name, lambda name=name: self._left[name].eat_chunk(part))  # type: ignore[misc]

    def _try(self, name: str, look: Callable[[], object]) -> None:
        try:
            look()
        except Exception as broken:  # noqa: BLE001 - what an inspector cannot read is not its format
            if self._found is not None:
                raise self._refuse(f"its {name} cannot be read on: {broken}") from None
            del self._left[name]

    def end(self) -> None:
        """Judge what was judged only in part. Raises HostileFormatError."""
        for name, each in list(self._left.items()):
            self._try(name, each.finish)
        if self._found is None:
            self._judge()
        self._check_safe(last=True)
        self.virtual_size = self._virtual()

    def _judge(self) -> None:
        found = {name: each for name, each in self._left.items() if _matches(each)}
        declared = self._declared
        seen = " and ".join(sorted(found)) or "none that is known"
        beside = _BESIDE.get(declared or "raw", set()) - {declared}
        primary = {name: each for name, each in found.items() if name not in beside}
        if len(primary) > 1:
            raise self._refuse(f"it is several formats at once: {seen}")
        if declared is not None and set(primary) != ({declared} if declared in _KNOWN else set()):
            raise self._refuse(f"its format is {seen}")
        self._found = self._left = primary

    def _check_safe(self, *, last: bool = False) -> None:
        """Let each inspector say what is unsafe, once it has seen enough; at the end one that has not is refused."""
        for name, each in (self._found or {}).items():
            if name not in self._safe and (each.complete or last):
                why = _unsafe(each)
                if why:
                    raise self._refuse(why)
                self._safe.add(name)

    def _virtual(self) -> int | None:
        if not self._found:
            return self._size if self._declared in PLAIN else None
        [each] = list(self._found.values())[:1]
        try:
            size = each.virtual_size
        except Exception as broken:  # noqa: BLE001 - it is cut off where its size was to be
            raise self._refuse(f"its {each} does not tell its size: {broken}") from None
        return size if type(size) is int and 0 < size < 2**63 else None

    def _refuse(self, why: str) -> HostileFormatError:
        said = "a disk image" if self._declared is None else f"a disk image that is said to be {self._declared}"
        return HostileFormatError(f"{said} is refused: {why} (after {self._size} bytes)")


_KNOWN = ("qcow2", "vhd", "vhdx", "vmdk", "vdi", "iso", "gpt")


def _inspectors() -> dict[str, Any]:
    try:
        from oslo_utils.imageutils import format_inspector  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtraError("disk images need the extra formats: pip install 'metastore-engine[formats]'") from None
    logging.getLogger(format_inspector.__name__).setLevel(logging.CRITICAL)  # what it finds is raised, in our words
    return {name: make() for name, make in format_inspector.ALL_FORMATS.items() if name != "raw"}


def _matches(inspector: Any) -> bool:
    try:
        return bool(inspector.format_match)
    except Exception:  # noqa: BLE001 - one that saw too little to say
        return False


def _unsafe(inspector: Any) -> str:
    try:
        inspector.safety_check()
    except Exception as refused:  # noqa: BLE001 - whatever it cannot vouch for
        failures = getattr(refused, "failures", None)
        return f"its {inspector} is not safe ({', '.join(failures) if failures else refused})"
    return ""


def inspected(chunks: Iterator[bytes], inspector: Inspector) -> Iterator[bytes]:
    """Yield the chunks as the inspector has seen them. Raises HostileFormatError."""
    for chunk in chunks:
        inspector.take(chunk)
        yield chunk
    inspector.end()

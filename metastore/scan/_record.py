"""RECORD: which files a distribution installed, and the proof of each.

Source: "Recording installed projects", packaging.python.org; digests are urlsafe base64 without padding.
"""

from __future__ import annotations

import binascii
import csv
import io
from base64 import urlsafe_b64decode
from importlib.metadata import Distribution

from attrs import Factory, define

from metastore import Blob
from metastore.errors import ValidationError
from metastore.scan._names import readable

__all__ = ["Files", "files_of", "text_of"]


@define
class Files:
    """The files of one distribution by path, and how many there were of which flaw."""

    blobs: dict[str, Blob] = Factory(dict)
    flaws: dict[str, int] = Factory(dict)

    @property
    def size(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(blob.size or 0 for blob in self.blobs.values())

    def note(self, flaw: str) -> None:
        """Count a flaw once more."""
        self.flaws[flaw] = self.flaws.get(flaw, 0) + 1

    def add(self, path: str, digest: str, size: str) -> None:
        """Take in one line of RECORD; what cannot be read of it is left out and counted."""
        name, escaped = readable(path.replace("\0", "\N{REPLACEMENT CHARACTER}"))
        if escaped:
            self.note("a file's name is not UTF-8 and is percent-escaped")
        if name in self.blobs:
            self.note("RECORD names a file twice; the first line counts")
            return
        self.blobs[name] = self.blob(
            digest, int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None
        )

    def blob(self, digest: str, size: int | None) -> Blob:
        algorithm, _, encoded = digest.partition("=")
        if not digest:
            self.note("a file without a digest; catalogued without")
            return Blob(size=size)
        try:
            return Blob(size=size, digests={algorithm.lower(): _hex(encoded)})
        except (ValidationError, binascii.Error, ValueError):
            self.note("a file's digest in RECORD cannot be read; catalogued without")
            return Blob(size=size)


def _hex(encoded: str) -> str:
    """Return the hex form of an urlsafe base64 digest without padding.

    >>> _hex("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU")[:8]
    'e3b0c442'
    """
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def text_of(distribution: Distribution, name: str) -> str | None:
    """Return a file of a distribution's metadata, ``None`` where there is none or it cannot be read; bytes that are no UTF-8 are lone surrogates."""
    try:
        return distribution.read_text(name)
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "surrogateescape")
    except OSError:
        return None


def files_of(distribution: Distribution) -> Files:
    """Return the files that RECORD lists, or, for a distribution without one, those its egg-info names."""
    files = Files()
    record = text_of(distribution, "RECORD")
    if record is not None:
        try:
            for line in csv.reader(io.StringIO(record, newline="")):  # a quoted name may hold what ends a line
                files.add(*[*line, "", ""][:3]) if line and line[0] else None
        except csv.Error:
            files.note("RECORD is damaged; its files up to there are catalogued")
        return files
    files.note("no RECORD, so no digests")
    try:
        for path in distribution.files or ():
            files.add(str(path), "", "")
    except (OSError, ValueError, csv.Error):
        files.note("the list of its files cannot be read; catalogued without")
    return files

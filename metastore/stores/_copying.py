"""Copying on the server: where a store takes an object from another of its own kind, and when that is believed.

Bytes that do not pass here cannot be proved here. So the source must be a place that was verified, and of which the store still tells
the same mark; and of the copy it must tell that mark and that size, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from metastore._blob import Blob
from metastore.errors import StoreError
from metastore.stores._drive import Copies, Drive
from metastore.stores._reading import urls_of
from metastore.stores._stores import Stores

__all__ = ["copied_there"]


def copied_there(stores: Stores, blob: Blob, marks: Mapping[str, str], target: Drive, key: str) -> bool:
    """Let the server copy one of a blob's places to a key of its own; say whether it did, and what it tells proves it.

    ``marks`` are what stores told of the places when their bytes were verified. Where not, nothing is left at the key, and
    the bytes have to pass here.
    """
    if not isinstance(target, Copies):
        return False
    return any(_copied(stores, blob, url, marks[url], target, key) for url in urls_of(blob) if url in marks)


def _copied(stores: Stores, blob: Blob, url: str, mark: str, target: Copies, key: str) -> bool:
    try:
        drive, source, _ = stores.reach(url)
        found = drive.stat(source)
        if found.mark != mark or found.size is None or blob.size not in (None, found.size):
            return False
        made = target.copy(drive, source, key, found)
        if made is None or (made.mark, made.size) == (found.mark, found.size):
            return made is not None
    except StoreError:
        pass  # whether there is a copy is not known then
    with contextlib.suppress(StoreError):
        target.remove(key)
    return False

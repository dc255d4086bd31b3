"""Parts of objects, as Python slices them."""

from __future__ import annotations

from metastore_swift._objects import Objects
from metastore_swift._reading import Reading

__all__ = ["part"]


def part(objects: Objects, container: str, name: str, start: int | None, stop: int | None) -> bytes:
    """Return ``content[start:stop]`` of an object, by one request where the part does not depend on the size.

    Raises: FileNotFoundError, for an empty part too.
    """
    account, etag = objects.account, ""
    if (start or 0) < 0 or (stop or 0) < 0 or (stop is not None and stop <= (start or 0)):
        entry = objects.head(container, name)
        start, stop, _ = slice(start, stop).indices(entry["size"])
        etag = entry["etag"]
        if stop <= start:
            return b""
    with Reading(account, container, name, start or 0, stop, etag) as reading:
        return reading.read_all()

"""What is told of objects and pseudo-directories: the dicts of ``info``, out of headers and out of listings.

An ETag is the MD5 of an object's content only where the object is a plain one. A large object's is the MD5 of its
segments' ETags, and Swift puts it in quotes; so one in quotes is never taken for an MD5.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from metastore_swift._names import joined
from metastore_swift._wire import Reply

__all__ = ["FOLDER_TYPE", "Entry", "directory", "is_marker", "of_container", "of_headers", "of_listing", "told_truly"]

Entry = dict[str, Any]
FOLDER_TYPE = "application/directory"
MD5 = re.compile(r"[0-9a-f]{32}\Z")
META = "x-object-meta-"


def directory(path: str) -> Entry:
    """Return the entry of a pseudo-directory."""
    return {"name": path, "size": 0, "type": "directory"}


def of_container(row: Mapping[str, Any]) -> Entry:
    """Return the entry of a container, out of an account's listing."""
    return directory(row["name"]) | {"objects": row.get("count"), "bytes": row.get("bytes")}


def of_headers(container: str, name: str, reply: Reply) -> Entry:
    """Return the entry of an object, out of the answer to a HEAD or GET of the whole; size is None if it was not told.

    Of a dynamic large object with more segments than one listing has, Swift tells the manifest's own size, 0, and its own
    ETag, which is in no quotes: then both are unknown.
    """
    length, etag, kind = reply.header("Content-Length"), reply.header("ETag"), _kind(reply)
    if kind == "dlo" and not etag.startswith('"'):
        length = etag = ""
    return _entry(container, name, int(length) if length.isdigit() else None, etag, kind) | {
        "content_type": reply.header("Content-Type"),
        "last_modified": _modified(reply),
        "delete_at": _moment(reply.header("X-Delete-At")),
        "metadata": {
            key.lower()[len(META) :]: reply.header(key) for key in reply.headers if key.lower().startswith(META)
        },
    }


def of_listing(container: str, row: Mapping[str, Any]) -> Entry:
    """Return the entry of an object, out of its container's listing."""
    kind = "slo" if "slo_etag" in row else "symlink" if "symlink_path" in row else "object"
    etag = str(row.get("slo_etag") or row.get("hash") or "")
    modified = datetime.fromisoformat(row["last_modified"]).replace(tzinfo=UTC)
    entry = _entry(container, row["name"], int(row["bytes"]), etag, kind)
    return entry | {"content_type": row.get("content_type", ""), "last_modified": modified}


def is_marker(entry: Entry) -> bool:
    """Return whether an object only stands for a pseudo-directory: it is empty, and its name or its type says so."""
    return entry["size"] == 0 and (entry["name"].endswith("/") or entry.get("content_type") == FOLDER_TYPE)


def told_truly(entry: Entry) -> bool:
    """Return whether a listing can be believed about an object: it shows a dynamic large object or a symlink as empty."""
    return bool(entry["type"] == "directory" or (entry["size"] != 0 and entry["kind"] != "symlink"))


def _entry(container: str, name: str, size: int | None, etag: str, kind: str) -> Entry:
    plain = kind == "object" and MD5.match(etag)
    return {
        "name": joined(container, name),
        "size": size,
        "type": "file",
        "kind": kind,
        "etag": etag.strip('"'),
        "md5": etag if plain else None,
    }


def _kind(reply: Reply) -> str:
    if reply.header("X-Static-Large-Object").lower() == "true":
        return "slo"
    return "dlo" if reply.header("X-Object-Manifest") else "object"


def _modified(reply: Reply) -> datetime | None:
    if exact := _moment(reply.header("X-Timestamp")):
        return exact
    try:
        return email.utils.parsedate_to_datetime(reply.header("Last-Modified")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), UTC) if text else None
    except (ValueError, OverflowError):
        return None

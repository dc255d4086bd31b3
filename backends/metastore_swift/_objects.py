"""What can be done with containers and objects of one account, in Swift's own verbs."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from metastore_swift import _faults
from metastore_swift._account import Account
from metastore_swift._crowd import each
from metastore_swift._entries import Entry, of_headers
from metastore_swift._names import joined, quoted, split
from metastore_swift._wire import Body, Reply

__all__ = ["CREATE", "PAGE", "Objects"]

CREATE = {"If-None-Match": "*"}
PAGE = 10_000
BULK = 1000


class Objects:
    """Containers and objects of an account. Names are exact; every answer is Swift's at this moment, nothing is kept."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def head(self, container: str, name: str) -> Entry:
        """Return an object's entry. Raises: FileNotFoundError."""
        entry = of_headers(container, name, self.account.ask("HEAD", container, name))
        if entry["size"] is None and entry["kind"] == "dlo":
            entry["size"] = sum(row["bytes"] for row in self.segments(container, name))
        return entry

    def holds(self, container: str) -> Reply:
        """Return the answer to a HEAD of a container. Raises: FileNotFoundError."""
        return self.account.ask("HEAD", container)

    def rows(self, container: str = "", prefix: str = "", delimiter: str = "") -> Iterator[dict[str, Any]]:
        """Yield the rows of a listing, by name; of the account's containers where no container is named.

        Pages are fetched as they are needed, as long as they are full.
        """
        kind = "container_listing_limit" if container else "account_listing_limit"
        most = min(PAGE, self.account.limit("swift", kind, PAGE))
        asked = {"format": "json", "limit": str(most), "prefix": prefix, "delimiter": delimiter}
        marker = ""
        while True:
            page = self._page(container, asked | {"marker": marker})
            yield from page
            if len(page) < most:
                return
            marker = str(page[-1].get("subdir") or page[-1]["name"])

    def first(self, container: str, prefix: str) -> dict[str, Any] | None:
        """Return the first row whose name begins with ``prefix``, or None. Raises: FileNotFoundError (the container)."""
        page = self._page(container, {"format": "json", "limit": "1", "prefix": prefix})
        return page[0] if page else None

    def page(self, container: str, marker: str, end_marker: str, most: int) -> list[dict[str, Any]]:
        """Return up to ``most`` rows of a container's listing whose names are between two others, by name."""
        most = min(most, self.account.limit("swift", "container_listing_limit", PAGE))
        asked = {"format": "json", "limit": str(most), "marker": marker, "end_marker": end_marker}
        return self._page(container, asked)

    def _page(self, container: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        reply = self.account.ask("GET", container, query={key: value for key, value in query.items() if value})
        if reply.status == 204:
            return []
        return _read_rows(reply, container)

    def make(self, container: str, headers: Mapping[str, str] | None = None) -> bool:
        """Make a container; return whether it is new."""
        return self.account.ask("PUT", container, headers={**(headers or {}), "Content-Length": "0"}).status == 201

    def drop(self, container: str) -> None:
        """Remove an empty container. Raises: OSError (ENOTEMPTY) for one that is not; FileNotFoundError."""
        reply = self.account.ask("DELETE", container, accept=(404, 409))
        if reply.status == 409:
            raise OSError(errno.ENOTEMPTY, "The container is not empty", container)
        if reply.status == 404 and reply.tries == 1:
            raise _faults.refused(404, container, "DELETE", reply.headers)

    def put(
        self, container: str, name: str, body: Body, *, headers: Mapping[str, str], md5: str = "", create: bool = False,
        query: Mapping[str, str] | None = None, ours: Callable[[], bool] = bool,
    ) -> str:  # fmt: skip
        """Store an object; return the ETag. With ``md5`` Swift compares, and stores nothing if it differs.

        Raises: FileExistsError if ``create`` and there is one already, unless an earlier try made it whose answer was lost:
        ``ours()`` tells that.
        """
        sent = {**headers, **(CREATE if create else {}), **({"ETag": md5} if md5 else {})}
        reply = self.account.ask("PUT", container, name, query=query, headers=sent, body=body, accept=(412,))
        if reply.status != 412 or (create and reply.tries > 1 and ours()):
            return _stored(reply, joined(container, name))
        if create:
            raise FileExistsError(errno.EEXIST, "The object exists already", joined(container, name))
        raise _faults.refused(412, joined(container, name), "PUT", reply.headers)

    def copy(self, source: tuple[str, str], target: tuple[str, str], headers: Mapping[str, str] | None = None) -> None:
        """Copy an object within the cluster, a large one into one plain object."""
        sent = {**(headers or {}), "X-Copy-From": quoted(*source), "Content-Length": "0"}
        _stored(self.account.ask("PUT", *target, headers=sent), joined(*target))

    def delete(self, container: str, name: str, *, large: bool = False) -> None:
        """Remove an object; then, of a static large one (``large``), the segments. Raises: FileNotFoundError.

        Segments are what lies in the container that is for them; a manifest may also name objects in their own right,
        and those stay. Swift's own removal goes the other way round, and leaves a manifest of nothing if it breaks off.
        """
        owned = self._owned(container, self.manifest(container, name)) if large else ()
        segments = list(dict.fromkeys(owned))
        reply = self.account.ask("DELETE", container, name, accept=(404,))
        if reply.status == 404 and reply.tries == 1:
            raise _faults.refused(404, joined(container, name), "DELETE", reply.headers)
        for within in sorted({place[0] for place in segments}):
            self.delete_many(within, [segment for place, segment in segments if place == within])

    def _owned(self, container: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        """Yield the segments that manifests name, at any depth, and that are nothing but segments."""
        within = {self.account.settings.segments.format(container=container), f"{container}+segments"}
        for row in rows:
            place = split(row.get("name", ""))
            if place[0] in within:
                yield place
                if row.get("sub_slo"):
                    yield from self._owned(container, self.manifest(*place))

    def delete_many(self, container: str, names: Sequence[str]) -> None:
        """Remove plain objects, in few requests where the cluster can; one that is gone already is no error."""
        if len(names) > 1 and "bulk_delete" in self.account.abilities:
            size = min(BULK, self.account.limit("bulk_delete", "max_deletes_per_request", BULK))
            for at in range(0, len(names), size):
                self._delete_bulk(container, names[at : at + size])
        else:
            each(lambda name: self.delete_if_there(container, name), names, self.account.settings.concurrency)

    def _delete_bulk(self, container: str, names: Sequence[str]) -> None:
        body = "\n".join(quoted(container, name) for name in names).encode()
        headers = {**_JSON, "Content-Type": "text/plain", "Content-Length": str(len(body))}
        _bulk_errors(self.account.ask("POST", query={"bulk-delete": "true"}, headers=headers, body=body), container)

    def delete_if_there(self, container: str, name: str) -> None:
        """Remove a plain object, if there is one."""
        self.account.ask("DELETE", container, name, accept=(404,))

    def manifest(self, container: str, name: str) -> list[dict[str, Any]]:
        """Return the segments that a static large object's manifest names, as Swift stores them: name, bytes, hash, …; none of another object."""
        reply = self.account.ask("GET", container, name, query={"multipart-manifest": "get"})
        if reply.header("X-Static-Large-Object").lower() != "true":
            return []
        return _read_rows(reply, joined(container, name))

    def segments(self, container: str, name: str) -> list[dict[str, Any]]:
        """Return the segments that a dynamic large object consists of now: rows of their listing."""
        from urllib.parse import unquote

        named = self.account.ask("HEAD", container, name).header("X-Object-Manifest")
        within, _, prefix = unquote(named).partition("/")
        return [{**row, "container": within} for row in self.rows(within, prefix)] if within else []


_JSON = {"Accept": "application/json"}


_IS_IT_SWIFT = "is this the address of a Swift account?"


def _read_json(reply: Reply, path: str) -> Any:
    try:
        return json.loads(reply.body)
    except ValueError:
        said = f"Swift's answer was to be JSON and is not; {_IS_IT_SWIFT}"
    raise OSError(errno.EPROTO, said, path or "/")


def _read_rows(reply: Reply, path: str) -> list[dict[str, Any]]:
    found = _read_json(reply, path)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        said = f"Swift's answer was to be a list of objects in JSON and is not; {_IS_IT_SWIFT}"
        raise OSError(errno.EPROTO, said, path or "/")
    return found


def _stored(reply: Reply, path: str) -> str:
    """Return the ETag of what was stored: whatever says yes to everything, as the page of a portal, tells of none."""
    if reply.status not in (201, 412) and not reply.header("ETag"):
        said = f"Swift's answer was to say that the object is stored and does not; {_IS_IT_SWIFT}"
        raise OSError(errno.EPROTO, said, path)
    return reply.header("ETag").strip('"')


def _bulk_errors(reply: Reply, path: str) -> None:
    """Raise the first failure of a bulk operation, whose own status is 200 whatever happens inside."""
    told = _read_json(reply, path)
    status = str(told.get("Response Status", ""))
    failed = [(str(name), str(said)) for name, said in told.get("Errors", []) if not str(said).startswith("404")]
    if failed or not status.startswith(("200", "404")):
        name, said = failed[0] if failed else (path, status)
        number = int(said[:3]) if said[:3].isdigit() else 500
        raise _faults.refused(number, name, "bulk delete", reply.headers, said)

"""Probing: what a store can do is tried once, the refusals too, with objects that are taken away again."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ssl
from typing import Any

from metastore._ids import make_id
from metastore.errors import KeyTakenError, StoreError, StoreUnableError
from metastore.stores._addresses import connected
from metastore.stores._drive import Drive, Parts, Signs
from metastore.stores._secret import Hidden
from metastore.stores._stores import Stores
from metastore.stores._url import hop_of

__all__ = ["probed"]

BODY = b"metastore tries what this store can do"
WRONG = BODY[:-1] + b"?"


def probed(stores: Stores, name: str) -> dict[str, Any]:
    """Return what was seen, by the names of `Probe`'s fields. Raises StoreError where the store is not there at all."""
    store, drive = stores.named(name), stores.drive(name)
    if store.read_only or store.place.protocol in ("http", "https"):
        return {"reason": "it is only read"}
    prober = _Prober(stores, name, drive)
    try:
        return prober.seen()
    finally:
        prober.clean()


class _Prober:
    """One run: every key it makes is remembered, and taken away at its end."""

    def __init__(self, stores: Stores, name: str, drive: Drive) -> None:
        self._stores, self._name, self._drive = stores, name, drive
        self._keys: list[str] = []

    def _key(self) -> str:
        self._keys.append(f"metastore-probe/{make_id()}")
        return self._keys[-1]

    def clean(self) -> None:
        """Take away what was made."""
        for key in self._keys:
            with contextlib.suppress(StoreError):
                self._drive.remove(key)

    def seen(self) -> dict[str, Any]:
        key = self._key()
        told = self._drive.create(key, [BODY])
        seen: dict[str, Any] = {
            "writes": True,
            "reads": b"".join(self._drive.read(key)) == BODY,
            "ranges": b"".join(self._drive.read(key, 3, 9)) == BODY[3:9],
            "create_only": self._refuses_again(key),
            "parts": isinstance(self._drive, Parts),
            "tells_sha256": told.digests.get("sha256") == hashlib.sha256(BODY).hexdigest(),
        }
        return {**seen, **self._signing(key)}

    def _refuses_again(self, key: str) -> bool:
        try:
            self._drive.create(key, [WRONG])
        except KeyTakenError:
            return b"".join(self._drive.read(key)) == BODY
        return False

    def _signing(self, key: str) -> dict[str, Any]:
        drive = self._drive
        if not isinstance(drive, Signs):
            return {"signs": False, "reason": "it signs no urls"}
        try:
            url, headers = drive.sign_get(key, 60)
            status, body = self._sent("GET", url, headers, b"")
            free = self._key()
            works = (status, body) == (200, BODY) and self._put(free, BODY) and b"".join(drive.read(free)) == BODY
        except StoreUnableError as unable:
            return {"signs": False, "reason": str(unable)[:500]}
        if not works:
            return {"signs": False, "reason": "what it signs does not work"}
        return {
            "signs": True,
            "binds_sha256": self._binds(None, WRONG),
            "binds_size": self._binds(None, BODY + b"!"),
            "binds_create": self._binds(free, BODY),
        }

    def _binds(self, key: str | None, body: bytes) -> bool:
        """Say whether a PUT signed for `BODY` is refused, also from a client that leaves out what it may."""
        return not any(self._put(key or self._key(), body, bare=bare) for bare in (False, True))

    def _put(self, key: str, body: bytes, *, bare: bool = False) -> bool:
        """Say whether a PUT signed for `BODY` is let through with that body."""
        drive: Any = self._drive
        sha256 = hashlib.sha256(BODY).hexdigest()
        url, headers = drive.sign_put(key, 60, size=len(BODY), sha256=sha256)
        length = {"Content-Length": str(len(body))}
        status, _ = self._sent("PUT", url, length if bare else {**headers, **length}, body)
        return 200 <= status < 300

    def _sent(self, method: str, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and body of one request to where the store's own signature leads."""
        place, store = hop_of(url), self._stores.named(self._name)
        host, port = place.host
        sock: Any = connected(host, port, store.timeout, private=True)
        try:
            if place.protocol == "https":
                context = ssl.create_default_context(cafile=store.options.get("ca") or store.options.get("ca_file"))
                sock = context.wrap_socket(sock, server_hostname=host)
            connection = http.client.HTTPConnection(host, port)
            connection.sock = sock
            connection.request(
                method, place.target, body=body or None, headers=Hidden({**headers, "Connection": "close"})
            )
            answer = connection.getresponse()
            return answer.status, answer.read(2 * len(BODY))
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            sock.close()

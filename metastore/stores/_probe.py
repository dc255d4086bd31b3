"""Probing: what a store can do is tried once, the refusals too, with objects that are taken away again."""

from __future__ import annotations

import hashlib
import http.client
import ssl
from typing import Any

from metastore._ids import make_id
from metastore.errors import KeyTakenError, MissingBytesError, StoreError, StoreUnableError
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
        seen = prober.seen()
    except BaseException as broken:
        left = prober.cleaned()
        if left is not None and isinstance(broken, StoreError):
            broken.args = (f"{broken}; and {left}",)
        raise
    told = [each for each in (seen.pop("reason", None), prober.cleaned()) if each is not None]
    return {**seen, "reason": "; and ".join(told)} if told else seen


class _Prober:
    """One run: every key it makes is remembered, and taken away at its end. None is in a folder, as that would stay."""

    def __init__(self, stores: Stores, name: str, drive: Drive) -> None:
        self._stores, self._name, self._drive = stores, name, drive
        self._keys: list[str] = []
        self._wrote = False

    def _key(self) -> str:
        self._keys.append(f"metastore-probe-{make_id()}")
        return self._keys[-1]

    def cleaned(self) -> str | None:
        """Take away what was made; return a sentence on what may be left, ``None`` where nothing is."""
        left: dict[str, StoreError] = {}
        for key in self._keys:
            try:
                self._drive.remove(key)
            except StoreError as broken:
                if self._may_lie(key):
                    left[key] = broken
        if not left:
            return None
        return f"what it wrote could not be taken away, {', '.join(left)}: {next(iter(left.values()))}"[:1000]

    def _may_lie(self, key: str) -> bool:
        try:
            self._drive.stat(key)
        except MissingBytesError:
            return False
        except StoreError:
            return self._wrote
        return True

    def seen(self) -> dict[str, Any]:
        key = self._key()
        told = self._drive.create(key, [BODY])
        self._wrote = True
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

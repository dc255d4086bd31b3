"""The web: plain GETs, each to an address that was checked, each redirect judged like a url of its own.

A key of a web store is the url itself.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import urljoin

from metastore.errors import (
    StoresFileError,
    StoreUnableError,
    StoreUnreachableError,
    UncoveredError,
    UnsafeUrlError,
)
from metastore.stores._addresses import connected
from metastore.stores._drive import Stat, ask, refused
from metastore.stores._secret import Hidden
from metastore.stores._store import Store
from metastore.stores._url import WEB, Place, hop_of, shown

__all__ = ["WebDrive"]

CHUNK = 2**18
HOPS = 5
TRIES = 3
LONGEST_WAIT = 30
_REDIRECTS = {301, 302, 303, 307, 308}
_BUSY = {429, 500, 502, 503, 504}
_BEYOND = 416

Covering = Callable[[Place], "Store | None"]
"""Says which configured store covers a place."""


class WebDrive:
    """A part of the web, or all of it, for reading."""

    def __init__(self, store: Store, covering: Covering) -> None:
        self._store, self._name, self._covering = store, store.name, covering
        self._context: ssl.SSLContext | None = None
        unknown = store.options.keys() - {"ca"}
        if unknown:
            raise StoresFileError(f"the store {store.name}: a web store has no option {min(unknown)}; it has ca")

    # reading

    def stat(self, key: str) -> Stat:
        """Return what the headers of a HEAD tell."""
        answer = self._answer("HEAD", key, {})
        answer.close()
        mark = answer.getheader("ETag") or answer.getheader("Last-Modified")
        return Stat(_number(answer.getheader("Content-Length")), mark)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the body of a GET, or the range of it."""
        if stop is not None and stop <= start:
            return
        ranged = start > 0 or stop is not None
        span = f"bytes={start}-{'' if stop is None else stop - 1}"
        answer = self._answer("GET", key, {"Range": span} if ranged else {}, beyond=start)
        try:
            if answer.status == _BEYOND:
                return
            if ranged:
                self._check_range(key, answer, start, stop)
            while chunk := self._chunk(answer):
                yield chunk
            if answer.length:
                raise self._broken(f"it broke off, {answer.length} bytes are missing")
        finally:
            answer.close()

    def _check_range(self, key: str, answer: http.client.HTTPResponse, start: int, stop: int | None) -> None:
        told = answer.getheader("Content-Range") or ""
        first, _, last = told.removeprefix("bytes ").partition("/")[0].partition("-")
        end = _number(last)
        if answer.status != 206 or first != str(start) or end is None or (stop is not None and end >= stop):
            raise StoreUnableError(
                f"the store {self._name} at {shown(key)}: it does not give the range that was asked for",
                store=self._name,
                key=shown(key),
            )

    def _chunk(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            return answer.read1(CHUNK)
        except (http.client.HTTPException, OSError) as broken:
            why = type(broken).__name__
        raise self._broken(f"it broke off ({why})")

    def _broken(self, why: str) -> StoreUnreachableError:
        return StoreUnreachableError(f"the store {self._name}: {why}", store=self._name)

    # what the web does not do

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Raise StoreUnableError: the web is only read."""
        self._unable("be written")

    def remove(self, key: str) -> None:
        """Raise StoreUnableError."""
        self._unable("be written")

    def keys(self) -> Iterator[tuple[str, Stat]]:
        """Raise StoreUnableError: the web has no list."""
        self._unable("be listed")

    def sign_get(self, key: str, seconds: int) -> tuple[str, dict[str, str]]:
        """Return the plain url where everybody may read. Raises StoreUnableError where it needs credentials."""
        if self._store.credentials:
            self._unable("sign urls")
        return key, {}

    def sign_put(self, key: str, seconds: int, *, size: int, sha256: str) -> tuple[str, dict[str, str]]:
        """Raise StoreUnableError."""
        self._unable("be written")

    def _unable(self, what: str) -> NoReturn:
        raise StoreUnableError(f"the store {self._name} is the web, and cannot {what}", store=self._name)

    # asking

    def _answer(self, method: str, url: str, headers: dict[str, str], *, beyond: int = 0) -> http.client.HTTPResponse:
        """Return the answer that redirects end in: success, or that a range begins ``beyond`` the end. Raises what its status means."""
        at, place = url, self._first(url)
        holder: Store | None = self._store
        for _ in range(HOPS + 1):
            answer = self._patiently(method, place, holder or self._store, headers)
            if answer.status not in _REDIRECTS:
                break
            answer.close()
            at = self._joined(at, answer.getheader("Location") or "")
            place, holder = self._hop(at, place)
        else:
            raise UnsafeUrlError(f"the store {self._name}: it redirects more than {HOPS} times", store=self._name)
        if answer.status in (200, 206) or (answer.status == _BEYOND and _lies_beyond(answer, beyond)):
            return answer
        answer.close()
        raise refused(self._name, shown(url), answer.status)

    def _first(self, url: str) -> Place:
        place = hop_of(url)
        if self._covering(place) is not self._store:
            raise UncoveredError(f"the store {self._name} does not cover {shown(url)}", store=self._name)
        return place

    def _joined(self, url: str, to: str) -> str:
        with suppress(ValueError):
            return urljoin(url, to)
        raise UnsafeUrlError(f"the store {self._name}: it redirects to what is no url", store=self._name)

    def _hop(self, url: str, before: Place) -> tuple[Place, Store]:
        """Return where a redirect leads, and the store that covers that. Raises UnsafeUrlError, UncoveredError."""
        place = hop_of(url)
        if place.protocol not in WEB or not place.root or (before.protocol == "https" and place.protocol == "http"):
            raise UnsafeUrlError(
                f"the store {self._name}: it redirects from {before.protocol} to {place.protocol}", store=self._name
            )
        store = self._covering(place)
        if store is None:
            raise UncoveredError(
                f"the store {self._name}: it redirects to {place.root}, which no store covers", store=self._name
            )
        return place, store

    def _patiently(
        self, method: str, place: Place, covering: Store, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """Return the answer of one hop; a busy server is asked again when it says, a few times."""
        for _ in range(TRIES - 1):
            answer = self._asked(method, place, covering, headers)
            if answer.status not in _BUSY:
                return answer
            answer.close()
            told = _number(answer.getheader("Retry-After"))
            time.sleep(min(1 if told is None else told, LONGEST_WAIT, self._store.timeout))
        return self._asked(method, place, covering, headers)

    def _asked(self, method: str, place: Place, covering: Store, headers: dict[str, str]) -> http.client.HTTPResponse:
        host, port = place.host
        sock = connected(host, port, self._store.timeout, private=covering.private)
        sent = Hidden({"Accept-Encoding": "identity", "User-Agent": "metastore", **headers})
        if covering is self._store and place.root == self._store.place.root:
            sent.update(self._credentials())
        return ask(self._name, shown(place.target), self._exchange, sock, method, place, sent)

    def _exchange(self, sock: Any, method: str, place: Place, headers: Hidden) -> http.client.HTTPResponse:
        host, port = place.host
        try:
            if place.protocol == "https":
                sock = self._trusted().wrap_socket(sock, server_hostname=host)
            connection = http.client.HTTPConnection(host, port)
            connection.sock = sock
            connection.request(method, place.target, headers={"Host": _host(place), "Connection": "close", **headers})
            return connection.getresponse()
        except http.client.HTTPException as broken:
            raise ConnectionError(type(broken).__name__) from None
        finally:
            sock.close()  # the answer holds on to it until it is closed itself

    def _trusted(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._store.options.get("ca"))
        return self._context

    def _credentials(self) -> Hidden:
        """Return the headers that hold credentials: each by its own name."""
        return Hidden({name: each.reveal().text for name, each in self._store.credentials.items()})


def _number(text: str | None) -> int | None:
    """Return the number that a header says, ``None`` for what is none; one that no file has is 2^63."""
    if text is None or not text.isdecimal():
        return None
    return int(text) if len(text) < 19 else 2**63


def _lies_beyond(answer: http.client.HTTPResponse, start: int) -> bool:
    """Whether an answer says that there are no more bytes than ``start``."""
    size = _number((answer.getheader("Content-Range") or "").removeprefix("bytes */"))
    return size is not None and size <= start


def _host(place: Place) -> str:
    host, port = place.host
    name = f"[{host}]" if ":" in host else host
    return name if port == {"http": 80, "https": 443}[place.protocol] else f"{name}:{port}"

"""HTTP, by urllib3: pools of connections, one pool per server and process, safe in threads and after a fork.

urllib3 and not requests, though requests comes with keystoneauth1: requests rewrites addresses (an object named
``a/../b`` cannot be asked for), and its sessions are not promised to be safe in threads. urllib3 is what requests stands
on, has no dependencies of its own, and is asked here for exactly the path that is given; it follows no redirect, takes
no proxy from the environment and decodes no content.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from metastore_swift._secret import Secret
from metastore_swift._settings import MEBIBYTE, Settings

__all__ = ["PIECE", "Body", "BrokenError", "Reply", "Wire", "in_pieces"]

Body = bytes | bytearray | memoryview | Callable[[], Iterator[bytes | memoryview]] | None
log = logging.getLogger("metastore_swift")
LONGEST_COMPLAINT = 4096
LONGEST_ANSWER = 512 * MEBIBYTE
PIECE = MEBIBYTE // 4


class BrokenError(Exception):
    """No whole answer: refused, broken off, or silent for too long. ``again`` is whether another try makes sense."""

    def __init__(self, cause: str, *, again: bool = True) -> None:
        super().__init__(cause)
        self.again = again


@dataclass(frozen=True)
class Reply:
    """An answer, had after some ``tries``: its ``body`` is read, or waits in ``stream``. Headers are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: Stream | None = None
    tries: int = 1

    def header(self, name: str) -> str:
        """Return a header's text, which Swift writes in UTF-8; empty where there is none."""
        return _from_latin(self.headers.get(name, ""))


class Stream:
    """A body on its way."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end. Raises: BrokenError where the end comes too soon."""
        try:
            return self._answer.read(size, decode_content=False) or b""
        except urllib3.exceptions.HTTPError as error:
            cause = _plain(error)
        raise BrokenError(cause)

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._answer.length_remaining != 0:
            self._answer.close()
        self._answer.release_conn()


class Wire:
    """Sends single requests; everything about retries and tokens is above it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools: dict[tuple[str, str, int | None], HTTPConnectionPool] = {}

    def send(
        self, base: str, verb: str, target: str, headers: Mapping[str, str], *,
        token: Secret | None = None, body: Body = None, stream: bool = False,
    ) -> Reply:  # fmt: skip
        """Return the answer, not decoded; only a success is left to be streamed.

        A callable body is called for what yields it piece by piece. Raises: BrokenError where no whole answer comes; ValueError
        for a header that HTTP cannot carry.
        """
        try:
            answer = self._pool(base).urlopen(
                verb, target, headers=_sent(headers, token), body=_sendable(body),
                redirect=False, preload_content=False, decode_content=False, assert_same_host=False,
            )  # fmt: skip
            log.debug("%s %s: %s", verb, target.partition("?")[0], answer.status)
            return _received(answer, stream=stream)
        except urllib3.exceptions.HTTPError as error:
            broken = BrokenError(_plain(error), again=not _distrusted(error))
        except ValueError:
            broken = None
        # raised here, without the cause: its frames hold the token
        raise broken or ValueError("A header has a line break or another sign that HTTP cannot carry.")

    def _pool(self, base: str) -> HTTPConnectionPool:
        parts = urlsplit(base)
        key = (parts.scheme, parts.hostname or "", parts.port)
        # setdefault is atomic: of two pools made at once, one is used and the other forgotten
        return self._pools.get(key) or self._pools.setdefault(key, self._made(*key))

    def _made(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        told = self._settings
        options: dict[str, Any] = {
            "maxsize": told.concurrency + 2,
            "timeout": urllib3.Timeout(connect=min(told.timeout, 30.0), read=told.timeout),
            "retries": False,
            "blocksize": PIECE,
        }
        if scheme == "http":
            return HTTPConnectionPool(host, port, **options)
        return urllib3.HTTPSConnectionPool(host, port, ssl_context=_context(told), **options)


def _sent(headers: Mapping[str, str], token: Secret | None) -> dict[str, str]:
    whole = {**headers, **({"X-Auth-Token": token.reveal()} if token else {})}
    return {name: _to_latin(text) for name, text in whole.items()}


def _sendable(body: Body) -> Any:
    if callable(body):
        return body()
    return in_pieces(body) if body is not None and len(body) > PIECE else body


def in_pieces(body: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    """Yield a body as it is sent, piece by piece: a socket's timeout is for all that it is given at once."""
    view = memoryview(body)
    return (view[at : at + PIECE] for at in range(0, len(view), PIECE))


def _context(told: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=told.ca_file or None)
    if not told.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _received(answer: urllib3.BaseHTTPResponse, *, stream: bool) -> Reply:
    if stream and answer.status < 300:
        return Reply(answer.status, answer.headers, stream=Stream(answer))
    coming = Stream(answer)
    body = _whole(coming, LONGEST_ANSWER if answer.status < 300 else LONGEST_COMPLAINT)
    coming.close()
    if len(body) > LONGEST_ANSWER:
        raise BrokenError(f"an answer of more than {LONGEST_ANSWER} bytes", again=False)
    return Reply(answer.status, answer.headers, body)


def _whole(coming: Stream, most: int) -> bytes:
    """Return a body, or a little more than ``most`` of one that is longer."""
    parts, size = [], 0
    while size <= most and (part := coming.read(MEBIBYTE)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _distrusted(error: urllib3.exceptions.HTTPError) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _plain(error: BaseException) -> str:
    cause = " ".join(str(error.__cause__ or error.__context__ or error).split())
    return f"{type(error).__name__}, {cause[:200]}"


def _to_latin(text: str) -> str:
    return text.encode().decode("latin-1")


def _from_latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")

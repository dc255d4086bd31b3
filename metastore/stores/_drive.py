"""Drive: a store that is open, by keys below its url; what every kind of store answers, and its errors in our words."""

from __future__ import annotations

import errno
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from metastore._data import EMPTY, Data
from metastore.errors import (
    KeyTakenError,
    MetastoreError,
    MissingBytesError,
    StoreDeniedError,
    StoreError,
    StoreFullError,
    StoreUnreachableError,
)

__all__ = [
    "ASIDE",
    "BLOCK",
    "OWN",
    "PART",
    "Copies",
    "Drive",
    "Lists",
    "Parts",
    "Signed",
    "Signs",
    "Stat",
    "Sweeps",
    "TakesUp",
    "Unfinished",
    "aside_of",
    "ask",
    "asked",
    "is_own",
    "refused",
    "status_of",
]  # fmt: skip

BLOCK = 4 * 2**20
"""Bytes that a drive reads or hands on at once."""
OWN = ".metastore-"
"""How the names begin that are ours in every store, at any depth: they are no keys, and nothing below them is ever opened by a url."""
PART, ASIDE = f"{OWN}part", f"{OWN}quarantine"
"""How the names of unfinished files begin, and the folder of objects that were put aside."""

P = ParamSpec("P")
T = TypeVar("T")


class Stat(Data):
    """What a store tells of an object without reading it: what it does not know is ``None``, or left out.

    ``mark`` is a text that changes with the bytes, as an ETag or a time with the size; ``digests`` are whole digests by algorithm;
    ``modified`` is when it was last written, with its time zone.
    """

    size: int | None = None
    mark: str | None = None
    digests: Mapping[str, str] = EMPTY
    media_type: str | None = None
    modified: datetime | None = None


class Signed(Data):
    """A request that whoever holds it may make until it expires: give it to its client and to nobody else.

    ``headers`` must be sent as they are. ``binds`` names what the store enforces of the upload: ``size``, ``sha256``,
    ``create``. ``location`` is the plain url, the one to attach. ``expires`` is in seconds from when it was made.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    expires: int
    location: str
    binds: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Signed({self.method} {self.location!r}, expires={self.expires}, binds={self.binds})"

    def __reduce__(self) -> Any:
        raise TypeError("a signed url is a secret for a while, and is never pickled")


class Drive(Protocol):
    """A store that is open. Keys are texts with slashes, already checked; every error is one of `metastore.errors`."""

    def stat(self, key: str) -> Stat:
        """Return what the store tells of an object. Raises MissingBytesError."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to before ``stop``, in chunks of any size above 0; nothing is open before the first."""

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Store an object and return what is known of it. Raises KeyTakenError; what fails leaves nothing at the key."""

    def remove(self, key: str) -> None:
        """Take an object away; one that is not there is fine."""

    def keys(self) -> Iterator[tuple[str, Stat]]:
        """Yield every key with what the listing tells of it; what is unfinished, or put aside, is none."""


@runtime_checkable
class Signs(Protocol):
    """An optional ability: to sign requests, so that clients reach the store without us."""

    def sign_get(self, key: str, seconds: int) -> tuple[str, dict[str, str]]:
        """Return url and headers of a download."""

    def sign_put(self, key: str, seconds: int, *, size: int, sha256: str) -> tuple[str, dict[str, str]]:
        """Return url and headers of an upload, bound to size and digest as far as the protocol goes."""


@runtime_checkable
class Lists(Protocol):
    """An optional ability: to tell of many objects in fewer requests than one each."""

    def listed(self, keys: Iterable[str]) -> dict[str, Stat]:
        """Return what listings tell of objects, by key: no more than `stat`; what they tell nothing of is left out."""


@runtime_checkable
class Parts(Protocol):
    """An optional ability: to take an object in parts, in any order and several at once, and to go on with it later.

    Parts are numbered from 1; all but the last have the same size, at least ``least``. Marks of parts are MD5, lower-case hex.
    """

    least: int
    at_once: int

    def begin(self, key: str, *, media_type: str | None = None) -> str:
        """Begin an object in parts and return the id by which it goes on."""

    def sent(self, key: str, upload: str, size: int) -> dict[int, str]:
        """Return the marks of the whole parts of ``size`` that lie there. Raises MissingBytesError for an unknown upload."""

    def send(self, key: str, upload: str, number: int, part: bytes, offset: int) -> str:
        """Store one part, whose first byte is at ``offset`` of the whole, and return its mark."""

    def finish(self, key: str, upload: str, marks: Mapping[int, str]) -> None:
        """Make one object of the parts. Raises KeyTakenError."""

    def abandon(self, key: str, upload: str) -> None:
        """Take the parts away; unknown ones are fine."""


@runtime_checkable
class TakesUp(Parts, Protocol):
    """An optional ability: to go on in parts where another process broke off, even if that one goes on as well."""

    def take_up(self, key: str) -> str | None:
        """Return the id of an upload that has what an unfinished one to the same key left, ``None`` where there is none."""


@runtime_checkable
class Copies(Protocol):
    """An optional ability: to have an object copied by the server, so that its bytes do not pass here."""

    def copy(self, other: Drive, source: str, key: str, found: Stat) -> Stat | None:
        """Copy what lies at ``source`` of another drive, as it was ``found``, and return what is told of the copy.

        The key is one that nobody else ever writes, as not every server refuses to copy onto what is there. ``None`` where this one
        has no way to the other one, or none by which a copy keeps its mark.
        """

    def remove(self, key: str) -> None:
        """Take an object away, as `Drive.remove`."""


class Unfinished(Data):
    """What an upload left that did not come to its end: ``key`` and ``upload`` as `Sweeps.abandon` takes them.

    ``target`` is the key it was for, or one beside it; ``modified`` is when the last of it was written.
    """

    target: str
    key: str
    upload: str
    size: int | None
    modified: datetime | None


@runtime_checkable
class Sweeps(Protocol):
    """An optional ability: to be swept. What is put aside lies below `ASIDE`, by the key it had."""

    def move(self, key: str, to: str) -> None:
        """Give an object another key, without its bytes coming here. Raises MissingBytesError, KeyTakenError.

        Broken off, it leaves the object at its key, or at both.
        """

    def aside(self) -> Iterator[tuple[str, Stat]]:
        """Yield what was put aside, by the key it had."""

    def unfinished(self) -> Iterator[Unfinished]:
        """Yield what broken uploads left, and those under way."""

    def abandon(self, key: str, upload: str) -> None:
        """Take away what an upload left; what is not there is fine."""

    def pieces(self) -> Container[str]:
        """Return the keys that other objects consist of, or lead to. Raises StoreUnableError where the store cannot tell."""


def aside_of(key: str) -> str:
    """Return where an object lies that was put aside."""
    return f"{ASIDE}/{key}"


def is_own(key: str) -> bool:
    """Whether a key is one of our own names, or below one."""
    return OWN in key and any(each.startswith(OWN) for each in key.split("/"))


# --- errors -------------------------------------------------------------------------------------------------------


def ask(store: str, key: str | None, act: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Return what ``act`` returns; what a driver raises becomes an error of ours, without a trace of the driver's own values."""
    try:
        return act(*args, **options)
    except MetastoreError:
        raise
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        found = said(store, key, error)
    raise found  # here, where there is no context: a traceback with locals would show the driver's secrets


def asked(store: str, key: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a driver, with its errors as `ask` makes them."""
    while chunk := ask(store, key, next, chunks, b""):
        yield chunk


def said(store: str, key: str | None, error: Exception) -> StoreError:
    """Return our error for a driver's; its words are left out, as they may hold what the driver was given."""
    kind, why = _kind(error)
    at = "" if key is None else f" at {key[:200]!r}"
    return kind(f"the store {store}{at}: {why} ({type(error).__name__}{_code(error)})", store=store, key=key)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_STATUS: dict[int, tuple[type[StoreError], str]] = {
    401: (StoreDeniedError, "it refuses the credentials"),
    403: (StoreDeniedError, "it does not allow that"),
    404: (MissingBytesError, "there is nothing"),
    409: (KeyTakenError, "something else is going on there"),
    410: (MissingBytesError, "there is nothing any more"),
    412: (KeyTakenError, "something lies there already"),
    413: (StoreFullError, "it takes no more bytes"),
    429: (StoreUnreachableError, "it is asked too often"),
    507: (StoreFullError, "it has no room left"),
}


def _kind(error: Exception) -> tuple[type[StoreError], str]:
    status = status_of(error)
    if status in _STATUS:
        return _STATUS[status]
    if status is not None and status >= 500:
        return StoreUnreachableError, f"it answers {status}"
    if isinstance(error, OSError) and error.errno in _FULL:
        return StoreFullError, "it has no room left"
    if isinstance(error, OSError) and error.errno == errno.EROFS:  # no PermissionError, as EACCES and EPERM are
        return StoreDeniedError, "it can only be read"
    for builtin, kind, why in _BUILTIN:
        if isinstance(error, builtin):
            return kind, why
    names = {each.__name__ for each in type(error).__mro__}
    return next(((kind, why) for known, kind, why in _NAMED if known & names), (StoreError, "it failed"))


_NAMED: tuple[tuple[set[str], type[StoreError], str], ...] = (
    ({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}, StoreDeniedError, "no credentials for it are found"),
    ({"SSLError", "SSLCertVerificationError"}, StoreUnreachableError, "its certificate is not trusted"),
    ({"HTTPClientError", "ConnectionError", "ClientConnectionError", "ClientPayloadError", "ConnectFailure", "IncompleteRead"},
     StoreUnreachableError, "it does not answer, or broke off"),
)  # fmt: skip
"""Errors of drivers that need not be installed, by the names of their classes."""


def refused(store: str, key: str, status: int) -> StoreError:
    """Return our error for an HTTP status that is none of success."""
    kind, why = _STATUS.get(status, (StoreUnreachableError if status >= 500 else StoreError, f"it answers {status}"))
    return kind(f"the store {store} at {key[:200]!r}: {why} ({status})", store=store, key=key)


_BUILTIN: tuple[tuple[type[Exception], type[StoreError], str], ...] = (
    (FileNotFoundError, MissingBytesError, "there is nothing"),
    (FileExistsError, KeyTakenError, "something lies there already"),
    (PermissionError, StoreDeniedError, "it does not allow that"),
    (TimeoutError, StoreUnreachableError, "it does not answer in time"),
    (ConnectionError, StoreUnreachableError, "it does not answer, or broke off"),
)


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that an error of a driver tells of, if it does."""
    for name in ("status", "status_code", "http_status"):
        value = getattr(error, name, None)
        if type(value) is int and 400 <= value < 600:
            return value
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return value if type(value) is int and 400 <= value < 600 else None
    cause = error.__cause__
    return status_of(cause) if isinstance(cause, Exception) else None


def _code(error: Exception) -> str:
    status = status_of(error)
    if status is not None:
        return f", {status}"
    number = error.errno if isinstance(error, OSError) else None
    return "" if number is None else f", {errno.errorcode.get(number, number)}"

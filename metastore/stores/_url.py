"""Urls that are to be opened: read once, in one way, or refused.

A url of the catalogue is percent-encoded; what the store is asked for is decoded once. Whatever another reader of the
same text could take for something else is refused: dot segments in any spelling, encoded slashes, backslashes, chains.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote, urlsplit

from metastore._data import Data
from metastore._location import check_url, usual_url
from metastore.errors import UnsafeUrlError, ValidationError

__all__ = ["WEB", "Place", "place_of", "quoted", "shown", "under"]

WEB = ("http", "https")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")
_BUCKET = re.compile(r"[A-Za-z0-9_.:-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"(?:\A|/)\s*\.\.?\s*(?=[/;]|\Z)")
"""A segment of one or two dots, with what some readers take away from its sides."""
_SENT = "/%?&=:;@!$'()*+,-._~[]|{}^"
ROUNDS = 5
_PORTS = {"http": 80, "https": 443}


class Place(Data):
    """A url in parts: ``root`` is its host with the port, or its bucket; ``segments`` are decoded.

    ``target`` is what a server of the web is asked for: path and query as they were written.
    """

    protocol: str
    root: str
    segments: tuple[str, ...]
    target: str = ""

    @property
    def host(self) -> tuple[str, int]:
        """Host and port of a place in the web."""
        name, _, port = self.root.rpartition(":")
        return name.strip("[]"), int(port)


def place_of(url: str) -> Place:
    """Return the parts of a url. Raises UnsafeUrlError for one that is never opened; it repeats nothing secret."""
    if (usual := _usual_place(url)) is not None:
        return usual
    try:
        check_url(url)
    except ValidationError as refused:
        raise UnsafeUrlError(str(refused)) from None
    return _place(url)


def hop_of(url: str) -> Place:
    """Return the parts of a url that a server redirects to, which may be a signed one. Raises UnsafeUrlError."""
    plain, mark, query = url.partition("#")[0].partition("?")
    place = place_of(plain)
    if _CONTROL.search(query) or " " in query:
        raise UnsafeUrlError("a redirect with control characters")
    return Place(place.protocol, place.root, place.segments, place.target + quote(mark + query, safe=_SENT))


def _place(url: str) -> Place:
    if "::" in url and not _is_web_with_colons(url):
        raise _unsafe(url, "it chains file systems")
    parts = urlsplit(url) if url.startswith(("http://", "https://")) else None
    protocol, _, rest = url.partition("://")
    target = ""
    if parts is not None:
        rest = parts.netloc + parts.path
        target = quote((parts.path or "/") + ("?" + parts.query if parts.query else ""), safe=_SENT)
        if parts.fragment:
            raise _unsafe(url, "it has a fragment")
    authority, _, path = rest.partition("/")
    _check_spellings(url, rest)
    return Place(protocol, _root(url, protocol, authority), _segments(url, path), target)


def _usual_place(url: str) -> Place | None:
    """Return the parts of a usual url outside the web as `_place` does, ``None`` for one whose every part has to be looked at.

    It has no percent sign, backslash, space or letter beyond ASCII, so it reads the same however often somebody decodes it.
    """
    if not isinstance(url, str) or not usual_url(url):
        return None
    protocol, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    segments = path.removesuffix("/").split("/")
    if protocol in WEB or "::" in url or not path or not _NO_NAMES.isdisjoint(segments):
        return None
    return Place(protocol, _root(url, protocol, authority), tuple(segments))


_NO_NAMES = frozenset(("", ".", ".."))


def _is_web_with_colons(url: str) -> bool:
    """Only an address in brackets may hold two colons."""
    netloc = url.partition("://")[2].partition("/")[0]
    return url.startswith(("http://", "https://")) and "::" not in url.replace(netloc, "", 1) and netloc[:1] == "["


def _root(url: str, protocol: str, authority: str) -> str:
    if protocol == "file":
        if authority not in ("", "localhost"):
            raise _unsafe(url, "a file has no host")
        return ""
    if protocol not in WEB:
        if not _BUCKET.fullmatch(authority) or authority in (".", ".."):
            raise _unsafe(url, "its first part is no name of a bucket, container or host")
        return authority
    return _web_root(url, protocol, authority) if authority else ""


def _web_root(url: str, protocol: str, authority: str) -> str:
    host, colon, port = authority.rpartition(":") if re.search(r":[0-9]*$", authority) else (authority, "", "")
    host = host.rstrip(".").lower()
    if not _HOST.fullmatch(host) or (colon and not 0 < int(port or 0) < 65536):
        raise _unsafe(url, "its host is not plain ASCII letters, digits, dots and hyphens (write an IDN as xn--…)")
    return f"{host}:{port or _PORTS[protocol]}"


def _segments(url: str, path: str) -> tuple[str, ...]:
    if not path:
        return ()
    raw = path.removesuffix("/").split("/")
    if raw == [""]:
        return ()
    try:
        found = tuple(unquote(each, errors="strict") for each in raw)
    except UnicodeDecodeError:
        raise _unsafe(url, "its percent-encoding is no UTF-8") from None
    if any(not each for each in found):
        raise _unsafe(url, "it has an empty segment (//)")
    return found


def _check_spellings(url: str, rest: str) -> None:
    """Refuse what would be another path to a reader who decodes once more, or normalises."""
    text, slashes = rest, rest.count("/")
    for _ in range(ROUNDS):
        _check_text(url, text, slashes)
        again = unquote(text, errors="replace")
        if again == text:
            break
        text = again
    else:
        raise _unsafe(url, "it is percent-encoded again and again")


def _check_text(url: str, text: str, slashes: int) -> None:
    for each in dict.fromkeys((text, unicodedata.normalize("NFKC", text))):
        if "\\" in each or _CONTROL.search(each):
            raise _unsafe(url, "it holds a backslash or a control character")
        if each.count("/") != slashes:
            raise _unsafe(url, "it holds an encoded slash")
        if _DOTS.search(each):
            raise _unsafe(url, "it holds . or .. as a segment")


def _unsafe(url: str, why: str) -> UnsafeUrlError:
    return UnsafeUrlError(f"{shown(url)} is not opened: {why}")


def shown(url: str) -> str:
    """Return a url as messages may show it: without query, printable, not long."""
    plain = url.partition("?")[0]
    return "".join(sign if sign.isprintable() else "�" for sign in plain)[:200]


def under(place: Place, store: Place) -> tuple[str, ...] | None:
    """Return the segments of a place below a store's, ``None`` where it is not below it."""
    if place.protocol != store.protocol or (store.root != place.root and not _any_host(store)):
        return None
    depth = len(store.segments)
    inside = place.segments[:depth] == store.segments and len(place.segments) > depth
    return place.segments[depth:] if inside else None


def _any_host(store: Place) -> bool:
    return store.protocol in WEB and not store.root


def quoted(key: str) -> str:
    """Return a key as it stands in a url."""
    return quote(key, safe="/-._~!$&()*+,;=@")

"""Location: one place where the bytes of a blob lie, as a url that carries no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from metastore._data import EMPTY, Data
from metastore._json import decode, encode
from metastore.errors import ValidationError, nearest

__all__ = ["STATES", "URL_LENGTH", "Location", "check_url", "plain_locations", "usual_url"]

URL_LENGTH = 2048
METADATA_LENGTH = 4096
STATES = ("active", "disabled", "pending_delete")
"""Bytes are read from active locations only; of the others it is known that they are, or were, there."""

_URL = r"[a-z][a-z0-9+.-]*://[^\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]*"  # compiled for the first unusual one
usual_url = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[\w./:~+=,-]{0,1900}", re.ASCII).fullmatch
"""Matches a url that needs no look at its parts: nothing in it can be a secret."""
_STORE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SECRETS = {
    "signature", "sig", "x-amz-signature", "x-amz-credential", "x-amz-security-token", "temp_url_sig",
    "temp_url_expires", "x-goog-signature", "x-goog-credential", "x-oss-signature", "x-cos-security-token", "awsaccesskeyid",
    "googleaccessid", "key-pair-id", "token", "access_token", "refresh_token", "id_token", "auth_token", "private_token",
    "password", "passwd", "secret", "client_secret", "secret_key", "api_key", "apikey", "access_key", "authorization",
    "credential", "credentials", "x-auth-token",
}  # fmt: skip
_SECRET_NAMES = {each.replace("-", "_") for each in _SECRETS}


class Location(Data):
    """One place where the bytes lie: a url without credentials; lower ``priority`` is tried first.

    ``store`` names the store that put it there, ``state`` is one of active, disabled and pending_delete, ``metadata`` are JSON
    values by name (at most 4096 characters of JSON); do not change it.
    """

    url: str
    priority: int
    store: str | None
    state: str
    metadata: Mapping[str, Any]

    def __init__(
        self,
        url: str,
        priority: int = 0,
        store: str | None = None,
        state: str = "active",
        metadata: Mapping[str, Any] = EMPTY,
    ) -> None:
        super().__init__(url, priority, store, state, {} if metadata is EMPTY else metadata)

    def __hash__(self) -> int:
        return hash((self.url, self.priority, self.store, self.state))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Location:
        """Return the location of a plain mapping that was checked when it was written."""
        return cls(
            plain["url"],
            plain.get("priority", 0),
            plain.get("store"),
            plain.get("state", "active"),
            plain.get("metadata", {}),
        )

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON types, what is usual left out. Raises ValidationError for what no location may be."""
        check_url(self.url)
        _check(self)
        plain: dict[str, Any] = {"url": self.url}
        if self.metadata:
            plain["metadata"] = self.metadata
        if self.priority:
            plain["priority"] = self.priority
        if self.state != "active":
            plain["state"] = self.state
        if self.store is not None:
            plain["store"] = self.store
        return plain


def _check(place: Location) -> None:
    if type(place.priority) is not int or not -(2**63) <= place.priority < 2**63:
        raise ValidationError(
            f"expected a location's priority as an int of 64 bits, got {type(place.priority).__name__}"
        )
    if place.store is not None and not (isinstance(place.store, str) and _STORE.fullmatch(place.store)):
        raise ValidationError(f"expected the name of a location's store like images-1, got {place.store!r:.60}")
    if place.state not in STATES:
        raise ValidationError(f"unknown state of a location {place.state!r:.40}: {nearest(str(place.state), STATES)}")
    _check_metadata(place.metadata)


def _check_metadata(metadata: Any) -> None:
    if not metadata and isinstance(metadata, dict):
        return
    if not isinstance(metadata, dict) or not all(isinstance(name, str) for name in metadata):
        raise ValidationError(f"expected a location's metadata as a dict of names to JSON values, got {metadata!r:.60}")
    for name in metadata:
        if _is_secret(name):
            raise ValidationError(f"a location's metadata must not carry credentials ({name}); configure the store")
    try:
        text = encode(metadata)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise ValidationError(
            "expected a location's metadata as JSON values of finite numbers and whole text"
        ) from None
    if len(text) > METADATA_LENGTH or "\\u0000" in text or decode(text) != metadata:
        raise ValidationError(
            f"expected a location's metadata as plain JSON without NUL, of at most {METADATA_LENGTH} characters"
        )


def plain_locations(places: Sequence[Location | str]) -> list[dict[str, Any]]:
    """Return locations as JSON types in the order they are tried; a url that is said twice counts once, first as given.

    Raises ValidationError.
    """
    if len(places) == 1 and isinstance(places[0], str):
        return [{"url": check_url(places[0])}]
    if len(places) == 1 and isinstance(places[0], Location):
        return [places[0].to_plain()]
    known: dict[str, tuple[int, dict[str, Any]]] = {}
    for each in places:
        place = each if isinstance(each, Location) else Location(each)
        plain = place.to_plain()
        known.setdefault(plain["url"], (place.priority, plain))
    return [plain for _, plain in sorted(known.values(), key=itemgetter(0))]


# --- urls ---------------------------------------------------------------------------------------------------------


def check_url(url: Any) -> str:
    """Return the url of a blob if it is one, and carries no secret. Raises ValidationError, which does not repeat it."""
    if not isinstance(url, str):
        raise ValidationError(f"expected a url as text for a blob, got {type(url).__name__}")
    if len(url) > URL_LENGTH or not re.fullmatch(_URL, url):
        raise ValidationError(
            f"expected a blob's url like s3://bucket/key or file:///path, at most {URL_LENGTH} characters and without spaces (write %20) or control characters"
        )
    if "@" in url or "?" in url or "%40" in url or "#" in url:
        for part in url.split("::"):
            _check_secrets(part)
    return url


def _check_secrets(url: str) -> None:
    from urllib.parse import urlsplit  # here, as only writing a new reference needs it

    try:
        parts = urlsplit(url)
    except ValueError as broken:
        raise ValidationError(f"a blob's url cannot be read: {broken}") from None
    if "@" in parts.netloc or "%40" in parts.netloc:
        raise ValidationError("a blob's url must not carry credentials (user@host); configure the store instead")
    for text in (parts.query, parts.fragment):
        if any(map(_is_secret, _names(text))):
            raise ValidationError("a blob's url must not be a signed one: store the plain url, sign it when it is used")


def _names(text: str) -> Iterator[str]:
    """Yield the names that a query gives values to; those of urls in it, too, which are encoded once more each."""
    from urllib.parse import parse_qsl, unquote

    for _ in range(3):
        yield from (name for name, _ in parse_qsl(re.sub("[;?#]", "&", text), keep_blank_values=True))
        text = unquote(text)


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "_") in _SECRET_NAMES

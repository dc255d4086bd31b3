"""Blob: a reference to bytes that lie elsewhere, and the proof that they are the right ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from metastore._json import decode, encode
from metastore._location import URL_LENGTH, Location, plain_locations, usual_url
from metastore.errors import ValidationError, nearest

__all__ = ["DIGEST_LENGTHS", "PROOFS", "URL_LENGTH", "Blob", "Location", "combined"]

DIGEST_LENGTHS = {"blake3": 64, "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Known digest algorithms and the length of their hex text."""

PROOFS = ("sha256", "sha512", "sha384", "blake3")
"""The algorithms whose digests prove bytes, in the order they are preferred; the others are carried for old clients and never decide."""

_HEX = re.compile(r"[0-9a-f]+")
_usual_digest, _usual_type = re.compile(r"[0-9a-f]{64}").fullmatch, re.compile(r"[!-~]{1,255}").fullmatch
"""What most blobs have passes by one look; all else is judged, and refused, word by word."""


def _checked_digest(algorithm: str, digest: Any) -> tuple[str, str]:
    if algorithm not in DIGEST_LENGTHS:
        raise ValidationError(f"unknown digest algorithm {algorithm!r}: {nearest(str(algorithm), DIGEST_LENGTHS)}")
    text = digest.lower() if isinstance(digest, str) else ""
    if len(text) != DIGEST_LENGTHS[algorithm] or not _HEX.fullmatch(text):
        raise ValidationError(f"expected {DIGEST_LENGTHS[algorithm]} hex digits for {algorithm}, got {digest!r:.140}")
    return algorithm, text


def _checked_size(size: Any) -> int:
    if type(size) is not int or not 0 <= size < 2**63:
        raise ValidationError(f"expected a blob's size in bytes, 0 or more, got {size!r:.40}")
    return size


def _checked_media_type(media_type: Any) -> str:
    if (
        not isinstance(media_type, str)
        or len(media_type) > 255
        or not media_type.isprintable()
        or not media_type.strip()
    ):
        raise ValidationError(f"expected a media type like application/gzip, got {media_type!r:.80}")
    return media_type


def _plain_digests(sha256: str | None, others: Mapping[str, str]) -> dict[str, str]:
    if not others:
        return dict([_checked_digest("sha256", sha256)])
    proofs = {} if sha256 is None else {"sha256": sha256}
    return dict(sorted(_checked_digest(*proof) for proof in {**others, **proofs}.items()))


_new = object.__new__


class Blob:
    """A reference to bytes: their content (size, digests, media type) and where they lie (0 to n locations).

    Immutable; equal by content and locations. ``size`` is in bytes, digests are lower-case hex. Locations are a set by their
    urls. Without a digest of `PROOFS` it is *unverified*, and nothing decides which bytes are its own.
    Raises ValidationError for a url with credentials, an unknown algorithm, a digest of the wrong length.

    >>> blob = Blob("s3://images/debian.qcow2", size=345, sha256="9f" * 32)
    >>> blob.url, blob.size, blob.digests["sha256"][:4]
    ('s3://images/debian.qcow2', 345, '9f9f')
    """

    __slots__ = ("_stored",)

    _stored: dict[str, Any] | str

    def __init__(
        self,
        url: str | None = None,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        digests: Mapping[str, str] | None = None,
        locations: Iterable[Location | str] = (),
    ) -> None:
        plain: dict[str, Any] = {}
        if sha256 is not None or digests:
            usual = not digests and type(sha256) is str and _usual_digest(sha256)
            plain["digests"] = {"sha256": sha256} if usual else _plain_digests(sha256, digests or {})
        if url is not None or locations:
            usual = not locations and type(url) is str and usual_url(url)
            plain["locations"] = (
                [{"url": url}] if usual else plain_locations([*locations] if url is None else [url, *locations])
            )
        if media_type is not None:
            usual = type(media_type) is str and _usual_type(media_type)
            plain["media_type"] = media_type if usual else _checked_media_type(media_type)
        if size is not None:
            plain["size"] = size if type(size) is int and 0 <= size < 2**63 else _checked_size(size)
        _put_stored(self, plain)

    @classmethod
    def from_plain(cls, plain: dict[str, Any] | str) -> Blob:
        """Return the blob of a plain mapping, or of its JSON text, that was checked when it was written.

        A mapping must not be changed any more; a text is read when something is asked of the blob.
        """
        blob = _new(cls)
        _put_stored(blob, plain)
        return blob

    @property
    def _plain(self) -> dict[str, Any]:
        stored = self._stored
        if isinstance(stored, str):
            stored = decode(stored)
            _put_stored(self, stored)
        return stored

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON types, what is not known left out (see `metastore.backend`); not to be changed."""
        stored = self._stored
        return stored if type(stored) is dict else self._plain

    @property
    def size(self) -> int | None:
        """Size in bytes, or ``None`` while it is not known."""
        return self._plain.get("size")

    @property
    def media_type(self) -> str | None:
        """Media type, or ``None`` while it is not known."""
        return self._plain.get("media_type")

    @property
    def locations(self) -> tuple[Location, ...]:
        """Where the bytes lie, in the order they are tried."""
        return tuple(map(Location.from_plain, self._plain.get("locations", ())))

    @property
    def url(self) -> str | None:
        """The url tried first, or ``None`` where no location is known."""
        places = self._plain.get("locations")
        return places[0]["url"] if places else None

    @property
    def urls(self) -> tuple[str, ...]:
        """Every url, in the order they are tried."""
        return tuple(place["url"] for place in self._plain.get("locations", ()))

    @property
    def digests(self) -> dict[str, str]:
        """Digests by algorithm; a new dict."""
        return dict(self._plain.get("digests", {}))

    @property
    def sha256(self) -> str | None:
        """The SHA-256 digest, or ``None`` while it is not known."""
        found: str | None = self._plain.get("digests", {}).get("sha256")
        return found

    @property
    def proof(self) -> tuple[str, str] | None:
        """The algorithm and digest that prove the bytes, or ``None`` while it is unverified."""
        digests = self._plain.get("digests", {})
        return next(((name, digests[name]) for name in PROOFS if name in digests), None)

    def evolve(self, **changes: Any) -> Blob:
        """Return the same blob with other ``size``, ``media_type``, ``digests`` or ``locations``; ``None`` takes one away.

        >>> Blob("s3://images/a", size=1).evolve(size=2).size
        2
        """
        known = {"size": self.size, "media_type": self.media_type, "digests": self.digests, "locations": self.locations}
        for name in changes:
            if name not in known:
                raise ValidationError(f"a blob has no {name!r}: {nearest(name, known)}")
        given = {name: value for name, value in {**known, **changes}.items() if value is not None}
        return Blob(**given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Blob cannot be changed ({name}); make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Blob cannot be changed ({name}); make a new one")

    def __eq__(self, other: object) -> bool:
        return self._plain == other._plain if isinstance(other, Blob) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.size, self.media_type, frozenset(self.digests.items()), self.locations))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Blob.from_plain, (self.to_plain(),))

    def __repr__(self) -> str:
        known = [repr(url) for url in self.urls]
        known += [f"{name}={value!r}" for name in ("size", "media_type") if (value := getattr(self, name)) is not None]
        known += [f"{name}={digest[:12]}…" for name, digest in self.digests.items()]
        known += [] if self.proof else ["unverified"]
        return f"Blob({', '.join(known)})"


_put_stored = Blob.__dict__["_stored"].__set__


def combined(parts: Mapping[str, Blob]) -> str:
    """Return the identity of named parts together, as ``sha256:…``: other bytes, other names or another set give another one.

    It is SHA-256 over the canonical JSON of each name with its size and its proof, so that right parts in a wrong assembly differ.
    Raises ValidationError for a part that is unverified, or whose size is not known.

    >>> disk, boot = Blob(size=1, sha256="ab" * 32), Blob(size=2, sha256="cd" * 32)
    >>> combined({"disk": disk, "boot": boot}) == combined({"boot": disk, "disk": boot})
    False
    """
    import hashlib

    named = [[name, *_identity(name, parts[name])] for name in sorted(parts)]
    return "sha256:" + hashlib.sha256(encode(named).encode()).hexdigest()


def _identity(name: str, part: Any) -> tuple[int, str, str]:
    if not isinstance(part, Blob):
        raise ValidationError(f"expected a Blob as the part {name!r}, got {type(part).__name__}")
    proof, size = part.proof, part.size
    if proof is None or size is None:
        raise ValidationError(f"the part {name!r} is unverified, so nothing says which bytes it is: verify it first")
    return size, *proof

"""Key: a public key that is trusted, by name, for a time; and the one place where cryptography is asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from metastore._data import Data
from metastore.errors import MissingExtraError, TrustFileError

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey  # pyright: ignore[reportPrivateImportUsage] - it has no __all__

__all__ = ["KNOWN", "Key", "library", "pae", "too_short"]

LONGEST = 65_536
LEAST_RSA = 2048
KINDS = ("ed25519", "ecdsa", "rsa")
KNOWN = f"Ed25519, ECDSA (P-256, P-384, P-521) or RSA of {LEAST_RSA} bits or more"

Standing = Literal["revoked", "early", "expired"]


class Key(Data):
    """A public key by name: ``public`` is PEM (Ed25519, ECDSA, or RSA, which signs by PSS).

    It counts from ``not_before`` and until before ``not_after``, by the clock *now*, as nothing tells when a signature was made; once ``revoked``
    it never counts. ``keyid`` is how envelopes name it, as TUF and in-toto do. Raises TrustFileError, MissingExtraError.
    """

    name: str
    public: str
    not_before: datetime | None
    not_after: datetime | None
    revoked: bool

    def __init__(
        self,
        name: str,
        public: str | os.PathLike[str],
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        revoked: bool = False,
    ) -> None:
        if not isinstance(name, str) or not 1 <= len(name) <= 63 or not name.isprintable():
            raise TrustFileError(f"expected the name of a key, 1 to 63 characters, got {name!r:.60}")
        where = f"the key {name}"
        text = public if isinstance(public, str) else _text_of(where, public)
        if type(revoked) is not bool:
            raise TrustFileError(f"{where}: expected revoked as true or false, got {revoked!r:.40}")
        first, last = _time(where, "not_before", not_before), _time(where, "not_after", not_after)
        if first is not None and last is not None and first >= last:
            raise TrustFileError(f"{where}: it expires on {_said(last)}, and counts only from {_said(first)} on")
        super().__init__(name, text, first, last, revoked)
        self.__dict__["_key"] = _loaded(where, text)

    @property
    def keyid(self) -> str:
        """How envelopes name it: lower-case hex."""
        return str(self._known.keyid)

    @property
    def _known(self) -> SSlibKey:
        found: SSlibKey = self.__dict__["_key"]
        return found

    def standing(self, now: datetime) -> tuple[Standing, str] | None:
        """Return why it does not count at a time, as a word and a sentence; ``None`` where it does."""
        if self.revoked:
            return "revoked", f"the key {self.name} was revoked"
        if self.not_before is not None and now < self.not_before:
            return "early", f"the key {self.name} counts from {_said(self.not_before)} on"
        if self.not_after is not None and now >= self.not_after:
            return "expired", f"the key {self.name} expired on {_said(self.not_after)}"
        return None

    def made(self, signature: bytes, data: bytes) -> bool:
        """Return whether it made the signature of these bytes."""
        from securesystemslib.exceptions import UnverifiedSignatureError

        mark = library().Signature(self._known.keyid, signature.hex())
        try:
            self._known.verify_signature(mark, data)
        except UnverifiedSignatureError:
            return False
        return True

    def made_of_digest(self, signature: bytes, digest: str) -> bool:
        """Return whether it made the signature of bytes with this SHA-256; only ECDSA on P-256 can be asked so."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        public = load_pem_public_key(self.public.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            return False
        try:
            public.verify(signature, bytes.fromhex(digest), ec.ECDSA(utils.Prehashed(SHA256())))
        except InvalidSignature:
            return False
        return True


def library() -> Any:
    """Return securesystemslib's signers. Raises MissingExtraError."""
    try:
        import cryptography  # noqa: F401 - securesystemslib can be there without it, and would go on with a slow substitute
        from securesystemslib import signer
    except ImportError:
        raise MissingExtraError(
            "signatures need the extra signatures: pip install 'metastore-engine[signatures]'"
        ) from None
    return signer


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is made of."""
    library()
    from securesystemslib.dsse import Envelope

    return Envelope(payload, payload_type, {}).pae()


def _loaded(where: str, text: str) -> SSlibKey:
    known = library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public: Any = load_pem_public_key(text.encode())
        made: SSlibKey = known.SSlibKey.from_crypto(public)
    except (ValueError, UnsupportedAlgorithm):
        raise TrustFileError(f"{where}: expected a public key in PEM, of {KNOWN}") from None
    if made.keytype not in KINDS or too_short(public):
        raise TrustFileError(f"{where}: expected {KNOWN}, got {made.keytype}{_bits(public)}")
    return made


def too_short(key: Any) -> bool:
    """Return whether a key of cryptography, public or private, is one of RSA with fewer bits than anybody here believes."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey) and key.key_size < LEAST_RSA


def _bits(public: Any) -> str:
    return f" of {public.key_size} bits" if hasattr(public, "key_size") else ""


def _text_of(where: str, path: str | os.PathLike[str]) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(LONGEST)
    except (OSError, UnicodeDecodeError) as broken:
        why = broken.strerror if isinstance(broken, OSError) else "it is no UTF-8"
    raise TrustFileError(f"{where}: its file {path} cannot be read: {why}")


def _time(where: str, name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise TrustFileError(
            f"{where}: expected {name} as a time with its zone, like 2030-01-31T12:00:00Z, got {value!r:.60}"
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise TrustFileError(f"{where}: expected {name} between the years 1 and 9999 of UTC, got {value}") from None


def _said(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")

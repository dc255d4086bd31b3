"""Envelope: what a signature comes in, read strictly: a DSSE envelope, or a sigstore bundle around one or around a signed digest.

One text for one signature: an unknown word, a second spelling of the same bytes or another payload type is refused, also where the
formats would let it pass, so that nothing can be changed in what is kept and still count.

Source: DSSE 1.0.2, envelope.md and protocol.md; sigstore protobuf-specs, sigstore_bundle.proto 0.3.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from metastore._data import Data
from metastore.errors import ValidationError
from metastore.signatures._statement import strict

__all__ = ["PAYLOAD", "Carried", "Mark", "read"]

PAYLOAD = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle"
MOST_MARKS = 64
"""Marks in one envelope: each costs whoever asks for the bytes some time."""
_KEYLESS = ("certificate", "x509CertificateChain")


class Mark(Data):
    """The mark of one key; ``keyid`` says whose it claims to be, empty for nobody's."""

    keyid: str
    signature: bytes


class Carried(Data):
    """What came in one text: ``payload`` is a statement, or else ``digest`` the SHA-256 of bytes that were signed as they are.

    ``keyless`` says that a certificate tells the key, which nothing here vouches for.
    """

    marks: tuple[Mark, ...]
    payload: bytes | None = None
    digest: str | None = None
    keyless: bool = False


def read(text: str) -> Carried:
    """Return what a text carries. Raises ValidationError for anything else."""
    whole = _words(strict(text), "a signature")
    if "mediaType" in whole or "verificationMaterial" in whole:
        return _bundle(whole)
    return _dsse(whole, keyless=False)


def _bundle(whole: Mapping[str, Any]) -> Carried:
    kind, material = whole.get("mediaType"), whole.get("verificationMaterial")
    if not isinstance(kind, str) or not kind.startswith(BUNDLE) or not isinstance(material, dict):
        raise ValidationError(
            f"expected a sigstore bundle with its mediaType and verificationMaterial, got {kind!r:.80}"
        )
    known = {*_KEYLESS, "publicKey"} & material.keys()
    if len(known) != 1:
        raise ValidationError("expected one certificate or public key in the verificationMaterial of the bundle")
    inside = whole.keys() - {"mediaType", "verificationMaterial"}
    if inside == {"dsseEnvelope"}:
        return _dsse(_words(whole["dsseEnvelope"], "dsseEnvelope"), keyless=known != {"publicKey"})
    if inside == {"messageSignature"}:
        return _message(_words(whole["messageSignature"], "messageSignature"), keyless=known != {"publicKey"})
    raise ValidationError("expected either a dsseEnvelope or a messageSignature in the bundle, and nothing else")


def _dsse(whole: Mapping[str, Any], *, keyless: bool) -> Carried:
    _exactly(whole, "a DSSE envelope", "payload", "payloadType", "signatures")
    if whole["payloadType"] != PAYLOAD:
        raise ValidationError(f"expected an envelope of {PAYLOAD}, got one of {whole['payloadType']!r:.80}")
    marks = whole["signatures"]
    if not isinstance(marks, list) or not 1 <= len(marks) <= MOST_MARKS:
        raise ValidationError(f"expected 1 to {MOST_MARKS} signatures in the envelope")
    return Carried(tuple(_mark(_words(each, "signatures")) for each in marks), _bytes(whole["payload"], "payload"), keyless=keyless)  # fmt: skip


def _mark(found: Mapping[str, Any]) -> Mark:
    _exactly({"keyid": "", **found}, "signatures", "keyid", "sig")
    keyid = found.get("keyid", "")
    if not isinstance(keyid, str):
        raise ValidationError("expected keyid as text")
    return Mark(keyid, _bytes(found["sig"], "sig"))


def _message(found: Mapping[str, Any], *, keyless: bool) -> Carried:
    _exactly(found, "messageSignature", "messageDigest", "signature")
    told = _words(found["messageDigest"], "messageDigest")
    _exactly(told, "messageDigest", "algorithm", "digest")
    digest = _bytes(told["digest"], "digest")
    if told["algorithm"] != "SHA2_256" or len(digest) != 32:
        raise ValidationError(f"expected a signed digest by SHA2_256, got {told['algorithm']!r:.40}")
    return Carried((Mark("", _bytes(found["signature"], "signature")),), digest=digest.hex(), keyless=keyless)


def _words(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(f"expected {what} as a JSON object, got {type(value).__name__}")
    return value


def _exactly(found: Mapping[str, Any], what: str, *words: str) -> None:
    if found.keys() != set(words):
        raise ValidationError(
            f"expected {what} with {', '.join(words)}, got {', '.join(sorted(found))[:80] or 'nothing'}"
        )


def _bytes(text: Any, what: str) -> bytes:
    try:
        made = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        made = b""
    if not made or base64.b64encode(made).decode() != text:
        raise ValidationError(f"expected {what} in base64, standard and with padding")
    return made

"""Statement: what a signature says of an artifact, as an in-toto Statement, and in what the artifact is not as it says.

Source: in-toto attestation framework, Statement v1. Ours names each blob by its place, ``disk`` or ``layers["x"]``, so that the right
bytes in the wrong place are refused; those of others name files, and tie bytes to no place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metastore._blob import PROOFS, Blob
from metastore._data import Data
from metastore._exchange import plain
from metastore._json import encode
from metastore.errors import UnverifiedError, ValidationError

if TYPE_CHECKING:
    from metastore._schema import TypeSpec
    from metastore.backend import Row

__all__ = ["IDENTITY", "Content", "Difference", "Statement", "content_of", "part_of", "statement_of", "strict"]

STATEMENT = "https://in-toto.io/Statement/v1"
FORMER = "https://in-toto.io/Statement/v0.1"  # that others still write, with subjects of the same shape
PREDICATE = "urn:metastore-engine:artifact:v1"
IDENTITY = ("type", "id", "name", "version")
"""What every statement of ours says besides the blobs."""


class Content(Data):
    """What can be signed of an artifact: who it is, its values as JSON by field, its blobs by part."""

    identity: Mapping[str, Any]
    values: Mapping[str, Any]
    blobs: Mapping[str, Blob]


def content_of(spec: TypeSpec, row: Row) -> Content:
    """Return what can be signed of a row."""
    values = {each.name: plain(each, value) for each, value in zip(spec.fields, row, strict=False)}
    blobs: dict[str, Blob] = {}
    for each in spec.fields:
        if each.kind == "blob" and (value := values.pop(each.name)) is not None:
            blobs[part_of(each.name)] = Blob.from_plain(value)
        elif each.kind == "folder":
            blobs |= {part_of(each.name, key): Blob.from_plain(blob) for key, blob in values.pop(each.name).items()}
    identity = {"type": spec.name, **{name: values.get(name) for name in IDENTITY[1:]}}
    return Content(identity, values, blobs)


def part_of(field: str, key: str | None = None) -> str:
    """Return the name of a blob in a statement; whatever a key holds, no two blobs have the same.

    >>> part_of("disk"), part_of("layers", 'a"b')
    ('disk', 'layers["a\\\\"b"]')
    """
    return field if key is None else f"{field}[{encode(key)}]"


def statement_of(content: Content, fields: Iterable[str]) -> bytes:
    """Return the statement of an artifact's blobs and of these fields, canonical JSON.

    Raises UnverifiedError for a blob without a strong digest, ValidationError where there is no blob.
    """
    if not content.blobs:
        raise ValidationError(f"{content.identity['id']} has no blob, so there are no bytes to sign: upload them first")
    subject = [_subject(part, content.blobs[part]) for part in sorted(content.blobs)]
    predicate = {**content.identity, "fields": {name: content.values[name] for name in fields}}
    whole = {"_type": STATEMENT, "predicate": predicate, "predicateType": PREDICATE, "subject": subject}
    return encode(whole).encode()


def _subject(part: str, blob: Blob) -> dict[str, Any]:
    digests = {name: digest for name, digest in blob.digests.items() if name in PROOFS}
    if not digests:
        raise UnverifiedError(
            f"{part} has no sha256, sha512, sha384 or blake3 digest, so nothing says which bytes are signed: verify it first"
        )
    kind = {} if blob.media_type is None else {"mediaType": blob.media_type}
    return {"digest": digests, "name": part, **kind}


# reading


class Difference(NamedTuple):
    """One thing that is not as it was signed: a field, or a blob, or ``what`` of it."""

    about: str
    expected: Any = None
    found: Any = None
    what: str = ""

    def __str__(self) -> str:
        return f"{self.what or self.about} is not what was signed: expected {_shown(self.expected)}, found {_shown(self.found)}"


class Unplaced(Difference):
    """Bytes that are among several of an artifact, signed without saying where."""

    def __str__(self) -> str:
        return f"the bytes at {self.about} are signed, but not that they lie there, beside others: sign the artifact itself"


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"{value if isinstance(value, str) else encode(value):.200}"


class Statement(Data):
    """A statement as it was signed: subjects by name, and what is said of the artifact, ``None`` in one that is not ours.

    ``predicate`` is the type of what others say of the bytes, empty where they only sign them.
    """

    subjects: tuple[tuple[str, Mapping[str, Any]], ...]
    said: Mapping[str, Any] | None = None
    predicate: str = ""

    @classmethod
    def of_bytes(cls, digest: str) -> Statement:
        """Return what the signature of bytes says, by their SHA-256: that, and nothing else."""
        return cls((("", {"digest": {"sha256": digest}}),))

    @classmethod
    def read(cls, payload: bytes) -> Statement:
        """Return the statement of a payload. Raises ValidationError for anything else."""
        whole = _object(strict(payload), "a statement")
        predicate, subjects = whole.get("predicateType"), whole.get("subject")
        ours = predicate == PREDICATE
        if whole.get("_type") not in ((STATEMENT,) if ours else (STATEMENT, FORMER)):
            raise ValidationError(f"expected an in-toto statement of type {STATEMENT}, got {whole.get('_type')!r:.80}")
        if not isinstance(subjects, list) or not subjects or not isinstance(predicate, str) or not predicate:
            raise ValidationError("the statement names no subject, or not what kind it is of")
        named = tuple(_named(_object(each, "a subject")) for each in subjects)
        if not ours:
            return cls(named, None, predicate)
        return cls(named, _said(whole.get("predicate"), [name for name, _ in named]))

    def covers(self, content: Content) -> list[str] | Difference:
        """Return the fields and parts of an artifact that the statement vouches for, or the first that is not as it says."""
        return self._ours(content, self.said) if self.said is not None else self._others(content)

    def _ours(self, content: Content, said: Mapping[str, Any]) -> list[str] | Difference:
        fields: Mapping[str, Any] = said["fields"]
        for names, signed, now in ((IDENTITY, said, content.identity), (fields, fields, content.values)):
            for name in names:
                if name not in now or encode(signed[name]) != encode(now[name]):
                    return Difference(name, signed[name], now.get(name))
        for part, subject in self.subjects:
            blob = content.blobs.get(part)
            if (other := _other(part, subject, blob)) is not None:
                return other
            if blob is not None and subject.get("mediaType") != blob.media_type:
                return Difference(part, subject.get("mediaType"), blob.media_type, f"the media type of {part}")
        return [*dict.fromkeys((*IDENTITY, *fields)), *(part for part, _ in self.subjects)]

    def _others(self, content: Content) -> list[str] | Difference:
        """Only the one blob of an artifact that has no other is known by its bytes alone."""
        blobs, alone = content.blobs, len(content.blobs) == 1
        fits = [
            (name, part) for name, said in self.subjects for part, blob in blobs.items() if not _other(part, said, blob)
        ]
        placed = [part for name, part in fits if alone or name == part]
        if placed:
            return [*dict.fromkeys(placed)]
        if fits:
            return Unplaced(fits[0][1])
        part, (_, said) = next(iter(blobs), "the artifact"), self.subjects[0]
        return _other(part, said, blobs.get(part)) or Difference(part)


def _other(part: str, said: Mapping[str, Any], blob: Blob | None) -> Difference | None:
    """Return in what a blob is not the one signed: by the digest that proves it, or by any other strong one."""
    signed = {name: said["digest"][name] for name in PROOFS if name in said["digest"]}
    proof = None if blob is None else blob.proof
    if blob is None or proof is None or proof[0] not in signed:
        return Difference(part, _digests(signed), _digests(dict([proof]) if proof else {}))
    known = {name: digest for name, digest in blob.digests.items() if name in signed}
    if any(signed[name] != digest for name, digest in known.items()):
        return Difference(part, _digests(signed), _digests(known))
    return None


def _digests(named: Mapping[str, str]) -> str | None:
    return ", ".join(f"{name}:{digest}" for name, digest in named.items()) or None


def _named(subject: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    digests, name = subject.get("digest"), subject.get("name", "")
    if not isinstance(name, str) or not isinstance(digests, dict) or not digests:
        raise ValidationError("a subject of the statement has no digest")
    if not all(isinstance(each, str) for each in digests.values()):
        raise ValidationError("a digest of the statement is no text")
    return name, subject


def _said(predicate: Any, names: list[str]) -> Mapping[str, Any]:
    said = _object(predicate, "what is said of the artifact")
    if said.keys() != {*IDENTITY, "fields"} or not isinstance(said["fields"], dict):
        raise ValidationError(f"expected a statement of ours to say {', '.join(IDENTITY)} and fields")
    if len(set(names)) < len(names):
        raise ValidationError("the statement names a blob twice")
    return said


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(f"expected {what} as a JSON object, got {type(value).__name__}")
    return value


def strict(text: str | bytes) -> Any:
    """Return the value of a JSON text in which no key stands twice and no number is none. Raises ValidationError."""
    try:
        value = json.loads(
            text if isinstance(text, str) else text.decode(), object_pairs_hook=_once, parse_constant=_no_number
        )
        encode(value).encode()
    except (ValueError, RecursionError) as broken:
        raise ValidationError(f"no JSON: {broken}"[:200]) from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _no_number(text: str) -> Callable[[], Any]:
    raise ValueError(f"{text} is no number")

"""Signing: signatures of artifacts, kept beside them, and asked for before bytes are handed out where a type demands them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from metastore._artifact import Artifact, Record
from metastore._data import evolve
from metastore._deleting import Deleting
from metastore._link import Link
from metastore._together import attempt
from metastore._transaction import atomic
from metastore._values import text
from metastore.errors import (
    ForbiddenError,
    NotFoundError,
    SignatureError,
    UnknownFieldError,
    UnsignedError,
    ValidationError,
    nearest,
)
from metastore.query import Compare, Path

if TYPE_CHECKING:
    from metastore._access import Access
    from metastore._types import Shelf
    from metastore.backend import Row
    from metastore.signatures import Demand, Signature, Signer, Trust, Verdict

__all__ = ["Signing"]

SIGNATURES = "metastore_signatures"
"""The type of the engine's own in which signatures are kept."""
MOST = 100
"""Signatures that one artifact may have: each is judged whenever its bytes are asked for."""

TOLD = 3
"""Reasons that one sentence tells."""


class Signing(Deleting):
    """What signs artifacts, and says what their signatures are worth. Who may update an artifact may sign it; who sees it sees its signatures."""

    _trust: Trust | None

    def sign(self, artifact: Record, signer: Signer, fields: Iterable[str] | None = None) -> Signature:
        """Sign the bytes of an artifact and what is said of it, and keep the signature; the artifact stays at its revision.

        It covers type, id, name and version, every blob by its place, strong digests and media type, and ``fields``: unless said, those
        that its type demands and those of its own that do not change once it is active. Raises UnverifiedError for a blob without a
        strong digest, ValidationError, UnknownFieldError, StaleRevisionError for what is not as it was looked at, ForbiddenError.
        """
        from metastore.signatures import Signer

        if not isinstance(signer, Signer):
            raise ValidationError(f"expected a Signer, got {type(signer).__name__}: see Signer.from_file")
        return self._keep_signature(artifact, signer.envelope(self.statement(artifact, fields)))

    def statement(self, artifact: Record, fields: Iterable[str] | None = None) -> bytes:
        """Return what `sign` would sign, for a key that is elsewhere; its envelope is then given to `add_signature`. Raises as `sign`."""
        from metastore.signatures._statement import content_of, statement_of

        shelf, row = self._to_be_signed(artifact)
        if (access := self._access) is not None:
            always = ["name", "version", *(shelf.spec.fields[at].name for at in shelf.blobs)]
            if not all(access.reads(name) for name in always):
                raise ForbiddenError(f"you may not read all that a signature of {shelf.spec.name} covers", rule="sign")
        return statement_of(content_of(shelf.spec, row), self._fields_to_sign(shelf, fields))

    def add_signature(self, artifact: Record, envelope: str) -> Signature:
        """Keep a signature that was made elsewhere: a DSSE envelope of an in-toto statement, or a sigstore bundle, as JSON.

        What it is worth is not asked here (`signatures`). The same text is kept once, and 100 of one artifact. Raises ValidationError for anything else, else as `sign`.
        """
        from metastore.signatures._envelope import read
        from metastore.signatures._kept import LONGEST

        if len(text(envelope, "the signature")) > LONGEST:
            raise ValidationError(f"expected a signature of {LONGEST} characters or fewer, got {len(envelope)}")
        read(envelope)
        return self._keep_signature(artifact, envelope)

    @atomic
    def _keep_signature(self, artifact: Record, envelope: str) -> Signature:
        from metastore.signatures import Signature

        with self.transaction():
            self._to_be_signed(artifact)  # as nobody else can delete it from here on
            if len(self._kept_signatures(artifact)) >= MOST:
                raise ValidationError(
                    f"{artifact.id} has {MOST} signatures, and may have no more: drop some that do not hold"
                )
            return self._engine().upsert(Signature(artifact=Link(artifact), envelope=envelope))

    @atomic
    def drop_signature(self, artifact: Record, signature: UUID) -> None:
        """Take a signature away, by the id that its verdict tells. Raises NotFoundError, StaleRevisionError, ForbiddenError."""
        with self.transaction():
            self._to_be_signed(artifact)
            for each in self._kept_signatures(artifact):
                if each.id == signature:
                    self._engine().delete(each)
                    return
        raise NotFoundError(f"{artifact.id} has no signature {signature}")

    def _to_be_signed(self, artifact: Record) -> tuple[Shelf, Row]:
        shelf = self._shelf_of(artifact)
        row = self._at_revision(shelf, artifact)
        if self._access is not None:
            self._access.check(shelf, "update", shelf.codec.decode(row).__dict__)
        return shelf, row

    def _fields_to_sign(self, shelf: Shelf, fields: Iterable[str] | None) -> list[str]:
        """Return the fields to be signed, sorted; of those nobody named, a caller signs what it may read."""
        able = {each.name: each for each in shelf.spec.fields if each.kind not in ("blob", "folder")}
        readable = [name for name in able if _reads(self._access, name)]
        if fields is None:
            demand = self._demanded(shelf)
            wanted = set(() if demand is None else demand.fields)
            wanted |= {name for name in able if name not in Artifact.__fields_by_name__ and not able[name].mutable}
            return sorted(wanted.intersection(readable))
        for name in (named := sorted(set(fields))):
            if name not in readable:
                raise UnknownFieldError(
                    f"{shelf.spec.name} has no field {name!r:.60} to sign: {nearest(str(name), readable)}"
                )
        return named

    # what signatures are worth

    def signatures(self, artifact: Record) -> list[Verdict]:
        """Return what each signature of an artifact is worth now, in the order they were kept.

        Judged by the artifact as it is stored, the keys that are trusted (``Catalog.open(trust=…)``) and what its type demands, every blob unless
        said. To a principal whom protections bind, neither envelopes nor values that it may not read are told. Raises NotFoundError.
        """
        shelf, row = self._seen_row(artifact)
        return self._verdicts(shelf, row, self._demand_or_usual(shelf))

    def check_signatures(self, artifact: Record) -> None:
        """Raise UnsignedError or SignatureError unless an artifact is signed as its type demands: every blob by one trusted key, unless said."""
        shelf, row = self._seen_row(artifact)
        self._require_signed(shelf, row, self._demand_or_usual(shelf))

    def _check_signed(self, shelf: Shelf, row: Row, field: str, key: str | None) -> None:
        """Raise UnsignedError or SignatureError where bytes may not be handed out, as their type demands signatures that hold."""
        demand = self._demanded(shelf)
        if demand is not None:
            from metastore.signatures._statement import part_of

            self._require_signed(shelf, row, demand, part_of(field, key))

    def _signed_check(
        self, shelf: Shelf, row: Row, blobs: Iterable[tuple[str, str | None]]
    ) -> Callable[[str, str | None], None]:
        """Return `_check_signed` for many blobs of one row: judged together, and each by itself where signatures cover some of them only."""
        from metastore.signatures._statement import part_of

        demand = self._demanded(shelf)
        if demand is None:
            return partial(self._check_signed, shelf, row)
        refusal = attempt(lambda: self._require_signed(shelf, row, demand, *(part_of(*each) for each in blobs)))

        def check(field: str, key: str | None) -> None:
            if refusal is not None and (demand.every_blob or isinstance(refusal, UnsignedError)):
                raise refusal
            if refusal is not None:
                self._check_signed(shelf, row, field, key)

        return check

    def _demanded(self, shelf: Shelf) -> Demand | None:
        trust = self._engine()._trust
        return None if trust is None else trust.demand(shelf.spec.name)

    def _demand_or_usual(self, shelf: Shelf) -> Demand:
        from metastore.signatures import Demand

        return self._demanded(shelf) or Demand()

    def _seen_row(self, artifact: Record) -> tuple[Shelf, Row]:
        shelf = self._types.shelf(type(artifact))
        rows = self._visible(shelf, self._backend.fetch(shelf.spec, [artifact.id.bytes]))
        if not rows:
            raise self._missing(shelf, artifact.id)
        return shelf, rows[0]

    def _require_signed(self, shelf: Shelf, row: Row, demand: Demand, *parts: str) -> None:
        verdicts = self._verdicts(shelf, row, demand, *parts)
        held = {each.key for each in verdicts if each.good}
        if len(held) >= demand.threshold:
            return
        what, count = f"{shelf.spec.name} {UUID(bytes=row[0])}", demand.threshold
        wanted = f"{count} trusted key{'' if count == 1 else 's'}"
        if not verdicts:
            raise UnsignedError(
                f"{what} is not signed, and must be by {wanted}: sign it, or ask who took its signatures away"
            )
        raise SignatureError(
            f"{what} must be signed by {wanted}, and is by {len(held)}: {_why_not(verdicts):.1000}", verdicts=verdicts
        )

    def _verdicts(self, shelf: Shelf, row: Row, demand: Demand, *parts: str) -> list[Verdict]:
        from metastore.signatures import Trust
        from metastore.signatures._statement import content_of
        from metastore.signatures._verdict import Case, judged

        content = content_of(shelf.spec, row)
        covered = tuple(content.blobs) if demand.every_blob else parts
        case = Case(content, self._engine()._trust or Trust(), demand, datetime.now(UTC), covered)
        return [_told(each, self._access) for each in judged(self._kept_signatures(UUID(bytes=row[0])), case)]

    def _kept_signatures(self, artifact: Record | UUID) -> list[Any]:
        if not self._types.has(SIGNATURES):
            self._types.refresh()  # another program may have kept the first one meanwhile
        if not self._types.has(SIGNATURES):
            return []
        from metastore.signatures import Signature

        asked: Any = Compare(Path("artifact"), "eq", Link(artifact).id)
        return list(self._engine().find(Signature, asked))


def _why_not(verdicts: Iterable[Verdict]) -> str:
    """Return the first reasons why signatures do not count, each once."""
    reasons = list(dict.fromkeys(str(each.reason) for each in verdicts if not each.good)) or ["there are no more"]
    more = len(reasons) - TOLD
    return "; ".join(reasons[:TOLD]) + (f"; and {more} more reasons, which its verdicts tell" if more > 0 else "")


def _reads(access: Access | None, name: str) -> bool:
    """Return whether a caller may read a field, or the blob at a place, as it is stored: of properties, all."""
    if access is None or access.protections is None:
        return True
    return name != "properties" and access.reads(name.partition("[")[0])


def _told(verdict: Verdict, access: Access | None) -> Verdict:
    """Return a verdict without what a caller may not read; an envelope holds values of fields, so it is told whole or not at all."""
    if access is None or access.protections is None:
        return verdict
    told = evolve(verdict, envelope=None, covers=tuple(each for each in verdict.covers if _reads(access, each)))
    if verdict.about is None or _reads(access, verdict.about):
        return told
    return evolve(told, about=None, reason="something that you may not read is not as it must be")

"""Verdict: what one signature is worth for an artifact as it is now, by the keys that are trusted now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from metastore._data import Data
from metastore.errors import ValidationError
from metastore.signatures._envelope import PAYLOAD, Carried, Mark, read
from metastore.signatures._kept import Signature
from metastore.signatures._key import Key, pae
from metastore.signatures._statement import Content, Difference, Statement
from metastore.signatures._trust import Demand, Trust

__all__ = ["Case", "Result", "Verdict", "judged"]

Result = Literal[
    "good", "unknown", "wrong", "tampered", "revoked", "early", "expired", "differs", "uncovered", "attests", "keyless", "malformed"
]  # fmt: skip


class Verdict(Data):
    """What one signature of an artifact is worth: ``good``, or why not, as a word (``result``) and a sentence (``reason``).

    ``signature`` is the id of what is kept, ``envelope`` its text; ``key`` the name of the trusted key that made it, ``covers`` the
    fields and blobs that it vouches for. ``about`` is the field or blob that is not as it was signed, or not covered.
    """

    signature: UUID
    result: Result
    key: str | None = None
    covers: tuple[str, ...] = ()
    about: str | None = None
    reason: str | None = None
    envelope: str | None = None

    @property
    def good(self) -> bool:
        """Whether it counts."""
        return self.result == "good"


class Case(NamedTuple):
    """What signatures are judged by: the artifact as it is, whom to believe, what they must cover, and when it is."""

    content: Content
    trust: Trust
    demand: Demand
    now: datetime
    parts: tuple[str, ...]


class _Refused(Exception):
    """Why a signature does not count."""

    def __init__(self, result: Result, reason: str, *, key: str | None = None, about: str | None = None) -> None:
        super().__init__(reason)
        self.result: Result = result
        self.key, self.about = key, about


def judged(kept: Iterable[Signature], case: Case) -> list[Verdict]:
    """Return a verdict for each mark of each signature, in their order."""
    return [verdict for each in kept for verdict in _judged(each, case)]


def _judged(kept: Signature, case: Case) -> Iterator[Verdict]:
    try:
        carried = read(kept.envelope)
    except ValidationError as broken:
        yield Verdict(kept.id, "malformed", reason=_harmless(broken), envelope=kept.envelope)
        return
    for mark in carried.marks:
        try:
            key = _key(carried, mark, case)
            covers = _covers(key, carried, case)
            yield Verdict(kept.id, "good", key.name, tuple(covers), envelope=kept.envelope)
        except _Refused as refused:
            yield Verdict(kept.id, refused.result, refused.key, (), refused.about, _harmless(refused), kept.envelope)


def _harmless(why: Exception) -> str:
    """Return a sentence with nothing in it that moves a terminal, as what it tells of may be a stranger's."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in str(why))


def _key(carried: Carried, mark: Mark, case: Case) -> Key:
    """Return the trusted key that made a mark, and that counts now."""
    if carried.keyless:
        raise _Refused("keyless", "not verified: its key is told by a certificate, which needs a trusted root")
    key = _maker(carried, mark, case.trust)
    if not case.demand.counts(key):
        raise _Refused("wrong", f"the key {key.name} is not trusted for {case.content.identity['type']}", key=key.name)
    if (standing := key.standing(case.now)) is not None:
        word, why = standing
        raise _Refused(word, why, key=key.name)
    return key


def _maker(carried: Carried, mark: Mark, trust: Trust) -> Key:
    """Return the trusted key that made a mark; one that names its key is asked of that key only."""
    if not trust.keys:
        raise _Refused("unknown", "no key is trusted here: say which by trust=…, or --trust")
    named = [each for each in trust.keys.values() if mark.keyid in ("", each.keyid)]
    if not named:
        raise _Refused("unknown", f"it is by the key {mark.keyid:.80}, which is not trusted")
    made = _made(carried, mark)
    found = next((each for each in named if made(each)), None)
    if found is not None:
        return found
    if mark.keyid:
        why = f"it is not what the key {named[0].name} signed: it was changed since, or another key made it"
        raise _Refused("tampered", why, key=named[0].name)
    raise _Refused("unknown", f"no trusted key{'' if carried.digest is None else ' of ECDSA on P-256'} made it, or it was changed since")  # fmt: skip


def _made(carried: Carried, mark: Mark) -> Callable[[Key], bool]:
    if carried.payload is None:
        return lambda key: key.made_of_digest(mark.signature, str(carried.digest))
    data = pae(PAYLOAD, carried.payload)
    return lambda key: key.made(mark.signature, data)


def _covers(key: Key, carried: Carried, case: Case) -> list[str]:
    """Return what a mark vouches for, which is as it says, and all that is demanded."""
    statement = _statement(key, carried)
    covers = statement.covers(case.content)
    if isinstance(covers, Difference):
        raise _Refused("differs", str(covers), key=key.name, about=covers.about)
    if statement.predicate and statement.predicate not in case.demand.predicates:
        why = f"it says something of the bytes, of the kind {statement.predicate:.200}, which does not count here"
        raise _Refused("attests", why, key=key.name)
    vouched = set(covers)
    for name in (*case.demand.fields, *case.parts):
        if name not in vouched:
            why = f"it does not cover {name}, as it must: {_remedy(name, case)}"
            raise _Refused("uncovered", why, key=key.name, about=name)
    return covers


def _remedy(name: str, case: Case) -> str:
    content = case.content
    if any(name in known for known in (content.identity, content.values, content.blobs)):
        return "sign it anew"
    return f"but there is no {name} to sign; what is demanded of {content.identity['type']} may be misspelt"


def _statement(key: Key, carried: Carried) -> Statement:
    """Return what was signed, read only once it is known who signed it."""
    if carried.payload is None:
        return Statement.of_bytes(str(carried.digest))
    try:
        return Statement.read(carried.payload)
    except ValidationError as broken:
        raise _Refused("malformed", str(broken), key=key.name) from None

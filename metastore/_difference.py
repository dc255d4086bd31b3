"""Differences as data, and those of one thing: an identity, a row, a commit, a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal
from uuid import UUID

from metastore._data import Data
from metastore._exchange import plain
from metastore._values import instant, iso
from metastore.backend import Change, Commit, Identity, Row, TypeSpec

__all__ = ["Comparison", "Difference", "of_change", "of_commit", "of_identity", "of_row", "of_side"]


class Difference(Data):
    """One thing in which two catalogues differ. ``None`` for ``source`` or ``destination``: it has nothing there.

    A *type* differs by a spec (its digest), an *identity* by what is known of an id, an *artifact* by the value of a field (no field: it is not
    stored), a *transaction* by what its commit says (no field: it is not recorded), a *change* by its part of a transaction. ``id`` is the
    artifact's, or of a transaction the commit's; ``transaction`` the commit's of a change. Values are of JSON types, as
    `Catalog.dump` gives them; bytes are hex.
    """

    what: Literal["type", "identity", "artifact", "transaction", "change"]
    field: str
    source: Any
    destination: Any
    type: str | None = None
    id: UUID | None = None
    transaction: UUID | None = None


class Comparison(Data):
    """What `compare` found: how much was looked at, how many differences there are in all, and the first of them."""

    types: int = 0
    artifacts: int = 0
    transactions: int = 0
    changes: int = 0
    count: int = 0
    differences: tuple[Difference, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.count


def of_identity(ident: bytes, one: Identity | None, other: Identity | None) -> Iterator[Difference]:
    """Yield in what an id differs: whether it is known, as what, of which type."""
    if one != other:
        name = next((each.type for each in (one, other) if each is not None and each.type), None)
        field = "type" if one is not None and other is not None and one.state == other.state else "state"
        mine, yours = (None if each is None else getattr(each, field) for each in (one, other))
        yield Difference("identity", field, mine, yours, name, UUID(bytes=ident))


def of_row(spec: TypeSpec, one: Row | None, other_spec: TypeSpec, other: Row | None) -> Iterator[Difference]:
    """Yield in what two rows of an id differ, column by column."""
    if one is None or other is None:
        here, there = (None if each is None else "stored" for each in (one, other))
        yield from (
            Difference("artifact", "", here, there, spec.name, UUID(bytes=row[0])) for row in (one, other) if row
        )
        return
    for name in dict.fromkeys([*spec.position, *other_spec.position]):
        mine, yours = _at(spec, one, name), _at(other_spec, other, name)
        if mine != yours:
            told = _told(spec, name, mine), _told(other_spec, name, yours)
            yield Difference("artifact", name, *told, spec.name, UUID(bytes=one[0]))


def _at(spec: TypeSpec, row: Row, name: str) -> Any:
    at = spec.position.get(name)
    return None if at is None else row[at]


def _told(spec: TypeSpec, name: str, value: Any) -> Any:
    field = spec.by_name.get(name)
    return _hexed(value) if field is None else plain(field, value)


def _hexed(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def of_side(commit: Commit, side: str) -> Difference:
    """Return the difference of a transaction that only one side has."""
    text = _moment(commit.time)
    here, there = (text, None) if side == "source" else (None, text)
    return Difference("transaction", "", here, there, None, UUID(bytes=commit.id))


def of_commit(one: Commit, other: Commit) -> Iterator[Difference]:
    """Yield in what two commits of one id differ."""
    for field in ("time", "actor", "message"):
        mine, yours = getattr(one, field), getattr(other, field)
        if mine != yours:
            mine, yours = (_moment(each) if field == "time" else each for each in (mine, yours))
            yield Difference("transaction", field, mine, yours, None, UUID(bytes=one.id))


def _moment(time: int) -> str:
    return iso(instant(time))


def of_change(commit: Commit, number: int, one: Change | None, other: Change | None) -> Iterator[Difference]:
    """Yield in what two changes at one place (from 1) of a transaction differ."""
    of = UUID(bytes=commit.id)
    if one is None or other is None:
        mine, yours = (None if each is None else each.kind for each in (one, other))
        artifact = next(each.id for each in (one, other) if each is not None)
        yield Difference("change", f"{number}", mine, yours, None, UUID(bytes=artifact), of)
    elif one != other:
        for field in Change.__fields__:
            mine, yours = getattr(one, field), getattr(other, field)
            if mine != yours:
                told = _hexed(mine), _hexed(yours)
                yield Difference("change", f"{number}.{field}", *told, None, UUID(bytes=one.id), of)

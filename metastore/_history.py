"""The history as data: transactions, and each artifact's part of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from metastore._data import Data

__all__ = ["CHECKPOINT_EVERY", "Change", "Commit", "Recorded", "gathered"]

CHECKPOINT_EVERY = 16
"""A change whose revision is a multiple of this carries the whole row."""


class Commit(Data):
    """One transaction of the history: ``id`` is a UUIDv7 made by the client and recognises a repeat.

    ``time`` is in microseconds since 1970 UTC.
    """

    id: bytes
    time: int
    actor: str | None = None
    message: str | None = None


class Change(Data):
    """One artifact's part of a transaction.

    ``before`` and ``after`` are canonical JSON objects of the changed columns only (bytes as hex);
    an add stores neither, a delete the whole row in ``before``. ``checkpoint`` is the whole row after
    the change, where one is due. ``digest`` is the SHA-256 of the content after the change (for a delete: of
    the content that went), ``parents`` the digests it came from, concatenated.
    """

    kind: Literal["add", "update", "delete", "load", "migrate"]
    id: bytes
    revision: int
    spec: int
    digest: bytes
    parents: bytes = b""
    before: str | None = None
    after: str | None = None
    checkpoint: str | None = None


class Recorded(Data):
    """One transaction as a catalogue recorded it, or a part of a big one.

    ``seq`` is its place in the order of that catalogue and means nothing elsewhere: commits are known by their ids. ``changes`` stand in
    order; ``at`` of the transaction's changes come before these, and ``more`` says that some come after.
    """

    seq: int
    commit: Commit
    changes: tuple[Change, ...] = ()
    at: int = 0
    more: bool = False


def gathered(
    told: Sequence[tuple[int, Commit]], changes: Iterable[tuple[int, Change]], limit: int, skip: int
) -> list[Recorded]:
    """Return what `Backend.history` answers, for a backend that keeps transactions and changes apart.

    ``told`` are the next ``limit`` transactions by sequence, ``changes`` their first ``limit + 1`` changes after ``skip``, each with its
    transaction's sequence, both in order.
    """
    own: dict[int, list[Change]] = {}
    for seq, change in changes:
        own.setdefault(seq, []).append(change)
    found: list[Recorded] = []
    left = limit
    for seq, commit in told:
        mine, at = own.get(seq, []), 0 if found else skip
        if len(mine) > left:
            return found or [Recorded(seq, commit, tuple(mine[:limit]), at, more=True)]
        if not left:
            break
        found.append(Recorded(seq, commit, tuple(mine), at))
        left -= max(1, len(mine))
    return found

"""Admission: what rows must fit before they are written, beyond their own type: quotas, applied metadata definitions, and what was discarded.

Where none was ever set it costs one look into a dict.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from metastore._applied import checker
from metastore._json import decode
from metastore._lookups import known_bytes, urls_of

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore._changing import Changing
    from metastore._types import Shelf
    from metastore.backend import Row

__all__ = ["admit", "admit_references", "admit_urls"]

QUOTAS, APPLIED, GARBAGE = "metastore_quotas", "metastore_applied", "metastore_garbage"


Pairs = Sequence[tuple["Row | None", "Row"]]
"""What is written: each row with the one that it replaces, ``None`` where it is new."""


def admit(writer: Changing, shelf: Shelf, pairs: Pairs) -> None:
    """Raise QuotaError, ValidationError or QuarantinedError for rows that may not be written.

    Called with the write lock held. Whoever writes, rules are read as the owner of the process sees them.
    """
    types = writer._types
    if not types.has(APPLIED, QUOTAS, GARBAGE):
        return
    catalog = writer._engine()
    admit_references(catalog, shelf, pairs)
    if shelf.ours:
        return
    if types.has(APPLIED):
        _check_properties(catalog, shelf, pairs)
    if types.has(QUOTAS):
        _check_quotas(catalog, shelf, pairs)


def admit_references(catalog: Catalog, shelf: Shelf, pairs: Pairs) -> None:
    """Raise QuarantinedError for rows that refer to discarded bytes and did not before. Called with the write lock held."""
    if not shelf.blobs or not catalog._types.has(GARBAGE):
        return
    fresh = set[str]()
    for before, row in pairs:
        known = () if before is None else urls_of(shelf.spec, before)
        fresh |= set(urls_of(shelf.spec, row)).difference(known)
    admit_urls(catalog, fresh)


def admit_urls(catalog: Catalog, urls: Collection[str]) -> None:
    """Raise QuarantinedError for urls that are to be referred to and may name discarded bytes. Called with the write lock held."""
    if urls and catalog._types.has(GARBAGE):
        from metastore._garbage import refuse_discarded

        refuse_discarded(catalog, urls)


def _check_properties(catalog: Catalog, shelf: Shelf, pairs: Pairs) -> None:
    check, at = checker(catalog, shelf.spec.name), shelf.spec.position["properties"]
    for before, row in pairs:
        if check is not None and (before is None or before[at] != row[at]):
            check(decode(row[at]))


def _check_quotas(catalog: Catalog, shelf: Shelf, pairs: Pairs) -> None:
    from metastore._quotas import check

    more: dict[Any, tuple[int, int]] = {}
    for before, row in pairs:
        owner, size = row[shelf.owner], _size(shelf, row)
        if before is not None and before[shelf.owner] != owner:
            check(catalog, shelf.spec.name, {owner: (1, size)}, moved=True)
        count, bytes_ = more.get(owner, (0, 0))
        had = 0 if before is None else _size(shelf, before)
        more[owner] = count + (before is None), bytes_ + size - had
    check(catalog, shelf.spec.name, more)


def _size(shelf: Shelf, row: Row) -> int:
    return sum(known_bytes(shelf.spec.fields[at], row[at]) for at in shelf.blobs)

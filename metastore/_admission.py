"""Admission: what rows must fit before they are written, beyond their own type: quotas, and applied metadata definitions.

Where none was ever set it costs two looks into a dict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metastore._applied import checker
from metastore._json import decode
from metastore._lookups import known_bytes

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore._types import Shelf
    from metastore._writing import Writing
    from metastore.backend import Row

__all__ = ["admit"]

QUOTAS, APPLIED = "metastore_quotas", "metastore_applied"


def admit(writer: Writing, shelf: Shelf, before: Row | None, rows: Sequence[Row]) -> None:
    """Raise QuotaError or ValidationError for rows that may not be written; ``before`` is what the one row replaces.

    Called with the write lock held. Whoever writes, rules are read as the owner of the process sees them.
    """
    types = writer._types
    if shelf.ours or not types.has(APPLIED, QUOTAS):
        return
    catalog = writer._engine()
    if types.has(APPLIED):
        _check_properties(catalog, shelf, before, rows)
    if not types.has(QUOTAS):
        return
    if before is None:
        _check_new(catalog, shelf, rows)
    else:
        _check_changed(catalog, shelf, before, rows[0])


def _check_properties(catalog: Catalog, shelf: Shelf, before: Row | None, rows: Sequence[Row]) -> None:
    check, at = checker(catalog, shelf.spec.name), shelf.spec.position["properties"]
    for row in rows:
        if check is not None and (before is None or before[at] != row[at]):
            check(decode(row[at]))


def _check_new(catalog: Catalog, shelf: Shelf, rows: Sequence[Row]) -> None:
    from metastore._quotas import check

    counts, sizes = Counter(row[shelf.owner] for row in rows), Counter[Any]()
    for row in rows:
        sizes[row[shelf.owner]] += _size(shelf, row)
    for owner, count in counts.items():
        check(catalog, owner, shelf.spec.name, count, sizes[owner])


def _check_changed(catalog: Catalog, shelf: Shelf, before: Row, after: Row) -> None:
    from metastore._quotas import check

    owner, size = after[shelf.owner], _size(shelf, after)
    if owner != before[shelf.owner]:
        check(catalog, owner, shelf.spec.name, 1, size, moved=True)
    check(catalog, owner, shelf.spec.name, 0, size - _size(shelf, before))


def _size(shelf: Shelf, row: Row) -> int:
    return sum(known_bytes(shelf.spec.fields[at], row[at]) for at in shelf.blobs)

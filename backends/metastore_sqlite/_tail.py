"""The tail of a type: the last few rows, which its full text has not taken in yet. A search looks at them one by one.

A row whose number is beyond ``last``, in ``_indexed``, is pending; full text has every other. A function of ours tells of a pending row what the index tells
of the others, by the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metastore.backend import FieldSpec, TypeSpec
from metastore_sqlite._layout import quoted

__all__ = ["indexed", "pending", "referring", "worded"]

Bound = tuple[str, list[str]]
"""SQL text and what is bound to it, in order."""


def indexed(spec: TypeSpec) -> str:
    """Return the SQL of the number of the last row that full text has."""
    return f"(SELECT last FROM _indexed WHERE type = '{spec.name}')"


def pending(spec: TypeSpec) -> str:
    """Return the SQL of the rows, as ``p``, that full text has not."""
    return f"{quoted(spec.name)} AS p WHERE p.row__n > {indexed(spec)}"


def _formed(fields: Iterable[FieldSpec]) -> str:
    """Return what `metastore_rank` is told of searched columns: the weight of each, and whether it is a list."""
    return ",".join(f"{field.search}{'l' if field.kind == 'list' else 't'}" for field in fields)


def worded(words: Iterable[str], fields: Sequence[FieldSpec], *, every: bool, alias: str = "p") -> Bound:
    """Return the rank of a row by its words in fields; 0 unless it has ``every`` one, where that is asked."""
    columns = "".join(f", {alias}.{quoted(field.name)}" for field in fields)
    return f"metastore_{'every' if every else 'rank'}(?, ?{columns})", [" ".join(words), _formed(fields)]


def referring(reference: str, fields: Sequence[FieldSpec]) -> Bound:
    """Return the test whether a pending row refers, in fields of blobs, to a url or a digest (``algorithm:hex``)."""
    columns = "".join(f", p.{quoted(field.name)}" for field in fields)
    return f"metastore_refers(?, ?{columns})", [reference, ",".join(field.kind for field in fields)]

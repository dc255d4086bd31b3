"""All rows of a type, a chunk at a time, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from metastore.backend import Row
from metastore_sql._columns import COUNT, IDENT
from metastore_sql._dialect import Dialect
from metastore_sql._prepared import Prepared, Reads, slot
from metastore_sql._tables import Relation

__all__ = ["CHUNK", "chunks"]

CHUNK = 5_000


def chunks(
    session: Reads, relation: Relation, dialect: Dialect, *, words: bool = False, size: int = CHUNK
) -> Iterator[list[Row]]:
    """Yield lists of rows, none of them empty; with ``words`` each row ends in PostgreSQL's array of words."""
    ident = relation.table.c.id
    columns = [*relation.columns, *([relation.table.c.row__words] if words else [])]
    asked = select(*columns).order_by(ident).limit(slot(0, COUNT))
    first, further = Prepared(asked, dialect.sa), Prepared(asked.where(ident > slot(1, IDENT)), dialect.sa)
    found = first.read(session, size)
    while found:
        yield found
        found = further.read(session, size, found[-1][0]) if len(found) == size else []

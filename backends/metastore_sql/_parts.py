"""What tables are made of, on either family of servers: names, keys, indexes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ColumnCollectionConstraint

__all__ = ["NAME_LENGTH", "Inline", "Naming", "fitted", "index_on", "key_of", "needed", "table_of"]

NAME_LENGTH = 63
"""Of PostgreSQL; MariaDB allows one more."""

_KEPT = frozenset(
    ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "db_row_id", "db_trx_id", "db_roll_ptr", "fts_doc_id")
)
"""Names of columns that PostgreSQL or InnoDB has for itself."""


class Naming(Protocol):
    """What of a dialect tables depend on: the family's name, and (MariaDB) the collation by code point, without padding."""

    @property
    def name(self) -> str:
        """``postgresql`` or ``mysql``."""

    @property
    def collation(self) -> str:
        """The collation of every text column; not asked of PostgreSQL, where it is always ``C``."""


def fitted(name: str) -> str:
    """Return a name that a server takes: a longer one is cut and told apart by a hash.

    >>> fitted("images:tags"), len(fitted("t" * 48 + ":" + "x" * 63))
    ('images:tags', 63)
    """
    if len(name) <= NAME_LENGTH:
        return f"{name}~" if name in _KEPT else name
    return f"{name[: NAME_LENGTH - 17]}~{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def table_of(meta: MetaData, dialect: Naming, name: str, *parts: Any) -> Table:
    """Return a table of these columns and constraints; in MariaDB its texts compare by code point, without padding."""
    options: dict[str, Any] = {}
    if dialect.name == "mysql":
        options = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": dialect.collation}
        options |= {"mysql_row_format": "DYNAMIC"}
    return Table(name, meta, *parts, quote=True, **options)


def needed(name: str, kept: Any) -> Column[Any]:
    """Return a column that is never empty."""
    return Column(name, kept, nullable=False, autoincrement=False)


def key_of(name: str, *columns: str) -> PrimaryKeyConstraint:
    """Return the key of a table, by a name of ours: PostgreSQL's own names for keys are ones that a type may have."""
    return PrimaryKeyConstraint(*columns, name=fitted(f"{name}#"))


class Inline(ColumnCollectionConstraint):
    """An index that MariaDB makes with its table: one statement, where each CREATE INDEX would copy the table's definition anew."""

    def __init__(self, name: str, *columns: Column[Any], room: dict[str, int]) -> None:
        self.room = room
        super().__init__(*columns, name=name)

    def text(self, quote: Callable[[str], str]) -> str:
        """Return it as MariaDB writes it, in CREATE TABLE and after ADD."""
        names = [
            f"{quote(each.name)}({self.room[each.name]})" if each.name in self.room else quote(each.name)
            for each in self
        ]
        return f"INDEX {quote(str(self.name))} ({', '.join(names)})"


@compiles(Inline, "mysql")
def _inline(key: Inline, compiler: Any, **_: Any) -> str:
    return key.text(compiler.preparer.quote)


def index_on(dialect: Naming, table: Table, name: str, columns: list[Any], room: dict[str, int] | None = None) -> Any:
    """Return an index, now a part of its table; of columns in ``room`` MariaDB's holds only so many characters."""
    if dialect.name == "postgresql":
        return Index(fitted(name), *columns)
    made = Inline(fitted(name), *columns, room=room or {})
    table.append_constraint(made)
    return made

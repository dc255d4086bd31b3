"""Tables: the catalogue's own, and those of each type, as SQLAlchemy Core describes them.

Names of ours start with an underscore; what belongs to a type is ``type:field``, its indexes ``type#columns``: names that no
type can have. Columns are known here by the names that specs give them (``table.c["name"]``); a name that a server keeps for
itself, or that is longer than one may be, is another one there.

Indexes hold an absent value first (``NULLS FIRST`` in PostgreSQL, as MariaDB has it anyway), only the id in the usual order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    literal_column,
    nulls_first,
    text,
)
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from metastore.backend import FieldSpec, TypeSpec
from metastore_sql._columns import (
    BYTES,
    COUNT,
    FLAG,
    HEAD,
    IDENT,
    INDEXED_TEXT,
    JSON,
    LONG,
    MOMENT,
    NUMBER,
    REAL,
    SMALL,
    SUM,
    TEXT,
    WORDS,
    Bounded,
    column_type,
)
from metastore_sql._parts import Naming, fitted, index_on, key_of, needed, table_of

__all__ = ["Own", "Relation", "creation", "look_ups", "own_tables", "searched"]

_SCALARS: dict[str, TypeEngine[Any]] = {"int": NUMBER, "float": REAL, "bool": FLAG}


def look_ups(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that have a look-up table of their own: indexed lists, and dicts."""
    return [each for each in spec.fields if each.kind == "dict" or (each.kind == "list" and each.index)]


def searched(spec: TypeSpec, names: tuple[str, ...] = ()) -> list[FieldSpec]:
    """Return the fields that full text searches, in order; where there are ``names``, only these."""
    return [each for each in spec.fields if each.search and (not names or each.name in names)]


@frozen(kw_only=True)
class Own:
    """The catalogue's own tables."""

    meta: Table
    turn: Table
    specs: Table
    identity: Table
    links: Table
    references: Table
    transactions: Table
    changes: Table
    usage: Table

    @property
    def every(self) -> tuple[Table, ...]:
        """All of them, each after those it refers to."""
        return tuple(self.turn.metadata.sorted_tables)


_NAME = Bounded(64)
_OWN: dict[str, dict[str, TypeEngine[Any]]] = {
    "_meta": {"key": _NAME, "value": TEXT},
    "_turn": {
        "only": SMALL, "seq": NUMBER, "time": MOMENT, "generation": NUMBER, "tallied": FLAG, "revision": COUNT, "least": COUNT,
    },
    "_specs": {"type": _NAME, "number": COUNT, "breaking": FLAG, "digest": _NAME, "spec": JSON, "relation": _NAME},
    "_identity": {"id": IDENT, "type": _NAME, "state": Bounded(8)},
    "_links": {"source": IDENT, "field": _NAME, "target": IDENT},
    "_references": {"mark": IDENT, "id": IDENT, "field": _NAME},
    "_transactions": {"seq": NUMBER, "id": IDENT, "time": MOMENT, "actor": TEXT, "message": TEXT},
    "_changes": {
        "tx": NUMBER, "at": COUNT, "kind": Bounded(8), "artifact": IDENT, "revision": NUMBER, "spec": COUNT, "digest": BYTES,
        "parents": LONG, "before": JSON, "after": JSON, "checkpoint": JSON,
    },
    "_usage": {"owner": Bounded(300), "type": _NAME, "count": NUMBER, "bytes": SUM},
}  # fmt: skip
_KEYS = {
    "_meta": ["key"],
    "_turn": ["only"],
    "_specs": ["type", "number"],
    "_identity": ["id"],
    "_links": ["source", "field", "target"],
    "_references": ["mark", "id", "field"],
    "_transactions": ["seq"],
    "_changes": ["tx", "at"],
    "_usage": ["owner", "type"],
}
_MAY_BE_EMPTY = frozenset(("actor", "message", "before", "after", "checkpoint"))


def own_tables(dialect: Naming, schema: str | None = None) -> Own:
    """Return the catalogue's own tables, in a schema (PostgreSQL) or in the database of the connection.

    ``_turn`` has one row: whoever writes has updated it first, so its numbers hold until the commit. In ``_usage`` the owner
    is the owner's text after ``=``, nothing for what has no owner, ``*`` for everybody together.
    """
    meta = MetaData(schema=schema if dialect.name == "postgresql" else None)
    made = {name: table_of(meta, dialect, name, *_own_parts(name)) for name in _OWN}
    made["_transactions"].append_constraint(UniqueConstraint("id", name="_transactions#id"))
    own = Own(**{name[1:]: table for name, table in made.items()})
    _refer(own.links.c.target, own.identity.c.id)
    _refer(own.changes.c.tx, own.transactions.c.seq)
    _refer(own.changes.c.artifact, own.identity.c.id)
    links, changes = own.links.c, own.changes.c
    index_on(dialect, own.links, "_links#target+field", [links.target, links.field, links.source])
    index_on(dialect, own.changes, "_changes#artifact+revision", [changes.artifact, changes.revision])
    return own


def _own_parts(name: str) -> list[Any]:
    columns = [Column(each, kept) if each in _MAY_BE_EMPTY else needed(each, kept) for each, kept in _OWN[name].items()]
    return [*columns, key_of(name, *_KEYS[name])]


def _refer(column: Column[Any], to: Column[Any]) -> None:
    table = column.table
    table.append_constraint(ForeignKeyConstraint([column], [to], name=f"{table.name}#{column.name}"))


class Relation:
    """The tables that keep one type: its rows, its look-ups by field, and the words of its full text.

    ``name`` is that of the table of rows, mostly the type's. A look-up of a list has ``mark`` (see `_sortform.element_mark`), ``id`` and
    ``value``; that of a dict ``id``, ``mark`` (of the pointer), ``kind``, ``at``, ``head`` and ``whole``, see `_sortform`. ``text`` is
    MariaDB's table of words (``word``, ``id``, ``field``); in PostgreSQL the column ``row__words`` of ``table`` holds every word and every
    ``field:word``. Columns in ``cut`` have an index of their first 512 characters only: in PostgreSQL of ``left(column, 512)``.
    """

    def __init__(self, spec: TypeSpec, dialect: Naming, own: Own, name: str = "") -> None:
        self.spec, self.dialect, self.name = spec, dialect, name or spec.name
        self.cut = frozenset(_cut(spec))
        self._own, self._meta = own, MetaData(schema=own.identity.schema)
        self.table = self._rows()
        self.sides = {each.name: self._side(each) for each in look_ups(spec)}
        self.text = self._text() if dialect.name == "mysql" and searched(spec) else None
        self.indexes = self._indexes()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table of the type."""
        return (self.table, *self.sides.values(), *(() if self.text is None else (self.text,)))

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns of a row, in the spec's order."""
        return [self.table.c[each.name] for each in self.spec.columns]

    def _rows(self) -> Table:
        columns = [
            Column(
                fitted(each.name), column_type(self.spec, each), key=each.name, quote=True, nullable=each.name != "id"
            )
            for each in self.spec.columns
        ]
        if self.dialect.name == "postgresql":
            columns.append(Column("row__words", WORDS))
        known = ForeignKeyConstraint(["id"], [self._own.identity.c.id], name=fitted(f"{self.name}#id"))
        once = UniqueConstraint("unique_key", name=fitted(f"{self.name}#unique_key"))
        return self._made(self.name, *columns, key_of(self.name, "id"), known, once)

    def _made(self, name: str, *parts: Any) -> Table:
        return table_of(self._meta, self.dialect, name, *parts)

    def _side(self, field: FieldSpec) -> Table:
        name = fitted(f"{self.name}:{field.name}")
        if field.kind == "list":
            value = Column("value", _SCALARS.get(field.item.kind if field.item else "", TEXT))
            return self._made(name, needed("mark", IDENT), needed("id", IDENT), value, key_of(name, "mark", "id"))
        parts = {"id": IDENT, "mark": IDENT, "kind": SMALL, "at": COUNT, "head": HEAD}
        columns = [needed(each, kept) for each, kept in parts.items()]
        made = self._made(name, *columns, Column("whole", TEXT), key_of(name, "id", "mark", "kind", "at"))
        index_on(self.dialect, made, f"{name}#head", [made.c[each] for each in ("mark", "kind", "head", "id")])
        return made

    def _text(self) -> Table:
        name = fitted(f"{self.name}:text")
        parts = {"word": Bounded(128), "id": IDENT, "field": Bounded(64)}
        columns = [needed(each, kept) for each, kept in parts.items()]
        return self._made(name, *columns, key_of(name, *parts))

    def _indexes(self) -> list[Any]:
        """Those of the table of rows that a wider spec may add to."""
        made = [self._index(*columns) for columns in _indexed(self.spec)]
        if "name" in self.spec.by_name:
            made.append(self._index("name", "version__key", "version"))
            if self.dialect.name == "mysql" and ("name",) not in _indexed(self.spec):
                made.append(
                    self._index("name")
                )  # it sorts all that an index does not order in whole; PostgreSQL sorts by parts
        made += [
            self._index("owner", only="owner IS NOT NULL"),
            self._index("visibility", only="visibility <> 'private'"),
        ]
        if self.dialect.name == "postgresql" and searched(self.spec):
            made.append(Index(fitted(f"{self.name}#words"), self.table.c.row__words, postgresql_using="gin"))
        return made

    def _index(self, *columns: str, only: str = "") -> Any:
        """Index by the columns, then the id: a page in id order is a range scan."""
        name = f"{self.name}#{'+'.join(columns)}{'~' if self.cut & {*columns} else ''}"
        if self.dialect.name == "postgresql":
            keys: list[Any] = [nulls_first(self.held(each)) for each in columns]
            return Index(fitted(name), *keys, self.table.c.id, postgresql_where=text(only) if only else None)
        room = {self.table.c[each].name: length for each in columns if (length := self._room(each, len(columns)))}
        return index_on(self.dialect, self.table, name, [self.table.c[each] for each in (*columns, "id")], room)

    def held(self, name: str) -> Any:
        """Return what the index of a column holds (PostgreSQL): the column, or its first 512 characters."""
        column = self.table.c[name]
        return func.left(column, literal_column(str(INDEXED_TEXT))) if name in self.cut else column

    def _room(self, name: str, among: int) -> int | None:
        """Characters of a text that an index of MariaDB holds; said always, as a column may be wider than its spec needs."""
        kept = self.table.c[name].type
        longest = kept.length if isinstance(kept, Bounded) else INDEXED_TEXT if kept is TEXT else None
        return longest and min(longest, INDEXED_TEXT if among == 1 else INDEXED_TEXT // 2)


def _indexed(spec: TypeSpec) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for each in spec.fields:
        if each.index and each.kind != "list":
            found.append((f"{each.name}__key", each.name) if each.kind == "version" else (each.name,))
            if each.folded:
                found.append((f"{each.name}__folded",))
    return [columns for columns in found if columns not in (("owner",), ("visibility",))]


def _cut(spec: TypeSpec) -> list[str]:
    texts = [column for column in spec.columns if column.storage == "text" and (column.name,) in _indexed(spec)]
    return [each.name for each in texts if not isinstance(column_type(spec, each), Bounded)]


def creation(tables: Iterable[Table], dialect: Compiling, *, leniently: bool = False) -> list[str]:
    """Return the statements that make tables with their indexes, for the driver to run without parameters; ``leniently`` where they are not there."""
    made: list[str] = []
    for table in tables:
        made.append(str(CreateTable(table, if_not_exists=leniently).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda each: str(each.name))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return made

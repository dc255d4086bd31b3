"""Tables: the catalogue's own, and those of each type, as SQLAlchemy Core describes them.

Names of ours start with an underscore; what belongs to a type is ``type:field``, its indexes ``type#columns``: names that no
type can have. Columns are known here by the names that specs give them (``table.c["name"]``); a name that a server keeps for
itself, or that is longer than one may be, is another one there.

Indexes hold an absent value first (``NULLS FIRST`` in PostgreSQL, as MariaDB has it anyway), only the id in the usual order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from attrs import frozen
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    func,
    literal_column,
    nulls_first,
    text,
)
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ColumnCollectionConstraint, CreateIndex, CreateTable
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

__all__ = ["Inline", "Naming", "Own", "Relation", "creation", "fitted", "look_ups", "own_tables", "searched"]

NAME_LENGTH = 63
"""Of PostgreSQL; MariaDB allows one more."""

_KEPT = frozenset(
    ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "db_row_id", "db_trx_id", "db_roll_ptr", "fts_doc_id")
)
"""Names of columns that PostgreSQL or InnoDB has for itself."""

_SCALARS: dict[str, TypeEngine[Any]] = {"int": NUMBER, "float": REAL, "bool": FLAG}


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


def look_ups(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that have a look-up table of their own: indexed lists, and dicts."""
    return [each for each in spec.fields if each.kind == "dict" or (each.kind == "list" and each.index)]


def searched(spec: TypeSpec, names: tuple[str, ...] = ()) -> list[FieldSpec]:
    """Return the fields that full text searches, in order; where there are ``names``, only these."""
    return [each for each in spec.fields if each.search and (not names or each.name in names)]


def _table(meta: MetaData, dialect: Naming, name: str, *parts: Any) -> Table:
    options: dict[str, Any] = {}
    if dialect.name == "mysql":
        options = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": dialect.collation}
        options |= {"mysql_row_format": "DYNAMIC"}
    return Table(name, meta, *parts, quote=True, **options)


def _needed(name: str, kept: Any) -> Column[Any]:
    return Column(name, kept, nullable=False, autoincrement=False)


def _key(name: str, *columns: str) -> PrimaryKeyConstraint:
    # named, as PostgreSQL's own names for keys are ones that a type may have
    return PrimaryKeyConstraint(*columns, name=fitted(f"{name}#key"))


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


def _index_on(dialect: Naming, table: Table, name: str, columns: list[Any], room: dict[str, int] | None = None) -> Any:
    if dialect.name == "postgresql":
        return Index(fitted(name), *columns)
    made = Inline(fitted(name), *columns, room=room or {})
    table.append_constraint(made)
    return made


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


def own_tables(dialect: Naming, schema: str | None = None) -> Own:
    """Return the catalogue's own tables, in a schema (PostgreSQL) or in the database of the connection.

    ``_turn`` has one row: whoever writes has updated it first, so its numbers hold until the commit. In ``_usage`` the owner
    is the owner's text after ``=``, nothing for what has no owner, ``*`` for everybody together.
    """
    meta = MetaData(schema=schema if dialect.name == "postgresql" else None)

    def table(name: str, *parts: Any) -> Table:
        return _table(meta, dialect, name, *parts)

    def refers(name: str, column: str, to: Table, there: str) -> ForeignKeyConstraint:
        return ForeignKeyConstraint([column], [to.c[there]], name=f"{name}#{column}")

    identity = table(
        "_identity",
        _needed("id", IDENT),
        _needed("type", Bounded(64)),
        _needed("state", Bounded(8)),
        _key("_identity", "id"),
    )
    transactions = table(
        "_transactions",
        _needed("seq", NUMBER),
        _needed("id", IDENT),
        _needed("time", MOMENT),
        Column("actor", TEXT),
        Column("message", TEXT),
        _key("_transactions", "seq"),
        UniqueConstraint("id", name="_transactions#id"),
    )
    made = Own(
        meta=table("_meta", _needed("key", Bounded(64)), _needed("value", TEXT), _key("_meta", "key")),
        turn=table(
            "_turn",
            _needed("only", SMALL),
            _needed("seq", NUMBER),
            _needed("time", MOMENT),
            _needed("generation", NUMBER),
            _needed("tallied", FLAG),
            _needed("revision", COUNT),
            _needed("least", COUNT),
            _key("_turn", "only"),
        ),
        specs=table(
            "_specs",
            _needed("type", Bounded(64)),
            _needed("number", COUNT),
            _needed("breaking", FLAG),
            _needed("digest", Bounded(64)),
            _needed("spec", JSON),
            _needed("relation", Bounded(64)),
            _key("_specs", "type", "number"),
        ),
        identity=identity,
        links=table(
            "_links",
            _needed("source", IDENT),
            _needed("field", Bounded(64)),
            _needed("target", IDENT),
            _key("_links", "source", "field", "target"),
            refers("_links", "target", identity, "id"),
        ),
        references=table(
            "_references",
            _needed("mark", IDENT),
            _needed("id", IDENT),
            _needed("field", Bounded(64)),
            _key("_references", "mark", "id", "field"),
        ),
        transactions=transactions,
        changes=table(
            "_changes",
            _needed("tx", NUMBER),
            _needed("at", COUNT),
            _needed("kind", Bounded(8)),
            _needed("artifact", IDENT),
            _needed("revision", NUMBER),
            _needed("spec", COUNT),
            _needed("digest", BYTES),
            _needed("parents", LONG),
            Column("before", JSON),
            Column("after", JSON),
            Column("checkpoint", JSON),
            _key("_changes", "tx", "at"),
            refers("_changes", "tx", transactions, "seq"),
            refers("_changes", "artifact", identity, "id"),
        ),
        usage=table(
            "_usage",
            _needed("owner", Bounded(300)),
            _needed("type", Bounded(64)),
            _needed("count", NUMBER),
            _needed("bytes", SUM),
            _key("_usage", "owner", "type"),
        ),
    )
    links, changes = made.links, made.changes
    _index_on(dialect, links, "_links#target+field", [links.c.target, links.c.field, links.c.source])
    _index_on(dialect, changes, "_changes#artifact+revision", [changes.c.artifact, changes.c.revision])
    return made


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
        return self._made(self.name, *columns, _key(self.name, "id"), known, once)

    def _made(self, name: str, *parts: Any) -> Table:
        return _table(self._meta, self.dialect, name, *parts)

    def _side(self, field: FieldSpec) -> Table:
        name = fitted(f"{self.name}:{field.name}")
        if field.kind == "list":
            value = Column("value", _SCALARS.get(field.item.kind if field.item else "", TEXT))
            return self._made(name, _needed("mark", IDENT), _needed("id", IDENT), value, _key(name, "mark", "id"))
        parts = {"id": IDENT, "mark": IDENT, "kind": SMALL, "at": COUNT, "head": HEAD}
        needed = [_needed(each, kept) for each, kept in parts.items()]
        made = self._made(name, *needed, Column("whole", TEXT), _key(name, "id", "mark", "kind", "at"))
        _index_on(self.dialect, made, f"{name}#head", [made.c[each] for each in ("mark", "kind", "head", "id")])
        return made

    def _text(self) -> Table:
        name = fitted(f"{self.name}:text")
        parts = {"word": Bounded(128), "id": IDENT, "field": Bounded(64)}
        needed = [_needed(each, kept) for each, kept in parts.items()]
        return self._made(name, *needed, _key(name, *parts))

    def _indexes(self) -> list[Any]:
        """Those of the table of rows that a wider spec may add to."""
        made = [self._index(*columns) for columns in _indexed(self.spec)]
        if "name" in self.spec.by_name:
            made.append(self._index("name", "version__key", "version"))
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
            keys = [nulls_first(self.held(each)) for each in columns]
            return Index(fitted(name), *keys, self.table.c.id, postgresql_where=text(only) if only else None)
        room = {self.table.c[each].name: length for each in columns if (length := self._room(each, len(columns)))}
        return _index_on(self.dialect, self.table, name, [self.table.c[each] for each in (*columns, "id")], room)

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


def creation(tables: Iterable[Table], dialect: Compiling) -> list[str]:
    """Return the statements that make tables with their indexes, for the driver to run without parameters."""
    made: list[str] = []
    for table in tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        made += [
            str(CreateIndex(index).compile(dialect=dialect))
            for index in sorted(table.indexes, key=lambda each: str(each.name))
        ]
    return made

"""Column types: how each family of servers keeps the plain values of the contract, and what the driver is given for them.

Bound values are plain here, so that a statement is compiled once and knows by itself what each of its parameters needs.
What comes back is plain already: the drivers' own hooks, set up with the connection, see to that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Integer, Numeric, SmallInteger, Text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect as Compiling
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from metastore.backend import Column, FieldSpec, TypeSpec

__all__ = [
    "BYTES",
    "COUNT",
    "FLAG",
    "HEAD",
    "HEAD_BYTES",
    "IDENT",
    "INDEXED_TEXT",
    "JSON",
    "LONG",
    "MOMENT",
    "NUMBER",
    "REAL",
    "SMALL",
    "SUM",
    "TEXT",
    "WORDS",
    "Bounded",
    "column_type",
    "moment_text",
]

HEAD_BYTES = 64
"""Bytes of a value's sort form that an index of look-ups holds."""

INDEXED_TEXT = 512
"""Characters of the longest text that an index holds whole; of a longer one it holds so many."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def moment_text(micros: int) -> str:
    """Return microseconds since 1970 UTC as ISO text without a zone; what no calendar holds is the nearest that one does.

    >>> moment_text(0), moment_text(-(2**63))
    ('1970-01-01 00:00:00.000000', '0001-01-01 00:00:00.000000')
    """
    moment = _EPOCH + timedelta(microseconds=min(max(micros, _FIRST), _LAST))
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def _utc(micros: int) -> str:
    return moment_text(micros) + "+00"


class _Kept(TypeDecorator[Any]):
    """A type of our own: what PostgreSQL (``pg``) and MariaDB (``my``) keep it in, and what each driver is given for a plain value."""

    cache_ok = True
    impl = Text
    pg: TypeEngine[Any]
    my: TypeEngine[Any]
    to_pg: Callable[[Any], Any] | None = None
    to_my: Callable[[Any], Any] | None = None

    def __init_subclass__(cls) -> None:
        cls.cache_ok = True  # SQLAlchemy asks each class for its own
        super().__init_subclass__()

    def load_dialect_impl(self, dialect: Compiling) -> TypeEngine[Any]:
        return self.pg if dialect.name == "postgresql" else self.my

    def bind_processor(self, dialect: Compiling) -> Callable[[Any], Any] | None:  # pyright: ignore[reportIncompatibleMethodOverride]  # a narrower name
        made = self.to_pg if dialect.name == "postgresql" else self.to_my
        return None if made is None else lambda value: None if value is None else made(value)

    def result_processor(self, dialect: Compiling, coltype: object) -> None:
        """Nothing: what comes back is plain."""


class _PgJson(UserDefinedType[Any]):
    """PostgreSQL's ``json``, which keeps the text as it came; SQLAlchemy's own would write it anew."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"


_C = Text(collation="C")
_LONG = mysql.LONGTEXT()


class _Ident(_Kept):
    pg, my = postgresql.UUID(as_uuid=False), mysql.BINARY(16)
    to_pg = staticmethod(bytes.hex)


class _Flag(_Kept):
    pg, my = Boolean(), mysql.BOOLEAN()
    to_pg = staticmethod(bool)


class _Moment(_Kept):
    pg, my = postgresql.TIMESTAMP(timezone=True), mysql.DATETIME(fsp=6)
    to_pg, to_my = staticmethod(_utc), staticmethod(moment_text)


class _Text(_Kept):
    pg, my = _C, _LONG


class Bounded(_Kept):
    """A text of so many characters at most, which MariaDB can then index whole."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Compiling) -> TypeEngine[Any]:
        return _C if dialect.name == "postgresql" else mysql.VARCHAR(self.length)


class _Json(_Kept):
    # MariaDB's JSON is a LONGTEXT that refuses what nests deeper than 32; MySQL's would write the text anew
    pg, my = _PgJson(), _LONG


class _Bytes(_Kept):
    pg, my = postgresql.BYTEA(), mysql.VARBINARY(HEAD_BYTES)


class _Long(_Kept):
    pg, my = postgresql.BYTEA(), mysql.LONGBLOB()


class _Words(_Kept):
    pg, my = postgresql.ARRAY(Text(collation="C")), _LONG


IDENT = _Ident()
"""16 bytes: an id, or the mark of something longer."""
FLAG = _Flag()
NUMBER = BigInteger()
COUNT = Integer()
SMALL = SmallInteger()
REAL: Double[float] = Double()
SUM = Numeric(65, 0)
MOMENT = _Moment()
TEXT = _Text()
JSON = _Json()
BYTES = _Bytes()
"""Up to 64 bytes: a digest, a unique key."""
HEAD = BYTES
LONG = _Long()
WORDS = _Words()
"""PostgreSQL's array of the words that full text finds a row by."""

_BY_KIND: dict[str, TypeEngine[Any]] = {
    "id": IDENT,
    "link": IDENT,
    "bool": FLAG,
    "int": NUMBER,
    "float": REAL,
    "datetime": MOMENT,
    "str": TEXT,
    "version": Bounded(128),
}

_BOUNDED = {"name": 255, "owner": 255, "visibility": 64, "status": 64}
"""System fields that an index or nearly every query asks for, and the room they get."""


ROOMY = 12
"""So many indexed texts of a type are kept beside the row; a row of MariaDB holds 64 KB of them at most, the rest lies apart."""


def column_type(spec: TypeSpec, column: Column) -> TypeEngine[Any]:
    """Return the type of one column of a spec's rows."""
    if column.storage == "bytes" and column.derived:
        return BYTES
    if column.derived:
        return Bounded(INDEXED_TEXT) if column.name.endswith("__key") else TEXT
    field = spec.by_name[column.name]
    if field.kind == "str" and field.name in _BOUNDED and 0 < _longest(field) <= _BOUNDED[field.name]:
        return Bounded(_BOUNDED[field.name])
    if _roomy(field) and field in [each for each in spec.fields if _roomy(each)][:ROOMY]:
        return Bounded(INDEXED_TEXT)
    return _BY_KIND.get(field.kind, JSON)


def _longest(field: FieldSpec) -> int:
    return field.max_length or max([len(str(each)) for each in field.choices], default=0)


def _roomy(field: FieldSpec) -> bool:
    return field.kind == "str" and field.index and not field.choices and 0 < _longest(field) <= INDEXED_TEXT

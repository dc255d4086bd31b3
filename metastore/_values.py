"""One value in, checked, one plain value out: strict, with the place in every refusal.

``to_column`` makes what a row holds, ``to_plain`` what stands inside JSON. Nothing is coerced
but for what a type checker lets pass as well: an int where a float is asked, any UTC offset for a datetime.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NoReturn
from uuid import UUID

from metastore._blob import Blob
from metastore._json import encode
from metastore._link import Link
from metastore._schema import FieldSpec
from metastore._version import Version
from metastore.errors import ValidationError, nearest

__all__ = ["DEPTH", "EPOCH", "column_writer", "instant", "micros", "to_column", "to_plain"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEPTH = 64
"""JSON values nest at most this deep."""

_DAY = 86_400_000_000


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 UTC, exactly."""
    since = moment - EPOCH
    return since.days * _DAY + since.seconds * 1_000_000 + since.microseconds


def instant(count: int) -> datetime:
    """Return the UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=count)


def iso(moment: datetime) -> str:
    """Return the one JSON text of a moment: UTC, always six digits of microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _refuse(expected: str, where: str, found: str) -> NoReturn:
    raise ValidationError(f"expected {expected} at {where}, got {found}")


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _bool(spec: FieldSpec, value: Any, where: str) -> bool:
    if type(value) is not bool:
        _refuse("bool", where, _kind(value))
    return value


def _int(spec: FieldSpec, value: Any, where: str) -> int:
    if type(value) is not int:
        _refuse("int", where, _kind(value))
    if not -(2**63) <= value < 2**63:
        _refuse("an int of 64 bits", where, f"one of {value.bit_length() + 1} bits")  # and one for the sign
    _bounded(spec, value, value, where)
    return value


def _float(spec: FieldSpec, value: Any, where: str) -> float:
    if type(value) is int and abs(value) <= 2**53:
        value = float(value)
    if type(value) is not float:
        _refuse("float", where, _kind(value))
    if not math.isfinite(value):
        _refuse("a finite float", where, str(value))
    _bounded(spec, value, value, where)
    return float(value) + 0.0


def _bounded(spec: FieldSpec, plain: Any, value: Any, where: str) -> None:
    for option, holds, words in _BOUNDS:
        bound = getattr(spec, option)
        if bound is not None and not holds(plain, bound):
            _refuse(f"{words} {bound}", where, str(value))
    if spec.choices and plain not in spec.choices:
        _refuse(_one_of(spec), where, repr(plain))


_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("ge", lambda value, bound: value >= bound, "at least"),
    ("gt", lambda value, bound: value > bound, "more than"),
    ("le", lambda value, bound: value <= bound, "at most"),
    ("lt", lambda value, bound: value < bound, "less than"),
)


def _one_of(spec: FieldSpec) -> str:
    shown = ", ".join(repr(choice) for choice in spec.choices[:12])
    return f"one of {shown}{', …' if len(spec.choices) > 12 else ''}"


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def text(value: Any, where: str) -> str:
    """Return the text if it is one that every database can hold: no NUL, no lone surrogate."""
    if type(value) is not str:
        _refuse("str", where, _kind(value))
    if "\0" in value:
        _refuse("text without NUL", where, f"one with NUL at position {value.index(chr(0))}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as broken:
            _refuse("text without lone surrogates", where, f"one with a surrogate at position {broken.start}")
    return value


def _str(spec: FieldSpec, value: Any, where: str) -> str:
    checked = text(value, where)
    if spec.max_length is not None and len(checked) > spec.max_length:
        _refuse(f"at most {spec.max_length} characters", where, str(len(checked)))
    if spec.min_length is not None and len(checked) < spec.min_length:
        _refuse(f"at least {spec.min_length} characters", where, str(len(checked)))
    if spec.choices and checked not in spec.choices:
        _refuse(_one_of(spec), where, f"{checked[:60]!r} ({nearest(checked, [str(each) for each in spec.choices])})")
    if spec.pattern is not None and not _pattern(spec.pattern).fullmatch(checked):
        _refuse(f"text that matches {spec.pattern!r}", where, repr(checked[:60]))
    return checked


def _datetime(spec: FieldSpec, value: Any, where: str) -> datetime:
    if not isinstance(value, datetime):
        _refuse("datetime", where, _kind(value))
    if value.tzinfo is None or value.utcoffset() is None:
        _refuse("a datetime with a time zone (tzinfo=UTC)", where, "a naive one")
    try:
        moment: datetime = value.astimezone(UTC)
    except OverflowError:
        _refuse("a datetime within the years 1 to 9999 of UTC", where, value.isoformat())
    for option, holds, words in _BOUNDS:
        bound = getattr(spec, option)
        if bound is not None and not holds(moment, datetime.fromisoformat(bound)):
            _refuse(f"{words} {bound}", where, value.isoformat())
    return moment


def _version(spec: FieldSpec, value: Any, where: str) -> str:
    scheme = spec.scheme or "semver"
    if isinstance(value, str):
        return Version(value, scheme).text
    if not isinstance(value, Version):
        _refuse("Version", where, _kind(value))
    if value.scheme != scheme:
        _refuse(f"a {scheme} version", where, f"a {value.scheme} one")
    return value.text


def _id(spec: FieldSpec, value: Any, where: str) -> UUID:
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            _refuse("a UUID", where, repr(value[:60]))
    if not isinstance(value, UUID):
        _refuse("UUID", where, _kind(value))
    return value


def _link(spec: FieldSpec, value: Any, where: str) -> UUID:
    if not isinstance(value, Link):
        _refuse("Link", where, f"{_kind(value)} (write Link(…) around it)")
    return value.id


def _blob(spec: FieldSpec, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Blob):
        _refuse("Blob", where, _kind(value))
    if spec.max_size is not None and (value.size or 0) > spec.max_size:
        _refuse(f"a blob of at most {spec.max_size} bytes", where, f"{value.size}")
    return value.to_plain()


def _folder(spec: FieldSpec, value: Any, where: str) -> dict[str, Any]:
    _mapping(spec, value, where)
    if spec.max_total_size is not None:
        total = sum(blob.size or 0 for blob in value.values() if isinstance(blob, Blob))
        if total > spec.max_total_size:
            _refuse(f"a folder of at most {spec.max_total_size} bytes", where, f"{total}")
    return {key: _blob(spec, blob, f"{where}[{key!r}]") for key, blob in value.items()}


def _mapping(spec: FieldSpec, value: Any, where: str) -> None:
    if type(value) is not dict:
        _refuse("dict", where, _kind(value))
    for key in value:
        text(key, f"a key of {where}")
        if spec.allowed_keys and key not in spec.allowed_keys:
            _refuse(f"one of the keys {', '.join(spec.allowed_keys)}", where, repr(key))
    for key in spec.required_keys:
        if key not in value:
            _refuse(f"the key {key!r}", where, f"only {', '.join(map(repr, value)) or 'none'}")
    _counted(spec, value, where)


def _counted(spec: FieldSpec, value: Any, where: str) -> None:
    if spec.max_items is not None and len(value) > spec.max_items:
        _refuse(f"at most {spec.max_items} items", where, str(len(value)))
    if spec.min_items is not None and len(value) < spec.min_items:
        _refuse(f"at least {spec.min_items} items", where, str(len(value)))


def _dict(spec: FieldSpec, value: Any, where: str) -> dict[str, Any]:
    _mapping(spec, value, where)
    item = spec.item or _ANY
    return {key: to_plain(item, each, f"{where}[{key!r}]") for key, each in value.items()}


def _list(spec: FieldSpec, value: Any, where: str) -> list[Any]:
    if type(value) is not list:
        _refuse("list", where, _kind(value))
    item = spec.item or _ANY
    if item.bare_text and all(type(each) is str and each.isascii() and "\0" not in each for each in value):
        plain = value
    else:
        plain = [to_plain(item, each, f"{where}[{at}]") for at, each in enumerate(value)]
    _counted(spec, plain, where)
    if spec.unique_items:
        _distinct(plain, where, bare=item.bare_text)
    return plain


def _distinct(plain: list[Any], where: str, *, bare: bool) -> None:
    texts = plain if bare else [encode(each) for each in plain]
    if len(set(texts)) < len(texts):
        twice = next(at for at, each in enumerate(texts) if each in texts[:at])
        _refuse("each item once", where, f"{plain[twice]!r} twice")


def _object(spec: FieldSpec, value: Any, where: str) -> dict[str, Any]:
    names = {each.name for each in spec.fields}
    from metastore._classes import is_nested, parts_of  # attrs, at first use

    if not is_nested(type(value)) or {each.name for each in parts_of(type(value))} != names:
        _refuse(f"an object with {', '.join(sorted(names))}", where, _kind(value))
    _validated(value, where)
    return {each.name: to_plain(each, getattr(value, each.name), f"{where}.{each.name}") for each in spec.fields}


def _validated(value: Any, where: str) -> None:
    from metastore._classes import validate  # attrs, at first use

    try:
        validate(value)  # else its class would refuse it when it is read back
    except Exception as refused:
        raise ValidationError(f"{type(value).__name__} refuses its own value at {where}: {refused}") from refused


def _json(spec: FieldSpec, value: Any, where: str) -> Any:
    return json_value(value, where, DEPTH)


def json_value(value: Any, where: str, depth: int = DEPTH) -> Any:
    """Return a free JSON value with everything inside it checked."""
    if value is None or isinstance(value, bool):
        return value
    if depth == 0 and type(value) in (dict, list):
        _refuse(f"at most {DEPTH} levels of nesting", where[:60], "more")
    if type(value) is dict:
        return {
            text(key, f"a key of {where}"): json_value(each, f"{where}[{key!r}]", depth - 1)
            for key, each in value.items()
        }
    if type(value) is list:
        return [json_value(each, f"{where}[{at}]", depth - 1) for at, each in enumerate(value)]
    scalar = {str: _str, int: _int, float: _float}.get(type(value))
    if scalar is None:
        _refuse("a JSON value (str, int, float, bool, None, list, dict)", where, _kind(value))
    return scalar(_ANY, value, where)


_ANY = FieldSpec(kind="json")

_CHECKS: dict[str, Callable[[FieldSpec, Any, str], Any]] = {
    "id": _id, "bool": _bool, "int": _int, "float": _float, "str": _str, "datetime": _datetime, "version": _version,
    "blob": _blob, "folder": _folder, "link": _link, "list": _list, "dict": _dict, "object": _object, "json": _json,
}  # fmt: skip

_IN_JSON: dict[str, Callable[[Any], Any]] = {"id": str, "link": str, "datetime": iso}
_IN_COLUMN: dict[str, Callable[[Any], Any]] = {
    "id": lambda value: value.bytes,
    "link": lambda value: value.bytes,
    "bool": int,
    "datetime": micros,
    **dict.fromkeys(("blob", "folder", "list", "dict", "object", "json"), encode),
}


def _checked(spec: FieldSpec, value: Any, where: str, forms: dict[str, Callable[[Any], Any]]) -> Any:
    if value is None and (spec.optional or spec.kind == "json"):
        return None
    if spec.choices and isinstance(value, enum.Enum):
        value = value.value
    checked = _CHECKS[spec.kind](spec, value, where)
    form = forms.get(spec.kind)
    return checked if form is None else form(checked)


def column_writer(spec: FieldSpec) -> Callable[[Any, str], Any]:
    """Return `to_column` of one field, with all that can be decided beforehand decided."""
    check, form = _CHECKS[spec.kind], _IN_COLUMN.get(spec.kind)
    if spec.choices or spec.kind == "json":
        return partial(to_column, spec)
    if spec.kind in _USUAL:
        return _USUAL[spec.kind](spec)
    if form is None:
        return lambda value, where: None if value is None and spec.optional else check(spec, value, where)
    return lambda value, where: None if value is None and spec.optional else form(check(spec, value, where))


# what is written most, in one step where it is as usual; to_column judges all else, and words every refusal


def _texts_writer(spec: FieldSpec) -> Callable[[Any, str], Any]:
    usual = spec.item is not None and spec.item.bare_text and spec.min_items is None and spec.max_items is None

    def write(value: Any, where: str) -> Any:
        if usual and type(value) is list and set(map(type, value)) == _TEXT:
            joined = "".join(value)
            if joined.isascii() and "\0" not in joined and (not spec.unique_items or len(set(value)) == len(value)):
                return encode(value)
        return to_column(spec, value, where)

    return write


def _blob_writer(spec: FieldSpec) -> Callable[[Any, str], Any]:
    def write(value: Any, where: str) -> Any:
        usual = type(value) is Blob and spec.max_size is None
        return encode(value.to_plain()) if usual else to_column(spec, value, where)

    return write


def _folder_writer(spec: FieldSpec) -> Callable[[Any, str], Any]:
    limits = (
        spec.max_size,
        spec.max_total_size,
        spec.max_items,
        spec.min_items,
        *spec.allowed_keys,
        *spec.required_keys,
    )
    usual = all(each is None for each in limits)

    def write(value: Any, where: str) -> Any:
        if usual and type(value) is dict and set(map(type, value)) == _TEXT and set(map(type, value.values())) == _BLOB:
            joined = "".join(value)
            if joined.isascii() and "\0" not in joined:
                return encode({name: blob.to_plain() for name, blob in value.items()})
        return to_column(spec, value, where)

    return write


def _link_writer(spec: FieldSpec) -> Callable[[Any, str], Any]:
    return lambda value, where: (
        value.id.int.to_bytes(16, "big") if type(value) is Link else to_column(spec, value, where)
    )


_TEXT, _BLOB = {str}, {Blob}
_USUAL = {"list": _texts_writer, "blob": _blob_writer, "folder": _folder_writer, "link": _link_writer}


def to_plain(spec: FieldSpec, value: Any, where: str) -> Any:
    """Return the JSON form of a value that fits the spec. Raises ValidationError naming ``where``."""
    return _checked(spec, value, where, _IN_JSON)


def to_column(spec: FieldSpec, value: Any, where: str) -> Any:
    """Return the row form of a value that fits the spec (see `metastore.backend`). Raises ValidationError naming ``where``."""
    return _checked(spec, value, where, _IN_COLUMN)

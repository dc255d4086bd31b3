"""Artifact to row and back, compiled once per class and stored spec.

The row it makes is complete (derived columns, unique key, content digest); what it reads
needs the truth columns only. Reading its own row back is how a stored artifact is made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import timedelta
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any
from uuid import UUID, SafeUUID

from metastore._artifact import NOT_SETTABLE, SET_BY_CATALOG, Record, spec_of
from metastore._column_readers import Resolve, column_reader, column_readers
from metastore._data import NO_DEFAULT
from metastore._declare import default_from, hint_of
from metastore._ids import shown_id
from metastore._json import encode
from metastore._schema import FieldSpec, TypeSpec
from metastore._schemes import canonical
from metastore._text import fold
from metastore._values import EPOCH, column_writer, to_column
from metastore._version import Version, known_key
from metastore.errors import DamagedError, UnknownFieldError, ValidationError, nearest

__all__ = ["Codec", "content_digest", "damaged"]

Row = tuple[Any, ...]
_Content = tuple[str, int, Any]
NOTHING: Mapping[str, Any] = {}
_NO_OBJECT = object()
_NUMBERS: dict[str, type] = {"int": int, "float": float}
_UNKNOWN = SafeUUID.unknown
_new = object.__new__
_MADE_BY_DECODE = ("id", "version", "hidden", "protected", "created_at", "updated_at")
_trusted = Version.trusted
_put_int, _put_safe = UUID.__dict__["int"].__set__, UUID.__dict__["is_safe"].__set__


class Codec:
    """The two-way road between a class and the rows of its stored spec.

    The stored spec may be wider than the class (a newer program added fields): what the class does not
    know is filled with its default when added, and left alone when changed.
    """

    def __init__(self, cls: type[Record], spec: TypeSpec, resolve: Resolve | None = None) -> None:
        self.cls, self.spec, self._resolve = cls, spec, resolve
        known = cls.__fields_by_name__
        self._writers = {each.name: _writer(each, spec) for each in spec.fields if each.name not in SET_BY_CATALOG}
        self._missing = {each.name: default_from(each) for each in spec.fields if each.name not in known}
        self.names = tuple(each.name for each in spec.fields)
        self._made = tuple(spec.position[name] for name in _MADE_BY_DECODE)
        self._readers = tuple(column_readers(cls, spec, resolve, _MADE_BY_DECODE))
        self._reading: dict[str, Callable[[Any], Any]] = {}
        self._linked = frozenset(each.name for each in spec.fields if each.links is not None)
        self._lost = tuple(name for name in self.names if name not in known)
        self._unstored = tuple(_unstored(cls, spec, resolve))
        self._at = spec.position
        self._derived = tuple(_derived(spec))
        self.content = tuple(_content(spec))
        self._all = tuple(zip(self._writers.values(), self.content, strict=True))
        self._usual = tuple(_usual(each, known.get(each.name)) for each in spec.fields if each.name in self._writers)
        self._in_order = itemgetter(*self._writers)
        self._blank = [None] * len(spec.columns)
        for _, at, usual in self.content:
            self._blank[at] = usual
        self._scope = tuple(spec.position[name] for name in spec.unique)
        derived_from = (each.name for each in spec.fields if each.folded or each.kind == "version")
        self._followed = frozenset((*spec.unique, "owner", "visibility", *derived_from))
        self._scheme = spec.by_name["version"].scheme
        self._times = (spec.position["created_at"], spec.position["updated_at"], spec.position["revision"])

    def seen_by(self, resolve: Resolve) -> Codec:
        """Return a codec that is the same but for whom the links it reads ask where they lead."""
        if not self._linked:
            return self
        made = copy(self)
        made._resolve = resolve
        made._readers, made._reading = tuple(column_readers(self.cls, self.spec, resolve, _MADE_BY_DECODE)), {}
        return made

    def encode(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the row of an artifact's values; times and revision are left for `stamp`.

        Raises ValidationError naming the field, before anything is written.
        """
        if self._missing:
            values = {**self._missing, **values}
        row, given = self._blank.copy(), self._in_order(values)
        # most fields of most artifacts are what they usually are, known at a glance: the row begins with those
        told = [each for each, value, usual in zip(self._all, given, self._usual, strict=True) if value is not usual]
        self._write(row, [writer for writer, _ in told], values)
        return self._finish(row, [content for _, content in told])

    def patch(self, before: Sequence[Any], changes: Mapping[str, Any], own: Mapping[str, Any] = NOTHING) -> list[Any]:
        """Return the row with some fields changed; ``own`` are columns that the catalogue sets, in their row form.

        Raises UnknownFieldError, ValidationError.
        """
        row = list(before)
        self._write(row, [self._writer_of(name) for name in changes], changes)
        for name, value in own.items():
            row[self._at[name]] = value
        return self._finish(row, self.content, follow=not self._followed.isdisjoint((*changes, *own)))

    def check(self, changes: Mapping[str, Any]) -> None:
        """Raise what `patch` would raise for these changes, whatever the row."""
        self._write([None] * len(self.spec.columns), [self._writer_of(name) for name in changes], changes)

    def _writer_of(self, name: str) -> Any:
        if name not in self._writers or name in self._lost or name in NOT_SETTABLE:
            raise _not_writable(self.cls, name, [each for each in self._writers if each not in NOT_SETTABLE])
        return self._writers[name]

    def _write(self, row: list[Any], writers: Iterable[Any], values: Mapping[str, Any]) -> None:
        # the usual values pass here without a call; to_column judges the others and words every refusal
        for name, at, exact, low, high, choices, spec, write in writers:
            value = values[name]
            if type(value) is exact:
                if exact is str:
                    if (
                        low <= len(value) <= high
                        and value.isascii()
                        and "\0" not in value
                        and (choices is None or value in choices)
                    ):
                        row[at] = value
                        continue
                elif exact is dict or exact is list:
                    if not value:
                        row[at] = low
                        continue
                elif exact is UUID:
                    row[at] = value.int.to_bytes(16, "big")  # what .bytes is, without a call of Python
                    continue
                elif exact is Version:
                    if value.scheme == low:
                        row[at] = value.text
                        continue
                elif low <= value <= high:
                    row[at] = value + 0  # a float of -0.0 is stored as 0.0, a bool as 0 or 1
                    continue
            row[at] = None if value is None and spec.optional else write(value, f"$.{name}")

    def _finish(self, row: list[Any], content: Iterable[_Content], *, follow: bool = True) -> list[Any]:
        """Fill in what follows from other columns: derived ones and the unique key if ``follow``, the content digest always.

        ``content`` are the fields that may be unusual, each with its place and its usual value.
        """
        if follow:
            for target, source, derive in self._derived:
                value = row[source]
                row[target] = None if value is None else derive(value)
            row[-2] = self.key_of(row)
        row[-1] = content_digest(
            self.spec.name, {name: value for name, at, usual in content if (value := row[at]) != usual}
        )
        return row

    def key_of(self, row: Sequence[Any]) -> bytes | None:
        """Return the unique key that the fields of a row make."""
        if not self._scope:
            return None
        scope: list[Any] = [self.spec.name, [row[at] for at in self._scope]]
        if row[self._at["visibility"]] != "public":
            scope.append(row[self._at["owner"]])
        return _sha256(encode(scope))

    def unique_key(self, artifact: Record) -> bytes | None:
        """Return the unique key that an artifact would have, ``None`` where its type declares no scope."""
        key: bytes | None = self.encode(artifact.__dict__)[-2]
        return key

    def stamp(self, row: list[Any], *, revision: int, time: int, created: int | None = None) -> Row:
        """Return the finished row with its revision and times (microseconds)."""
        created_at, updated_at, at = self._times
        row[created_at], row[updated_at], row[at] = time if created is None else created, time, revision
        return tuple(row)

    def decode(self, row: Sequence[Any]) -> Any:
        """Return the artifact of a row, frozen, of the codec's class. Raises DamagedError for a row that was never written so."""
        # by place, as a name in a dict costs more; no call that can be spared: this is a third of a filtered page (measured)
        values = list(row)
        at_id, at_version, at_hidden, at_protected, at_created, at_updated = self._made
        try:
            values[at_id] = ident = _new(UUID)
            _put_int(ident, int.from_bytes(row[at_id], "big"))
            _put_safe(ident, _UNKNOWN)
            values[at_version] = _trusted(row[at_version], self._scheme)
            values[at_hidden], values[at_protected] = row[at_hidden] != 0, row[at_protected] != 0
            created, updated = row[at_created], row[at_updated]
            values[at_created] = moment = EPOCH + timedelta(0, 0, created)
            values[at_updated] = moment if created == updated else EPOCH + timedelta(0, 0, updated)
            for at, read in self._readers:
                value = row[at]
                if value is not None:
                    values[at] = read(value)
        except Exception as error:
            raise damaged(self.spec, row[at_id], error) from error
        made = _new(self.cls)
        named = made.__dict__
        named.update(zip(self.names, values))  # noqa: B905 - a row goes on with what is derived
        for name in self._lost:
            del named[name]
        for name, given in self._unstored:
            named[name] = given()
        return made

    def said(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of an artifact's values that are not their field's usual ones."""
        row = self.encode(values)
        return {name: values[name] for name, at, usual in self.content if row[at] != usual and name in values}

    def version_text(self, version: Any) -> str:
        """Return the canonical text of a version of this type. Raises VersionError."""
        if type(version) is str:
            return canonical(version, self._scheme)
        found: str = to_column(self.spec.by_name["version"], version, "$.version")
        return found

    def hint(self, spec: FieldSpec) -> Any:
        """Return what the class, or else the spec, says a field's values are."""
        declared = self.cls.__fields_by_name__.get(spec.name)
        return hint_of(spec) if declared is None else declared.hint

    def default(self, spec: FieldSpec) -> Any:
        """Return the value of a field that was not given. Raises ValidationError where one is required."""
        if spec.name == "id" or spec.hook:
            declared = self.cls.__fields_by_name__.get(spec.name)
            if declared is not None and declared.options["_default"] is not NO_DEFAULT:
                return declared.options["_default"].factory()
        if spec.required and not spec.optional:
            raise ValidationError(f"expected a value at $.{spec.name}, got none")
        return default_from(spec)

    def read(self, name: str, value: Any) -> Any:
        """Return the Python value of one column, for projections and groups."""
        if value is None:
            return None
        found = self._reading.get(name)
        if found is None:
            found = self._reading[name] = column_reader(self.cls, self.spec.by_name[name], self._resolve)
        try:
            return found(value)
        except Exception as error:
            raise _damaged(f"{name} of {self.spec.name}", error) from error

    def glimpse(self, row: Sequence[Any], places: Iterable[int]) -> Any:
        """Return the artifact of a row with the fields at these places and no others, for who looks at so much of thousands."""
        made, names = _new(self.cls), self.names
        made.__dict__.update([(names[at], self.read(names[at], row[at])) for at in places])
        return made


@lru_cache(maxsize=1)
def _hash() -> Callable[[bytes], Any]:
    from hashlib import sha256  # at first use: loading OpenSSL costs a tenth of importing the engine

    return sha256


def _sha256(text: str) -> bytes:
    digest: bytes = _hash()(text.encode()).digest()
    return digest


def content_digest(type_name: str, content: Mapping[str, Any]) -> bytes:
    """Return SHA-256 of the canonical JSON of type and content: the truth columns but times and revision.

    What is at its field's default is left out, so that a field added later changes no digest.
    """
    return _sha256(encode([type_name, content]))


def damaged(spec: TypeSpec, ident: Any, error: Exception) -> DamagedError:
    """Return the error for a row of which something cannot be read."""
    return _damaged(f"{spec.name} {shown_id(ident)}", error)


def _damaged(what: str, error: Exception) -> DamagedError:
    return DamagedError(
        f"what is stored of {what} cannot be read ({type(error).__name__}: {error}): it was changed from outside; restore it from a copy"
    )


def _not_writable(cls: type, name: str, known: Iterable[str]) -> ValidationError:
    if name in NOT_SETTABLE:
        return ValidationError(f"{name} of {cls.__name__} is set by the catalogue; only load() takes it as given")
    return UnknownFieldError(f"{cls.__name__} has no field {name!r}: {nearest(str(name), known)}")


def _writer(spec: FieldSpec, of: TypeSpec) -> tuple[Any, ...]:
    """Name, place, the exact type that passes without a call, and the bounds within which it does (or what it is judged by)."""
    exact, low, high = _quick(spec)
    return (
        spec.name,
        of.position[spec.name],
        exact,
        low,
        high,
        frozenset(spec.choices) or None,
        spec,
        column_writer(spec),
    )


def _quick(spec: FieldSpec) -> tuple[Any, Any, Any]:
    if spec.kind == "str" and spec.pattern is None:
        return str, spec.min_length or 0, 2**63 if spec.max_length is None else spec.max_length
    if spec.kind in ("int", "float") and not spec.choices and spec.gt is None and spec.lt is None:
        widest = 2**63 - 1 if spec.kind == "int" else sys.float_info.max
        return (
            _NUMBERS[spec.kind],
            -widest if spec.ge is None else max(-widest, spec.ge),
            widest if spec.le is None else min(widest, spec.le),
        )
    if spec.kind == "bool":
        return bool, False, True
    if spec.kind == "id":
        return UUID, None, None
    if spec.kind == "version":
        return Version, spec.scheme or "semver", None
    if spec.kind in ("dict", "folder") and not (spec.min_items or spec.required_keys):
        return dict, "{}", None
    if spec.kind == "list" and not spec.min_items:
        return list, "[]", None
    return None, None, None


def _content(spec: TypeSpec) -> Iterable[_Content]:
    for each in spec.fields:
        if each.name not in SET_BY_CATALOG:
            usual = (
                None
                if each.required or each.default is None
                else to_column(each, default_from(each), f"the default of {each.name}")
            )
            yield each.name, spec.position[each.name], usual


def _usual(spec: FieldSpec, declared: Any) -> Any:
    """Return the very object that a field of an artifact holds when nobody said otherwise; one that nothing is where there is none."""
    usual = default_from(spec) if declared is None else declared.options["_default"]
    plain = usual is None or type(usual) in (bool, int, float, str)
    same = plain and not spec.required and (type(usual), usual) == (type(spec.default), spec.default)
    return usual if same and spec.kind != "version" and (usual is not None or spec.optional) else _NO_OBJECT


def _unstored(cls: type[Record], spec: TypeSpec, resolve: Resolve | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what makes the default of each field that is not stored: a catalogue open read-only cannot be widened by a newer class."""
    for name in cls.__fields_by_name__.keys() - spec.by_name.keys():
        each = spec_of(cls).by_name[name]
        usual = to_column(each, default_from(each), f"$.{name}")
        yield name, partial(_anew, None if usual is None else column_reader(cls, each, resolve), usual)


def _anew(read: Callable[[Any], Any] | None, stored: Any) -> Any:
    return None if read is None else read(stored)


def _derived(spec: TypeSpec) -> Iterable[tuple[int, int, Callable[[Any], Any]]]:
    for each in spec.fields:
        if each.kind == "version":
            yield spec.position[f"{each.name}__key"], spec.position[each.name], partial(known_key, each.scheme)
        if each.folded:
            yield spec.position[f"{each.name}__folded"], spec.position[each.name], fold

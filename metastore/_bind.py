"""Bind a query to its type: names become checked paths, values plain row values, or a clear error.

Nothing of the database is touched. After binding, no name in a query comes from the caller:
fields are the spec's, keys stay values.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from metastore._blob import DIGEST_LENGTHS
from metastore._data import evolve
from metastore._expr import Expr
from metastore._schema import FieldSpec, TypeSpec
from metastore._text import fold, words
from metastore._values import column_writer, json_value, text, to_plain
from metastore._version import Version, caret, sort_key, tilde
from metastore.errors import MetastoreError, QueryError, UnknownFieldError, ValidationError, nearest
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Order,
    Path,
    Predicate,
    Rank,
    References,
    Text,
    Within,
    negations_down,
)

__all__ = ["Binder"]

Specs = Callable[[str], TypeSpec | None]

_BLOB_KEYS = {"size": "int", "media_type": "str", "url": "str"}
_TEXT = {"str"}
_RANGES = {"bool", "int", "float", "str", "datetime", "version", "json"}
_EQUALS = _RANGES | {"id", "link"}
_ORDERED = _RANGES | {"id"}
_FREE = FieldSpec(kind="json")
DEPTH = 100
"""Predicates nest at most this deep."""
WORDS = 200
"""A search has at most this many words: what a ranked one costs grows with their square."""


def _check_words(given: tuple[str, ...]) -> None:
    if len(given) > WORDS:
        raise QueryError(f"expected at most {WORDS} different words in a search, got {len(given)}: search for fewer")
    if words(" ".join(given)) != [*given] and (wrong := [each for each in given if words(each) != [each]]):
        raise QueryError(f"expected words as matches(…) makes them of a text, got {wrong[0]!r:.60}")


class Binder:
    """Binds predicates and orders of one type; ``specs`` finds the spec of a link's target by name."""

    def __init__(self, spec: TypeSpec, specs: Specs) -> None:
        self._spec, self._specs = spec, specs
        self._whole: dict[tuple[str, bool], tuple[Path, FieldSpec]] = {}

    def where(self, predicates: Iterable[Predicate]) -> Predicate:
        """Return one bound predicate, negation on its leaves. Raises QueryError, UnknownFieldError."""
        given = tuple(predicates)
        for each in given:
            if not isinstance(each, Predicate):
                raise self._no_predicate(each)
        bound = [self._bind(each, DEPTH) for each in given]
        return negations_down(bound[0] if len(bound) == 1 else And(tuple(bound)))

    def _no_predicate(self, given: Any) -> QueryError:
        return QueryError(f"expected a predicate like {self._spec.name}.size > 10, got {type(given).__name__}")

    def order(self, keys: Iterable[Any]) -> tuple[Order, ...]:
        """Return the bound sort keys. Raises QueryError where a value cannot be ordered, or one key is no list of one."""
        if isinstance(keys, Expr | Order):
            raise QueryError(
                "expected sort keys in a list, like order_by=[Image.name, -Image.version], got one without"
            )
        return tuple(self._order(key) for key in keys)

    def _order(self, given: Any) -> Order:
        order = given if isinstance(given, Order) else given._order() if isinstance(given, Expr) else None
        if order is None:
            raise QueryError(f"expected a sort key like Image.name or -Image.version, got {type(given).__name__}")
        if isinstance(order.key, Rank):
            _check_words(order.key.words)
            return Order(Rank(order.key.words, self._searched(order.key.fields)), order.descending)
        path, _ = self.path(order.key)
        several = bool(path.keys) and self.blob_part(path) in ("url", "digests")
        if path.kind not in _ORDERED or (path.kind == "version" and path.keys) or several:
            raise QueryError(f"{_shown(order.key)} of {self._spec.name} is {path.kind}, which has no order")
        return Order(path, order.descending)

    def path(self, path: Path) -> tuple[Path, FieldSpec]:
        """Return the checked path with its kind, and the spec of the value it leads to."""
        whole = None if path.keys else self._whole.get((path.field, path.folded))
        return whole or self._checked(path)

    def blob_part(self, path: Path) -> str:
        """Return which part of a blob a checked path asks for, like ``url``; nothing where it asks for none."""
        kind = self._spec.by_name[path.field].kind
        inside = path.keys if kind == "blob" else path.keys[1:] if kind == "folder" else ()
        return inside[0] if inside else ""

    def _checked(self, path: Path) -> tuple[Path, FieldSpec]:
        top = self._spec.by_name.get(path.field)
        if top is None:
            raise UnknownFieldError(
                f"{self._spec.name} has no field {path.field!r}: {nearest(path.field, self._spec.by_name)}"
            )
        inner = self._inside(top, path)
        if path.folded and not (top.folded and not path.keys):
            raise QueryError(
                f"{_shown(path)} of {self._spec.name} keeps no case-folded form: declare it with folded=True"
            )
        found = Path(path.field, path.keys, path.folded, inner.kind), inner
        if not path.keys:
            self._whole[path.field, path.folded] = found
        return found

    def _inside(self, spec: FieldSpec, path: Path) -> FieldSpec:
        keys = path.keys
        while keys:
            spec, keys = self._step(spec, keys, path)
        return spec

    def _step(self, spec: FieldSpec, keys: tuple[str, ...], path: Path) -> tuple[FieldSpec, tuple[str, ...]]:
        first, rest = keys[0], keys[1:]
        _key(first, path)
        if spec.kind in ("dict", "json"):
            return _FREE, rest
        if spec.kind == "folder":
            return FieldSpec(kind="blob"), rest
        if spec.kind == "blob":
            return self._blob_step(keys, path)
        if spec.kind == "object":
            inside = {each.name: each for each in spec.fields}
            if rest and first in inside and inside[first].kind == "dict":
                raise QueryError(
                    f"{path.field}[{first!r}] of {self._spec.name} is a dict inside an object, which cannot be asked by key"
                )
            if first not in inside:
                raise UnknownFieldError(f"{path.field} of {self._spec.name} has no {first!r}: {nearest(first, inside)}")
            return inside[first], rest
        raise QueryError(f"{path.field} of {self._spec.name} is {spec.kind}; there is nothing inside it to ask for")

    def _blob_step(self, keys: tuple[str, ...], path: Path) -> tuple[FieldSpec, tuple[str, ...]]:
        if len(keys) == 2 and keys[0] == "digests":
            if keys[1] not in DIGEST_LENGTHS:
                raise QueryError(f"unknown digest algorithm {keys[1]!r}: {nearest(keys[1], DIGEST_LENGTHS)}")
            return FieldSpec(kind="str"), ()
        if len(keys) != 1 or keys[0] not in _BLOB_KEYS:
            raise UnknownFieldError(
                f"blob {path.field} has no {keys[0]!r}: {nearest(keys[0], [*_BLOB_KEYS, 'digests'])}"
            )
        return FieldSpec(kind=_BLOB_KEYS[keys[0]]), ()  # type: ignore[arg-type]

    def _bind(self, predicate: Predicate, depth: int) -> Predicate:
        if depth == 0:
            raise QueryError(f"a predicate nests at most {DEPTH} deep")
        if isinstance(predicate, And | Or):
            return type(predicate)(tuple(self._bind(item, depth - 1) for item in predicate.items))
        if isinstance(predicate, Not):
            return Not(self._bind(predicate.item, depth - 1))
        if isinstance(predicate, Follow):
            return self._follow(predicate, depth)
        if isinstance(predicate, Followed):
            return self._followed(predicate, depth)
        if isinstance(predicate, References):
            return self._references(predicate)
        if isinstance(predicate, Matches):
            fields = self._searched(predicate.fields)
            _check_words(predicate.words)
            return predicate if fields == predicate.fields else Matches(predicate.words, fields)
        return self._leaf(predicate)

    def _follow(self, predicate: Follow, depth: int) -> Predicate:
        path, spec = self.path(predicate.path)
        link = spec.links
        if link is None:
            raise QueryError(f"{_shown(path)} of {self._spec.name} is {spec.kind}, not a link to follow")
        target = self._specs(link.target)
        if not link.target or target is None:
            raise QueryError(
                f"{_shown(path)} of {self._spec.name} may lead to any type, so its fields cannot be asked for"
            )
        return Follow(path, link.target, self._at(target)._hop(predicate.where, depth - 1))

    def _at(self, spec: TypeSpec) -> Binder:
        """Return the binder of what a link leads to."""
        return Binder(spec, self._specs)

    def _hop(self, predicate: Predicate, depth: int) -> Predicate:
        return self._bind(predicate, depth)

    def _references(self, predicate: References) -> Predicate:
        return References(text(predicate.value, "references(…)"))

    def _followed(self, predicate: Followed, depth: int) -> Predicate:
        source = self._specs(predicate.source)
        if source is None:
            raise QueryError(
                f"the catalogue knows no type {predicate.source!r:.60} that could link to {self._spec.name}: declare its class"
            )
        inner = self._at(source)
        path, spec = inner.path(Path(predicate.field))
        if spec.links is None:
            raise QueryError(f"{path.field} of {source.name} is {spec.kind}, not a link to {self._spec.name}")
        if spec.links.target not in ("", self._spec.name):
            raise QueryError(f"{path.field} of {source.name} leads to {spec.links.target}, never to {self._spec.name}")
        return Followed(source.name, path.field, inner._hop(predicate.where, depth - 1))

    def _searched(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return the names of searched fields, distinct and in the type's order."""
        named = {path.field: spec for path, spec in [self.path(Path(name)) for name in fields]}
        for name, spec in named.items():
            if not spec.search:
                raise QueryError(f"{name} of {self._spec.name} is not searched: declare it with search=1, or more")
        return tuple([each.name for each in self._spec.searched if each.name in named])

    def _leaf(self, predicate: Predicate) -> Predicate:
        if not isinstance(predicate, Predicate):
            raise self._no_predicate(predicate)
        path: Path = predicate.path  # type: ignore[attr-defined]
        bound, spec = self.path(path)
        if spec is _FREE:
            spec = _declared(self._spec.by_name[bound.field], bound)
        try:
            return _LEAVES[type(predicate)](self, predicate, bound, spec)
        except MetastoreError as refused:
            if isinstance(refused, QueryError):
                raise
            raise QueryError(f"{_shown(path)} of {self._spec.name} cannot be asked so: {refused}") from None

    def _compare(self, predicate: Compare, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind not in (_EQUALS if predicate.op in ("eq", "ne") else _RANGES):
            raise self._unfit(path, spec, predicate.op)
        if path.kind == "json" and predicate.op not in ("eq", "ne") and isinstance(predicate.value, list | dict | None):
            raise QueryError(f"{_shown(path)} has no order against {type(predicate.value).__name__}")
        value = _value(spec, predicate.value, path)
        if spec.kind == "version" and predicate.op not in ("eq", "ne"):
            if path.keys:
                raise QueryError(f"{_shown(path)} is a version inside an object: only == and in can be asked of it")
            value = (Version.trusted(value, spec.scheme or "semver").key, value)
        return Compare(path, predicate.op, value)

    def _within(self, predicate: Within, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind != "version" or path.keys:
            raise QueryError(
                f"{_shown(path)} of {self._spec.name} is no version field, so {predicate.how} cannot be asked of it"
            )
        scheme = spec.scheme or "semver"
        low, high = (caret if predicate.how == "caret" else tilde)(predicate.text, scheme)
        # with no text beside the key: a bound stands before every text of its own precedence
        return And(
            (Compare(path, "ge", (sort_key(low, scheme), "")), Compare(path, "lt", (sort_key(high, scheme), "")))
        )

    def _in(self, predicate: In, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind not in _EQUALS:
            raise self._unfit(path, spec, "in")
        return In(path, tuple(_value(spec, each, path) for each in predicate.values))

    def _absent(self, predicate: Absent, path: Path, spec: FieldSpec) -> Predicate:
        return Absent(path)

    def _text(self, predicate: Text, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind not in ("str", "json"):
            raise self._unfit(path, spec, predicate.how)
        return evolve(predicate, path=path, value=_folded(path, text(predicate.value, _shown(path))))

    def _contains(self, predicate: Contains, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind in ("str", "json") and len(predicate.values) == 1 and spec.kind == "str":
            return self._text(Text(path, "contains", predicate.values[0]), path, spec)
        if spec.kind not in ("list", "json"):
            raise self._unfit(path, spec, "contains")
        item = spec.item or _FREE
        if item.kind in ("object", "blob", "link"):
            raise QueryError(
                f"{_shown(path)} of {self._spec.name} is a list of {item.kind}; ask with any(…) or by its parts"
            )
        return evolve(
            predicate, path=path, values=tuple(to_plain(item, _bare(each), _shown(path)) for each in predicate.values)
        )

    def _has_key(self, predicate: HasKey, path: Path, spec: FieldSpec) -> Predicate:
        if spec.kind not in ("dict", "folder", "json"):
            raise self._unfit(path, spec, "has_key")
        return evolve(predicate, path=path, key=text(predicate.key, f"a key of {_shown(path)}"))

    def _unfit(self, path: Path, spec: FieldSpec, op: str) -> QueryError:
        return QueryError(f"{_shown(path)} of {self._spec.name} is {spec.kind}, which {op} cannot be asked of")


_LEAVES: dict[type[Predicate], Callable[[Binder, Any, Path, FieldSpec], Predicate]] = {
    Compare: Binder._compare,
    In: Binder._in,
    Within: Binder._within,
    Absent: Binder._absent,
    Text: Binder._text,
    Contains: Binder._contains,
    HasKey: Binder._has_key,
}


def _key(key: str, path: Path) -> None:
    try:
        text(key, f"a key of {path.field}")
    except ValidationError as refused:
        raise QueryError(f"no artifact has such a key: {refused}") from None


def _shown(path: Path) -> str:
    return path.field + "".join(f"[{key!r}]" for key in path.keys)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _folded(path: Path, value: str) -> str:
    return fold(value) if path.folded else value


@lru_cache(maxsize=64)
def _unbounded(kind: Any, scheme: str) -> FieldSpec:
    """A field of that kind without constraints: a query may ask for what could not be stored."""
    return FieldSpec(kind=kind, scheme=scheme)


@lru_cache(maxsize=64)
def _writer(kind: Any, scheme: str) -> Callable[[Any, str], Any]:
    return column_writer(_unbounded(kind, scheme))


def _declared(top: FieldSpec, path: Path) -> FieldSpec:
    """Return the spec by which a value under a key is asked for: what the dict is declared to hold, else any JSON value."""
    item = top.item if top.kind == "dict" and len(path.keys) == 1 else None
    if item is None or item.kind not in ("list", *_RANGES):
        return _FREE
    return evolve(_FREE, item=item.item) if item.kind == "list" else item


def _value(spec: FieldSpec, value: Any, path: Path) -> Any:
    bare = value.value if isinstance(value, enum.Enum) else value
    if spec.kind == "json" or (bare is None and path.kind == "json"):
        return json_value(bare, _shown(path))
    kind = "id" if spec.kind == "link" else spec.kind
    if path.keys:
        return to_plain(_unbounded(kind, spec.scheme), bare, _shown(path))
    plain = _writer(kind, spec.scheme)(bare, path.field)
    return fold(plain) if path.folded else plain

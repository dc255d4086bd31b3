"""What a query should answer, worked out the plain way over Python values.

It shares no code with any backend, nor with the look-ups of the contract: what both had
wrong in the same way could not be seen. Nothing is fast here.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any
from uuid import UUID

from metastore._version import sort_key
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
    Path,
    Position,
    Predicate,
    Query,
    Rank,
    References,
    Text,
)
from metastore.testing._model import EPOCH, Thing, World

__all__ = ["as_json", "folded", "holds", "linked", "place", "position", "select", "values_at", "words_of"]


# --- texts --------------------------------------------------------------------------------------------------------


def folded(text: str) -> str:
    """Return the text after NFKC and case folding, done until nothing changes."""
    while True:
        again = unicodedata.normalize("NFKC", text).casefold()
        if again == text:
            return text
        text = again


def words_of(text: str) -> list[str]:
    """Return its words, folded and cut."""
    return [word[:128] for word in re.findall(r"\w+", folded(text))]


def _searched(thing: Thing, fields: tuple[str, ...]) -> list[tuple[int, set[str]]]:
    found = []
    for spec in thing.spec.fields:
        value = thing[spec.name]
        if fields and spec.name not in fields:
            continue
        if spec.search and value is not None:
            texts = value if isinstance(value, list) else [value]
            found.append((spec.search, {word for text in texts for word in words_of(text)}))
    return found


def _rank(thing: Thing, key: Rank) -> int:
    return sum(weight for word in set(key.words) for weight, known in _searched(thing, key.fields) if word in known)


# --- values -------------------------------------------------------------------------------------------------------


def as_json(value: Any) -> Any:
    """Return a value as it stands inside JSON: moments and ids are text there."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return f"{moment.year:04}-{moment.month:02}-{moment.day:02}T{moment:%H:%M:%S}.{moment.microsecond:06}Z"
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return {key: as_json(each) for key, each in value.items()} if isinstance(value, dict) else value


def _as_row(value: Any) -> Any:
    """Return a value of its own column the way a query names it."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value


def _inside_blob(blob: Any, keys: tuple[str, ...]) -> list[Any]:
    if not isinstance(blob, dict):
        return []
    if not keys:
        return [blob]
    if keys == ("url",):
        return [place["url"] for place in blob.get("locations", [])]
    for key in keys:
        blob = blob.get(key) if isinstance(blob, dict) else None
    return [] if blob is None else [blob]


_NOTHING = object()


def _inside_json(value: Any, keys: tuple[str, ...]) -> list[Any]:
    for key in keys:
        value = value.get(key, _NOTHING) if isinstance(value, dict) else _NOTHING
    return [] if value is _NOTHING else [value]


def values_at(thing: Thing, path: Path) -> list[Any]:
    """Return every value at the path: none where absent, several for the urls of a blob."""
    spec, value = thing.spec.by_name[path.field], thing[path.field]
    if spec.kind == "json" and not spec.optional:
        return _inside_json(as_json(value), path.keys)
    if value is None:
        return []
    if spec.kind == "blob":
        return _inside_blob(value, path.keys)
    if spec.kind == "folder" and path.keys:
        return _inside_blob(value.get(path.keys[0]), path.keys[1:])
    if path.keys:
        found = _inside_json(as_json(value), path.keys)
        return [each for each in found if each is not None] if spec.kind == "object" else found
    return [folded(value) if path.folded else _as_row(value)]


def _is_json(thing: Thing, path: Path) -> bool:
    kind = thing.spec.by_name[path.field].kind
    return kind == "json" or (bool(path.keys) and kind in ("dict", "object"))


_JSON_TYPES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("null", (type(None),)),
    ("bool", (bool,)),
    ("number", (int, float)),
    ("string", (str,)),
    ("list", (list, tuple)),
    ("dict", (dict,)),
)


def _json_rank(value: Any) -> int:
    return next(at for at, (_, kinds) in enumerate(_JSON_TYPES) if isinstance(value, kinds))


def _comparable(value: Any) -> Any:
    """Return a JSON value of known type as it compares: lists and dicts by their canonical text."""
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return value


def _same(one: Any, other: Any) -> bool:
    return _json_rank(one) == _json_rank(other) and bool(_comparable(one) == _comparable(other))


_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def _compares(thing: Thing, path: Path, op: str, value: Any, wanted: Any) -> bool:
    if _is_json(thing, path):
        return (
            op == "ne" if _json_rank(value) != _json_rank(wanted) else _OPS[op](_comparable(value), _comparable(wanted))
        )
    spec = thing.spec.by_name[path.field]
    if isinstance(wanted, tuple) and spec.kind == "version":
        value = (sort_key(value, spec.scheme), value)
    return _OPS[op](value, wanted)


# --- predicates ---------------------------------------------------------------------------------------------------


def _text(value: Any, how: str, part: str) -> bool:
    if not isinstance(value, str):
        return False
    return value.startswith(part) if how == "starts" else value.endswith(part) if how == "ends" else part in value


def _blobs(thing: Thing) -> list[dict[str, Any]]:
    found = []
    for spec in thing.spec.fields:
        value = thing[spec.name]
        if value is not None and spec.kind in ("blob", "folder"):
            found += [value] if spec.kind == "blob" else list(value.values())
    return found


def _refers(thing: Thing, wanted: str) -> bool:
    for blob in _blobs(thing):
        urls = [place["url"] for place in blob.get("locations", [])]
        if wanted in urls or wanted in [f"{name}:{text}" for name, text in blob.get("digests", {}).items()]:
            return True
    return False


def linked(thing: Thing, field: str) -> list[bytes]:
    """Return the ids that a link, or a list of links, leads to."""
    value = thing[field]
    return [] if value is None else value if isinstance(value, list) else [value]


def _follows(world: World, thing: Thing, each: Follow) -> bool:
    found = [world.things[target] for target in linked(thing, each.path.field) if target in world.things]
    return any(other.spec.name == each.target and holds(world, other, each.where) for other in found)


def _is_followed(world: World, thing: Thing, each: Followed) -> bool:
    return any(
        thing.id in linked(other, each.field) and holds(world, other, each.where) for other in world.of(each.source)
    )


def _matches(thing: Thing, words: tuple[str, ...], fields: tuple[str, ...]) -> bool:
    known = {word for _, found in _searched(thing, fields) for word in found}
    return bool(words) and all(word in known for word in words)


def _contains(thing: Thing, each: Contains) -> bool:
    for found in values_at(thing, each.path):
        hits = (
            [any(_same(as_json(item), value) for item in found) for value in each.values]
            if isinstance(found, list)
            else [False]
        )
        return all(hits) if each.every else any(hits)
    return False


def holds(world: World, thing: Thing, predicate: Predicate) -> bool:
    """Return whether a bound predicate holds for one artifact."""
    match predicate:
        case And(items):
            return all(holds(world, thing, item) for item in items)
        case Or(items):
            return any(holds(world, thing, item) for item in items)
        case Not(item):
            return not holds(world, thing, item)
        case Compare(path, op, wanted):
            return any(_compares(thing, path, op, value, wanted) for value in values_at(thing, path))
        case In(path, wanted):
            return any(_compares(thing, path, "eq", value, one) for value in values_at(thing, path) for one in wanted)
        case Absent(path):
            return not values_at(thing, path)
        case Text(path, how, part):
            return any(_text(value, how, part) for value in values_at(thing, path))
        case Contains():
            return _contains(thing, predicate)
        case HasKey(path, key):
            return any(isinstance(value, dict) and key in value for value in values_at(thing, path))
        case Follow():
            return _follows(world, thing, predicate)
        case Followed():
            return _is_followed(world, thing, predicate)
        case Matches(words, fields):
            return _matches(thing, words, fields)
        case References(wanted):
            return _refers(thing, wanted)
        case _:
            raise TypeError(f"the oracle does not know {predicate!r}")


# --- order, pages, latest -----------------------------------------------------------------------------------------


def place(thing: Thing, key: Path | Rank) -> tuple[Any, ...]:
    """Return what a sort key compares: absent first (nulls, lists and dicts inside JSON, too), then JSON type, then value."""
    if isinstance(key, Rank):
        return (1, 0, _rank(thing, key))
    found = values_at(thing, key)
    if not found:
        return (0,)
    value, spec = found[0], thing.spec.by_name[key.field]
    if spec.kind == "version" and not key.keys:
        return (1, 0, sort_key(value, spec.scheme), value)
    if not _is_json(thing, key):
        return (1, 0, value)
    rank = _json_rank(value)
    return (1, rank, value) if rank in (1, 2, 3) else (0,)


Keyed = tuple[tuple[tuple[Any, ...], ...], bytes]


def _order(query: Query) -> Callable[[Keyed, Keyed], int]:
    turned = [each.descending for each in query.order]

    def compare(one: Keyed, other: Keyed) -> int:
        for a, b, down in zip(
            (*one[0], (one[1],)), (*other[0], (other[1],)), [*turned, bool(turned) and turned[-1]], strict=True
        ):
            if a != b:
                return 1 if (a > b) != down else -1
        return 0

    return compare


def _keyed(thing: Thing, query: Query) -> Keyed:
    return tuple(place(thing, each.key) for each in query.order), thing.id


def position(thing: Thing, query: Query) -> Position:
    """Return where a page ends that ends with this artifact."""
    values = []
    for each in query.order:
        at = place(thing, each.key)
        values.append(None if len(at) == 1 else at[2] if len(at) == 3 else at[2:])
    return Position(tuple(values), thing.id)


def _after(thing: Thing, query: Query, compare: Callable[[Keyed, Keyed], int]) -> bool:
    if query.after is None:
        return True
    keys = [
        _position_place(thing, each.key, value) for each, value in zip(query.order, query.after.values, strict=True)
    ]
    return compare(_keyed(thing, query), (tuple(keys), query.after.id)) > 0


def _position_place(thing: Thing, key: Path | Rank, value: Any) -> tuple[Any, ...]:
    if value is None:
        return (0,)
    rank = _json_rank(value) if isinstance(key, Path) and _is_json(thing, key) else 0
    return (1, rank, *(value if isinstance(value, tuple) else (value,)))


def _latest(things: list[Thing]) -> list[Thing]:
    best: dict[Any, Thing] = {}
    for each in things:
        group = each["owner"], each.values.get("name")
        if group not in best or _seniority(each) > _seniority(best[group]):
            best[group] = each
    return list(best.values())


def _seniority(thing: Thing) -> tuple[str, str, bytes]:
    return sort_key(thing["version"], thing.spec.by_name["version"].scheme), thing["version"], thing.id


def select(world: World, query: Query) -> list[Thing]:
    """Return the artifacts that answer a bound query, in its order."""
    found = [each for each in world.of(query.type) if holds(world, each, query.where)]
    found = _latest(found) if query.latest else found
    compare = _order(query)
    found.sort(key=lambda each: cmp_to_key(compare)(_keyed(each, query)))
    found = [each for each in found if _after(each, query, compare)]
    return found if query.limit is None else found[: query.limit]

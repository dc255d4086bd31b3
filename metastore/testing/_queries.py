"""Strategies for bound queries over a world: values that are there, values that nearly are, hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from attrs import frozen
from hypothesis import strategies as st

from metastore._data import evolve
from metastore._version import sort_key
from metastore.backend import FieldSpec, TypeSpec
from metastore.query import (
    Absent,
    And,
    Compare,
    Comparison,
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
    Position,
    Predicate,
    Query,
    Rank,
    References,
    Text,
    negations_down,
)
from metastore.testing import _oracle as oracle
from metastore.testing._model import World, plain
from metastore.testing._worlds import DIGESTS, URLS, json_values, keys, specs, texts, values, worlds

__all__ = ["Case", "Place", "cases", "orders", "pages", "places", "predicates", "queries", "sortable"]

Draw = st.DrawFn


@frozen
class Place:
    """Somewhere a query may look: a bound path, the field that fits it, whether it is inside JSON."""

    path: Path
    spec: FieldSpec
    json: bool = False


_BLOB_PARTS: tuple[tuple[tuple[str, ...], FieldSpec], ...] = (
    (("size",), FieldSpec(kind="int")),
    (("media_type",), FieldSpec(kind="str")),
    (("url",), FieldSpec(kind="str")),
    *((("digests", name), FieldSpec(kind="str")) for name in DIGESTS),
)


def _at(name: str, spec: FieldSpec, *inner: str, json: bool = False) -> Place:
    return Place(Path(name, inner, kind=spec.kind), spec, json)


def _inside(spec: FieldSpec, key: str) -> Iterator[Place]:
    """Yield the places inside a field; ``key`` is tried in dicts and folders."""
    if spec.kind in ("blob", "folder"):
        front = (key,) if spec.kind == "folder" else ()
        yield from (_at(spec.name, part, *front, *names) for names, part in _BLOB_PARTS)
    if spec.kind == "folder":
        yield _at(spec.name, FieldSpec(kind="blob"), key)
    if spec.kind == "object":
        yield from (_at(spec.name, each, each.name, json=True) for each in spec.fields)
    if spec.kind in ("dict", "json"):
        yield _at(spec.name, FieldSpec(kind="json"), key, json=True)
        yield _at(spec.name, FieldSpec(kind="json"), key, "a", json=True)


def places(spec: TypeSpec, key: str = "a") -> list[Place]:
    """Return every place of a type; ``key`` is the key asked for in its dicts."""
    found = [_at(each.name, each, json=each.kind == "json") for each in spec.fields]
    found += [inner for each in spec.fields for inner in _inside(each, key)]
    folded = FieldSpec(kind="str")
    return found + [Place(Path(each.name, folded=True, kind="str"), folded) for each in spec.fields if each.folded]


# --- values a query names -----------------------------------------------------------------------------------------


def _row_value(spec: FieldSpec, value: Any) -> Any:
    return value if spec.kind in ("json", "bool") or value is None else plain(spec, value)


def _fitting(spec: FieldSpec) -> st.SearchStrategy[Any]:
    if spec.kind == "json":
        return json_values.filter(lambda value: not isinstance(value, dict | list))
    free = FieldSpec(kind=spec.kind, scheme=spec.scheme)
    return values(free).map(lambda value: _row_value(free, value))


def _present(world: World, type_name: str, place: Place) -> list[Any]:
    found = [value for each in world.of(type_name) for value in oracle.values_at(each, place.path)]
    return [value for value in found if not isinstance(value, dict | list)]


def _wanted(world: World, type_name: str, place: Place) -> st.SearchStrategy[Any]:
    there = _present(world, type_name, place)
    near = st.sampled_from(there) if there else _fitting(place.spec)
    return st.one_of(near, near, near, _fitting(place.spec))


_RANGED: tuple[Comparison, ...] = ("lt", "le", "gt", "ge")
_COMPARED = ("bool", "int", "float", "str", "datetime", "version", "id", "link", "json")


def _ops(place: Place, value: Any) -> tuple[Comparison, ...]:
    if place.spec.kind in ("id", "link") or value is None:
        return ("eq", "ne")
    return ("eq", "ne", *_RANGED)


@st.composite
def _compares(draw: Draw, world: World, type_name: str, place: Place) -> Predicate:
    value = draw(_wanted(world, type_name, place))
    op = draw(st.sampled_from(_ops(place, value)))
    if place.spec.kind == "version" and op in _RANGED:
        value = (sort_key(value, place.spec.scheme), draw(st.sampled_from((value, ""))))
    return Compare(place.path, op, value)


@st.composite
def _ins(draw: Draw, world: World, type_name: str, place: Place) -> Predicate:
    return In(place.path, tuple(draw(st.lists(_wanted(world, type_name, place), max_size=4))))


_HOWS: tuple[Literal["starts", "ends", "contains"], ...] = ("starts", "ends", "contains")


@st.composite
def _texts(draw: Draw, world: World, type_name: str, place: Place) -> Predicate:
    there = [value for value in _present(world, type_name, place) if isinstance(value, str)]
    how = draw(st.sampled_from(_HOWS))
    part = draw(st.sampled_from(there) | texts() if there else texts())
    low, high = sorted((draw(st.integers(0, len(part))), draw(st.integers(0, len(part)))))
    return Text(place.path, how, part[low:high] if draw(st.booleans()) else part)


@st.composite
def _contains(draw: Draw, world: World, type_name: str, place: Place) -> Predicate:
    item = place.spec.item or FieldSpec(kind="json")
    lists = [
        value for each in world.of(type_name) for value in oracle.values_at(each, place.path) if isinstance(value, list)
    ]
    there = [value for found in lists for value in oracle.as_json(found)]
    free = values(item).map(oracle.as_json)
    found = draw(st.lists(st.sampled_from(there) | free if there else free, max_size=3))
    return Contains(place.path, tuple(found), every=draw(st.booleans()))


def _leaves(world: World, type_name: str, place: Place) -> list[st.SearchStrategy[Predicate]]:
    kind, absent = place.spec.kind, st.just(Absent(place.path))
    found: list[st.SearchStrategy[Predicate]] = []
    if kind in _COMPARED:
        found += [_compares(world, type_name, place), _ins(world, type_name, place)]
    if kind == "str" or (kind == "json" and place.json):
        found.append(_texts(world, type_name, place))
    if kind == "json" or (kind == "list" and place.spec.item is not None and place.spec.item.kind != "link"):
        found.append(_contains(world, type_name, place))
    if kind in ("dict", "folder", "json"):
        found.append(keys.map(lambda key: HasKey(place.path, key)))
    return [*found, absent]


# --- predicates ---------------------------------------------------------------------------------------------------


@st.composite
def _words(draw: Draw, world: World, type_name: str) -> tuple[str, ...]:
    there = [word for each in world.of(type_name) for word in oracle.words_of(each["name"])]
    words = draw(
        st.lists(
            st.sampled_from(there) | st.sampled_from(("a", "b", "x", "and")) if there else st.just("a"), max_size=3
        )
    )
    return tuple(dict.fromkeys(words))


def _fields(spec: TypeSpec) -> st.SearchStrategy[tuple[str, ...]]:
    """Some of the searched fields, or none, which stands for all."""
    searched = [each.name for each in spec.fields if each.search]
    return st.just(()) | st.lists(st.sampled_from(searched), max_size=2, unique=True).map(tuple)


def _ranks(world: World, spec: TypeSpec) -> st.SearchStrategy[Rank]:
    return st.builds(Rank, _words(world, spec.name), _fields(spec))


_reference = st.sampled_from(
    (*URLS, *(f"{name}:{text}" for name, found in DIGESTS.items() for text in found), "", "sha256:")
)


@st.composite
def _place_leaves(draw: Draw, world: World, spec: TypeSpec) -> Predicate:
    every = places(spec, draw(keys))
    own = [each for each in every if each.spec.name not in ("created_at", "updated_at", "status", "visibility")]
    place = draw(st.sampled_from(own[::-1]))
    return draw(st.one_of(_leaves(world, spec.name, place)))


@st.composite
def _others(draw: Draw, world: World, spec: TypeSpec, depth: int) -> Predicate:
    """What is asked of the other end of a link: as often as not who it is, since most else holds for all or for none."""
    there = [each.id for each in world.of(spec.name)]
    if draw(st.booleans()) and there:
        return Compare(Path("id", kind="id"), draw(st.sampled_from(("eq", "ne"))), draw(st.sampled_from(there)))
    return draw(predicates(world, spec, depth - 1))


@st.composite
def _follows(draw: Draw, world: World, spec: TypeSpec, depth: int) -> Predicate:
    linked = [
        (each.name, each.links.target)
        for each in spec.fields
        if each.links is not None and each.links.target in world.specs
    ]
    if not linked or depth <= 0:
        return draw(_place_leaves(world, spec))
    name, target = draw(st.sampled_from(linked))
    where = draw(_others(world, world.specs[target], depth))
    return Follow(Path(name, kind=spec.by_name[name].kind), target, where)


@st.composite
def _followeds(draw: Draw, world: World, depth: int) -> Predicate:
    linking = [(each, field.name) for each in world.specs.values() for field in each.fields if field.links is not None]
    if not linking or depth <= 0:
        return Followed("nowhere", "parent", And(()))
    source, name = draw(st.sampled_from(linking))
    return Followed(source.name, name, draw(_others(world, source, depth)))


def _leaf(draw: Draw, world: World, spec: TypeSpec, depth: int) -> Predicate:
    match draw(st.integers(0, 8)):
        case 5:
            return Matches(draw(_words(world, spec.name)), draw(_fields(spec)))
        case 6:
            return References(draw(_reference))
        case 7:
            return draw(_follows(world, spec, depth))
        case 8:
            return draw(_followeds(world, depth))
        case _:
            return draw(_place_leaves(world, spec))


def _tree(draw: Draw, world: World, spec: TypeSpec, depth: int, height: int) -> Predicate:
    shape = draw(st.sampled_from(("leaf", "leaf", "leaf", "not", "or", "or", "and"))) if height else "leaf"
    if shape == "leaf":
        return _leaf(draw, world, spec, depth)
    if shape == "not":
        return Not(_tree(draw, world, spec, depth, height - 1))
    items = tuple(_tree(draw, world, spec, depth, height - 1) for _ in range(draw(st.sampled_from((2, 2, 2, 1, 3, 0)))))
    return And(items) if shape == "and" else Or(items)


@st.composite
def predicates(draw: Draw, world: World, spec: TypeSpec, depth: int = 2) -> Predicate:
    """Draw a bound predicate over a type of a world, negations on leaves only, links followed ``depth`` deep, either way."""
    # Not st.recursive: it prints its strategies, and with them the world, which took nine tenths of the time.
    return negations_down(_tree(draw, world, spec, depth, 3))


# --- orders and pages ---------------------------------------------------------------------------------------------

_SORTED = ("bool", "int", "float", "str", "datetime", "version", "id", "json")


def sortable(spec: TypeSpec, key: str = "a") -> list[Path]:
    """Return every path of a type by which an order may go; ``key`` is the key asked for in its dicts."""
    found = [
        each.path
        for each in places(spec, key)
        if each.spec.kind in _SORTED and not (each.json and each.spec.kind == "version")
    ]
    several = {each.name for each in spec.fields if each.kind in ("blob", "folder")}
    return [path for path in found if not (path.field in several and {"url", "digests"} & set(path.keys))]


@st.composite
def orders(draw: Draw, world: World, spec: TypeSpec, most: int = 3) -> tuple[Order, ...]:
    """Draw sort keys over the scalar places of a type, perhaps after the rank of some words (one, as the engine asks)."""
    paths = st.lists(st.builds(Order, st.sampled_from(sortable(spec, draw(keys))), st.booleans()), max_size=most)
    ranks = st.lists(st.builds(Order, _ranks(world, spec), st.booleans()), max_size=draw(st.sampled_from((0, 0, 1))))
    return (*draw(ranks), *draw(paths))


@st.composite
def queries(draw: Draw, world: World, spec: TypeSpec) -> Query:
    """Draw a bound query: predicate, order, limit, and whether only the latest count."""
    limit = draw(st.sampled_from((None, None, None, None, 0, 1, 2, 100)))
    where, order = draw(predicates(world, spec)), draw(orders(world, spec))
    if order and isinstance(order[0].key, Rank) and draw(st.booleans()):  # best first, as the engine asks
        where = Matches(order[0].key.words, order[0].key.fields) & where
    return Query(spec.name, where, order, limit, None, draw(st.integers(0, 3)) == 3)


@st.composite
def pages(draw: Draw, world: World, spec: TypeSpec) -> Query:
    """Draw a query that goes on after some artifact of the world, or after a forged position."""
    query = draw(queries(world, spec))
    there = list(world.of(spec.name))
    if not there or draw(st.booleans()):
        return query
    found = oracle.position(draw(st.sampled_from(there)), query)
    by_id = any(isinstance(each.key, Path) and each.key.field == "id" for each in query.order)
    if not by_id and draw(st.booleans()):
        found = Position(found.values, draw(st.binary(min_size=16, max_size=16)))
    return evolve(query, after=found)


@frozen(repr=False)
class Case:
    """A world, and queries over one of its types."""

    world: World
    spec: TypeSpec
    queries: tuple[Query, ...]

    def __repr__(self) -> str:
        return f"Case({self.world!r}, {', '.join(map(repr, self.queries))})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def cases(draw: Draw, kind: Callable[[World, TypeSpec], st.SearchStrategy[Query]] = pages, least: int = 3) -> Case:
    """Draw a world of two linked types and ``least`` to twice as many queries of a ``kind``; type names are ``one`` and ``other``."""
    one = draw(specs(name="one", target=draw(st.sampled_from(("one", "other")))))
    world = draw(worlds(one, draw(specs(name="other", target="one", most=2))))
    return Case(world, one, tuple(draw(kind(world, one)) for _ in range(draw(st.integers(least, least * 2)))))

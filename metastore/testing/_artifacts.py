"""Strategies at the level of the face: artifact classes, artifacts, and questions about them.

A *question* is a predicate written with class attributes, and the plain Python function that says
for which artifacts it holds: an oracle that has nothing but attributes to look at.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from attrs import frozen
from hypothesis import strategies as st

from metastore._artifact import Record
from metastore._blob import Blob, Location
from metastore._data import evolve
from metastore._declare import TAKEN, hint_of
from metastore._dynamic import make_type
from metastore._expr import absent
from metastore._link import Link
from metastore._version import Version
from metastore.backend import FieldSpec, TypeSpec
from metastore.query import Predicate
from metastore.testing._model import SYSTEM, Thing
from metastore.testing._worlds import specs, things, values

__all__ = ["Question", "artifact_of", "artifacts", "classes", "questions"]

Draw = st.DrawFn
_SYSTEM = {each.name for each in SYSTEM}
_SET_BY_CATALOG = {"created_at", "updated_at", "activated_at", "revision"}


@st.composite
def classes(draw: Draw, name: str = "drawn") -> type[Record]:
    """Draw an artifact class; its links lead to itself."""
    spec = draw(specs(name=name, target=name))
    spec = TypeSpec(name, tuple(each for each in spec.fields if each.name not in TAKEN), ("name", "version"))
    made = make_type(spec, lambda wanted: {name: made}[wanted])
    return made


def _user(spec: FieldSpec, value: Any) -> Any:
    """Return a decoded value as a user gives it."""
    if value is None:
        return None
    match spec.kind:
        case "id":
            return UUID(bytes=value)
        case "link":
            return Link(UUID(bytes=value))
        case "version":
            return Version(value, spec.scheme)
        case "blob":
            return _blob(value)
        case "folder":
            return {key: _blob(each) for key, each in value.items()}
        case "list" if spec.item is not None:
            return [_user(spec.item, each) for each in value]
        case "object":
            made = hint_of(evolve(spec, optional=False, name="part"))
            return made(**{each.name: _user(each, value[each.name]) for each in spec.fields})
        case _:
            return value


def _blob(plain: dict[str, Any]) -> Blob:
    places = [Location.from_plain(each) for each in plain.get("locations", [])]
    return Blob(
        size=plain.get("size"), media_type=plain.get("media_type"), digests=plain.get("digests"), locations=places
    )


def artifact_of(cls: type[Record], each: Thing) -> Record:
    """Return the artifact of a class that has a thing's values; what the catalogue sets is left to it."""
    given = {
        name: _user(each.spec.by_name[name], value)
        for name, value in each.values.items()
        if name not in _SET_BY_CATALOG
    }
    return cls(**given)


@st.composite
def artifacts(draw: Draw, cls: type[Record], ids: Sequence[UUID] = ()) -> Record:
    """Draw an artifact of a class, valid as declared; its links lead to ``ids``."""
    spec: TypeSpec = cls.__spec__  # type: ignore[assignment]
    name = draw(st.sampled_from(("a", "b", "A")) | st.text("ab%'", min_size=1, max_size=3))
    each = draw(
        things(
            spec,
            [each.bytes for each in ids],
            status="drafted",
            visibility=draw(st.sampled_from(("private", "public"))),
            name=name,
        )
    )
    return artifact_of(cls, each)


@frozen(repr=False)
class Question:
    """A predicate over a class, and for which artifacts it holds."""

    predicate: Predicate
    holds: Callable[[Any], bool]

    def __repr__(self) -> str:
        return f"Question({self.predicate!r})"


_OPS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARED = {"bool", "int", "float", "str", "datetime"}


def _choose(given: Sequence[Any], name: str, free: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    there = [value for each in given if (value := getattr(each, name)) is not None]
    return st.sampled_from(there) | free if there else free


@st.composite
def _compared(draw: Draw, cls: Any, given: Sequence[Any], spec: FieldSpec) -> Question:
    name, free = spec.name, FieldSpec(kind=spec.kind)
    wanted = draw(_choose(given, name, values(free)))
    compare = _OPS[draw(st.sampled_from(sorted(_OPS)))]
    return Question(
        compare(getattr(cls, name), wanted),
        lambda each: getattr(each, name) is not None and bool(compare(getattr(each, name), wanted)),
    )


@st.composite
def _one_of(draw: Draw, cls: Any, given: Sequence[Any], spec: FieldSpec) -> Question:
    name = spec.name
    wanted = draw(st.lists(_choose(given, name, values(FieldSpec(kind=spec.kind))), max_size=3))
    return Question(
        getattr(cls, name).in_(wanted), lambda each: getattr(each, name) in [one for one in wanted if one is not None]
    )


@st.composite
def _texts(draw: Draw, cls: Any, given: Sequence[Any], spec: FieldSpec) -> Question:
    name, how = spec.name, draw(st.sampled_from(("startswith", "endswith", "contains")))
    part = draw(_choose(given, name, values(FieldSpec(kind="str"))))[: draw(st.integers(0, 3))]
    tests: dict[str, Callable[[str, str], bool]] = {
        "startswith": str.startswith,
        "endswith": str.endswith,
        "contains": operator.contains,
    }
    test = tests[how]
    predicate = getattr(getattr(cls, name), how)(part)
    return Question(predicate, lambda each: getattr(each, name) is not None and test(getattr(each, name), part))


def _absent(cls: Any, spec: FieldSpec) -> st.SearchStrategy[Question]:
    return st.just(Question(absent(getattr(cls, spec.name)), lambda each: getattr(each, spec.name) is None))


@st.composite
def _tagged(draw: Draw, cls: Any, given: Sequence[Any]) -> Question:
    known = sorted({tag for each in given for tag in each.tags} | {"a"})
    wanted = draw(st.lists(st.sampled_from(known), max_size=2))
    if draw(st.booleans()):
        return Question(cls.tags.contains_all(wanted), lambda each: set(wanted) <= set(each.tags))
    return Question(cls.tags.contains_any(wanted), lambda each: bool(set(wanted) & set(each.tags)))


@st.composite
def _keyed(draw: Draw, cls: Any, given: Sequence[Any]) -> Question:
    known = sorted({key for each in given for key in each.properties} | {"a"})
    key = draw(st.sampled_from(known))
    return Question(cls.properties.has_key(key), lambda each: key in each.properties)


@st.composite
def questions(draw: Draw, cls: Any, given: Sequence[Any], height: int = 2) -> Question:
    """Draw a question about artifacts of a class, with values that some of them have."""
    shape = draw(st.sampled_from(("one", "one", "not", "and", "or"))) if height else "one"
    if shape == "one":
        return draw(_leaf(cls, given))
    first = draw(questions(cls, given, height - 1))
    if shape == "not":
        return Question(~first.predicate, lambda each: not first.holds(each))
    second = draw(questions(cls, given, height - 1))
    if shape == "and":
        return Question(first.predicate & second.predicate, lambda each: first.holds(each) and second.holds(each))
    return Question(first.predicate | second.predicate, lambda each: first.holds(each) or second.holds(each))


@st.composite
def _leaf(draw: Draw, cls: Any, given: Sequence[Any]) -> Question:
    own = [
        each
        for each in cls.__spec__.fields
        if each.name not in _SYSTEM or each.name in ("name", "owner", "description")
    ]
    spec = draw(st.sampled_from(own))
    fit: list[st.SearchStrategy[Question]] = [_tagged(cls, given), _keyed(cls, given)]
    if spec.kind in _COMPARED:
        fit += [_compared(cls, given, spec), _one_of(cls, given, spec)]
    if spec.kind == "str":
        fit.append(_texts(cls, given, spec))
    if spec.kind != "json":
        fit.append(_absent(cls, spec))
    return draw(st.one_of(fit[::-1]))

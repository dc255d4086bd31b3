"""Strategies for types and for the things of a world: every kind, hostile values first."""

from __future__ import annotations

import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from metastore._data import evolve
from metastore.backend import FieldSpec, TypeSpec
from metastore.testing._hostile import (
    FIELD_NAMES,
    FLOATS,
    INTS,
    KEYS,
    MAX_INT,
    MIN_INT,
    TEXTS,
    TYPE_NAMES,
    VERSIONS,
    WILD,
)
from metastore.testing._model import SYSTEM, Thing, World, thing, type_spec

__all__ = ["DIGESTS", "URLS", "field_specs", "json_values", "keys", "specs", "texts", "things", "values", "worlds"]

Draw = st.DrawFn

URLS = (
    "s3://a/b",
    "s3://a/b%20c",
    "s3://a/B",
    "file:///a'b",
    'http://h/"?x=1&y=%25',
    "s3://a/[b]*_",
    "swift://é/\U0001f9ea",
)
DIGESTS = {"md5": ("0" * 32, "a" * 32), "sha256": ("0" * 64, "9f" * 32), "sha512": ("1" * 128,)}
MEDIA_TYPES = ("application/gzip", "text/plain; charset='x'", "%")

_close = "abAB %_*[]\\'\"é\u0301ß\U0001f9ea1"


def texts(limit: int | None = None) -> st.SearchStrategy[str]:
    """Return texts: hostile ones, short ones that resemble each other, any."""
    wide = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    found = st.one_of(st.sampled_from(TEXTS), st.text(_close, max_size=4), wide)
    return found if limit is None else found.map(lambda text: text[:limit])


keys = st.one_of(st.sampled_from(KEYS[:8]), st.sampled_from(KEYS), st.text(_close, max_size=2))
ints = st.one_of(st.integers(-2, 3), st.sampled_from(INTS), st.integers(MIN_INT, MAX_INT))
floats = st.one_of(
    st.sampled_from((0.5, 1.0, -1.0, 2.0)), st.sampled_from(FLOATS), st.floats(allow_nan=False, allow_infinity=False)
)
_scalars = st.one_of(st.none(), st.booleans(), ints, floats, texts())
json_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=4
)

_first, _last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_near = datetime(2024, 2, 29, 12, tzinfo=UTC)
datetimes = st.one_of(
    st.sampled_from((_near, _near + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC), _first, _last)),
    st.datetimes(timezones=st.just(UTC)),
)


PLACES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"store": "images-1"},
    {"metadata": {"é": [1, None], "zone": "a"}, "state": "disabled"},
)
"""What a location may say beside its url."""


def _versions(scheme: str) -> st.SearchStrategy[str]:
    return st.sampled_from(VERSIONS[scheme or "semver"])


@st.composite
def blobs(draw: Draw) -> dict[str, Any]:
    """Draw a blob in its JSON form; what is not known is left out."""
    urls = draw(st.lists(st.sampled_from(URLS), max_size=2, unique=True))
    proofs = draw(st.sets(st.sampled_from(sorted(DIGESTS)), max_size=2))
    whole = {
        "digests": {name: draw(st.sampled_from(DIGESTS[name])) for name in sorted(proofs)},
        "locations": [{**draw(st.sampled_from(PLACES)), "url": url} for url in urls],
        "media_type": draw(st.none() | st.sampled_from(MEDIA_TYPES)),
        "size": draw(st.none() | st.sampled_from((0, 1, 5, MAX_INT))),
    }
    return {name: value for name, value in whole.items() if value not in ({}, [], None)}


def _links(ids: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from(ids) if ids else st.binary(min_size=16, max_size=16)


def _within(spec: FieldSpec, numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    low = spec.ge if spec.ge is not None else spec.gt
    high = spec.le if spec.le is not None else spec.lt
    if low is None and high is None:
        return numbers
    return numbers.filter(
        lambda n: (
            (spec.ge is None or n >= spec.ge)
            and (spec.gt is None or n > spec.gt)
            and (spec.le is None or n <= spec.le)
            and (spec.lt is None or n < spec.lt)
        )
    )


def _strings(spec: FieldSpec) -> st.SearchStrategy[str]:
    if spec.pattern is not None:
        return st.from_regex(spec.pattern, fullmatch=True)
    found = texts(spec.max_length)
    return found.map(lambda text: text.ljust(spec.min_length or 0, "x"))


def _objects(spec: FieldSpec, ids: Sequence[bytes]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({each.name: values(each, ids) for each in spec.fields})


def _lists(spec: FieldSpec, ids: Sequence[bytes]) -> st.SearchStrategy[list[Any]]:
    inner = values(spec.item or FieldSpec(kind="str"), ids)
    most = min(4, spec.max_items if spec.max_items is not None else 4)
    return st.lists(inner, min_size=spec.min_items or 0, max_size=most, unique=spec.unique_items)


def _dicts(spec: FieldSpec, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(spec.allowed_keys) if spec.allowed_keys else keys
    some = st.dictionaries(names, inner, max_size=3)
    return (
        some
        if not spec.required_keys
        else st.builds(
            lambda base, more: {**base, **more}, some, st.fixed_dictionaries(dict.fromkeys(spec.required_keys, inner))
        )
    )


def values(spec: FieldSpec, ids: Sequence[bytes] = ()) -> st.SearchStrategy[Any]:
    """Return the decoded values that fit a field; ``ids`` are what its links may lead to."""
    found = st.sampled_from(spec.choices) if spec.choices else _by_kind(spec, ids)
    return st.none() | found if spec.optional else found


def _by_kind(spec: FieldSpec, ids: Sequence[bytes]) -> st.SearchStrategy[Any]:
    match spec.kind:
        case "id" | "link":
            return _links(ids)
        case "bool":
            return st.booleans()
        case "int" | "float" | "datetime":
            return _within(spec, {"int": ints, "float": floats, "datetime": datetimes}[spec.kind])
        case "str":
            return _strings(spec)
        case "version":
            return _versions(spec.scheme)
        case "blob":
            return blobs()
        case "folder":
            return _dicts(spec, blobs())
        case "list":
            return _lists(spec, ids)
        case "object":
            return _objects(spec, ids)
        case "dict":
            return _dicts(spec, values(spec.item or FieldSpec(kind="json"), ids))
        case _:
            return json_values


# --- types --------------------------------------------------------------------------------------------------------

_scalar_specs = st.sampled_from(
    (
        FieldSpec(kind="bool"),
        FieldSpec(kind="bool", index=True),
        FieldSpec(kind="int"),
        FieldSpec(kind="int", ge=0, le=5, index=True),
        FieldSpec(kind="int", gt=-2, lt=4),
        FieldSpec(kind="int", choices=(1, 2, 64)),
        FieldSpec(kind="float"),
        FieldSpec(kind="float", index=True),
        FieldSpec(kind="str"),
        FieldSpec(kind="str", max_length=64, index=True),
        FieldSpec(kind="str", max_length=32, min_length=1, folded=True, index=True),
        FieldSpec(kind="str", search=3),
        FieldSpec(kind="str", pattern="[ab]{0,3}"),
        FieldSpec(kind="str", choices=("x86_64", "it's", ""), index=True),
        FieldSpec(kind="datetime"),
        FieldSpec(kind="datetime", index=True),
        *(FieldSpec(kind="version", scheme=scheme, index=scheme == "debian") for scheme in VERSIONS),
    )
)

_element_specs = st.sampled_from(
    tuple(FieldSpec(kind=kind) for kind in ("str", "int", "float", "bool", "datetime", "link"))
)

_object_spec = FieldSpec(
    kind="object",
    fields=(
        FieldSpec(name="cores", kind="int"),
        FieldSpec(name="note", kind="str", optional=True),
        FieldSpec(name="on", kind="bool"),
    ),
)


@st.composite
def _list_specs(draw: Draw, target: str) -> FieldSpec:
    item = draw(_element_specs)
    item = evolve(item, target=target) if item.kind == "link" else item
    found = FieldSpec(
        kind="list",
        item=item,
        unique_items=draw(st.booleans()),
        search=2 if item.kind == "str" and draw(st.booleans()) else 0,
    )
    least = draw(st.sampled_from((None, 0, 1)))
    return evolve(found, min_items=least, max_items=draw(st.sampled_from((None, 3))), index=item.kind in ("str", "int"))


@st.composite
def _dict_specs(draw: Draw) -> FieldSpec:
    item = FieldSpec(kind=draw(st.sampled_from(("json", "int", "str", "bool", "float"))))
    if draw(st.booleans()):
        return FieldSpec(kind="dict", item=item)
    return FieldSpec(
        kind="dict", item=item, allowed_keys=("a", "a.b", '"'), required_keys=draw(st.sampled_from(((), ("a.b",))))
    )


@st.composite
def field_specs(draw: Draw, name: str, target: str) -> FieldSpec:
    """Draw one field of any kind; ``target`` is the type that its links lead to. Free JSON stands inside dicts only."""
    whole = st.sampled_from(
        (FieldSpec(kind="link", target=target), FieldSpec(kind="blob"), FieldSpec(kind="folder"), _object_spec)
    )
    found = draw(st.one_of(_scalar_specs, whole, _list_specs(target), _dict_specs()))
    optional = draw(st.booleans())
    return evolve(found, name=name, optional=optional, required=not optional, mutable=draw(st.booleans()))


@st.composite
def specs(draw: Draw, name: str | None = None, target: str | None = None, most: int = 5) -> TypeSpec:
    """Draw a type: the system fields and up to ``most`` own ones; links lead to ``target``, or to the type itself."""
    called = name or draw(st.sampled_from(TYPE_NAMES))
    plain = st.sampled_from(string.ascii_lowercase[:8])
    names = draw(st.lists(st.sampled_from(FIELD_NAMES) | plain, min_size=min(2, most), max_size=most, unique=True))
    known = {each.name for each in SYSTEM}
    own = [draw(field_specs(each, target or called)) for each in names if each not in known]
    return type_spec(called, *own, scheme=draw(st.sampled_from(sorted(VERSIONS))))


# --- worlds -------------------------------------------------------------------------------------------------------

_few: dict[str, st.SearchStrategy[Any]] = {
    "owner": st.sampled_from((None, "ann", "bob", "Ann")),
    "status": st.sampled_from(("drafted", "active")),
    "visibility": st.sampled_from(("private", "public")),
    "hidden": st.booleans(),
    "protected": st.booleans(),
    "hold": st.sampled_from((None, "case 7")),
    "description": st.none() | texts(),
    "tags": st.lists(st.sampled_from(("a", "b", "A", "a b", *WILD)), max_size=3, unique=True),
    "properties": st.dictionaries(keys, json_values, max_size=3),
    "created_at": st.sampled_from((_near, _first)),
    "updated_at": st.sampled_from((_near, _last)),
    "activated_at": st.sampled_from((None, _near)),
    "expires_at": st.sampled_from((None, _last)),
    "name": st.one_of(st.sampled_from(("a", "b", "A")), texts(255)),
}
"""System fields, drawn from few values where what they are matters little: drawing is what takes the time."""


@st.composite
def things(draw: Draw, /, spec: TypeSpec, ids: Sequence[bytes] = (), **fixed: Any) -> Thing:
    """Draw an artifact of a type; its links lead to ``ids``."""
    settled = {"id", "revision", *fixed}
    drawn = {
        each.name: draw(_few[each.name] if each.name in _few else values(each, ids))
        for each in spec.fields
        if each.name not in settled
    }
    return thing(spec, **drawn, **fixed)


@st.composite
def worlds(draw: Draw, one: TypeSpec, other: TypeSpec | None = None, most: int = 10) -> World:
    """Draw a world of one or two types, whose links lead to each other and into nothing."""
    known = [one, *([other] if other is not None else [])]
    count, salt = draw(st.integers(min(2, most), most)), draw(st.integers(0, 9))
    ids = [sha256(f"{salt}.{at}".encode()).digest()[:16] for at in range(count + 1)]
    aims, ids = ids, ids[:count]
    made = [draw(things(draw(st.sampled_from(known)), aims, id=each)) for each in ids]
    return World({each.name: each for each in known}, {each.id: each for each in made})

"""From annotations to specs: what ``Field[list[Link["Image"]] | None]`` means, or why it means nothing.

A hint is the Python side of a field (the enum class, the nested attrs class), its
`FieldSpec` the plain side. Links are resolved at first use, everything else here.
"""

from __future__ import annotations

import builtins
import enum
import keyword
import operator
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from metastore._blob import Blob
from metastore._data import NO_DEFAULT, evolve
from metastore._link import Link
from metastore._schema import FieldSpec
from metastore._schemes import SCHEMES
from metastore._values import to_column
from metastore._version import Version
from metastore.errors import DeclarationError, MetastoreError, nearest

__all__ = ["Unresolved", "check_options", "default_from", "field_spec", "hint_of", "hints_of"]

FIELD_NAME = re.compile(r"(?!.*__)[a-z][a-z0-9_]{0,62}")

_SCALARS: dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    datetime: "datetime",
    Version: "version",
    Blob: "blob",
    UUID: "id",
    Any: "json",
}

_ORDERED = {"int", "float", "datetime"}
_APPLIES = {
    "ge": _ORDERED, "gt": _ORDERED, "le": _ORDERED, "lt": _ORDERED,
    "min_length": {"str"}, "max_length": {"str"}, "pattern": {"str"},
    "choices": {"str", "int"},
    "min_items": {"list", "dict", "folder"}, "max_items": {"list", "dict", "folder"},
    "unique_items": {"list"},
    "allowed_keys": {"dict", "folder"}, "required_keys": {"dict", "folder"},
    "max_size": {"blob", "folder"}, "max_total_size": {"folder"},
    "folded": {"str"}, "search": {"str", "list"}, "scheme": {"version"},
    "index": {"bool", "int", "float", "str", "datetime", "version", "link", "list"},
    "on_delete": {"link", "list"},
}  # fmt: skip

_ROOM: dict[tuple[str, str], Callable[[Any, Any], bool]] = {
    ("min_length", "max_length"): operator.le, ("min_items", "max_items"): operator.le,
    ("ge", "le"): operator.le, ("ge", "lt"): operator.lt, ("gt", "le"): operator.lt, ("gt", "lt"): operator.lt,
}  # fmt: skip

_ON_DELETE = ("restrict", "detach", "cascade")
INDEXED_LENGTH = 512
TAKEN = {"self", "type", "digest", "unique_key", "row__n"}
"""The constructor's own name, the key under which a dump says an artifact's type, and columns that the engine derives."""


_WORDS = FieldSpec(kind="str")


class Unresolved:
    """Stands for a name that cannot be read yet when a class is made; only a link may hold one."""


class _Names(dict[str, Any]):
    """Names for reading annotations: what is known, else an `Unresolved` of that name."""

    def __init__(self, module: Mapping[str, Any], local: Mapping[str, Any]) -> None:
        super().__init__(local)
        self.module = module

    def __missing__(self, name: str) -> Any:
        if name.startswith("__") or name in self.module or hasattr(builtins, name):
            raise KeyError(name)
        return type(name, (Unresolved,), {})


def hints_of(cls: type, module: Mapping[str, Any], local: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints of the class's own annotations, text ones read with the names around it."""
    written = cls.__annotations__
    inside = {name: value for name, value in vars(cls).items() if isinstance(value, type)}
    names = _Names(module, {**local, **inside})
    return {
        name: _hint(f"{cls.__name__}.{name}", hint, names)
        for name, hint in written.items()
        if "ClassVar" not in str(hint)
    }


def _hint(where: str, written: Any, names: _Names) -> Any:
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": written}), dict(names.module), names)[
            "it"
        ]
    except Exception as broken:
        raise DeclarationError(f"{where}: its annotation cannot be read: {broken}") from broken


def check_name(where: str, name: str) -> None:
    """Raise DeclarationError for what cannot be the name of a field."""
    if not FIELD_NAME.fullmatch(name):
        raise DeclarationError(
            f"{where}: a field's name is lower-case ASCII like min_ram, at most 63 characters, no double underscore"
        )
    if keyword.iskeyword(name) or name in TAKEN:
        raise DeclarationError(f"{where}: {name} means something already; choose another name")


def field_spec(owner: str, name: str, hint: Any, options: Mapping[str, Any]) -> FieldSpec:
    """Return the spec of one field. Raises DeclarationError naming ``owner.name``."""
    where = f"{owner}.{name}"
    check_name(where, name)
    _check_words(where, options)
    said = {key: value for key, value in options.items() if value is not False and value not in (None, "", ())}
    shape = _whole_shape(where, hint)
    _check_values(where, shape, said)
    if "choices" in said:
        shape["choices"] = tuple(said.pop("choices"))
    if shape["kind"] == "json":
        raise DeclarationError(f"{where}: Any stands inside dict[str, Any] or list[Any], not as a field of its own")
    spec = FieldSpec(**{**shape, **_constraints(said), "name": name})
    check_options(where, spec)
    _check_on_delete(where, spec)
    return evolve(spec, on_delete="") if said.get("on_delete") == "restrict" else spec


def _check_words(where: str, options: Mapping[str, Any]) -> None:
    """Refuse what no stored spec may say: the type would be written and never be read again."""
    for word in ("choices", "allowed_keys", "required_keys", "required_for"):
        if not isinstance(given := options.get(word, ()), tuple):
            raise DeclarationError(f"{where}: {word} is several values like ({given!r:.40},), not one")
    for word in ("index", "folded", "mutable", "unique_items"):
        if not isinstance(options.get(word), bool | None):
            raise DeclarationError(f"{where}: {word} is true or false, got {options[word]!r:.40}")
    _check_texts(where, [(word, options.get(word)) for word in ("description", "unit", "pattern", "scheme")])
    for word in ("allowed_keys", "required_keys", "required_for"):
        _check_texts(where, [(word, each) for each in options.get(word, ())])


def _check_texts(where: str, texts: Iterable[tuple[str, Any]]) -> None:
    for word, value in texts:
        if value is not None and not isinstance(value, str):
            raise DeclarationError(f"{where}: {word} is a text, got {value!r:.40}")
        if value:
            check_value(f"{where}: {word}", _WORDS, value)


def _whole_shape(where: str, hint: Any) -> dict[str, Any]:
    try:
        return _shape(where, hint)
    except RecursionError:
        raise DeclarationError(
            f"{where}: {getattr(hint, '__name__', hint)} contains itself; use Any for what has no end"
        ) from None


def _check_values(where: str, shape: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Bounds and choices are values of the field's kind; those of an enum or Literal are chosen among its own."""
    if said.get("search") is True:  # here and not in check_options: what is stored so stays readable
        raise DeclarationError(f"{where}: search is a weight from 1 to 100, got True: say search=1")
    bare = FieldSpec(kind=shape["kind"], choices=shape.get("choices", ()))
    words = [word for word in ("ge", "gt", "le", "lt") if word in said and bare.kind in _ORDERED]
    values = [(word, said[word]) for word in words] + [
        ("choices", each) for each in said.get("choices", ()) if bare.kind in _APPLIES["choices"]
    ]
    for word, value in values:
        check_value(f"{where}: {word}", bare, value)


def check_value(where: str, spec: FieldSpec, value: Any) -> None:
    """Raise DeclarationError where a value said in a declaration does not fit the spec."""
    try:
        to_column(spec, value, f"{value!r:.60}")
    except MetastoreError as refused:
        raise DeclarationError(f"{where} does not fit: {refused}") from None


def _constraints(said: dict[str, Any]) -> dict[str, Any]:
    for key in ("allowed_keys", "required_keys"):
        if key in said:
            said[key] = tuple(said[key])
    for key in ("ge", "gt", "le", "lt"):
        if isinstance(said.get(key), datetime):
            said[key] = said[key].astimezone(UTC).isoformat()
    return said


def _shape(where: str, hint: Any) -> dict[str, Any]:
    inner, optional = _without_none(where, hint)
    shape = _inner_shape(where, inner)
    if shape["kind"] == "version":
        shape["scheme"] = "semver"
    return {**shape, "optional": True} if optional else shape


def _without_none(where: str, hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    parts = [part for part in get_args(hint) if part is not type(None)]
    if len(parts) != 1:
        raise DeclarationError(f"{where}: a field has one kind, or one kind | None; {hint} has {len(parts)}")
    return parts[0], len(parts) < len(get_args(hint))


def _inner_shape(where: str, hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return _choices(where, get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choices(where, tuple(member.value for member in hint))
    if isinstance(hint, typing.Hashable) and hint in _SCALARS:
        return {"kind": _SCALARS[hint]}
    if (get_origin(hint) or hint) is Link:
        return {"kind": "link"}
    if get_origin(hint) in (list, dict):
        return _container(where, hint)
    if isinstance(hint, type) and (found := _object(where, hint)) is not None:
        return found
    raise DeclarationError(
        f"{where}: {getattr(hint, '__name__', hint)} is no kind of field; kinds are bool, int, float, str, datetime, Version, Blob, "
        "dict[str, Blob], Link[T], list[…], dict[str, …], enums, Literal, attrs classes and Any in dicts"
    )


def _choices(where: str, values: tuple[Any, ...]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    if kinds not in ({str}, {int}):
        raise DeclarationError(f"{where}: the values of an enum or Literal are all str or all int, got {values}")
    kind: Any = _SCALARS[kinds.pop()]
    for value in values:
        check_value(f"{where}: a choice", FieldSpec(kind=kind), value)
    return {"kind": kind, "choices": values}


def _container(where: str, hint: Any) -> dict[str, Any]:
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return {"kind": "list", "item": FieldSpec(**_shape(f"{where}[]", arguments[0]))}
    if arguments[0] is not str:
        raise DeclarationError(f"{where}: the keys of a dict are str, got {arguments[0]}")
    if arguments[1] is Blob:
        return {"kind": "folder"}
    return {"kind": "dict", "item": FieldSpec(**_shape(f"{where}{{}}", arguments[1]))}


def _object(where: str, hint: type) -> dict[str, Any] | None:
    from metastore._classes import is_nested, parts_of  # attrs, at first use

    if not is_nested(hint):
        return None
    inside, parts = typing.get_type_hints(hint), parts_of(hint)
    for each in parts:
        if not each.taken:
            raise DeclarationError(
                f"{where}: {hint.__name__}.{each.name} is not taken by the constructor (init=False), so it could not be read back"
            )
    shapes = [(each, _shape(f"{where}.{each.name}", inside[each.name])) for each in parts]
    fields = [FieldSpec(**shape, name=each.name, required=each.required, hook=each.by_code) for each, shape in shapes]
    return {"kind": "object", "fields": tuple(fields)}


def check_options(where: str, spec: FieldSpec) -> None:
    """Raise DeclarationError where an option makes no sense for the field's kind, or options contradict each other."""
    kind = spec.kind
    _check_inside(where, spec)
    for option, kinds in _APPLIES.items():
        value = getattr(spec, option)
        if (
            value is not False
            and value not in (None, "", ())
            and not (option == "search" and value == 0)
            and kind not in kinds
        ):
            raise DeclarationError(f"{where}: {option} does not apply to {kind}, only to {', '.join(sorted(kinds))}")
    _check_bounds(where, spec)
    _check_keys(where, spec)
    if kind == "str" and spec.index and not (spec.choices or 0 < (spec.max_length or 0) <= INDEXED_LENGTH):
        raise DeclarationError(f"{where}: an indexed text declares max_length, at most {INDEXED_LENGTH}")
    if kind == "list" and spec.index and (spec.item is None or spec.item.kind not in ("str", "int", "bool", "float")):
        raise DeclarationError(f"{where}: only a list of str, int, float or bool can be indexed")
    if kind == "list" and spec.search and (spec.item is None or spec.item.kind != "str"):
        raise DeclarationError(f"{where}: only a text or a list of texts can be searched")
    if not isinstance(spec.search, int) or not 0 <= spec.search <= 100:
        raise DeclarationError(f"{where}: search is a weight from 1 to 100")
    if spec.scheme and spec.scheme not in SCHEMES:
        raise DeclarationError(f"{where}: unknown version scheme {spec.scheme!r}: {nearest(spec.scheme, SCHEMES)}")


def _check_on_delete(where: str, spec: FieldSpec) -> None:
    """What refuses the deletion of a target is the rule, and said by an empty word, so that it has one form only."""
    wanted: str = spec.on_delete
    if not wanted:
        return
    if wanted not in _ON_DELETE:
        raise DeclarationError(f"{where}: unknown on_delete {wanted!r}: {nearest(str(wanted), _ON_DELETE)}")
    if spec.links is None:
        raise DeclarationError(f"{where}: on_delete is for links and lists of links, this is a list of something else")
    if wanted == "detach" and (spec.min_items or (spec.kind == "link" and not spec.optional)):
        raise DeclarationError(
            f"{where}: nothing can be detached from a {spec.kind} that must have {'items' if spec.min_items else 'a value'}; "
            "say | None, or restrict or cascade"
        )


def _check_inside(where: str, spec: FieldSpec) -> None:
    inner = [each for each in (spec.item, *spec.fields) if each is not None]
    for each in inner:
        if each.kind in ("blob", "folder") or (
            each.kind == "link" and (spec.kind != "list" or each.optional or not spec.name)
        ):
            raise DeclarationError(
                f"{where}: a {each.kind} stands in a field of its own, a list[Link[…]] or dict[str, Blob], not inside a {spec.kind}"
            )
        _check_inside(where, each)


def _check_keys(where: str, spec: FieldSpec) -> None:
    for key in (*spec.allowed_keys, *spec.required_keys):
        if not isinstance(key, str):
            raise DeclarationError(f"{where}: keys are str, got {key!r}")
        if key in spec.required_keys and spec.allowed_keys and key not in spec.allowed_keys:
            raise DeclarationError(f"{where}: the key {key!r} is required but not allowed")


def _check_bounds(where: str, spec: FieldSpec) -> None:
    for count in ("min_length", "max_length", "min_items", "max_items", "max_size", "max_total_size"):
        value = getattr(spec, count)
        if value is not None and (type(value) is not int or value < 0):
            raise DeclarationError(f"{where}: {count} is a whole number, 0 or more, got {value!r}")
    for (low, high), fits in _ROOM.items():
        a, b = getattr(spec, low), getattr(spec, high)
        if a is not None and b is not None and not fits(a, b):
            raise DeclarationError(f"{where}: {low}={a!r} and {high}={b!r} leave no value")
    _check_pattern(where, spec)


def _check_pattern(where: str, spec: FieldSpec) -> None:
    if spec.pattern is not None:
        if not isinstance(spec.pattern, str):
            raise DeclarationError(f"{where}: pattern is a text, got {type(spec.pattern).__name__}")
        try:
            re.compile(spec.pattern)
        except re.error as broken:
            raise DeclarationError(f"{where}: the pattern {spec.pattern!r} cannot be read: {broken}") from broken


_HINTS = {kind: hint for hint, kind in _SCALARS.items()} | {"link": Link, "folder": dict[str, Blob]}


def hint_of(spec: FieldSpec) -> Any:
    """Return a hint that means what the spec says, with plain values for enums and made classes for nested ones."""
    inner: Any
    if spec.choices:
        inner = Literal[spec.choices]
    elif spec.kind == "list" and spec.item is not None:
        inner = list[hint_of(spec.item)]  # type: ignore[misc]
    elif spec.kind == "dict" and spec.item is not None:
        inner = dict[str, hint_of(spec.item)]  # type: ignore[misc]
    elif spec.kind == "object":
        inner = _made_class(spec)
    else:
        inner = _HINTS[spec.kind]
    return inner | None if spec.optional else inner


def _made_class(spec: FieldSpec) -> Any:
    from metastore._classes import made_class  # attrs, at first use

    hints = {each.name: hint_of(each) for each in spec.fields}
    usual = {each.name: NO_DEFAULT if each.required or each.hook else default_from(each) for each in spec.fields}
    return made_class(spec.name.title() or "Object", hints, usual)


def default_from(spec: FieldSpec) -> Any:
    """Return the Python value of a spec's plain default."""
    if spec.kind == "datetime" and spec.default is not None:
        return datetime.fromisoformat(spec.default)
    if spec.kind == "version" and spec.default is not None:
        return Version(spec.default, spec.scheme)
    return spec.default

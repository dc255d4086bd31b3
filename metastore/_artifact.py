"""Record and Artifact: a type is a class, a field is a descriptor, an instance is frozen.

``Image.size`` is an expression, ``image.size`` a plain attribute: `Field` is a non-data
descriptor, so that instances find the value in their ``__dict__`` first. attrs builds the class.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, dataclass_transform, get_args, get_origin, overload
from uuid import UUID

import attrs

from metastore._blob import Blob
from metastore._declare import Unresolved, check_value, field_spec, hints_of
from metastore._expr import BlobExpr, Expr, FolderExpr, Linked, VersionExpr
from metastore._ids import make_id
from metastore._link import Link
from metastore._schema import FieldSpec, TypeSpec
from metastore._version import SCHEMES, Version, default
from metastore.errors import DeclarationError, NotStoredError, UnknownFieldError, nearest
from metastore.query import Path, Predicate

if TYPE_CHECKING:
    from typing import Never

__all__ = ["NOT_SETTABLE", "SET_BY_CATALOG", "Artifact", "Field", "Record", "SystemVersion", "field", "spec_of"]

T = TypeVar("T")
A = TypeVar("A", bound="Record")
X = TypeVar("X")

TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
SET_BY_CATALOG = frozenset({"created_at", "updated_at", "revision"})
NOT_SETTABLE = SET_BY_CATALOG | {"id", "activated_at"}
VISIBILITIES = ("private", "shared", "community", "public")
_NO_DEFAULT: Any = attrs.NOTHING


class Field(Generic[T]):
    """A declared field. Made by `field`, named in the class body as ``size: Field[int] = field(…)``."""

    if TYPE_CHECKING:

        @overload
        def __get__(self: Field[Link[A]], obj: None, owner: Any) -> type[A]: ...
        @overload
        def __get__(self: Field[Link[A] | None], obj: None, owner: Any) -> type[A]: ...
        @overload
        def __get__(self: Field[list[Link[A]]], obj: None, owner: Any) -> LinksExpr[A]: ...
        @overload
        def __get__(self: Field[Version] | Field[Version | None], obj: None, owner: Any) -> VersionExpr: ...
        @overload
        def __get__(self: Field[Blob] | Field[Blob | None], obj: None, owner: Any) -> BlobExpr: ...
        @overload
        def __get__(self: Field[dict[str, Blob]], obj: None, owner: Any) -> FolderExpr: ...
        @overload
        def __get__(self, obj: None, owner: Any) -> Expr[T]: ...
        @overload
        def __get__(self, obj: Any, owner: Any) -> T: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...
        def __set__(self, obj: Never, value: T) -> None: ...

    else:

        def __init__(self, options: dict[str, Any]) -> None:
            self.options = options
            self.name = ""
            self.hint: Any = None
            self.spec: FieldSpec | None = None
            self.owner: type | None = None
            self.resolve: Callable[[str], type] | None = None

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, obj: Any, owner: Any) -> Any:
            if obj is None:
                return self._expression(owner)
            raise NotStoredError(f"{self.name} is set by the catalogue; this {owner.__name__} was not added yet")

        def _expression(self, owner: Any) -> Any:
            path, spec = Path(self.name), self.spec
            if spec is None:
                raise DeclarationError(
                    f"{self.name}: a field is declared in a class that derives from Record or Artifact"
                )
            if spec.links:
                return Linked(path, self.target, owner)
            if spec.kind == "version":
                return VersionExpr(path, scheme=spec.scheme)
            return {"blob": BlobExpr, "folder": FolderExpr}.get(spec.kind, Expr)(path)

        def target(self) -> type:
            """The class behind the link; a name given as text is looked for now."""
            return _link_target(self)


class LinksExpr(Expr["list[Link[A]]"], Generic[A]):
    """A list of links, as checkers see it; at run time it is a `Linked`."""

    if TYPE_CHECKING:

        def any(self, predicate: Predicate) -> Predicate: ...


class SystemVersion(Field[Version]):
    """The version of every artifact: a `Version`, for which the constructor takes text, too."""

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def __get__(self, obj: None, owner: Any) -> VersionExpr: ...
        @overload
        def __get__(self, obj: Any, owner: Any) -> Version: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...
        def __set__(self, obj: Never, value: Version | str) -> None: ...


class Properties(Field[dict[str, Any]]):
    """Free-form properties; a class of its own, because to checkers ``Any`` fits every overload of `Field`."""

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def __get__(self, obj: None, owner: Any) -> Expr[dict[str, Any]]: ...
        @overload
        def __get__(self, obj: Any, owner: Any) -> dict[str, Any]: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...
        def __set__(self, obj: Never, value: dict[str, Any]) -> None: ...


def field(
    *,
    default: Any = _NO_DEFAULT,
    factory: Callable[[], Any] | None = None,
    ge: Any = None,
    gt: Any = None,
    le: Any = None,
    lt: Any = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    choices: Iterable[Any] = (),
    min_items: int | None = None,
    max_items: int | None = None,
    unique_items: bool = False,
    allowed_keys: Iterable[str] = (),
    required_keys: Iterable[str] = (),
    max_size: int | None = None,
    max_total_size: int | None = None,
    index: bool = False,
    folded: bool = False,
    search: int = 0,
    mutable: bool = False,
    required_for: str = "",
    description: str = "",
    unit: str = "",
    scheme: str = "",
    init: bool = True,
) -> Any:
    """Declare a field; without ``default`` and ``factory`` a value is required.

    ``pattern`` must match the whole text. ``folded`` keeps a case-folded form beside the text (``Image.name.folded``).
    ``search`` is the field's weight in full text. ``max_size`` bounds each blob, ``max_total_size`` a folder, in bytes.
    ``mutable`` may change once active, ``required_for`` names the status that needs a value.
    ``init=False`` is for the system fields that the catalogue sets.
    """
    options = {name: value for name, value in locals().items() if name not in ("default", "factory", "init")}
    for name in ("choices", "allowed_keys", "required_keys"):
        options[name] = options[name] if isinstance(options[name], str) else tuple(options[name])
    if default is not _NO_DEFAULT and factory is not None:
        raise DeclarationError("a field has a default or a factory, not both")
    made = _NO_DEFAULT if factory is None else attrs.Factory(factory)
    return Field({**options, "_default": default if factory is None else made, "_init": init})  # type: ignore[call-arg]


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class _Declared:
    """Empty on purpose: checkers do not hand a decorated class's own fields to the constructor."""


if TYPE_CHECKING:
    _Meta = type
else:

    class _Meta(type):
        def __getattr__(cls, name: str) -> Any:
            known = cls.__dict__.get("__fields_by_name__", {})
            if name.startswith("__") or not known:
                raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
            raise UnknownFieldError(f"{cls.__name__} has no field {name!r}: {nearest(name, known)}")


class Record(_Declared, metaclass=_Meta):
    """Base of every type: all system fields but the name.

    ``class Image(Record, type_name="images")`` declares a type; without ``type_name`` the class is an abstract
    mix-in. ``unique`` names the fields of the unique scope (to which the owner belongs while the artifact is not
    public), ``scheme`` its version scheme. Instances are frozen, equal and hashed by (id, revision).
    Raises DeclarationError, naming the field, when the class is created.
    """

    __type_name__: ClassVar[str | None] = None
    __scheme__: ClassVar[str] = "semver"
    __unique__: ClassVar[tuple[str, ...] | None] = None
    __spec__: ClassVar[TypeSpec | None] = None
    __fields_by_name__: ClassVar[dict[str, Any]] = {}

    id: Field[UUID] = field(factory=make_id, description="Identity for ever; a UUIDv7 unless given.")
    version: SystemVersion = field(default="", description="Ordered by the type's scheme.")
    owner: Field[str | None] = field(
        default=None, max_length=255, min_length=1, description="Project or user it belongs to."
    )
    status: Field[str] = field(
        default="drafted", max_length=32, pattern="[a-z][a-z0-9_]*", description="Life-cycle state."
    )
    visibility: Field[str] = field(default="private", choices=VISIBILITIES, description="Who may see it.")
    hidden: Field[bool] = field(default=False, mutable=True, description="Listed only when asked for.")
    protected: Field[bool] = field(default=False, mutable=True, description="Refuses deletion.")
    hold: Field[str | None] = field(
        default=None, max_length=255, min_length=1, mutable=True, description="Why it must be kept: a legal hold."
    )
    description: Field[str | None] = field(default=None, search=1, mutable=True, description="Words for people.")
    tags: Field[list[str]] = field(
        factory=list, index=True, unique_items=True, search=2, mutable=True, description="Labels; each once."
    )
    properties: Properties = field(factory=dict, mutable=True, description="Free-form JSON values.")
    created_at: Field[datetime] = field(init=False, description="When it was added, UTC.")
    updated_at: Field[datetime] = field(init=False, description="When it was last changed, UTC.")
    activated_at: Field[datetime | None] = field(
        default=None, init=False, mutable=True, description="When it last became active, UTC."
    )
    expires_at: Field[datetime | None] = field(
        default=None, mutable=True, description="When retention may delete it, UTC."
    )
    revision: Field[int] = field(
        default=0, init=False, ge=0, description="Counts its changes, from 1; 0 before it is stored."
    )

    def __init_subclass__(
        cls,
        *,
        type_name: str | None = None,
        unique: Iterable[str] | None = None,
        scheme: str | None = None,
        **rest: Any,
    ) -> None:
        _hand_on(cls, rest, super().__init_subclass__)
        frame: Any = sys._getframe(1)
        while frame.f_code.co_name == "__init_subclass__":  # a mix-in's own hook, which called this one
            frame = frame.f_back
        module = sys.modules.get(cls.__module__)
        _build(cls, type_name, unique, scheme, frame.f_globals if module is None else vars(module), frame.f_locals)

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            raise DeclarationError(f"{type(self).__name__} is abstract: give it a type_name to make artifacts of it")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self.id, self.revision) == (other.id, other.revision)

    def __hash__(self) -> int:
        return hash((self.id, self.revision))

    def __repr__(self) -> str:
        values = self.__dict__
        shown = [
            f"{name}={values[name]!r}"
            for name in type(self).__fields_by_name__
            if values.get(name) not in (None, [], {}) and name != "id"
        ]
        return f"{type(self).__name__}({', '.join([*shown, f'id={str(self.id)!r}'])})"


def _hand_on(cls: Any, keywords: dict[str, Any], take: Callable[..., None]) -> None:
    try:
        take(**keywords)
    except TypeError:
        known, name = ("type_name", "unique", "scheme"), next(iter(keywords), "")
        raise DeclarationError(
            f"{cls.__name__}: no class keyword {name!r}: {nearest(name, known)} ({', '.join(known)})"
        ) from None


def _build(cls: Any, type_name: Any, unique: Any, scheme: Any, module: Any, local: Any) -> None:
    name = cls.__name__
    if type_name is not None and (not isinstance(type_name, str) or not TYPE_NAME.fullmatch(type_name)):
        raise DeclarationError(
            f"{name}: expected a type_name like images ([a-z][a-z0-9_]*, at most 48), got {type_name!r}"
        )
    if scheme is not None and scheme not in SCHEMES:
        raise DeclarationError(f"{name}: unknown version scheme {scheme!r}: {nearest(str(scheme), SCHEMES)}")
    cls.__type_name__ = type_name
    cls.__scheme__ = scheme or cls.__scheme__
    if isinstance(unique, str):
        raise DeclarationError(f"{name}: unique is several names like ({unique!r},), not one text")
    cls.__unique__ = tuple(unique) if unique is not None else cls.__unique__
    _declare_own(cls, module, local)
    cls.__fields_by_name__ = _inherited(cls)
    if type_name is not None:
        _let_attrs_build(cls)
    cls.__spec__ = None
    _check_unique(cls)


def _declare_own(cls: Any, module: Any, local: Any) -> None:
    hints = hints_of(cls, module, local)
    for name, hint in hints.items():
        given = cls.__dict__.get(name)
        if not isinstance(given, Field):
            raise DeclarationError(f"{cls.__name__}.{name}: declare it as {name}: Field[…] = field(…)")
        _declare_one(cls, name, hint, given)
    inherited = _inherited(cls)
    for name, given in cls.__dict__.items():
        if isinstance(given, Field) and name not in hints:
            raise DeclarationError(f"{cls.__name__}.{name}: give the field a type: {name}: Field[int] = field(…)")
        if name in inherited and not isinstance(given, Field):
            raise DeclarationError(
                f"{cls.__name__}.{name}: this would hide the field {name} that the class inherits; choose another name"
            )


_SYSTEM: dict[type, Any] = {SystemVersion: Version, Properties: dict[str, Any]}


def _declare_one(cls: Any, name: str, hint: Any, given: Any) -> None:
    if cls.__module__ != __name__ and name in Record.__fields_by_name__:
        raise DeclarationError(f"{cls.__name__}.{name}: {name} is a system field; choose another name")
    plain = _SYSTEM.get(hint) if isinstance(hint, type) else None
    if plain is None and get_origin(hint) is not Field:
        raise DeclarationError(f"{cls.__name__}.{name}: declare it as {name}: Field[…] = field(…)")
    given.owner, given.hint = cls, get_args(hint)[0] if plain is None else plain
    if given.spec is not None:
        return
    options = {key: value for key, value in given.options.items() if not key.startswith("_")}
    given.spec = attrs.evolve(field_spec(cls.__name__, name, given.hint, options), **_default_words(cls, name, given))
    _keep_kind(cls, name, given)
    _check_default(f"{cls.__name__}.{name}", given)
    _check_target(f"{cls.__name__}.{name}", given)


def _check_default(where: str, given: Any) -> None:
    made = given.options["_default"]
    if made is not _NO_DEFAULT and not isinstance(made, attrs.Factory) and given.spec.name != "version":  # type: ignore[arg-type]
        check_value(f"{where}: the default", given.spec, made)


def _check_target(where: str, given: Any) -> None:
    target = _link_hint(given) if given.spec.links else Record
    if isinstance(target, type) and not issubclass(target, Record | Unresolved):
        raise DeclarationError(f"{where}: a link leads to an artifact class, not to {target.__name__}")


def _keep_kind(cls: Any, name: str, given: Any) -> None:
    for base in cls.__mro__[1:]:
        inherited: Any = base.__dict__.get(name)
        if isinstance(inherited, Field) and (old := getattr(inherited, "spec", None)) is not None:
            new = given.spec
            if (old.kind, old.item, old.fields) != (new.kind, new.item, new.fields) or (
                new.optional and not old.optional
            ):
                raise DeclarationError(
                    f"{cls.__name__}.{name}: a subclass cannot loosen the {old.kind} it inherits from {base.__name__}"
                )


def _default_words(cls: Any, name: str, given: Any) -> dict[str, Any]:
    made = given.options["_default"]
    if made is _NO_DEFAULT:
        return {"required": given.options["_init"]}
    if isinstance(made, attrs.Factory):  # type: ignore[arg-type]
        plain: Any = {list: [], dict: {}}.get(made.factory)
        return {"required": False, "default": plain, "hook": plain is None and name != "id"}
    return {"required": False, "default": _plain_default(cls, name, made)}


def _plain_default(cls: Any, name: str, made: Any) -> Any:
    plain = getattr(made, "value", made) if not isinstance(made, Version) else made.text
    if isinstance(plain, datetime):
        return plain.isoformat()
    if plain is not None and not isinstance(plain, bool | int | float | str):
        raise DeclarationError(f"{cls.__name__}.{name}: the default {made!r} could change; give factory=… instead")
    return plain


def _inherited(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update({name: each for name, each in base.__dict__.items() if isinstance(each, Field)})
    for name, each in found.items():
        if each.spec is None and name not in cls.__dict__:
            raise DeclarationError(f"{cls.__name__}.{name}: the mix-in that declares {name} must derive from Record")
    return found


def _let_attrs_build(cls: Any) -> None:
    these = {name: _attrs_field(cls, name, each) for name, each in cls.__fields_by_name__.items()}
    attrs.define(cls, these=these, frozen=True, slots=False, kw_only=True, eq=False, repr=False)


def _attrs_field(cls: Any, name: str, given: Any) -> Any:
    made = given.options["_default"]
    if name == "version":
        scheme = cls.__scheme__
        return attrs.field(default=Version(default(scheme), scheme), converter=_to_version(scheme))
    if name == "id":
        return attrs.field(default=made, converter=_to_id)
    return attrs.field(default=made, init=given.options["_init"])


def _to_version(scheme: str) -> Callable[[Any], Any]:
    def to_version(value: Any) -> Any:
        return Version(value, scheme) if isinstance(value, str) else value

    return to_version


def _to_id(value: Any) -> Any:
    return Link(value).id if isinstance(value, str) else value


def _check_unique(cls: Any) -> None:
    names = cls.__fields_by_name__
    if cls.__unique__ is None and "name" in names:
        cls.__unique__ = ("name", "version")
    unique: tuple[str, ...] = cls.__unique__ or ()
    for at, name in enumerate(unique):
        if name not in names:
            raise DeclarationError(f"{cls.__name__}: unique names the field {name!r}: {nearest(name, names)}")
        given = name in (NOT_SETTABLE - {"id"})
        if given or name in unique[:at]:
            raise DeclarationError(f"{cls.__name__}: unique cannot name {name!r}{'' if given else ' twice'}")


def spec_of(cls: Any) -> TypeSpec:
    """Return the spec of a declared type; link targets are resolved now, at first use.

    Raises DeclarationError for an abstract class, and for a link to a class that is not declared.
    """
    if "__spec__" not in cls.__dict__ or cls.__spec__ is None:
        cls.__spec__ = _type_spec(cls)
    return cls.__spec__  # type: ignore[no-any-return]


def _type_spec(cls: Any) -> TypeSpec:
    if cls.__type_name__ is None:
        raise DeclarationError(f"{cls.__name__} is abstract: give it a type_name to store its artifacts")
    specs = tuple(_final_spec(cls, each) for each in cls.__fields_by_name__.values())
    own = cls.__dict__.get("__doc__")
    return TypeSpec(cls.__type_name__, specs, cls.__unique__ or (), (own or "").strip())


def _final_spec(cls: Any, given: Any) -> FieldSpec:
    spec: FieldSpec = given.spec
    if spec.name == "version":
        return attrs.evolve(spec, scheme=cls.__scheme__, required=False, default=default(cls.__scheme__))
    if spec.links is None:
        return spec
    target = _link_target(given).__type_name__ or ""
    link = attrs.evolve(spec.links, target=target)
    return attrs.evolve(spec, target=target) if spec.kind == "link" else attrs.evolve(spec, item=link)


def _link_hint(given: Any) -> Any:
    parts = [given.hint]
    while parts:
        hint = parts.pop()
        if (get_origin(hint) or hint) is Link:
            return get_args(hint)[0] if get_args(hint) else Record
        parts += get_args(hint)
    return Record


def _link_target(given: Any) -> Any:
    if given.resolve is not None:
        return given.resolve(given.spec.links.target)
    target = _link_hint(given)
    if isinstance(target, type) and not issubclass(target, Unresolved):
        return target
    wanted = str(getattr(target, "__forward_arg__", None) or getattr(target, "__name__", target))
    found = given.owner if wanted == given.owner.__name__ else _find_class(wanted, given.owner)
    if found is None:
        raise DeclarationError(
            f"{given.owner.__name__}.{given.name}: no artifact class {wanted!r} is declared beside it"
        )
    return found


def _find_class(wanted: str, near: Any) -> Any:
    """The latest living artifact class of that name, nearest to the one that names it: same scope, then same module."""
    scope = near.__qualname__.rpartition(".")[0]
    best, living = None, [Record]
    while living:
        cls = living.pop(0)
        living += cls.__subclasses__()
        if cls.__name__ == wanted and cls.__module__ == near.__module__:
            same = cls.__qualname__.rpartition(".")[0] == scope
            best = cls if same or best is None else best
    return best


_build(Record, None, None, None, globals(), {})


class Artifact(Record):
    """A record with a required name: the base to declare types from."""

    name: Field[str] = field(min_length=1, max_length=255, folded=True, search=4, description="What people call it.")

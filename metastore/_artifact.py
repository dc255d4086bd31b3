"""Record and Artifact: a type is a class, a field is a descriptor, an instance is frozen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform
from uuid import UUID

from metastore._building import NOT_SETTABLE, SET_BY_CATALOG, build, hand_on, spec_of
from metastore._field import Field, Properties, SystemVersion, field
from metastore._hooks import Hooks
from metastore._ids import make_id
from metastore._lifecycle import DEFAULT, Lifecycle
from metastore._schema import TypeSpec
from metastore.errors import DeclarationError, UnknownFieldError, nearest

__all__ = ["NOT_SETTABLE", "SET_BY_CATALOG", "Artifact", "Field", "Record", "SystemVersion", "field", "spec_of"]

VISIBILITIES = ("private", "shared", "community", "public")


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
    public), ``scheme`` its version scheme, ``lifecycle`` its states and actions, ``rules`` the policy rule of an action where
    it is not the usual one; all but the first are inherited. Instances are frozen, equal and hashed by (id, revision).
    Raises DeclarationError, naming the field, when the class is created.
    """

    __type_name__: ClassVar[str | None] = None
    __scheme__: ClassVar[str] = "semver"
    __unique__: ClassVar[tuple[str, ...] | None] = None
    __lifecycle__: ClassVar[Lifecycle] = DEFAULT
    __rules__: ClassVar[dict[str, str]] = {}
    __hooks__: ClassVar[dict[str, Hooks] | None] = None
    __spec__: ClassVar[TypeSpec | None] = None
    __fields_by_name__: ClassVar[dict[str, Any]] = {}

    id: Field[UUID] = field(factory=make_id, description="Identity for ever; a UUIDv7 unless given.")
    version: SystemVersion = field(default="", description="Ordered by the type's scheme.")
    owner: Field[str | None] = field(
        default=None, max_length=255, min_length=1, description="Project or user it belongs to."
    )
    status: Field[str] = field(
        default=DEFAULT.initial, choices=DEFAULT.states, description="State of its life cycle; moved by actions."
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
        lifecycle: Lifecycle | None = None,
        rules: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> None:
        hand_on(cls, rest, super().__init_subclass__)
        frame: Any = sys._getframe(1)
        while frame.f_code.co_name == "__init_subclass__":  # a mix-in's own hook, which called this one
            frame = frame.f_back
        module = sys.modules.get(cls.__module__)
        keywords = {"type_name": type_name, "unique": unique, "scheme": scheme, "lifecycle": lifecycle, "rules": rules}
        build(cls, keywords, frame.f_globals if module is None else vars(module), frame.f_locals)

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            name = type(self).__name__
            if self.__type_name__ is None:
                raise DeclarationError(f"{name} is abstract: give it a type_name to make artifacts of it")
            raise DeclarationError(
                f"{name} has an __init__ of its own in the place of the one that its fields make, which is __attrs_init__ there: call that, or make a classmethod"
            )

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


build(Record, {}, globals(), {})


class Artifact(Record):
    """A record with a required name: the base to declare types from."""

    name: Field[str] = field(min_length=1, max_length=255, folded=True, search=4, description="What people call it.")

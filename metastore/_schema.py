"""TypeSpec: what a type is, as plain frozen data that outlives the class that declared it.

A spec round-trips through JSON, says which columns its rows have, and tells whether a
newer or older declaration of the same type can live with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, get_args

from metastore._data import EMPTY, Data, said
from metastore._json import encode
from metastore._lifecycle import DEFAULT, Lifecycle, lifecycle_from_json

__all__ = ["ENGINE_OWNED", "KINDS", "Column", "FieldSpec", "Kind", "TypeSpec", "spec_from_json", "spec_to_json"]

Kind = Literal[
    "id",
    "bool",
    "int",
    "float",
    "str",
    "datetime",
    "version",
    "blob",
    "folder",
    "link",
    "list",
    "dict",
    "object",
    "json",
]
KINDS: tuple[str, ...] = get_args(Kind)

ENGINE_OWNED = "metastore_"
"""How the names of the engine's own types begin."""

Storage = Literal["integer", "real", "text", "bytes"]

_STORAGE: dict[str, Storage] = {
    "id": "bytes",
    "link": "bytes",
    "bool": "integer",
    "int": "integer",
    "datetime": "integer",
    "float": "real",
}


class Column(Data):
    """One column of a type's rows. ``derived`` columns are computed from the others."""

    name: str
    storage: Storage
    optional: bool = True
    derived: bool = False


class FieldSpec(Data, kw_only=True):
    """One field: its kind, what is inside it, its constraints and its words.

    ``item`` is the element of a list or the value of a dict; ``fields`` the attributes of an
    ``object`` in order; ``target`` the type name behind a link (empty: any type); ``choices`` plain values of an
    enum or ``Literal``. ``default`` is a plain JSON value and counts only if ``required`` is false;
    ``hook`` says that the default is made by Python code, which the spec does not hold.
    Sizes of blobs and folders are in bytes. ``search`` is the weight in full text, 0 for not searched.
    ``required_for`` names the states that need a value; ``on_delete`` says what the deletion of a link's target does here,
    empty for refusing it.
    """

    name: str = ""
    kind: Kind
    optional: bool = False
    required: bool = True
    default: Any = None
    hook: bool = False
    item: FieldSpec | None = None
    fields: tuple[FieldSpec, ...] = ()
    target: str = ""
    scheme: str = ""
    choices: tuple[Any, ...] = ()
    ge: Any = None
    gt: Any = None
    le: Any = None
    lt: Any = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    allowed_keys: tuple[str, ...] = ()
    required_keys: tuple[str, ...] = ()
    max_size: int | None = None
    max_total_size: int | None = None
    index: bool = False
    folded: bool = False
    search: int = 0
    mutable: bool = False
    required_for: tuple[str, ...] = ()
    on_delete: Literal["", "detach", "cascade"] = ""
    description: str = ""
    unit: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.kind))

    @property
    def storage(self) -> Storage:
        """How the column keeps it; everything structured is canonical JSON text."""
        return _STORAGE.get(self.kind, "text")

    @cached_property
    def bare_text(self) -> bool:
        """Whether any text fits it."""
        return self == FieldSpec(name=self.name, kind="str")

    @property
    def links(self) -> FieldSpec | None:
        """The link inside: itself, or the element of a list of links."""
        inner = self.item if self.kind == "list" else self
        return inner if inner is not None and inner.kind == "link" else None

    def columns(self) -> tuple[Column, ...]:
        """Its own column, then those derived from it."""
        own = Column(self.name, self.storage, self.optional)
        derived = []
        if self.kind == "version":
            derived.append(Column(f"{self.name}__key", "text", self.optional, derived=True))
        if self.folded:
            derived.append(Column(f"{self.name}__folded", "text", self.optional, derived=True))
        return (own, *derived)


class TypeSpec(Data):
    """One artifact type: system fields first, then its own, in the order declared.

    ``unique`` names the fields of the unique scope (the owner is added while the artifact is not
    public), empty for none. ``rules`` names the policy rule of an action, where the type has one of its own; do not change
    it. Two specs are the same type version exactly when their ``digest`` is equal.
    """

    name: str
    fields: tuple[FieldSpec, ...]
    unique: tuple[str, ...] = ()
    description: str = ""
    lifecycle: Lifecycle = DEFAULT
    rules: Mapping[str, str] = EMPTY

    def __init__(
        self,
        name: str,
        fields: tuple[FieldSpec, ...],
        unique: tuple[str, ...] = (),
        description: str = "",
        lifecycle: Lifecycle = DEFAULT,
        rules: Mapping[str, str] = EMPTY,
    ) -> None:
        super().__init__(name, fields, unique, description, lifecycle, dict(rules))

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, TypeSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def by_name(self) -> dict[str, FieldSpec]:
        """The fields by name; do not change it."""
        return {each.name: each for each in self.fields}

    @cached_property
    def searched(self) -> tuple[FieldSpec, ...]:
        """The fields that full text searches, in order."""
        return tuple([each for each in self.fields if each.search])

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Every column of a row in order: one per field, then the derived ones, then ``unique_key`` and ``digest``."""
        every = [column for each in self.fields for column in each.columns()]
        own = [column for column in every if not column.derived]
        derived = [column for column in every if column.derived]
        return (*own, *derived, Column("unique_key", "bytes", derived=True), Column("digest", "bytes", derived=True))

    @cached_property
    def position(self) -> dict[str, int]:
        """Where each column stands in a row."""
        return {column.name: at for at, column in enumerate(self.columns)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, lower-case hex."""
        import hashlib  # here and elsewhere at use: loading OpenSSL costs a tenth of importing the engine

        return hashlib.sha256(encode(spec_to_json(self)).encode()).hexdigest()

    @property
    def engine_owned(self) -> bool:
        """Whether it is the engine's own bookkeeping, such as quotas: no artifacts of anybody's."""
        return self.name.startswith(ENGINE_OWNED)

    @property
    def hooks(self) -> tuple[str, ...]:
        """Names of the fields whose default only Python code can make."""
        return tuple(each.name for each in self.fields if each.hook)


def spec_to_json(spec: TypeSpec | FieldSpec) -> dict[str, Any]:
    """Return the spec as JSON types; what stands at its default is left out.

    >>> spec_to_json(FieldSpec(name="size", kind="int", ge=0))
    {'name': 'size', 'kind': 'int', 'ge': 0}
    """
    return _plain(spec)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, Data):
        return {name: _plain(getattr(value, name)) for name in value.__fields__ if said(value, name)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _field_from_json(data: dict[str, Any]) -> FieldSpec:
    known = FieldSpec.__fields__
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) and name != "default" else value
        for name, value in data.items()
        if name in known
    }
    if "item" in values:
        values["item"] = _field_from_json(data["item"])
    if "fields" in values:
        values["fields"] = tuple(_field_from_json(each) for each in data["fields"])
    return FieldSpec(**values)


def spec_from_json(data: dict[str, Any]) -> TypeSpec:
    """Return the spec that `spec_to_json` wrote; words of a newer metastore are passed over."""
    return TypeSpec(
        name=data["name"],
        fields=tuple(_field_from_json(each) for each in data["fields"]),
        unique=tuple(data.get("unique", ())),
        description=data.get("description", ""),
        lifecycle=lifecycle_from_json(data["lifecycle"]) if "lifecycle" in data else DEFAULT,
        rules=dict(data.get("rules", {})),
    )

"""Field: the descriptor that a class body holds, and `field`, which makes it.

``Image.size`` is an expression, ``image.size`` a plain attribute: `Field` is a non-data
descriptor, so that instances find the value in their ``__dict__`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from metastore._blob import Blob
from metastore._data import NO_DEFAULT, Factory
from metastore._expr import BlobExpr, Expr, FolderExpr, Linked, VersionExpr
from metastore._link import Link
from metastore._schema import FieldSpec
from metastore._targets import link_target
from metastore._version import Version
from metastore.errors import DeclarationError, NotStoredError
from metastore.query import Path, Predicate

if TYPE_CHECKING:
    from typing import Never

    from metastore._artifact import Record

__all__ = ["Field", "LinksExpr", "Properties", "SystemVersion", "field"]

T = TypeVar("T")
A = TypeVar("A", bound="Record")


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
            if obj.__dict__.get("revision"):
                raise NotStoredError(
                    f"{self.name} of this {owner.__name__} is protected: who read it from the catalogue may not read that field"
                )
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
                return VersionExpr(path, scheme=owner.__scheme__ if self.name == "version" else spec.scheme)
            return {"blob": BlobExpr, "folder": FolderExpr}.get(spec.kind, Expr)(path)

        def target(self) -> type:
            """The class behind the link; a name given as text is looked for now."""
            return link_target(self)


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


def _several(given: Any) -> Any:
    """Return a tuple of what is several, a set in the same order in every process; what is not is refused with the field's name, when its class is made."""
    if isinstance(given, set | frozenset):
        return tuple(sorted(given, key=repr))
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else given


def field(
    *,
    default: Any = NO_DEFAULT,
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
    required_for: str | Iterable[str] = (),
    on_delete: Literal["restrict", "detach", "cascade"] | None = None,
    description: str = "",
    unit: str = "",
    scheme: str = "",
    init: bool = True,
) -> Any:
    """Declare a field; without ``default`` and ``factory`` a value is required.

    ``pattern`` must match the whole text. ``folded`` keeps a case-folded form beside the text (``Image.name.folded``).
    ``search`` is the field's weight in full text. ``max_size`` bounds each blob, ``max_total_size`` a folder, in bytes.
    ``mutable`` may change once active, ``required_for`` names the state, or the states, that need a value.
    ``on_delete`` is for links: what is linked to is not deleted (``restrict``, which is the rule), the link goes
    (``detach``), or the artifact that links goes, too (``cascade``).
    ``init=False`` is for the system fields that the catalogue sets.
    """
    options = {name: value for name, value in locals().items() if name not in ("default", "factory", "init")}
    for name in ("choices", "allowed_keys", "required_keys", "required_for"):
        options[name] = _several(options[name])
    options["required_for"] = (required_for,) if isinstance(required_for, str) else options["required_for"]
    if default is not NO_DEFAULT and factory is not None:
        raise DeclarationError("a field has a default or a factory, not both")
    made = NO_DEFAULT if factory is None else Factory(factory)
    return Field({**options, "_default": default if factory is None else made, "_init": init})  # type: ignore[call-arg]

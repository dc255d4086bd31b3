"""Definitions inside a namespace, added, replaced and removed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from metastore.builtin.metadefs._definition import Document, check_part
from metastore.builtin.metadefs._namespace import Namespace
from metastore.errors import DefinitionError, DuplicateError, NotFoundError, ProtectedError, nearest

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["Part", "add_definition", "remove_definition", "replace_definition"]

Part = Literal["property", "object", "tag", "association"]
_FIELDS = {
    "property": "property_definitions",
    "object": "objects",
    "tag": "tag_definitions",
    "association": "resource_type_associations",
}


def add_definition(
    catalog: Catalog, namespace: Namespace, part: Part, name: str, definition: Document | None = None
) -> Namespace:
    """Add a property, object, tag or association to a namespace and return its new revision.

    Compare-and-set on the revision given. Raises DefinitionError, DuplicateError where the name is taken inside the
    namespace, and what `Catalog.update` raises.
    """
    known = _known(namespace, part)
    if name in known:
        raise DuplicateError(f"{namespace.name} has the {part} {name!r} already; replace it, or choose another name")
    return _put(catalog, namespace, part, {**known, name: _checked(part, name, definition)})


def replace_definition(
    catalog: Catalog, namespace: Namespace, part: Part, name: str, definition: Document
) -> Namespace:
    """Replace a property, object, tag or association of a namespace, in its place, and return the new revision.

    Compare-and-set on the revision given. Raises DefinitionError, NotFoundError, and what `Catalog.update` raises.
    """
    known = _known(namespace, part)
    _found(namespace, part, name, known)
    return _put(catalog, namespace, part, {**known, name: _checked(part, name, definition)})


def remove_definition(catalog: Catalog, namespace: Namespace, part: Part, name: str) -> Namespace:
    """Remove a property, object, tag or association from a namespace and return the new revision.

    Compare-and-set on the revision given. Raises ProtectedError for a protected namespace, NotFoundError, and what
    `Catalog.update` raises.
    """
    if namespace.protected:
        raise ProtectedError(
            f"{namespace.name} is protected: nothing is removed from it; update(protected=False) first"
        )
    known = _known(namespace, part)
    _found(namespace, part, name, known)
    return _put(catalog, namespace, part, {key: value for key, value in known.items() if key != name})


def _known(namespace: Namespace, part: Part) -> dict[str, Any]:
    if part not in _FIELDS:
        raise DefinitionError(f"expected one of {', '.join(_FIELDS)}, got {part!r:.60}")
    held = getattr(namespace, _FIELDS[part])
    return held if part == "property" else {each["name"]: each for each in held}


def _found(namespace: Namespace, part: Part, name: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise NotFoundError(f"{namespace.name} has no {part} {name!r}: {nearest(str(name), known)}")


def _checked(part: Part, name: str, definition: Document | None) -> Document:
    if part == "property":
        check_part("object", {"name": name, "properties": {name: definition}}, f"the property {name!r:.90}")
        return definition or {}
    if definition is not None and isinstance(definition, dict) and definition.get("name", name) != name:
        raise DefinitionError(f"expected the {part} {name!r}, got one named {definition['name']!r}")
    made = {"name": name} if definition is None else {**definition, "name": name}
    check_part(part, made, f"the {part} {name!r:.90}")
    return made


def _put(catalog: Catalog, namespace: Namespace, part: Part, known: dict[str, Any]) -> Namespace:
    held = known if part == "property" else list(known.values())
    return catalog.update(namespace, **{_FIELDS[part]: held})

"""A namespace of definitions as one artifact, and the road between it and Glance's JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metastore._artifact import Artifact, Field, field
from metastore._lifecycle import Lifecycle, State
from metastore.builtin.metadefs._definition import Document, check_document

__all__ = ["LISTS", "Namespace", "document_of", "fields_of"]

_ALWAYS_ACTIVE = Lifecycle("active", {"active": State()})
_RULES = {
    "create": "add_metadef_namespace",
    "get": "get_metadef_namespace",
    "list": "get_metadef_namespace",
    "update": "modify_metadef_namespace",
    "publish": "modify_metadef_namespace",
    "unpublish": "modify_metadef_namespace",
    "delete": "delete_metadef_namespace",
}


class Namespace(Artifact, type_name="metadef_namespaces", unique=("name",), lifecycle=_ALWAYS_ACTIVE, rules=_RULES):
    """Metadata definitions: which properties, objects and tags the artifacts of some types may carry

    ``name`` is the namespace's, as ``OS::Compute::Hypervisor``. What is inside stands as Glance's JSON says it; change
    it by `add_definition` and its like.
    """

    display_name: Field[str | None] = field(
        default=None, folded=True, search=3, mutable=True, description="Its name as people read it."
    )
    resource_type_associations: Field[list[Any]] = field(
        factory=list, mutable=True, description="Types it is about: name, prefix, properties_target."
    )
    property_definitions: Field[dict[str, Any]] = field(
        factory=dict, mutable=True, description="Definition of each property, by its name without prefix."
    )
    objects: Field[list[Any]] = field(
        factory=list, mutable=True, description="Groups of properties: name, description, required, properties."
    )
    tag_definitions: Field[list[Any]] = field(factory=list, mutable=True, description="Tags it offers, by name.")
    extra: Field[dict[str, Any]] = field(
        factory=dict,
        mutable=True,
        description="What its document says and no field holds: unknown keys, spelled defaults.",
    )


# the keys of a document, in the order they are written, and the fields that hold them
_FIELDS = {
    "namespace": "name",
    "display_name": "display_name",
    "description": "description",
    "visibility": "visibility",
    "protected": "protected",
    "resource_type_associations": "resource_type_associations",
    "properties": "property_definitions",
    "objects": "objects",
    "tags": "tag_definitions",
}
_DEFAULTS: Document = {
    "display_name": None,
    "description": None,
    "visibility": "private",
    "protected": False,
    "resource_type_associations": [],
    "properties": {},
    "objects": [],
    "tags": [],
}
LISTS = ("resource_type_associations", "objects", "tags")
"""Keys whose value is a list of what has a name."""


def fields_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a namespace's fields, every one, from its document. Raises DefinitionError.

    >>> fields = fields_of({"namespace": "OS::Demo", "tags": [{"name": "Linux"}], "protected": None})
    >>> fields["name"], fields["tag_definitions"], fields["extra"]
    ('OS::Demo', [{'name': 'Linux'}], {'protected': None})
    """
    check_document(document)
    held = {name: document[key] if _says(document, key) else _fresh(_DEFAULTS[key]) for key, name in _FIELDS.items()}
    return {
        **held,
        "extra": {key: value for key, value in document.items() if key not in _FIELDS or not _says(document, key)},
    }


def _says(document: Mapping[str, Any], key: str) -> bool:
    """Whether a document says something of a key: not null, not what it would be unsaid."""
    return key in document and document[key] is not None and (key not in _DEFAULTS or document[key] != _DEFAULTS[key])


def _fresh(default: Any) -> Any:
    return type(default)() if isinstance(default, list | dict) else default


def document_of(namespace: Namespace) -> Document:
    """Return the document of a namespace as JSON types; equal to the one it was made from, if any.

    It shares what is inside with the namespace: do not change it.
    """
    said = {key: getattr(namespace, name) for key, name in _FIELDS.items()}
    own = {key: value for key, value in said.items() if _says(said, key)}
    unordered = {**namespace.extra, **own}
    return {**{key: unordered[key] for key in _FIELDS if key in unordered}, **unordered}

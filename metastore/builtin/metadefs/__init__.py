"""Metadata definitions: namespaces of properties, objects and tags, as Glance keeps them, and their application.

A namespace describes the free-form ``properties`` of the types it is associated with; once applied to a type, every
write through the catalogue is held against it.
"""

from metastore.builtin.metadefs._applied import Applied, apply, checker, misfits, withdraw
from metastore.builtin.metadefs._check import RESOURCE_TYPES, schema_of, validator
from metastore.builtin.metadefs._files import Loaded, load_definitions, write_definitions
from metastore.builtin.metadefs._namespace import Namespace, document_of, fields_of
from metastore.builtin.metadefs._parts import add_definition, remove_definition, replace_definition
from metastore.builtin.metadefs._schema import property_schema

__all__ = [
    "RESOURCE_TYPES",
    "Applied",
    "Loaded",
    "Namespace",
    "add_definition",
    "apply",
    "checker",
    "document_of",
    "fields_of",
    "load_definitions",
    "misfits",
    "property_schema",
    "remove_definition",
    "replace_definition",
    "schema_of",
    "validator",
    "withdraw",
    "write_definitions",
]

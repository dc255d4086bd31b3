"""metastore: a catalogue engine for artifacts, in one file.

Declare types as classes, add artifacts, ask typed queries; blobs are referenced, never carried.
"""

from metastore import errors
from metastore._artifact import Artifact, Field, Record, field, spec_of
from metastore._attaching import Attachment
from metastore._blob import Blob, Location
from metastore._catalog import Catalog, Edge
from metastore._dynamic import make_type
from metastore._expr import Expr, absent, linked_from, matches, references
from metastore._find import Find, Page
from metastore._hooks import HookCall, after, before
from metastore._json_schema import json_schema
from metastore._lifecycle import Lifecycle, State, Transition
from metastore._link import Link
from metastore._plan import Plan, Planned
from metastore._principal import Principal
from metastore._schema import FieldSpec, TypeSpec, spec_from_json, spec_to_json
from metastore._tombstone import Tombstone
from metastore._version import Version
from metastore.policy import Policy, Protection, Protections
from metastore.query import Predicate

__all__ = [
    "Artifact",
    "Attachment",
    "Blob",
    "Catalog",
    "Edge",
    "Expr",
    "Field",
    "FieldSpec",
    "Find",
    "HookCall",
    "Lifecycle",
    "Link",
    "Location",
    "Page",
    "Plan",
    "Planned",
    "Policy",
    "Predicate",
    "Principal",
    "Protection",
    "Protections",
    "Record",
    "State",
    "Tombstone",
    "Transition",
    "TypeSpec",
    "Version",
    "absent",
    "after",
    "before",
    "errors",
    "field",
    "json_schema",
    "linked_from",
    "make_type",
    "matches",
    "references",
    "spec_from_json",
    "spec_of",
    "spec_to_json",
]

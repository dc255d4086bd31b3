"""Types, fields and artifacts by the names that a user types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

from metastore import Artifact, Blob, Catalog, FieldSpec, Record, TypeSpec, builtin, spec_of
from metastore.cli._session import caller, described, known
from metastore.errors import MetastoreError, NotFoundError, UnknownFieldError, UnknownTypeError, VersionError, nearest

__all__ = [
    "ANY",
    "artifact_of",
    "artifacts_of",
    "columns_of",
    "complete_type",
    "expression",
    "known_specs",
    "order_of",
    "spec_named",
    "specs_of",
    "type_named",
    "uuid_of",
    "value_at",
]

ANY = "any"
"""Stands for every type at once."""

_SCALARS = {"bool", "int", "float", "str", "datetime"}


def complete_type(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the type names that a shell may complete to; none where there is no catalogue."""
    return [CompletionItem(spec.name) for spec in known_specs(ctx) if spec.name.startswith(incomplete)]


def known_specs(ctx: click.Context) -> list[TypeSpec]:
    """Return the specs of all types for a shell that completes a line, which no error may disturb."""
    try:
        with ctx, described(owner=True) as catalog:
            return [spec for name, spec in sorted(specs_of(catalog).items()) if not name.startswith("metastore_")]
    except (MetastoreError, OSError):
        return []


def type_named(catalog: Catalog, name: str) -> type[Any]:
    """Return the class of a type. Raises UnknownTypeError."""
    return Record if name == ANY else catalog.artifact_type(spec_named(catalog, name).name)


def spec_named(catalog: Catalog, name: str) -> TypeSpec:
    """Return the spec of a type. Raises UnknownTypeError."""
    if name in (specs := specs_of(catalog)):
        return specs[name]
    advice = "--builtin knows it" if name in builtin.names() else nearest(name, (each.name for each in catalog.types()))
    raise UnknownTypeError(f"the catalogue holds no type {name!r}: {advice}")


def specs_of(catalog: Catalog) -> dict[str, TypeSpec]:
    """Return the specs by name: of the types of the catalogue, the engine's own for its owner, and the built-in ones that were asked for."""
    stored = catalog.types(unlisted=caller() is None)
    return {spec.name: spec for spec in (*map(spec_of, known()), *stored)}


def _spec_of(catalog: Catalog, name: str) -> Mapping[str, FieldSpec]:
    if name != ANY:
        return spec_named(catalog, name).by_name
    specs = catalog.types()
    return {each: specs[0].by_name[each] for each in _SYSTEM if specs and all(each in spec.by_name for spec in specs)}


def expression(catalog: Catalog, name: str, text: str) -> Any:
    """Return the expression of a field of the type ``name``; dots lead into links, blobs, folders and dicts.

    Under a dict everything after the dot is one key. Raises UnknownFieldError.
    """
    head, _, rest = text.partition(".")
    fields = _spec_of(catalog, name)
    if head not in fields:
        raise UnknownFieldError(f"{name} has no field {head!r}: {nearest(head, fields)}")
    found = getattr(Artifact if name == ANY else catalog.artifact_type(name), head)
    return _inside(found, fields[head].kind, rest, text) if rest else found


def _inside(found: Any, kind: str, rest: str, text: str) -> Any:
    if kind in ("dict", "json", "object"):
        return found[rest]
    if kind == "folder":
        key, _, part = rest.rpartition(".")
        return _inside(found[key], "blob", part, text) if key and part in _BLOB_PARTS else found[rest]
    if kind == "blob" and rest in _BLOB_PARTS:
        return getattr(found, rest)
    if kind == "link":
        return getattr(found, rest)
    known = _BLOB_PARTS if kind == "blob" else ()
    raise UnknownFieldError(f"there is no {rest!r} inside {text!r}, which is of kind {kind}: {nearest(rest, known)}")


_BLOB_PARTS = ("size", "url", "media_type", "sha256")


def order_of(catalog: Catalog, name: str, text: str | None) -> list[Any]:
    """Return the sort keys of a text like ``-version,name``; a minus sorts descending."""
    keys = [each.strip() for each in (text or "").split(",") if each.strip()]
    return [
        -expression(catalog, name, key[1:]) if key.startswith("-") else expression(catalog, name, key) for key in keys
    ]


def columns_of(catalog: Catalog, name: str) -> list[str]:
    """Return the fields that are shown where nobody chose: identity, then up to four indexed ones of its own."""
    fields = _spec_of(catalog, name)
    if name == ANY:
        return ["type", *(each for each in ("id", "name", "version", "status") if each in fields)]
    first = [each for each in ("id", "name", "version") if each in fields]
    own = [
        each.name for each in fields.values()
        if each.index and each.kind in _SCALARS and each.name not in _SYSTEM and not each.name.startswith("scan_")
    ]  # fmt: skip
    return [*first, *own[:4]] if own else [*first, *(each for each in ("status", "updated_at") if each in fields)]


_SYSTEM = ("id", "name", "version", "owner", "status", "visibility", "hidden", "protected", "hold",
           "description", "tags", "properties", "created_at", "updated_at", "activated_at", "expires_at", "revision")  # fmt: skip


def value_at(artifact: Any, text: str) -> Any:
    """Return what lies at a dotted name in an artifact, ``None`` where there is nothing; ``type`` is its type's name."""
    if text == "type" and not hasattr(artifact, "type"):
        return spec_of(type(artifact)).name
    head, _, rest = text.partition(".")
    value = getattr(artifact, head)
    return _within(value, rest) if rest else value


def _within(value: Any, rest: str) -> Any:
    if isinstance(value, Mapping):
        key, _, part = rest.rpartition(".")
        return value.get(rest) if rest in value or key not in value else _within(value[key], part)
    if isinstance(value, Blob):
        return getattr(value, rest)
    return getattr(value, rest, None)


def artifact_of(catalog: Catalog, words: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the artifact that the first words name, and the words left.

    One word is a full id, two are a type and ``name``, ``name@version`` (the latest without one) or a full id.
    """
    if not words:
        raise click.UsageError("name an artifact: a full id, or TYPE NAME[@VERSION]")
    if (ident := uuid_of(words[0])) is not None:
        return catalog.get(Record, ident), list(words[1:])
    if len(words) > 1:
        try:
            return _named(catalog, type_named(catalog, words[0]), words[1]), list(words[2:])
        except (NotFoundError, UnknownTypeError):
            if not _is_change(words[1]):  # a name may look like one: year=2024/part.parquet
                raise
    raise click.UsageError(f"{words[0]!r} is no full id; name the artifact as TYPE NAME[@VERSION]")


def artifacts_of(catalog: Catalog, words: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Return the artifacts that the words name, at least one, and from the first FIELD=VALUE on the words left."""
    found, rest = artifact_of(catalog, words)
    several = [found]
    while rest and not _is_change(rest[0]):
        found, rest = artifact_of(catalog, rest)
        several.append(found)
    return several, rest


def _named(catalog: Catalog, kind: type[Any], text: str) -> Any:
    if (ident := uuid_of(text)) is not None:
        return catalog.get(kind, ident)
    name, mark, version = text.rpartition("@")
    if not name or not mark:
        return catalog.get(kind, name=text)
    try:
        return catalog.get(kind, name=text)  # names may hold an @, too
    except NotFoundError as missing:
        return _versioned(catalog, kind, name, version, missing)


def _versioned(catalog: Catalog, kind: type[Any], name: str, version: str, missing: NotFoundError) -> Any:
    try:
        return catalog.get(kind, name=name, version=version)
    except VersionError as error:
        raise NotFoundError(f"{missing}; and {error}") from None


def _is_change(word: str) -> bool:
    return word[:1] in "+-" or "=" in word


def uuid_of(text: str) -> UUID | None:
    """Return the id that a text is, ``None`` if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None

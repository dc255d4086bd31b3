"""Names: which field, key or attribute a dotted name leads to, through which links."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from metastore._schema import FieldSpec, TypeSpec
from metastore.errors import QueryError, UnknownFieldError, nearest
from metastore.query import Path

__all__ = ["Found", "Hop", "Specs", "path_parts", "resolve", "target_of"]

Specs = Callable[[str], TypeSpec | None]

Hop = tuple[Path, str]
"""A link that is followed, and the type behind it."""

_JSON = FieldSpec(kind="json")
_BLOB = FieldSpec(kind="blob")
_BLOB_PARTS = {"size": FieldSpec(kind="int"), "url": FieldSpec(kind="str"), "media_type": FieldSpec(kind="str")}
_DIGEST = FieldSpec(kind="str")


@frozen
class Found:
    """Where a name leads: over ``hops``, outermost first, to ``path`` in ``owner``, where ``field`` stands."""

    hops: tuple[Hop, ...]
    owner: TypeSpec
    path: Path
    field: FieldSpec


def resolve(parts: tuple[str, ...], spec: TypeSpec, specs: Specs, *, folded: bool = False) -> Found:
    """Return where a name leads from an artifact of the type ``spec``.

    A single link is followed by what comes after its dot; a list of links is not.

    Raises UnknownFieldError for a name that leads nowhere, QueryError for a link whose type is not known.
    """
    hops: list[Hop] = []
    field, rest = _field(parts[0], spec), parts[1:]
    while field.kind == "link" and rest:
        hops.append((Path(field.name), field.target))
        spec = target_of(field, spec, specs)
        field, rest = _field(rest[0], spec), rest[1:]
    keys, inner = _inside(field, rest, f"{spec.name}.{field.name}")
    return Found(tuple(hops), spec, Path(field.name, keys, folded), inner)


def target_of(field: FieldSpec, spec: TypeSpec, specs: Specs) -> TypeSpec:
    """Return the type behind a link, or behind the links of a list."""
    link = field.links
    if link is None:
        raise QueryError(
            f"{spec.name}.{field.name} is of kind {field.kind}: expected a link, or a list of links, to follow"
        )
    found = specs(link.target)
    if found is None:
        what = f"the type {link.target!r}, which is not known here" if link.target else "artifacts of any type"
        raise QueryError(f"{spec.name}.{field.name} links to {what}: its fields cannot be asked for")
    return found


def _field(name: str, spec: TypeSpec) -> FieldSpec:
    try:
        return spec.by_name[name]
    except KeyError:
        raise UnknownFieldError(f"{spec.name} has no field {name[:60]!r}: {nearest(name, spec.by_name)}") from None


def _inside(field: FieldSpec, rest: tuple[str, ...], where: str) -> tuple[tuple[str, ...], FieldSpec]:
    keys: tuple[str, ...] = ()
    while rest:
        taken, field, used = _step(field, rest, where)
        where = f"{where}.{'.'.join(rest[:used])}"[:120]
        keys, rest = keys + taken, rest[used:]
    return keys, field


def _step(field: FieldSpec, rest: tuple[str, ...], where: str) -> tuple[tuple[str, ...], FieldSpec, int]:
    """Return the keys of one step inside, what stands there, and how many parts of the name it took."""
    if field.kind == "json":
        return rest, _JSON, len(rest)
    if field.kind == "dict":
        return rest[:1], field.item or _JSON, 1
    if field.kind == "folder":
        return rest[:1], _BLOB, 1
    if field.kind == "blob":
        return _blob_step(rest, where)
    if field.kind == "object":
        return rest[:1], _attribute(field, rest[0], where), 1
    if field.links is not None:
        raise UnknownFieldError(
            f"{where} is a list of links: write any({where.rpartition('.')[2]}, {'.'.join(rest)[:60]} …)"
        )
    raise UnknownFieldError(f"{where} is of kind {field.kind} and has no {rest[0][:60]!r}: there is nothing inside it")


def _attribute(field: FieldSpec, name: str, where: str) -> FieldSpec:
    for each in field.fields:
        if each.name == name:
            return each
    raise UnknownFieldError(
        f"{where} has no attribute {name[:60]!r}: {nearest(name, [each.name for each in field.fields])}"
    )


def _blob_step(rest: tuple[str, ...], where: str) -> tuple[tuple[str, ...], FieldSpec, int]:
    name = rest[0]
    if name in _BLOB_PARTS:
        return (name,), _BLOB_PARTS[name], 1
    if name == "sha256":
        return ("digests", "sha256"), _DIGEST, 1
    if name == "digests" and len(rest) > 1:
        return rest[:2], _DIGEST, 2
    if name == "digests":
        raise UnknownFieldError(f"{where}.digests holds digests by algorithm: name one, such as {where}.digests.md5")
    raise UnknownFieldError(
        f"{where} has no attribute {name[:60]!r}: {nearest(name, [*_BLOB_PARTS, 'sha256', 'digests'])}"
    )


def path_parts(path: Path, spec: TypeSpec | None) -> tuple[str, ...]:
    """Return the name that leads to a path; ``disk.sha256`` for the digest of that name."""
    field = spec.by_name.get(path.field) if spec is not None else None
    start = {"blob": 0, "folder": 1}.get(field.kind, -1) if field is not None else -1
    if start >= 0 and path.keys[start:] == ("digests", "sha256"):
        return (path.field, *path.keys[:start], "sha256")
    return (path.field, *path.keys)

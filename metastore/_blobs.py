"""The blob of an artifact, by field and name in a folder: finding it, putting another in its place, joining what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metastore._blob import PROOFS, Blob
from metastore._location import Location
from metastore.errors import NotFoundError, UnknownFieldError, ValidationError, WrongBytesError, nearest

if TYPE_CHECKING:
    from metastore._schema import FieldSpec, TypeSpec

__all__ = [
    "blob_field",
    "blob_of",
    "blobs_of",
    "check_blob_field",
    "image_format",
    "joined",
    "most_of",
    "replaced",
    "some_blob",
]


def blob_field(spec: TypeSpec, field: str, key: str | None) -> FieldSpec:
    """Return the spec of a blob's field. Raises UnknownFieldError, ValidationError where ``key`` does not fit its kind."""
    found = check_blob_field(spec, field)
    if found.kind == "folder" and (not isinstance(key, str) or not key):
        raise ValidationError(
            f"{field} of {spec.name} is a folder: say which of its blobs by key=…, or as {field}.NAME"
        )
    if found.kind == "blob" and key is not None:
        raise ValidationError(f"{field} of {spec.name} is one blob, not a folder: leave key out")
    return found


def check_blob_field(spec: TypeSpec, field: str) -> FieldSpec:
    """Return the spec of a field of blobs, one or a folder. Raises UnknownFieldError."""
    found = spec.by_name.get(field) if isinstance(field, str) else None
    if found is None or found.kind not in ("blob", "folder"):
        known = [each.name for each in spec.fields if each.kind in ("blob", "folder")]
        raise UnknownFieldError(f"{spec.name} has no blob {field!r:.60}: {nearest(str(field), known)}")
    return found


def blob_of(artifact: Any, field: FieldSpec, key: str | None) -> Blob | None:
    """Return the blob there, ``None`` where there is none."""
    value = getattr(artifact, field.name)
    found: Blob | None = value.get(key) if field.kind == "folder" else value
    return found


def some_blob(artifact: Any, field: FieldSpec, key: str | None) -> Blob:
    """Return the blob there. Raises NotFoundError where there is none."""
    found = blob_of(artifact, field, key)
    if found is None:
        what = field.name if key is None else f"{field.name}[{key!r:.80}]"
        raise NotFoundError(f"{artifact.id} has nothing at {what}: attach or upload it first")
    return found


def blobs_of(artifact: Any, spec: TypeSpec) -> list[tuple[FieldSpec, str | None, Blob]]:
    """Return every blob of an artifact that can be read of it, with its field and its name in the folder."""
    found: list[tuple[FieldSpec, str | None, Blob]] = []
    for each in spec.fields:
        value = artifact.__dict__.get(each.name) if each.kind in ("blob", "folder") else None
        if isinstance(value, Blob):
            found.append((each, None, value))
        elif value:
            found += [(each, key, value[key]) for key in sorted(value)]
    return found


def replaced(artifact: Any, field: FieldSpec, key: str | None, blob: Blob | None) -> dict[str, Any]:
    """Return the change of the field that puts the blob there; ``None`` takes it out."""
    if field.kind == "blob":
        return {field.name: blob}
    folder: Mapping[str, Blob] = getattr(artifact, field.name)
    kept = {name: each for name, each in folder.items() if name != key}
    return {field.name: kept if blob is None else {**kept, str(key): blob}}


def most_of(artifact: Any, field: FieldSpec, key: str | None) -> int | None:
    """Return how many bytes a blob there may have, by its field; ``None`` for no bound."""
    bounds = [field.max_size]
    if field.kind == "folder" and field.max_total_size is not None:
        others = sum(each.size or 0 for name, each in getattr(artifact, field.name).items() if name != key)
        bounds.append(max(0, field.max_total_size - others))
    return min((each for each in bounds if each is not None), default=None)


def image_format(artifact: Any, field: FieldSpec) -> str | None:
    """Return the format that the bytes of a field are said to have: of a disk image that is in no container."""
    if field.kind != "blob" or getattr(artifact, "container_format", None) not in (None, "bare"):
        return None
    said = getattr(artifact, "disk_format", None)
    return said if isinstance(said, str) else None


def joined(
    blob: Blob | None,
    place: Location,
    *,
    size: int | None = None,
    digests: Mapping[str, str] | None = None,
    media_type: str | None = None,
) -> Blob:
    """Return a blob with one more place and whatever more is known of its content.

    Raises WrongBytesError where what is known of it says otherwise: the same blob has the same bytes everywhere.
    """
    if blob is None:
        return Blob(size=size, digests=digests, media_type=media_type, locations=[place])
    old, new = blob, Blob(size=size, digests=digests, media_type=media_type)
    if old.size is not None and new.size is not None and old.size != new.size:
        raise _other("size", old.size, new.size, place)
    known, told = old.digests, new.digests
    for name in sorted(known.keys() & told.keys(), key=lambda each: (each not in PROOFS, each)):
        if known[name] != told[name]:
            raise _other(name, known[name], told[name], place)
    return Blob(
        size=old.size if new.size is None else new.size,
        digests={**told, **known},
        media_type=old.media_type or new.media_type,
        locations=[*(each for each in old.locations if each.url != place.url), place],
    )


def _other(what: str, expected: Any, found: Any, place: Location) -> WrongBytesError:
    where = place.url if place.store is None else f"{place.url}, in the store {place.store},"
    return WrongBytesError(
        f"the bytes at {where} are not those of the blob: expected {what} {expected}, found {found}; put other bytes in another field, or artifact",
        what=what, expected=expected, found=found, store=place.store,
    )  # fmt: skip

"""Together: blobs of one artifact that are written as one revision of it, since each revision of a folder keeps all of the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from metastore._blobs import blob_of
from metastore.errors import (
    BackendError,
    ForbiddenError,
    FrozenFieldError,
    MetastoreError,
    NotFoundError,
    RetryError,
    StaleRevisionError,
)

if TYPE_CHECKING:
    from metastore._blob import Blob
    from metastore._schema import FieldSpec

__all__ = ["Draft", "attempt", "in_bunches", "together"]

T = TypeVar("T")
R = TypeVar("R")
BUNCH = 500
"""Blobs that are written together: so many, or of a larger folder a tenth."""
OF_ALL = (ForbiddenError, FrozenFieldError, NotFoundError, RetryError, StaleRevisionError)
"""What refuses any change of a field alike, whichever of its blobs are in it."""


class Placed(Protocol):
    """What concerns one blob of an artifact."""

    @property
    def field(self) -> FieldSpec: ...


P = TypeVar("P", bound=Placed)


class Draft:
    """What fields of an artifact will be: blobs put into it one after the other, each folder copied once."""

    def __init__(self, artifact: Any) -> None:
        self._artifact = artifact
        self.fields: dict[str, Any] = {}

    def blob(self, field: FieldSpec, key: str | None) -> Blob | None:
        """Return the blob that is there by now, ``None`` where there is none."""
        if field.name not in self.fields:
            return blob_of(self._artifact, field, key)
        value = self.fields[field.name]
        return value.get(key) if field.kind == "folder" else value  # type: ignore[no-any-return]

    def put(self, field: FieldSpec, key: str | None, blob: Blob) -> None:
        """Put a blob there."""
        if field.kind == "blob":
            self.fields[field.name] = blob
        elif field.name in self.fields:
            self.fields[field.name][key] = blob
        else:
            self.fields[field.name] = {**getattr(self._artifact, field.name), key: blob}


def in_bunches(blobs: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the blobs of one artifact in parts that are written together, however many there are: ten at most, where they are thousands.

    >>> [len(bunch) for bunch in in_bunches(range(1200))], len(list(in_bunches(range(10**6))))
    ([500, 500, 200], 10)
    """
    size = max(BUNCH, -(-len(blobs) // 10))
    for begin in range(0, len(blobs), size):
        yield blobs[begin : begin + size]


def together(
    blobs: Sequence[P], act: Callable[[Sequence[P]], list[R]], refused: Callable[[P, MetastoreError], R]
) -> list[R]:
    """Return what ``act`` makes of the blobs of one artifact at once, one thing for each.

    Where it is refused that is tried of each field alone, then of halves, so that one blob that is refused stops no other; ``refused`` tells what is
    made of that one. Raises BackendError.
    """
    found = attempt(lambda: act(blobs)) if blobs else []
    if not isinstance(found, MetastoreError):
        return found
    parts = _parts(blobs, found)
    if len(parts) < 2:
        return [refused(each, found) for each in blobs]
    return [each for part in parts for each in together(part, act, refused)]


def attempt(act: Callable[[], T]) -> T | MetastoreError:
    """Return what ``act`` returns, or the error by which it is refused. Raises BackendError, which refuses nothing."""
    try:
        return act()
    except BackendError:
        raise
    except MetastoreError as refused:
        return refused


def _parts(blobs: Sequence[P], refusal: MetastoreError) -> list[Sequence[P]]:
    """Return what may be refused each by itself; one part where the refusal is of all of them."""
    fields: dict[str, list[P]] = {}
    for each in blobs:
        fields.setdefault(each.field.name, []).append(each)
    if len(fields) > 1:
        return [*fields.values()]
    half = len(blobs) // 2
    return [blobs] if not half or isinstance(refusal, OF_ALL) else [blobs[:half], blobs[half:]]

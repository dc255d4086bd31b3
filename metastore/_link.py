"""Link: one artifact pointing to another by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from metastore.errors import NotStoredError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metastore._artifact import Record

__all__ = ["Link", "id_of"]

T = TypeVar("T", bound="Record")


class Link(Generic[T]):
    """A link to an artifact, by its id; the artifact need not be at hand, nor exist yet.

    Immutable; equal by id. The type it leads to is that of the field that holds it.

    >>> Link("0190a6e0-0000-7000-8000-000000000001").id.version
    7
    """

    __slots__ = ("_leads", "id")

    id: UUID
    _leads: Callable[[UUID], bool] | None
    """Of a link that was read: asks its catalogue, with the reader's eyes, whether it leads anywhere."""

    def __init__(self, target: T | UUID | str) -> None:
        object.__setattr__(self, "id", id_of(target))
        object.__setattr__(self, "_leads", None)

    @property
    def foreign(self) -> bool:
        """Whether nothing is there that its reader can get: deleted, not here (yet), of another type than the field says, not to be seen.

        Asks the catalogue that the link was read from, anew each time. Raises NotStoredError for a link made by hand,
        ClosedError where the catalogue was closed.
        """
        if self._leads is None:
            raise NotStoredError(f"{self!r} was not read from a catalogue, so it does not know where it leads")
        return not self._leads(self.id)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Link cannot be changed; make a new one")

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Link) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Link, (self.id,))

    def __repr__(self) -> str:
        return f"Link('{self.id}')"


def id_of(target: Any) -> UUID:
    """Return the id that an artifact, a UUID or its text names. Raises ValidationError."""
    if isinstance(target, UUID):
        return target
    found = target if isinstance(target, str) else getattr(target, "id", None)
    if isinstance(found, str):
        try:
            return UUID(found)
        except ValueError:
            raise ValidationError(
                f"expected an id like 0190a6e0-…, an artifact or a UUID, got {found[:60]!r}"
            ) from None
    if not isinstance(found, UUID):
        raise ValidationError(f"expected an artifact, a UUID or its text, got {type(target).__name__}")
    return found

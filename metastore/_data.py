"""What frozen data has in common: equality, hash and repr by its fields.

attrs can write these for each class, but to compile them for thirty classes takes longer than importing
the rest of the engine; one reading of the fields does.
"""

from __future__ import annotations

from typing import Any

from attrs import fields

__all__ = ["Data"]


class Data:
    """Base of frozen attrs classes declared with ``eq=False, repr=False``."""

    __slots__ = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, each.name) for each in fields(type(self))])  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        shown = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(type(self))]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"

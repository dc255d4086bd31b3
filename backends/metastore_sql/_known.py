"""Known: what a program has read of one stored type."""

from __future__ import annotations

from typing import NamedTuple

from metastore.backend import StoredSpec, TypeSpec

__all__ = ["Known"]


class Known(NamedTuple):
    """Every spec of a type, by number, and the name of the table that keeps its rows."""

    stored: tuple[StoredSpec, ...]
    relation: str

    @property
    def spec(self) -> TypeSpec:
        """The latest."""
        return self.stored[-1].spec

    def broken(self, spec: TypeSpec) -> bool:
        """Return whether rows were migrated since this spec was written, or it is none of this type's that could read them."""
        numbers = [each.number for each in self.stored if each.spec.digest == spec.digest]
        if not numbers:
            return not spec.position.keys() <= self.spec.position.keys()
        return numbers[-1] < max([each.number for each in self.stored if each.breaking], default=0)

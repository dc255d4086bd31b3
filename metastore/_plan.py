"""Plan: what retention would delete, named before anything goes, with the reason for each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from metastore._data import Data, as_dict

__all__ = ["Plan", "Planned"]


class Planned(Data):
    """One artifact of a plan: why it is ``due``, and why it ``stays`` all the same (``None``: it goes).

    ``along`` is the artifact it goes with, where it is not due itself but would be deleted with that one.
    """

    id: UUID
    type: str
    name: str | None
    version: str | None
    owner: str | None
    revision: int
    due: str
    along: UUID | None = None
    stays: str | None = None


class Plan(Data):
    """What retention would delete in a catalogue, and what it would leave although it is due.

    Made by `Catalog.plan`, done by `Catalog.carry_out`. ``rule`` says in words what was asked, ``at`` the time it was judged by.
    In what `carry_out` returns, what goes is gone. As text it is a table.
    """

    catalogue: str
    rule: str
    at: datetime
    items: tuple[Planned, ...]

    @property
    def going(self) -> tuple[Planned, ...]:
        """What goes, in the order found, what goes along with it last."""
        return tuple(each for each in self.items if each.stays is None)

    @property
    def staying(self) -> tuple[Planned, ...]:
        """What is due and stays."""
        return tuple(each for each in self.items if each.stays is not None)

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        items = [{**as_dict(each), "id": str(each.id), "along": _text(each.along)} for each in self.items]
        return {"catalogue": self.catalogue, "rule": self.rule, "at": self.at.isoformat(), "items": items}

    def __str__(self) -> str:
        rows = [_row(each) for each in self.items]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([f"{self.rule}: {len(self.going)} go, {len(self.staying)} stay", *lines])


def _text(ident: UUID | None) -> str | None:
    return None if ident is None else str(ident)


def _row(item: Planned) -> tuple[str, ...]:
    what = f"{item.name or ''} {item.version or ''}".strip()
    why = item.due if item.stays is None else f"{item.due}; {item.stays}"
    return "stays" if item.stays else "goes", item.type, what, item.owner or "-", str(item.id), why

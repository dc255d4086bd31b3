"""Membership: that an artifact is shared with a project, kept as a type of the engine's own.

So it has its own revision and history: what happens to other members' shares changes nothing of the artifact.
"""

from __future__ import annotations

from typing import Literal

from metastore._access import MEMBERS
from metastore._artifact import Field, Record, field
from metastore._link import Link

__all__ = ["KEPT", "Membership", "Status"]

Status = Literal["pending", "accepted", "rejected"]


class Membership(Record, type_name=MEMBERS, unique=("artifact", "member")):
    """One artifact shared with one project, and what the project says to it."""

    artifact: Field[Link[Record]] = field(on_delete="cascade", description="What is shared.")
    member: Field[str] = field(index=True, min_length=1, max_length=255, description="The project it is shared with.")
    answer: Field[Status] = field(default="pending", mutable=True, description="What the project says to it.")


KEPT = {MEMBERS: Membership}
"""The classes of what the engine keeps for itself, by name; users come to them by name only, to import them."""

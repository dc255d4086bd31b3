"""Types and callers for the machine of the rules: two life cycles, every kind of link, every kind of caller."""

from __future__ import annotations

from metastore._artifact import Artifact, Field, Record, field
from metastore._lifecycle import Lifecycle, State, Transition
from metastore._link import Link
from metastore._principal import Principal

__all__ = ["CALLERS", "LINKS", "PROJECTS", "TYPES", "Paper", "Scrap"]

REVIEWED = Lifecycle(
    "draft",
    {"draft": State(), "review": State("mutable"), "out": State("none")},
    (
        Transition("submit", "draft", "review"),
        Transition("accept", "review", "out"),
        Transition("reject", "review", "draft", "seal"),
    ),
)


class Paper(Artifact, type_name="exam_papers"):
    """The default life cycle, a unique scope, links of every kind."""

    size: Field[int] = field(default=0)
    note: Field[str] = field(default="", mutable=True)
    seal: Field[str | None] = field(default=None, required_for="active")
    base: Field[Link[Record] | None] = field(default=None, mutable=True)
    seen: Field[list[Link[Paper]]] = field(factory=list, on_delete="detach", mutable=True)
    within: Field[Link[Paper] | None] = field(default=None, on_delete="cascade", mutable=True)


class Scrap(Record, type_name="exam_scraps", unique=(), lifecycle=REVIEWED):
    """A life cycle of its own, published in any state, and no unique scope."""

    name: Field[str] = field(default="")
    size: Field[int] = field(default=0)
    note: Field[str] = field(default="", mutable=True)
    seal: Field[str | None] = field(default=None, required_for="review")
    base: Field[Link[Paper] | None] = field(default=None, mutable=True)


TYPES: dict[str, type[Paper | Scrap]] = {"exam_papers": Paper, "exam_scraps": Scrap}
LINKS = {"base": "restrict", "seen": "detach", "within": "cascade"}
"""What each field of links says of the deletion of its targets."""
PROJECTS = ("p0", "p1", "p2", "p3")
CALLERS: tuple[Principal | None, ...] = (
    None,
    Principal(user="ann", project="p1", roles=["member"]),
    Principal(user="bob", project="p2", roles=["member"]),
    Principal(user="guest", project="p1"),
    Principal(user="root", project="p0", roles=["admin"]),
    Principal(user="anonymous"),
)

"""What the machine of the rules draws, and how values go between the engine and the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from metastore._artifact import Record
from metastore._link import Link
from metastore.testing._rules_model import Item
from metastore.testing._rules_types import CALLERS, PROJECTS, TYPES

__all__ = [
    "ACTIONS", "EMPTY", "KNOWN", "SEEDS", "callers", "class_of", "fitted", "linked", "names", "owners", "picks", "projects",
    "python", "several", "some", "steps", "told", "types", "values",
]  # fmt: skip

PLAIN = ("name", "size", "note", "seal", "owner", "status", "visibility", "hidden", "protected", "hold", "tags")
ACTIONS = (
    "activate", "deactivate", "reactivate", "submit", "accept", "reject", "publish", "unpublish", "communitize",
    "share", "nonsense",
)  # fmt: skip
KNOWN = 12
"""How many artifacts are made at most; the id after them is never used."""
SEEDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("exam_papers", {"owner": "p1", "name": "a"}),
    ("exam_papers", {"owner": "p1", "name": "b", "base": 1}),
    ("exam_papers", {"owner": "p2", "name": "a", "base": 1, "seen": [2]}),
    ("exam_scraps", {"owner": "p2", "name": "b", "base": 3}),
    ("exam_papers", {"owner": "p1", "name": "c", "within": 2, "seen": [1, 2]}),
)
"""What is there at the beginning."""

callers = st.sampled_from(CALLERS)
idents = st.integers(1, KNOWN)
picks = st.integers(0, 2 * KNOWN)
types = st.sampled_from([*TYPES])
several = st.sampled_from([["exam_papers"], ["exam_scraps"], ["exam_papers", "exam_scraps"]])
projects = st.lists(st.sampled_from(PROJECTS), max_size=2, unique=True)
names = st.sampled_from(["a", "b", "c"])
values = {
    "name": names,
    "size": st.sampled_from([0, 1]),
    "note": st.sampled_from(["", "x"]),
    "seal": st.sampled_from([None, "", "s"]),
    "hidden": st.booleans(),
    "protected": st.sampled_from([False, False, True]),
    "hold": st.sampled_from([None, None, "why"]),
    "tags": st.sampled_from([[], ["t"]]),
}
settled = {
    "status": st.sampled_from(["first", "later"]),
    "visibility": st.sampled_from(["private", "shared", "community", "public"]),
    "owner": st.sampled_from([None, *PROJECTS]),
}
links = {"base": st.none() | idents, "seen": st.lists(idents, max_size=2), "within": st.none() | idents}
fields = st.fixed_dictionaries({}, optional={**values, **links})
owners = settled["owner"]
linked = st.fixed_dictionaries({"name": names}, optional=links)
some = fields | st.fixed_dictionaries({}, optional={**values, **settled})
steps = st.lists(st.sampled_from(ACTIONS) | some, min_size=1, max_size=4)


EMPTY: Item = {
    "name": "a", "size": 0, "note": "", "seal": None, "owner": None, "visibility": "private", "hidden": False,
    "protected": False, "hold": None, "tags": [], "base": None, "seen": [], "within": None,
}  # fmt: skip


def fitted(type_name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return values as a type has them: scraps have fewer links, and each type its own words for states."""
    papers = type_name == "exam_papers"
    states = {"first": "drafted", "later": "active"} if papers else {"first": "draft", "later": "out"}
    made = {name: value for name, value in given.items() if papers or name not in ("seen", "within")}
    return {**made, "status": states[made["status"]]} if "status" in made else made


def class_of(chosen: Sequence[str]) -> Any:
    return TYPES[chosen[0]] if len(chosen) == 1 else Record


def python(given: dict[str, Any]) -> dict[str, Any]:
    """Return the model's values as an artifact takes them."""
    made = {name: value for name, value in given.items() if name not in ("type", "revision")}
    for name in ("base", "within"):
        if made.get(name) is not None:
            made[name] = Link(UUID(int=made[name]))
    if "seen" in made:
        made["seen"] = [Link(UUID(int=each)) for each in made["seen"]]
    return made


def told(artifact: Any) -> Item:
    """Return an artifact's values as the model has them."""
    made: Item = {name: getattr(artifact, name) for name in PLAIN}
    for name in ("base", "within"):
        if hasattr(artifact, name):
            held = getattr(artifact, name)
            made[name] = None if held is None else held.id.int
    if hasattr(artifact, "seen"):
        made["seen"] = [each.id.int for each in artifact.seen]
    kind = type(artifact).__type_name__
    return {**made, "type": kind, "version": str(artifact.version), "revision": artifact.revision}

"""What the rules say, in plain dicts: who sees what, who may do what, which states lead where.

It shares no code with the engine, nor its tables: life cycles and the usual policy are written down here again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

from metastore._principal import Principal

__all__ = ["Caller", "Item", "Refused", "Rules", "is_admin"]

Caller = Principal | None
Item = dict[str, Any]

INITIAL = {"exam_papers": "drafted", "exam_scraps": "draft"}
MOVES = {
    "exam_papers": {
        "activate": {"drafted": "active"},
        "deactivate": {"active": "deactivated"},
        "reactivate": {"deactivated": "active"},
    },
    "exam_scraps": {
        "submit": {"draft": "review"},
        "accept": {"review": "out"},
        "reject": {"review": "draft"},
    },
}
SEALED = {"active", "review"}
"""States that need a seal, and in which only what is mutable changes."""
FROZEN = {"deactivated", "out"}
FIXED = ("name", "version", "size", "seal")
LOOSE = ("note", "tags", "base", "seen", "within")
BECOMES = {
    "publish": "public", "unpublish": "private", "communitize": "community", "share": "shared", "unshare": "private",
}  # fmt: skip
ADMINS = {"publish", "unpublish", "deactivate", "reactivate", "transfer", "hold"}
OWNERS = {"activate", "communitize", "share", "unshare", "add_member", "delete_member"}


class Refused(Exception):
    """The model refuses; its text is the name of the error that the engine must raise."""


def is_admin(caller: Principal) -> bool:
    return "admin" in caller.roles


class Rules:
    """A catalogue as the rules would have it: ``items`` that live, by id, and ``members``, by id and project."""

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.members: dict[tuple[int, str], str] = {}

    def copy(self) -> Rules:
        made = Rules()
        made.items, made.members = deepcopy(self.items), dict(self.members)
        return made

    # --- seeing ---

    def sees(self, caller: Caller, ident: int) -> bool:
        """Whether the caller gets it by its id."""
        if ident not in self.items:
            return False
        item = self.items[ident]
        if caller is None or is_admin(caller) or item["visibility"] in ("public", "community"):
            return True
        mine = caller.project is not None and item["owner"] == caller.project
        return mine or (item["visibility"] == "shared" and (ident, caller.project) in self.members)

    def lists(self, caller: Caller, ident: int) -> bool:
        """Whether the caller is shown it unasked."""
        if caller is None:
            return True
        item = self.items[ident]
        if item["hidden"] or not self.sees(caller, ident):
            return False
        mine = caller.project is not None and item["owner"] == caller.project
        agreed = item["visibility"] == "shared" and self.members.get((ident, str(caller.project))) == "accepted"
        return is_admin(caller) or mine or item["visibility"] == "public" or agreed

    def shown(self, caller: Caller, types: Iterable[str], *, unlisted: bool = False) -> list[int]:
        """Return the ids that the caller is shown, in order."""
        found = [ident for ident, item in self.items.items() if item["type"] in types]
        see = self.sees if unlisted else self.lists
        return sorted(ident for ident in found if see(caller, ident))

    def at(self, caller: Caller, ident: int, revision: int | None = None) -> Item:
        """Return what the caller wants to act on, at the revision that it knows."""
        if not self.sees(caller, ident):
            raise Refused("NotFoundError")
        if revision is not None and self.items[ident]["revision"] != revision:
            raise Refused("StaleRevisionError")
        return self.items[ident]

    def edges_to(self, ident: int) -> Iterator[tuple[int, str]]:
        """Yield who links there and by which field, in order."""
        for source in sorted(self.items):
            for name in ("base", "seen", "within"):
                held = self.items[source].get(name)
                if held == ident or (isinstance(held, list) and ident in held):
                    yield source, name

    # --- the usual policy ---

    def may(self, caller: Caller, action: str, item: Item, member: str | None = None) -> bool:
        if caller is None or is_admin(caller):
            return True
        if action in ADMINS:
            return False
        if action == "modify_member":
            return caller.project is not None and caller.project == member
        mine = caller.project is not None and caller.project == item["owner"]
        if action in OWNERS:
            return mine
        return mine and item["visibility"] != "public" and not (action == "delete" and item["status"] == "deactivated")

    def need(self, caller: Caller, action: str, item: Item, member: str | None = None) -> None:
        if not self.may(caller, action, item, member):
            raise Refused("ForbiddenError")

    # --- one step ---

    def step(self, caller: Caller, item: Item, step: str | dict[str, Any]) -> None:
        """Take one step on an item; it is the caller's to throw it away when that is refused."""
        if isinstance(step, dict):
            self._set(caller, item, step)
        elif step in BECOMES:
            self._show(caller, item, step)
        else:
            self._move(caller, item, step)

    def _set(self, caller: Caller, item: Item, fields: dict[str, Any]) -> None:
        self.need(caller, "update", item)
        if fields.get("hold", item["hold"]) != item["hold"]:
            self.need(caller, "hold", item)
        new = {name for name, value in fields.items() if value != item[name]}
        if new & {"status", "visibility", "owner"}:
            raise Refused("ValidationError")
        frozen = {*FIXED, *LOOSE} if item["status"] in FROZEN else {*FIXED} if item["status"] in SEALED else set()
        if new & frozen:
            raise Refused("FrozenFieldError")
        item.update(deepcopy(fields))

    def _show(self, caller: Caller, item: Item, action: str) -> None:
        now = item["visibility"]
        if now != BECOMES[action]:
            unready = action == "publish" and item["type"] == "exam_papers" and item["status"] != "active"
            if unready or (action == "share" and now != "private") or (action == "unshare" and now != "shared"):
                raise Refused("TransitionError")
        self.need(caller, action, item)
        item["visibility"] = BECOMES[action]

    def _move(self, caller: Caller, item: Item, action: str) -> None:
        moves = MOVES[item["type"]].get(action)
        if moves is None:
            raise Refused("ValidationError")
        target = moves.get(item["status"])
        if target is None and item["status"] not in moves.values():
            raise Refused("TransitionError")
        if target in SEALED and item["seal"] is None:
            raise Refused("TransitionError")
        self.need(caller, action, item)
        if target is not None:
            item.update({"status": target}, **({"seal": None} if action == "reject" else {}))

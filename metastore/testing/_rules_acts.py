"""What each method of the catalogue does by the rules: on the model's world, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from metastore.testing._rules_model import INITIAL, Caller, Item, Refused, Rules
from metastore.testing._rules_types import LINKS

__all__ = ["Acts"]

Step = str | dict[str, Any]


class Acts(Rules):
    """The model with every action; each raises Refused or changes the world. Take a copy before, to return to."""

    def copy(self) -> Acts:
        made = Acts()
        made.items, made.members = deepcopy(self.items), dict(self.members)
        return made

    def _write(self, ident: int, item: Item) -> None:
        """Put an item in its place, a revision on, where that changes it and nothing else is of its scope."""
        if item == self.items[ident]:
            return
        self._check_scope(ident, item)
        self.items[ident] = {**item, "revision": item["revision"] + 1}

    def _check_scope(self, ident: int, item: Item) -> None:
        def scope(each: Item) -> tuple[Any, ...]:
            public = each["visibility"] == "public"
            return each["type"], each["name"], each["version"], public, None if public else each["owner"]

        if item["type"] == "exam_papers" and any(
            scope(each) == scope(item) for key, each in self.items.items() if key != ident
        ):
            raise Refused("DuplicateError")

    def add(self, caller: Caller, ident: int, item: Item) -> None:
        made = {**item, "revision": 1}
        if caller is not None:
            made["owner"] = caller.project if item["owner"] is None else item["owner"]
            if made["owner"] is None and not self.may(caller, "transfer", made):
                raise Refused("ForbiddenError")
            self._need_all(caller, made)
        if made["status"] != INITIAL[made["type"]]:
            raise Refused("ValidationError")
        self._check_scope(ident, made)
        self.items[ident] = made

    def _need_all(self, caller: Any, made: Item) -> None:
        if made["owner"] != caller.project:
            self.need(caller, "transfer", made)
        sight = {"public": "publish", "community": "communitize", "shared": "share"}.get(made["visibility"])
        for action, asked in ((sight, sight), ("hold", made["hold"]), ("update", made["hidden"] or made["protected"])):
            if asked:
                self.need(caller, str(action), made)

    def change(self, caller: Caller, ident: int, revision: int, steps: Sequence[Step]) -> None:
        item = deepcopy(self.at(caller, ident, revision))
        for step in steps:
            self.step(caller, item, step)
        if "share" in steps and self.items[ident]["visibility"] != "shared":
            self.members = {key: answer for key, answer in self.members.items() if key[0] != ident}
        self._write(ident, item)

    def _named(self, caller: Caller, type_name: str, name: str) -> list[int]:
        seen = self.shown(caller, [type_name], unlisted=True)
        return [ident for ident in seen if self.items[ident]["name"] == name]

    def update_many(self, caller: Caller, type_name: str, name: str, fields: dict[str, Any]) -> int:
        before = {ident: self.items[ident]["revision"] for ident in self._named(caller, type_name, name)}
        made = {ident: deepcopy(self.at(caller, ident, revision)) for ident, revision in before.items()}
        for item in made.values():
            self.step(caller, item, fields)
        for ident, item in made.items():  # all are judged before any is written
            self._write(ident, item)
        return sum(self.items[ident]["revision"] != revision for ident, revision in before.items())

    def put(self, caller: Caller, ident: int, revision: int, action: str, name: str, value: Any) -> None:
        item = self.at(caller, ident, revision)
        self.need(caller, action, item)
        self._write(ident, {**item, name: value})

    # --- members ---

    def _shared(self, caller: Caller, ident: int) -> Item:
        item = self.at(caller, ident)
        if item["visibility"] != "shared":
            raise Refused("TransitionError")
        return item

    def share(self, caller: Caller, ident: int, revision: int, projects: Sequence[str]) -> None:
        self.change(caller, ident, revision, ["share"])
        for each in projects:
            self.members.setdefault((ident, each), "pending")

    def unshare(self, caller: Caller, ident: int, revision: int, projects: Sequence[str]) -> None:
        item = self._shared(caller, ident)
        if not projects:
            self.change(caller, ident, revision, ["unshare"])
            self.members = {key: answer for key, answer in self.members.items() if key[0] != ident}
        for each in projects:
            self.need(caller, "delete_member", item)
            if self.members.pop((ident, each), None) is None:
                raise Refused("NotFoundError")

    def answer(self, caller: Caller, ident: int, answer: str, project: str | None) -> None:
        name = project if project is not None or caller is None else caller.project
        if name is None:
            raise Refused("ValidationError")
        self.need(caller, "modify_member", self._shared(caller, ident), name)
        if (ident, name) not in self.members:
            raise Refused("NotFoundError")
        self.members[ident, name] = answer

    def told_members(self, caller: Caller, ident: int) -> dict[str, str]:
        item = self._shared(caller, ident)
        found = {project: answer for (of, project), answer in sorted(self.members.items()) if of == ident}
        if self.may(caller, "share", item):
            return found
        return {project: answer for project, answer in found.items() if caller and project == caller.project}

    # --- deleting ---

    def delete(self, caller: Caller, ident: int, revision: int) -> None:
        self.at(caller, ident, revision)
        self._remove(caller, ident, {ident})

    def delete_many(self, caller: Caller, type_name: str, name: str) -> int:
        going = self._named(caller, type_name, name)
        also = set(going)
        for ident in going:
            if ident in self.items:
                self._remove(caller, ident, also)
        return len(going)

    def _remove(self, caller: Caller, ident: int, going: set[int]) -> None:
        item = self.items[ident]
        self.need(caller, "delete", item)
        if item["hold"] is not None or item["protected"]:
            raise Refused("ProtectedError")
        mine = [
            (source, name)
            for source, name in self.edges_to(ident)
            if self.items[source]["owner"] == item["owner"] and source != ident
        ]
        if any(LINKS[name] == "restrict" and source not in going for source, name in mine):
            raise Refused("LinkedError")
        for source, name in mine:
            if source not in going and source in self.items:
                self._follow(caller, ident, source, name, going)
        del self.items[ident]
        self.members = {key: answer for key, answer in self.members.items() if key[0] != ident}

    def _follow(self, caller: Caller, ident: int, source: int, name: str, going: set[int]) -> None:
        if LINKS[name] == "cascade":
            going.add(source)
            self._remove(caller, source, going)
        else:
            item = self.items[source]
            self._write(source, {**item, name: [each for each in item[name] if each != ident]})

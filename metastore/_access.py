"""Access: what one caller sees of a catalogue, and may do in it.

What a caller may see is a predicate, conjoined to every query and to every hop of a link in it, so that the
database does the work; an artifact fetched by its id is looked at here. What is not visible is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from metastore._bind import Binder
from metastore._blob import Blob
from metastore._types import is_ours
from metastore.errors import ForbiddenError, QueryError, UnknownFieldError, nearest
from metastore.query import And, Compare, Followed, HasKey, Not, Or, Path, Predicate, References

if TYPE_CHECKING:
    from uuid import UUID

    from metastore._codec import Codec
    from metastore._principal import Principal
    from metastore._schema import FieldSpec, TypeSpec
    from metastore._types import Shelf, Types
    from metastore.policy import Policy, Protections

__all__ = ["GUARDED", "MEMBERS", "Access", "both"]

MEMBERS = "metastore_members"
"""The type of the engine's own in which memberships are kept."""

Specs = Callable[[str], "TypeSpec | None"]

_ALL, _NONE = And(()), Or(())
_OWNER, _VISIBILITY = Path("owner", kind="str"), Path("visibility", kind="str")
_OPEN = ("public", "community")
_ACROSS = {"get": "artifact:get_any_artifact", "list": "artifact:list_all_artifacts"}
"""Rules of those who see beyond their own project, besides the admin."""
GUARDED = {
    "hidden": ("hide", "unhide"),
    "protected": ("protect", "unprotect"),
    "hold": ("hold", "hold"),
    "expires_at": ("expire", "expire"),
}
"""The actions, each with a rule of its own, by which such a field is given a value, and by which it is emptied."""
_LISTED = Not(Compare(Path("hidden", kind="bool"), "eq", 1))


class Access:
    """One caller's eyes and hands. Immutable but for what it remembers; shared by threads.

    ``admin`` says that the policy's ``context_is_admin`` holds: such a caller sees every artifact.
    """

    __slots__ = (
        "_codecs",
        "_internal",
        "_lists",
        "_readers",
        "_scopes",
        "_specs",
        "_types",
        "admin",
        "caller",
        "policy",
        "protections",
    )

    def __init__(
        self,
        caller: Principal,
        policy: Policy,
        protections: Protections | None,
        types: Types,
        internal: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._internal = internal
        self.caller, self.policy, self.protections = caller, policy, protections
        self._types, self._specs = types, types.spec
        self.admin = policy.allows("context_is_admin", caller)
        self._scopes: dict[tuple[str, str], Predicate] = {}
        self._lists: dict[str, bool] = {}
        self._readers: dict[Shelf, Callable[[Sequence[Any]], Any]] = {}
        self._codecs: dict[Shelf, Codec] = {}

    def scope(self, spec: TypeSpec, action: str) -> Predicate:
        """Return the bound predicate of what the caller sees (``get``), or is shown in lists (``list``)."""
        key = (spec.digest, action)
        found = self._scopes.get(key)
        if found is None:
            rule = Binder(spec, self._specs).where([self.policy.where(self._rule(spec, "get"), self.caller, spec)])
            found = self._scopes[key] = both(self._visible(spec, action), rule)
        return found

    def check_list(self, spec: TypeSpec) -> None:
        """Raise ForbiddenError where the caller may not ask for lists of a type, listed or not."""
        if not self.lists(spec):
            self.require(self._rule(spec, "list"), {"owner": self.caller.project})

    def lists(self, spec: TypeSpec) -> bool:
        """Return whether lists may be asked for: decided once, of the request; what is in them by what may be got."""
        found = self._lists.get(spec.digest)
        if found is None:
            rule = self._rule(spec, "list")
            found = self._lists[spec.digest] = self.policy.allows(rule, self.caller, {"owner": self.caller.project})
        return found

    def _rule(self, spec: TypeSpec, action: str) -> str:
        return self.policy.rule(spec.name, action, spec.rules)

    def _visible(self, spec: TypeSpec, action: str) -> Predicate:
        listed = _LISTED if action == "list" else _ALL
        if self._across(action):
            return listed
        return both(Or((*self._own(), *self._others(action))), listed)

    def _across(self, action: str) -> bool:
        return self.admin or self.policy.allows(_ACROSS[action], self.caller)

    def _own(self) -> Iterable[Predicate]:
        if self.caller.project is not None:
            yield Compare(_OWNER, "eq", self.caller.project)

    def _others(self, action: str) -> Iterable[Predicate]:
        for each in _OPEN if action == "get" else ("public",):
            yield Compare(_VISIBILITY, "eq", each)
        if self.caller.project is not None:
            member: Predicate = Compare(Path("member", kind="str"), "eq", self.caller.project)
            if action == "list":
                member = And((member, Compare(Path("answer", kind="str"), "eq", "accepted")))
            yield And((Compare(_VISIBILITY, "eq", "shared"), Followed(MEMBERS, "artifact", member)))

    def sees(self, shelf: Shelf, row: Sequence[Any]) -> bool:
        """Return whether the caller sees a row that is at hand; only a shared one of another owner costs a query."""
        scope = self.scope(shelf.spec, "get")
        if scope == _ALL:
            return True
        if self._plain(shelf.spec):
            owner, visibility = row[shelf.owner], row[shelf.visibility]
            if visibility in _OPEN or (owner is not None and owner == self.caller.project):
                return True
            if visibility != "shared":
                return False
        return bool(shelf.ids(both(Compare(Path("id", kind="id"), "eq", row[0]), scope), limit=1))

    def saw(self, spec: TypeSpec, was: Mapping[str, Any]) -> bool:
        """Return whether the caller would see an artifact that is gone, by its last values; its memberships went with it."""
        own = was["owner"] is not None and was["owner"] == self.caller.project
        if not (self._across("get") or own or was["visibility"] in _OPEN):
            return False
        return self.policy.allows(self._rule(spec, "get"), self.caller, was)

    def _plain(self, spec: TypeSpec) -> bool:
        key = (spec.digest, "plain")
        if key not in self._scopes:
            always = self.policy.where(self._rule(spec, "get"), self.caller, spec) == _ALL
            self._scopes[key] = _ALL if always else _NONE
        return self._scopes[key] is _ALL

    def check(
        self, shelf: Shelf, action: str, target: Mapping[str, Any], change: Mapping[str, Any] | None = None
    ) -> None:
        """Raise ForbiddenError, with the rule in its words, where the policy does not let the caller do that."""
        self.require(self._rule(shelf.spec, action), target, change or {})

    def require(self, rule: str, target: Mapping[str, Any], change: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Raise ForbiddenError, with the rule in its words, where it does not let the caller do that."""
        if not self.policy.allows(rule, self.caller, target, change):
            raise ForbiddenError(self._reason(rule, target, change), rule=rule)

    def _reason(self, rule: str, target: Mapping[str, Any], change: Mapping[str, Any]) -> str:
        """Say why not, in terms of what the caller may read."""
        shown = {name: value for name, value in target.items() if self.reads(name)}
        decision = self.policy.why(rule, self.caller, shown, change)
        return f"{rule} does not let you" if decision.allowed else decision.reason

    def claimed(self, shelf: Shelf, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of a new artifact as this caller's own. Raises ForbiddenError for what the caller may not begin with."""
        made = dict(values) if values["owner"] is not None else {**values, "owner": self.caller.project}
        if made["owner"] is None and not self.admin:
            raise ForbiddenError(
                "an artifact belongs to a project, and you work for none", rule=self._rule(shelf.spec, "create")
            )
        if made["owner"] != self.caller.project:
            self.check(shelf, "transfer", made)
        self.check(shelf, "create", made)
        sight = {"public": "publish", "community": "communitize", "shared": "share"}.get(made["visibility"])
        governed = [given for name, (given, _) in GUARDED.items() if made.get(name)]
        for action in (*([sight] if sight else []), *governed):
            self.check(shelf, action, made)
        self.check_places(shelf, {}, made)
        self.check_protected({}, shelf.codec.said(made))
        return made

    def check_places(self, shelf: Shelf, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise ForbiddenError for a new place of bytes that the caller may not refer to.

        What a configured store gives out is not everybody's to name: whoever refers to it could read it.
        """
        for at in shelf.blobs:
            name = shelf.spec.fields[at].name
            if after.get(name):
                fresh = _urls(after[name]) - _urls(before.get(name))
                for action in sorted(
                    {"set_internal_location" if self._internal(url) else "set_location" for url in fresh}
                ):
                    self.check(shelf, action, before or after, {name: after[name]})

    # what the caller may not read

    def may(self, operation: str, of: str, name: str) -> bool:
        """Return whether a field (``of="fields"``) or property may be created, read, updated or deleted by the caller."""
        guard = self.protections
        return guard is None or guard.may(self.caller, operation, of, name, self.policy)  # type: ignore[arg-type]

    def check_protected(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Raise ForbiddenError for a field or property whose change the protections do not allow the caller."""
        if self.protections is None:
            return
        for name, value in after.items():
            if before and not self.reads(name):
                self._refuse("update", "fields", name)  # also what is equal, or guessing would tell
            if name != "properties" and value != before.get(name):
                self._allow("update" if before else "create", "fields", name)
        old, new = before.get("properties", {}), after.get("properties", before.get("properties", {}))
        for key, value in new.items():
            if key not in old or old[key] != value:
                self._allow("update" if key in old else "create", "properties", key)
        for key in old:
            if key not in new:
                self._allow("delete", "properties", key)

    def _allow(self, operation: str, of: str, name: str) -> None:
        if not self.may(operation, of, name):
            self._refuse(operation, of, name)

    def _refuse(self, operation: str, of: str, name: str) -> NoReturn:
        what = "property" if of == "properties" else "field"
        raise ForbiddenError(f"the {what} {name!r} is protected: you may not {operation} it", rule=name)

    def kept(self, before: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields to set with the properties that the caller cannot see as they were.

        One that it cannot see it sets with the right to create and to update it: a refusal must not tell if it is there.
        """
        given = fields.get("properties")
        if self.protections is None or not isinstance(given, dict):
            return fields
        for key in given:
            every = all(self.may(operation, "properties", key) for operation in ("create", "update"))
            if not every and not self.may("read", "properties", key):
                self._refuse("set", "properties", key)
        unseen = {key: value for key, value in before.items() if not self.may("read", "properties", key)}
        return {**fields, "properties": {**unseen, **given}}

    def blind(self, fields: Mapping[str, Any]) -> bool:
        """Return whether setting these fields sets a property that the caller cannot read."""
        given = fields.get("properties")
        if self.protections is None or not isinstance(given, dict):
            return False
        return not all(self.may("read", "properties", key) for key in given)

    def known(self, shelf: Shelf, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of an artifact that the caller made, without unset ones whose stored value it cannot know."""
        if self.protections is None:
            return values
        said = shelf.codec.said(values)
        return {name: value for name, value in values.items() if name in said or self.reads(name)}

    def reads(self, field: str) -> bool:
        """Return whether the caller may read a field."""
        return self.may("read", "fields", field)

    def reader(self, shelf: Shelf) -> Callable[[Sequence[Any]], Any]:
        """Return what makes an artifact of a row, without what the caller may not read."""
        found = self._readers.get(shelf)
        if found is None:
            found = self._readers[shelf] = self._reader(shelf)
        return found

    def _reader(self, shelf: Shelf) -> Callable[[Sequence[Any]], Any]:
        decode: Callable[[Sequence[Any]], Any] = self._codec(shelf).decode
        if self.protections is None:
            return decode
        hidden = [each.name for each in shelf.spec.fields if not self.may("read", "fields", each.name)]

        def read(row: Sequence[Any]) -> Any:
            made = decode(row)
            for name in hidden:
                made.__dict__.pop(name, None)
            if (properties := made.__dict__.get("properties")) is not None:
                made.__dict__["properties"] = self.readable(properties)
            return made

        return read

    def _codec(self, shelf: Shelf) -> Codec:
        found = self._codecs.get(shelf)
        if found is None:
            found = self._codecs[shelf] = shelf.codec.seen_by(self.leads)
        return found

    def leads(self, target: str, ident: UUID) -> bool:
        """Return whether a link to a type (empty: to any) leads to an artifact of it that the caller sees."""
        name = self._types.live(ident)
        if name is None or target not in ("", name):
            return False
        shelf = self._types.shelf(self._types.cls(name))
        return any(self.sees(shelf, row) for row in shelf.fetch([ident.bytes]))

    def read(self, shelf: Shelf) -> Callable[[str, Any], Any]:
        """Return what makes a value of one column, for projections, without what the caller may not read."""
        codec = self._codec(shelf)

        def read(name: str, value: Any) -> Any:
            found = codec.read(name, value)
            return self.readable(found) if name == "properties" and self.protections is not None else found

        return read

    def readable(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Return the properties that the caller may read."""
        return {key: value for key, value in properties.items() if self.may("read", "properties", key)}

    def dumped(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a dumped artifact without what the caller may not read."""
        if self.protections is None:
            return dict(record)
        shown = {name: value for name, value in record.items() if name == "type" or self.reads(name)}
        return {**shown, "properties": self.readable(record["properties"])} if "properties" in shown else shown

    def binder(self, shelf: Shelf) -> Binder:
        """Return a binder whose queries never tell more than the caller may see."""
        return _Scoped(shelf.spec, self._spec_of_theirs, self)

    def _spec_of_theirs(self, name: str) -> TypeSpec | None:
        return None if is_ours(name) else self._specs(name)


class _Scoped(Binder):
    """Binds queries of one caller: every type that a link leads to is scoped, and what may not be read is not there."""

    def __init__(self, spec: TypeSpec, specs: Specs, access: Access) -> None:
        super().__init__(spec, specs)
        self._access = access

    def _at(self, spec: TypeSpec) -> Binder:
        return _Scoped(spec, self._specs, self._access)

    def _hop(self, predicate: Predicate, depth: int) -> Predicate:
        return both(self._bind(predicate, depth), self._access.scope(self._spec, "get"))

    def path(self, path: Path) -> tuple[Path, FieldSpec]:
        """Return the checked path; what the caller may not read is an unknown field or a refused property."""
        if path.field in self._spec.by_name and not self._access.may("read", "fields", path.field):
            readable = [name for name in self._spec.by_name if self._access.may("read", "fields", name)]
            raise UnknownFieldError(f"{self._spec.name} has no field {path.field!r}: {nearest(path.field, readable)}")
        bound = super().path(path)
        if path.field == "properties":
            self._check_property(path)
        return bound

    def _check_property(self, path: Path) -> None:
        if path.keys and not self._access.may("read", "properties", path.keys[0]):
            raise QueryError(f"properties[{path.keys[0]!r}] of {self._spec.name} cannot be asked by this caller")

    def _leaf(self, predicate: Predicate) -> Predicate:
        bound = super()._leaf(predicate)
        if isinstance(bound, HasKey) and bound.path.field == "properties" and not bound.path.keys:
            self._check_property(Path("properties", (bound.key,)))
        return bound

    def _searched(self, fields: Iterable[str]) -> tuple[str, ...]:
        given = tuple(fields)
        if given or self._access.protections is None:
            return super()._searched(given)
        searched = [each.name for each in self._spec.searched]
        readable = tuple(name for name in searched if self._access.may("read", "fields", name))
        if searched and not readable:
            raise QueryError(f"nothing of {self._spec.name} that this caller may read is searched")
        return () if len(readable) == len(searched) else readable

    def _references(self, predicate: References) -> Predicate:
        for each in self._spec.fields:
            if each.kind in ("blob", "folder") and not self._access.may("read", "fields", each.name):
                raise QueryError(
                    f"{self._spec.name} cannot be asked by reference: this caller may not read all its blobs"
                )
        return super()._references(predicate)


def _urls(value: Any) -> set[str]:
    """Return the urls of a blob, or of a folder of them."""
    blobs = [value] if isinstance(value, Blob) else value.values() if isinstance(value, Mapping) else ()
    return {url for each in blobs if isinstance(each, Blob) for url in each.urls}


def both(first: Predicate, second: Predicate) -> Predicate:
    """Return the conjunction of two bound predicates, flat, so that a compiler sees its parts."""
    parts = [part for each in (first, second) for part in (each.items if isinstance(each, And) else (each,))]
    return parts[0] if len(parts) == 1 else And(tuple(parts))

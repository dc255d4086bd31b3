"""Governing: states, sight, members, ownership and holds of artifacts, and quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

from metastore._artifact import Record
from metastore._deleting import Deleting
from metastore._link import Link
from metastore._steps import Put, Step
from metastore._transaction import atomic
from metastore._values import text
from metastore.errors import NotFoundError, TransitionError, ValidationError
from metastore.query import Compare, Path

if TYPE_CHECKING:
    from metastore._members import Membership
    from metastore._quotas import Allowance, Quota

__all__ = ["Governing"]

A = TypeVar("A", bound=Record)


class Governing(Deleting):
    """What decides over artifacts: each method is one action, by its own rule of the policy.

    Those that take an artifact are compare-and-set on its revision, return the new one, and raise StaleRevisionError,
    NotFoundError and, for a principal, ForbiddenError. Where nothing would change nothing is written.
    """

    # states

    def act(self, artifact: A, action: str, /, **fields: Any) -> A:
        """Set fields, then take an action of the type's life cycle, together or not at all; return the new revision.

        An artifact that is in the action's target already stays as it is. Raises TransitionError, and as `change` does.

        >>> from metastore import Artifact, Catalog, Lifecycle, State, Transition
        >>> cycle = Lifecycle("open", {"open": State(), "done": State("none")}, (Transition("finish", "open", "done"),))
        >>> class Task(Artifact, type_name="tasks", lifecycle=cycle):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     catalog.act(catalog.add(Task(name="paint")), "finish", description="in blue").status
        'done'
        """
        return self.change(artifact, *([fields] if fields else []), action)

    def activate(self, artifact: A, /, **fields: Any) -> A:
        """Set fields, then make it active. Raises TransitionError, with its ``field``, where one that is required has no value.

        >>> from metastore import Artifact, Catalog, Field, field
        >>> class Note(Artifact, type_name="notes"):
        ...     text: Field[str | None] = field(default=None, required_for="active")
        >>> with Catalog.open("memory:") as catalog:
        ...     catalog.activate(catalog.add(Note(name="first")), text="hello").status
        'active'
        """
        return self.act(artifact, "activate", **fields)

    def deactivate(self, artifact: A) -> A:
        """Take an active artifact out of use; nothing of it changes until it is reactivated. Raises TransitionError."""
        return self.act(artifact, "deactivate")

    def reactivate(self, artifact: A) -> A:
        """Make a deactivated artifact active again. Raises TransitionError."""
        return self.act(artifact, "reactivate")

    # sight

    def publish(self, artifact: A) -> A:
        """Let everybody see it.

        Raises TransitionError in a state in which its type is not published, DuplicateError where another public one has its unique scope.
        """
        return self.change(artifact, "publish")

    def unpublish(self, artifact: A) -> A:
        """Let only its owner see it again. Raises DuplicateError where the owner has another that has its unique scope."""
        return self.change(artifact, "unpublish")

    def communitize(self, artifact: A) -> A:
        """Let everybody get it, without showing it in lists but to those who ask for what is unlisted."""
        return self.change(artifact, "communitize")

    # members

    @atomic
    def share(self, artifact: A, *projects: str) -> A:
        """Share a private artifact with projects, or a shared one with more; they get it at once, and list it once they accept.

        A project that is a member already keeps its answer. Raises TransitionError for an artifact that is community or public.

        >>> from metastore import Artifact, Catalog, Principal
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     note = catalog.share(catalog.add(Note(name="plan", owner="p1")), "p2")
        ...     theirs = catalog.as_(Principal(project="p2"))
        ...     theirs.get(Note, note.id).name, theirs.count(Note)
        ...     theirs.answer(note, "accepted").member, theirs.count(Note)
        ('plan', 0)
        ('p2', 1)
        """
        names = [_project(each) for each in projects]
        return self._around(artifact, ("share",), lambda: self._shared(artifact, names))  # type: ignore[no-any-return]

    def _shared(self, artifact: A, names: list[str]) -> A:
        with self.transaction():
            made: A = self._stored_change(artifact, ("share",))
            for name in names:
                self._check_member(made, "add_member", name)
                if not self._memberships(made, name):
                    self._engine().add(_membership()(artifact=Link(made), member=name))
        return made

    def _stored_change(self, artifact: Any, steps: tuple[Step | Put, ...]) -> Any:
        if "share" not in steps:
            return super()._stored_change(artifact, steps)
        with self.transaction():
            anew = self._same(artifact).visibility != "shared"
            made = super()._stored_change(artifact, steps)
            if anew:
                self._disperse(made)  # who was a member when it was shared before does not see it again by surprise
        return made

    @atomic
    def unshare(self, artifact: A, *projects: str) -> A:
        """Take projects off the members of a shared artifact; with none named all, and it is private again.

        Raises NotFoundError for a project that is no member, TransitionError for an artifact that is not shared.
        """
        if not projects:
            return self._around(artifact, ("unshare",), lambda: self._unshared(artifact))  # type: ignore[no-any-return]
        with self.transaction():
            stored = self._same(artifact)
            _check_shared(stored)
            for each in projects:
                self._check_member(stored, "delete_member", _project(each))
                self._engine().delete(self._membership_of(stored, each))
        return stored

    def _unshared(self, artifact: A) -> A:
        with self.transaction():
            _check_shared(self._same(artifact))
            made: A = self._stored_change(artifact, ("unshare",))
            self._disperse(made)
        return made

    def _disperse(self, artifact: Record) -> None:
        for member in self._memberships(artifact):
            self._engine().delete(member)

    def members(self, artifact: Record) -> list[Membership]:
        """Return the memberships of a shared artifact, by project; a principal that does not own it gets its own, or none.

        Each has ``member``, the project, and ``answer``. Raises TransitionError for an artifact that is not shared.
        """
        stored = self._same(artifact)
        _check_shared(stored)
        access = self._access
        if access is None or access.admin or stored.owner == access.caller.project:
            return self._memberships(stored)
        return self._memberships(stored, access.caller.project) if access.caller.project is not None else []

    @atomic
    def answer(self, artifact: Record, answer: str, *, project: str | None = None) -> Membership:
        """Set what a project says to a share (accepted, rejected or pending) and return the membership.

        The project is the principal's own unless it is named; the owner of the process names it. Raises NotFoundError where it is
        no member, TransitionError for an artifact that is not shared.
        """
        from metastore._members import Status

        if answer not in get_args(Status):
            raise ValidationError(f"expected an answer among {', '.join(get_args(Status))}, got {answer!r:.40}")
        name = _project(project if project is not None or self._access is None else self._access.caller.project)
        with self.transaction():
            stored = self._same(artifact)
            _check_shared(stored)
            self._check_member(stored, "modify_member", name)  # first: who is a member is not everybody's to know
            member = self._membership_of(stored, name)
            self._engine().update(member, answer=answer)
            return self._membership_of(stored, name)

    def _same(self, artifact: A) -> A:
        if not isinstance(artifact, Record):
            raise ValidationError(f"expected an artifact, got {type(artifact).__name__}")
        return self.get(type(artifact), artifact.id)

    def _memberships(self, artifact: Record, project: str | None = None) -> list[Membership]:
        member = _membership()
        shared = Compare(Path("artifact"), "eq", artifact.id)
        asked = [shared] if project is None else [shared, member.member == project]
        found = self._engine().find(member, *asked, order_by=[member.member])
        read = self._reader(self._types.shelf(member))  # the link in it is the caller's
        return [read(row) for _, row in found._rows(None)]

    def _membership_of(self, artifact: Record, project: str) -> Membership:
        found = self._memberships(artifact, _project(project))
        if not found:
            raise NotFoundError(f"{artifact.id} is not shared with {project!r}")
        return found[0]

    def _check_member(self, artifact: Record, action: str, project: str) -> None:
        if self._access is not None:
            shelf = self._types.shelf(type(artifact))
            self._access.check(shelf, action, {**artifact.__dict__, "member_id": project})

    # ownership and holds

    @atomic
    def transfer(self, artifact: A, owner: str | None) -> A:
        """Give an artifact to another project, or to none (``None``).

        Raises DuplicateError where that has another of its unique scope, QuotaError where its quota is full.
        """
        return self._put(artifact, "transfer", owner=None if owner is None else _project(owner))

    @atomic
    def hold(self, artifact: A, reason: str) -> A:
        """Put a legal hold on an artifact: until it is released nobody deletes it, not even the owner of the process.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     note = catalog.hold(catalog.add(Note(name="plan")), "case 7")
        ...     catalog.delete(note)
        Traceback (most recent call last):
        metastore.errors.ProtectedError: ... is on hold (case 7): release it first
        """
        return self._put(artifact, "hold", hold=_said(reason, "the reason of a hold"))

    @atomic
    def release(self, artifact: A) -> A:
        """Take the legal hold off; by the same rule as `hold`."""
        return self._put(artifact, "hold", hold=None)

    def _put(self, artifact: A, action: str, /, **fields: Any) -> A:
        return self._change(artifact, (Put(action, fields),))  # type: ignore[no-any-return]

    # quotas

    @atomic
    def set_quota(
        self,
        project: str | None = None,
        kind: str | None = None,
        *,
        everybody: bool = False,
        count: int | None = None,
        bytes: int | None = None,
    ) -> Quota:
        """Set how many artifacts, and how many bytes of their blobs, a project may hold; return the quota as stored.

        Without a project it is the default of each that has no own; with ``everybody`` it is of all together. ``kind`` is a
        type's name, without it all types. ``None`` is unlimited. It takes the place of the one of the same project and kind.
        Raises ValidationError; ForbiddenError by the rule ``artifact:set_quotas``.

        >>> from metastore import Artifact, Catalog
        >>> class Note(Artifact, type_name="notes"):
        ...     pass
        >>> with Catalog.open("memory:", types=[Note]) as catalog:
        ...     made = catalog.set_quota("p1", "notes", count=2)
        ...     note = catalog.add(Note(name="first", owner="p1"))
        ...     [(each.measure, each.used, each.limit) for each in catalog.quota_report("p1")]
        [('count', 1, 2), ('bytes', 0, None)]
        """
        from metastore._quotas import Quota, put

        owner = None if project is None else _project(project)
        wanted = Quota(everybody=everybody, project=owner, kind=kind, count=count, bytes=bytes)
        self._require("artifact:set_quotas", {"project_id": owner})
        with self.transaction():
            return put(self._engine(), wanted)

    @atomic
    def drop_quota(self, project: str | None = None, kind: str | None = None, *, everybody: bool = False) -> bool:
        """Take a quota away, so that the default holds again, or nothing; return whether there was one."""
        from metastore._quotas import drop

        self._require("artifact:set_quotas", {"project_id": project})
        with self.transaction():
            return drop(self._engine(), project, kind, everybody=everybody)

    def quotas(self) -> list[Quota]:
        """Return every quota that is set: those of everybody, the defaults, then by project and kind.

        Raises ForbiddenError by the rule ``artifact:list_all_quotas``.
        """
        from metastore._quotas import quotas

        self._require("artifact:list_all_quotas", {})
        return quotas(self._engine())

    def quota_report(self, project: str | None = None) -> list[Allowance]:
        """Return every quota that applies to a project, and what is used of it: two lines each, count and bytes.

        A principal's is its own project unless it is named; a quota of everybody is told to those who may list all, as what is
        used of it speaks of others. Raises ForbiddenError by the rule ``artifact:list_project_quotas``.
        """
        from metastore._quotas import report

        access = self._access
        if access is None:
            return report(self._engine(), project)
        name = access.caller.project if project is None else _project(project)
        self._require("artifact:list_project_quotas", {"project_id": name})
        whole = access.policy.allows("artifact:list_all_quotas", access.caller)
        return [each for each in report(self._engine(), name) if whole or each.scope != "catalogue"]

    def _require(self, rule: str, target: dict[str, Any]) -> None:
        if self._access is not None:
            self._access.require(rule, target)


def _membership() -> type[Membership]:
    from metastore._members import Membership

    return Membership


def _project(given: object) -> str:
    return _said(given, "the name of a project")


def _said(given: object, what: str) -> str:
    if not isinstance(given, str) or not 1 <= len(given) <= 255:
        raise ValidationError(f"expected {what}, 1 to 255 characters, got {given!r:.60}")
    return text(given, what)


def _check_shared(artifact: Record) -> None:
    if artifact.visibility != "shared":
        raise TransitionError(
            f"only a shared artifact has members, and {artifact.id} is {artifact.visibility}: share it first", "share"
        )

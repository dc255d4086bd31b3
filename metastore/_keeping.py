"""Keeping: what a catalogue lets go by rule, planned before it is done, and what it remembers of what went."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from metastore._artifact import Record
from metastore._data import evolve
from metastore._deleting import Deleting
from metastore._integrity import Holder, refuse
from metastore._link import id_of
from metastore._plan import Plan, Planned
from metastore._retention import Links, beyond, gathered, knots, settled
from metastore._tombstone import Tombstone, tombstone_of
from metastore._transaction import Transaction, atomic
from metastore._types import Shelf
from metastore._values import instant
from metastore.backend import Row
from metastore.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProtectedError,
    QueryError,
    RetryError,
    ValidationError,
)
from metastore.query import Compare, Path, Predicate

__all__ = ["Keeping"]

Rows = dict[bytes, tuple[Shelf, Row]]


class Keeping(Deleting):
    """What is kept and for how long: plans of retention, and tombstones."""

    def tombstone(self, artifact: Record | UUID | str) -> Tombstone:
        """Return what is known of a deleted artifact: what it was, who deleted it, when, and with which message.

        Raises NotFoundError for an id that was not deleted; for a principal also, in the same words, for an artifact that
        it would not have seen. A share does not count: it went with the artifact.
        """
        ident = id_of(artifact)
        found = tombstone_of(self._backend, self._types, self._access, ident)
        if found is None:
            raise NotFoundError(f"no artifact {ident} was deleted")
        return found

    def plan(
        self,
        type: type[Record],
        *predicates: Predicate,
        keep: int | None = None,
        expired: bool = True,
        at: datetime | None = None,
    ) -> Plan:
        """Return what retention would delete of what fits, and what it would leave although it is due; nothing is deleted.

        Due is what has expired ``at`` that time (now, unless given), and with ``keep`` what is beyond that many newest
        versions of an owner's name, among what fits. It stays where it is protected, on hold or linked to by what stays,
        or where the policy does not let the caller delete it, or what would go along with it. ``type`` may be an abstract base.
        Raises QueryError where nothing is asked for, ValidationError for a naive time or a ``keep`` below 1.

        >>> from metastore import Artifact, Catalog
        >>> class Build(Artifact, type_name="builds"):
        ...     pass
        >>> with Catalog.open("memory:") as catalog:
        ...     count = catalog.add_many(Build(name="app", version=f"1.{n}.0") for n in range(4))
        ...     plan = catalog.plan(Build, keep=3)
        ...     [(each.version, each.due) for each in plan.going], len(catalog.carry_out(plan).going)
        ([('1.0.0', 'beyond the newest 3')], 1)
        """
        moment = _checked(keep, at, expired=expired)
        rows, due = self._due(type, predicates, keep, moment if expired else None)
        refused: dict[bytes, str] = {}
        links = gathered(self._backend, self._types, rows, refused, self._unseen)
        going, staying = self._settled(list(due), rows, links, refused)
        items = [self._planned(*rows[ident], why, stays=staying.get(ident)) for ident, why in due.items()]
        for ident, along in going.items():
            if along is not None:
                shelf, with_ = rows[ident][0], rows[along][0].spec.name
                items.append(
                    self._planned(shelf, rows[ident][1], f"goes with {with_} {UUID(bytes=along)}", along=along)
                )
        return Plan(self.id, _rule(keep, moment if expired else None), moment, tuple(items))

    def _due(
        self, type: type[Record], predicates: tuple[Predicate, ...], keep: int | None, moment: datetime | None
    ) -> tuple[Rows, dict[bytes, str]]:
        rows: Rows = {}
        due: dict[bytes, str] = {}
        if moment is not None:
            over = Compare(Path("expires_at"), "le", moment)
            for one in self._asked(type, (*predicates, over), (), unlisted=True):
                at = one.shelf.spec.position["expires_at"]
                for row in one.stream(None, None):
                    rows[row[0]], due[row[0]] = (one.shelf, row), f"expired at {_iso(instant(row[at]))}"
        if keep is not None:
            for one in self._asked(type, predicates, (), unlisted=True):
                for row in beyond(one, keep):
                    rows[row[0]] = (one.shelf, row)
                    due[row[0]] = "; ".join(filter(None, [due.get(row[0]), f"beyond the newest {keep}"]))
        return rows, due

    def _unseen(self, holder: Holder) -> str | None:
        return None if self._sees(holder.shelf, holder.row) else "another artifact of its owner would go with it"

    def _settled(
        self, due: list[bytes], rows: Rows, links: Links, refused: Mapping[bytes, str]
    ) -> tuple[dict[bytes, bytes | None], dict[bytes, str]]:
        kept = {ident: why for ident, each in rows.items() if (why := self._refusal(*each)) is not None}

        def linked(ident: bytes, holder: Holder) -> str:
            return str(refuse(*rows[ident], holder, self._names))

        return settled(due, links, {**refused, **kept}, linked)

    def _refusal(self, shelf: Shelf, row: Row) -> str | None:
        try:
            self._check_removable(shelf, row)
        except (ForbiddenError, ProtectedError) as refused:
            return str(refused)
        return None

    def _planned(
        self, shelf: Shelf, row: Row, due: str, *, along: bytes | None = None, stays: str | None = None
    ) -> Planned:
        at, access = shelf.spec.position, self._access
        name, version, owner = (
            row[at[each]] if each in at and (access is None or access.may("read", "fields", each)) else None
            for each in ("name", "version", "owner")
        )
        ident, with_ = UUID(bytes=row[0]), None if along is None else UUID(bytes=along)
        return Planned(ident, shelf.spec.name, name, version, owner, row[shelf.revision], due, with_, stays)

    @atomic
    def carry_out(self, plan: Plan) -> Plan:
        """Delete what the plan names to go, where it is still as it was; return what went, and what was left and why.

        One transaction; its message in the history is the plan's rule. Nothing goes that the plan does not name. What
        changed since, or what a hook refuses, is left, with all that is tied to it. A plan of nothing does nothing.
        Raises ValidationError for a plan of another catalogue.
        """
        if not isinstance(plan, Plan) or plan.catalogue != self.id:
            raise ValidationError(f"expected a plan of this catalogue, got {plan!r:.60}: make one with plan()")
        if not plan.going:
            return evolve(plan, items=())
        with self.transaction(message=f"retention: {plan.rule}") as commit:
            left = self._carried_out({each.id.bytes: each for each in plan.going}, commit)
        return evolve(plan, items=tuple(evolve(each, stays=left.get(each.id.bytes)) for each in plan.going))

    def _carried_out(self, named: dict[bytes, Planned], commit: Transaction) -> dict[bytes, str]:
        """Delete what may still go; return why the rest is left."""
        rows, left = self._as_planned(named)
        refused: dict[bytes, str] = {}
        links = gathered(self._backend, self._types, rows, refused, _not_named)
        roots = [ident for ident in rows if named[ident].along is None]
        going, staying = self._settled(roots, rows, links, refused)
        left |= staying
        for ident in rows.keys() - going.keys() - left.keys():
            left[ident] = f"it was to go with {named[ident].along}, and does not any more"
        for group in knots(going, links):
            left |= self._gone(group, rows, commit)
        return left

    def _as_planned(self, named: dict[bytes, Planned]) -> tuple[Rows, dict[bytes, str]]:
        """What is still as the plan has it, and why the others are left."""
        rows: Rows = {}
        left = dict.fromkeys(named, "it is not there any more")
        for name in dict.fromkeys(each.type for each in named.values()):
            shelf = self._types.shelf(self.artifact_type(name))
            self._check_writable(shelf)
            ids = [ident for ident, each in named.items() if each.type == name]
            for row in self._visible(shelf, self._backend.fetch(shelf.spec, ids)):
                was, now = named[row[0]].revision, row[shelf.revision]
                if was == now:
                    rows[row[0]] = (shelf, row)
                    del left[row[0]]
                else:
                    left[row[0]] = f"it changed since: it is at revision {now}, not {was}"
        return rows, left

    def _gone(self, group: list[bytes], rows: Rows, commit: Transaction) -> dict[bytes, str]:
        """Delete a group, all or none; return why it is left."""
        going = set(group)
        try:
            with self.transaction():
                for ident in group:
                    self._delete_one(rows[ident][0], ident, commit, going)
        except RetryError:
            raise
        except (ConflictError, ForbiddenError) as refused:
            return dict.fromkeys(group, str(refused))
        return {}


def _not_named(holder: Holder) -> str:
    return f"{holder.shelf.spec.name} would go with it, which the plan does not name: make a new plan"


def _checked(keep: Any, at: Any, *, expired: bool) -> datetime:
    """Return the time by which to judge."""
    if keep is None and not expired:
        raise QueryError("a plan needs something to go by: expired=True, or keep=N")
    if keep is not None and (type(keep) is not int or keep < 1):
        raise ValidationError(f"expected keep as a whole number, 1 or more, got {keep!r:.40}")
    if at is None:
        return datetime.now(UTC)
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ValidationError(f"expected at as a datetime with a time zone, got {at!r:.60}")
    return at.astimezone(UTC)


def _rule(keep: int | None, moment: datetime | None) -> str:
    parts = [
        "" if moment is None else f"expired by {_iso(moment)}",
        "" if keep is None else f"beyond the newest {keep} of an owner's name",
    ]
    return ", or ".join(filter(None, parts))


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

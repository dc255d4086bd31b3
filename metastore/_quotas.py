"""Quotas: how many artifacts, and how many bytes, a project or the whole catalogue may hold.

They are artifacts of a type of the engine's own, so that their history says who changed them. A catalogue that never had
one does not store that type, which is how `limits_for` knows at once; the first one has the backend begin its tally.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from metastore._artifact import Field, Record, field
from metastore._building import TYPE_NAME
from metastore._data import Data
from metastore.backend import Usage
from metastore.errors import QuotaError, ValidationError, nearest
from metastore.query import Absent, Compare, Or, Path, Predicate, Query

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = [
    "KEPT",
    "QUOTAS",
    "Allowance",
    "Limit",
    "Quota",
    "check",
    "drop",
    "from_glare",
    "limits_for",
    "put",
    "quotas",
    "report",
    "room",
]

QUOTAS = "metastore_quotas"
"""The type of the engine's own in which quotas are kept."""

KIND = "[a-z][a-z0-9_]{0,47}"
"""What catalogues have stored of that type; names of types may be fewer, but no stored pattern ever becomes tighter."""

Measure = Literal["count", "bytes"]
Scope = Literal["catalogue", "default", "project"]
MEASURES: tuple[Measure, ...] = ("count", "bytes")


class Quota(Record, type_name=QUOTAS, unique=("everybody", "project", "kind")):
    """How much may be held: by one ``project``, by each project that has no quota of its own (no ``project``), or by ``everybody`` together.

    It is of one type (``kind``), or of all types together. ``None`` for ``count`` or ``bytes`` is unlimited.
    """

    everybody: Field[bool] = field(default=False, description="Of the whole catalogue, not of one project.")
    project: Field[str | None] = field(
        default=None, min_length=1, max_length=255, index=True, description="Whose; absent: of each that has no own."
    )
    kind: Field[str | None] = field(
        default=None, pattern=KIND, description="Name of the type; absent: all types together."
    )
    count: Field[int | None] = field(default=None, ge=0, mutable=True, description="Most live artifacts.")
    bytes: Field[int | None] = field(default=None, ge=0, mutable=True, unit="bytes", description="Most bytes of blobs.")


KEPT = {QUOTAS: Quota}
"""The class by its name; that it is known tells nobody whether a quota was ever set."""


class Limit(Data):
    """One quota as it applies to a project: ``kind`` is ``None`` for all types together, a number ``None`` for unlimited."""

    scope: Scope
    kind: str | None
    count: int | None
    bytes: int | None


class Allowance(Data):
    """One line of a report: what a quota allows, and what is used of it. ``limit`` is ``None`` for unlimited."""

    scope: Scope
    kind: str | None
    measure: Measure
    limit: int | None
    used: int


# what applies


def limits_for(catalog: Catalog, owner: str | None, kind: str) -> list[Limit]:
    """Return the limits that hold for an owner's artifacts of a type: the catalogue's first, that of all types before the type's.

    What has no owner is of no project: only the catalogue's limits hold for it. One select by index; none where no quota was ever set.
    """
    return [each for each in _limits(catalog, owner) if each.kind in (None, kind)] if _set(catalog) else []


def _set(catalog: Catalog) -> bool:
    """Whether a quota was ever set."""
    return catalog._types.has(QUOTAS)


def _limits(catalog: Catalog, owner: str | None) -> list[Limit]:
    """Every limit that concerns an owner; a project's own takes the place of the default of the same kind."""
    shelf = catalog._types.shelf(Quota)
    at = [shelf.spec.position[name] for name in ("everybody", "project", "kind", "count", "bytes")]
    found: dict[tuple[bool, str], Limit] = {}
    limits = [_limit(*[row[place] for place in at]) for row in shelf.select(Query(QUOTAS, _concerning(owner)))]
    for each in sorted(limits, key=lambda limit: limit.scope):  # catalogue, default, project: later wins
        if owner is not None or each.scope == "catalogue":
            found[each.scope != "catalogue", each.kind or ""] = each
    return [found[key] for key in sorted(found)]


def _concerning(owner: str | None) -> Predicate:
    project = Path("project", kind="str")
    return Absent(project) if owner is None else Or((Absent(project), Compare(project, "eq", owner)))


def _limit(everybody: int, project: str | None, kind: str | None, count: int | None, bytes: int | None) -> Limit:
    scope: Scope = "catalogue" if everybody else "default" if project is None else "project"
    return Limit(scope, kind, count, bytes)


# what is used


def check(catalog: Catalog, kind: str, more: Mapping[str | None, tuple[int, int]], *, moved: bool = False) -> None:
    """Raise QuotaError if owners could not hold so many more artifacts of a type, and bytes of them.

    Called inside the transaction of the write, before it. ``moved`` says that the catalogue holds them already, under another
    owner: then only the new owner's limits count. What takes nothing more is never refused, even above a limit that was lowered.
    """
    total = sum(count for count, _ in more.values()), sum(bytes for _, bytes in more.values())
    for owner, own in more.items():
        used: dict[bool, dict[str, Usage]] = {}
        for limit in limits_for(catalog, owner, kind):
            everybody = limit.scope == "catalogue"
            if everybody and moved:
                continue
            if everybody not in used:
                used[everybody] = catalog._backend.usage(owner, everybody=everybody)
            for measure, asked in zip(MEASURES, total if everybody else own, strict=True):
                _refuse_beyond(limit, measure, _used(used[everybody], limit.kind, measure), asked, owner)


def room(catalog: Catalog, owner: str | None, kind: str) -> int | None:
    """Return how many bytes more an owner could hold of a type, ``None`` for no limit; exact only while the write lock is held."""
    left: list[int] = []
    for limit in limits_for(catalog, owner, kind):
        if limit.bytes is not None:
            usage = catalog._backend.usage(owner, everybody=limit.scope == "catalogue")
            left.append(max(0, limit.bytes - _used(usage, limit.kind, "bytes")))
    return min(left, default=None)


def _used(usage: Mapping[str, Usage], kind: str | None, measure: str) -> int:
    return sum(getattr(held, measure) for name, held in usage.items() if kind in (None, name))


def _refuse_beyond(limit: Limit, measure: Any, used: int, more: int, owner: str | None) -> None:
    most: int | None = getattr(limit, measure)
    if most is None or more <= 0 or used + more <= most:
        return
    project = None if limit.scope == "catalogue" else owner
    who = "the catalogue" if project is None else f"project {project}"
    what = f"{most} {limit.kind or 'artifacts'}" if measure == "count" else f"{most} bytes of {limit.kind or 'blobs'}"
    unit, some = (" bytes", "some") if measure == "bytes" else ("", "one")
    asked = "" if more == 1 and measure == "count" else f" and {more}{unit} more do not fit"
    raise QuotaError(
        f"{who} may hold {what} and holds {used}{',' * bool(asked)}{asked}; delete {some}, or ask for more",
        limit=most, used=used, project=project, kind=limit.kind, measure=measure,
    )  # fmt: skip


def report(catalog: Catalog, project: str | None) -> list[Allowance]:
    """Return every quota that applies to a project with what is used of it, the catalogue's first; of no project only those.

    Two lines each: count, then bytes.
    """
    if not _set(catalog):
        return []
    usage = {everybody: catalog._backend.usage(project, everybody=everybody) for everybody in (True, False)}
    return [
        Allowance(each.scope, each.kind, measure, getattr(each, measure), _used(mine, each.kind, measure))
        for each in _limits(catalog, project)
        for mine in (usage[each.scope == "catalogue"],)
        for measure in MEASURES
    ]


# setting them


def quotas(catalog: Catalog) -> list[Quota]:
    """Return every quota that is set, those of the catalogue first, then the defaults, then by project and kind."""
    if not _set(catalog):
        return []
    return list(catalog.find(Quota, order_by=[-Quota.everybody, Quota.project, Quota.kind]))


def put(catalog: Catalog, quota: Quota) -> Quota:
    """Set a quota, in the place of the one of the same project and kind, and return it as stored.

    Raises ValidationError for a type that the catalogue does not know.
    """
    with catalog.transaction():
        _check(catalog, quota)
        catalog._backend.tally()
        return catalog.upsert(quota)


def _check(catalog: Catalog, quota: Quota) -> None:
    if quota.everybody and quota.project is not None:
        raise ValidationError(f"a quota is of everybody or of project {quota.project}, not of both; leave one out")
    if quota.kind is None:
        return
    known = catalog._types.names()
    if quota.kind not in known:
        raise ValidationError(f"the catalogue knows no type {quota.kind!r} to limit: {nearest(quota.kind, known)}")


def drop(catalog: Catalog, project: str | None = None, kind: str | None = None, *, everybody: bool = False) -> bool:
    """Take a quota away, so that the default, or nothing, holds in its place; return whether there was one."""
    for each in quotas(catalog):
        if (each.everybody, each.project, each.kind) == (everybody, project, kind):
            catalog.delete(each)
            return True
    return False


# from Glare

_GLARE: dict[str, Measure] = {"max_artifact_number": "count", "max_uploaded_data": "bytes"}


def from_glare(answer: Mapping[str, Any]) -> list[Quota]:
    """Return the quotas of what Glare answers to ``GET /quotas``: its ``global_quotas`` as defaults, then each project's.

    Glare's -1 is unlimited. There each number of a project stands for itself; here a project's quota takes the place of the whole
    default, so the default's other number is written into it. Raises ValidationError for an unknown name, a value below -1.

    >>> from_glare({"quotas": [{"project_id": "p1", "project_quotas": [
    ...     {"quota_name": "max_artifact_number:images", "quota_value": 3}]}]})[0].count
    3
    """
    whole = _mapping(answer, "the quotas of Glare")
    defaults = _numbers(_mapping(whole.get("global_quotas", {}), "global_quotas").items(), "global_quotas")
    made = [_quota(None, kind, numbers) for kind, numbers in defaults.items()]
    for each in _mappings(whole.get("quotas", []), "quotas"):
        project = each.get("project_id")
        if not isinstance(project, str) or not project:
            raise ValidationError(f"expected a project_id as text, got {project!r:.40}")
        given = _mappings(each.get("project_quotas", []), f"project_quotas of {project}")
        named = [(one.get("quota_name"), one.get("quota_value")) for one in given]
        for kind, numbers in _numbers(named, f"project {project}").items():
            made.append(_quota(project, kind, {**defaults.get(kind, {}), **numbers}))
    return made


def _quota(project: str | None, kind: str | None, numbers: Mapping[Measure, int | None]) -> Quota:
    return Quota(project=project, kind=kind, count=numbers.get("count"), bytes=numbers.get("bytes"))


def _mapping(given: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ValidationError(f"expected {what} as a mapping, got {type(given).__name__}")
    return given


def _mappings(given: Any, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(given, list | tuple):
        raise ValidationError(f"expected {what} as a list, got {type(given).__name__}")
    return [_mapping(each, f"each of {what}") for each in given]


def _numbers(named: Iterable[tuple[Any, Any]], where: str) -> dict[str | None, dict[Measure, int | None]]:
    found: dict[str | None, dict[Measure, int | None]] = {}
    for name, value in named:
        measure, colon, kind = str(name).partition(":")
        if measure not in _GLARE or (colon and not TYPE_NAME.fullmatch(kind)):
            raise ValidationError(
                f"{where}: no quota is named {name!r:.80}: {nearest(measure, _GLARE)}, or one of them, a colon and a type"
            )
        if type(value) is not int or value < -1:
            raise ValidationError(
                f"{where}: expected {name} as a whole number, 0 or more, or -1 for unlimited, got {value!r:.40}"
            )
        found.setdefault(kind or None, {})[_GLARE[measure]] = None if value < 0 else value
    return found

"""Statements that no query asks for: rows by id or name, what is known of ids, the links around them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal_column, select

from metastore_sql._columns import IDENT, NUMBER, TEXT
from metastore_sql._compile import Conditions, number
from metastore_sql._compiled import Compiled
from metastore_sql._reading import Condition, Rows
from metastore_sql._tables import Relation

__all__ = ["closure", "deleted", "fetch", "identify", "named", "neighbours", "recorded"]


def _these(conditions: Conditions, column: Any, one: bool) -> Condition:
    """Return that a column is one of the ids, which are the first value; where there is but one, a server plans better."""
    if one:
        found: Condition = column == conditions.p.one(0, IDENT, lambda ids: ids[0])
        return found
    return conditions.reading.among(conditions.p, column, 0)


def fetch(conditions: Conditions, relation: Relation, one: bool) -> Compiled:
    """Return the statement of the rows with ids."""
    rows = relation.table
    return conditions.p.compiled(select(*relation.columns).where(_these(conditions, rows.c.id, one)))


def named(conditions: Conditions, relation: Relation, versioned: bool) -> Compiled:
    """Return the statement of the rows of a name (and version), the highest version first."""
    p, rows = conditions.p, Rows(relation, "t")
    found = select(*[rows.c[each.name] for each in relation.spec.columns])
    found = found.where(rows.c["name"] == p.one(0, rows.c["name"].type))
    if versioned:
        found = found.where(rows.c.version == p.one(2, rows.c.version.type))
    keys = [conditions.reading.order(rows.c[name], descending=True) for name in ("version__key", "version")]
    return p.compiled(found.order_by(*keys, rows.c.id.desc()).limit(p.one(1, NUMBER)))


def identify(conditions: Conditions, one: bool) -> Compiled:
    """Return the statement of what is known of ids: each with its type and state."""
    known = conditions.own.identity
    found = select(known.c.id, known.c.type, known.c.state)
    return conditions.p.compiled(found.where(_these(conditions, known.c.id, one)))


def recorded(conditions: Conditions) -> Compiled:
    """Return the statement of the transactions with ids of commits."""
    ident = conditions.own.transactions.c.id
    return conditions.p.compiled(select(ident).where(conditions.reading.among(conditions.p, ident, 0)))


def deleted(conditions: Conditions) -> Compiled:
    """Return the statement of an artifact's delete: the columns of a Commit, then those of a Change.

    A delete is the last revision, so the index finds it at once.
    """
    x, c = conditions.own.transactions.c, conditions.own.changes.c
    part = (c.kind, c.artifact, c.revision, c.spec, c.digest, c.parents, c.before, c.after, c.checkpoint)
    found = select(x.id, x.time, x.actor, x.message, *part).where(
        x.seq == c.tx, c.artifact == conditions.p.one(0, IDENT), c.kind == literal_column("'delete'")
    )
    return conditions.p.compiled(found.order_by(c.revision.desc()).limit(number(1)))


def neighbours(conditions: Conditions, backwards: bool, field: bool, one: bool) -> Compiled:
    """Return the statement of the links of ids, or backwards to them."""
    links = conditions.own.links
    here = links.c.target if backwards else links.c.source
    found = select(links.c.source, links.c.field, links.c.target)
    return conditions.p.compiled(found.where(_these(conditions, here, one), *_only(conditions, links, field)))


def closure(conditions: Conditions, bounded: bool, backwards: bool, field: bool, one: bool) -> Compiled:
    """Return the statement of every link within reach of ids; what has links has an identity, so the walk starts there."""
    links, step, known = conditions.own.links.alias("l"), conditions.own.links.alias("m"), conditions.own.identity.c
    here, there = ("target", "source") if backwards else ("source", "target")
    depth = (number(0).label("depth"),) if bounded else ()
    seed = select(known.id.label("id"), *depth).where(_these(conditions, known.id, one))
    near = seed.cte("near", recursive=True)
    further = select(step.c[there], *((near.c.depth + number(1),) if bounded else ()))
    further = further.where(step.c[here] == near.c.id, *_only(conditions, step, field))
    if bounded:
        further = further.where(near.c.depth < conditions.p.one(1, NUMBER) - number(1))
    near = near.union(further)
    found = select(links.c.source, links.c.field, links.c.target)
    reached = conditions.reading.within(links.c[here], select(near.c.id))
    return conditions.p.compiled(found.where(reached, *_only(conditions, links, field)))


def _only(conditions: Conditions, links: Any, field: bool) -> list[Any]:
    return [links.c.field == conditions.p.one(2, TEXT)] if field else []

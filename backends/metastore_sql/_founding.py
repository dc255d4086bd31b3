"""Founding: making an empty database a catalogue, once, whoever else tries it at the same time.

The row of ``_turn`` comes last: a database that has it is a catalogue, whatever broke off the founding of another.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import select

from metastore.errors import DamagedError, NotACatalogError, RetryError
from metastore_sql._adding import Adding
from metastore_sql._columns import TEXT
from metastore_sql._connection import Apart, Connections
from metastore_sql._hosts import pauses
from metastore_sql._prepared import Prepared, slot
from metastore_sql._revisions import REVISION, check_revision
from metastore_sql._tables import Own, creation, own_tables

__all__ = ["opened"]

_THERE = {
    "postgresql": "SELECT to_regclass('_turn') IS NOT NULL AND to_regclass('_meta') IS NOT NULL",
    "mysql": "SELECT count(*) = 2 FROM information_schema.tables WHERE table_schema = database() AND table_name IN ('_turn', '_meta')",
}
_FOUNDING = 0x6D746131
"""``mta1``, the number of the lock."""


def opened(connections: Connections) -> tuple[Own, str]:
    """Return the own tables and the identity of a catalogue; a database that has none becomes one.

    Raises NotACatalogError for one that has none and is open read-only, and what `check_revision` raises.
    """
    with connections.apart() as apart:
        own = own_tables(connections.dialect, connections.settings.schema)
        found = _identity(apart, connections, own) or _made(apart, connections, own)
    address = connections.settings.address
    if found is None:
        raise DamagedError(f"{address} has tables of a catalogue, but not all; restore it from a copy, or give another")
    revision, least, catalogue = found
    check_revision(revision, least, address)
    return own, catalogue


def _made(apart: Apart, connections: Connections, own: Own) -> tuple[int, int, str] | None:
    """Make a catalogue, or wait for the one that somebody makes on another node of a cluster, and return what `_identity` does."""
    for _ in pauses(connections.settings.timeout):
        try:
            _make(apart, connections, own)
        except RetryError:
            continue
        break
    return _identity(apart, connections, own)


def _identity(apart: Apart, connections: Connections, own: Own) -> tuple[int, int, str] | None:
    """Return the revision, the least that a program must know, and the identity of the catalogue, ``None`` where there is none."""
    if not apart.read(_THERE[connections.dialect.name])[0][0]:
        return None
    asked = select(own.turn.c.revision, own.turn.c.least, own.meta.c.value).where(own.meta.c.key == slot(0, TEXT))
    rows = Prepared(asked, connections.dialect.sa).read(apart, "catalogue")
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def _make(apart: Apart, connections: Connections, own: Own) -> None:
    if connections.settings.read_only:
        raise NotACatalogError(
            f"{connections.settings.address} holds no catalogue; open it for writing once to make it one"
        )
    if connections.dialect.name == "mysql":
        apart.read("SELECT get_lock(concat('metastore.', database()), %s)", (connections.settings.timeout,))
        _fill(apart, connections, own)
        return
    apart.execute("BEGIN")
    apart.read("SELECT pg_advisory_xact_lock(%s)", (_FOUNDING,))
    if not apart.read("SELECT to_regnamespace(current_setting('search_path')) IS NOT NULL")[0][0]:
        quoted = connections.dialect.sa.identifier_preparer.quote(connections.settings.schema)
        apart.execute(f"CREATE SCHEMA {quoted}")
    if not apart.read(_THERE["postgresql"])[0][0]:
        _fill(apart, connections, own)
    apart.execute("COMMIT")


def _fill(apart: Apart, connections: Connections, own: Own) -> None:
    """Make what is not there; MariaDB has no transaction around it, and another node may do the same now."""
    sa = connections.dialect.sa
    for statement in creation(own.every, sa, leniently=connections.dialect.name == "mysql"):
        apart.execute(statement)
    rows = ((own.meta, ("catalogue", str(uuid4()))), (own.turn, (1, 0, 0, 0, False, REVISION, REVISION)))
    for table, values in rows:
        first = Adding(table, sa, leniently=True)
        apart.execute(first.sql, first.bind(values))

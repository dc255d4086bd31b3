"""Types: the stored specs as far as this program has read them, and the tables that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metastore.backend import Row, StoredSpec, TypeSpec, derived_value
from metastore.errors import SchemaConflictError, UnknownTypeError, nearest
from metastore_sql._connection import Connections
from metastore_sql._known import Known
from metastore_sql._ledger import Ledger
from metastore_sql._session import Session
from metastore_sql._tables import Relation
from metastore_sql._writer import TypeTable

__all__ = ["Types", "fitted_row"]


class Types:
    """The types of one catalogue; thread-safe. What a transaction read or stored is its thread's until the commit: `settle`."""

    def __init__(self, connections: Connections, ledger: Ledger) -> None:
        self._connections, self._ledger = connections, ledger
        self._latest: dict[str, Known] = {}
        self._generation = 0
        self._relations: dict[tuple[str, str], Relation] = {}
        self._tables: dict[tuple[str, str], TypeTable] = {}

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Read every stored spec (of one type), by type name, then number."""
        session = self._connections.local()
        rows = self._ledger.stored(session, type_name)
        found: dict[str, Known] = {}
        for each, relation in rows:
            known = found.get(each.spec.name)
            found[each.spec.name] = Known((*(known.stored if known else ()), each), relation)
        if session.depth:
            session.specs.update(found)
        else:
            self._keep(found)
        return [each for each, _ in rows]

    def _keep(self, found: dict[str, Known]) -> None:
        self._latest.update(found)
        self._generation = sum([len(each.stored) for each in self._latest.values()])

    def renew(self, session: Session) -> None:
        """Read the specs again where the turn says that others stored some."""
        if session.turn is not None and session.turn.generation != self._generation:
            self.specs()

    def settle(self, specs: dict[str, Known | None]) -> list[Relation]:
        """Show every thread the specs of a transaction that is committed; return relations that no type has any more."""
        found = {name: known for name, known in specs.items() if known is not None}
        before = {name: self._latest.get(name) for name in found}
        self._keep(found)
        moved = [
            (name, old) for name, old in before.items() if old is not None and old.relation != found[name].relation
        ]
        return [self._relation(old.spec, old.relation) for _, old in moved]

    def known(self, name: str) -> Known | None:
        """Return what is known of a type; it is read where nothing is, ``None`` for one that is not stored."""
        own = self._connections.local().specs
        found = own[name] if name in own else self._latest.get(name)
        if found is None and self.specs(name):
            found = self._connections.local().specs.get(name) or self._latest[name]
        return found

    def _relation(self, spec: TypeSpec, name: str) -> Relation:
        found = self._relations.get((spec.digest, name))
        if found is None:
            found = self._relations[spec.digest, name] = Relation(spec, self._ledger.dialect, self._ledger.own, name)
        return found

    def latest(self, name: str) -> Relation | None:
        """Return the tables of a type by its latest spec, ``None`` for one that is not stored."""
        known = self.known(name)
        return None if known is None else self._relation(known.spec, known.relation)

    def followed(self, name: str) -> Relation | None:
        """Return what `latest` does, for a statement that the open transaction makes of it."""
        return self._touched(self.latest(name))

    def _touched(self, relation: Relation | None) -> Relation | None:
        session = self._connections.local()
        if session.depth and relation is not None:
            session.touched.add(relation.name)
        return relation

    def relation(self, spec: TypeSpec) -> Relation:
        """Return the tables of a type as a spec sees them. Raises UnknownTypeError, SchemaConflictError."""
        found = self._relation(spec, self._known(spec).relation)
        self._touched(found)
        return found

    def _known(self, spec: TypeSpec) -> Known:
        known = self.known(spec.name)
        if known is None:
            raise UnknownTypeError(f"the catalogue holds no type {spec.name!r}: {nearest(spec.name, self._latest)}")
        if known.spec is spec or known.spec.digest == spec.digest:
            return known
        if known.broken(spec):
            self.specs(spec.name)
            known = self.known(spec.name) or known
        if known.broken(spec):
            raise SchemaConflictError(
                f"another program migrated type {spec.name} meanwhile; this one needs the newer declaration"
            )
        return known

    def moved(self, name: str) -> bool:
        """Read a type's specs again and return whether its tables are others now."""
        before = self._latest.get(name)
        self.specs(name)
        after = self._latest.get(name)
        return before is not None and after is not None and before.relation != after.relation

    def table(self, spec: TypeSpec) -> TypeTable:
        """Return the tables of a type as they are written: by its latest spec. Raises UnknownTypeError, SchemaConflictError."""
        known = self._known(spec)
        found = self._relation(known.spec, known.relation)
        self._touched(found)
        return self.table_of(found)

    def table_of(self, relation: Relation) -> TypeTable:
        """Return how the tables of a relation are written."""
        key = relation.spec.digest, relation.name
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = TypeTable(relation, self._ledger)
        return found

    def made(self, spec: TypeSpec, name: str) -> Relation:
        """Return the tables that a spec about to be stored shall have."""
        return self._relation(spec, name)


def fitted_row(spec: TypeSpec, row: Row, latest: TypeSpec, stored: Sequence[object] | None = None) -> Row:
    """Return a row of an older spec as one of the latest: what the older one does not know is as stored, or absent."""
    if spec is latest or spec.digest == latest.digest:
        return row
    values: list[Any] = [None] * len(latest.columns) if stored is None else list(stored)
    for name, at in spec.position.items():
        values[latest.position[name]] = row[at]
    for at, column in enumerate(latest.columns):
        if column.derived and column.name not in spec.position:
            values[at] = derived_value(latest, column, values)
    return tuple(values)

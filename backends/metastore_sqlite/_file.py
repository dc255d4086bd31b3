"""The file of a catalogue: its connections, its revision, and what is known of the types it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from metastore._json import decode
from metastore.backend import StoredSpec, TypeSpec, spec_from_json
from metastore.errors import (
    BackendError,
    ClosedError,
    DamagedError,
    MetastoreError,
    NewerRevisionError,
    NotACatalogError,
    SchemaConflictError,
)
from metastore_sqlite import _layout as layout
from metastore_sqlite._compile import Known
from metastore_sqlite._connection import Connections, Local, driver, translated
from metastore_sqlite._rebuild import mark_again
from metastore_sqlite._scope import Scope
from metastore_sqlite._shapes import Shapes
from metastore_sqlite._writer import TypeTable

__all__ = ["CatalogFile"]

_GENERATION = (
    "SELECT (SELECT count(*) FROM _specs), (SELECT time FROM _transactions ORDER BY seq DESC LIMIT 1),"
    " (SELECT value FROM _meta WHERE key = 'revision')"
)
_KNOWN = (None, str(layout.REVISION))
"""What ``_meta`` says of the revision in a file that this program can write; files of before say nothing."""


class CatalogFile:
    """What readers and writers of a file share; every thread has a connection of its own."""

    def __init__(self, path: str, *, mode: str, durability: str, timeout: float) -> None:
        self.path, self.read_only = path, mode == "ro"
        self._connections = Connections(path, mode=mode, durability=durability, timeout=timeout)
        self._tables: dict[str, TypeTable] = {}
        self._latest: dict[str, TypeSpec] = {}
        self._shapes = Shapes()
        try:
            self._open()
        except driver.Error as refused:
            self._connections.close()
            raise translated(refused, path) from refused
        except BaseException:
            self._connections.close()
            raise

    def _open(self) -> None:
        conn = self._connections.local().conn
        layout.check_whole(conn, self.path)
        revision = layout.revision_of(conn, self.path)
        if revision < layout.REVISION and not (revision and self.read_only):
            self._make(conn)
        self._look_again()
        named = conn.execute("SELECT value FROM _meta WHERE key = 'catalogue'").fetchone()
        if named is None:
            raise DamagedError(f"{self.path} does not say which catalogue it is; restore it from a copy")
        self.catalogue: str = named[0]
        self.specs()

    def _make(self, conn: Any) -> None:
        if self.read_only:
            raise NotACatalogError(f"{self.path} is empty, no catalogue; open it for writing once to make it one")
        conn.execute("PRAGMA journal_mode = WAL")
        with Scope(self):
            revision = layout.revision_of(conn, self.path)
            if revision < layout.REVISION:
                layout.prepare(conn)
            if revision < layout.MARKED:
                mark_again(conn, self._every_type())

    def _look_again(self) -> None:
        """Learn of which revision the file is; one that is read only may be migrated by another program at any time."""
        revision = self._revision()
        self._known = Known(self._spec, revision)
        self._shapes.forget()

    def _revision(self) -> int:
        local = self._connections.local()
        with local.busy:
            return layout.revision_of(local.conn, self.path)

    def _translated(self, refused: BaseException) -> MetastoreError:
        """Return the error that says what one of the driver means: that, where another program brought the file to a later revision."""
        found = translated(refused, self.path)
        if type(found) in (BackendError, DamagedError, SchemaConflictError):
            with contextlib.suppress(driver.Error, ClosedError, NotACatalogError):
                try:
                    self._revision()
                except NewerRevisionError as newer:
                    return newer
        return found

    def _read(self, sql: str, bound: Sequence[Any]) -> list[Any]:
        local = self._connections.local()
        try:
            with local.busy:
                found: list[Any] = local.conn.execute(sql, bound).fetchall()
        except (driver.Error, OverflowError) as refused:
            raise self._translated(refused) from refused
        return found

    def specs(self, type_name: str | None = None) -> list[StoredSpec]:
        """Return every stored spec (of one type), by type name, then number."""
        sql = "SELECT number, breaking, spec, type FROM _specs"
        rows = (
            self._read(f"{sql} WHERE type = ? ORDER BY number", (type_name,))
            if type_name
            else self._read(f"{sql} ORDER BY type, number", ())
        )
        found = [self._stored(*row) for row in rows]
        local = self._connections.local()
        known: Any = local.specs if local.depth else self._latest
        known.update((each.spec.name, each.spec) for each in found)
        return found

    def _stored(self, number: int, breaking: int, text: str, name: str) -> StoredSpec:
        try:
            spec = spec_from_json(decode(text))
        except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError):
            raise DamagedError(
                f"{self.path} has a spec of the type {name!r:.60} that cannot be read; restore it from a copy"
            ) from None
        if spec.name != name:
            raise DamagedError(f"{self.path} gives the type {name} a spec of {spec.name!r:.60}; restore it from a copy")
        return StoredSpec(number, spec, bool(breaking))

    def _settle(self, local: Local) -> None:
        """Show every thread the specs of a transaction that is committed."""
        for name, spec in local.specs.items():
            if spec is None:  # an inner transaction was undone since: it is to be read again
                self._latest.pop(name, None)
            else:
                self._latest[name] = spec
        local.specs = {}

    def generation(self) -> int:
        """Return how many specs are stored in all."""
        local = self._connections.local()
        try:
            with local.busy:
                count, latest, revision = local.conn.execute(_GENERATION).fetchone()
        except driver.Error as refused:
            raise self._translated(refused) from refused
        if revision not in _KNOWN:  # asked in each transaction: what that keeps could not be kept right here
            layout.check_told(revision, self.path)
        if local.depth:
            local.latest = latest or 0
        return int(count)

    def _spec(self, name: str) -> TypeSpec | None:
        own = self._connections.local().specs
        found = own[name] if name in own else self._latest.get(name)
        if found is None and (stored := self.specs(name)):
            found = stored[-1].spec
        return found

    def _every_type(self) -> list[TypeSpec]:
        return list({each.spec.name: each.spec for each in self.specs()}.values())

    def _table(self, spec: TypeSpec) -> TypeTable:
        found = self._tables.get(spec.digest)
        if found is None:
            found = self._tables[spec.digest] = TypeTable(spec)
        return found

"""What another catalogue holds of some artifacts, put in the place of what is held here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metastore.backend import Identity, Row
from metastore_sql._ledger import Ledger
from metastore_sql._session import Session
from metastore_sql._tally import Tally
from metastore_sql._writer import TypeTable

__all__ = ["hold"]


def hold(
    session: Session,
    ledger: Ledger,
    tally: Tally,
    known: Mapping[bytes, Identity],
    given: Mapping[TypeTable, Sequence[Row]],
    there: Mapping[TypeTable, Sequence[Row]],
) -> None:
    """Have these identities, and of them the ``given`` rows and no others; ``there`` are those that are stored. Raises DuplicateError."""
    rows = {row[0]: row for some in given.values() for row in some}
    gone = {table: [row for row in some if rows.get(row[0]) != row] for table, some in there.items()}
    stay = {row[0] for some in there.values() for row in some if rows.get(row[0]) == row}
    come = {table: [row for row in some if row[0] not in stay] for table, some in given.items()}
    for table, some in gone.items():
        table.take(session, some)
    _identify(session, ledger, known)
    for table, some in come.items():
        table.check_free(session, (), some)
        table.put(session, some)
    for table in dict.fromkeys((*gone, *come)):
        tally.follow(session, table.spec, gone.get(table, ()), come.get(table, ()))


def _identify(session: Session, ledger: Ledger, known: Mapping[bytes, Identity]) -> None:
    """Say what ids are; live ones are said with their rows."""
    states = [(ident, each.type, each.state) for ident, each in known.items()]
    ledger.foreign.many(session, [each for each in states if each[2] == "foreign"])
    ledger.know.many(session, [each for each in states if each[2] == "deleted"])

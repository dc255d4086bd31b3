"""Making again what is derived: after a type was widened, or migrated."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, literal_column, select, update

from metastore._declare import default_from
from metastore._values import to_column
from metastore.backend import Change, Row, derived_value
from metastore_sql._connection import Session
from metastore_sql._ledger import Ledger
from metastore_sql._prepared import Prepared, setting, slot
from metastore_sql._rows import CHUNK, chunks
from metastore_sql._tables import Relation, searched
from metastore_sql._writer import Derived, TypeTable, words_of

__all__ = ["derive_again", "leave", "refill"]


def derive_again(session: Session, old: Relation, table: TypeTable) -> None:
    """Fill what widening added: defaults, derived columns, look-ups, and full text where its fields changed."""
    new, sa = table.relation, table.ledger.dialect.sa
    for field in new.spec.fields:
        if field.name not in old.spec.by_name and field.default is not None and not field.required:
            value = to_column(field, default_from(field), field.name)
            Prepared(update(new.table).values({field.name: slot(0, new.table.c[field.name].type)}), sa).run(
                session, value
            )
    fresh = [each for each in new.spec.columns if each.derived and each.name not in old.spec.position]
    had = {each.name for each in searched(old.spec)}
    words = {each.name for each in searched(new.spec)} - had
    added = [each for each in table.derived if _is_new(each, old, words)]
    if fresh or added or words:
        _fill(session, table, [each.name for each in fresh], added, words=bool(words))


def _is_new(each: Derived, old: Relation, words: set[str]) -> bool:
    """Whether a look-up has no entries of a column yet; a new field's default may have some."""
    if each.field.name not in old.spec.by_name:
        return True
    own = each.table.name.partition(":")[2]
    return (
        each.field.name in words
        if own == "text" and "word" in each.table.c
        else bool(own) and each.field.name not in old.sides
    )


def _fill(session: Session, table: TypeTable, names: list[str], added: list[Derived], *, words: bool) -> None:
    spec, dialect = table.spec, table.ledger.dialect
    columns = [spec.columns[spec.position[name]] for name in names]
    has_words = words and dialect.name == "postgresql"
    given = [*names, *(["row__words"] if has_words else [])]
    update_row = Prepared(setting(table.relation.table, given, ["id"]), dialect.sa) if given else None
    for rows in chunks(session, table.relation, dialect):
        if update_row is not None:
            texts = [words_of(table.relation, row) if has_words else None for row in rows]
            values = [[derived_value(spec, each, row) for each in columns] for row in rows]
            made = [
                (*some, *([said] if has_words else []), row[0])
                for some, said, row in zip(values, texts, rows, strict=True)
            ]
            update_row.many(session, made)
        for each in added:
            table.add(session, each, rows)


def leave(session: Session, old: Relation, ledger: Ledger) -> list[bytes]:
    """Take away what tables that all types share say of a type's rows, and mark every id of it deleted; return the ids that were live."""
    own, sa, ids = ledger.own, ledger.dialect.sa, select(old.table.c.id)
    live = [ident for (ident,) in Prepared(ids, sa).read(session)]
    Prepared(delete(own.links).where(own.links.c.source.in_(ids)), sa).later(session)
    Prepared(delete(own.references).where(own.references.c.id.in_(ids)), sa).later(session)
    Prepared(update(own.identity).values(state=literal_column("'deleted'")).where(own.identity.c.id.in_(ids)), sa).run(
        session
    )
    return live


def refill(session: Session, table: TypeTable, rows: Sequence[Row], number: int, known: set[bytes]) -> None:
    """Put ``rows`` in new and empty tables of a type, with one change of kind *migrate* each; ``known`` are the ids that it had."""
    table.check_free(session, [row for row in rows if row[0] not in known], rows)
    revision = table.spec.position["revision"]
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        changes = [Change("migrate", row[0], row[revision], number, row[-1]) for row in some]
        table.insert(session, list(zip(some, changes, strict=True)))

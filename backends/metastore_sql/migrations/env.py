"""Alembic's environment: the connection is given, and every step taken is noted in ``_turn`` as well."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import update

from metastore_sql._tables import own_tables
from metastore_sql.migrations._schema import STEPS, VERSIONS

__all__: list[str] = []

given = context.config.attributes


def note(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    """Say in ``_turn`` what the tables now are: a revision begins with its expanding, and shuts others out with its contracting."""
    del heads, run_args
    number, _, name = str(step.up_revision_id).partition("_")
    column = {STEPS[0]: "revision", STEPS[-1]: "least"}.get(name)
    if column is not None and not step.is_stamp:
        turn = own_tables(given["dialect"], given["schema"]).turn
        ctx.connection.execute(update(turn).values({column: int(number) if step.is_upgrade else int(number) - 1}))


context.configure(
    connection=given["connection"], version_table=VERSIONS, transaction_per_migration=True, on_version_apply=note
)
with context.begin_transaction():
    context.run_migrations()

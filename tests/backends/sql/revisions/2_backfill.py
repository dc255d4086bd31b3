"""Fills it, a batch at a time, each in a transaction of its own: nobody waits long."""

from alembic import op
from sqlalchemy import text

revision = "2_backfill"
down_revision = "2_expand"

COUNTED = "(SELECT count(*) FROM _changes WHERE tx = :seq)"


def upgrade():
    connection = op.get_bind()
    with op.get_context().autocommit_block():
        while rows := connection.execute(text("SELECT seq FROM _transactions WHERE changes IS NULL LIMIT 10")).all():
            for (seq,) in rows:
                connection.execute(text(f"UPDATE _transactions SET changes = {COUNTED} WHERE seq = :seq"), {"seq": seq})


def downgrade():
    """What is filled in may stay."""

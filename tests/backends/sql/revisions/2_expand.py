"""A revision for tests: how many changes a transaction has. Old programs leave it empty."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "2_expand"
down_revision = "1"


def upgrade():
    op.add_column("_transactions", Column("changes", Integer))


def downgrade():
    op.drop_column("_transactions", "changes")

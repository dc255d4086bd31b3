"""Demands it, so that old programs, which leave it empty, are shut out."""

from alembic import op
from sqlalchemy import Integer

revision = "2_contract"
down_revision = "2_backfill"


def upgrade():
    op.alter_column("_transactions", "changes", existing_type=Integer(), nullable=False)


def downgrade():
    op.alter_column("_transactions", "changes", existing_type=Integer(), nullable=True)

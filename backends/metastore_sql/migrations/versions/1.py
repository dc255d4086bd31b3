"""The first revision: the tables as `metastore_sql._tables` makes them in an empty database."""

revision = "1"
down_revision = None


def upgrade() -> None:
    """Nothing: opening an empty database makes it whole."""


def downgrade() -> None:
    """Nothing: there was none before it."""

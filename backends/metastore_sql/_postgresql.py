"""PostgreSQL by psycopg 3."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

__all__ = ["PostgreSQL"]


class PostgreSQL:
    """PostgreSQL, version 14 or newer."""

    name = "postgresql"
    sa = PGDialect_psycopg(paramstyle="format")

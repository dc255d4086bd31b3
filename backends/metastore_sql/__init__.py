"""PostgreSQL and MariaDB: the same catalogue where one machine is not enough.

Statements are built by SQLAlchemy Core once per shape of a question, then run on the driver's own cursor.
"""

from metastore_sql._opening import open_backend

__all__ = ["open_backend"]

"""The default backend: one SQLite file.

sqlite-utils makes tables, columns and indexes and applies migrations; rows go by prepared SQL over its
connection, which is twice its bulk rate and one statement against four per get (measured).
"""

from metastore_sqlite._store import open_backend

__all__ = ["open_backend"]

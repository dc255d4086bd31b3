"""Servers to try things on: PostgreSQL, MariaDB, and clusters of three nodes of either, on this machine only.

``python -m metastore_sql.trial`` starts one for you; the tests start theirs by the same functions. They have no
passwords and no TLS and listen on the loopback: for trying, not for keeping.
"""

from metastore_sql.trial._home import Home, Process, ServerMissingError, free_ports
from metastore_sql.trial._mariadb import MariaDB, mariadb, system_user
from metastore_sql.trial._postgresql import PostgreSQL, postgresql

__all__ = [
    "Home",
    "MariaDB",
    "PostgreSQL",
    "Process",
    "ServerMissingError",
    "free_ports",
    "mariadb",
    "postgresql",
    "system_user",
]

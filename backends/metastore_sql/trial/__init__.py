"""Servers to try things on: PostgreSQL, MariaDB, and clusters of three nodes of either, on this machine only.

``python -m metastore_sql.trial`` starts one for you; the tests start theirs by the same functions. They have no
passwords and no TLS and listen on the loopback: for trying, not for keeping.
"""

from metastore_sql.trial._cluster import Cluster, Node, Place
from metastore_sql.trial._galera import Galera, galera
from metastore_sql.trial._home import Home, Process, ServerMissingError, free_ports
from metastore_sql.trial._mariadb import MariaDB, mariadb, system_user
from metastore_sql.trial._network import Network
from metastore_sql.trial._patroni import Patroni, patroni
from metastore_sql.trial._postgresql import PostgreSQL, postgresql

__all__ = [
    "Cluster",
    "Galera",
    "Home",
    "MariaDB",
    "Network",
    "Node",
    "Patroni",
    "Place",
    "PostgreSQL",
    "Process",
    "ServerMissingError",
    "free_ports",
    "galera",
    "mariadb",
    "patroni",
    "postgresql",
    "system_user",
]

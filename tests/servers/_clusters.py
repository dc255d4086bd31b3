"""Clusters of three nodes for the fault tests, each node in a network of its own where that is permitted."""

import sys
from contextlib import contextmanager, suppress

import psycopg

from metastore_sql.trial import Home, Network, ServerMissingError, galera, patroni, system_user
from metastore_sql.trial._home import until
from metastore_sql.trial._mariadb import connected
from servers._single import new_name

LINES = 150
"""So many of a node's log are printed where a test fails."""


class Clustered:
    """One cluster, and what the tests do with it; ``uncut`` says why no node can be cut off, or is empty."""

    def __init__(self, kind):
        self.kind, self._home = kind, Home(user=system_user() if kind == "galera" else "nobody")
        try:
            self.network, self.uncut = Network(self._home), ""
        except ServerMissingError as reason:
            self.network, self.uncut = None, str(reason)
        places = {"places": self.network.places} if self.network else {}
        try:
            self.cluster = {"galera": galera, "patroni": patroni}[kind](self._home, **places)
        except BaseException:
            self._home.close()
            raise

    @property
    def nodes(self):
        return self.cluster.nodes

    @contextmanager
    def place(self):
        """A function from nodes (all, unless said) to their address of a new empty place on the cluster."""
        name = new_name()
        if self.kind == "galera":
            self._galera(f"CREATE DATABASE {name}")
            yield lambda *nodes, **options: self.cluster.address(nodes, database=name, **options)
            self._galera(f"DROP DATABASE {name}")
        else:
            self._patroni(f"CREATE SCHEMA {name}")
            yield lambda *nodes, **options: self.cluster.address(nodes, schema=name, **options)
            self._patroni(f"DROP SCHEMA {name} CASCADE")

    def turned(self):
        """Return the nodes as often as there are nodes, beginning with another one each time."""
        return [self.nodes[at:] + self.nodes[:at] for at in range(len(self.nodes))]

    def caught_up(self):
        """Return once every node holds what was committed so far."""
        self.cluster.wait()
        if self.kind == "patroni":
            leader = self.cluster.leader()
            [(end,)] = self._patroni("SELECT pg_current_wal_lsn()", leader)
            for each in self.nodes:
                if each is not leader:
                    until(lambda: self._follows(each, end), "the last node", each.processes[1].log)  # noqa: B023

    @contextmanager
    def telling(self):
        """Print what the nodes logged meanwhile, where something fails."""
        began = {each: each.processes[-1].log.stat().st_size for each in self.nodes}
        try:
            yield
        except BaseException:
            for each in self.nodes:
                logged = each.processes[-1].log.read_bytes()[began[each] :].decode(errors="replace").splitlines()
                said = [line for line in logged if "no action" not in line]
                sys.stderr.write("\n".join([f"--- {each}", *said[:LINES], f"({len(said)} lines)", ""]))
            raise

    def _follows(self, node, end):
        """Whether a node follows the leader and holds all up to there; one that still comes back refuses to say."""
        asked = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
        with suppress(psycopg.OperationalError):
            return self._patroni(asked, node, end)[0][0]
        return False

    def _galera(self, statement):
        assert connected(self.nodes[0].socket, statement) is not None

    def _patroni(self, statement, node=None, *values):
        with psycopg.connect(self.dsn(node or self.cluster.leader()), autocommit=True) as connection:
            found = connection.execute(statement, values)
            return found.fetchall() if found.description else []

    def dsn(self, node):
        return f"host={node.host} port={node.port} user=postgres dbname=postgres connect_timeout=5"

    def close(self):
        self._home.close()

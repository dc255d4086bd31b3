"""Three MariaDBs that are one Galera cluster: a transaction is committed on all of them or on none.

A node that comes back is filled by another one (by rsync where it was away for long); nobody is asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from metastore_sql.trial._cluster import LOOPBACK, Cluster, Node, Place
from metastore_sql.trial._home import Home, Process, ServerMissingError, free_ports, until
from metastore_sql.trial._mariadb import DEBIAN, arguments, connected, initialised

__all__ = ["Galera", "GaleraNode", "galera"]

DATABASE, USER = "catalogue", "metastore"
PROVIDERS = ("/usr/lib/galera", "/usr/lib64/galera-4", "/usr/lib64/galera", "/usr/lib/galera-4")
# a dead node is cast out after about 3 s instead of 5 to 15 s
QUICK = "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.install_timeout=PT4S"


def _provider() -> str:
    for each in PROVIDERS:
        if (Path(each) / "libgalera_smm.so").exists():
            return f"{each}/libgalera_smm.so"
    raise ServerMissingError(f"No Galera library on this machine. On Debian: {DEBIAN}")


class GaleraNode(Node):
    """One MariaDB of the cluster; coming back from a crash it first looks up how far it had come."""

    def __init__(self, home: Home, process: Process, data: Path, socket: str, host: str, port: int) -> None:
        super().__init__(process.name, host, port, [process], self._synced)
        self._home, self._data, self.socket, self._args = home, data, socket, process.args

    def _synced(self) -> bool:
        return self._status("wsrep_local_state_comment") == "Synced" and self.size() > 0

    def _status(self, name: str) -> str:
        rows = connected(self.socket, f"SHOW STATUS LIKE '{name}'")
        return str(rows[0][1]) if rows else ""

    def size(self) -> int:
        """Return how many nodes the cluster has, as this one sees it; 0 where it is not with the majority."""
        return int(self._status("wsrep_cluster_size")) if self._status("wsrep_cluster_status") == "Primary" else 0

    @property
    def last(self) -> bool:
        """Whether all nodes were stopped in an orderly way, and this one as the last."""
        state = self._data / "grastate.dat"
        return state.exists() and "safe_to_bootstrap: 1" in state.read_text()

    def start(self, *, first: bool = False) -> None:
        """Start the node; the ``first`` one makes the cluster, any other joins."""
        [process] = self.processes
        process.args = (*self._args, *(["--wsrep-new-cluster"] if first else []), *self._position())
        process.start()

    def _position(self) -> list[str]:
        if not (self._data / "grastate.dat").exists():
            return []
        found = re.search(r"Recovered position:\s*([0-9a-f-]+:-?\d+)", self._home.run([*self._args, "--wsrep-recover"]))
        return [f"--wsrep-start-position={found[1]}"] if found else []


class Galera(Cluster):
    """Three MariaDBs, each of which takes writes."""

    kind = "galera"
    nodes: tuple[GaleraNode, ...]

    def wait(self, seconds: float = 120.0) -> None:
        """Wait until every node sees all of them."""
        super().wait(seconds)
        log = self.nodes[0].processes[0].log
        until(lambda: all(each.size() == len(self.nodes) for each in self.nodes), "The whole cluster", log, seconds)

    def start(self) -> None:
        """Start all nodes after all of them have been down.

        After a crash of all they find together by themselves; after an orderly stop the last one to go begins.
        """
        begins = [each for each in self.nodes if each.last]
        for each in begins:
            each.start(first=True)
            each.wait()
        for each in self.nodes:
            if each not in begins:
                each.start()
        self.wait()


def galera(home: Home, *, places: Sequence[Place] = LOOPBACK, durable: bool = False) -> Galera:
    """Make and start a cluster in a home that was made for `system_user`, one node per place.

    Its user ``metastore`` has no password and every right; there is a database ``catalogue``.
    """
    provider, ports = _provider(), [free_ports(4) for _ in places]
    members = [f"{place.host}:{each[1]}" for place, each in zip(places, ports, strict=True)]
    nodes = []
    for at, place in enumerate(places):
        wsrep = _wsrep(at, place, ports[at], provider, members)
        nodes.append(_node(home, f"galera{at + 1}", place, ports[at][0], wsrep, fresh=not at, durable=durable))
    cluster = Galera(nodes, "mysql", USER, DATABASE)
    for each in nodes:
        each.start(first=each is nodes[0])
        each.wait()
    connected(
        nodes[0].socket,
        f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
        f"CREATE USER IF NOT EXISTS {USER}@'%'",
        f"GRANT ALL ON *.* TO {USER}@'%'",
    )
    return cluster


def _node(
    home: Home, name: str, place: Place, port: int, wsrep: Sequence[str], *, fresh: bool, durable: bool
) -> GaleraNode:
    if fresh:
        data = initialised(home, name)
    else:
        home.folder(name)
        data = home.folder(f"{name}/data")
    socket = home.socket(f"{name}/socket")
    args = [*arguments(data, socket, port, place.host, durable=durable), *wsrep]
    return GaleraNode(home, home.process(name, args, prefix=place.prefix), data, socket, place.host, port)


def _wsrep(at: int, place: Place, ports: Sequence[int], provider: str, members: Sequence[str]) -> list[str]:
    sql, group, incremental, state = ports
    host = place.host
    options = (
        f"gmcast.listen_addr=tcp://{host}:{group};ist.recv_addr={host}:{incremental};ist.recv_bind={host}:{incremental}"
        f";gcache.size=64M;{QUICK}"
    )
    return [
        "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON", f"--wsrep-provider={provider}",
        "--wsrep-cluster-name=metastore", f"--wsrep-node-name=galera{at + 1}", "--wsrep-sst-method=rsync",
        f"--wsrep-cluster-address=gcomm://{','.join(members)}", f"--wsrep-node-address={host}:{group}",
        f"--wsrep-node-incoming-address={host}:{sql}", f"--wsrep-sst-receive-address={host}:{state}",
        f"--wsrep-provider-options={options}",
    ]  # fmt: skip

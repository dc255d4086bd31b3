"""What the clusters have in common: nodes that can be killed, frozen, cut off and started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from metastore.errors import BackendError
from metastore_sql.trial._home import HOST, Process, tail, until

__all__ = ["LOOPBACK", "Cluster", "Node", "Place", "family"]


@frozen
class Place:
    """Where a node runs: the address it listens on, and the command that enters its network (none: the machine's)."""

    host: str = HOST
    prefix: tuple[str, ...] = ()


LOOPBACK = (Place(),) * 3


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it, parents first."""
    parents = dict(_parents())
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


class Node:
    """One machine of a cluster, as far as one can be played on a single one: all its processes share its fate.

    ``extra`` gives the ids of processes that the first ones started and left to themselves.
    """

    def __init__(
        self, name: str, host: str, port: int, processes: Sequence[Process], ready: Callable[[], bool],
        extra: Callable[[], list[int]] = list,
    ) -> None:  # fmt: skip
        self.name, self.host, self.port, self.processes = name, host, port, tuple(processes)
        self.ready, self._extra = ready, extra

    def __repr__(self) -> str:
        return f"Node({self.name} at {self.host}:{self.port}, {self.processes})"

    def _signal(self, number: int) -> None:
        for pid in [*(each.pid for each in self.processes if each.running), *self._extra()]:
            for each in family(pid):
                with suppress(ProcessLookupError):
                    os.kill(each, number)

    def kill(self) -> None:
        """End the node as a power cut would: no process of it runs another instruction."""
        self._signal(signal.SIGSTOP)
        self._signal(signal.SIGKILL)
        for each in self.processes:
            each.kill()

    def freeze(self) -> None:
        """Stop every process of the node; its connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the node go on where it stood."""
        self._signal(signal.SIGCONT)

    def start(self) -> None:
        """Start the node, again if need be; whether it is back `wait` says."""
        for each in self.processes:
            if not each.running:
                each.start()

    def stop(self) -> None:
        """End the node in an orderly way."""
        for each in reversed(self.processes):
            each.stop()

    def wait(self, seconds: float = 90.0) -> float:
        """Wait until the node serves as a full member again, and return how many seconds that took."""
        began, log = time.monotonic(), self.processes[-1].log
        until(lambda: self.ready() or self._failed(), f"{self}", log, seconds)
        if self._failed():
            raise BackendError(f"{self} ended by itself. {log} ends with:\n{tail(log)}")
        return time.monotonic() - began

    def _failed(self) -> bool:
        return not all(each.running for each in self.processes)


class Cluster:
    """Nodes that hold one database; ``address()`` is what a catalogue is opened with."""

    kind = "cluster"

    def __init__(self, nodes: Iterable[Node], scheme: str, user: str, database: str) -> None:
        self.nodes = tuple(nodes)
        self._scheme, self._user, self._database = scheme, user, database

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.nodes))})"

    def address(self, nodes: Iterable[Node] = (), *, database: str | None = None, **options: object) -> str:
        """Return the address of these nodes, in this order (all of them unless said); options as in any address."""
        hosts = ",".join(f"{each.host}:{each.port}" for each in nodes or self.nodes)
        asked = "&".join(f"{name}={value}" for name, value in options.items())
        return f"{self._scheme}://{self._user}@{hosts}/{database or self._database}" + (f"?{asked}" if asked else "")

    def leader(self) -> Node:
        """Return the node that a failure hits hardest."""
        return self.nodes[0]

    def wait(self, seconds: float = 120.0) -> None:
        """Wait until every node is a full member."""
        for each in self.nodes:
            each.wait(seconds)

    def start(self) -> None:
        """Start all nodes at once, after all of them have been down, and wait until they are one cluster again."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(Node.start, self.nodes))
        self.wait()

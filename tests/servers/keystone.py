"""A real Keystone on the loopback, from wheels: one process with a SQLite file, gone with whoever started it.

Run as a program (``python -P keystone.py ROOT PASSWORD``) it *is* the server. Needs ``pip install keystone keystonemiddleware``.
"""

import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOST = "127.0.0.1"
SETTINGS = """\
[DEFAULT]
log_file = {root}/log
[database]
connection = sqlite:///{root}/keystone.db
[token]
provider = fernet
expiration = 3600
[fernet_tokens]
key_repository = {root}/fernet
[credential]
key_repository = {root}/credential
[cache]
enabled = false
"""


class KeystoneMissingError(Exception):
    """Keystone is not installed here; the message says what would bring it."""


class Keystone:
    """A running Keystone with the users that its bootstrap makes: ``admin`` of the project ``admin``."""

    def __init__(self):
        if not all(importlib.util.find_spec(name) for name in ("keystone", "keystonemiddleware")):
            raise KeystoneMissingError("No Keystone here. Install it: pip install keystone keystonemiddleware")
        self.root, self.password = Path(tempfile.mkdtemp(prefix="keystone-")), secrets.token_hex(8)
        command = [sys.executable, "-P", "-W", "ignore", __file__, str(self.root), self.password]
        with (self.root / "stderr").open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Keystone did not come up:\n{(self.root / 'stderr').read_text()[-3000:]}")
        self.url = f"http://{HOST}:{json.loads(line)['port']}/v3"

    def ask(self, verb, path, body=None):
        """Ask this Keystone for something as its admin; return the JSON of its answer."""
        from keystoneauth1 import session
        from keystoneauth1.identity import v3

        domain = {"user_domain_id": "default", "project_domain_id": "default"}
        admin = v3.Password(self.url, username="admin", password=self.password, project_name="admin", **domain)
        opened = session.Session(auth=admin)
        found = opened.request(self.url + path.format(user=opened.get_user_id()), verb, json=body)
        return found.json() if found.content else None

    def lists(self, swift):
        """Put a Swift into the catalogue."""
        service = self.ask("POST", "/services", {"service": {"type": "object-store", "name": "swift"}})["service"]["id"]
        place = {"interface": "public", "region_id": "here", "service_id": service}
        self.ask("POST", "/endpoints", {"endpoint": {**place, "url": f"{swift.base}/v1/AUTH_$(project_id)s"}})

    def close(self):
        """End the process and remove all that it stored."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.root, ignore_errors=True)


def _managed(root, *args):
    from keystone.cmd import manage

    done = os.fork()
    if not done:
        sys.argv = ["keystone-manage", "--config-file", str(root / "keystone.conf"), *args]
        os._exit(manage.main() or 0)
    if os.waitpid(done, 0)[1]:
        raise SystemExit(f"keystone-manage {args[0]} failed")


def _configured(root, password, port):
    import getpass

    (root / "keystone.conf").write_text(SETTINGS.format(root=root))
    for folder in ("fernet", "credential"):
        (root / folder).mkdir(mode=0o700)
    user = ("--keystone-user", getpass.getuser(), "--keystone-group", getpass.getuser())
    _managed(root, "db_sync")
    _managed(root, "fernet_setup", *user)
    _managed(root, "credential_setup", *user)
    url = f"http://{HOST}:{port}/v3"
    names = ("--bootstrap-password", password, "--bootstrap-region-id", "here")
    _managed(root, "bootstrap", *names, "--bootstrap-public-url", url, "--bootstrap-internal-url", url)


def _serve(root, password):
    import threading
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    server = Server((HOST, 0), WSGIRequestHandler)
    _configured(root, password, server.server_port)
    os.environ["OS_KEYSTONE_CONFIG_DIR"], sys.argv = str(root), ["keystone"]
    from keystone.server.wsgi import initialize_public_application

    server.set_app(initialize_public_application())
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])

"""A real OpenStack Swift on the loopback, from wheels: one process, no root, no memcached, gone with whoever started it.

Run as a program (``python -P swift.py ROOT SETTINGS``) it *is* the server: it writes its configuration below ROOT, prints
one line of JSON once it listens, and serves until its standard input closes. Needs ``pip install "swift>=2.38.2"``.
"""

import base64
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOST = "127.0.0.1"
KINDS = ("account", "container", "object")
USER, KEY = "test:tester", "testing"
STRANGER, STRANGER_KEY = "other:stranger", "elsewhere"

CLUSTER = """\
[swift-hash]
swift_hash_path_suffix = {suffix}
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = silver
[swift-constraints]
container_listing_limit = {listing_limit}
account_listing_limit = {listing_limit}
max_file_size = {max_file_size}
"""

COMMON = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
swift_dir = {root}
devices = {root}/devices
mount_check = false
disable_fallocate = true
workers = 0
user = {login}
log_level = WARNING
log_address = {root}/no-syslog
"""

STORAGE = """\
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY = """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats bulk tempurl {auth} copy container-quotas slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempurl]
use = egg:swift#tempurl
allowed_digests = sha256 sha512
[filter:tempauth]
use = egg:swift#tempauth
token_life = {token_life}
active_fernet_key_id = k1
fernet_key_k1 = {fernet}
user_test_tester = testing .admin
user_other_stranger = elsewhere .admin
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {identity}
auth_url = {identity}
auth_type = password
username = admin
password = {service_password}
project_name = admin
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
token_cache_time = -1
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
[filter:slo]
use = egg:swift#slo
max_manifest_segments = {max_segments}
rate_limit_under_size = 0
[filter:dlo]
use = egg:swift#dlo
rate_limit_after_segment = 1000000
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
"""
PLAIN = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "listing_formats",
    "bulk",
    "copy",
    "container_quotas",
    "symlink",
)

SETTINGS = {
    "listing_limit": 10_000,
    "max_file_size": 5 * 2**30 + 2,
    "max_segments": 1000,
    "token_life": 86_400,
    "tls": False,
    "identity": "",
    "service_password": "",
}


class SwiftMissingError(Exception):
    """Swift is not installed here; the message says what would bring it."""


class Swift:
    """A running Swift and how to reach it.

    Settings are those of `SETTINGS`: a small ``listing_limit`` makes pages, a small ``max_segments`` nested manifests, a
    Keystone's ``identity`` address takes the place of tempauth.
    """

    def __init__(self, **settings):
        if importlib.util.find_spec("swift") is None:
            raise SwiftMissingError('No Swift here. Install it: pip install "swift>=2.38.2"')
        self.settings = {**SETTINGS, **settings}
        self.root = Path(tempfile.mkdtemp(prefix="swift-", dir=_with_xattrs()))
        self.start()

    def start(self):
        """Start the process, or start it again at the ports it had."""
        command = [sys.executable, "-P", "-W", "ignore", __file__, str(self.root), json.dumps(self.settings)]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"Swift did not come up. Its log ends with:\n{(self.root / 'log').read_text()[-3000:]}")
        self.ports = self.settings["ports"] = json.loads(line)
        self.base = f"{'https' if self.settings['tls'] else 'http'}://{HOST}:{self.ports['proxy']}"
        self.auth_url, self.storage_url = f"{self.base}/auth/v1.0", f"{self.base}/v1/AUTH_test"
        self.ca_file = str(self.root / "tls.crt") if self.settings["tls"] else None

    def kill(self):
        """End the process without a chance to say goodbye."""
        self.process.kill()
        self._buried()

    def signal(self, number):
        """Freeze (SIGSTOP) or thaw (SIGCONT) it."""
        os.kill(self.process.pid, number)

    def close(self):
        """End the process and remove all that it stored."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self._buried()
        shutil.rmtree(self.root, ignore_errors=True)

    def _buried(self):
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def _with_xattrs():
    """Return a directory whose files may have user attributes, in memory where there is one; Swift keeps its metadata so."""
    for folder in ("/dev/shm", tempfile.gettempdir()):
        try:
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                os.setxattr(file.name, "user.swift.metadata", b"x" * 2048)
            return folder
        except OSError:
            continue
    raise SwiftMissingError("Swift needs a directory with user.* attributes: set TMPDIR to one.")


def _certificate(root):
    """Write a certificate for the loopback, signed by itself."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=7))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    made = made.add_extension(address, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (root / "tls.crt").write_bytes(made.public_bytes(pem))
    (root / "tls.key").write_bytes(key.private_bytes(pem, plain, serialization.NoEncryption()))


def _rings(root, ports):
    from swift.common.ring import RingBuilder

    for name in (*KINDS, "object-1"):
        builder, port = RingBuilder(part_power=2, replicas=1, min_part_hours=0), ports[name.partition("-")[0]]
        place = {"ip": HOST, "port": port, "replication_ip": HOST, "replication_port": port}
        builder.add_dev({"region": 1, "zone": 1, "weight": 1.0, "device": "d1", "meta": "", **place})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(root / f"{name}.ring.gz"))


def _configured(root, settings, ports):
    """Write everything Swift reads, once."""
    import getpass

    (root / "devices" / "d1").mkdir(parents=True)
    (root / "swift.conf").write_text(CLUSTER.format(suffix=secrets.token_hex(8), **settings))
    _rings(root, ports)
    common = {"host": HOST, "root": root, "login": getpass.getuser()}
    for kind in KINDS:
        text = COMMON.format(port=ports[kind], **common) + STORAGE.format(kind=kind)
        (root / f"{kind}-server.conf").write_text(text)
    fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    auth = "authtoken keystoneauth" if settings["identity"] else "tempauth"
    text = COMMON.format(port=ports["proxy"], **common) + PROXY.format(fernet=fernet, auth=auth, **settings)
    text += "".join(f"[filter:{name.replace('_q', '-q')}]\nuse = egg:swift#{name}\n" for name in PLAIN)
    (root / "proxy-server.conf").write_text(text)
    if settings["tls"]:
        _certificate(root)


class _Cache:
    """What a memcached would keep for the proxy, in this process: half of the requests between its servers."""

    def __init__(self):
        self._kept = {}

    def get(self, key, **_):
        value, until = self._kept.get(key, (None, 0))
        return value if not until or time.time() < until else None

    def set(self, key, value, time=0, **_):
        self._kept[key] = value, _until(time)

    def delete(self, key, **_):
        self._kept.pop(key, None)

    def incr(self, key, delta=1, time=0, **_):
        value = int(self.get(key) or 0) + int(delta)
        self.set(key, value, time)
        return value

    def cached(self, app):
        """Return an application that finds this as Swift's cache."""
        return lambda environ, start: app({**environ, "swift.cache": self}, start)


def _until(seconds):
    return time.time() + seconds if seconds else 0


def _serve(root, settings):
    """Be the four servers of a Swift, as green threads of this process."""
    import eventlet
    import eventlet.patcher

    eventlet.hubs.use_hub("poll")
    eventlet.patcher.monkey_patch()
    from eventlet import wsgi
    from swift.common import constraints, storage_policy, utils
    from swift.common.http_protocol import SwiftHttpProtocol
    from swift.common.wsgi import loadapp

    known = settings.get("ports", {})
    listening = {kind: eventlet.listen((HOST, known.get(kind, 0)), backlog=512) for kind in (*KINDS, "proxy")}
    ports = {kind: each.getsockname()[1] for kind, each in listening.items()}
    if not known:
        _configured(root, settings, ports)
    utils.set_swift_dir(str(root))
    constraints.reload_constraints()
    storage_policy.reload_storage_policies()
    utils.disable_fallocate()
    for kind, each in listening.items():
        app = loadapp(str(root / f"{kind}-server.conf"), global_conf={"log_name": kind})
        if kind == "proxy":
            app = _Cache().cached(app)
        if kind == "proxy" and settings["tls"]:
            each = eventlet.wrap_ssl(each, certfile=root / "tls.crt", keyfile=root / "tls.key", server_side=True)
        named = {"protocol": SwiftHttpProtocol, "capitalize_response_headers": False, "socket_timeout": 60}
        eventlet.spawn(wsgi.server, each, app, utils.NullLogger(), **named)
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    from eventlet.green import os as green

    eventlet.hubs.trampoline(sys.stdin.fileno(), read=True)
    shutil.rmtree(root, ignore_errors=True)
    green._exit(0)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), json.loads(sys.argv[2]))

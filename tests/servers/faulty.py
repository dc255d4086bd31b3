"""A proxy that spoils what it is told to spoil: between a client and a Swift, on the loopback.

    with FaultyProxy(swift.base) as proxy:
        proxy.spoil(Fault(status=503, headers={"Retry-After": "0"}), verb="PUT", times=2)

What was asked is in `seen`, as (verb, path), whether spoiled or not.
"""

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to one request.

    ``status`` answers instead of the server, ``silent`` never answers, ``garble`` flips the byte at an offset of what is sent. Otherwise
    the server does its work, and its answer is spoiled: ``lost`` whole, ``cut`` after so many bytes of the body, ``flip`` in the byte at an offset, ``longer`` by bytes
    that its length does not count.
    """

    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b"spoiled"
    lost: bool = False
    cut: int | None = None
    flip: int | None = None
    longer: bytes = b""
    silent: bool = False
    garble: int | None = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _any(self):
        proxy = self.server.proxy
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy._fault(self.command, self.path)
        if fault and fault.status:
            self._answer(fault.status, fault.headers, fault.body)
        elif fault and fault.silent:
            proxy.ended.wait()
            self.close_connection = True
        else:
            fault = fault or Fault()
            self._passed_on(_flipped(sent, fault.garble), fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815 - the names that http.server asks for

    def _passed_on(self, sent, fault):
        up = http.client.HTTPConnection(self.server.proxy.host, timeout=60)
        up.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            up.putheader(name, value)
        up.endheaders(sent)
        answer = up.getresponse()
        body = answer.read()
        up.close()
        if fault.lost:
            self.close_connection = True
            return
        body = _flipped(body, fault.flip)
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in ("connection", "date")}
        self._answer(answer.status, headers, body, fault.cut, fault.longer)

    def _answer(self, status, headers, body, cut=None, longer=b""):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write((body if cut is None else body[:cut]) + longer)
        if cut is not None:
            self.close_connection = True

    def log_message(self, format, *args):
        pass


def _flipped(body, at):
    return body if at is None else body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is what the tests are about


class FaultyProxy:
    """The proxy; `base` is its address, as `spoil` and `seen` tell above."""

    def __init__(self, upstream):
        self.host = urlsplit(upstream).netloc
        self.seen, self.ended = [], threading.Event()
        self._rules, self._lock = [], threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spoil(self, fault, *, verb="", path="", times=1, after=0):
        """Spoil the next requests of a verb whose path holds ``path``, ``times`` of them after ``after`` good ones."""
        with self._lock:
            self._rules.append([fault, verb, path, times, after])

    def count(self, verb, path=""):
        """Return how many requests of a verb were seen, of those whose path holds ``path``."""
        return sum(each_verb == verb and path in each_path for each_verb, each_path in self.seen)

    def _fault(self, verb, path):
        with self._lock:
            self.seen.append((verb, path))
            for rule in self._rules:
                if verb.startswith(rule[1]) and rule[2] in path and rule[3] > 0:
                    if rule[4]:
                        rule[4] -= 1
                        return None
                    rule[3] -= 1
                    return rule[0]
        return None

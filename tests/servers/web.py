"""A small HTTP server on the loopback that gives what it is told to, well or badly, and remembers what it was asked."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        web = self.server.web
        web.asked.append((self.command, self.path, dict(self.headers)))
        web.routes.get(self.path.partition("?")[0], _missing)(self)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        """Send a whole answer; of a HEAD only its headers."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self.close_connection = True


def _missing(asked):
    asked.answer(404)


class Web:
    """A running server: ``url`` is its address, ``asked`` what it was asked as (verb, path, headers)."""

    def __init__(self):
        self.routes, self.asked, self.closing = {}, [], threading.Event()
        self._server = ThreadingHTTPServer((HOST, 0), _Handler)
        self._server.daemon_threads = True
        self._server.web = self
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        """Let go of all who wait, and end."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def give(self, path, body, **headers):
        """Give a body, or the range of it that is asked for."""

        def answered(asked):
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("Range", ""))
            if not wanted:
                asked.answer(200, body, **headers)
                return
            start, stop = int(wanted[1]), int(wanted[2] or len(body) - 1) + 1
            part = body[start:stop]
            asked.answer(206, part, Content_Range=f"bytes {start}-{start + len(part) - 1}/{len(body)}", **headers)

        self.routes[path] = answered

    def refuse(self, path, *statuses, then=b"", **headers):
        """Answer with one status after the other, and then with a body."""
        left = list(statuses)

        def answered(asked):
            asked.answer(left.pop(0), **headers) if left else asked.answer(200, then)

        self.routes[path] = answered

    def redirect(self, path, to, status=302):
        """Send whoever asks elsewhere."""
        self.routes[path] = lambda asked: asked.answer(status, Location=to)

    def break_off(self, path, body, after):
        """Promise a body and hang up after some of its bytes."""

        def answered(asked):
            asked.answer(200, body[:after], Content_Length=str(len(body)))

        self.routes[path] = answered

    def trickle(self, path, body, after, size=None):
        """Give some bytes and then nothing more, without hanging up."""

        def answered(asked):
            asked.answer(200, body[:after], Content_Length=str(size or len(body)))
            asked.wfile.flush()
            if asked.command == "GET":
                self.closing.wait(30)

        self.routes[path] = answered

    def never_end(self, path, chunk):
        """Give bytes without end and without saying how many."""

        def answered(asked):
            asked.send_response(200)
            asked.end_headers()
            asked.close_connection = True
            while asked.command == "GET" and not self.closing.is_set():
                try:
                    asked.wfile.write(chunk)
                except OSError:
                    return

        self.routes[path] = answered

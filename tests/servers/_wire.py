"""A wire between a client and a server that can be cut at the worst moment."""

import contextlib
import socket
import struct
import threading

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""What a client of PostgreSQL says first where it wants TLS."""


def _socket(place):
    return socket.socket(socket.AF_INET if isinstance(place, tuple) else socket.AF_UNIX)


class Wire:
    """Listens at ``here`` and passes everything on to ``there`` (sockets by path, or host and port), until it is told otherwise.

    ``cut_before(words)``: what the client sends with these words in it never arrives, and the line is dead.
    ``cut_after(words)``: it arrives and is answered, but the answer is lost with the line. Each happens once.
    ``cut_at(n, answered=…)`` does the same with whatever the client sends as the n-th from now. ``made`` counts the lines. With ``tls`` (an SSLContext) clients of PostgreSQL speak TLS as far as here.
    """

    def __init__(self, here, there, tls=None):
        self._there, self._tls = there, tls
        self._listening = _socket(here)
        self._listening.bind(here)
        self._listening.listen()
        self.here = self._listening.getsockname()
        self._before = self._after = None
        self._at, self._answered = 0, False
        self._frozen = threading.Event()
        self._lines, self.made = [], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_before(self, words):
        self._before = words

    def cut_after(self, words):
        self._after = words

    def cut_at(self, number, *, answered):
        self._answered, self._at = answered, number

    def freeze(self):
        """Pass nothing on any more, but keep every line, and take new ones."""
        self._frozen.set()

    def cut(self):
        """Cut every line that there is now."""
        lines, self._lines = self._lines, []
        for line in lines:
            _end(line)

    def close(self):
        """Let nobody in any more, and cut those who are."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self.made += 1
                with contextlib.suppress(OSError):
                    self._connect(self._secured(client))

    def _connect(self, client):
        server = _socket(self._there)
        line = (client, server)
        self._lines.append(line)
        server.connect(self._there)
        silent = threading.Event()
        for way in ((line, silent, True), (line[::-1], silent, False)):
            threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _secured(self, client):
        if self._tls is None:
            return client
        if client.recv(8, socket.MSG_PEEK) == SSL_REQUEST:
            client.recv(8)
            client.sendall(b"S")
        return self._tls.wrap_socket(client, server_side=True)

    def _carry(self, line, silent, asking):
        source, target = line
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if asking and self._is_cut_before(data):
                    break
                if asking and self._is_cut_after(data):
                    silent.set()
                elif not asking and silent.is_set():
                    break
                if not self._frozen.is_set():
                    target.sendall(data)
        _end(line)

    def _is_cut_before(self, data):
        self._at -= 1
        named = self._before is not None and self._before in data
        if named:
            self._before = None
        return named or (self._at == 0 and not self._answered)

    def _is_cut_after(self, data):
        named = self._after is not None and self._after in data
        if named:
            self._after = None
        return named or (self._at == 0 and self._answered)


def _end(line):
    for end in line:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

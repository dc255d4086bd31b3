"""One account of a Swift: requests with a token, repeated with patience, their refusals turned into Python's errors."""

from __future__ import annotations

import email.utils
import json
import os
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from metastore_swift import _faults
from metastore_swift._login import Access, Login, entrance
from metastore_swift._names import quoted
from metastore_swift._settings import Settings
from metastore_swift._wire import Body, BrokenError, Reply, Wire

__all__ = ["Account", "Patience"]

FIRST_PAUSE = 0.1


class Patience:
    """Counts the tries of one thing, and pauses between them: as long as Swift asks for, or longer each time."""

    def __init__(self, settings: Settings, sleep: Callable[[float], None]) -> None:
        self._retries, self._longest, self._sleep = settings.retries, settings.longest_pause, sleep
        self.tries = 1

    def again(self, reply: Reply | None = None) -> bool:
        """Return True after a pause, or False at once where there is to be no further try."""
        asked = _retry_after(reply.header("Retry-After"), datetime.now(UTC)) if reply else None
        if self.tries > self._retries or (asked or 0.0) > self._longest:
            return False
        growing = min(FIRST_PAUSE * 2 ** (self.tries - 1), self._longest) * random.uniform(0.5, 1.0)  # noqa: S311
        self._sleep(growing if asked is None else asked)
        self.tries += 1
        return True


class _Process:
    """What belongs to one process: connections, a lock and the token. A fork's child makes its own."""

    def __init__(self, account: Account) -> None:
        self.pid = os.getpid()
        self.wire = Wire(account.settings)
        self.login = Login(entrance(account.settings, account.greet, account.patience))
        self.lock = threading.Lock()
        self.abilities: dict[str, Any] | None = None


class Account:
    """Asks a Swift for things of one account. Threads may share it, and a fork's child goes on with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.sleep = settings, time.sleep
        self._process = _Process(self)

    @property
    def here(self) -> _Process:
        """What belongs to this process."""
        if self._process.pid != os.getpid():
            self._process = _Process(self)
        return self._process

    @property
    def access(self) -> Access:
        """Where the account is, and the token; logs in if nobody has yet."""
        return self.here.login.access()

    def patience(self) -> Patience:
        """Return a new count of tries."""
        return Patience(self.settings, self.sleep)

    def ask(
        self, verb: str, container: str = "", name: str = "", *,
        query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
        body: Body = None, stream: bool = False, accept: Collection[int] = (),
    ) -> Reply:  # fmt: skip
        """Return a success, or an answer whose status is in ``accept``.

        A refused token is renewed once. What may pass (a broken connection, 408, 422, 429, 498, 500, 502, 503, 504) is asked
        again, up to ``retries`` times.

        Raises: ``OSError``, of the builtin class that fits.
        """
        path = "/".join(part for part in (container, name) if part)
        target = quoted(container, name) + (f"?{urlencode(query)}" if query else "")

        def send(access: Access) -> Reply:
            whole = access.prefix + target
            wire = self.here.wire
            return wire.send(access.base, verb, whole, headers or {}, token=access.token, body=body, stream=stream)

        access = self.access
        reply = self._insisted(path, verb, lambda: send(access))
        if reply.status == 401 and 401 not in accept:
            renewed = self.here.login.access(refused=access)
            before = reply.tries - 1  # the refused one did nothing, but those before it may have
            reply = self._insisted(path, verb, lambda: send(renewed))
            reply = replace(reply, tries=reply.tries + before)
        return _accepted(reply, path, verb, accept)

    def greet(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Ask an authentication server; return the headers of its answer."""
        parts = urlsplit(url)
        base, wire = f"{parts.scheme}://{parts.netloc}", self.here.wire
        reply = self._insisted(url, "login", lambda: wire.send(base, "GET", parts.path or "/", headers))
        return _accepted(reply, url, "login", ()).headers

    def _insisted(self, path: str, verb: str, send: Callable[[], Reply]) -> Reply:
        """Return the first answer that is not a passing failure, or the last one."""
        patience = self.patience()
        while True:
            try:
                reply = send()
            except BrokenError as error:
                broken = error
            else:
                if reply.status not in _faults.PASSING or not patience.again(reply):
                    return replace(reply, tries=patience.tries)
                continue
            if not broken.again or not patience.again():
                raise _faults.unreachable(path, verb, str(broken), patience.tries)

    def limit(self, kind: str, name: str, otherwise: int) -> int:
        """Return one of the cluster's limits, as it publishes them; ``otherwise`` where it does not."""
        found = self.abilities.get(kind)
        value = found.get(name) if isinstance(found, dict) else None
        return value if isinstance(value, int) and value > 0 else otherwise

    @property
    def abilities(self) -> dict[str, Any]:
        """What the cluster says of itself, asked once; empty where it says nothing."""
        here = self.here
        with here.lock:
            if here.abilities is None:
                here.abilities = self._published()
            return here.abilities

    def _published(self) -> dict[str, Any]:
        access, wire = self.access, self.here.wire
        reply = self._insisted("", "GET /info", lambda: wire.send(access.base, "GET", "/info", {}))
        try:
            found = json.loads(reply.body) if reply.status == 200 else {}
        except ValueError:
            found = {}
        return found if isinstance(found, dict) else {}


def _accepted(reply: Reply, path: str, verb: str, accept: Collection[int]) -> Reply:
    if reply.status < 300 or reply.status in accept:
        return reply
    raise _faults.refused(reply.status, path, verb, reply.headers, reply.body.decode("utf-8", "replace"))


def _retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date; None where it asks for nothing."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())

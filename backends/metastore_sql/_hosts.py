"""Hosts: from the servers of an address to a connection to one that serves."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

from metastore.errors import BackendError, BusyError, MetastoreError, ReadOnlyError, UnreachableError
from metastore_sql._dialect import Dialect
from metastore_sql._settings import Host, Settings

__all__ = ["Hosts", "pauses"]

PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""The bound of the first wait before the next round of hosts, and of any, in seconds."""


def pauses(seconds: float) -> Iterator[None]:
    """Wait before each turn but the first, a random time below a bound that doubles, until so many seconds are over."""
    end, bound = time.monotonic() + seconds, PAUSE
    yield
    while time.monotonic() < end:
        time.sleep(bound * random.random())  # noqa: S311 - it spreads clients, and guards nothing
        bound = min(2 * bound, LONGEST_PAUSE)
        yield


class Hosts:
    """The servers of an address, those that served last first; any thread may ask."""

    def __init__(self, settings: Settings, dialect: Dialect, *, writing: bool) -> None:
        self._settings, self._dialect, self._writing = settings, dialect, writing
        self._order = list(settings.hosts)
        self._guard = threading.Lock()
        self._met = False

    def connect(self) -> Any:
        """Return a new connection to the first server that takes one.

        Once a server was met, one that fails is waited for until the timeout, as a cluster needs time to choose another; the first
        time an address that is wrong is told at once. Raises UnreachableError, ReadOnlyError, BusyError, and
        LoginError, UnfitServerError, CatalogUrlError at once.
        """
        refused: list[MetastoreError] = []
        for _ in pauses(self._settings.timeout if self._met else 0.0):
            refused = []
            for host in tuple(self._order):
                try:
                    made = self._dialect.connect(self._settings, host, writing=self._writing)
                except (UnreachableError, ReadOnlyError, BusyError) as error:
                    refused.append(error)
                    continue
                self._met = True
                made.server = host
                return made
        raise self._summed(refused)

    def avoid(self, host: Host) -> None:
        """Try a server after all others from now on."""
        with self._guard:
            if len(self._order) > 1 and host in self._order:
                self._order = [*[each for each in self._order if each != host], host]

    def _summed(self, refused: list[MetastoreError]) -> MetastoreError:
        if len(refused) == 1:
            return refused[0]
        worst = next((each for each in refused if isinstance(each, ReadOnlyError)), refused[-1])
        kind = type(worst) if isinstance(worst, BackendError) else UnreachableError
        told = "; ".join([f"{host}: {error}" for host, error in zip(self._order, refused, strict=False)])
        return kind(f"no server of {self._settings.address} serves: {told}")

"""Settings: what an address, the environment and the opener say about a server, read once.

A password is taken here, kept in one attribute that no ``repr`` shows, and given to the driver only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

__all__ = ["Host", "Settings", "settings_of"]


@frozen
class Host:
    """One server of an address: a name or address and a port, or a directory (PostgreSQL) or file (MariaDB) of a socket."""

    name: str
    port: int
    socket: str | None = None


@frozen(kw_only=True)
class Settings:
    """How to reach and use one database; ``address`` is the text to show: it never holds the password. Times are in seconds."""

    address: str
    dialect: Literal["postgresql", "mysql"]
    hosts: tuple[Host, ...]
    database: str
    user: str | None
    password: str | None = field(repr=False)
    schema: str
    mode: str
    durability: str
    timeout: float
    connect_timeout: float
    pool_size: int
    reads: Literal["latest", "any"]
    tls: Mapping[str, str]

    @property
    def read_only(self) -> bool:
        """Whether the catalogue was opened for reading only."""
        return self.mode == "ro"


def settings_of(url: str, environment: Mapping[str, str], *, mode: str, durability: str, timeout: float) -> Settings:
    """Return what an address, completed by the environment, says. Raises CatalogUrlError."""
    raise NotImplementedError

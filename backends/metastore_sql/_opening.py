"""From an address to an opened backend; only here is it asked whether the packages that it needs are installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metastore_sql._settings import settings_of

if TYPE_CHECKING:
    from metastore.backend import Backend

__all__ = ["open_backend"]


def open_backend(url: str, *, mode: str, durability: str, timeout: float) -> Backend:
    """Return the opened catalogue of an address. Raises CatalogUrlError, MissingExtraError, and what a server refuses."""
    settings = settings_of(url, os.environ, mode=mode, durability=durability, timeout=timeout)
    from metastore_sql._dialect import dialect_of
    from metastore_sql._store import SqlStore

    return SqlStore(settings, dialect_of(settings.dialect))

"""From an address to an opened backend; only here is it asked whether the packages that it needs are installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metastore.errors import MissingExtraError
from metastore_sql._settings import settings_of

if TYPE_CHECKING:
    from metastore.backend import Backend

__all__ = ["open_backend"]


def open_backend(url: str, *, mode: str, durability: str, timeout: float) -> Backend:
    """Return the opened catalogue of an address.

    Raises CatalogUrlError, MissingExtraError, UnreachableError, LoginError, UnfitServerError, ReadOnlyError, NewerRevisionError.
    """
    settings = settings_of(url, os.environ, mode=mode, durability=durability, timeout=timeout)
    try:
        from metastore_sql._dialect import dialect_of
        from metastore_sql._store import SqlStore
    except ImportError as missing:
        raise MissingExtraError(
            f"{settings.dialect} needs {missing.name}, which is not installed: pip install 'metastore-engine[{settings.dialect}]'"
        ) from missing
    return SqlStore(settings, dialect_of(settings.dialect))

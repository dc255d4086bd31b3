"""From an address to an opened backend: scheme, entry point, nothing imported before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from metastore.errors import CatalogUrlError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from metastore.backend import Backend

__all__ = ["GROUP", "open_backend", "scheme_of"]

GROUP = "metastore.backends"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def scheme_of(url: str) -> str:
    """Return the scheme of an address; a bare path is SQLite's.

    >>> scheme_of("catalog.db"), scheme_of("sqlite:///var/lib/catalog.db"), scheme_of("memory:")
    ('sqlite', 'sqlite', 'memory')
    """
    found = _SCHEME.match(url)
    return found.group(1).lower().split("+")[0] if found else "sqlite"


def _installed() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # here, as it costs as much as half the engine to import

    found: dict[str, EntryPoint] = {}
    for each in entry_points(group=GROUP):
        if found.setdefault(each.name, each).value != each.value:
            raise CatalogUrlError(
                f"two backends are installed for {each.name}: {found[each.name].value} and {each.value}; remove one"
            )
    return found


def open_backend(url: str, **options: Any) -> Backend:
    """Return the opened backend of an address. Raises CatalogUrlError where none can open it."""
    if not isinstance(url, str) or not url or "\0" in url:
        raise CatalogUrlError(f"expected a catalogue's address like catalog.db or sqlite:///path, got {url!r:.60}")
    scheme, installed = scheme_of(url), _installed()
    if scheme not in installed:
        raise CatalogUrlError(f"no backend is installed for {scheme}: {nearest(scheme, installed)}")
    opened: Backend = installed[scheme].load()(url, **options)
    return opened

"""What is installed beside the engine, by entry points: backends by the scheme of an address, hooks by type."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metastore.errors import CatalogUrlError, MigrationError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from metastore.backend import Backend

__all__ = ["GROUP", "installed", "open_backend", "open_schema", "scheme_of", "without_password"]

GROUP = "metastore.backends"
SCHEMAS = "metastore.schemas"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_PASSWORD = re.compile(r"(//[^/:@]*):.*@", re.DOTALL)


def scheme_of(url: str) -> str:
    """Return the scheme of an address; a bare path is SQLite's.

    >>> scheme_of("catalog.db"), scheme_of("sqlite:///var/lib/catalog.db"), scheme_of("memory:")
    ('sqlite', 'sqlite', 'memory')
    """
    found = _SCHEME.match(url)
    return found.group(1).lower().split("+")[0] if found else "sqlite"


def without_password(url: str) -> str:
    """Return an address as it may be shown.

    >>> without_password("postgresql://ann:secret@host/catalog")
    'postgresql://ann:***@host/catalog'
    """
    return _PASSWORD.sub(r"\1:***@", url)


@lru_cache(maxsize=8)
def installed(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, looked for once per process; nothing of them is imported."""
    from importlib.metadata import entry_points  # here, as it costs as much as half the engine to import

    return tuple(entry_points(group=group))


def _backends() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for each in installed(GROUP):
        if found.setdefault(each.name, each).value != each.value:
            raise CatalogUrlError(
                f"two backends are installed for {each.name}: {found[each.name].value} and {each.value}; remove one"
            )
    return found


def open_backend(url: str, **options: Any) -> Backend:
    """Return the opened backend of an address. Raises CatalogUrlError where none can open it."""
    opened: Backend = _known(url, _backends()).load()(url, **options)
    return opened


def open_schema(url: str) -> Any:
    """Return the schema of the catalogue at an address, to migrate it: ``state``, ``take(step)``, ``down``.

    Raises MigrationError for a backend whose tables go with the program, as a file's do; CatalogUrlError as `open_backend`.
    """
    backend = _known(url, _backends())
    schemas = {each.name: each for each in installed(SCHEMAS)}
    if backend.name not in schemas:
        raise MigrationError(f"a catalogue of {backend.name} takes no steps: its tables are migrated as it is opened")
    return schemas[backend.name].load()(url)


def _known(url: str, known: dict[str, EntryPoint]) -> EntryPoint:
    shown = without_password(url) if isinstance(url, str) else type(url)
    if not isinstance(url, str) or not url or "\0" in url or (shown != url and not _SCHEME.match(url)):
        raise CatalogUrlError(
            f"expected a catalogue's address like catalog.db, sqlite:///path or postgresql://user@host/database, got {shown!r:.60}"
        )
    scheme = scheme_of(url)
    if scheme not in known:
        raise CatalogUrlError(f"no backend is installed for {scheme}: {nearest(scheme, known)}")
    return known[scheme]

"""The reference backend: the shortest correct reading of `metastore.backend`, in plain dicts.

``memory:`` is a fresh private store; ``memory:name`` is one store for everybody in the
process who names it, and goes when its last handle is closed.
"""

from __future__ import annotations

from metastore_memory._backend import MemoryBackend, open_backend

__all__ = ["MemoryBackend", "open_backend"]

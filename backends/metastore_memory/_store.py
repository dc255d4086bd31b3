"""What is kept, and the undo log that makes transactions all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from metastore.backend import Change, Commit, Identity, StoredSpec
from metastore.errors import BusyError
from metastore_memory._turns import Turns

__all__ = ["Store"]

_MISSING = object()


class Store:
    """The dicts of one catalogue. Change them only through `put` and `drop`, inside `transaction`.

    A row is a dict of column to value, never changed in place, so that specs of different
    width can share it and the undo log can hold it.
    """

    def __init__(self) -> None:
        self.catalogue = str(uuid4())
        self.specs: dict[str, tuple[StoredSpec, ...]] = {}
        self.rows: dict[str, dict[bytes, dict[str, Any]]] = {}
        self.unique: dict[str, dict[bytes, bytes]] = {}
        self.identities: dict[bytes, Identity] = {}
        self.commits: dict[bytes, Commit] = {}
        self.changes: dict[int, tuple[bytes | None, Change]] = {}
        self.tombstones: dict[bytes, tuple[Commit, Change]] = {}
        self.under_way: dict[str, bytes] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._depth = 0
        self._turns = Turns()
        _stores.add(self)

    def put(self, container: dict[Any, Any], key: Any, value: Any) -> None:
        """Set an entry of one of the dicts."""
        self._undo.append((container, key, container.get(key, _MISSING)))
        container[key] = value

    def drop(self, container: dict[Any, Any], key: Any) -> None:
        """Remove an entry of one of the dicts."""
        self._undo.append((container, key, container.get(key, _MISSING)))
        container.pop(key, None)

    @contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Keep every other thread out, readers too, so that nobody sees what is not committed."""
        if not self._turns.take(timeout):
            raise BusyError(f"Expected the lock of the memory store within {timeout:g} s, it stayed taken; try again")
        try:
            yield
        finally:
            self._turns.give()

    @contextmanager
    def transaction(self, timeout: float) -> Iterator[None]:
        """Make what is written inside one; an inner one that raises undoes itself only."""
        with self.held(timeout):
            mark = len(self._undo)
            self._depth += 1
            try:
                yield
            except BaseException:
                self._roll_back(mark)
                raise
            finally:
                self._depth -= 1
                if not self._depth:
                    self._undo.clear()
                    self.under_way.clear()

    def _roll_back(self, mark: int) -> None:
        while len(self._undo) > mark:
            container, key, old = self._undo.pop()
            if old is _MISSING:
                container.pop(key, None)
            else:
                container[key] = old

    def after_fork(self) -> None:
        """Forget the threads that stayed in the parent, and what they had not committed."""
        if not self._turns.mine:
            self._roll_back(0)
            self._depth = 0
            self.under_way.clear()
            self._turns = Turns()


_stores: WeakSet[Store] = WeakSet()


def _recover() -> None:
    for store in list(_stores):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_recover)

"""Connections: one per thread and process, set up alike, and the words for what SQLite says.

The driver is the one that sqlite-utils chose: two copies of SQLite in one process on one file lose each other's
locks silently (measured), so nobody else chooses.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlite_utils.utils

from metastore.errors import (
    BackendError,
    BusyError,
    CatalogUrlError,
    ClosedError,
    DamagedError,
    MetastoreError,
    NotACatalogError,
    QueryError,
    ReadOnlyError,
    SchemaConflictError,
    StorageFullError,
)
from metastore_sqlite._functions import register
from metastore_sqlite._turns import Turns

if TYPE_CHECKING:
    from metastore.backend import TypeSpec

__all__ = ["Connections", "Local", "driver", "forked_inside", "translated"]

driver: Any = vars(sqlite_utils.utils)["sqlite3"]
"""The driver that sqlite-utils chose; it does not list the name among its own."""

CACHE_KIB = 16 * 1024
"""SQLite's page cache, for each thread. At the commit of a write for which it moved pages (two of five, of 100,000 artifacts) SQLite goes
through all that it holds: with 64 MB a create took a fifth more of the processor. A page that it lacks comes from the system's
cache: a get of any of 100,000 takes a twelfth more than with 64 MB (all measured)."""
SPILL_KIB = 64 * 1024
"""What a transaction may have changed before SQLite writes of it to make room: a bulk write changes pages at random, and some many times."""

CHECKPOINT_PAGES = 1000
"""4 MB of log, from then on written over: where a commit makes the log longer, the file system has to keep its own
log as well, and an update took 560 µs against 360 (measured). The log is short anew whenever the last program closes."""

SECURE_DELETE = "FAST"
"""What is deleted is written over in pages that are written anyway. Some builds of SQLite write pages that became free over as well, as
full text frees them whenever it merges: a thirtieth of what a bulk write wrote (measured)."""

BUSY_SECONDS = 30.0


_process = os.getpid()
_guard = threading.Lock()
_mine = threading.local()
_live: weakref.WeakSet[Local] = weakref.WeakSet()
_held: list[list[Local]] = []
_quiet: list[Local] = []
forked_inside: set[str] = set()
"""Files that this process cannot write: SQLite remembers in it the lock of the transaction that was open, by whichever thread, when it was forked."""
FORK_SECONDS = 5.0
"""How long a fork waits for each other thread to finish what it asks or writes; then it goes on all the same."""
CLOSE_SECONDS = 5.0
"""How long a close waits for all other threads to finish what they ask or write; who has not then keeps its connection until it has."""


def _before_fork() -> None:
    # no other thread may be inside SQLite then: the child would inherit its mutexes locked, by nobody
    _guard.acquire()
    _held.append(list(_live))
    _quiet.extend([each for each in _held[-1] if each.busy.acquire(timeout=FORK_SECONDS)])


def _go_on() -> None:
    while _quiet:
        _quiet.pop().busy.release()
    _guard.release()


def _after_fork_in_parent() -> None:
    _held.pop()
    _go_on()


def _after_fork_in_child() -> None:
    global _process
    _process = os.getpid()  # asked once: as a system call for every statement it was a twentieth of an update
    # the parent's connections stay referred to for ever: closing one here would take in or delete the log under the parent
    _go_on()
    for each in _held[-1]:
        each.turns.close()
        if each.depth:
            forked_inside.add(each.turns.path)
    _live.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


class Local:
    """What one thread of one process holds: a connection, its turn to write, and how deep it is in a transaction.

    ``busy`` is held while it asks or writes, so that a fork can wait for the moment in between. ``specs`` are those that its open
    transaction read or stored, nobody else's before it is committed; ``None`` for one to be read again. ``latest`` is the time of the
    last transaction recorded, where the one that is open has asked for it and recorded none since; ``transaction`` is the sequence of the open
    one, 0 before it is recorded.
    """

    __slots__ = ("__weakref__", "busy", "conn", "depth", "latest", "pid", "specs", "transaction", "turns")

    def __init__(self, conn: Any, turns: Turns) -> None:
        self.conn, self.turns = conn, turns
        self.pid = _process
        self.busy = threading.RLock()
        self.depth = 0
        self.transaction = 0
        self.latest: int | None = None
        self.specs: dict[str, TypeSpec | None] = {}

    def close(self) -> None:
        """Close both, where this process opened them."""
        if self.pid == _process:
            self.conn.close()
            self.turns.close()

    def __del__(self) -> None:
        try:
            self.close()
        except driver.Error:
            return


def _inside(path: str) -> bool:
    """Return whether this thread is in a transaction of a file, by whichever catalogue it opened."""
    return any(each.depth and each.turns.path == path for each in getattr(_mine, "every", ()))


class Connections:
    """Hands every thread its connection to one file."""

    def __init__(self, path: str, *, mode: str, durability: str, timeout: float) -> None:
        self.path, self.mode = path, mode
        self._durability, self._timeout = durability, timeout
        self._thread = threading.local()
        self._all: weakref.WeakSet[Local] = weakref.WeakSet()
        self.open = True
        self._longest = [0.0]
        self._file: tuple[int, int] | None = None

    def local(self) -> Local:
        """Return this thread's connection, made anew in a forked child. Raises ClosedError."""
        found: Local | None = getattr(self._thread, "local", None)
        if found is None or found.pid != _process or not self.open:
            found = self._fresh()
        return found

    def _fresh(self) -> Local:
        if not self.open:
            raise ClosedError("the catalogue was closed")
        with _guard:
            turns = Turns(self.path, self._timeout, self._longest, partial(_inside, self.path))
            self._thread.local = made = Local(self._connect(), turns)
            _mine.every = every = getattr(_mine, "every", None) or weakref.WeakSet()
            every.add(made)
            self._all.add(made)
            _live.add(made)
        return made

    def check_there(self) -> None:
        """Raise BackendError where the path no longer leads to the file that was opened: what is written to that one is lost."""
        try:
            told = os.stat(self.path)
        except OSError as refused:
            raise BackendError(
                f"{self.path} is gone since it was opened ({refused.strerror}); put it back, or open another"
            ) from None
        if (told.st_dev, told.st_ino) != self._file:
            raise BackendError(f"{self.path} is another file than the one that was opened; open it again")

    def _connect(self) -> Any:
        if self._file is not None:
            self.check_there()
        conn = None
        try:
            conn = driver.connect(
                self._uri(),
                uri=True,
                timeout=min(BUSY_SECONDS, self._timeout),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            self._set_up(conn)
        except driver.Error as refused:
            if conn is not None:
                conn.close()
            if "unable to open" in str(refused) and self.mode == "rw" and not os.access(_folder(self.path), os.W_OK):
                raise ReadOnlyError(self._unwritable()) from refused
            raise translated(refused, self.path) from refused
        if self._file is None:
            told = os.stat(self.path)
            self._file = told.st_dev, told.st_ino
        return conn

    def _unwritable(self) -> str:
        if os.path.exists(self.path):
            return f"{self.path} cannot be written where it lies; open it with mode='ro', or copy it elsewhere"
        return f"{self.path} cannot be made: {_folder(self.path)} may not be written in; give a path elsewhere"

    def _uri(self) -> str:
        place = f"file:{quote(os.fsencode(self.path))}"
        if self.mode == "rw":
            return f"{place}?mode=rwc"
        return f"{place}?mode=ro{'&immutable=1' if self._immutable() else ''}"

    def _immutable(self) -> bool:
        if os.access(_folder(self.path), os.W_OK):
            return False
        wal = f"{self.path}-wal"
        if os.path.exists(wal) and os.path.getsize(wal):
            raise ReadOnlyError(
                f"{self.path} lies on read-only media beside a write-ahead log that was not taken in; open it once where it can be written, then copy it again"
            )
        return True

    def _set_up(self, conn: Any) -> None:
        conn.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        conn.execute(f"PRAGMA cache_spill = -{SPILL_KIB}")
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA temp_store = MEMORY")
        conn.execute(f"PRAGMA secure_delete = {SECURE_DELETE}")
        conn.execute("PRAGMA trusted_schema = OFF")
        if self.mode == "ro":
            conn.execute("PRAGMA query_only = ON")
        else:
            conn.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            conn.execute(f"PRAGMA synchronous = {'FULL' if self._durability == 'full' else 'NORMAL'}")
        register(conn)

    def longest_wait(self) -> float:
        """Return the longest wait for the write lock since opening, in seconds."""
        return self._longest[0]

    def close(self) -> None:
        """Close every connection of this process that no other thread is at work on: under its hands SQLite would crash."""
        self.open = False
        with _guard:
            every = list(self._all)
            self._all.clear()
        own, until = getattr(self._thread, "local", None), time.monotonic() + CLOSE_SECONDS
        for each in every:
            if each.busy.acquire(timeout=max(0.0, until - time.monotonic())):
                try:
                    each.close() if each is own else each.conn.close()  # it may wait for its turn, by the number of the lock file
                finally:
                    each.busy.release()


def _folder(path: str) -> str:
    return os.path.dirname(path)


# write(2) itself fails for want of room only (a quota, a limit on file size); a dying disk shows at fsync(2)
_NO_ROOM = frozenset({"SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})

_MIGRATED = "another program migrated the type meanwhile ({text} in {path}); this one needs the newer declaration"

_SENTENCES: tuple[tuple[str, type[MetastoreError], str], ...] = (
    (
        "Could not decode to UTF-8",
        DamagedError,
        "{path} is damaged ({text:.80}); check names the rows; restore it from a copy",
    ),
    ("database or disk is full", StorageFullError, "the disk is full; nothing of this transaction was written"),
    ("file is not a database", NotACatalogError, "{path} is no SQLite database"),
    (
        "malformed",
        DamagedError,
        "{path} is damaged ({text}); restore it from a copy, or save what `sqlite3 .recover` finds",
    ),
    ("no such table: _", DamagedError, "{path} lacks a table of the catalogue's own ({text}); restore it from a copy"),
    ("no such column", SchemaConflictError, _MIGRATED),
    ("has no column named", SchemaConflictError, _MIGRATED),
    ("disk I/O error", BackendError, "reading or writing {path} failed ({text}); look at the disk"),
    ("locked", BusyError, "another program kept {path} locked too long; try again"),
    ("readonly", ReadOnlyError, "{path} is open or stored read-only"),
    ("unable to open", CatalogUrlError, "{path} cannot be opened: is there such a directory, and may you write in it?"),
    ("no such column", SchemaConflictError, "another program changed the types of {path} meanwhile; open it again"),
    ("integer overflow", QueryError, "the sum is beyond 64 bits"),
    ("closed", ClosedError, "the catalogue was closed"),
    ("interrupted", BackendError, "the query was interrupted"),
)


def translated(error: BaseException, path: str) -> MetastoreError:
    """Return the error of ours that says what an error of the driver means."""
    text = "database or disk is full" if getattr(error, "sqlite_errorname", "") in _NO_ROOM else str(error)
    for part, kind, sentence in _SENTENCES:
        if part in text:
            return kind(sentence.format(path=path, text=text))
    return BackendError(f"SQLite refused ({text}) on {path}")

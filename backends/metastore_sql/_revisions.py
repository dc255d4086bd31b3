"""Schema revisions: which tables a program can work with.

A database says two numbers in ``_turn``: the ``revision`` that its tables have, and the ``least`` revision that a program must
know to use them. Between the expanding of a new revision and its contracting, programs of both revisions work on it.
"""

from __future__ import annotations

from metastore.errors import MigrationError, NewerRevisionError

__all__ = ["REVISION", "check_revision"]

REVISION = 1
"""Of the tables that this program makes, and the latest that it knows."""


def check_revision(revision: int, least: int, address: str, *, program: int = REVISION) -> None:
    """Raise where a program of one revision cannot work on tables of another: NewerRevisionError, MigrationError.

    >>> check_revision(2, 1, "postgresql://db/cat", program=1)  # expanded: old and new programs work on it
    >>> check_revision(2, 2, "postgresql://db/cat", program=1)
    Traceback (most recent call last):
    metastore.errors.NewerRevisionError: postgresql://db/cat has schema revision 2, and programs older than 2 may not use it any more; this one knows 1: use a newer metastore
    """
    if program < least:
        raise NewerRevisionError(
            f"{address} has schema revision {revision}, and programs older than {least} may not use it any more;"
            f" this one knows {program}: use a newer metastore"
        )
    if revision < program:
        raise MigrationError(
            f"{address} has schema revision {revision}, this metastore needs {program}:"
            f" expand it first, with `metastore migrate expand -c {address}`"
        )

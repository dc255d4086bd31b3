"""Folders and transactions that stop before and after each of their steps, so that others come in between, or the process dies there."""

import os
from contextlib import contextmanager

from metastore._transaction import Transaction
from metastore.stores import Store, Stores
from metastore.stores._local import LocalDrive

STEPS = ("stat", "read", "keys", "create", "remove", "move", "aside", "unfinished", "abandon", "finish", "_in_folder")


class Killed(BaseException):
    """The process died here."""


class Stepwise(LocalDrive):
    """A folder that calls ``between`` before and after each of its steps, those within a step too."""

    between = staticmethod(lambda: None)


def _told(name):
    def method(self, *args, **options):
        self.between()
        found = getattr(LocalDrive, name)(self, *args, **options)
        self.between()
        return found

    return method


for _name in STEPS:
    setattr(Stepwise, _name, _told(_name))


def stepwise_stores(root, names, between):
    """Return folders below a root as stores of their names."""
    stores = Stores([Store(name, f"file://{root}/{name}") for name in names])
    for name in names:
        (root / name).mkdir(exist_ok=True)
        drive = Stepwise(name, f"{root}/{name}")
        drive.between = between
        stores._open[name, os.getpid()] = drive
    return stores


@contextmanager
def between_transactions(between):
    """Call ``between`` before each transaction takes the lock, and after it was committed or undone."""
    enter, leave = Transaction.__enter__, Transaction.__exit__

    def entered(transaction):
        if getattr(transaction._catalog._local, "open", None) is None:
            between()
        return enter(transaction)

    def left(transaction, *error):
        leave(transaction, *error)
        if getattr(transaction._catalog._local, "open", None) is None:
            between()

    Transaction.__enter__, Transaction.__exit__ = entered, left
    try:
        yield
    finally:
        Transaction.__enter__, Transaction.__exit__ = enter, leave

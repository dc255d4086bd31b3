"""Stores of bytes: where blobs may lie, configured by name, and the one guarded door through which they are reached.

Importing this opens nothing and loads no driver; fsspec and what it needs come at the first use of a store.
"""

from metastore.stores._drive import Copies, Drive, Lists, Parts, Signed, Signs, Stat, Sweeps, TakesUp, Unfinished
from metastore.stores._reading import Bytes
from metastore.stores._secret import FromEnv, FromFile, Secret
from metastore.stores._sending import Resume
from metastore.stores._store import Store
from metastore.stores._stores import Stores

__all__ = [
    "Bytes",
    "Copies",
    "Drive",
    "FromEnv",
    "FromFile",
    "Lists",
    "Parts",
    "Resume",
    "Secret",
    "Signed",
    "Signs",
    "Stat",
    "Store",
    "Stores",
    "Sweeps",
    "TakesUp",
    "Unfinished",
]

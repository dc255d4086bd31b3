"""Where a command puts what it writes: a file that is whole or not there, or what takes it as it comes."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from metastore.cli._session import url
from metastore.errors import MetastoreError

__all__ = ["STANDARD", "own_files", "target_at"]

STANDARD = ("-", "/dev/stdout")  # the second leads to a file where output goes to one, which is not ours to replace


def own_files() -> tuple[str, ...]:
    """Return the real paths of the files that the catalogue of the commands has, if it is one of files."""
    path = url().removeprefix("sqlite://")
    return tuple(os.path.realpath(path + ending) for ending in ("", "-wal", "-shm", "-journal", "-lock"))


@contextmanager
def target_at(path: str) -> Iterator[Any]:
    """Give a file that gets its name only at a good end; standard output, a device or a pipe as it is.

    Raises UsageError for what no file can be, and for a file of the catalogue itself.
    """
    if path in STANDARD:
        yield sys.stdout.buffer
        return
    _check_name(path)
    special = os.path.exists(path) and not os.path.isfile(path)
    try:
        with open(path, "wb") if special else _at_a_good_end(path) as file:
            yield file
    except MetastoreError:
        raise
    except OSError as error:  # of the file that was asked for, not of one that nobody knows
        raise OSError(error.errno, error.strerror, path) from None


def _check_name(path: str) -> None:
    if not path:
        raise click.UsageError("the file to write has no name: expected a path, or - for standard output")
    if os.path.isdir(path):
        raise click.UsageError(f"{path} is a folder: name the file in it")
    if os.path.realpath(path) in own_files():
        raise click.UsageError(f"{path} is the catalogue itself, which would be lost: name another file")


@contextmanager
def _at_a_good_end(path: str) -> Iterator[Any]:
    """Give a file that then gets its name, or that of the file to which a link of this name leads, and who may read that."""
    place = os.path.realpath(path)
    folder, name = os.path.split(place)
    part = os.path.join(folder, f"{name[:40]}.{secrets.token_hex(4)}.part")  # the name may be as long as one can be
    try:
        with open(part, "xb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(os.stat(place).st_mode))
            yield file
        os.replace(part, place)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)

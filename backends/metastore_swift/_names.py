"""Names of containers and objects: out of paths, into addresses, and the levels between slashes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from urllib.parse import quote

__all__ = ["PROTOCOL", "bare", "joined", "levels_above", "quoted", "split", "stripped", "to_write"]

PROTOCOL = "swift"


def bare(path: str) -> str:
    """Return a path without protocol and without the slashes before the container.

    >>> bare("swift://photos//2026/a?b#c%20d/")
    'photos//2026/a?b#c%20d/'
    """
    path = path.removeprefix(f"{PROTOCOL}://").removeprefix(f"{PROTOCOL}::")
    return path.lstrip("/")


def stripped(path: str) -> str:
    """Return a path as fsspec writes it: `bare`, and without slashes at its end."""
    return bare(path).rstrip("/")


def split(path: str) -> tuple[str, str]:
    """Return container and object name, exactly as Swift knows them; either may be empty.

    >>> split("swift://photos//2026/a")
    ('photos', '/2026/a')
    """
    container, _, name = bare(path).partition("/")
    return container, name


def to_write(path: str) -> tuple[str, str]:
    """Return container and name of an object that may be written at ``path``.

    Raises: IsADirectoryError where the path names an account, a container or, by its last slash, a pseudo-directory.
    """
    container, name = split(path)
    if not name or name.endswith("/"):
        said = "An object's path is container/name, and the name does not end in a slash"
        raise IsADirectoryError(errno.EISDIR, said, path)
    return container, name


def joined(container: str, name: str) -> str:
    """Return the path of an object, the reverse of `split`."""
    return f"{container}/{name}" if name else container


def quoted(*parts: str) -> str:
    """Return an address of parts, each preceded by a slash; slashes inside of a part stay.

    >>> quoted("photos", "a?b/ü")
    '/photos/a%3Fb/%C3%BC'
    """
    try:
        return "".join(f"/{quote(part, safe='/')}" for part in parts if part)
    except UnicodeEncodeError as error:
        said = "Swift's names are UTF-8, and this one holds half of a surrogate pair"
        raise OSError(errno.EINVAL, said, ascii(parts[-1])) from error


def levels_above(name: str, root: str = "") -> Iterator[str]:
    """Yield the pseudo-directories between ``root`` and an object below it, the highest first.

    >>> list(levels_above("c/a//b/x", "c"))
    ['c/a', 'c/a//b']
    """
    for at in range(len(root) + 1, len(name)):
        if name[at] == "/" and name[at - 1] != "/":
            yield name[:at]

"""Places: whether a url may name an object of a store, however it is spelled; where that cannot be told, it may.

Garbage is judged by this, so its mistakes go one way only: an object may be kept for the sake of a url that names another one, and is never
given up while a url names it. Every comparison is one of *signs*: texts that an object and the urls that may name it have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from metastore._data import Data
from metastore._text import fold

__all__ = ["Base", "base_of", "inside", "signs_of_key", "signs_of_url", "step_of", "tails"]

ROUNDS = 8
_FAMILIES = {"s3a": "s3", "local": "file", "https": "http"}
_UNIQUE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
Trail = tuple[str, ...]


class Base(Data):
    """Where a store begins: the kind of its protocol, its bucket or host, and the path below, as they are compared."""

    family: str
    root: str
    path: Trail

    def __str__(self) -> str:
        return f"{self.family}://{'/'.join((self.root, *self.path))}"


def base_of(url: str) -> Base:
    """Return where a store of that url begins, or what a url names.

    >>> str(base_of("s3a://Images/all/")), base_of("file://localhost/srv/a%20b/../c").path
    ('s3://images/all', ('srv', 'c'))
    """
    protocol, _, rest = url.partition("://")
    family = _FAMILIES.get(protocol.lower(), protocol.lower())
    root, _, path = rest.partition("/")
    return Base(family, "" if family == "file" else fold(root), _trail(path))


def _trail(text: str) -> Trail:
    """Return the steps of a path, decoded until nothing changes any more, without regard to case."""
    for _ in range(ROUNDS):
        again = _decoded(text)
        if again == text:
            break
        text = again
    steps: list[str] = []
    for each in re.split(r"[/\\]+", text):
        if each == "..":
            del steps[-1:]
        elif each not in ("", "."):
            steps.append(fold(each))
    return tuple(steps)


def _decoded(text: str) -> str:
    from urllib.parse import unquote

    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if not text.isascii() else text
    return unquote(plain, errors="replace") if "%" in plain else plain


def _readings(url: str) -> Iterator[Base]:
    """Yield what a url may name: each link of a chain, with and without what a query or a fragment would be."""
    for link in {url, *url.split("::")}:
        for text in {link, link.partition("?")[0], link.partition("#")[0]}:
            yield base_of(text if "://" in text else f"unknown:///{text}")


def tails(url: str) -> set[str]:
    """Return the last step of whatever a url may name: two that share none cannot name the same.

    >>> tails("s3://images/a/Root%2Eimg")
    {'root.img'}
    """
    return {each.path[-1] for each in _readings(url) if each.path}


def step_of(key: str) -> str:
    """Return the last step of a key as `tails` gives it for the urls that may name it."""
    return next(reversed(_trail(key)), "")


def inside(url: str, prefix: str) -> bool:
    """Return whether a url is another one, or lies below it."""
    place, above = base_of(url), base_of(prefix)
    same = (place.family, place.root) == (above.family, above.root)
    return same and place.path[: len(above.path)] == above.path


def signs_of_key(base: Base, key: str) -> Iterator[str]:
    """Yield the signs of an object; a url that has one of them may name it."""
    own = _trail(key)
    whole = (*base.path, *own)
    yield _sign("=", own)
    yield _sign("ends", own)
    for at in range(len(whole)):
        yield _sign("whole", whole[at:])
    if own and _UNIQUE.fullmatch(own[-1]):
        yield _sign("name", own[-1:])


def signs_of_url(base: Base, url: str) -> Iterator[str]:
    """Yield the signs of a url for the objects of a store.

    A url below the store's has exactly one key there. What is in another bucket of the same kind is none of them. Of anything else, as a
    path through another mount or the web's address of a bucket, only its end can tell.

    >>> base = base_of("s3://images/all")
    >>> [list(signs_of_url(base, url)) for url in ("s3a://images/all/a/b", "s3://images/b", "s3://other/all/a/b")]
    [['=/a/b'], [], []]
    >>> set(signs_of_url(base, "https://s3.example/images/all/a/b")) & set(signs_of_key(base, "a/b"))
    {'ends/a/b'}
    """
    for place in _readings(url):
        if place.family == base.family and _comparable(place, base):
            if place.root == base.root and place.path[: len(base.path)] == base.path:
                yield _sign("=", place.path[len(base.path) :])
        else:
            yield from _ends(place.path)


def _comparable(place: Base, base: Base) -> bool:
    """Whether their texts tell if one is in the other: folders may be mounted anywhere, and a bucket have an alias with colons."""
    if base.family == "file":
        return place.path[: len(base.path)] == base.path
    return ":" not in place.root + base.root


def _ends(path: Trail) -> Iterator[str]:
    yield _sign("whole", path)
    for at in range(len(path)):
        yield _sign("ends", path[at:])
    if path and _UNIQUE.fullmatch(path[-1]):
        yield _sign("name", path[-1:])


def _sign(how: str, steps: Trail) -> str:
    return "/".join((how, *steps))

"""What a scanner is: the contract of the plug-ins, and the data that crosses it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from attrs import field as attr
from attrs import frozen

from metastore import Artifact, Field, field

__all__ = ["Found", "Known", "Options", "Problem", "Scanned", "Scanner", "Summarised", "beginnings", "short"]

KEY_LENGTH = 512
"""Characters of the longest key or source; longer ones are kept as `short` says."""


class Scanned(Artifact):
    """An artifact that a scanner found, and by what the next scan recognises it.

    Derive the types of a scanner from it, with ``unique=("scan_source", "scan_key")``.
    """

    scan_source: Field[str] = field(
        index=True, max_length=KEY_LENGTH, description="what was scanned when this was found"
    )
    scan_key: Field[str] = field(
        index=True, max_length=KEY_LENGTH, description="what the next scan of the source recognises this by"
    )


@frozen
class Found:
    """One thing found: how it is recognised again, its values by field, and its links by the keys of their targets.

    ``values`` names every field that the scanner fills, with ``None`` for what is absent now, so that what
    went away since the last scan is seen. In ``links`` a text is one link, a sequence a list of links; the targets
    may come later in the same scan. ``key`` is unique in one scan of one source.
    """

    type: type[Scanned]
    key: str
    values: Mapping[str, Any]
    links: Mapping[str, str | Sequence[str]] = attr(factory=dict)


@frozen
class Problem:
    """Something that did not fit, as a sentence; ``example`` says where.

    Problems of one ``what`` are counted together, each as often as its ``count`` says. ``keep`` lists prefixes of keys that this problem hid from the
    scan: what was catalogued under them is not taken for gone (``("",)`` keeps everything).
    """

    what: str
    example: str = ""
    keep: tuple[str, ...] = ()
    count: int = 1


@frozen(kw_only=True)
class Options:
    """What a caller may ask of any scanner.

    ``rehash`` reads every byte again where a scanner would trust size and time; ``exclude`` holds
    absolute paths that are none of the scan's business, such as the catalogue's own files.
    """

    rehash: bool = False
    exclude: tuple[str, ...] = ()


Known = Callable[[type[Scanned], Sequence[str]], Mapping[str, Any]]
"""Answers which of these keys the catalogue holds from the scan before: artifacts of that type by key."""


class Scanner(Protocol):
    """Reads one source and says what is there.

    A plug-in is an entry point of the group ``metastore.scanners``: its name is what a user types after
    ``metastore scan``, its value a factory ``(target: str | None, options: Options) -> Scanner``.
    """

    @property
    def source(self) -> str:
        """Identity of what is scanned, the same at the next scan; only what came from it can be gone."""

    @property
    def types(self) -> tuple[type[Scanned], ...]:
        """Every type that `Found` may name."""

    def scan(self, known: Known, /) -> Iterator[Found | Problem]:
        """Yield what is there, a thing at a time; what does not fit comes as a `Problem` and is never left out in silence.

        An exception ends the scan: what was yielded before stays, and nothing is taken for gone.
        """


@runtime_checkable
class Summarised(Protocol):
    """An optional ability of a scanner: to say which figures sum a scan up, and what to ask next.

    ``figures`` holds, per type name, a label and the field (dots lead inside) that is summed under it; ``bytes``
    also tells what is biggest. ``queries`` are arguments of the command line, without its name.
    """

    @property
    def figures(self) -> Mapping[str, Mapping[str, str]]:
        """Fields to sum, by label, by type name."""

    @property
    def queries(self) -> Sequence[str]:
        """Commands worth a try after the scan."""


def short(text: str, limit: int = KEY_LENGTH) -> str:
    """Return a text of at most ``limit`` characters; a longer one ends in the SHA-256 of all of it.

    >>> short("libc6=2.36-9:amd64"), len(short("x" * 4096))
    ('libc6=2.36-9:amd64', 512)
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_cut(text, limit)}{digest}"


def beginnings(prefix: str) -> tuple[str, ...]:
    """Return how keys that begin with ``prefix`` begin once they are kept as `short` says."""
    return (prefix, _cut(prefix, KEY_LENGTH)) if len(prefix) > KEY_LENGTH - 65 else (prefix,)


def _cut(text: str, limit: int) -> str:
    return f"{text[: limit - 65]}\N{HORIZONTAL ELLIPSIS}"

"""mirror: the blobs that a filter chooses, brought to one more store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import click

from metastore.cli import _output as output
from metastore.cli._bytes import PRIORITY, bar
from metastore.cli._fields import type_named
from metastore.cli._read import FILTER, TYPE, where
from metastore.cli._session import Command, opened

__all__ = ["COMMANDS", "bytes_of"]

COLUMNS = ("id", "blob", "part", "result", "size", "url", "reason")
FINE = ("copied", "there", "skipped")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def bytes_of(text: str) -> int:
    """Return how many bytes a text says. Raises click.BadParameter.

    >>> [bytes_of(text) for text in ("1500", "10GiB", "1.5 kB", "2M")]
    [1500, 10737418240, 1500, 2000000]
    """
    found = re.fullmatch(r"([0-9]+)(\.[0-9]+)? ?([KMGT]I?|)B?", text.strip().upper(), re.ASCII)
    if found is None:
        raise click.BadParameter(f"expected bytes like 500000, 50MiB or 1.5GB, found {text!r:.40}")
    whole, part, unit = found.groups()
    return int(whole) * UNITS[unit] + round(float(part or 0) * UNITS[unit])


@click.command(cls=Command)
@TYPE
@FILTER
@click.option("--to", "store", metavar="STORE", required=True, help="The store to which they are brought.")
@click.option("--from", "source", metavar="STORE", help="Only blobs that lie in this store, and only from there.")
@click.option(
    "--budget",
    type=bytes_of,
    metavar="BYTES",
    help="Send no more than so many bytes, as 10GiB; what does not fit is skipped.",
)
@click.option(
    "--rate", type=bytes_of, metavar="BYTES", help="Let no more than so many bytes pass in a second, as 50MiB."
)
@click.option("--workers", type=click.IntRange(1, 64), default=4, help="So many blobs at once: 4 unless given.")
@PRIORITY
def mirror(type_name: str, filter_: str | None, store: str, **said: Any) -> int:
    """Bring the blobs of every artifact of TYPE (any: of every type) for which FILTER holds to one more store, proving them on the way.

    Shows a line per blob that did not lie there: copied, there (it lay there and is referred to now), skipped (for the budget), or why not.
    Stopped at any point it goes on when it is called again. Exit code 1 if any was neither brought nor skipped.

    \b
    metastore mirror images "min_ram > 512" --to archive --budget 10GiB --rate 50MiB
    """
    catalog = opened(write=True)
    kind, predicates = type_named(catalog, type_name), where(catalog, type_name, filter_)
    counts: Counter[str] = Counter()
    with bar("mirror", None) as progress:
        found: Any = catalog.mirror(kind, *predicates, store=store, progress=progress, **said)
        with closing(found):  # however it ends: what was brought by then is referred to while the catalogue is open
            output.rows(COLUMNS, _told(found, counts))
    if counts:
        output.note(", ".join(f"{count:,} {word}" for word, count in sorted(counts.items())))
    else:
        output.note(f"nothing to bring to {store}")
    return 0 if set(counts) <= set(FINE) else 1


def _told(found: Iterable[Any], counts: Counter[str]) -> Iterator[tuple[Any, ...]]:
    for each in found:
        counts[each.result] += 1
        yield each.artifact.id, each.blob, each.part, each.result, each.size, each.url, each.reason


COMMANDS: tuple[click.Command, ...] = (mirror,)

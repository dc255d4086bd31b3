"""Many objects told of at once: by listings where a store has that to offer, else each by itself, several at a time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from metastore.stores._drive import Drive, Lists, Stat
from metastore.stores._stores import Stores

__all__ = ["stats_of"]

AT_ONCE = 8


def stats_of(stores: Stores, urls: Iterable[str], *, listed: bool = False) -> dict[str, Stat]:
    """Return what stores tell of the objects at urls, each of which a store covers; ``listed`` lets listings tell.

    Raises what `Drive.stat` raises for the first, in the order given, that cannot be told of; UncoveredError, UnsafeUrlError.
    """
    places = {url: stores.reach(url)[:2] for url in urls}
    told = _by_listings(places) if listed else {}
    rest = [url for url in places if url not in told]
    if len(rest) < 2:
        return told | {url: _stat(places[url]) for url in rest}
    with ThreadPoolExecutor(min(AT_ONCE, len(rest)), thread_name_prefix="metastore-stat") as pool:
        coming = [pool.submit(_stat, places[url]) for url in rest]
        try:
            return told | {url: each.result() for url, each in zip(rest, coming, strict=True)}
        finally:
            for each in coming:
                each.cancel()


def _stat(place: tuple[Drive, str]) -> Stat:
    drive, key = place
    return drive.stat(key)


def _by_listings(places: dict[str, tuple[Drive, str]]) -> dict[str, Stat]:
    """Return what listings tell, by url."""
    told: dict[str, Stat] = {}
    for drive in {id(drive): drive for drive, _ in places.values()}.values():
        if isinstance(drive, Lists):
            keys = {key: url for url, (each, key) in places.items() if each is drive}
            told |= {keys[key]: stat for key, stat in drive.listed(keys).items()}
    return told

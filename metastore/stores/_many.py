"""Many objects told of at once: by listings where a store has that to offer, else each by itself, several at a time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from metastore.stores._drive import Drive, Lists, Parts, Stat
from metastore.stores._stores import Covered, Stores

__all__ = ["stats_of"]

AT_ONCE = 8
_Place = tuple[Drive, str]


def stats_of(stores: Stores, urls: Iterable[Covered], *, listed: bool = False) -> dict[str, Stat]:
    """Return what stores tell of the objects at urls, by url; ``listed`` lets listings tell.

    Raises what `Drive.stat` raises for the first, in the order given, that cannot be told of; UnsafeUrlError.
    """
    places = {each.url: stores.reached(each)[:2] for each in urls}
    told = _by_listings(places) if listed else {}
    rest = {url: place for url, place in places.items() if url not in told}
    if len(rest) < 2 or all(map(_at_hand, _drives(rest))):
        return told | {url: _stat(place) for url, place in rest.items()}
    return told | _by_threads(rest)


def _drives(places: dict[str, _Place]) -> Iterable[Drive]:
    return {id(drive): drive for drive, _ in places.values()}.values()


def _at_hand(drive: Drive) -> bool:
    """Whether a store, like a folder, tells of an object in less time than a thread takes to begin."""
    return isinstance(drive, Parts) and drive.at_once == 1


def _stat(place: _Place) -> Stat:
    drive, key = place
    return drive.stat(key)


def _by_threads(places: dict[str, _Place]) -> dict[str, Stat]:
    with ThreadPoolExecutor(min(AT_ONCE, len(places)), thread_name_prefix="metastore-stat") as pool:
        coming = {url: pool.submit(_stat, place) for url, place in places.items()}
        try:
            return {url: each.result() for url, each in coming.items()}
        finally:
            for each in coming.values():
                each.cancel()


def _by_listings(places: dict[str, _Place]) -> dict[str, Stat]:
    """Return what listings tell, by url."""
    told: dict[str, Stat] = {}
    for drive in _drives(places):
        if isinstance(drive, Lists):
            keys = {key: url for url, (each, key) in places.items() if each is drive}
            told |= {keys[key]: stat for key, stat in drive.listed(keys).items()}
    return told

"""Stores: the one door through which bytes are reached. A url is opened only if a configured store covers it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from metastore.errors import StoresFileError, StoreUnableError, UncoveredError, UnsafeUrlError, nearest
from metastore.stores._drive import Drive, is_own
from metastore.stores._local import LocalDrive
from metastore.stores._store import Store, stores_in
from metastore.stores._url import WEB, Place, place_of, quoted, shown, under

__all__ = ["Covered", "Stores"]


class Covered(NamedTuple):
    """A url that was read, the store that covers it, and the segments below the store's."""

    url: str
    store: Store
    inside: tuple[str, ...]


class Stores(Mapping[str, Store]):
    """Configured stores by name, in order. Nothing is opened before it is used; thread-safe and fork-safe.

    >>> stores = Stores([Store("images", "file:///srv/images"), Store("web", "https://")])
    >>> stores.covering("file:///srv/images/a.qcow2"), stores.covering("file:///etc/passwd")
    ('images', None)
    """

    def __init__(self, stores: Iterable[Store] = ()) -> None:
        self._stores: dict[str, Store] = {}
        for each in stores:
            if not isinstance(each, Store):
                raise StoresFileError(f"expected a Store, got {type(each).__name__}")
            if each.name in self._stores:
                raise StoresFileError(f"two stores are named {each.name}")
            self._stores[each.name] = each
        self._places = {name: each.place for name, each in self._stores.items()}
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], Drive] = {}

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Stores:
        """Return the stores of a TOML file; paths of files in it are relative to its folder. Raises StoresFileError naming the file and the store."""
        return cls(stores_in(path))

    def __getitem__(self, name: str) -> Store:
        if name not in self._stores:
            raise KeyError(name)
        return self._stores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    def named(self, name: str) -> Store:
        """Return a store. Raises UncoveredError with the nearest spelling."""
        found = self._stores.get(name) if isinstance(name, str) else None
        if found is None:
            advice = (
                nearest(str(name), self._stores) if self._stores else "no store is configured, by stores=… or --stores"
            )
            raise UncoveredError(f"no store is named {name!r:.60}: {advice}")
        return found

    def covering(self, url: str) -> str | None:
        """Return the name of the store that covers a url, the one with the longest path; nothing is looked up."""
        found = self.covered(url)
        return None if found is None else found.store.name

    def covered(self, url: str) -> Covered | None:
        """Return what `reached` takes, for those who ask more than once of a url; ``None`` where no store covers it."""
        try:
            place = place_of(url)
        except UnsafeUrlError:
            return None
        return self._covered(url, place)

    def _covered(self, url: str, place: Place) -> Covered | None:
        if place.protocol in WEB and not place.root:
            return None
        found = [
            (len(at.segments), bool(at.root), name, inside)
            for name, at in self._places.items()
            if (inside := under(place, at)) is not None
        ]
        if not found:
            return None
        *_, name, inside = found[0] if len(found) == 1 else max(found, key=lambda each: each[:2])
        return Covered(url, self._stores[name], inside)

    def _covering(self, place: Place) -> Store | None:
        found = self._covered("", place)
        return None if found is None else found.store

    def reach(self, url: str) -> tuple[Drive, str, Store]:
        """Return the open drive, the key in it, and the store of a url.

        Raises UncoveredError where no store covers it, UnsafeUrlError for a spelling that is never opened.
        """
        place = place_of(url)
        covered = self._covered(url, place)
        if covered is None:
            raise UncoveredError(f"no configured store covers {shown(url)}, so it is not opened{self._advice()}")
        return self.reached(covered)

    def reached(self, covered: Covered) -> tuple[Drive, str, Store]:
        """Return what `reach` returns, and raise what it raises, for a url that a store covers."""
        url, store, inside = covered
        if url.partition("?")[0].endswith("/"):
            raise UnsafeUrlError(f"{shown(url)} names a folder, not bytes", store=store.name)
        if is_own(key := "/".join(inside)):
            raise UnsafeUrlError(
                f"{shown(url)} names what is under way, or was put aside, and is not opened", store=store.name
            )
        return self.drive(store.name), url if store.place.protocol in WEB else key, store

    def _advice(self) -> str:
        return f"; there are {', '.join(list(self._stores)[:12])}" if self._stores else "; none is configured"

    def url(self, name: str, key: str) -> str:
        """Return the url of a key in a store."""
        return f"{self.named(name).url.rstrip('/')}/{quoted(key)}"

    def writable(self, name: str) -> Store:
        """Return a store that may be written. Raises StoreUnableError for one that is read-only, or is the web."""
        store = self.named(name)
        if store.read_only or store.place.protocol in WEB:
            raise StoreUnableError(f"the store {name} is {'read-only' if store.read_only else 'the web'}", store=name)
        return store

    def drive(self, name: str) -> Drive:
        """Return the drive of a store, opened at first use in this process."""
        key = (name, os.getpid())
        found = self._open.get(key)
        if found is None:
            with self._lock:
                found = self._open.get(key)
                if found is None:
                    found = self._open[key] = self._opened(self.named(name))
        return found

    def renew(self, name: str) -> None:
        """Forget the open drive of a store, so that its credentials are read again."""
        with self._lock:
            self._open.pop((name, os.getpid()), None)

    def _opened(self, store: Store) -> Drive:
        place = store.place
        if place.protocol == "file":
            return LocalDrive(store.name, "/" + "/".join(place.segments))
        if place.protocol in WEB:
            from metastore.stores._web import WebDrive

            return WebDrive(store, self._covering)
        from metastore.stores._remote import remote

        return remote(store)

    def __reduce__(self) -> tuple[Any, ...]:
        return Stores, (list(self._stores.values()),)

    def __repr__(self) -> str:
        return f"Stores({list(self._stores.values())!r})"

    def __setitem__(self, name: str, store: Store) -> NoReturn:
        raise TypeError("configured stores do not change; make others")

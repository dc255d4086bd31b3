"""Swift by our own file system for fsspec, `metastore_swift`, with credentials given, or of a cloud in clouds.yaml."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable, Iterator
from typing import Any

from metastore.errors import MissingBytesError, StoreUnableError
from metastore.stores._clouds import of_cloud
from metastore.stores._drive import Stat, Unfinished, ask
from metastore.stores._remote import RemoteDrive
from metastore.stores._store import Store

__all__ = ["SwiftDrive"]


class SwiftDrive(RemoteDrive):
    """A container, or what is below a prefix of one."""

    def __init__(self, store: Store) -> None:
        said = {"timeout": store.timeout, **store.options}
        cloud = said.pop("cloud", None)
        super().__init__(store, {**said, **({} if cloud is None else of_cloud(store.name, cloud))})

    def stat(self, key: str) -> Stat:
        """Return what a HEAD tells; the ETag of a large object is no digest of its bytes."""
        found = ask(self._name, key, self._info, key)
        digests = {"md5": found["md5"]} if found.get("md5") else {}
        return Stat(
            found["size"], found.get("etag"), digests, found.get("content_type") or None, found.get("last_modified")
        )

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Store an object, a large one in segments, unless something lies there; what fails is taken away."""
        kind = {} if media_type is None else {"content_type": media_type}
        file: Any = ask(self._name, key, self._fs.open, self.path(key), "xb", **kind)
        try:
            for chunk in chunks:
                ask(self._name, key, file.write, chunk)
        except BaseException:
            file.discard()
            raise
        ask(self._name, key, file.close)
        return self.stat(key)

    def sign_get(self, key: str, seconds: int) -> tuple[str, dict[str, str]]:
        """Return a TempURL for a GET."""
        return str(ask(self._name, key, self._fs.sign, self.path(key), expiration=seconds)), {}

    def sign_put(self, key: str, seconds: int, *, size: int, sha256: str) -> tuple[str, dict[str, str]]:
        """Return a TempURL for a PUT. It binds the key and the time, and nothing of what is sent."""
        url = ask(self._name, key, self._fs.sign, self.path(key), expiration=seconds, method="PUT")
        return str(url), {"Content-Length": str(size), "If-None-Match": "*"}

    # sweeping

    def _below(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Yield what lies below a folder of the store, by name; markers of pseudo-directories are nothing."""
        own = f"{self._base}/" if self._base else ""
        for each in self._listed(f"{self.path(folder).rstrip('/')}/"):
            stat = Stat(each["size"], each["etag"], {}, each.get("content_type") or None, each["last_modified"])
            yield each["name"].removeprefix(own), stat

    def _listed(self, path: str) -> Iterator[dict[str, Any]]:
        found: Any = ask(self._name, None, self._fs.below, path)
        while (entry := ask(self._name, None, next, found, None)) is not None:
            yield entry

    def _copied(self, key: str, to: str) -> None:
        ask(self._name, key, self._fs.cp_file, self.path(key), self.path(to))

    def unfinished(self) -> Iterator[Unfinished]:
        """Yield what uploads of large objects left among the segments, the newest of each telling its age."""
        container, _, prefix = self._base.partition("/")
        own = f"{prefix}/" if prefix else ""
        groups: dict[str, list[dict[str, Any]]] = {}
        for each in ask(self._name, None, self._fs.orphans, container, 0):
            path = str(each["name"]).rpartition("/")[0]
            if path.partition("/")[2].startswith(own):
                groups.setdefault(path, []).append(each)
        for path, segments in groups.items():
            size, modified = sum(each["size"] for each in segments), max(each["last_modified"] for each in segments)
            target = path.partition("/")[2].removeprefix(own).rpartition("/slo/")[0]
            yield Unfinished(target, path, "segments", size, modified)

    def abandon(self, key: str, upload: str) -> None:
        """Remove the segments of one upload that came to nothing."""
        with contextlib.suppress(MissingBytesError):
            ask(self._name, key, self._fs.rm, key, recursive=True)

    def pieces(self) -> Container[str]:
        """Return the keys of segments and targets. Raises StoreUnableError for a container that is for segments of another's objects."""
        container, _, prefix = self._base.partition("/")
        if container.endswith(("_segments", "+segments")):
            raise StoreUnableError(
                f"the store {self._name} is a container for segments: sweep the store that its large objects are in",
                store=self._name,
            )
        names, beginnings = ask(self._name, None, self._fs.pieces, container)
        return _Pieces(f"{prefix}/" if prefix else "", names, beginnings)


class _Pieces:
    """The keys of a store of which other objects consist."""

    def __init__(self, own: str, names: set[str], beginnings: tuple[str, ...]) -> None:
        self._own, self._names, self._beginnings = own, names, beginnings

    def __contains__(self, key: object) -> bool:
        name = f"{self._own}{key}"
        return name in self._names or name.startswith(self._beginnings)

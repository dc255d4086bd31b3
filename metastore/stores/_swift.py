"""Swift by our own file system for fsspec, `metastore_swift`, with credentials given, or of a cloud in clouds.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from metastore.stores._clouds import of_cloud
from metastore.stores._drive import Stat, ask
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
        return _stat(ask(self._name, key, self._info, key))

    def listed(self, keys: Iterable[str]) -> dict[str, Stat]:
        """Return what the container's listing tells, which may lag behind."""
        at = {self.path(key): key for key in keys}
        found = ask(self._name, None, self._fs.entries, at)
        return {at[path]: _stat(told) for path, told in found.items()}

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


def _stat(found: dict[str, Any]) -> Stat:
    digests = {"md5": found["md5"]} if found.get("md5") else {}
    return Stat(found["size"], found.get("etag") or None, digests, found.get("content_type") or None)

"""Swift by our own file system for fsspec, `metastore_swift`, with credentials given, or of a cloud in clouds.yaml."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from metastore.errors import StoreUnableError
from metastore.stores._clouds import of_cloud
from metastore.stores._drive import Drive, Stat, Unfinished, ask
from metastore.stores._remote import RemoteDrive
from metastore.stores._store import Store

__all__ = ["SwiftDrive"]


class SwiftDrive(RemoteDrive):
    """A container, or what is below a prefix of one."""

    least, at_once = 8 * 2**20, 4

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

    # in parts: segments, and a manifest at the end

    def _upload(self, key: str, upload: str = "") -> Any:
        return ask(self._name, key, self._fs.in_parts, self.path(key), upload)

    def begin(self, key: str, *, media_type: str | None = None) -> str:
        """Begin a static large object."""
        return str(ask(self._name, key, self._upload(key).begin, media_type))

    def take_up(self, key: str) -> str | None:
        """Return the id of a new upload that has copies, made by the server, of the segments that another one left."""
        found: str | None = ask(self._name, key, self._upload(key).take_up)
        return found

    def sent(self, key: str, upload: str, size: int) -> dict[int, str]:
        """Return the MD5s of the segments that were sent."""
        found = ask(self._name, key, self._upload(key, upload).lying)
        return {number: md5 for number, (md5, count) in found.items() if count == size}

    def send(self, key: str, upload: str, number: int, part: bytes, offset: int) -> str:
        """Send one segment with its MD5, which the store checks."""
        return str(ask(self._name, key, self._upload(key, upload).send, number, part))

    def finish(self, key: str, upload: str, marks: Mapping[int, str]) -> None:
        """Store the manifest, unless something lies there."""
        ask(self._name, key, self._upload(key, upload).finish, marks)

    def abandon(self, key: str, upload: str) -> None:
        """Remove the segments."""
        ask(self._name, key, self._upload(key, upload).abandon)

    # copying

    def copy(self, other: Drive, source: str, key: str, found: Stat) -> Stat | None:
        """Copy an object of the same account, a large one segment by segment, so that its ETag says the same."""
        if not isinstance(other, SwiftDrive) or other._where() != self._where():
            return None
        ask(self._name, key, self._fs.cp_file, other.path(source), self.path(key))
        return self.stat(key)

    def _where(self) -> tuple[str, str]:
        access = ask(self._name, None, lambda: self._fs.objects.account.access)
        return access.base, access.prefix

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
        """Yield what uploads of large objects left among the segments, the newest of each telling its age.

        Segments of names above 900 bytes lie without those, so they are left out: `SwiftFileSystem.orphans` names them.
        """
        container, _, prefix = self._base.partition("/")
        own = f"{prefix}/" if prefix else ""
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for each in ask(self._name, None, self._fs.orphans, container, 0):
            name, upload, _ = str(each["name"]).partition("/")[2].rsplit("/", 2)
            if name.startswith(own) and name.endswith("/slo"):
                groups.setdefault((name.removeprefix(own).removesuffix("/slo"), upload), []).append(each)
        for (key, upload), segments in groups.items():
            size, modified = sum(each["size"] for each in segments), max(each["last_modified"] for each in segments)
            yield Unfinished(key, key, upload, size, modified)

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


def _stat(found: dict[str, Any]) -> Stat:
    digests = {"md5": found["md5"]} if found.get("md5") else {}
    kind, at = found.get("content_type") or None, found.get("last_modified")
    return Stat(found["size"], found.get("etag") or None, digests, kind, at)


class _Pieces:
    """The keys of a store of which other objects consist."""

    def __init__(self, own: str, names: set[str], beginnings: tuple[str, ...]) -> None:
        self._own, self._names, self._beginnings = own, names, beginnings

    def __contains__(self, key: object) -> bool:
        name = f"{self._own}{key}"
        return name in self._names or name.startswith(self._beginnings)

"""Store: where bytes may lie, as configuration: data that opens nothing, and shows no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from metastore._data import Data
from metastore.errors import MetastoreError, StoresFileError, nearest
from metastore.stores._secret import Credential, FromEnv, FromFile, Secret
from metastore.stores._url import WEB, Place, place_of, shown

__all__ = ["Store", "stores_in"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_TELLING = re.compile(r"(^|[_-])(key|secret|token|password|passwd|passphrase|credentials?|auth|sas)$")
_CHAINS = {
    "arrow_hdfs", "async_wrapper", "blockcache", "cached", "data", "dask", "dbfs", "dir", "filecache", "generic", "git", "github",
    "jlab", "jupyter", "libarchive", "reference", "simplecache", "tar", "zip",
}  # fmt: skip
_CHAINED = ("fo", "fs", "target_protocol", "target_options", "remote_protocol", "remote_options")
_FILES = ("ca", "ca_file")
"""Options that name files."""
_WORDS = ("url", "description", "read_only", "private", "timeout", "credentials", "options")


class Store(Data):
    """One place where bytes may lie, by name: a url below which everything is the store's, and how it is reached.

    ``url`` is like ``file:///srv/images``, ``s3://bucket/prefix``, ``swift://…``, ``https://mirror.example/pub``; ``https://`` alone
    is the whole public web. ``credentials`` are secrets by the names that the driver knows, or where they lie (`FromEnv`,
    `FromFile`); ``options`` are the driver's other words. A ``read_only`` store is never written. A web store connects to
    public addresses only, unless it is ``private``. ``timeout`` bounds the wait for an answer, in seconds. Raises StoresFileError.

    >>> Store("images", "s3://images", credentials={"key": FromEnv("IMAGES_KEY"), "secret": "s3cr3t"}).credentials["secret"]
    Secret(…)
    """

    name: str
    url: str
    credentials: Mapping[str, Credential]
    options: Mapping[str, Any]
    read_only: bool
    private: bool
    timeout: float
    description: str

    def __init__(
        self,
        name: str,
        url: str,
        *,
        credentials: Mapping[str, Credential | str] | None = None,
        options: Mapping[str, Any] | None = None,
        read_only: bool = False,
        private: bool = False,
        timeout: float = 60.0,
        description: str = "",
    ) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise StoresFileError(f"expected the name of a store like images-1, got {name!r:.60}")
        where = f"the store {name}"
        _check_place(where, url)
        super().__init__(
            name,
            url,
            _credentials(where, url, credentials or {}),
            _options(where, options or {}),
            _flag(where, "read_only", read_only),
            _flag(where, "private", private),
            _timeout(where, timeout),
            str(description),
        )

    @cached_property
    def place(self) -> Place:
        """Its url in parts."""
        return place_of(self.url)

    @property
    def internal(self) -> bool:
        """Whether what lies there is not anybody's to read: all but the public web without credentials."""
        return not (self.place.protocol in WEB and not self.private and not self.credentials)

    def __hash__(self) -> int:
        return hash((self.name, self.url))


def _check_place(where: str, url: Any) -> None:
    if not isinstance(url, str):
        raise StoresFileError(f"{where}: expected its url as text, got {type(url).__name__}")
    try:
        place = place_of(url)
    except MetastoreError as refused:
        raise StoresFileError(f"{where}: {refused}") from None
    if place.protocol in _CHAINS:
        raise StoresFileError(f"{where}: {place.protocol} reads through other file systems, or is none; name those")
    if "?" in place.target:
        raise StoresFileError(f"{where}: its url has a query, {shown(url)}")
    if place.protocol == "file" and not place.segments:
        raise StoresFileError(f"{where}: file:/// would be the whole machine; name a folder")
    if place.protocol not in (*WEB, "file", "memory") and not place.root:
        raise StoresFileError(f"{where}: its url names no bucket or container, {shown(url)}")


def _credentials(where: str, url: str, given: Any) -> dict[str, Credential]:
    made: dict[str, Credential] = {}
    if given and place_of(url).protocol in WEB and not place_of(url).root:
        raise StoresFileError(f"{where}: credentials for the whole web would reach every host; name the host")
    if not isinstance(given, Mapping):
        raise StoresFileError(f"{where}: expected credentials by name, got {type(given).__name__}")
    for name, each in given.items():
        credential = Secret(each) if isinstance(each, str) else each
        if not isinstance(name, str) or not isinstance(credential, Secret | FromEnv | FromFile):
            raise StoresFileError(
                f"{where}: expected the credential {name!r:.40} as text, FromEnv or FromFile, got {type(each).__name__}"
            )
        made[name] = credential
    return made


def _options(where: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise StoresFileError(f"{where}: expected options by name, got {type(given).__name__}")
    for name in given:
        if name in _CHAINED:
            raise StoresFileError(f"{where}: the option {name} reads through another file system")
        if _TELLING.search(name.lower()):
            raise StoresFileError(f"{where}: {name} looks like a secret; it belongs to the credentials")
    return dict(given)


def _flag(where: str, name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise StoresFileError(f"{where}: expected {name} as true or false, got {value!r:.40}")
    return value


def _timeout(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        raise StoresFileError(f"{where}: expected timeout in seconds, more than 0, got {value!r:.40}")
    return float(value)


# --- files --------------------------------------------------------------------------------------------------------


def stores_in(path: str | os.PathLike[str]) -> list[Store]:
    """Return the stores of a TOML file, in its order; paths in it are relative to its folder. Raises StoresFileError naming file and store."""
    said = _read(path)
    if other := sorted(said.keys() - {"stores"}):
        raise StoresFileError(f"{path}: expected tables like [stores.images] and nothing else, found {other[0]!r:.60}")
    tables = said.get("stores", {})
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise StoresFileError(f'{path}: expected tables like [stores.images] with url = "s3://images"')
    folder = Path(path).absolute().parent
    return [_from_table(f"{path}: the store {name}", name, table, folder) for name, table in tables.items()]


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as broken:
        why = f"cannot be read: {broken.strerror or broken}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as broken:
        why = f"is no TOML: {broken}"
    raise StoresFileError(f"the file of stores {path} {why}")


def _from_table(where: str, name: str, table: dict[str, Any], folder: Path) -> Store:
    for word in table:
        if word not in _WORDS:
            raise StoresFileError(f"{where}: it has no {word!r}: {nearest(word, _WORDS)}")
    if "url" not in table:
        raise StoresFileError(f"{where}: it has no url")
    credentials, options = _referred(where, table.get("credentials", {}), folder), table.get("options", {})
    given = {**table, "credentials": credentials, "options": _beside(options, folder)}
    url = given.pop("url")
    try:
        return Store(name, url, **given)
    except StoresFileError as refused:
        why = str(refused).removeprefix(f"the store {name}: ")
    raise StoresFileError(f"{where}: {why}")


def _beside(options: Any, folder: Path) -> Any:
    """Return options whose files are found from the folder."""
    if not isinstance(options, dict):
        return options
    files = {name: str(folder / options[name]) for name in _FILES if isinstance(options.get(name), str)}
    return {**options, **files}


def _referred(where: str, given: Any, folder: Path) -> dict[str, Credential]:
    if not isinstance(given, dict):
        raise StoresFileError(f"{where}: expected credentials as a table")
    return {name: _reference(f"{where}: the credential {name}", each, folder) for name, each in given.items()}


def _reference(where: str, each: Any, folder: Path) -> Credential:
    if isinstance(each, dict) and len(each) == 1:
        [(kind, place)] = each.items()
        if isinstance(place, str) and place and kind in ("env", "file"):
            return FromEnv(place) if kind == "env" else FromFile(str(folder / place))
    raise StoresFileError(
        f'{where} is {{ env = "NAME" }} or {{ file = "/path" }}; a secret does not stand in the file itself'
    )

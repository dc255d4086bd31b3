"""The scanner of Debian packages: package lists, and what dpkg has installed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from attrs import Factory, define
from attrs import field as attr

from metastore import Blob, Field, Link, field
from metastore.errors import MetastoreError, ValidationError
from metastore.scan._contract import Found, Known, Options, Problem, Scanned
from metastore.scan._deb822 import opened, parsed, stanzas
from metastore.scan._names import readable
from metastore.scan._relations import Candidate, Index, groups, version_key

__all__ = ["DebianPackage", "DebianScanner", "UnversionedDebianPackage", "open_scanner"]

DEB = "application/vnd.debian.binary-package"


class _Package(Scanned):
    """What both types of Debian packages have."""

    architecture: Field[str] = field(default="", index=True, max_length=64)
    section: Field[str | None] = field(default=None, index=True, max_length=128)
    priority: Field[str | None] = field(default=None, index=True, max_length=64)
    installed: Field[bool] = field(default=False, index=True, description="dpkg has it fully installed")
    state: Field[str | None] = field(default=None, description="dpkg's words for want, flag and status")
    summary: Field[str | None] = field(default=None, search=2, description="first line of the description")
    maintainer: Field[str | None] = field(default=None)
    homepage: Field[str | None] = field(default=None)
    source_package: Field[str | None] = field(default=None, index=True, max_length=256)
    multi_arch: Field[str | None] = field(default=None)
    installed_size: Field[int | None] = field(default=None, ge=0, unit="KiB")
    pre_depends: Field[str | None] = field(default=None)
    depends: Field[str | None] = field(default=None)
    provides: Field[str | None] = field(default=None)
    filename: Field[str | None] = field(default=None, description="path of the file in the archive's pool")
    listed_in: Field[str | None] = field(default=None, description="file of the list that names it")
    deb: Field[Blob | None] = field(default=None, description="the package file; its url is the archive's to say")


class DebianPackage(_Package, type_name="debian_packages", unique=("scan_source", "scan_key"), scheme="debian"):
    """A binary package of Debian, in one version for one architecture."""

    depends_on: Field[list[Link[DebianPackage]]] = field(
        factory=list, description="what meets Pre-Depends and Depends, where it was scanned too"
    )


class UnversionedDebianPackage(
    _Package, type_name="debian_packages_unversioned", unique=("scan_source", "scan_key"), scheme="opaque"
):
    """A binary package whose version is none by Debian Policy, or that has none."""


@define
class DebianScanner:
    """Reads package lists and, where there is one, dpkg's status file; each is read twice, a stanza at a time."""

    source: str
    lists: tuple[Path, ...]
    status: Path | None = None
    types: tuple[type[Scanned], ...] = (DebianPackage, UnversionedDebianPackage)
    figures: ClassVar = {"debian_packages": {"bytes": "deb.size"}}
    queries: ClassVar = (
        'find debian_packages "installed = true" --order-by -installed_size --limit 10 --select name,version,installed_size',
        "facets debian_packages section",
        "find debian_packages \"any(depends_on, name = 'zlib1g')\" --select name,version",
        "find debian_packages \"matches('compression library')\"",
    )
    index: Index = attr(factory=Index, init=False)
    unread: list[OSError] = Factory(list)
    """What stood against looking into directories for lists."""
    told: set[Path] = Factory(set)
    """Lists that were reported as not to be read."""
    states: dict[str, str] = Factory(dict)
    seen: dict[str, str] = Factory(dict)
    """SHA-256 of every package yielded, by key."""

    @classmethod
    def of_machine(cls, root: Path) -> DebianScanner:
        """Return the scanner of what the machine under ``root`` knows of packages."""
        status, lists = root / "var/lib/dpkg/status", root / "var/lib/apt/lists"
        unread: list[OSError] = []
        found = _named("_Packages", islice(os.walk(lists, onerror=unread.append), 1))
        if not found and not status.is_file():
            raise MetastoreError(
                f"there is no Debian here: neither {status} nor a package list in {lists}; "
                "name a file: metastore scan debian Packages.xz"
            )
        unread = [error for error in unread if not isinstance(error, FileNotFoundError)]
        return cls(f"debian:{readable(str(root))[0]}", found, status if status.is_file() else None, unread=unread)

    @classmethod
    def of_path(cls, path: Path) -> DebianScanner:
        """Return the scanner of one ``Packages`` file, or of every one below a directory."""
        unread: list[OSError] = []
        lists = (path,) if path.is_file() else _named("Packages", os.walk(path, onerror=unread.append))
        if not lists:
            raise MetastoreError(f"{path} is no package list, and no directory with a file named Packages in it")
        return cls(f"debian:{readable(str(path.resolve()))[0]}", lists, unread=unread)

    def scan(self, _known: Known) -> Iterator[Found | Problem]:
        """Yield every package once, those that are only installed after those that are listed."""
        self.seen.clear()
        yield from self.survey()
        for path in self.lists:
            yield from self.read(path, readable(path.name)[0])
        if self.status is not None:
            yield from self.read(self.status, None)

    def survey(self) -> Iterator[Problem]:
        """Fill the index that dependencies are resolved by; it holds names and versions, no more."""
        self.index, self.states = Index(), {}
        self.told.clear()
        for unread in self.unread:
            yield Problem("a directory cannot be read", f"{unread.filename}: {unread.strerror}", keep=("",))
        for path in (*([self.status] if self.status else ()), *self.lists):
            try:
                for fields, _flaws in _stanzas(path):
                    self.enter(fields)
            except MetastoreError as error:
                yield self.unreadable(path, error)

    def unreadable(self, path: Path, error: MetastoreError) -> Problem:
        self.told.add(path)
        return Problem("a package list cannot be read", str(error), keep=("",))

    def enter(self, fields: dict[str, str]) -> None:
        key = _key(fields)
        if status := fields.get("Status"):
            self.states[key] = status
        if version_key(fields.get("Version", "")) is not None:
            self.index.add(fields.get("Package", ""), self.candidate(fields, key), fields.get("Provides", ""))

    def candidate(self, fields: dict[str, str], key: str) -> Candidate:
        return Candidate(key, fields.get("Version", ""), fields.get("Architecture", ""), self.is_installed(key))

    def is_installed(self, key: str) -> bool:
        return self.states.get(key, "").endswith(" installed")

    def read(self, path: Path, list_name: str | None) -> Iterator[Found | Problem]:
        try:
            for fields, flaws in _stanzas(path):
                yield from (Problem(flaw, _shown(fields, path)) for flaw in flaws)
                yield from self.package(fields, path, list_name)
        except MetastoreError as error:
            if path not in self.told:  # it went away, or broke, since the survey
                yield self.unreadable(path, error)

    def package(self, fields: dict[str, str], path: Path, list_name: str | None) -> Iterator[Found | Problem]:
        if not fields.get("Package"):
            yield Problem("a stanza names no package and was passed over", _shown(fields, path))
            return
        key, digest = _key(fields), fields.get("SHA256", "")
        if key in self.seen and (self.seen[key] in (digest, "") or list_name is None):
            return
        if key in self.seen:
            yield Problem("two lists name the same package with other bytes; both are catalogued", key)
            key = f"{key}#{digest[:12]}"
        self.seen[key] = digest
        yield from self.found(fields, key, list_name)

    def found(self, fields: dict[str, str], key: str, list_name: str | None) -> Iterator[Found | Problem]:
        values = _texts(fields) | {"listed_in": list_name, "state": self.states.get(_key(fields))}
        values["installed"] = self.is_installed(_key(fields))
        values["installed_size"], flaws = _count(fields, "Installed-Size")
        values["deb"], more = _file(fields)
        yield from (Problem(flaw, key) for flaw in (*flaws, *more))
        if version_key(fields.get("Version", "")) is None:
            yield Problem("the version is none by Debian Policy; catalogued as debian_packages_unversioned", key)
            yield Found(UnversionedDebianPackage, key, values | {"version": fields.get("Version") or "0"})
            return
        links: list[str] = []
        yield from self.link(fields, key, links)
        yield Found(DebianPackage, key, values | {"version": fields["Version"]}, {"depends_on": links})

    def link(self, fields: dict[str, str], key: str, links: list[str]) -> Iterator[Problem]:
        """Add the keys of what meets the dependencies to ``links``, each once."""
        asking = self.candidate(fields, _key(fields))
        for text, alternatives in groups(", ".join(fields.get(name, "") for name in ("Pre-Depends", "Depends"))):
            best = self.index.resolve(alternatives, asking)
            if best is None:
                what = (
                    "a dependency that no scanned package meets" if alternatives else "a dependency that cannot be read"
                )
                yield Problem(what, f"{key}: {text}")
            elif best.key not in (key, asking.key, *links):
                links.append(best.key)


def _named(part: str, walk: Iterable[tuple[str, list[str], list[str]]]) -> tuple[Path, ...]:
    """Return the files of a walk that have ``part`` in their names, in order."""
    paths = (Path(folder, name) for folder, _folders, names in walk for name in names if part in name)
    return tuple(sorted(each for each in paths if each.is_file()))


def _stanzas(path: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield fields and flaws of every stanza of a list.

    Raises MetastoreError at what cannot be read, and at the end of what is no list, as an error page in its place: what it
    held before is not gone then.
    """
    named, stanza = False, b""
    with opened(path) as stream:
        for stanza in stanzas(stream):
            fields, flaws = parsed(stanza)
            named = named or bool(fields.get("Package"))
            yield fields, flaws
    if stanza and not named:
        raise MetastoreError(f"{path} names no package: expected a list as Packages or dpkg's status are")


def _key(fields: dict[str, str]) -> str:
    return f"{fields.get('Package', '')}={fields.get('Version', '')}:{fields.get('Architecture', '')}"


def _shown(fields: dict[str, str], path: Path) -> str:
    return f"{fields.get('Package') or 'a stanza'} in {path}"


def _texts(fields: dict[str, str]) -> dict[str, Any]:
    texts: dict[str, Any] = {name: fields.get(label) or None for name, label in _LABELS.items()}
    source = fields.get("Source", "").split()
    return texts | {
        "name": fields["Package"],
        "architecture": fields.get("Architecture", ""),
        "source_package": source[0] if source else fields["Package"],
        "summary": fields.get("Description", "").partition("\n")[0] or None,
    }


_LABELS = {
    "section": "Section",
    "priority": "Priority",
    "maintainer": "Maintainer",
    "homepage": "Homepage",
    "multi_arch": "Multi-Arch",
    "pre_depends": "Pre-Depends",
    "depends": "Depends",
    "provides": "Provides",
    "filename": "Filename",
}


def _count(fields: dict[str, str], label: str) -> tuple[int | None, list[str]]:
    text = fields.get(label, "")
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text), []
    return None, [f"{label} is no number; catalogued without"] if text else []


def _file(fields: dict[str, str]) -> tuple[Blob | None, list[str]]:
    if not fields.get("Filename"):
        return None, [] if "Status" in fields else ["no file is named; catalogued without"]
    size, flaws = _count(fields, "Size")
    try:
        digests = {name: fields[label] for name, label in (("md5", "MD5sum"), ("sha256", "SHA256")) if label in fields}
        blob = Blob(size=size, digests=digests, media_type=DEB)
    except (ValidationError, ValueError):
        return Blob(size=size, media_type=DEB), [*flaws, "a digest is malformed; the file is catalogued without"]
    return blob, flaws if blob.sha256 else [*flaws, "the file has no SHA-256; catalogued without"]


def open_scanner(target: str | None, _options: Options) -> DebianScanner:
    """Return the scanner of this machine, or of the list or directory that ``target`` names."""
    return DebianScanner.of_machine(Path("/")) if target is None else DebianScanner.of_path(Path(target))

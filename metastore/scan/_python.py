"""The scanner of Python distributions: everything that is installed in the running interpreter."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, ClassVar, cast

from attrs import define
from attrs import field as attr

from metastore import Blob, Field, Link, Version, field
from metastore.errors import MetastoreError, MissingExtraError, VersionError
from metastore.scan._contract import Found, Known, Options, Problem, Scanned
from metastore.scan._names import readable
from metastore.scan._record import files_of, text_of

__all__ = ["PythonDistribution", "PythonScanner", "UnversionedPythonDistribution", "open_scanner"]

LICENCE_LENGTH = 256

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


class _Distribution(Scanned):
    """What both types of Python distributions have."""

    licence: Field[str | None] = field(
        default=None, index=True, max_length=LICENCE_LENGTH, search=1,
        description="License-Expression, else License where it is one line, else the licence classifiers",
    )  # fmt: skip
    summary: Field[str | None] = field(default=None, search=2)
    requires_python: Field[str | None] = field(default=None)
    requirements: Field[list[str]] = field(factory=list, description="Requires-Dist as written")
    location: Field[str | None] = field(default=None, description="the directory on the path that holds it")
    installer: Field[str | None] = field(default=None)
    file_count: Field[int] = field(default=0, index=True, ge=0)
    total_size: Field[int] = field(
        default=0, index=True, ge=0, unit="bytes", description="of the files with a known size"
    )
    files: Field[dict[str, Blob]] = field(
        factory=dict, description="every file of RECORD, by its path from the location"
    )


class PythonDistribution(
    _Distribution, type_name="python_distributions", unique=("scan_source", "scan_key"), scheme="pep440"
):
    """An installed distribution."""

    requires: Field[list[Link[PythonDistribution]]] = field(
        factory=list, description="the installed distributions that meet its requirements without extras"
    )


class UnversionedPythonDistribution(
    _Distribution, type_name="python_distributions_unversioned", unique=("scan_source", "scan_key"), scheme="opaque"
):
    """An installed distribution whose version is none by PEP 440, or that names none."""


@define
class _Installed:
    """One distribution as it was found: ``shadowed`` means that another of its name is imported instead."""

    distribution: Distribution
    name: str
    version: str | None
    key: str
    shadowed: bool = False

    @property
    def valid(self) -> bool:
        return self.version is not None and _is_pep440(self.version)


@define
class PythonScanner:
    """Reads the metadata of every distribution on a path, that of the running interpreter unless told."""

    path: list[str] | None = None
    source: str = attr(factory=lambda: f"python:{readable(sys.prefix)[0]}")
    types: tuple[type[Scanned], ...] = (PythonDistribution, UnversionedPythonDistribution)
    installed: dict[str, _Installed] = attr(factory=dict, init=False)
    """What would be imported, by normalised name."""
    figures: ClassVar = {"python_distributions": {"files": "file_count", "bytes": "total_size"}}
    required: Counter[str] = attr(factory=Counter, init=False)
    """How many of those found require a distribution, by its name."""

    @property
    def queries(self) -> tuple[str, ...]:
        """Commands worth a try; one asks for what requires the distribution that most of those found require."""
        most = [name for name, _count in self.required.most_common(1) if _PLAIN.fullmatch(name)]
        return (
            "find python_distributions --order-by -total_size --limit 10 --select name,version,total_size,licence",
            "facets python_distributions licence",
            *(f"find python_distributions \"any(requires, name = '{name}')\" --select name,version" for name in most),
            "find python_distributions \"matches('parser')\"",
        )

    def scan(self, _known: Known) -> Iterator[Found | Problem]:
        """Yield every distribution, those of one name and version in several places each."""
        yield from _closed(sys.path if self.path is None else self.path)
        self.installed = {}
        self.required.clear()
        every: list[_Installed] = []
        for each in distributions() if self.path is None else distributions(path=self.path):
            entered = self.enter(each, {other.key for other in every})
            if isinstance(entered, Problem):
                yield entered
            else:
                every.append(entered)
        for one in every:
            yield from self.found(one)

    def enter(self, distribution: Distribution, keys: set[str]) -> _Installed | Problem:
        try:
            metadata = _metadata(distribution)
        except Exception as error:  # noqa: BLE001 - a foreign finder may raise anything at all; the scan goes on
            return Problem("metadata cannot be read", f"{_place(distribution)}: {error}", keep=("",))
        name = _clean(metadata.get("Name"))
        if not name and (withheld := _withheld(distribution)):
            return Problem("metadata cannot be read", f"{_place(distribution)}: {withheld.strerror}", keep=("",))
        if not name:
            return Problem("metadata names no distribution and was passed over", str(_place(distribution)))
        version = _clean(metadata.get("Version"))
        key = f"{_normal(name)}=={version or ''}"
        key = f"{key} @ {_location(distribution)}" if key in keys else key
        shadowed = _normal(name) in self.installed
        one = _Installed(distribution, name, version, key, shadowed)
        self.installed.setdefault(_normal(name), one)
        return one

    def found(self, one: _Installed) -> Iterator[Found | Problem]:
        metadata = _metadata(one.distribution)
        if one.shadowed:
            yield Problem(
                "installed more than once; the first on the path is imported",
                f"{one.key} in {_location(one.distribution)}",
            )
        files = files_of(one.distribution)
        for flaw, count in files.flaws.items():
            yield Problem(flaw, f"{one.key} ({count})", count=count)
        requirements = [text for each in _all(metadata, "Requires-Dist") if (text := _clean(each))]
        values = {
            "name": one.name,
            "licence": _licence(metadata),
            "summary": _clean(metadata.get("Summary")),
            "requires_python": _clean(metadata.get("Requires-Python")),
            "requirements": requirements,
            "location": _location(one.distribution),
            "installer": _clean(text_of(one.distribution, "INSTALLER")),
            "file_count": len(files.blobs),
            "total_size": files.size,
            "files": files.blobs,
        }
        if not one.valid:
            yield Problem("the version is none by PEP 440; catalogued as python_distributions_unversioned", one.key)
            yield Found(UnversionedPythonDistribution, one.key, values | {"version": one.version or "0"})
            return
        links: list[str] = []
        yield from self.link(one, requirements, links)
        yield Found(PythonDistribution, one.key, values | {"version": one.version}, {"requires": links})

    def link(self, one: _Installed, requirements: Iterable[str], links: list[str]) -> Iterator[Problem]:
        """Add the keys of what meets the requirements to ``links``, each once."""
        for text in requirements:
            problem, other = self.meet(text)
            if problem:
                yield Problem(problem, f"{one.key}: {text}")
            if other and other.key not in (*links, one.key):
                links.append(other.key)
                self.required[other.name] += 1

    def meet(self, text: str) -> tuple[str | None, _Installed | None]:
        """Return what is wrong with a requirement, and the installed distribution that it leads to."""
        read = _packaging()
        try:
            requirement = read(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (ValueError, KeyError):  # no requirement, or a marker that compares what has no order or no name
            return "a requirement that cannot be read", None
        if not wanted:
            return None, None
        other = self.installed.get(_normal(requirement.name))
        if other is None:
            return "a requirement that is not installed", None
        if not other.valid:
            return "a requirement whose installed version is none by PEP 440; not linked", None
        fits = requirement.specifier.contains(cast("str", other.version), prereleases=True)
        return (None if fits else "a requirement that is installed in another version"), other


def _packaging() -> Any:
    try:
        from packaging.requirements import Requirement
    except ImportError as error:
        raise MissingExtraError(
            "scanning Python distributions needs the package 'packaging': pip install 'metastore-engine[cli]'"
        ) from error
    return Requirement


def _is_pep440(version: str) -> bool:
    try:
        return bool(Version(version, "pep440"))
    except VersionError:
        return False


def _metadata(distribution: Distribution) -> Message:
    # Typed as a protocol without get_all's default; a Message in every Python, absent metadata an empty one or None.
    return cast("Message", distribution.metadata) or Message()


def _closed(path: Iterable[str]) -> Iterator[Problem]:
    """Yield the directories of a path that are there and cannot be read; importlib takes those for empty."""
    for place in path:
        try:
            os.scandir(place or ".").close()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield Problem("a directory on the path cannot be read", f"{place}: {error.strerror}", keep=("",))


def _withheld(distribution: Distribution) -> OSError | None:
    """Return what stands against reading the metadata of a distribution; importlib takes PermissionError for absence."""
    place = getattr(distribution, "_path", None)
    for name in ("METADATA", "PKG-INFO", "") if isinstance(place, Path) else ():
        try:
            (cast("Path", place) / name).open("rb").close()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            continue
        except OSError as error:
            return error
    return None


def _all(metadata: Message, label: str) -> list[str]:
    return [str(each) for each in metadata.get_all(label) or ()]


def _clean(value: object) -> str | None:
    """Return a header as a text that can be kept, ``None`` for nothing, or for what tools write for nothing."""
    text = readable(str(value))[0].replace("\0", "\N{REPLACEMENT CHARACTER}").strip() if value is not None else ""
    return text if text and text != "UNKNOWN" else None


def _licence(metadata: Message) -> str | None:
    """Return the licence in a line; some distributions put its whole text into License."""
    for said in (_clean(metadata.get("License-Expression")), _clean(metadata.get("License"))):
        if said and "\n" not in said and len(said) <= LICENCE_LENGTH:
            return said
    classified = [each.rpartition(" :: ")[2] for each in _all(metadata, "Classifier") if each.startswith("License ::")]
    said = "; ".join(dict.fromkeys(classified)) or (_clean(metadata.get("License")) or "").partition("\n")[0]
    return said[:LICENCE_LENGTH] or None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _location(distribution: Distribution) -> str | None:
    return _clean(distribution.locate_file(""))


def _place(distribution: Distribution) -> object:
    return getattr(distribution, "_path", None) or _location(distribution)


def open_scanner(target: str | None, _options: Options) -> PythonScanner:
    """Return the scanner of the running interpreter; it takes no target."""
    if target is not None:
        raise MetastoreError("scan python reads the running interpreter and takes no target: run it with the other one")
    return PythonScanner()

"""Relations between Debian packages: read, and resolved to the package that meets them.

Source: Debian Policy 7.1 (syntax), 7.5 (virtual packages).
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache
from typing import Any

from attrs import Factory, define, frozen

from metastore import Version
from metastore.errors import VersionError

__all__ = ["Candidate", "Index", "Relation", "groups", "version_key"]

_RELATION = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9+.\-]*)(?::([a-z0-9\-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^)\s]+)\s*\))?"
    r"\s*(?:\[[^\]]*\])?\s*(?:<[^>]*>\s*)*"
)


@frozen(cache_hash=True)
class Relation:
    """One alternative: a name, perhaps for one architecture, perhaps only in some versions."""

    name: str
    architecture: str = ""
    sign: str = ""
    version: str = ""

    def allows(self, version: str) -> bool:
        """Say whether a version of the package named would do."""
        if not self.sign:
            return True
        mine, theirs = version_key(self.version), version_key(version)
        if mine is None or theirs is None:
            return False
        return {
            "<<": theirs < mine, "<=": theirs <= mine, "<": theirs <= mine, "=": theirs == mine,
            ">=": theirs >= mine, ">": theirs >= mine, ">>": theirs > mine,
        }[self.sign]  # fmt: skip


@frozen
class Candidate:
    """A package that a relation may lead to."""

    key: str
    version: str
    architecture: str
    installed: bool


@lru_cache(maxsize=65536)
def version_key(text: str) -> str | None:
    """Return the sort key of a Debian version, ``None`` for what is none."""
    try:
        return Version(text, "debian").key
    except VersionError:
        return None


@lru_cache(maxsize=65536)
def _group(text: str) -> tuple[str, tuple[Relation, ...]]:
    text = " ".join(text.split())  # a run of blanks would be tried in every division among the optional parts
    matches = [_RELATION.fullmatch(each) for each in text.split("|")]
    read = tuple(Relation(*(part or "" for part in match.groups())) for match in matches if match)
    return text, read if len(read) == len(matches) else ()


def groups(text: str) -> list[tuple[str, tuple[Relation, ...]]]:
    """Return each relation of a field as written, and its alternatives; one that cannot be read has none.

    >>> [(text, [each.name for each in some]) for text, some in groups("libc6 (>= 2.36), awk | mawk")]
    [('libc6 (>= 2.36)', ['libc6']), ('awk | mawk', ['awk', 'mawk'])]
    """
    return [_group(group) for group in text.split(",") if group and not group.isspace()]


@define
class Index:
    """The packages of a scan by name, and by what they provide."""

    packages: dict[str, list[Candidate]] = Factory(lambda: defaultdict(list))
    providers: dict[str, list[tuple[Candidate, str]]] = Factory(lambda: defaultdict(list))

    answers: dict[tuple[Any, ...], Candidate | None] = Factory(dict)
    """What `resolve` found before: a quarter of the questions are new ones in bookworm's main."""

    def add(self, name: str, candidate: Candidate, provides: str) -> None:
        """Take in a package and the text of its Provides field."""
        self.packages[name].append(candidate)
        for _text, alternatives in groups(provides):
            for each in alternatives:
                self.providers[each.name].append((candidate, each.version))

    def resolve(self, alternatives: tuple[Relation, ...], asking: Candidate) -> Candidate | None:
        """Return what meets the first alternative that can be met, as apt prefers it.

        A real package goes before one that provides the name, an installed one (for an installed asker: in any
        alternative) before others, then the highest version.
        """
        question = (alternatives, asking.architecture, asking.installed)
        if question not in self.answers:
            found = [best for each in alternatives if (best := self.best(each, asking)) is not None]
            if asking.installed:
                found.sort(key=lambda candidate: not candidate.installed)
            self.answers[question] = found[0] if found else None
        return self.answers[question]

    def best(self, relation: Relation, asking: Candidate) -> Candidate | None:
        """Return the best package for one alternative, ``None`` if there is none."""
        real = [each for each in self.packages.get(relation.name, ()) if relation.allows(each.version)]
        if chosen := _preferred(real, relation, asking):
            return chosen
        provided = self.providers.get(relation.name, ())
        return _preferred(
            [each for each, version in provided if not relation.sign or (version and relation.allows(version))],
            relation,
            asking,
        )


def _preferred(candidates: list[Candidate], relation: Relation, asking: Candidate) -> Candidate | None:
    fitting = [each for each in candidates if _fits(each.architecture, relation.architecture, asking.architecture)]
    return max(fitting, key=lambda each: (each.installed, version_key(each.version) or ""), default=None)


def _fits(theirs: str, wanted: str, mine: str) -> bool:
    if wanted and wanted not in ("any", "native"):
        return theirs == wanted
    return wanted == "any" or theirs in (mine, "all") or mine == "all"

"""The five schemes by which a version text is read, ordered and ranged over, each a record of what differs.

A scheme turns a text into its *canonical text* (what is stored, shown and compared with ``==``) and that into a
*sort key*: printable ASCII without spaces, at most 512 characters, whose code-point order is the scheme's precedence.
Texts of equal precedence have equal keys, so the total order is (key, text), and any database can index it.

========  ============================================  ==========================================================
scheme    canonical text                                order
========  ============================================  ==========================================================
semver    as written, Semantic Versioning 2.0.0 only    its section 11; build metadata does not count
pep440    as ``packaging`` normalises it                PEP 440 with epoch, post, dev and local parts
debian    as written, Debian Policy 5.6.12              dpkg's: ``~`` before the end, letters before other signs
calver    as written: YEAR.N[.N[.N]][MODIFIER]          by number, missing ones are 0; dev < a < b < rc < none
opaque    as written, any text without controls         by code point
========  ============================================  ==========================================================

How keys are built: a number is the count of its digits, then its digits (:func:`_number`), so it sorts by size and
ends where it says; what follows it is one mark from a small ordered alphabet. Every piece is a prefix code, hence the
joined pieces compare piece by piece. A key is stored, so a change of its form needs a migration.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from metastore.errors import MissingExtraError, VersionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_KEY", "MAX_TEXT", "SCHEMES", "Scheme", "canonical", "refusal", "scheme_of"]

MAX_TEXT = 128
"""Characters of the longest version text, as given and as stored."""

MAX_KEY = 512
"""Characters of the longest sort key; follows from ``MAX_TEXT``, for the width of a database column."""


# --- the pieces every scheme is made of -----------------------------------------------------------------------------


class Scheme:
    """One scheme as a record of what differs; the instances stand in ``_TABLE``."""

    name: str
    grammar: str
    """What a text must be, as an error says it."""
    default: str
    least: str
    """What makes a release the least version of all that begin like it."""
    width = 1
    """Numbers that a canonical text has at least."""
    zero_is_unstable = True
    """Whether 0.x breaks with every x; the year 00 does not."""

    def read(self, text: str) -> str | None:
        """Return the canonical text, None for a text that the scheme refuses."""
        raise NotImplementedError

    def key(self, text: str) -> str:
        """Return the sort key of a canonical text."""
        raise NotImplementedError

    def split(self, text: str) -> tuple[str, str, list[int]]:
        """Return (lower bound, epoch with its sign, leading numbers as far as given) of the text of a range."""
        raise NotImplementedError

    def pin(self, numbers: list[int]) -> int:
        """Return the place that a caret raises: the first that is not 0, as npm does, else the last."""
        if not self.zero_is_unstable:
            return 0
        return next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)

    def above(self, numbers: list[int]) -> str:
        """Return the version before everything that begins with these numbers."""
        return ".".join(map(str, numbers + [0] * (self.width - len(numbers)))) + self.least


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Compiling them all at import costs more than the rest of the module, and most catalogues use one scheme.
    return re.compile(pattern)


def _matched(pattern: str, text: str) -> str | None:
    match = _compiled(pattern).fullmatch(text)
    return match and match[0]


_read = lru_cache(maxsize=4096)(_matched)
"""The same, remembered: for texts whose length was looked at."""


def _groups(pattern: str, text: str, scheme: str) -> tuple[str | Any, ...]:
    match = _compiled(pattern).fullmatch(text)
    if match is None:
        raise VersionError(refusal(text, scheme))
    return match.groups()


def _number(digits: str) -> str:
    """Return digits so that texts of any length sort by their number; zero is "0", and so is nothing.

    >>> [_number(digits) for digits in ("0", "7", "007", "10", "123456789")]
    ['0', '17', '17', '210', '9009123456789']
    """
    digits = digits.lstrip("0")
    size = len(digits)
    return f"{size}{digits}" if size < 9 else f"9{size:03}{digits}"


def _release(numbers: str) -> str:
    """Return the key of dotted numbers in which trailing zeros do not count, closed by a mark below any number."""
    keys = [_number(digits) for digits in numbers.split(".")]
    while keys and keys[-1] == "0":
        keys.pop()
    return "".join(keys) + "!"


def _integers(numbers: str) -> list[int]:
    return [int(digits) for digits in numbers.split(".")]


# --- the schemes ----------------------------------------------------------------------------------------------------

_SEMVER_NUMBER = r"(?:0|[1-9][0-9]*)"
_SEMVER_PARTIAL = rf"{_SEMVER_NUMBER}(?:\.{_SEMVER_NUMBER})?"
_SEMVER_WORD = rf"(?:{_SEMVER_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = (
    rf"{_SEMVER_NUMBER}\.{_SEMVER_NUMBER}\.{_SEMVER_NUMBER}"
    rf"(?:-{_SEMVER_WORD}(?:\.{_SEMVER_WORD})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class _Semver(Scheme):
    """Source: https://semver.org/spec/v2.0.0.html, sections 2, 9, 10, 11, and the expression it suggests."""

    name = "semver"
    grammar = "MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD] without leading zeros, such as '1.2.3' or '2.0.0-rc.1+5'"
    default = "0.0.0"
    least = "-0"
    width = 3

    def read(self, text: str) -> str | None:
        return _read(_SEMVER, text)

    def key(self, text: str) -> str:
        """Return the key; a release ends in "~", above the "#" (number) and "$" (word) of a pre-release.

        Both marks are below the characters of a word, so the longer of two words that begin alike comes later.
        """
        core, _, words = text.partition("+")[0].partition("-")
        key = "".join([_number(digits) for digits in core.split(".")])
        if not words:
            return key + "~"
        return key + "".join(["#" + _number(word) if word.isdigit() else "$" + word for word in words.split(".")])

    def split(self, text: str) -> tuple[str, str, list[int]]:
        full = text + ".0" * (2 - text.count(".")) if _matched(_SEMVER_PARTIAL, text) else text
        # npm drops the build metadata of a bound too: it does not count, and would only break ties of the text.
        lower = canonical(full, self.name).partition("+")[0]
        return lower, "", _integers(text.partition("+")[0].partition("-")[0])


_PEP440 = (  # of canonical texts only; the others are packaging's to read
    r"(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:(a|b|rc)([0-9]+))?(?:\.post([0-9]+))?(?:\.dev([0-9]+))?"
    r"(?:\+([a-z0-9]+(?:\.[a-z0-9]+)*))?"
)


@cache
def _packaging_version() -> Callable[[str], object]:
    try:
        from packaging.version import Version as PackagingVersion
    except ImportError as error:
        raise MissingExtraError(
            "Reading versions of the scheme 'pep440' needs the package 'packaging', which is not installed; "
            "install it with: pip install 'metastore-engine[versions]'"
        ) from error
    return PackagingVersion


class _Pep440(Scheme):
    """Source: https://packaging.python.org/en/latest/specifications/version-specifiers/."""

    name = "pep440"
    grammar = "a Python version by PEP 440 without white space around it, such as '1.2', '2.0rc1' or '1!3.0.post1'"
    default = "0"
    least = ".dev0"

    def read(self, text: str) -> str | None:
        read = _packaging_version()
        if not text.isascii() or text.split() != [text]:  # packaging trims, and 23 lets \u017f pass for s
            return None
        try:
            return str(read(text))
        except ValueError:
            return None

    def key(self, text: str) -> str:
        """Return the key: epoch, release, pre ("-" for a mere dev, "~" for none), post, dev, local.

        Built here and not by ``packaging``, so that a stored catalogue can be ordered where the extra is missing.
        """
        epoch, release, pre, pre_number, post, dev, local = _groups(_PEP440, text, self.name)
        stage = pre[0] + _number(pre_number) if pre else "-" if dev and not post else "~"
        suffix = (_number(post) if post else "-") + (_number(dev) if dev else "~")
        words = ["$" + _number(word) if word.isdigit() else "#" + word for word in local.split(".")] if local else ()
        return "".join((_number(epoch or ""), _release(release), stage, suffix, *words))

    def split(self, text: str) -> tuple[str, str, list[int]]:
        lower = canonical(text, self.name)
        epoch, release, *_ = _groups(_PEP440, lower, self.name)
        return lower, f"{epoch}!" if epoch else "", _integers(release)


_DEBIAN = r"(?:([0-9]+):)?([0-9][0-9A-Za-z.+~-]*?)(?:-([0-9A-Za-z.+~]+))?(?<!-)"
_DEBIAN_NUMBERS = r"([0-9]+:)?([0-9]+(?:\.[0-9]+)*).*"
# The tilde goes below the digits, the other signs go above the letters and keep their order.
_DEBIAN_ORDER = str.maketrans("~+-.", "!{|}")


class _Debian(Scheme):
    """Source: https://www.debian.org/doc/debian-policy/ch-controlfields.html#version, dpkg's lib/dpkg/version.c."""

    name = "debian"
    grammar = "[EPOCH:]UPSTREAM[-REVISION] of letters, digits and .+~ with a digit first, such as '1:2.40-3~bpo12+1'"
    default = "0"
    least = "~"

    def read(self, text: str) -> str | None:
        return _read(_DEBIAN, text)

    def key(self, text: str) -> str:
        epoch, upstream, revision = _groups(_DEBIAN, text, self.name)
        return _number(epoch or "") + _debian_part(upstream) + _debian_part(revision or "0")

    def split(self, text: str) -> tuple[str, str, list[int]]:
        lower = canonical(text, self.name)
        epoch, numbers = _groups(_DEBIAN_NUMBERS, lower, self.name)
        return lower, epoch or "", _integers(numbers)


def _debian_part(part: str) -> str:
    """Return the key of runs of signs and digits, in turn; a missing run of digits counts as 0.

    The empty match at the end of ``findall`` is wanted: it closes the part with "0", above a tilde, below the rest.
    """
    runs = _compiled("([^0-9]*)([0-9]*)").findall(part.translate(_DEBIAN_ORDER))
    return "".join([signs + _number(digits) for signs, digits in runs])


_CALVER_YEAR = r"(?:[0-9]{4}|[0-9]{2})"
_CALVER_NUMBER = r"(?:[0-9]{1,2}|[1-9][0-9]{2,})"
_CALVER = rf"({_CALVER_YEAR}(?:\.{_CALVER_NUMBER}){{1,3}})(?:[-.]?(dev|alpha|a|beta|b|rc)([0-9]*))?"
_CALVER_STAGES = {"dev": "-", "a": "a", "alpha": "a", "b": "b", "beta": "b", "rc": "r"}


class _Calver(Scheme):
    """Source: https://calver.org, made strict here: it names parts, but gives neither a grammar nor an order."""

    name = "calver"
    grammar = "a year of 2 or 4 digits, 1 to 3 numbers, and dev, a, b, rc or nothing, such as '24.04' or '2024.4.1-rc1'"
    default = "0000.0.0"
    least = "-dev"
    width = 2
    zero_is_unstable = False

    def read(self, text: str) -> str | None:
        return _read(_CALVER, text)

    def key(self, text: str) -> str:
        numbers, modifier, count = _groups(_CALVER, text, self.name)
        return _release(numbers) + (_CALVER_STAGES[modifier] + _number(count) if modifier else "~")

    def split(self, text: str) -> tuple[str, str, list[int]]:
        if _matched(_CALVER_YEAR, text):
            return f"{text}.0", "", [int(text)]
        lower = canonical(text, self.name)
        return lower, "", _integers(_groups(_CALVER, lower, self.name)[0])

    def above(self, numbers: list[int]) -> str:
        text = super().above(numbers)
        # Two digits again below 100, else four: the year after 99 is 0100, which the order knows as 100.
        return text.zfill(len(text) + (-len(str(numbers[0]))) % 2)


_OPAQUE_REFUSED = r"\x00-\x1f\x7f-\x9f\ud800-\udfff"


class _Opaque(Scheme):
    """Any text, in code-point order."""

    name = "opaque"
    grammar = "any text without control characters and lone surrogates"
    default = "0"

    def read(self, text: str) -> str | None:
        return _read(f"[^{_OPAQUE_REFUSED}]+", text)

    def key(self, text: str) -> str:
        return _compiled('[^"-|]').sub(_opaque_escape, text)

    def split(self, text: str) -> tuple[str, str, list[int]]:
        raise VersionError(
            f"There is no range about {_shown(text)}: the scheme 'opaque' has no numbers to count by, so no ranges; "
            "compare with < and >=, or declare another scheme"
        )


def _opaque_escape(match: re.Match[str]) -> str:
    """Return "!0" for a space, "!1" for "!", else one of "}~" and three digits of base 94, the largest point first.

    The signs from '"' to "|" stand for themselves. Four characters at most, so that the longest text fits a key.

    >>> [_compiled(".").sub(_opaque_escape, sign) for sign in (" ", "!", "é", "\\U0010ffff")]
    ['!0', '!1', '}!#N', '~A)8']
    """
    point = ord(match[0])
    if point < ord('"'):
        return f"!{point - ord(' ')}"
    return "}~"[point // 94**3] + "".join([chr(ord("!") + point // place % 94) for place in (94**2, 94, 1)])


_TABLE = {scheme.name: scheme for scheme in (_Semver(), _Pep440(), _Debian(), _Calver(), _Opaque())}
SCHEMES = tuple(_TABLE)
"""Names of the schemes, the default one first."""


def scheme_of(name: str) -> Scheme:
    try:
        return _TABLE[name]
    except (KeyError, TypeError):
        raise VersionError(f"There is no version scheme {name!r}: expected one of {', '.join(SCHEMES)}") from None


# --- what an error says ---------------------------------------------------------------------------------------------


def refusal(text: object, scheme: str) -> str:
    return f"{_shown(text)} is no version of the scheme {scheme!r}: {_flaw(text)}; expected {_TABLE[scheme].grammar}"


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:60] + "…"


def _flaw(text: object) -> str:
    if not isinstance(text, str):
        return f"it is of type {type(text).__name__}, not a str"
    if not 0 < len(text) <= MAX_TEXT:
        return f"it has {len(text)} characters, not 1 to {MAX_TEXT}"
    for pattern, flaw in ((f"[{_OPAQUE_REFUSED}]", "a control character or lone surrogate"), (r"\s", "white space")):
        if found := _compiled(pattern).search(text):
            return f"it contains {flaw}, {found[0]!r}"
    return "it has the wrong form" if text.isascii() else "it contains characters outside ASCII"


def canonical(text: str, scheme: str) -> str:
    """Return the canonical text, which reads back as itself.

    Only ``pep440`` rewrites; the other schemes keep the text, zeros and all, so that what is shown is what was given.

    Raises ``VersionError`` for a text that the scheme refuses, an unknown scheme, and more than ``MAX_TEXT``
    characters before or after; ``MissingExtraError`` for ``pep440`` without the package ``packaging``.

    >>> canonical("1.0-Alpha", "pep440"), canonical("2024.04", "calver")
    ('1.0a0', '2024.04')
    """
    read = scheme_of(scheme).read
    found = read(text) if isinstance(text, str) and 0 < len(text) <= MAX_TEXT else None
    if found is None or len(found) > MAX_TEXT:
        raise VersionError(refusal(found or text, scheme))
    return found

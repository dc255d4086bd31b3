"""Versions: every order is proved against a library that shares no code with ours."""

from __future__ import annotations

import copy
import doctest
import operator
import pickle  # noqa: TID251 - whether a value can be pickled is asked for here
import subprocess
import sys
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
import semver
from debian.debian_support import NativeVersion
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import InvalidVersion
from packaging.version import Version as PackagingVersion

from metastore import _schemes, _version
from metastore._schemes import MAX_KEY, MAX_TEXT, SCHEMES, canonical
from metastore._version import Version, caret, default, sort_key, tilde
from metastore.errors import MetastoreError, MissingExtraError, VersionError

if TYPE_CHECKING:
    from collections.abc import Callable

often = settings(max_examples=150, deadline=None)

# --- texts of every scheme: few signs and near numbers, so that two of them often begin alike ------------------------

NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "2", "9", "10", "11", "99999999", "100000000", "999999999", "1" + "0" * 11]),
    st.integers(0, 10**11).map(str),
)
PADDED = st.builds("{}{}".format, st.sampled_from(["", "", "0"]), NUMBERS)


def dotted(parts: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=least, max_size=most).map(".".join)


def maybe(form: str, parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), parts.map(form.format))


def concatenated(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


WORDS = st.one_of(NUMBERS, st.text("aZ-09", min_size=1, max_size=3).filter(lambda word: not word.isdigit()))
SEMVER = concatenated(
    dotted(NUMBERS, 3, 3),
    maybe("-{}", dotted(WORDS, 1, 3)),
    maybe("+{}", dotted(st.sampled_from(["0", "00", "b"]), 1, 2)),
)
PEP440 = concatenated(
    maybe("{}!", NUMBERS),
    dotted(PADDED, 1, 3),
    maybe("{}", st.builds("{}{}".format, st.sampled_from(["a", "b", "rc", "-Alpha_", ".c"]), NUMBERS)),
    maybe("{}", st.builds("{}{}".format, st.sampled_from([".post", "-", "r"]), NUMBERS)),
    maybe(".dev{}", NUMBERS),
    maybe("+{}", dotted(st.sampled_from(["0", "7", "10", "a", "ab", "1a", "A"]), 1, 3)),
)
DEBIAN = concatenated(
    maybe("{}:", PADDED),
    PADDED,
    st.text("0129aAz.+~", max_size=6),
    maybe("-{}", st.text("01aA.+~", min_size=1, max_size=4)),
)
CALVER = concatenated(
    st.sampled_from(["24", "05", "99", "0024", "2024", "2025"]),
    dotted(st.sampled_from(["0", "00", "1", "01", "4", "04", "10", "12", "20240401"]), 1, 3).map(".{}".format),
    maybe("{}", concatenated(
        st.sampled_from(["", "-", "."]),
        st.sampled_from(["dev", "a", "alpha", "b", "beta", "rc"]),
        st.sampled_from(["", "0", "1", "01", "2", "10"]),
    )),
)  # fmt: skip
OPAQUE = st.one_of(
    st.text(' !"#z{|}~é\u2028\ud7ff\ue000\uffff\U00010000\U0010ffff', min_size=1, max_size=4),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=MAX_TEXT),
)


def calver_tuple(text: str) -> tuple[int, ...]:
    word = "".join(filter(str.isalpha, text))
    numbers, _, count = text.partition(word) if word else (text, "", "")
    stage = ["dev", "a", "b", "rc", ""].index({"alpha": "a", "beta": "b"}.get(word, word))
    years = [int(number) for number in numbers.strip("-.").split(".")]
    return (*years, *[0] * (4 - len(years)), stage, int(count or 0))


TEXTS: dict[str, st.SearchStrategy[str]] = {
    "semver": SEMVER, "pep440": PEP440, "debian": DEBIAN, "calver": CALVER, "opaque": OPAQUE,
}  # fmt: skip
ORACLES: dict[str, Callable[[str], Any]] = {
    "semver": semver.Version.parse, "pep440": PackagingVersion, "debian": NativeVersion, "calver": calver_tuple,
    "opaque": lambda text: [ord(sign) for sign in text],
}  # fmt: skip
ANY = st.sampled_from(SCHEMES).flatmap(lambda scheme: st.tuples(TEXTS[scheme], st.just(scheme)))


def sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@often
@given(data=st.data())
def test_keys_order_and_tie_as_the_independent_library_does(scheme: str, data: st.DataObject) -> None:
    texts = data.draw(st.lists(TEXTS[scheme], min_size=2, max_size=5))
    for one, other in combinations(texts, 2):
        keys = [sort_key(canonical(text, scheme), scheme) for text in (one, other)]
        assert sign(*keys) == sign(ORACLES[scheme](one), ORACLES[scheme](other)), (one, other, keys)


HUGE = st.one_of(st.integers(0, 10**100), st.integers(0, 120).map(lambda digits: 10**digits - 1))


@often
@given(st.lists(HUGE, min_size=2, max_size=4), st.sampled_from(["{}.0.0", "0.0.0-{}"]))
def test_numbers_of_any_size_sort_as_numbers(numbers: list[int], form: str) -> None:
    assert sorted(numbers) == sorted(numbers, key=lambda number: Version(form.format(number)).key)


@pytest.mark.parametrize(("scheme", "ladder"), [
    ("semver", "1.0.0-0 1.0.0-1 1.0.0-9 1.0.0-10 1.0.0-- 1.0.0-A 1.0.0-a 1.0.0-a.1 1.0.0-a.a 1.0.0-a- 1.0.0-a0 1.0.0"),
    ("pep440", "0.9 1.dev0 1a0.dev0 1a0 1a0.post1 1b0 1rc0 1 1+a 1+a.a 1+0 1+0.a 1.post0.dev1 1.post0 1.0.1 1!0"),
    ("debian", "0~~ 0~ 0 0-1 0a 0+ 0.~ 0. 0.a 1~~a 1~ 1 1-1~ 1-1 1-1.1 1-a 1A 1a 1+ 1.9 1.10 2 1:0"),
    ("calver", "24.04 2024.3 2024.4.dev 2024.4-dev1 2024.4a 2024.4b 2024.4rc9 2024.4rc10 2024.4 2024.4.1-dev 2024.10"),
    ("opaque", '! !! " "! 10 9 a a! a| a} a~ aé a\U0010ffff b {'),
])  # fmt: skip
def test_a_ladder_by_hand_ascends(scheme: str, ladder: str) -> None:
    steps = [Version(text, scheme) for text in ladder.split(" ")]
    assert all(low < high and low.key < high.key for low, high in pairwise(steps))


@pytest.mark.parametrize(("scheme", "one", "other"), [
    ("semver", "1.2.3+a", "1.2.3+b"), ("pep440", "1", "1.0"), ("debian", "1.0", "1.00"), ("debian", "0:1-0", "1"),
    ("debian", "1a", "1a0"), ("calver", "0024.4.0", "24.04"), ("calver", "24.4.a0", "24.4alpha"),
])  # fmt: skip
def test_equal_precedence_is_an_equal_key_and_the_text_breaks_the_tie(scheme: str, one: str, other: str) -> None:
    first, second = Version(one, scheme), Version(other, scheme)
    assert first.key == second.key
    assert first < second
    assert first != second


def is_plain(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key and 0 < len(key) <= MAX_KEY


@often
@given(ANY)
def test_a_key_is_short_printable_ascii_without_spaces(pair: tuple[str, str]) -> None:
    assert is_plain(Version(*pair).key)


LONGEST = [
    ("0.0.0-" + "1." * 60 + "1", "semver"), ("9" * 124 + ".0.0", "semver"), ("1." * 63 + "1", "pep440"),
    ("1+" + "1." * 62 + "1", "pep440"), ("1a" * 64, "debian"), ("1-" + "~1" * 63, "debian"), ("1" * 128, "debian"),
    ("2024." + "9" * 123, "calver"), ("\U0010ffff" * 128, "opaque"), (" " * 128, "opaque"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "scheme"), LONGEST)
def test_the_longest_texts_have_plain_keys_within_the_bound(text: str, scheme: str) -> None:
    assert is_plain(Version(text, scheme).key)


# --- canonical texts -------------------------------------------------------------------------------------------------


@often
@given(ANY)
def test_canonical_is_idempotent_and_short(pair: tuple[str, str]) -> None:
    text, scheme = pair
    once = canonical(text, scheme)
    assert canonical(once, scheme) == once
    assert 0 < len(once) <= MAX_TEXT


@often
@given(ANY)
def test_only_pep440_rewrites_and_as_packaging_does(pair: tuple[str, str]) -> None:
    text, scheme = pair
    assert canonical(text, scheme) == (str(PackagingVersion(text)) if scheme == "pep440" else text)


def accepted(text: str, scheme: str) -> bool:
    try:
        return bool(canonical(text, scheme))
    except VersionError:
        return False


@often
@given(st.one_of(SEMVER, st.text("019aA-+.\n \u0663", max_size=12), WORDS.map("1.2.3-{}".format)))
def test_semver_accepts_what_the_semver_package_accepts(text: str) -> None:
    assert accepted(text, "semver") == (semver.Version.is_valid(text) and text.isascii())


@often
@given(st.one_of(PEP440, st.text("019abcdevrpost!-_.+V \u017f\u0663", max_size=12)))
def test_pep440_accepts_what_packaging_accepts_but_for_white_space(text: str) -> None:
    try:
        expected = bool(PackagingVersion(text)) and text == text.strip() and text.isascii()
    except InvalidVersion:
        expected = False
    assert accepted(text, "pep440") == expected


@often
@given(st.one_of(DEBIAN, st.text("019aA.+~-:", max_size=8)))
def test_debian_accepts_what_python_debian_accepts_and_the_policy_allows(text: str) -> None:
    try:
        found = NativeVersion(text)
    except ValueError:
        assert not accepted(text, "debian")
    else:
        upstream = found.upstream_version or ""
        allowed = upstream[0].isdigit() and ":" not in upstream and (found.debian_revision or "-" not in upstream)
        assert accepted(text, "debian") == bool(allowed)


@often
@given(ANY, st.text(max_size=6), st.integers(0, 8))
def test_whatever_is_accepted_has_a_key_and_reads_back(pair: tuple[str, str], noise: str, place: int) -> None:
    text, scheme = pair
    if accepted(hurt := text[:place] + noise + text[place:], scheme):
        assert Version(canonical(hurt, scheme), scheme) == Version(hurt, scheme)
        assert Version(hurt, scheme).key


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_default_version(scheme: str) -> None:
    assert canonical(default(scheme), scheme) == default(scheme)


class Loud(str):
    """A text that shouts when shown."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_text_of_a_subclass_of_str_is_kept_as_a_plain_str(scheme: str) -> None:
    text = Version(Loud("2024.4.1"), scheme).text
    assert (type(text), text) == (str, "2024.4.1")


# --- refusals --------------------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    "", "1.2.3\n", "1.2\t3", "1.2.3\x00", "\x7f", "\x85", "\ud800", "1.2.3-\udfff", "1" * 129,
    "1.2.3." * 10**4, None, 1, 1.2, b"1.2.3", ["1.2.3"], Version("1.2.3"),
]  # fmt: skip
REFUSED = [
    *[("semver", text) for text in (
        "1", "1.2", "1.2.3.4", "v1.2.3", "=1.2.3", "01.2.3", "1.02.3", "1.2.03", "1.2.3-", "1.2.3-01", "1.2.3-a..b",
        "1.2.3+", "1.2.3+a+b", "1.2.3-é", "1.2.3-a_b", "-1.2.3", "1.2.x", "²1.2.3", "\u0663.0.0", "latest",
    )],
    *[("pep440", text) for text in ("1..0", "latest", "1.0+", "1.0+\u017f", "\u0661.0", "1.0-", "\xa01.0", "1!")],
    *[("debian", text) for text in (
        "a1", "1-", "1--", ":1", "a:1", "1:", "1:2:3", "1_2", "1-2_3", "-1", "~1", "é1", "-1:1", "1:a", "\u06611",
    )],
    *[("calver", text) for text in (
        "2024", "24", "124.1", "20240.1", "2024.004", "2024.1.2.3.4", "2024.1-final", "2024.1--rc1", "2024-04-01",
        "2024.1RC1", "2024..1", "2024.1.", "v2024.1", "2024.1-1", "2024.1+x", "\u0662\u0664.1",
    )],
]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:12])
def test_every_scheme_refuses_what_is_no_short_clean_text(text: Any, scheme: str) -> None:
    for refuse in (canonical, Version, caret, tilde):
        with pytest.raises(VersionError) as error:
            refuse(text, scheme)
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("text", [" 2024.1.1", "2024.1.1 ", "2024. 1.1", "\xa02024.1.1", "\u2028"], ids=ascii)
def test_white_space_is_never_trimmed_and_only_opaque_keeps_it(text: str, scheme: str) -> None:
    assert accepted(text, scheme) == (scheme == "opaque")


@pytest.mark.parametrize(("scheme", "text"), REFUSED)
def test_a_scheme_refuses_what_breaks_its_form(scheme: str, text: str) -> None:
    with pytest.raises(VersionError, match=f"is no version of the scheme '{scheme}': it .*; expected "):
        Version(text, scheme)


@pytest.mark.parametrize(("text", "words"), [
    ("1.2", "'1.2' is no version of the scheme 'semver': it has the wrong form; expected MAJOR.MINOR.PATCH"),
    ("", "'' is no version of the scheme 'semver': it has 0 characters, not 1 to 128"),
    ("1" * 200, "it has 200 characters, not 1 to 128"),
    ("1.2.3 ", "it contains white space, ' '"),
    ("1.2\x00", "it contains a control character or lone surrogate, '\\x00'"),
    ("1.2.\ud800", "it contains a control character or lone surrogate, '\\ud800'"),
    ("1.2.é", "it contains characters outside ASCII"),
    (12, "12 is no version of the scheme 'semver': it is of type int, not a str"),
])  # fmt: skip
def test_a_refusal_says_what_was_found_and_what_is_expected(text: Any, words: str) -> None:
    with pytest.raises(VersionError) as error:
        Version(text)
    assert words in str(error.value)


def test_a_text_too_long_before_or_after_normalisation_is_refused() -> None:
    with pytest.raises(VersionError, match="it has 131 characters"):
        canonical("0" * 128 + "1.0", "pep440")
    with pytest.raises(VersionError, match="it has 129 characters"):
        canonical("1" * 127 + "a", "pep440")


@pytest.mark.parametrize("scheme", ["", "SemVer", "npm", None, 1, ["semver"]], ids=repr)
def test_an_unknown_scheme_is_refused_with_the_known_ones(scheme: Any) -> None:
    for refuse in (canonical, sort_key, caret, tilde, Version):
        with pytest.raises(VersionError, match="expected one of semver, pep440, debian, calver, opaque"):
            refuse("1.2.3", scheme)
    with pytest.raises(VersionError):
        default(scheme)


def test_a_missing_packaging_names_the_extra_and_stored_versions_still_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.version", None)
    _schemes._packaging_version.cache_clear()
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[versions\]"):
        Version("1.0", "pep440")
    assert Version.trusted("1.0rc1", "pep440") < Version.trusted("1.0", "pep440")


# --- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "text", "by_caret", "by_tilde"), [
    ("semver", "1.2.3", "1.2.3 2.0.0-0", "1.2.3 1.3.0-0"),
    ("semver", "1.2", "1.2.0 2.0.0-0", "1.2.0 1.3.0-0"),
    ("semver", "1", "1.0.0 2.0.0-0", "1.0.0 2.0.0-0"),
    ("semver", "0.2.3", "0.2.3 0.3.0-0", "0.2.3 0.3.0-0"),
    ("semver", "0.0.3", "0.0.3 0.0.4-0", "0.0.3 0.1.0-0"),
    ("semver", "0.0.0", "0.0.0 0.0.1-0", "0.0.0 0.1.0-0"),
    ("semver", "0.0", "0.0.0 0.1.0-0", "0.0.0 0.1.0-0"),
    ("semver", "0", "0.0.0 1.0.0-0", "0.0.0 1.0.0-0"),
    ("semver", "1.2.3-beta.2+b", "1.2.3-beta.2 2.0.0-0", "1.2.3-beta.2 1.3.0-0"),
    ("semver", "0.0.3-beta", "0.0.3-beta 0.0.4-0", "0.0.3-beta 0.1.0-0"),
    ("semver", "9.9", "9.9.0 10.0.0-0", "9.9.0 9.10.0-0"),
    ("pep440", "v1.2-Alpha", "1.2a0 2.dev0", "1.2a0 1.3.dev0"),
    ("pep440", "2!0.3.1.post1+ab", "2!0.3.1.post1+ab 2!0.4.dev0", "2!0.3.1.post1+ab 2!0.4.dev0"),
    ("pep440", "0.0.0.4", "0.0.0.4 0.0.0.5.dev0", "0.0.0.4 0.1.dev0"),
    ("pep440", "1", "1 2.dev0", "1 2.dev0"),
    ("debian", "1:2.04.1-3", "1:2.04.1-3 1:3~", "1:2.04.1-3 1:2.5~"),
    ("debian", "0.9a.3", "0.9a.3 0.10~", "0.9a.3 0.10~"),
    ("debian", "20240101~git", "20240101~git 20240102~", "20240101~git 20240102~"),
    ("calver", "2024.04.1", "2024.04.1 2025.0-dev", "2024.04.1 2024.5-dev"),
    ("calver", "24.04-rc1", "24.04-rc1 25.0-dev", "24.04-rc1 24.5-dev"),
    ("calver", "2024", "2024.0 2025.0-dev", "2024.0 2025.0-dev"),
    ("calver", "00.04", "00.04 01.0-dev", "00.04 00.5-dev"),
    ("calver", "99.1", "99.1 0100.0-dev", "99.1 99.2-dev"),
    ("calver", "0999.1.1.1", "0999.1.1.1 1000.0-dev", "0999.1.1.1 0999.2-dev"),
])  # fmt: skip
def test_caret_and_tilde_by_hand(scheme: str, text: str, by_caret: str, by_tilde: str) -> None:
    assert caret(text, scheme) == tuple(by_caret.split())
    assert tilde(text, scheme) == tuple(by_tilde.split())


FORMS: dict[str, tuple[list[int], range, list[str]]] = {
    "semver": ([0, 1, 2], range(3, 4), ["", "-0", "-a.1", "+b"]),
    "pep440": ([0, 1, 2], range(1, 4), ["", "a1", ".dev0", ".post1", "+b"]),
    "debian": ([0, 1, 2], range(1, 4), ["", "-1", "~rc1", "+b-1", "a"]),
    "calver": ([22, 23, 24], range(2, 5), ["", "-dev", "rc1"]),
}


def neighbours(scheme: str) -> list[tuple[list[int], str]]:
    """Return (numbers, text), all that the form of the scheme allows."""
    first, lengths, suffixes = FORMS[scheme]
    numbers = [numbers for length in lengths for numbers in product(first, *[[0, 1, 2]] * (length - 1))]
    return [(list(each), ".".join(map(str, each)) + suffix) for each in numbers for suffix in suffixes]


def within(text: str, bounds: tuple[str, str], scheme: str) -> bool:
    lower, upper = (sort_key(bound, scheme) for bound in bounds)
    return lower <= Version(text, scheme).key < upper


def misplaced(scheme: str, base: str, bounds: tuple[str, str], prefix: list[int]) -> list[str]:
    """Return the neighbours held without following the base and sharing the prefix, or the other way round."""
    oracle, found = ORACLES[scheme], []
    for numbers, text in neighbours(scheme):
        expected = (numbers + [0] * 3)[: len(prefix)] == prefix and oracle(text) >= oracle(base)
        if within(text, bounds, scheme) != expected:
            found.append(text)
    return found


@pytest.mark.parametrize("scheme", FORMS)
def test_a_caret_holds_what_follows_up_to_the_first_number_that_counts(scheme: str) -> None:
    for numbers, text in neighbours(scheme)[::7]:
        count = 1 if scheme == "calver" else next((at for at, number in enumerate(numbers, 1) if number), len(numbers))
        assert misplaced(scheme, text, caret(text, scheme), numbers[:count]) == []


@pytest.mark.parametrize("scheme", FORMS)
def test_a_tilde_holds_what_follows_and_shares_two_numbers(scheme: str) -> None:
    for numbers, text in neighbours(scheme)[::7]:
        assert misplaced(scheme, text, tilde(text, scheme), numbers[:2]) == []


@pytest.mark.parametrize(("partial", "full"), [("0", "0.0.0"), ("1", "1.0.0"), ("0.1", "0.1.0"), ("1.2", "1.2.0")])
def test_a_partial_semver_range_holds_the_releases_it_begins(partial: str, full: str) -> None:
    prefix = [int(number) for number in partial.split(".")]
    assert misplaced("semver", full, tilde(partial, "semver"), prefix) == []


def test_semver_bounds_hold_for_key_and_text_as_for_the_key() -> None:
    for _, base in neighbours("semver"):
        lower, upper = bounds = caret(base, "semver")
        for _, text in neighbours("semver")[::7]:
            assert (Version(lower) <= Version(text) < Version(upper)) == within(text, bounds, "semver")


@often
@given(st.sampled_from(SCHEMES[:4]).flatmap(lambda scheme: st.tuples(TEXTS[scheme], st.just(scheme))))
def test_both_bounds_are_canonical_and_the_range_holds_its_own_text(pair: tuple[str, str]) -> None:
    text, scheme = pair
    for bounds in (caret(text, scheme), tilde(text, scheme)):
        assert bounds == tuple(canonical(bound, scheme) for bound in bounds)
        assert within(text, bounds, scheme)


@pytest.mark.parametrize(
    "text", ["1.", "1.2.", ".1", "01", "1.02", "1-a", "1.2-a", "1+b", "x", "1.x", "", " 1", "^1", "*"]
)
def test_a_partial_text_is_numbers_only(text: str) -> None:
    for bounds in (caret, tilde):
        with pytest.raises(VersionError, match=r"is no version of the scheme 'semver'"):
            bounds(text, "semver")


def test_opaque_versions_have_no_ranges() -> None:
    for bounds in (caret, tilde):
        with pytest.raises(VersionError, match="'opaque' has no numbers to count by, so no ranges; compare with"):
            bounds("1.2.3", "opaque")


@pytest.mark.parametrize(("text", "scheme"), [("9" * 128, "semver"), ("9" * 128, "debian"), ("9999.1", "calver")])
def test_a_range_without_room_for_its_upper_bound_is_refused(text: str, scheme: str) -> None:
    with pytest.raises(VersionError):
        caret(text, scheme)


# --- the value -------------------------------------------------------------------------------------------------------


@often
@given(ANY)
def test_a_version_survives_pickle_and_copies(pair: tuple[str, str]) -> None:
    version = Version(*pair)
    copies = [pickle.loads(pickle.dumps(version, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in (*copies, copy.copy(version), copy.deepcopy(version), Version.trusted(version.text, version.scheme)):
        assert (other, hash(other), other.key, str(other)) == (version, hash(version), version.key, version.text)


@often
@given(ANY)
def test_the_repr_makes_the_version_again(pair: tuple[str, str]) -> None:
    version = Version(*pair)
    assert eval(repr(version)) == version


def test_the_repr_leaves_out_the_default_scheme() -> None:
    assert repr(Version("1.2.3")) == "Version('1.2.3')"
    assert repr(Version("1:2-3", scheme="debian")) == "Version('1:2-3', scheme='debian')"


def test_a_version_compares_equal_by_scheme_and_text_only() -> None:
    assert Version("1.2.3") == Version("1.2.3")
    assert Version("1.2.3") != Version("1.2.3", "pep440")
    assert Version("1.2.3") != Version("1.2.3+b")
    assert Version("1.2.3") != "1.2.3"
    assert len({Version("1.2.3"), Version("1.2.3"), Version("1.2.3", "opaque")}) == 2


@often
@given(ANY.flatmap(lambda pair: st.tuples(st.just(pair), TEXTS[pair[1]])))
def test_all_comparisons_are_those_of_key_then_text(pair: tuple[tuple[str, str], str]) -> None:
    one, other = Version(*pair[0]), Version(pair[1], pair[0][1])
    pairs = (one.key, one.text), (other.key, other.text)
    assert [one < other, one <= other, one > other, one >= other, one == other] == [
        pairs[0] < pairs[1], pairs[0] <= pairs[1], pairs[0] > pairs[1], pairs[0] >= pairs[1], pairs[0] == pairs[1],
    ]  # fmt: skip


@pytest.mark.parametrize("other", [Version("1.2.3", "pep440"), "1.2.3", None, 1], ids=repr)
@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_only_versions_of_one_scheme_have_an_order(compare: Callable[[Any, Any], bool], other: Any) -> None:
    with pytest.raises(TypeError):
        compare(Version("1.2.3"), other)


def test_two_schemes_are_told_apart_in_a_sentence() -> None:
    with pytest.raises(TypeError, match=r"Versions of two schemes have no order: Version\('1.2.3'\) is semver"):
        sorted([Version("1", "debian"), Version("1.2.3")])


@pytest.mark.parametrize("name", ["text", "scheme", "key", "_key", "other"])
def test_a_version_cannot_be_changed(name: str) -> None:
    version = Version("1.2.3")
    with pytest.raises(AttributeError, match="immutable"):
        setattr(version, name, "2.0.0")
    with pytest.raises(AttributeError, match="immutable"):
        delattr(version, name)
    assert not hasattr(version, "__dict__")
    assert (version.text, version.scheme) == ("1.2.3", "semver")


def test_the_key_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    version = Version("1.2.3")
    first = version.key
    monkeypatch.setattr(_version, "sort_key", None)
    assert version.key is first


def test_a_trusted_text_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_version, "canonical", None)
    assert Version.trusted("1.2.3", "semver").text == "1.2.3"


def test_a_version_error_is_ours_and_a_value_error() -> None:
    assert issubclass(VersionError, MetastoreError)
    assert issubclass(VersionError, ValueError)


def test_nothing_optional_is_imported_with_the_module() -> None:
    code = "import sys, metastore._version; print({'packaging', 'semver', 'debian', 'hypothesis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("module", [_schemes, _version], ids=lambda module: module.__name__)
def test_the_examples_run(module: Any) -> None:
    results = doctest.testmod(module)
    assert (results.failed, results.attempted >= 3) == (0, True)


def test_every_function_of_versions_has_an_example() -> None:
    found = [getattr(_version, name) for name in _version.__all__] + [_schemes.canonical]
    assert [item for item in found if ">>>" not in (item.__doc__ or "")] == []

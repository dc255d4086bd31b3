"""What a word is, and what equal-but-for-case means."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._text import WORD_LENGTH, fold, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Debian", "debian"),
        ("Straße", "strasse"),
        ("ﬁn", "fin"),
        ("Ⅷ", "viii"),
        ("ｆ", "f"),
        ("É", "é"),
        ("E\u0301", "é"),
        ("ς", "σ"),
        ("İ", "i̇"),
        ("ẞ", "ss"),
    ],
)
def test_folding_makes_equal_what_differs_by_case_or_form(text, folded):
    assert fold(text) == unicodedata.normalize("NFC", folded)


@given(st.text())
def test_folding_twice_changes_nothing_more(text):
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_cases_of_a_text_fold_to_one(text):
    assert fold(text.upper().lower()) == fold(fold(text.upper()))


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_folds_to_lower_case(text):
    assert fold(text) == text.lower()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" -!? ", []),
        ("Debian-12, Debian", ["debian", "12", "debian"]),
        ("a_b.c", ["a_b", "c"]),
        ("日本 語", ["日本", "語"]),
        ("it's", ["it", "s"]),
        ("x²", ["x2"]),
    ],
)
def test_words_are_runs_of_word_characters(text, found):
    assert words(text) == found


@given(st.text())
def test_a_word_is_folded_and_short(text):
    for word in words(text):
        assert 0 < len(word) <= WORD_LENGTH
        assert fold(word)[:WORD_LENGTH] == word


@pytest.mark.parametrize("letter", ["x", "ß", "ﷺ", "é"])
def test_a_word_too_long_is_cut_in_text_and_query_alike(letter):
    long = letter * 300
    assert words(long) == [word[:WORD_LENGTH] for word in words(long)]
    assert words(long)[0] == words(long + letter)[0]


@pytest.mark.parametrize("length", [21, 22, 31, 32, 33, 40])
def test_a_short_text_that_folds_to_a_long_word_is_cut_too(length):
    assert words("㌖" * length) == [("キロメートル" * length)[:WORD_LENGTH]]


@given(st.text(), st.text())
def test_the_words_of_two_texts_are_the_words_of_each(one, two):
    assert words(f"{one} \n {two}") == words(one) + words(two)

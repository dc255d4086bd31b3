"""What a word is, and what equal-but-for-case means: one definition for every backend."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["WORD_LENGTH", "fold", "words"]

WORD_LENGTH = 128
"""Longer words are cut here, in text and in queries alike, so that every index can hold them."""

_word = re.compile(r"\w+").findall


def fold(text: str) -> str:
    """Return the NFKC case-folded form; folding twice changes nothing more.

    Source: Unicode Standard 3.13, D146 (toNFKC_Casefold without removal of ignorables).

    >>> fold("Straße ﬁn Ⅷ")
    'strasse fin viii'
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    while (again := unicodedata.normalize("NFKC", folded).casefold()) != folded:
        folded = again
    return folded


def words(text: str) -> list[str]:
    r"""Return the words of a text in order, with repeats: runs of ``\w`` in its folded form.

    >>> words("Debian-12, Debian RESCUE")
    ['debian', '12', 'debian', 'rescue']
    """
    folded = fold(text)
    found = _word(folded)
    return (
        found
        if len(folded) <= WORD_LENGTH or all(len(word) <= WORD_LENGTH for word in found)
        else [word[:WORD_LENGTH] for word in found]
    )

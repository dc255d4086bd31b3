"""What stands in a type's full text: the words of its searched fields, and the marks of its blobs.

A mark stands for a url or a digest, so that who refers to it is found. Marks are random: in a look-up table of their own each lay on another page, which
was an eighth of the time of a bulk write into 100,000 artifacts (measured). Full text is written a commit at a time and merged later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import xor

from metastore._text import WORD_LENGTH
from metastore.backend import FieldSpec, TypeSpec, references, search_words, text_marks

__all__ = ["columns", "holds_blobs", "mark", "moved", "searched", "terms", "text"]

_BEFORE = "\xa7"
"""No word has a section sign, and FTS5 takes it for a part of one: no word is a mark."""


def searched(spec: TypeSpec, names: tuple[str, ...] = ()) -> list[FieldSpec]:
    """Return the fields that full text searches, in order; where there are ``names``, only these."""
    return [each for each in spec.searched if not names or each.name in names]


def columns(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that have a column in the full-text table: what is searched, then what holds blobs."""
    return [*spec.searched, *filter(_blobs, spec.fields)]


def holds_blobs(spec: TypeSpec) -> bool:
    """Return whether artifacts of a type can refer to bytes."""
    return any(map(_blobs, spec.fields))


def _blobs(field: FieldSpec) -> bool:
    return field.kind in ("blob", "folder")


def mark(reference: str) -> str:
    """Return the mark of a url, or of a digest as ``algorithm:hex``."""
    return _marks((reference,))[0]


def _marks(of: Iterable[str]) -> list[str]:
    return [_BEFORE + each.hex() for each in text_marks(of)]


def terms(field: FieldSpec, value: str | None) -> list[str]:
    """Return the words, or the marks, of a row's column."""
    if _blobs(field):
        return _marks(references(field, value))
    return search_words(field, value)


def text(field: FieldSpec, value: str | None) -> str:
    """Return what FTS5's tokenizer splits at spaces into the terms; short ASCII text (and JSON of such) it splits as we would."""
    if value is not None and field.search and len(value) <= WORD_LENGTH and value.isascii() and "\\" not in value:
        return value
    return " ".join(terms(field, value))


_Told = tuple[FieldSpec, str | None, str | None]
"""A field, and what its column held and holds."""


def moved(columns: Sequence[_Told]) -> tuple[list[str], list[str]]:
    """Return what a row that changes takes out of each column, and what it puts in.

    FTS5 takes a word out of all columns at once, so that what is taken out of one is put in again wherever it is. No word is a
    mark, so the ones stay where only the others change.
    """
    words = [each for each in columns if not _blobs(each[0])]
    pairs = [*_words_moved(words), *_marks_moved(columns[len(words) :])]
    return [out for out, _ in pairs], [put for _, put in pairs]


def _words_moved(told: Sequence[_Told]) -> Iterable[tuple[str, str]]:
    if _same(told):
        return [("", "")] * len(told)
    return [(text(field, old), text(field, new)) for field, old, new in told]


def _marks_moved(told: Sequence[_Told]) -> Iterable[tuple[str, str]]:
    """Of marks only what differs: a folder may have thousands."""
    if _same(told):
        return [("", "")] * len(told)
    had, has = [references(field, old) for field, old, _ in told], [references(field, new) for field, _, new in told]
    other = set[str]().union(*map(xor, had, has))
    return [(" ".join(_marks(old & other)), " ".join(_marks(new & other))) for old, new in zip(had, has, strict=True)]


def _same(told: Sequence[_Told]) -> bool:
    return all(old == new for _, old, new in told)

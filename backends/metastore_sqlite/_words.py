"""What stands in a type's full text: the words of its searched fields, and the marks of its blobs.

A mark stands for a url or a digest, so that who refers to it is found. Marks are random: in a look-up table of their own each lay on another page, which
was an eighth of the time of a bulk write into 100,000 artifacts (measured). Full text is written a commit at a time and merged later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import xor

from metastore._text import WORD_LENGTH
from metastore.backend import FieldSpec, TypeSpec, references, referred, search_words, text_marks

__all__ = ["blobs", "columns", "holds_blobs", "mark", "marks_moved", "searched", "terms", "texts", "words_moved"]

_BEFORE = "\xa7"
"""No word has a section sign, and FTS5 takes it for a part of one: no word is a mark."""


def searched(spec: TypeSpec, names: tuple[str, ...] = ()) -> list[FieldSpec]:
    """Return the fields that full text searches, in order; where there are ``names``, only these."""
    return [each for each in spec.searched if not names or each.name in names]


def columns(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that have a column in the full-text table: what is searched, then what holds blobs."""
    return [*spec.searched, *blobs(spec)]


def blobs(spec: TypeSpec) -> list[FieldSpec]:
    """Return the fields that hold blobs, in order."""
    return [*filter(_blobs, spec.fields)]


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
    return search_words(field, value) if field.search else _marks(references(field, value))


def texts(told: Iterable[tuple[FieldSpec, str | None]]) -> list[str]:
    """Return for each column what FTS5's tokenizer splits at spaces into the terms; short ASCII text (and JSON of such) it splits as we would."""
    found = []
    for field, value in told:
        if value is None or value == "{}":
            found.append("")
        elif not field.search:
            found.append(" ".join(_marks(referred(field.kind, value))))
        elif len(value) <= WORD_LENGTH and value.isascii() and "\\" not in value:
            found.append(value)
        else:
            found.append(" ".join(search_words(field, value)))
    return found


_Told = tuple[FieldSpec, str | None, str | None]
"""A field, and what its column held and holds."""


_Moved = tuple[list[str], list[str]]
"""What is taken out of columns, and what is put in."""


def words_moved(told: Sequence[_Told]) -> _Moved:
    """Return what a row takes out of and puts into its searched columns, some of which changed.

    FTS5 takes a word out of all columns at once, so that what is taken out of one is put in again wherever it is. No word is a
    mark, so the ones stay where only the others change.
    """
    return texts([(field, old) for field, old, _ in told]), texts([(field, new) for field, _, new in told])


def marks_moved(told: Sequence[_Told]) -> _Moved:
    """Return what a row takes out of and puts into its columns of blobs: only what differs, as a folder may have thousands."""
    had, has = [references(field, old) for field, old, _ in told], [references(field, new) for field, _, new in told]
    other = set[str]().union(*map(xor, had, has))
    return [" ".join(_marks(old & other)) for old in had], [" ".join(_marks(new & other)) for new in has]

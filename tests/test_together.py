"""Blobs written together: one change of all that may be, and a reason for each that may not."""

from collections import UserDict
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Field, field, spec_of
from metastore._together import Draft, in_bunches, together
from metastore.errors import BusyError, ForbiddenError, FrozenFieldError, StaleRevisionError, VetoError


class Disk(Artifact, type_name="together_disks"):
    data: Field[Blob | None] = field(default=None)
    files: Field[dict[str, Blob]] = field(factory=dict)


DATA, FILES = (spec_of(Disk).by_name[name] for name in ("data", "files"))
A, B = Blob("file:///a", size=1), Blob("file:///b", size=2)


class One(NamedTuple):
    """A blob of a field."""

    name: str
    number: int

    @property
    def field(self):
        return SimpleNamespace(name=self.name)


def refusing(bad, error, calls):
    """Return an act that is refused wherever one of the bad is in it."""

    def act(some):
        calls.append(len(some))
        if bad.intersection(some):
            raise error
        return [(each, "done") for each in some]

    return act


@given(st.sets(st.integers(0, 40), max_size=41), st.sets(st.integers(0, 40)))
def test_each_that_is_refused_is_told_and_stops_no_other(numbers, bad):
    blobs = [One("files" if each % 2 else "data", each) for each in sorted(numbers)]
    wrong = {each for each in blobs if each.number in bad}
    found = together(blobs, refusing(wrong, VetoError("no"), []), lambda each, error: (each, str(error)))
    assert sorted(found) == sorted((each, "no" if each in wrong else "done") for each in blobs)


def test_what_nothing_refuses_is_done_at_once():
    calls = []
    together([One("files", each) for each in range(500)], refusing(set(), None, calls), None)
    assert calls == [500]


def test_one_of_many_that_is_refused_is_found_by_halves():
    calls = []
    blobs = [One("files", each) for each in range(512)]
    together(blobs, refusing({blobs[77]}, VetoError("no"), calls), lambda *_: None)
    assert len(calls) == 19


@pytest.mark.parametrize("error", [FrozenFieldError("no"), StaleRevisionError("no"), ForbiddenError("no", rule="r")])
def test_what_refuses_all_of_a_field_alike_is_asked_once(error):
    calls = []
    blobs = [One("files", each) for each in range(100)]
    assert together(blobs, refusing({blobs[0]}, error, calls), lambda *_: "no") == ["no"] * 100
    assert calls == [100]


def test_a_field_that_is_frozen_stops_no_other():
    blobs = [One("files", 1), One("data", 2), One("files", 3)]
    found = together(blobs, refusing({blobs[1]}, FrozenFieldError("no"), []), lambda each, _: (each, "no"))
    assert dict(found) == {blobs[0]: "done", blobs[1]: "no", blobs[2]: "done"}


def test_a_catalogue_that_fails_refuses_nothing_and_is_told():
    with pytest.raises(BusyError):
        together([One("files", 1)], refusing({One("files", 1)}, BusyError("busy"), []), lambda *_: None)


def test_a_draft_holds_what_was_put_and_leaves_the_artifact_as_it_is():
    disk = Disk(name="d", files={"a": A})
    draft = Draft(disk)
    for key, blob in (("b", B), ("a", B), ("c", A)):
        draft.put(FILES, key, blob)
    draft.put(DATA, None, A)
    assert draft.fields == {"files": {"a": B, "b": B, "c": A}, "data": A}
    assert (disk.files, disk.data) == ({"a": A}, None)
    assert (draft.blob(FILES, "a"), draft.blob(FILES, "d"), draft.blob(DATA, None)) == (B, None, A)
    assert Draft(disk).blob(FILES, "a") == A


@given(st.integers(0, 10**5))
def test_bunches_are_all_of_it_in_order_and_few(count):
    bunches = [*in_bunches(range(count))]
    assert [each for bunch in bunches for each in bunch] == [*range(count)]
    assert len(bunches) <= 10
    assert all(len(each) >= 500 for each in bunches[:-1])


def test_a_draft_copies_a_folder_once():
    copies = []

    class Folder(UserDict):
        def keys(self):
            copies.append(len(self))
            return super().keys()

    draft = Draft(SimpleNamespace(files=Folder(a=A)))
    for key in ("b", "a", "c"):
        draft.put(FILES, key, B)
    assert (draft.fields, copies) == ({"files": {"a": B, "b": B, "c": B}}, [1])

"""Names are exact, whatever they are made of."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastore_swift._names import levels_above, quoted, split, to_write

ODD = [
    "a?b", "a#b", "a%20b", "a%2fb", "a b", " a", "a ", "/a", "//a", "a//b", "a/../b", "..", ".", "./a", "a\\b", "a&b=c;d",
    "ü/ñ/名前", "e\u0301", "é", "😀", "a\nb", "a\tb", "[a]", "a*b", "{a}", "~a", "a+b", "a:b", "a,b", "'a'", '"a"', "<a>", "x" * 1024,
]  # fmt: skip
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda name: not name.endswith("/")
)


@pytest.fixture(scope="module")
def stored(fs, shared, witness):
    """A function that stores something below a folder of its own, and returns the names that Swift then has there."""

    def store(name):
        folder = uuid.uuid4().hex
        fs.pipe_file(f"{shared}/{folder}/{name}", b"here")
        assert fs.cat_file(f"swift://{shared}/{folder}/{name}") == b"here"
        assert fs.info(f"{shared}/{folder}/{name}")["name"] == f"{shared}/{folder}/{name}"
        rows = witness.get_container(shared, prefix=f"{folder}/", full_listing=True)[1]
        return [row["name"].removeprefix(f"{folder}/") for row in rows]

    return store


@pytest.mark.parametrize("name", [name for name in ODD if len(name) < 900])
def test_an_odd_name_is_stored_as_it_is(stored, name):
    assert stored(name) == [name]


@settings(max_examples=30)
@given(name=NAMES)
def test_any_name_is_stored_as_it_is(stored, name):
    assert stored(name) == [name]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_may_be_the_whole_name(fs, shared, witness, name):
    fs.pipe_file(f"{shared}/{name}", b"here")
    assert witness.get_object(shared, witness_name(name))[1] == b"here"
    assert f"{shared}/{name}" in fs.find(shared)
    fs.rm_file(f"{shared}/{name}")
    assert not fs.exists(f"{shared}/{name}")


def witness_name(name):
    """Return a name as python-swiftclient must be given it: it hands dots on to a library that would resolve them."""
    return name if ".." not in name and not name.startswith(".") else pytest.skip("the witness cannot ask for it")


@pytest.mark.parametrize("name", ["a?b#c", "a//b", "../a", "ü"])
def test_a_copy_has_the_name_it_was_given(fs, shared, name):
    folder = f"{shared}/{uuid.uuid4().hex}"
    fs.pipe_file(f"{folder}/from {name}", b"here")
    fs.cp_file(f"{folder}/from {name}", f"{folder}/to {name}")
    assert fs.cat_file(f"{folder}/to {name}") == b"here"


@pytest.mark.parametrize("name", ["a?b#c", "a//b", "x/../a", "ü", "n\nm"])
def test_many_are_removed_by_their_exact_names(fs, shared, name):
    folder = f"{shared}/{uuid.uuid4().hex}"
    fs.pipe({f"{folder}/{name}": b"", f"{folder}/{name}.2": b"", f"{folder}/other": b""})
    fs.rm(folder, recursive=True)
    assert fs.find(folder) == []


@pytest.mark.parametrize("name", ["ü b", "q?x#y%z", "name"])
def test_containers_have_odd_names_too(fs, witness, name):
    container = f"{name}-{uuid.uuid4().hex[:6]}"
    fs.mkdir(container)
    fs.pipe_file(f"{container}/{name}", b"here")
    assert [row["name"] for row in witness.get_container(container)[1]] == [name]
    fs.rm(container, recursive=True)
    assert not fs.exists(container)


@pytest.mark.parametrize("path", ["", "swift://", "c", "c/", "c/a/", "/c//"])
def test_what_is_no_name_of_an_object_is_not_written(fs, path):
    with pytest.raises(IsADirectoryError, match="container/name"):
        fs.pipe_file(path, b"")
    with pytest.raises(IsADirectoryError, match="container/name"):
        fs.open(path, "wb")


def test_half_a_surrogate_pair_is_an_error(fs, shared):
    with pytest.raises(OSError, match="surrogate"):
        fs.pipe_file(f"{shared}/\ud800", b"")


@pytest.mark.parametrize("name", ["a\0b", "x" * 1025])
def test_a_name_that_swift_does_not_take_is_an_error(fs, shared, name):
    with pytest.raises(OSError, match="was answered with 4"):
        fs.pipe_file(f"{shared}/{name}", b"")


@given(container=st.text(min_size=1).filter(lambda text: "/" not in text), name=NAMES)
def test_a_path_and_its_parts_are_the_same(container, name):
    assert split(f"swift://{container}/{name}") == to_write(f"{container}/{name}") == (container, name)


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_an_address_holds_nothing_that_ends_a_path(text):
    assert not set(quoted("c", text)) & set("?# %\n") - {"%"}


@given(st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=6))
def test_levels_are_between_names_and_not_between_slashes(parts):
    name = "c/" + "/".join(parts)
    levels = list(levels_above(name, "c"))
    assert all(name.startswith(f"{each}/") and not each.endswith("/") for each in levels)
    assert len(levels) == max(0, len([part for part in parts[:-1] if part]))

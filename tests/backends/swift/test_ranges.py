"""Parts of objects are what Python's slices are, and files what files are."""

import hashlib
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SIZE = 5_321
DATA = hashlib.shake_256(b"seed").digest(SIZE)
PLACES = st.none() | st.integers(-2 * SIZE, 2 * SIZE) | st.sampled_from([0, 1, -1, SIZE, SIZE - 1, SIZE + 1, -SIZE])
KINDS = ["plain", "slo", "nested", "dlo"]
# fsspec's own leaves its temporary file to the garbage collector
MMAP = pytest.param("mmap", marks=pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
CACHES = ["stream", "readahead", "bytes", "blockcache", "first", "background", "none", "all", MMAP]


@pytest.fixture(scope="module")
def made(fs, opened, witness):
    """A container with the same bytes in objects of every kind."""
    container = f"r-{os.urandom(5).hex()}"
    fs.mkdir(container)
    fs.pipe_file(f"{container}/plain", DATA)
    opened(block_size=800).pipe_file(f"{container}/slo", DATA)
    opened(block_size=300).pipe_file(f"{container}/nested", DATA)
    for at in range(0, SIZE, 1000):
        fs.pipe_file(f"{container}/segments/{at:06d}", DATA[at : at + 1000])
    witness.put_object(container, "dlo", b"", headers={"X-Object-Manifest": f"{container}/segments/"})
    fs.pipe_file(f"{container}/empty", b"")
    return container


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(start=PLACES, end=PLACES)
def test_a_part_is_a_slice(fs, made, kind, start, end):
    assert fs.cat_file(f"{made}/{kind}", start, end) == DATA[start:end]


@settings(max_examples=10)
@given(start=PLACES, end=PLACES)
def test_a_part_of_nothing_is_nothing(fs, made, start, end):
    assert fs.cat_file(f"{made}/empty", start, end) == b""


@pytest.mark.parametrize(("start", "end"), [(None, None), (5, 5), (9, 3), (-1, None), (0, 10)])
def test_a_part_of_a_missing_object_is_an_error(fs, made, start, end):
    with pytest.raises(FileNotFoundError):
        fs.cat_file(f"{made}/missing", start, end)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(KINDS), PLACES, PLACES), max_size=6))
def test_many_parts_come_in_the_order_asked(fs, made, asked):
    paths, starts, ends = ([each[at] for each in asked] for at in range(3))
    found = fs.cat_ranges([f"{made}/{kind}" for kind in paths], starts, ends)
    assert found == [DATA[start:end] for start, end in zip(starts, ends, strict=True)]


def test_a_part_that_cannot_be_had_is_an_error_in_its_place(fs, made):
    found = fs.cat_ranges([f"{made}/plain", f"{made}/missing"], 0, 3)
    assert found[0] == DATA[:3]
    assert isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([f"{made}/missing"], 0, 3, on_error="raise")


def test_parts_and_paths_belong_together(fs, made):
    with pytest.raises(ValueError, match="do not belong together"):
        fs.cat_ranges([f"{made}/plain"], [0, 1], [2])


STEPS = st.lists(
    st.tuples(st.just("read"), st.integers(-1, 3000))
    | st.tuples(st.just("seek"), st.integers(0, SIZE + 100), st.just(0))
    | st.tuples(st.just("seek"), st.integers(-SIZE, 0), st.just(2))
    | st.tuples(st.just("readline")),
    max_size=10,
)


@pytest.mark.parametrize("cache_type", CACHES)
@settings(max_examples=6)
@given(kind=st.sampled_from(KINDS), block=st.sampled_from([400, 1000, 10_000]), steps=STEPS)
def test_an_open_object_is_a_file(fs, made, cache_type, kind, block, steps):
    model = io.BytesIO(DATA)
    with fs.open(f"{made}/{kind}", block_size=block, cache_type=cache_type) as file:
        for verb, *arguments in steps:
            assert getattr(file, verb)(*arguments) == getattr(model, verb)(*arguments)


def test_a_file_read_through_is_two_answers(fs, made, monkeypatch):
    asked = []
    ask = fs.objects.account.ask
    monkeypatch.setattr(
        fs.objects.account, "ask", lambda verb, *rest, **more: asked.append(verb) or ask(verb, *rest, **more)
    )
    with fs.open(f"{made}/plain", block_size=100) as file:
        assert b"".join(iter(lambda: file.read(10), b"")) == DATA
    assert asked == ["HEAD", "GET", "GET"]


def test_lines_are_lines(fs, made):
    with fs.open(f"{made}/plain") as file:
        assert list(file) == list(io.BytesIO(DATA))


def test_a_folder_is_not_opened(fs, made):
    with pytest.raises(IsADirectoryError):
        fs.open(f"{made}/segments")


def test_head_and_tail(fs, made):
    assert (fs.head(f"{made}/slo", 7), fs.tail(f"{made}/slo", 7)) == (DATA[:7], DATA[-7:])
    assert fs.read_block(f"{made}/dlo", 990, 20) == DATA[990:1010]

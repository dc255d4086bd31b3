"""Moves: what is moved is somewhere at the end, whatever was said of where to."""

import errno

import pytest

DATA = bytes(range(250)) * 14


@pytest.fixture
def tree(fs, container):
    """A container with a file, and a pseudo-directory of two levels."""
    fs.pipe({f"{container}/a": b"a", f"{container}/d/x": b"x", f"{container}/d/s/y": b"y"})
    return container


def contents(fs, container):
    """What lies in a container, by name."""
    found = fs.cat(fs.find(container)) if fs.find(container) else {}
    return {name.removeprefix(f"{container}/"): body for name, body in found.items()}


@pytest.mark.parametrize(
    ("path", "to"),
    [("swift://{}/a", "{}/a"), ("{}/a", "/{}/a"), ("{}/a", "{}/"), ("{}/a", "{}"), ("{}/*", "{}/"), ("{}/d/", "{}/d/")],
)
def test_what_is_moved_onto_itself_stays(fs, tree, path, to):
    before = contents(fs, tree)
    fs.mv(path.format(tree), to.format(tree), recursive="d" in path)
    assert contents(fs, tree) == before


def test_a_large_object_that_is_moved_or_copied_onto_itself_stays_with_its_segments(fs, small, container):
    small.pipe(f"{container}/x", DATA)
    small.mv(f"swift://{container}/x", f"{container}/x")
    small.cp(f"{container}/x", f"{container}/x")
    assert fs.cat(f"{container}/x") == DATA
    assert fs.orphans(container, older_than=0) == []


def test_a_tree_moves_into_itself(fs, tree):
    fs.mv(f"{tree}/d", f"{tree}/d/in", recursive=True)
    assert contents(fs, tree) == {"a": b"a", "d/in/x": b"x", "d/in/s/y": b"y"}


def test_what_is_deeper_than_what_is_moved_stays(fs, tree):
    fs.mv(f"{tree}/d", f"{tree}/e/", recursive=True, maxdepth=1)
    assert contents(fs, tree) == {"a": b"a", "d/s/y": b"y", "e/x": b"x"}


def test_a_tree_is_moved_with_its_markers_and_its_container(fs, small, tree, witness):
    witness.put_object(tree, "d/s/", b"", content_type="application/directory")
    small.pipe(f"{tree}/d/large", DATA)
    fs.mv(f"{tree}/d", f"{tree}/e", recursive=True)
    assert contents(fs, tree) == {"a": b"a", "e/x": b"x", "e/s/y": b"y", "e/large": DATA}
    assert not fs.exists(f"{tree}/d")
    assert fs.orphans(tree, older_than=0) == []


@pytest.mark.parametrize("path", ["{}/d", "{}/none"])
def test_what_cannot_be_moved_is_an_error(fs, tree, path):
    with pytest.raises((IsADirectoryError, FileNotFoundError)):
        fs.mv(path.format(tree), f"{tree}/e")
    assert set(contents(fs, tree)) == {"a", "d/x", "d/s/y"}


def test_what_would_take_the_place_of_another_that_moves_is_refused(fs, tree):
    before = contents(fs, tree)
    with pytest.raises(OSError, match="take its place") as caught:
        fs.mv([f"{tree}/a", f"{tree}/d/x"], [f"{tree}/d/x", f"{tree}/b"])
    assert (caught.value.errno, contents(fs, tree)) == (errno.EINVAL, before)


def test_what_somebody_removes_meanwhile_is_not_missed(fs, tree, monkeypatch):
    copy = fs.cp_file

    def copied(path, to):
        copy(path, to)
        fs.rm_file(path)

    monkeypatch.setattr(fs, "cp_file", copied)
    fs.mv(f"{tree}/a", f"{tree}/b")
    assert contents(fs, tree) == {"b": b"a", "d/x": b"x", "d/s/y": b"y"}

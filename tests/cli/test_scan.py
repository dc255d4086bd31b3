"""The command scan."""

import os

import pytest


@pytest.fixture
def tree(path):
    (path.parent / "tree" / "sub").mkdir(parents=True)
    (path.parent / "tree" / "a.txt").write_text("hello")
    (path.parent / "tree" / "sub" / "b.json").write_text("{}")
    return path.parent / "tree"


def test_a_scan_ends_with_a_summary_and_what_to_try_next(metastore, tree):
    found = metastore("scan", "tree")
    assert (found.code, found.err) == (0, "")
    assert "2 found" in found.out
    assert "files: 2 artifacts, 7 bytes" in found.out
    assert "\n  metastore find files " in found.out


def test_what_the_summary_says_to_try_works(metastore, tree):
    import shlex

    lines = metastore("scan", "tree").out.splitlines()
    commands = [line.strip() for line in lines if line.startswith("  metastore ")]
    assert len(commands) >= 3
    for command in commands:
        assert metastore(*shlex.split(command)[1:]).code == 0, command


@pytest.mark.parametrize("what", ["python", "debian"])
def test_what_the_other_summaries_say_to_try_works(metastore, path, what):
    import shlex
    from pathlib import Path

    target = [str(Path(__file__).parent.parent / "scan" / "Packages")] if what == "debian" else []
    lines = metastore("scan", what, *target).out.splitlines()
    for line in lines:
        if line.startswith("  metastore "):
            assert metastore(*shlex.split(line)[1:]).code == 0, line


def test_a_scan_of_what_cannot_be_read_ends_in_1(metastore, path):
    (path.parent / "Packages").write_text("<html>\n\nno such page\n")
    found = metastore("scan", "debian", "Packages")
    assert (found.code, "Packages names no package" in found.out, "Next, try" in found.out) == (1, True, False)


def test_a_word_after_a_directory_is_told(metastore, tree):
    found = metastore("scan", "tree/sub", "tree")
    assert (found.code, "'tree' after it" in found.err) == (2, True)


def test_a_name_of_two_lines_is_told_in_one(metastore, tree):
    (tree / "two\nlines").write_text("!")
    assert r"  two\nlines" in metastore("scan", "tree").out
    (tree / "two\nlines").unlink()
    assert r"  two\nlines" in metastore("scan", "tree").out


def test_what_is_protected_is_told_and_the_others_are_pruned(metastore, tree):
    metastore("scan", "tree")
    metastore("protect", "files", "a.txt")
    for name in ("a.txt", "sub/b.json"):
        (tree / name).unlink()
    found = metastore("scan", "tree", "--prune")
    assert (found.code, "Gone, 1 of them deleted:" in found.out, "is protected" in found.out) == (0, True, True)


def test_a_second_scan_writes_nothing(metastore, tree):
    metastore("scan", "tree")
    changes = metastore("stats", "--json").json[0]["changes"]
    (report,) = metastore("scan", "tree", "--json").json
    assert (report["unchanged"], report["added"], metastore("stats", "--json").json[0]["changes"]) == (2, 0, changes)


def test_gone_is_told_and_pruned_on_request(metastore, tree):
    metastore("scan", "tree")
    (tree / "a.txt").unlink()
    assert "(delete with --prune):\n  a.txt" in metastore("scan", "tree").out
    assert metastore("count", "files").out == "2\n"
    assert "Gone and deleted:\n  a.txt" in metastore("scan", "tree", "--prune").out
    assert metastore("count", "files").out == "1\n"


def test_problems_are_told_with_examples(metastore, tree):
    os.mkfifo(tree / "pipe")
    assert (
        "  1 x neither a file, a directory nor a symbolic link; passed over\n      pipe\n"
        in metastore("scan", "tree").out
    )


def test_the_catalogue_does_not_catalogue_itself(metastore, path, tree):
    (report,) = metastore("scan", ".", "--json").json
    assert report["found"] == 2
    assert "catalog.db" in report["problems"][0]["examples"] or not report["problems"]


def test_quiet_says_nothing(metastore, tree):
    assert (metastore("scan", "tree", "--quiet").out, metastore("count", "files").out) == ("", "2\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["scan", "nowhere"], 2, "neither a directory nor a scanner"),
        (["scan", "python", "there"], 1, "takes no target"),
        (["scan", "debian", "nowhere"], 1, "no package list"),
        (["scan"], 2, "Missing argument"),
    ],
)  # fmt: skip
def test_what_cannot_be_scanned_is_told_and_makes_no_catalogue(metastore, path, arguments, code, words):
    found = metastore(*arguments)
    assert (found.code, words in found.err, path.exists()) == (code, True, False)


def test_a_name_that_reads_like_markup_is_one_on_a_terminal(tmp_path, on_terminal):
    (tmp_path / "[" / "x]").mkdir(parents=True)
    (tmp_path / "[" / "x]" / "file").touch()
    code, written = on_terminal("scan", "[/x]", cwd=tmp_path)
    assert (code, f"tree:{tmp_path}/[/x]: 1 found" in written) == (0, True)


def test_a_terminal_gets_a_table_with_a_head(tree, metastore, on_terminal):
    metastore("scan", "tree")
    code, written = on_terminal("find", "files", "--select", "name,size", cwd=tree.parent)
    assert code == 0
    assert [line.split() for line in _plain(written).splitlines()] == [
        ["name", "size"],
        ["a.txt", "5"],
        ["sub/b.json", "2"],
    ]


def test_a_terminal_is_safe_from_names(tree, metastore, on_terminal):
    (tree / "a.txt").rename(tree / "\x1b[2Jevil")
    metastore("scan", "tree")
    _code, written = on_terminal("find", "files", "--select", "name", cwd=tree.parent)
    assert "\\x1b[2Jevil" in written
    assert "\x1b[2J" not in written


def test_progress_is_shown_on_a_terminal_only(tree, metastore, on_terminal):
    _code, written = on_terminal("scan", "tree", cwd=tree.parent)
    assert "2 found" in written
    assert metastore("scan", "tree").err == ""


def _plain(written):
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)

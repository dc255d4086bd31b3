"""What the type checkers say of the face: nothing about right lines, something about every wrong one."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.typing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = [ROOT, ROOT / "backends"]
MARK = re.compile(r"# wrong(?:: (?P<only>[a-z, ]+))?$")


@pytest.fixture
def scratch(tmp_path):
    """Return a folder with the face files alone, so that no checker takes up the project's settings."""
    for file in HERE.glob("face_*.py"):
        shutil.copy(file, tmp_path)
    return tmp_path


def run(scratch, *command):
    done = subprocess.run([str(part) for part in command], cwd=scratch, capture_output=True, text=True, check=False)
    if not done.stdout.strip() and done.returncode:
        pytest.fail(f"{command[0]} did not run: {done.stderr}")
    return done.stdout


def script(name):
    return Path(sys.executable).with_name(name)


def mypy(file, scratch):
    Path(scratch, "mypy.ini").write_text(f"[mypy]\nmypy_path = {':'.join(map(str, SOURCES))}\n")
    output = run(scratch, sys.executable, "-m", "mypy", "--strict", "--no-pretty", file)
    return {int(line) for line in re.findall(rf"^{file}:(\d+): error:", output, re.MULTILINE)}


def pyright(file, scratch):
    settings = {"include": [file], "extraPaths": [str(path) for path in SOURCES], "reportUnusedExpression": False}
    Path(scratch, "pyrightconfig.json").write_text(json.dumps(settings))
    report = json.loads(run(scratch, script("pyright"), "--outputjson", "--pythonpath", sys.executable))
    return {each["range"]["start"]["line"] + 1 for each in report["generalDiagnostics"] if each["severity"] == "error"}


def ty(file, scratch):
    paths = [option for path in SOURCES for option in ("--extra-search-path", path)]
    output = run(scratch, script("ty"), "check", "--output-format", "concise", "--python", sys.executable, *paths, file)
    return {int(line) for line in re.findall(rf"{file}:(\d+):\d+: error", output)}


def pyrefly(file, scratch):
    Path(scratch, "pyrefly.toml").write_text('preset = "strict"\n')
    paths = [option for path in SOURCES for option in ("--search-path", path)]
    command = ("check", "--output-format", "json", "--python-interpreter-path", sys.executable, *paths, file)
    report = json.loads(run(scratch, script("pyrefly"), *command))
    return {each["line"] for each in report["errors"] if each["severity"] == "error"}


CHECKERS = [mypy, pyright, ty, pyrefly]


def marked(file, checker):
    """Return the lines of a file that this checker must report."""
    lines = enumerate((HERE / file).read_text(encoding="utf-8").splitlines(), start=1)
    marks = [(number, MARK.search(line)) for number, line in lines]
    return {number for number, mark in marks if mark and checker in (mark["only"] or checker)}


@pytest.mark.parametrize("checker", CHECKERS)
def test_no_checker_complains_about_a_right_line(checker, scratch):
    assert checker("face_right.py", scratch) == set()


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_checker_reports_the_lines_marked_wrong_and_no_other(checker, scratch):
    reported, expected = checker("face_wrong.py", scratch), marked("face_wrong.py", checker.__name__)
    assert (sorted(expected - reported), sorted(reported - expected)) == ([], [])

"""The page on the command line shows what the command line says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from metastore.cli._app import program

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(
    r"(?P<varies><!-- output varies -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROGRAM = re.compile(r"(^|\| |&& )metastore ")
CHANGING = [
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\bin \d+\.\d s"), "in <seconds>"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": <seconds>'),
    (re.compile(r"tree:[^\s\":]+/"), "tree:/srv/"),
]

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="asks about the checkout, not the wheel")


def steady(text):
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text.splitlines()


def said(line):
    if "&&" in line or "|" in line or not line.startswith("metastore "):
        line = PROGRAM.sub(rf"\1{shlex.quote(sys.executable)} -m metastore ", line)
        return subprocess.run(
            ["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        ).stdout
    return CliRunner().invoke(program, shlex.split(line)[1:], prog_name="metastore").output


def commands(body):
    """Yield (command, the output shown) of a block."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def test_every_command_says_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("METASTORE_CATALOG", raising=False)
    shown = 0
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["language"] == "python":
            exec(compile(block["body"], str(PAGE), "exec"), {"__name__": "page"})
        for command, output in commands(block["body"]) if block["language"] == "console" else ():
            found = said(command)
            assert "mistake in metastore" not in found, command
            assert block["varies"] or steady(found) == steady(output), command
            shown += 1
    assert shown > 30

"""The documentation runs, and leaves no public name out."""

import doctest
import pkgutil
import re
import textwrap
from importlib import import_module
from pathlib import Path

import click
import pytest

from metastore.cli._app import program

ROOT = Path(__file__).parents[1]
PAGES = [path for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))] if path.exists()]
FENCE = re.compile(r"(?P<before>[^\n]*)\n+```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"(?:^\s*(?:\$ )?|&& |\| )(?:\S*/)?metastore ((?!-)[^|#>&\n]+)", re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
PLAIN = {"console", "ini", "json", "jsonl", "sh", "sql", "text", "toml"}
MENTIONED = [
    "metastore",
    "metastore.errors",
    "metastore.garbage",
    "metastore.query",
    "metastore.quotas",
    "metastore.moving",
    "metastore.backend",
    "metastore.builtin",
    "metastore.builtin.metadefs",
    "metastore.scan",
    "metastore.signatures",
    "metastore.stores",
    "metastore.testing",
]
PACKAGES = ["metastore", "metastore_memory", "metastore_sqlite", "metastore_swift"]
MODULES = sorted(
    {*PACKAGES}
    | {each.name for name in PACKAGES for each in pkgutil.walk_packages(import_module(name).__path__, f"{name}.")}
    - {"metastore.cli.__main__", "metastore.__main__"}
)

pytestmark = pytest.mark.skipif(len(PAGES) < 2, reason="asks about the checkout, not the wheel")


def blocks(page):
    """Yield (line, language, body, run) of every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("body")) + 1
        yield line, found["language"], found["body"], not NOT_RUN.search(found["before"])


def commands(group=None, above=()):
    """Yield (path, command) of everything the command line offers."""
    group = group or program
    for name, command in sorted(group.commands.items()):
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


COMMANDS = dict(commands())
OPTIONS = sorted(
    {
        word
        for each in (program, *COMMANDS.values())
        for option in each.params
        for word in option.opts
        if word[:2] == "--"
    }
)


@pytest.fixture(scope="module")
def docs():
    return "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_code_names_its_language(page):
    known = {"python", "pycon", *PLAIN}
    assert [(line, language) for line, language, _, _ in blocks(page) if language not in known] == []


def session(page, line, body, space):
    """Run a session of the interpreter as doctest does, in the names of its page."""
    example = doctest.DocTestParser().get_doctest(body, {}, page.name, str(page), line - 1)
    example.globs = space
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, clear_globs=False).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {"__name__": page.stem.lower().replace("-", "_")}
    for line, language, body, run in blocks(page):
        if language == "python" and run:
            exec(compile("\n" * (line - 1) + body, str(page), "exec"), space)
        elif language == "pycon" and run:
            session(page, line, body, space)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_shown_exists(page):
    lines = [
        line
        for _, language, body, run in blocks(page)
        if language in ("sh", "console") and run
        for line in body.splitlines()
    ]
    for words in SHOWN.findall("\n".join(lines)):
        path = next((path for path in (tuple(words.split()[:2]), (words.split()[0],)) if path in COMMANDS), None)
        assert path, words
        known = {word for each in (program, COMMANDS[path]) for option in each.params for word in option.opts}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= known | {"--help"}, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_other_pages_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("module", MENTIONED)
def test_every_public_name_is_in_the_docs(module, docs):
    names = import_module(module).__all__
    assert [name for name in names if not re.search(rf"(?<!\w){name}(?!\w)", docs)] == []


def test_every_command_is_in_the_docs(docs):
    assert [" ".join(path) for path in COMMANDS if f"metastore {' '.join(path)}" not in docs] == []


def test_every_option_is_in_the_docs(docs):
    assert [option for option in OPTIONS if not re.search(rf"(?<![\w-]){option}(?![\w-])", docs)] == []


def test_the_page_on_errors_shows_the_tree_as_it_is():
    tree = import_module("metastore.errors").__doc__.partition("::\n")[2]
    assert textwrap.dedent(tree).strip() in (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed == 0

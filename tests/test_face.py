"""The front door: few names, sorted, complete, and nothing heavy behind it."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import metastore

PUBLIC = [
    "metastore",
    "metastore.errors",
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
HEAVY = (
    "attr",
    "cattrs",
    "click",
    "concurrent",
    "cryptography",
    "fsspec",
    "inspect",
    "jsonschema",
    "lark",
    "logging",
    "packaging",
    "pydantic",
    "rich",
    "securesystemslib",
    "sqlalchemy",
    "sqlite3",
    "sqlite_utils",
)

LOADED = """
import json, sys
import metastore
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] in sys.argv[1:])))
"""


def names_in(module):
    """Return what the source of a module binds at its top and does not hide behind an underscore."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            found |= {alias.asname or alias.name for alias in node.names}
    return {name for name in found if not name.startswith("_")}


def as_ruff_sorts(name):
    """Order constants, then classes, then the rest, each by code point."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_in_all_is_there_and_the_list_is_sorted(name):
    module = import_module(name)
    assert list(module.__all__) == sorted(set(module.__all__), key=as_ruff_sorts)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


def test_the_front_door_re_exports_and_does_nothing_else():
    tree = ast.parse(Path(metastore.__file__).read_text(encoding="utf-8"))
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign}


def test_all_is_complete():
    assert names_in(metastore) <= set(metastore.__all__)


def test_importing_the_engine_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LOADED, *HEAVY], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("package", ["metastore", "metastore_memory", "metastore_sqlite"])
def test_every_package_says_that_it_is_typed(package):
    assert Path(import_module(package).__file__).with_name("py.typed").is_file()


@pytest.mark.parametrize("name", metastore.__all__)
def test_every_public_name_says_what_it_is(name):
    thing = getattr(metastore, name)
    if callable(thing):
        assert (thing.__doc__ or "").strip()

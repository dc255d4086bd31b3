"""The floors of the house: imports point down, and nobody climbs out of a window."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import metastore

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("metastore/**/*.py"), *ROOT.glob("backends/**/*.py")])
IMPORTS = [(path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]

pytestmark = pytest.mark.skipif(
    Path(metastore.__file__).parent != ROOT / "metastore",
    reason="the floors are those of the checkout, not of the wheel",
)


def where(path, node):
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_the_contracts_of_import_linter_are_kept():
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_on_a_floor():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    placed = {room for layer in contracts[0]["layers"] for room in layer.split(" | ")}
    folders = {path.parent.name for path in ROOT.glob("metastore/*/__init__.py")}
    files = {path.stem for path in ROOT.glob("metastore/*.py")} - {"__init__", "__main__"}
    assert {f"metastore.{name}" for name in folders | files} <= placed


def test_no_import_is_relative():
    assert [where(*each) for each in IMPORTS if isinstance(each[1], ast.ImportFrom) and each[1].level] == []


def test_no_room_of_the_engine_goes_through_the_front_door():
    edges = ("cli", "scan", "testing", "__main__.py")
    inside = [(path, node) for path, node in IMPORTS if not set(edges) & set(path.relative_to(ROOT).parts)]
    through = [each for each in inside if isinstance(each[1], ast.ImportFrom) and each[1].module == "metastore"]
    names = {path.stem for path in ROOT.glob("metastore/*.py")}
    names_only = [(path, node) for path, node in through if {alias.name for alias in node.names} - names]
    assert [where(*each) for each in names_only if each[0] != ROOT / "metastore" / "__init__.py"] == []


def test_nobody_imports_a_backend_through_the_repository_root():
    roots = [(path, node) for path, node in IMPORTS if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [(path, node, getattr(node, "module", None) or node.names[0].name) for path, node in roots]
    assert [where(path, node) for path, node, name in names if name.split(".")[0] == "backends"] == []


@pytest.mark.parametrize("name", ["eval", "exec", "__import__"])
def test_nothing_runs_text_as_code(name):
    calls = [(path, node) for path, node in IMPORTS if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert [where(path, node) for path, node in calls if node.func.id == name] == []


def test_no_check_is_an_assert():
    shipped = [(path, node) for path, node in IMPORTS if "testing" not in path.parts]
    assert [where(*each) for each in shipped if isinstance(each[1], ast.Assert)] == []

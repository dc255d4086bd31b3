"""Packages, entry points and folders agree; nothing tracked tells where it was made."""

import re
import subprocess
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRIES = PROJECT["project"]["entry-points"]
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
HOME_OR_HOST = re.compile(
    r"index-url|registry *= *\"?\{?.*http|url *[=:] *\"?https?://[^ \"]*\.(whl|tar\.gz|tgz|deb)"
    r"|(?<![\w.])/(home|root|work|Users)/\w"
)
in_checkout = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="asks about the checkout, not the wheel")


def tracked():
    """Return the text files that git keeps or would keep."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout")
    paths = (ROOT / name for name in done.stdout.splitlines())
    return [path for path in paths if path.is_file() and path.suffix not in (".db", ".gz", ".xz", ".png")]


@in_checkout
def test_every_folder_of_a_backend_is_a_package_of_the_wheel():
    folders = {f"backends/{path.parent.name}" for path in ROOT.glob("backends/*/__init__.py")}
    assert {*folders, "metastore"} == set(PACKAGES)


def test_every_backend_has_an_entry_point_named_as_its_scheme():
    schemes = {name.removeprefix("backends/metastore_"): set() for name in PACKAGES if name != "metastore"}
    for scheme, value in ENTRIES["metastore.backends"].items():
        schemes[value.partition(":")[0].removeprefix("metastore_")].add(scheme)
    assert schemes.pop("swift") == set()  # keeps no rows: fsspec finds it
    assert schemes.pop("sql") == {"mariadb", "mysql", "postgres", "postgresql"}
    assert schemes == {name: {name} for name in schemes}


@pytest.mark.parametrize("group", ENTRIES)
def test_every_entry_point_leads_to_something_callable(group):
    for value in ENTRIES[group].values():
        module, _, attribute = value.partition(":")
        assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("group", ENTRIES)
def test_what_is_installed_has_the_entry_points_declared_here(group):
    installed = {each.name: each.value for each in entry_points(group=group)}
    if not installed:
        pytest.skip("not installed: run from the source tree")
    assert ENTRIES[group].items() <= installed.items()


def test_the_command_is_there():
    module, _, attribute = PROJECT["project"]["scripts"]["metastore"].partition(":")
    assert callable(getattr(import_module(module), attribute))


@in_checkout
def test_no_tracked_file_names_an_index_a_host_or_a_place_of_one_machine():
    own = Path(__file__)
    lines = [
        (path, line) for path in tracked() if path != own for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [(path.name, line[:100]) for path, line in lines if HOME_OR_HOST.search(line)] == []


@in_checkout
def test_the_pinned_tools_come_with_hashes_and_without_addresses():
    pinned = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    names = re.findall(r"^[a-z][^ ]*==", pinned, re.MULTILINE)
    assert len(names) > 30
    assert "://" not in pinned
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[a-z])", pinned, flags=re.MULTILINE)[1:])


@in_checkout
def test_continuous_integration_runs_the_test_command_of_the_readme():
    shell = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    [command] = [line for block in shell for line in block.splitlines() if "pytest" in line]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

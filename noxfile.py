"""Every check of the project, one session each: ``nox -l`` lists them, ``nox -s lint`` runs one.

Tools come from ``requirements-dev.txt``: names, versions and hashes, no addresses. To renew it, keep the line in
`RENEW` true.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

import nox

RENEW = (
    "uv pip compile --universal --generate-hashes --no-header --python-version 3.11"
    " --extra test --group dev pyproject.toml -o requirements-dev.txt"
)
PACKAGES = {"metastore", "metastore_memory", "metastore_sql", "metastore_sqlite", "metastore_swift"}
BESIDE_SERVERS = (
    "backends/sql",
    "backends/swift",
    "backends/test_mariadb.py",
    "backends/test_postgresql.py",
    "stores",
    "test_rules_machine.py",
)
"""What the wheel is not asked again: minutes with servers, which tell nothing of packaging."""

CHECKED = ("docs", "face", "packaging", "floors")

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "docs", "wheel"]
nox.options.reuse_existing_virtualenvs = True


def tools(session: nox.Session) -> None:
    """Install the pinned tools and the checkout, editable."""
    session.install("--quiet", "--require-hashes", "-r", "requirements-dev.txt")
    session.install("--quiet", "--no-deps", "-e", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, all but the slow ones and the type checkers."""
    tools(session)
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session(python=["3.12", "3.13"])
def newer(session: nox.Session) -> None:
    """Run the tests on newer Pythons than the oldest that is promised, where they are installed."""
    session.install("--quiet", "-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests (faults with real processes, endurance), and those beside libraries that only the pinned tools bring."""
    tools(session)
    slow = ("-m", "slow and not cluster", *session.posargs)
    session.run("pytest", *slow, "tests/faults")  # each of them has the machine to itself
    session.run("pytest", *slow, "--ignore=tests/faults", "-n", "auto")
    session.run("pytest", "tests/policy")


@nox.session
def cluster(session: nox.Session) -> None:
    """Run the tests of clusters that fail under load; what is not installed is skipped, with the command that would bring it."""
    tools(session)
    session.run("pytest", "-m", "cluster", "-rsfE", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and floors."""
    tools(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check our own types with mypy and pyright, and the face that users see with all four checkers."""
    tools(session)
    session.run("mypy")
    session.run("pyright")
    session.run("pytest", "-m", "typing", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every example of the documentation, and check that no public name is missing from it."""
    tools(session)
    session.run("pytest", *(f"tests/test_{name}.py" for name in CHECKED))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build, check what is inside, install it in a clean environment, and test *that*."""
    session.install("--quiet", "--require-hashes", "-r", "requirements-dev.txt")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder, ".", silent=True)
        [built] = Path(folder).glob("*.whl")
        check_contents(session, built)
        session.install("--quiet", "--no-deps", "--force-reinstall", str(built))
        away = Path(folder, "away")
        shutil.copytree("tests", away / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy("pyproject.toml", away)
        with session.chdir(away):
            session.run(
                "pytest",
                *(f"--ignore=tests/{folder}" for folder in BESIDE_SERVERS),
                *(session.posargs or ["-n", "auto"]),
                env={"METASTORE_TESTS_INSTALLED": "1", "PYTHONPATH": str(away)},
            )


def check_contents(session: nox.Session, built: Path) -> None:
    """Fail unless the wheel holds exactly our packages, each with its ``py.typed``."""
    names = zipfile.ZipFile(built).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    missing = [f"{package}/py.typed" for package in sorted(PACKAGES) if f"{package}/py.typed" not in names]
    if tops != PACKAGES or missing:
        session.error(f"the wheel holds {sorted(tops)} where {sorted(PACKAGES)} were expected; missing: {missing}")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; arguments go to them."""
    tools(session)
    session.run("python", "-m", "benchmarks.run", *(session.posargs or ["--n", "10000"]))

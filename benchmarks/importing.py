"""What an import costs over a bare interpreter: `python -m benchmarks.importing`; the least of many processes."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import environment, report

BAR = 50.0
MODULES = ("metastore", "attrs", "sqlite_utils", "sqlalchemy")


def once(statement: str) -> float:
    """Return the milliseconds that a new interpreter takes for one statement."""
    start = perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return 1000 * (perf_counter() - start)


def least(modules: tuple[str, ...], runs: int) -> dict[str, float]:
    """Return the least time of each import over the bare interpreter, modules in turn, so that noise falls on all."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        for module in ("", *modules):
            seconds[module].append(once(f"import {module}" if module else "pass"))
    bare = min(seconds[""])
    return {module: min(seconds[module]) - bare for module in modules} | {"bare interpreter": bare}


def page(result: dict[str, Any]) -> str:
    """Return the result as a Markdown page."""
    ours = result["milliseconds"]["metastore"]
    verdict = f"`import metastore`: {ours:.1f} ms over a bare interpreter, bar {BAR:g}: {'met' if ours <= BAR else '**missed**'}."
    table = report.table(["import", "ms over a bare interpreter"], list(result["milliseconds"].items()))
    return (
        "\n\n".join(["# Import", report.ground(result), f"Least of {result['runs']} processes each. {verdict}", table])
        + "\n"
    )


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.importing", description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    about = environment.about(Path())
    result = about | {"runs": runs, "milliseconds": least(MODULES, runs)} | environment.load_after()
    report.write(result, markdown := page(result), report.RESULTS / "importing")
    print(markdown)


if __name__ == "__main__":
    main()

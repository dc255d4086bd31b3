"""What an import costs over a bare interpreter: `python -m benchmarks.importing`; the least of many processes.

Modules are read from byte code, as an installer leaves them; the first processes write it where it is missing.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import environment, report

BAR = 50.0
WRITING_BYTE_CODE = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
MODULES = ("metastore", "attrs", "sqlite_utils", "sqlalchemy")


def once(statement: str) -> tuple[float, float]:
    """Return the milliseconds that a new interpreter takes for one statement, by the clock and by the processor."""
    start, before = perf_counter(), spent()
    subprocess.run([sys.executable, "-c", statement], check=True, env=WRITING_BYTE_CODE)
    return 1000 * (perf_counter() - start), 1000 * (spent() - before)


def spent() -> float:
    """Return the processor's seconds that finished children took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def least(modules: tuple[str, ...], runs: int) -> dict[str, list[float]]:
    """Return the least of each import over the bare interpreter, modules in turn, so that noise falls on all."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(runs):
        for module in ("", *modules):
            found[module].append(once(f"import {module}" if module else "pass"))
    mins = {module: [min(column) for column in zip(*pairs, strict=True)] for module, pairs in found.items()}
    over = {module: [a - b for a, b in zip(mins[module], mins[""], strict=True)] for module in modules}
    return over | {"bare interpreter": mins[""]}


def page(result: dict[str, Any]) -> str:
    """Return the result as a Markdown page."""
    ours, _ = result["milliseconds"]["metastore"]
    verdict = f"`import metastore`: {ours:.1f} ms over a bare interpreter, bar {BAR:g}: {'met' if ours <= BAR else '**missed**'}."
    rows = [[module, *pair] for module, pair in result["milliseconds"].items()]
    table = report.table(["import", "ms over a bare interpreter", "of CPU"], rows)
    return (
        "\n\n".join(
            [
                "# Import",
                report.ground(result),
                f"Least of {result['runs']} processes each, from byte code. {verdict}",
                table,
            ]
        )
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

"""Writers and a reader in processes of their own on one file: `python -m benchmarks.contention`.

Two writers and a reader must lose no write and together do at least 0.8 of what raw `sqlite3` does with BEGIN IMMEDIATE
and a busy timeout; of sixteen writers the slowest must get an eighth of the fastest's turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import count, cycle
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

from benchmarks import environment, report
from benchmarks.run import CONTENDERS, factory
from benchmarks.workload import SEED, Item, Workload, item_id

SMALL, MANY = 2, 16
THROUGHPUT, FAIRNESS = 0.8, 1 / 8
TABLE = (
    "scenario",
    "contender",
    "writes/s",
    "÷ plain",
    "÷ equal",
    "failed",
    "slowest ÷ fastest",
    "longest wait s",
    "reads/s",
)


@dataclass
class Tally:
    """What one process did: turns taken, turns failed, and the longest turn in seconds."""

    role: str
    turns: int = 0
    failed: int = 0
    longest: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What one process is to do."""

    contender: str
    directory: Path
    total: int
    role: str
    number: int
    seconds: float


def work(task: Task, barrier: Any, results: Any) -> None:
    """Take turns from the common start until the time is over, then hand in the tally."""
    contender = factory(task.contender)(task.directory)
    turns = (writes if task.role == "writer" else reads)(task, contender)
    barrier.wait()
    results.put(taken(turns, Tally(task.role), perf_counter() + task.seconds))
    contender.close()


def taken(turns: Iterator[Any], tally: Tally, end: float) -> Tally:
    """Take turns until `end`; a turn that raises is counted, not fatal."""
    while (start := perf_counter()) < end:
        try:
            next(turns)()
        except Exception as error:  # noqa: BLE001  # whatever a contender raises is a failed turn
            tally.failed += 1
            name = type(error).__name__
            tally.errors[name] = tally.errors.get(name, 0) + 1
        tally.turns += 1
        tally.longest = max(tally.longest, perf_counter() - start)
    return tally


def writes(task: Task, contender: Any) -> Iterator[Any]:
    """Yield one call after the other that creates a new artifact; the items are made before the start."""
    workload, mark = Workload(task.total), uuid4().hex[:8]
    pool = cycle([workload.fresh(task.number * 1_000 + n) for n in range(300)])
    return (
        _creating(contender, replace(item, name=f"{item.name}-{mark}-{n}"))
        for item, n in zip(pool, count(), strict=False)
    )


def _creating(contender: Any, item: Item) -> Any:
    return lambda: contender.create(item)


def reads(task: Task, contender: Any) -> Iterator[Any]:
    """Yield one call after the other that gets a loaded artifact."""
    keys = [contender.key(item_id(SEED, n)) for n in range(task.total)]
    rng = random.Random(task.number)
    return (lambda: contender.get(rng.choice(keys)) for _ in count())


def together(name: str, directory: Path, total: int, roles: Sequence[str], seconds: float) -> list[Tally]:
    """Run one process per role at the same time and return their tallies."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(roles)), context.Queue()
    tasks = [Task(name, directory, total, role, number, seconds) for number, role in enumerate(roles, 1)]
    processes = [context.Process(target=work, args=(task, barrier, results)) for task in tasks]
    for process in processes:
        process.start()
    tallies = [results.get(timeout=seconds + 180) for _ in processes]
    for process in processes:
        process.join()
    return tallies


def summary(tallies: Sequence[Tally], seconds: float) -> dict[str, Any]:
    """Return rates and fairness of one run."""
    writers = [each for each in tallies if each.role == "writer"]
    good = [each.turns - each.failed for each in writers]
    read = sum(each.turns - each.failed for each in tallies if each.role == "reader")
    return {
        "writes_per_second": sum(good) / seconds, "reads_per_second": read / seconds,
        "failed": sum(each.failed for each in tallies), "fairness": min(good) / max(*good, 1),
        "longest_wait": max(each.longest for each in writers), "turns": good, "tallies": [asdict(t) for t in tallies],
    }  # fmt: skip


def measured(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Run both scenarios in rounds, contenders in turn, and return everything."""
    names, found = options.contenders, []
    for name in names:
        filled(name, directory, options.n)
    for number in range(options.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            for scenario, roles in scenarios().items():
                run = summary(together(name, directory, options.n, roles, options.seconds), options.seconds)
                found.append({"scenario": scenario, "contender": name} | run)
    return {"n": options.n, "seconds": options.seconds, "runs": found}


def scenarios() -> dict[str, list[str]]:
    """Return the roles of each scenario."""
    return {"two writers, a reader": ["writer"] * SMALL + ["reader"], "sixteen writers": ["writer"] * MANY}


def filled(name: str, directory: Path, total: int) -> None:
    """Fill one contender's file."""
    contender = factory(name)(directory)
    contender.load(Workload(total))
    contender.close()


def rows(result: dict[str, Any]) -> list[list[Any]]:
    """Return a table row per scenario and contender: medians over the rounds, failures summed, worst waits."""
    names = list(dict.fromkeys((run["scenario"], run["contender"]) for run in result["runs"]))
    return [row(result, *name) for name in names]


def row(result: dict[str, Any], scenario: str, name: str) -> list[Any]:
    """Return one row of the table."""
    runs = _runs(result, scenario, name)
    against = [_relative(result, scenario, name, base) for base in ("plain", "equal")]
    failed, fair = sum(run["failed"] for run in runs), min(run["fairness"] for run in runs)
    longest = max(run["longest_wait"] for run in runs)
    return [scenario, name, _rate(runs, "writes"), *against, failed, fair, longest, _rate(runs, "reads")]


def _runs(result: dict[str, Any], scenario: str, name: str) -> list[dict[str, Any]]:
    return [run for run in result["runs"] if (run["scenario"], run["contender"]) == (scenario, name)]


def _rate(runs: Sequence[dict[str, Any]], kind: str) -> float:
    return float(median(run[f"{kind}_per_second"] for run in runs))


def _relative(result: dict[str, Any], scenario: str, name: str, base: str) -> float | str:
    other = _runs(result, scenario, base)
    return _rate(_runs(result, scenario, name), "writes") / _rate(other, "writes") if other else "-"


def verdicts(result: dict[str, Any], ours: str = report.OURS) -> list[list[Any]]:
    """Return the bars: no failed write, throughput against raw, fairness."""
    small, many = scenarios()
    if not _runs(result, small, ours):
        return []
    failed = sum(run["failed"] for run in result["runs"] if run["contender"] == ours)
    fair = min(run["fairness"] for run in _runs(result, many, ours))
    raw = {"raw": "plain", "raw with the same guarantees and history": "equal"}
    return [
        ["failed writes", "0", failed, _met(failed == 0)],
        *(_throughput(f"{small}: writes ÷ {what}", _relative(result, small, ours, base)) for what, base in raw.items()),
        [f"{many}: slowest ÷ fastest", "≥ 1/8", fair, _met(fair >= FAIRNESS)],
    ]


def _throughput(what: str, rate: float | str) -> list[Any]:
    return [what, f"≥ {THROUGHPUT}", rate, _met(isinstance(rate, float) and rate >= THROUGHPUT)]


def _met(yes: bool) -> str:
    return "met" if yes else "**missed**"


def page(result: dict[str, Any]) -> str:
    """Return the result as a Markdown page."""
    about = f"{len(result['runs'])} runs of {result['seconds']:g} s over {result['n']:,} artifacts, contenders in turn; rates are medians."
    parts = ["# Contention", report.ground(result), f"{report.DURABILITY}. {about}"]
    bars = [report.table(["bar", "asked", "measured", ""], found)] if (found := verdicts(result)) else []
    return "\n\n".join([*parts, *bars, report.table(TABLE, rows(result))]) + "\n"


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contention", description=__doc__)
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", type=lambda text: text.split(","), default=list(CONTENDERS))
    parser.add_argument("--dir", type=Path, help="where the databases go (default: the temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        about = environment.about(Path(name))
        result = about | measured(options, Path(name)) | environment.load_after()
    whole = options.contenders == list(CONTENDERS)
    report.write(result, markdown := page(result), report.RESULTS / f"contention{'' if whole else '-partial'}")
    print(markdown)


if __name__ == "__main__":
    main()

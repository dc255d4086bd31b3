"""The engine on PostgreSQL over a local socket, beside SQL by hand on the same tables: `python -m benchmarks.servers`.

A PostgreSQL from the machine or from a wheel is started for it, waits for its disk at every commit, and goes with the run.
Contenders are interleaved and every answer is checked, as in `benchmarks.run`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import environment, report
from benchmarks.engine import Engine, Image
from benchmarks.expert import Expert
from benchmarks.harness import OPERATIONS, Bench, Entrant, Run, calls, compare
from benchmarks.run import _names
from benchmarks.workload import SEED, Workload
from metastore_sql.trial import Home, PostgreSQL, postgresql

LIMIT = 1.6
"""What an operation of the engine may cost beside the same by hand."""

OURS, THEIRS = "metastore", "psycopg"
SETTINGS = {"shared_buffers": "256MB", "max_wal_size": "2GB"}
HEAD = (
    "operation",
    "contender",
    "median ms",
    "p90",
    "p99",
    "calls",
    "÷ psycopg",
    "quartiles",
    "CPU ms",
    "CPU ÷ psycopg",
)


class ServerBench(Bench):
    """A comparison on a server: sizes are those of schemas, statements are not counted."""

    def __init__(self, server: PostgreSQL, workload: Workload, budget: float) -> None:
        factories: list[Callable[[Path], Any]] = [partial(_expert, server), partial(_engine, server)]
        super().__init__(factories, workload, Path(), budget)
        self.server = server

    def load(self) -> None:
        """Fill both, and have the server look at what it holds, as it does by itself within minutes."""
        super().load()
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def _megabytes(self, name: str) -> float:
        sql = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c WHERE relnamespace = %s::regnamespace AND relkind = 'r'"
        with psycopg.connect(self.server.dsn()) as connection:
            (found,) = connection.execute(sql, (name,)).fetchone() or (0,)
        return float(found) / 1e6

    def _entrant(self, factory: Callable[[Path], Any]) -> Entrant:
        return Entrant(factory(self.directory), [])

    def _count(self, operation: str) -> None:
        batch = self._batch(operation)[:1]
        for entrant in self.entrants:
            (call,) = calls(operation, entrant.contender, batch)
            self._check(operation, entrant.contender, batch, [call()], deep=True)


def _engine(server: PostgreSQL, _: Path) -> Engine:
    return Engine(Path(), server.address(schema=OURS))


def _expert(server: PostgreSQL, directory: Path) -> Expert:
    """The tables are the engine's, made by it in a schema of their own."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for name in (OURS, THEIRS):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
    engine = Engine(directory, server.address(schema=THEIRS))
    engine.catalog.count(Image)
    engine.close()
    return Expert(server.dsn(), THEIRS)


def document(run: Run, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything of a run as JSON data."""
    timings = {op: {who: report.percentiles(s) for who, s in found.items()} for op, found in run.timings.items()}
    cpu = {op: {who: report.percentiles(s)["median"] for who, s in found.items()} for op, found in run.cpu.items()}
    ratios = {op: found[OURS]["median"] / found[THEIRS]["median"] for op, found in timings.items()}
    quartiles = {op: report.spread(found, OURS, THEIRS) for op, found in run.rounds.items()}
    measured = {
        "milliseconds": timings,
        "cpu_milliseconds": cpu,
        "ratios": ratios,
        "quartiles": quartiles,
        "bar": LIMIT,
    }
    return dict(about) | {"load_seconds": run.loading, "megabytes": run.megabytes} | measured


def page(result: Mapping[str, Any]) -> str:
    """Return a run as a Markdown page."""
    missed = [op for op, ratio in result["ratios"].items() if ratio > LIMIT]
    verdict = f"Bar: ≤ {LIMIT} times the median by hand; " + (
        f"**missed** by {', '.join(missed)}." if missed else "met by all."
    )
    loads = [[who, seconds, result["megabytes"][who]] for who, seconds in result["load_seconds"].items()]
    rows = [_line(result, op, who) for op in OPERATIONS if op in result["ratios"] for who in (THEIRS, OURS)]
    parts = [f"# {result['n']:,} artifacts on PostgreSQL {result['server']}, local socket", report.ground(result)]
    parts += [
        "One run, contenders interleaved, every answer checked; ratios are of medians. " + result["durability"],
        verdict,
    ]
    crowded = max(result["machine"]["load"][0], result["load_after"][0]) > result["machine"]["cores"] + 1
    parts += [report.CROWDED] if crowded else []
    return "\n\n".join([*parts, report.table(("contender", "load s", "MB"), loads), report.table(HEAD, rows)]) + "\n"


def _line(result: Mapping[str, Any], op: str, who: str) -> Sequence[Any]:
    found, cpu = result["milliseconds"][op][who], result["cpu_milliseconds"][op]
    mine = who == OURS
    ratio = (
        [result["ratios"][op], " to ".join(report.figure(q) for q in result["quartiles"][op][::2])]
        if mine
        else ["", ""]
    )
    spent = [cpu[who], cpu[who] / cpu[THEIRS] if mine else ""]
    return [op, who, found["median"], found["p90"], found["p99"], found["calls"], *ratio, *spent]


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="artifacts in the catalogue")
    parser.add_argument("--only", type=_names(OPERATIONS), default=list(OPERATIONS), help="operations, comma-separated")
    parser.add_argument("--dir", type=Path, help="where the server keeps its data (default: the temporary directory)")
    parser.add_argument("--budget", type=float, default=12.0, help="seconds per operation")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--hasty", action="store_true", help="let the server not wait for its disk")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="where the results go")
    return parser


def main() -> None:
    """Compare, print the page and write it; a run of some operations is marked as partial."""
    options = arguments().parse_args()
    with Home(options.dir) as home:
        server = postgresql(home, durable=not options.hasty, settings=SETTINGS)
        about = {"n": options.n, "seed": options.seed, "server": _version(server)} | environment.about(home.root)
        about["durability"] = f"fsync and synchronous_commit {'off' if options.hasty else 'on'}, shared_buffers 256 MB."
        run = compare(ServerBench(server, Workload(options.n, options.seed), options.budget), options.only)
        result = document(run, about | environment.load_after())
    stem = options.out / f"postgresql-{options.n}{'' if options.only == list(OPERATIONS) else '-partial'}"
    report.write(result, markdown := page(result), stem)
    print(markdown)


def _version(server: PostgreSQL) -> str:
    with psycopg.connect(server.dsn()) as connection:
        return str(connection.info.server_version // 10_000) + "." + str(connection.info.server_version % 100)


if __name__ == "__main__":
    main()

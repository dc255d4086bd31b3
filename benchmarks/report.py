"""Turn what a run measured into one JSON document and one Markdown page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.bars import judged, ratio
from benchmarks.harness import OPERATIONS, Run

OURS = "metastore"
RESULTS = Path(__file__).parent / "results"
DURABILITY = "WAL, synchronous=FULL, BEGIN IMMEDIATE; page cache 64 MB, of metastore (and of lean, which is plain but for that) 16 MB"
CROWDED = (
    "**The machine was crowded.** A call longer than a turn of the scheduler is charged for other programs, a shorter one is not, "
    "and a write mostly waits for its turn: ratios by the clock prove little here. For reads take those of CPU; for writes they "
    "leave out the disk, and so are the worst case."
)

Table = Sequence[Sequence[Any]]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, p90 and p99 in milliseconds, and how many calls there were."""
    cuts = [1000 * cut for cut in quantiles(seconds, n=100, method="inclusive")]
    return {"median": cuts[49], "p90": cuts[89], "p99": cuts[98], "calls": len(seconds)}


def spread(rounds: Mapping[str, Sequence[Sequence[float]]], ours: str, theirs: str) -> list[float]:
    """Return the quartiles of the ratio round by round: how far noise moved the figure."""
    pairs = zip(rounds[ours], rounds[theirs], strict=True)
    return quantiles([median(a) / median(b) for a, b in pairs], n=4, method="inclusive")


def document(run: Run, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything of a run as JSON data."""
    timings = {op: {who: percentiles(s) for who, s in found.items()} for op, found in run.timings.items()}
    bars = judged(run.timings, about["medium"], OURS)
    for bar in bars:
        bar["cpu_ratio"] = ratio(run.cpu[bar["operation"]], OURS, bar["against"])
        bar["quartiles"] = spread(run.rounds[bar["operation"]], OURS, bar["against"])
    cpu = {op: {who: 1000 * median(s) for who, s in found.items()} for op, found in run.cpu.items()}
    measured = {"milliseconds": timings, "cpu_milliseconds": cpu, "statements": run.statements, "bars": bars}
    return dict(about) | {"load_seconds": run.loading, "file_megabytes": run.megabytes} | measured


def table(head: Sequence[str], rows: Table) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(figure, line))} |" for line in lines)


def figure(value: Any) -> str:
    """Return a cell: three significant digits for a float."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def timing_rows(result: Mapping[str, Any]) -> Table:
    """Return a row per operation and contender, with the ratios of medians to both baselines."""
    found, cpu = result["milliseconds"], result["cpu_milliseconds"]
    pairs = [(op, who) for op in OPERATIONS if op in found for who in found[op]]
    return [[op, who, *_timing(found[op], cpu[op], who), result["statements"][op][who]] for op, who in pairs]


def _timing(found: Mapping[str, Mapping[str, float]], cpu: Mapping[str, float], who: str) -> list[Any]:
    own = found[who]
    against = [own["median"] / found[base]["median"] if base in found else "-" for base in ("plain", "equal")]
    spent = [cpu[who], cpu[who] / cpu["plain"] if "plain" in cpu else "-"]
    return [own["median"], own["p90"], own["p99"], own["calls"], *against, *spent]


def bar_rows(result: Mapping[str, Any]) -> Table:
    """Return a row per bar."""
    return [
        [b["operation"], b["against"], f"≤ {b['limit']}", b["ratio"], b["cpu_ratio"], " to ".join(figure(q) for q in b["quartiles"][::2]),
         "met" if b["met"] else "**missed**"]
        for b in result["bars"]
    ]  # fmt: skip


def page(result: Mapping[str, Any]) -> str:
    """Return a run as a Markdown page."""
    head = [
        "operation",
        "contender",
        "median ms",
        "p90",
        "p99",
        "calls",
        "÷ plain",
        "÷ equal",
        "CPU ms",
        "CPU ÷ plain",
        "statements",
    ]
    parts = [f"# {result['n']:,} artifacts on {result['medium']}", *_facts(result)]
    if result["bars"]:
        parts.append(
            table(["operation", "against", "bar", "ratio", "of CPU", "quartiles by round", ""], bar_rows(result))
        )
    return "\n\n".join([*parts, table(head, timing_rows(result))]) + "\n"


def _facts(result: Mapping[str, Any]) -> Iterable[str]:
    """Yield on what the run stands: versions, machine, settings, loading."""
    yield ground(result)
    yield f"{DURABILITY}. One run, contenders interleaved, every answer checked; ratios are of medians."
    if max(result["machine"]["load"][0], result["load_after"][0]) > result["machine"]["cores"] + 1:
        yield CROWDED
    loads = [[who, seconds, result["file_megabytes"][who]] for who, seconds in result["load_seconds"].items()]
    yield table(["contender", "load s", "file MB"], loads)


def ground(result: Mapping[str, Any]) -> str:
    """Return a sentence on versions, machine and load."""
    versions = _list(f"{name} {version}" for name, version in result["versions"].items() if version)
    machine = result["machine"]
    return (
        f"{versions}. {machine['processor']}, {machine['cores']} cores, {result['filesystem']}; load average "
        f"{_list(machine['load'])} at the start, {_list(result['load_after'])} at the end."
    )


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def write(result: Mapping[str, Any], markdown: str, stem: Path) -> None:
    """Write the JSON document and the Markdown page beside each other."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    stem.with_suffix(".md").write_text(markdown)

"""One million artifacts: `python -m benchmarks.million`: memory to load them, and what indexed operations then cost.

Both catalogues are filled by `add_many` from a stream, each in a process of its own whose peak of memory is read. The
indexed operations (answers of the same size at both scales) then run interleaved on both, answers checked.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

from benchmarks import environment, report
from benchmarks.checks import WrongAnswerError
from benchmarks.harness import timed
from benchmarks.run import CONTENDERS, factory
from benchmarks.workload import EPOCH_MS, LIMIT, VERSIONS_PER_NAME, Item, Workload, item_id, version_order

MEMORY, GROWTH = 250, 1.3
READS = ("get", "by_name", "latest", "tag", "traverse")
WRITES = ("create", "update", "delete")
ASKED, ROUNDS, CHANGED = 200, 9, 10

Question = tuple[tuple[Any, ...], Any]


def loaded(name: str, total: int, directory: Path) -> tuple[float, float]:
    """Fill a catalogue in a process of its own; return its seconds and its peak of resident memory in MB."""
    command = [sys.executable, "-m", "benchmarks.million", "--load", name, "--n", str(total), "--dir", str(directory)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(out[-2]), float(out[-1])


def load(name: str, total: int, directory: Path) -> None:
    """Fill a catalogue from a stream, as the child process; print seconds and peak."""
    contender = factory(name)(directory)
    start = perf_counter()
    contender.load(Workload(total))
    seconds = perf_counter() - start
    contender.close()
    print(seconds, peak())


def peak() -> float:
    """Return this process's peak of resident memory in MB; `ru_maxrss` would count what the parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


class Scale:
    """One filled catalogue with its questions; answers follow from the generator, without keeping the items."""

    def __init__(self, name: str, total: int, directory: Path) -> None:
        self.workload = Workload(total)
        self.contender = factory(name)(directory)
        self.rng = random.Random(total)
        self.reads = {operation: list(getattr(self, operation)()) for operation in READS}
        self.victims = iter(self._leaves(2 * CHANGED * (ROUNDS + 1)))
        self.fresh = 0

    def _leaves(self, count: int) -> list[int]:
        """Return numbers of artifacts that none of the loaded ones links to, so that nothing restricts their deletion."""
        last = range(self.workload.total - 4 * count, self.workload.total)
        linked = {self.workload.item(number).parent for number in last}
        return [number for number in last if item_id(self.workload.seed, number) not in linked][:count]

    def _some(self) -> Iterator[Item]:
        return map(self.workload.item, self.rng.sample(range(self.workload.total), ASKED))

    def get(self) -> Iterator[Question]:
        """Yield gets by id."""
        return (((self._key(item.id),), (item.id,)) for item in self._some())

    def by_name(self) -> Iterator[Question]:
        """Yield gets by name and version."""
        return (((item.name, item.version), (item.id,)) for item in self._some())

    def latest(self) -> Iterator[Question]:
        """Yield names, with the highest of their versions."""
        return (((item.name,), (self._highest(item).id,)) for item in self._some())

    def _highest(self, item: Item) -> Item:
        series, step = int(item.name.rsplit("-", 1)[1]), self.workload.names
        found = [self.workload.item(series + n * step) for n in range(VERSIONS_PER_NAME)]
        return max(found, key=lambda each: version_order(each.version))

    def tag(self) -> Iterator[Question]:
        """Yield tags, with the first hundred that carry them: they stand among the first items."""
        carriers: dict[str, list[UUID | None]] = defaultdict(list)
        for item in islice(self.workload, 12_000):
            for tag in item.tags:
                carriers[tag].append(item.id)
        return (((tag,), tuple(ids[:LIMIT])) for tag, ids in islice(sorted(carriers.items()), 40))

    def traverse(self) -> Iterator[Question]:
        """Yield starts, with the ids along three links."""
        chains = ((item, tuple(islice(self._chain(item), 3))) for item in self._some())
        return (((self._key(item.id),), chain) for item, chain in chains if len(chain) == 3)

    def _chain(self, item: Item) -> Iterator[UUID]:
        while item.parent is not None:
            yield item.parent
            item = self.workload.item(_index(item.parent))

    def _key(self, ident: UUID | None) -> Any:
        return self.contender.key(ident)  # type: ignore[arg-type]  # loaded items have ids

    def asked(self, operation: str) -> list[Callable[[], Any]]:
        """Return the calls of one round."""
        method = getattr(self.contender, operation)
        if operation in READS:
            return [partial(method, *args) for args, _ in self.reads[operation]]
        if operation == "create":
            self.fresh += CHANGED
            items = [self.workload.fresh(self.fresh + n) for n in range(CHANGED)]
            return [partial(method, item) for item in items]
        rows = [self.contender.get(self._key(item_id(self.workload.seed, n))) for n in islice(self.victims, CHANGED)]
        rest = (77,) if operation == "update" else ()
        return [partial(method, row, *rest) for row in rows]

    def check(self, operation: str, answers: Sequence[Any]) -> None:
        """Raise unless each read gave what the generator says."""
        for (arguments, expected), answer in zip(self.reads.get(operation, ()), answers, strict=False):
            if (given := self._ids(operation, answer)) != expected:
                raise WrongAnswerError(f"{operation}{arguments} gave {given}, not {expected}")

    def _ids(self, operation: str, answer: Any) -> tuple[Any, ...]:
        if operation == "traverse":
            return tuple(answer)
        return tuple(map(self.contender.ident, answer if operation == "tag" else [answer]))


def _index(ident: UUID) -> int:
    return (ident.int >> 80) - EPOCH_MS


def compared(scales: Sequence[Scale]) -> dict[str, list[float]]:
    """Time every operation at each scale, in turn; return its medians in milliseconds, scale by scale."""
    return {operation: _compared(operation, scales) for operation in (*READS, *WRITES)}


def _compared(operation: str, scales: Sequence[Scale]) -> list[float]:
    found: list[list[float]] = [[] for _ in scales]
    for number in range(ROUNDS + 1):
        for scale, kept in zip(scales, found, strict=True):
            seconds, _, answers = timed(scale.asked(operation))
            scale.check(operation, answers)
            kept += seconds if number else []
    return [1000 * median(kept) for kept in found]


def measured(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Load both catalogues, compare, and return everything."""
    scales, loading = [], []
    for total in (options.n // 10, options.n):
        (place := directory / str(total)).mkdir()
        loading.append([total, *loaded(options.contender, total, place)])
        scales.append(Scale(options.contender, total, place))
    return {"n": options.n, "contender": options.contender, "loading": loading, "milliseconds": compared(scales)}


def page(result: dict[str, Any]) -> str:
    """Return the result as a Markdown page."""
    small, large = (f"{total:,}" for total, *_ in result["loading"])
    memory = result["loading"][-1][2]
    rows = [[op, a, b, b / a, _met(b / a <= GROWTH)] for op, (a, b) in result["milliseconds"].items()]
    verdict = f"Peak of memory while {large} load: {memory:.0f} MB, bar {MEMORY} MB: {_met(memory < MEMORY)}."
    loading = report.table(["artifacts", "seconds to load", "peak MB"], result["loading"])
    table = report.table(["operation", f"ms at {small}", f"ms at {large}", "ratio", f"≤ {GROWTH}"], rows)
    title = f"# {large} artifacts in {result['contender']}"
    return "\n\n".join([title, report.ground(result), report.DURABILITY, verdict, loading, table]) + "\n"


def _met(yes: bool) -> str:
    return "met" if yes else "**missed**"


def main() -> None:
    """Run, print and write the result; with `--load` be the process that loads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--contender", choices=CONTENDERS, default=report.OURS)
    parser.add_argument("--dir", type=Path, help="where the databases go (default: the temporary directory)")
    parser.add_argument("--load", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        return load(options.load, options.n, options.dir)
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        about = environment.about(Path(name))
        result = about | measured(options, Path(name)) | environment.load_after()
    whole = (options.n, options.contender) == (1_000_000, report.OURS)
    report.write(result, markdown := page(result), report.RESULTS / f"million{'' if whole else '-partial'}")
    print(markdown)
    return None


if __name__ == "__main__":
    main()

"""Compare the contenders: `python -m benchmarks.run --n 10000 --only get,create --dir /some/dir`."""

from __future__ import annotations

import argparse
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import environment, report
from benchmarks.harness import OPERATIONS, Bench, Factory, compare
from benchmarks.workload import SEED, Workload

CONTENDERS = {"plain": "plain:Plain", "lean": "plain:Lean", "equal": "equal:Equal", "metastore": "engine:Engine"}
TMPFS = Path("/dev/shm")


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="artifacts in the catalogue")
    parser.add_argument("--only", type=_names(OPERATIONS), default=list(OPERATIONS), help="operations, comma-separated")
    parser.add_argument("--contenders", type=_names(CONTENDERS), default=list(CONTENDERS), help="comma-separated")
    parser.add_argument("--dir", type=Path, help="where the databases go (default: the temporary directory)")
    parser.add_argument("--tmpfs", action="store_true", help="put the databases on a tmpfs")
    parser.add_argument("--budget", type=float, default=12.0, help="seconds per operation")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="where the results go")
    return parser


def _names(known: Any) -> Any:
    """Return a parser of comma-separated names that must be known."""

    def names(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return text.split(",")

    return names


def factory(name: str) -> Factory:
    """Return the class of a contender, imported only now: a run of the baselines needs no engine."""
    module, _, cls = CONTENDERS[name].partition(":")
    made: Factory = getattr(import_module(f"benchmarks.{module}"), cls)
    return made


def measured(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Run the comparison in `directory` and return the result as data."""
    about = {"n": options.n, "seed": options.seed, "durability": report.DURABILITY} | environment.about(directory)
    factories = [factory(name) for name in options.contenders]
    bench = Bench(factories, Workload(options.n, options.seed), directory, options.budget)
    run = compare(bench, options.only)
    return report.document(run, about | environment.load_after())


def main() -> None:
    """Compare, print the page and write it; a run of some operations or contenders is marked as partial."""
    options = arguments().parse_args()
    with tempfile.TemporaryDirectory(dir=TMPFS if options.tmpfs else options.dir) as directory:
        result = measured(options, Path(directory))
    whole = options.only == list(OPERATIONS) and options.contenders == list(CONTENDERS)
    stem = options.out / f"{options.n}-{result['medium']}{'' if whole else '-partial'}"
    report.write(result, markdown := report.page(result), stem)
    print(markdown)


if __name__ == "__main__":
    main()

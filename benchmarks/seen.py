"""What a caller's eyes cost: `python -m benchmarks.seen`.

A caller sees one percent of a catalogue: its own, what is public, and fifty artifacts that are shared with it. The engine as that
caller stands beside SQL written by hand, with the same predicate, on the same file.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal

import attrs

from benchmarks import environment, report
from benchmarks.baseline import PRAGMAS
from benchmarks.checks import WrongAnswerError
from benchmarks.engine import Engine, Image, image
from benchmarks.harness import timed
from benchmarks.workload import DISTROS, LIMIT, Workload, item_id
from metastore import Catalog, Principal

SIGHT, GET = 1.5, 1.3
OWN, PUBLIC, SHARED = 0.005, 0.0045, 50
CALLER = "seer"
ASKED = 24
VISIBLE = """(t.owner = :me OR t.visibility = 'public' OR (t.visibility = 'shared'
    AND t.id IN (SELECT m.artifact FROM metastore_members AS m WHERE m.member = :me AND m.answer = 'accepted')))"""
FILTER = f"""SELECT t.* FROM images AS t WHERE t.os_distro = :distro AND t.min_ram <= :ram AND t.hidden = 0 AND {VISIBLE}
    ORDER BY t.size, t.id LIMIT {LIMIT}"""

Visibility = Literal["private", "shared", "public"]


def filled(engine: Engine, total: int) -> None:
    """Fill a catalogue so that the caller sees about one percent of it."""
    engine.catalog.add_many(images(total))
    seer = engine.catalog.as_(Principal(project=CALLER))
    for number in shared(total):
        one = engine.catalog.get(Image, item_id(Workload(total).seed, number))
        engine.catalog.share(one, CALLER)
        seer.answer(one, "accepted")


def images(total: int) -> Iterator[Image]:
    """Yield the images of the workload, each with the owner and the visibility that its number gives it."""
    own, public = round(1 / OWN), round(1 / PUBLIC)
    for number, item in enumerate(Workload(total)):
        made = image(item)
        if number % own == 1:
            made = attrs.evolve(made, owner=CALLER)
        elif number % public == 2:
            made = attrs.evolve(made, visibility="public")
        yield made


def shared(total: int) -> list[int]:
    """Return the numbers of what is shared with the caller."""
    return [number * (total // SHARED) + 5 for number in range(SHARED)]


class Byhand:
    """The same question in SQL, on the same file; rows as dicts, their JSON read."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            self.connection.execute(pragma).close()

    def filter(self, distro: str, ram: int) -> list[dict[str, Any]]:
        """Return the smallest 100 that the caller sees of a two-field filter."""
        rows = self.connection.execute(FILTER, {"me": CALLER, "distro": distro, "ram": ram}).fetchall()
        return [_decoded(dict(row)) for row in rows]


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("tags", "properties", "disk", "layers"):
        if row[name] is not None:
            row[name] = json.loads(row[name])
    return row


def asked_filter(catalog: Catalog, distro: str, ram: int) -> list[Image]:
    """Ask the engine the same."""
    wanted = (Image.os_distro == distro) & (Image.min_ram <= ram)
    return list(catalog.find(Image, wanted, order_by=[Image.size], limit=LIMIT))


def measured(total: int, rounds: int, directory: Path) -> dict[str, Any]:
    """Fill, ask in turn, check, and return medians in seconds."""
    engine = Engine(directory)
    filled(engine, total)
    seer, byhand = engine.catalog.as_(Principal(project=CALLER)), Byhand(directory / "metastore.db")
    questions = [(DISTROS[n % len(DISTROS)], 256 * (8 + n)) for n in range(ASKED)]
    for asked in questions:
        _check([each.id.bytes for each in asked_filter(seer, *asked)], [row["id"] for row in byhand.filter(*asked)])
    own = [item_id(Workload(total).seed, number) for number in range(1, total, round(1 / OWN))][:ASKED]
    found = {
        "filter as a caller": _times(lambda asked: asked_filter(seer, *asked), questions, rounds),
        "filter by hand": _times(lambda asked: byhand.filter(*asked), questions, rounds),
        "get as a caller": _times(lambda ident: seer.get(Image, ident), own, rounds * 20),
        "get as the owner of the process": _times(lambda ident: engine.catalog.get(Image, ident), own, rounds * 20),
    }
    return {"n": total, "seen": seer.count(Image), "seconds": found}


def _check(ours: list[bytes], theirs: list[bytes]) -> None:
    if ours != theirs:
        raise WrongAnswerError(f"the engine finds {len(ours)}, SQL by hand {len(theirs)}")


def _times(ask: Callable[[Any], Any], questions: Sequence[Any], rounds: int) -> float:
    calls = [lambda each=each: ask(each) for each in questions]
    return median(second for _ in range(rounds) for second in timed(calls)[0])


def page(result: dict[str, Any]) -> str:
    """Return the result as a Markdown page."""
    seconds = result["seconds"]
    ratios = [
        (
            "filter + sort + limit 100 as a caller who sees 1 % ÷ SQL by hand",
            SIGHT,
            "filter as a caller",
            "filter by hand",
        ),
        (
            "get as a principal ÷ get as the owner of the process",
            GET,
            "get as a caller",
            "get as the owner of the process",
        ),
    ]
    rows = []
    for name, bar, ours, base in ratios:
        ratio = seconds[ours] / seconds[base]
        rows.append([name, f"≤ {bar}", ratio, "met" if ratio <= bar else "**missed**"])
    about = f"{report.DURABILITY}. {result['n']:,} artifacts, of which the caller is shown {result['seen']:,}."
    times = [[name, each * 1e6] for name, each in seconds.items()]
    parts = ["# A caller's eyes", report.ground(result), about, report.table(["bar", "asked", "measured", ""], rows)]
    return "\n\n".join([*parts, report.table(["operation", "median, µs"], times)]) + "\n"


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seen", description=__doc__)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dir", type=Path, help="where the database goes (default: the temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        about = environment.about(Path(name))
        result = about | measured(options.n, options.rounds, Path(name)) | environment.load_after()
    report.write(result, markdown := page(result), report.RESULTS / f"seen-{options.n}")
    print(markdown)


if __name__ == "__main__":
    main()

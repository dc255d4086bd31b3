"""Run all contenders interleaved in one process on one disk, check every answer, count statements.

Each round of an operation gives every contender the same batch, in an order that rotates, so that whatever else the
machine does falls on all of them alike. Only the calls are timed: ids are translated before, answers checked after.
"""

from __future__ import annotations

import gc
import random
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any
from uuid import UUID

from benchmarks import checks
from benchmarks.baseline import Contender
from benchmarks.workload import READS, Item, Oracle, Query, Workload, questions

WRITES = ("update", "delete", "create", "add_many")
OPERATIONS = READS + WRITES
BATCH = {"create": 10, "update": 10, "delete": 10, "add_many": 1}
ROUNDS = dict.fromkeys(READS, 40) | dict.fromkeys(WRITES, 160)
"""At most; the medians of 40 rounds of updates moved from 1.28 to 1.42 of plain between runs, as a disk has better and worse moments."""
BULK = 1_000
# FTS5 keeps its own tables by statements of its own on the same connection; those are not ours.
INTERNAL = re.compile(r"--|.*\b(?:INTO|FROM|UPDATE|PRAGMA)\s+(['\"])main\1\.", re.DOTALL)

Call = Callable[[], Any]
Check = Callable[[Contender, Any, Any], None]
Factory = Callable[[Path], Contender]


@dataclass
class Entrant:
    """A contender in a run, with the connections that it opened."""

    contender: Contender
    connections: list[sqlite3.Connection]


Series = dict[str, dict[str, list[Any]]]


def series() -> Series:
    """Return an empty collection of figures by operation and contender."""
    return defaultdict(lambda: defaultdict(list))


@dataclass
class Run:
    """Everything measured, by operation and contender: seconds per call by the clock and by the processor, seconds per
    call round by round, statements per call; seconds to load and megabytes by contender.

    The processor's seconds leave out what other programs took, and waiting for the disk.
    """

    timings: Series = field(default_factory=series)
    cpu: Series = field(default_factory=series)
    rounds: Series = field(default_factory=series)
    statements: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    loading: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)


@contextmanager
def recorded() -> Iterator[list[sqlite3.Connection]]:
    """Collect every connection that is opened meanwhile, whoever opens it."""
    opened: list[sqlite3.Connection] = []
    real = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        opened.append(real(*args, **kwargs))
        return opened[-1]

    try:
        sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]  # stands in for the overloads
        yield opened
    finally:
        sqlite3.connect = sqlite3.dbapi2.connect = real


@contextmanager
def counted(connections: Sequence[sqlite3.Connection]) -> Iterator[list[str]]:
    """Collect the statements that run meanwhile, without those that FTS5 runs inside."""
    seen: list[str] = []
    for connection in connections:
        connection.set_trace_callback(lambda sql: None if INTERNAL.match(sql) else seen.append(sql))
    try:
        yield seen
    finally:
        for connection in connections:
            connection.set_trace_callback(None)


def timed(made: Sequence[Call]) -> tuple[list[float], list[float], list[Any]]:
    """Make the calls with the collector off; return the seconds each took by the clock, by the processor, and the answers."""
    wall, cpu, answers = [], [], []
    gc.disable()
    for call in made:
        used, start = thread_time(), perf_counter()
        answer = call()
        wall.append(perf_counter() - start)
        cpu.append(thread_time() - used)
        answers.append(answer)
    gc.enable()
    return wall, cpu, answers


class Bench:
    """One comparison: the contenders, the catalogue they all hold, the questions and their answers."""

    def __init__(self, factories: Sequence[Factory], workload: Workload, directory: Path, budget: float) -> None:
        self.factories, self.workload, self.directory, self.budget = factories, workload, directory, budget
        self.run = Run()
        self.fresh = count(1)
        self.items = {item.id: item for item in workload.items}
        self.questions = questions(Oracle(workload))
        self.changes, self.victims = changes(workload), leaves(workload)
        self.entrants: list[Entrant] = []

    def load(self) -> None:
        """Fill every contender, closing and opening it again, as a user finds it the next day."""
        for factory in self.factories:
            contender = factory(self.directory)
            start = perf_counter()
            contender.load(iter(self.workload.items))
            self.run.loading[contender.name] = perf_counter() - start
            contender.close()
            self.run.megabytes[contender.name] = self._megabytes(contender.name)
            self.entrants.append(self._entrant(factory))

    def _megabytes(self, name: str) -> float:
        return sum(file.stat().st_size for file in self.directory.glob(f"{name}.db*")) / 1e6

    def _entrant(self, factory: Factory) -> Entrant:
        with recorded() as connections:
            return Entrant(factory(self.directory), connections)

    def close(self) -> None:
        """Close every contender."""
        for entrant in self.entrants:
            entrant.contender.close()

    def measure(self, operation: str) -> None:
        """Count the statements of an operation, warm up, then time rounds of it until its budget is spent."""
        self._count(operation)
        start = perf_counter()
        self._round(operation, 0, keep=False)
        rounds = min(ROUNDS[operation], max(6, int(self.budget / max(perf_counter() - start, 1e-6))))
        gc.collect()
        for number in range(rounds):
            self._round(operation, number, keep=True)

    def _count(self, operation: str) -> None:
        batch = self._batch(operation)[:1]
        for entrant in self.entrants:
            (call,) = calls(operation, entrant.contender, batch)
            with counted(entrant.connections) as seen:
                answer = call()
            self.run.statements[operation][entrant.contender.name] = len(seen)
            self._check(operation, entrant.contender, batch, [answer], deep=True)

    def _round(self, operation: str, number: int, *, keep: bool) -> None:
        batch = self._batch(operation)
        turn = number % len(self.entrants)
        for entrant in self.entrants[turn:] + self.entrants[:turn]:
            made = calls(operation, entrant.contender, batch)
            wall, cpu, answers = timed(made)
            if keep:
                self._keep(operation, entrant.contender.name, wall, cpu)
            self._check(operation, entrant.contender, batch, answers, deep=not keep)

    def _keep(self, operation: str, name: str, wall: list[float], cpu: list[float]) -> None:
        self.run.timings[operation][name] += wall
        self.run.cpu[operation][name] += cpu
        self.run.rounds[operation][name].append(wall)

    def _batch(self, operation: str) -> list[Any]:
        """Return what one round works on: questions, items to create, lists of them, or items to change."""
        size = BATCH.get(operation, 0)
        match operation:
            case "create":
                return [self.workload.fresh(n) for n in islice(self.fresh, size)]
            case "add_many":
                return [[self.workload.fresh(n) for n in islice(self.fresh, BULK)]]
            case "update":
                return list(islice(self.changes, size))
            case "delete":
                return list(islice(self.victims, size))
        return self.questions[operation]

    def _check(self, op: str, contender: Contender, batch: list[Any], answers: list[Any], *, deep: bool) -> None:
        """Raise unless every answer is the expected one; `deep` compares every field of every row read too."""
        check: Check = checks.CHECKS.get(op, checks.answered)
        for asked, answer in zip(batch, answers, strict=True):
            check(contender, asked, answer)
            if deep and op in READS:
                checks.exact(contender, answer, self.items)


def calls(operation: str, contender: Contender, batch: Sequence[Any]) -> list[Call]:
    """Return the calls of a round with their arguments in the contender's own terms; rows to change are read here."""
    method = getattr(contender, operation)
    match operation:
        case "create" | "add_many":
            return [partial(method, item) for item in batch]
        case "update":
            return [partial(method, contender.get(contender.key(item.id)), value) for item, value in batch]
        case "delete":
            return [partial(method, contender.get(contender.key(item.id))) for item in batch]
    return [partial(method, *_translated(contender, query)) for query in batch]


def _translated(contender: Contender, query: Query) -> list[Any]:
    return [contender.key(value) if isinstance(value, UUID) else value for value in query.arguments]


def changes(workload: Workload) -> Iterator[tuple[Item, int]]:
    """Yield loaded items in random order, each with a value for `min_ram` that it never had."""
    items = list(workload.items)
    random.Random(f"changes {workload.seed}").shuffle(items)
    return zip(cycle(items), count(100_000), strict=False)


def leaves(workload: Workload) -> Iterator[Item]:
    """Yield loaded items that no other links to, in random order: deleting one leaves no dangling link."""
    parents = {item.parent for item in workload.items}
    found = [item for item in workload.items if item.id not in parents]
    random.Random(f"leaves {workload.seed}").shuffle(found)
    return iter(found)


def compare(bench: Bench, only: Sequence[str]) -> Run:
    """Load every contender, measure the operations asked for, reads first, and return what was measured."""
    bench.load()
    for operation in OPERATIONS:
        if operation in only:
            bench.measure(operation)
    bench.close()
    return bench.run

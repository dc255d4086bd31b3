"""The writers that load a catalogue while its servers fail. Functions only, so that a fork server can find them."""

import random
import time
from collections import Counter

from histories import UNKNOWN, Op

from metastore import Artifact, Catalog, Field, field
from metastore.errors import BackendError, RetryError, StaleRevisionError

ROWS = ("hot", "cold1", "cold2", "cold3")
SUM = "sum"


class Mark(Artifact, type_name="marks", unique=()):
    """What one write left: a second row with its token would show that it was done twice."""

    token: Field[str] = field(index=True, max_length=64)


class Count(Artifact, type_name="counts"):
    """A number that is changed by compare-and-set only, and who changed it last."""

    n: Field[int] = field(default=0, mutable=True)


def open_loaded(address, **options):
    return Catalog.open(address, types=[Mark, Count], **options)


def prepare(address):
    """Make the rows that everybody wants, and return their ids by name."""
    with open_loaded(address) as catalog:
        return {name: str(catalog.add(Count(name=name)).id) for name in (*ROWS, SUM)}


class Writer:
    """One client: what it did, what it knows of it, and the longest it waited."""

    def __init__(self, catalog, ids, who):
        self.catalog, self.ids, self.who = catalog, ids, who
        self.chance = random.Random(who)
        self.known = {}
        self.marked = {"add": {}, "transaction": {}}
        self.unknown = {"add": [], "transaction": []}
        self.history = {name: [] for name in ROWS}
        self.errors, self.finished, self.number = Counter(), [], 0

    def token(self):
        self.number += 1
        return f"{self.who}-{self.number}"

    def turn(self):
        what = self.chance.choice([self.add, self.transaction, self.change, self.change, self.read])
        began = time.monotonic()
        if finished := what():
            self.finished.append((began, time.monotonic()))
        return finished

    def marking(self, what, work):
        """Write a mark; note it as done, or as something that nobody knows, or as surely not done."""
        token = self.token()
        try:
            work(token)
        except (RetryError, StaleRevisionError) as error:
            self.errors[f"{what}: {type(error).__name__}"] += 1
            return False
        except BackendError as error:
            self.errors[f"{what}: {type(error).__name__}"] += 1
            self.unknown[what].append(token)
            return False
        self.marked[what][token] = time.monotonic()
        return True

    def add(self):
        return self.marking("add", lambda token: self.catalog.add(Mark(name="m", token=token)))

    def transaction(self):
        def work(token):
            def both():
                count = self.catalog.get(Count, self.ids[SUM])
                self.catalog.add(Mark(name="m", token=token))
                self.catalog.update(count, n=count.n + 1)

            self.catalog.run(both)

        return self.marking("transaction", work)

    def row(self):
        return ROWS[0] if self.chance.random() < 0.6 else self.chance.choice(ROWS[1:])

    def note(self, name, called, asked, answer):
        answered = None if answer == UNKNOWN else time.monotonic()
        self.history[name].append(Op(called, answered, asked, answer))
        return answer not in {UNKNOWN, "stale"}

    def read(self, name=None):
        name = name or self.row()
        called = time.monotonic()
        try:
            found = self.catalog.get(Count, self.ids[name])
        except BackendError as error:
            self.errors[f"read: {type(error).__name__}"] += 1
            return False
        self.known[name] = found
        return self.note(name, called, ("read",), (found.revision, found.n))

    def change(self):
        """Compare and set on what this client last knew of a row, which may be old; no value is written twice."""
        name = self.row()
        if (name not in self.known or self.chance.random() < 0.7) and not self.read(name):
            return False
        self.number += 1
        known, value = self.known[name], (self.who + 1) * 10**6 + self.number
        called, asked = time.monotonic(), ("change", known.revision, value)
        try:
            self.known[name] = self.catalog.update(known, n=value)
        except StaleRevisionError:
            return self.note(name, called, asked, "stale")
        except RetryError as error:
            self.errors[f"change: {type(error).__name__}"] += 1
            return False
        except BackendError as error:
            self.errors[f"change: {type(error).__name__}"] += 1
            return self.note(name, called, asked, UNKNOWN)
        return self.note(name, called, asked, "done")


def write(address, ids, who, stop, done, timeout):
    """Work until told to stop; return what was done, by whom it is known, and how long things took."""
    with open_loaded(address, timeout=timeout) as catalog:
        writer = Writer(catalog, ids, who)
        while not stop.is_set():
            done[who] += writer.turn()
        return {name: getattr(writer, name) for name in ("marked", "unknown", "history", "errors", "finished")}


def stored(address, ids, mode="rw"):
    """Return what a node holds: how often each token, every row's (revision, value), and the faults that it finds in itself."""
    with open_loaded(address, mode=mode) as catalog:
        tokens = Counter(each.token for each in catalog.find(Mark))
        rows = {name: catalog.get(Count, ident) for name, ident in ids.items()}
        return tokens, {name: (each.revision, each.n) for name, each in rows.items()}, catalog.check()

"""What the child processes of these tests run. Functions only, so that a fork server can find them by name."""

import json
import os
import random
import signal
import time
from contextlib import ExitStack, suppress
from functools import partial
from threading import Event, Thread

from metastore import Artifact, Blob, Catalog, Field, Link, field
from metastore.errors import MetastoreError, StaleRevisionError


class Note(Artifact, type_name="notes"):
    """Every kind of look-up follows it: index, list, full text, blob, link."""

    n: Field[int] = field(default=0, index=True)
    text: Field[str] = field(default="", search=1)
    labels: Field[list[str]] = field(factory=list, index=True)
    file: Field[Blob | None] = field(default=None)
    parent: Field[Link["Note"] | None] = field(default=None)


def note(name, n):
    """Return a note of which every look-up holds something that changes with ``n``."""
    return Note(name=name, **values(n))


def values(n):
    return {
        "n": n,
        "text": f"word{n % 7} all",
        "labels": [f"l{n % 5}"],
        "tags": [f"t{n % 3}"],
        "file": Blob(f"s3://b/{n}", size=n),
    }


def open_notes(path, **options):
    return Catalog.open(str(path), types=[Note], **options)


def state(catalog):
    """Return what is stored: number by name."""
    return {each.name: each.n for each in catalog.find(Note)}


# kill -9


def plan(chance, names):
    """Return a random operation: how it is written, and its steps (name, new number or None for gone)."""
    how = chance.choice(["add", "update", "delete", "add_many", "transaction"])
    fresh = [f"{chance.getrandbits(64):x}" for _ in range(chance.randint(2, 40))]
    known = chance.sample(sorted(names), min(len(names), 3))
    number = chance.randint(0, 1000)
    steps = {
        "add": [(fresh[0], number)],
        "update": [(name, number) for name in known[:1]],
        "delete": [(name, None) for name in known[:1]],
        "add_many": [(name, number) for name in fresh],
        "transaction": [
            *((name, number) for name in fresh[:3]),
            *((name, number) for name in known[:2]),
            *((name, None) for name in known[2:]),
        ],
    }[how]
    return how, steps


def perform(catalog, how, steps):
    if how == "add_many":
        catalog.add_many(note(name, n) for name, n in steps)
        return
    with ExitStack() as stack:
        if how == "transaction":
            stack.enter_context(catalog.transaction(message=f"{len(steps)} steps"))
        for name, n in steps:
            step(catalog, name, n)


def step(catalog, name, n):
    found = catalog.find(Note, Note.name == name).first()
    if found is None:
        catalog.add(note(name, n))
    elif n is None:
        catalog.delete(found)
    else:
        catalog.update(found, **values(n))


def write_until_killed(path, journal, seed):
    """Write for ever; say in the journal what is tried, and what is acknowledged, after its commit."""
    chance = random.Random(seed)
    log = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_notes(path, durability=chance.choice(["full", "normal"])) as catalog:
        stored = state(catalog)
        while True:
            how, steps = plan(chance, stored)
            os.write(log, (json.dumps(steps) + "\n").encode())
            perform(catalog, how, steps)
            os.write(log, b"done\n")
            apply(stored, steps)


def apply(stored, steps):
    for name, n in steps:
        if n is None:
            del stored[name]
        else:
            stored[name] = n


# a crowd


def count_up(path, seconds, barrier, seed):
    """Read and write for some seconds; return (acknowledged increments by counter, turns, longest wait, failures)."""
    chance, counted, turns, failures = random.Random(seed), {}, 0, []
    with open_notes(path) as catalog:
        barrier.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = f"counter{chance.randrange(8)}"
            try:
                turns += 1
                counter = catalog.get(Note, name=name)
                catalog.update(counter, n=counter.n + 1)
                counted[name] = counted.get(name, 0) + 1
                if chance.random() < 0.2:
                    catalog.find(Note, Note.n >= 0, limit=5).all()
            except StaleRevisionError:
                continue
            except MetastoreError as error:
                failures.append(repr(error))
        return counted, turns, catalog.stats()["longest_wait"], failures


def take_turns(path, seconds, barrier, seed):
    """Only write, each on a note of its own; return how many turns it got and the longest wait."""
    with open_notes(path) as catalog:
        mine = catalog.add(note(f"writer{seed}", 0))
        barrier.wait()
        turns, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            mine = catalog.update(mine, n=mine.n + 1)
            turns += 1
        return turns, catalog.stats()["longest_wait"]


# small ones


def add_named(path, *names):
    with open_notes(path) as catalog:
        for name in names:
            catalog.add(note(name, 1))


def read_state(path):
    with open_notes(path) as catalog:
        return state(catalog), catalog.check()


def fork_and_write(path, each):
    """Parent and forked child go on with one catalogue object; return what is stored after both wrote."""
    with open_notes(path) as catalog:
        catalog.add(note("before", 0))
        child = os.fork()
        who = "parent" if child else "child"
        for at in range(each):
            catalog.add(note(f"{who}{at}", at))
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        return sorted(state(catalog)), catalog.check()


def fork_while_a_thread_writes(path, children):
    """Return how many notes the thread says it wrote, and how many of its and of the children's are stored."""
    wrote, enough = [], Event()
    with open_notes(path) as catalog:

        def write():
            while not enough.is_set():
                wrote.append(catalog.add(note(f"thread{len(wrote)}", 0)))

        writer = Thread(target=write)
        writer.start()
        for at in range(children):
            if (child := os.fork()) == 0:
                catalog.add(note(f"child{at}", 0))
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        enough.set()
        writer.join()
        names = list(state(catalog))
        return len(wrote), [sum(name.startswith(who) for name in names) for who in ("thread", "child")], catalog.check()


def fork_inside_a_transaction(path):
    """Return what the child of a fork inside a transaction met, and what is stored after the parent's commit."""
    with open_notes(path, timeout=0.2) as catalog:
        told, tell = os.pipe()
        with catalog.transaction():
            catalog.add(note("parent", 0))
            if (child := os.fork()) == 0:
                os.write(tell, _name_of_error(lambda: catalog.add(note("child", 0))).encode())
                os._exit(0)
            met = os.read(told, 100).decode()
            os.waitpid(child, 0)
        return met, sorted(state(catalog)), catalog.check()


def fork_that_leaves_a_transaction(path):
    """The child leaves the block well, then its parent undoes it; return what the child met after that, and what is stored."""
    with open_notes(path, timeout=5) as catalog:
        told, tell = os.pipe()
        with suppress(KeyError), catalog.transaction():
            catalog.add(note("parent", 0))
            if child := os.fork():
                os.waitpid(child, 0)
                raise KeyError
        if not child:
            os.write(tell, _name_of_error(lambda: catalog.add(note("child", 0))).encode())
            os._exit(0)
        return os.read(told, 100).decode(), sorted(state(catalog)), catalog.check()


def _name_of_error(act):
    try:
        act()
    except MetastoreError as error:
        return type(error).__name__
    return "nothing"


def interrupted_adding(path, at):
    """Send ourselves Ctrl-C in the middle of add_many; return what is stored then, and after one more write."""
    with open_notes(path) as catalog:
        catalog.add(note("before", 0))

        def stream():
            for number in range(5000):
                if number == at:
                    os.kill(os.getpid(), signal.SIGINT)
                yield note(f"many{number}", number)

        try:
            catalog.add_many(stream())
        except KeyboardInterrupt:
            interrupted = sorted(state(catalog))
        catalog.add(note("after", 0))
        return interrupted, sorted(state(catalog)), catalog.check()


def interrupted_anywhere(path, rounds, seed):
    """Interrupt writes after random times, by timer; return what a second opening sees that should not be."""
    chance, wrong = random.Random(seed), []
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    with open_notes(path, timeout=5) as catalog, open_notes(path) as reader:
        for at in range(rounds):
            notes = [note(f"{at}.{each}", at) for each in range(5)]
            interrupted = interrupt_after(chance.uniform(0.00005, 0.004), partial(catalog.add_many, notes))
            if len(state(reader)) not in ((0, 5) if interrupted else (5,)):
                wrong.append(f"round {at}: {len(state(reader))} of 5 are stored")
            catalog.delete_many(Note)
            if state(reader):
                wrong.append(f"round {at}: what was deleted is still there")
        return [*wrong, *catalog.check()]


def interrupt_after(seconds, act):
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        act()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def fill_up(path):
    """Write until nothing more fits; return the error, and what the catalogue says after some room was made."""
    with open_notes(path) as catalog:
        stored = []
        try:
            for at in range(10**6):
                catalog.add(Note(name=f"n{at}", text="word " * 2000))
                stored.append(f"n{at}")
        except MetastoreError as error:
            met = type(error).__name__, str(error)
        return met, stored == sorted(state(catalog), key=lambda name: int(name[1:])), catalog.check()


def limited_filling(path, size):
    """As `fill_up`, in a process that may write no file beyond ``size`` bytes; then on without the limit."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    met = fill_up(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    add_named(path, "afterwards")
    return met, read_state(path)


def as_nobody(function, *args):
    """Call a function without root's rights; return the name and the words of the error it raises."""
    os.setgid(65534)
    os.setuid(65534)
    try:
        function(*args)
    except MetastoreError as error:
        return type(error).__name__, str(error)
    return "nothing", ""


def read_only_state(path):
    with open_notes(path, mode="ro") as catalog:
        return state(catalog), catalog.check()

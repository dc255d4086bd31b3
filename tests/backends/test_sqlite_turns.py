"""The queue of writers in front of one file of SQLite."""

import fcntl
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from metastore import Artifact, Catalog
from metastore.errors import BusyError, ConflictError, ReadOnlyError
from metastore_sqlite._turns import TICKETS, Turns, _held, _try

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_OFD_SETLK"), reason="there is no fair queue without locks by open file description"
)


@pytest.fixture
def turns(tmp_path):
    """A function that makes another one's place in the queue of one file."""
    made = []

    def another(timeout=30.0):
        made.append(Turns(f"{tmp_path}/c.db", timeout))
        return made[-1]

    yield another
    for each in made:
        each.close()


@pytest.fixture
def looker(tmp_path):
    fd = os.open(f"{tmp_path}/c.db-lock", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@pytest.fixture
def held(turns):
    """Who writes, and is away in its share: only a commit of its own would end it."""
    writer = turns()
    writer.take()
    yield writer
    writer.give()


def queued(looker, ticket):
    """Return once somebody waits with a ticket."""
    end = time.monotonic() + 30
    while _held(looker, ticket) is None:
        assert time.monotonic() < end
        os.sched_yield()


def test_who_came_first_writes_first(turns, looker, held, monkeypatch):
    monkeypatch.setattr(
        "metastore_sqlite._turns.ASLEEP", 10**9
    )  # on a crowded machine the first may look as if it slept
    wrote = []

    def write(number):
        mine = turns()
        mine.take()
        wrote.append(number)
        mine.give()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        queued(looker, TICKETS + number)
    assert wrote == []
    held.give()
    for thread in threads:
        thread.join()
    assert wrote == list(range(6))


def test_who_waited_in_vain_leaves_the_queue(turns, looker, held):
    with pytest.raises(BusyError, match=r"kept .* busy for 0\.05 s"):
        turns(timeout=0.05).take()
    assert _held(looker, 0, TICKETS + 100) == 1  # what is left is the turn of who writes


def test_who_gives_up_lets_the_next_one_come(turns, looker, held):
    with ThreadPoolExecutor(2) as pool:
        first, second = turns(), turns()
        given_up = pool.submit(first.take)
        queued(looker, TICKETS)
        taken = pool.submit(second.take)
        queued(looker, TICKETS + 1)
        first._timeout = 0.0
        assert isinstance(given_up.exception(), BusyError)
        held.give()
        taken.result()
    assert _held(looker, TICKETS, 0) is None


def test_a_new_queue_begins_where_none_is_left(turns, looker, held):
    for _ in range(3):
        with pytest.raises(BusyError):
            turns(timeout=0.0).take()
    with ThreadPoolExecutor(1) as pool:
        waiting = turns()
        taken = pool.submit(waiting.take)
        queued(looker, TICKETS)
        held.give()
        taken.result()


def test_who_waits_passes_one_by_that_is_stopped(turns, looker):
    assert _try(looker, TICKETS)  # it is the first, and does nothing
    mine = turns()
    mine.take()
    mine.give()


@pytest.mark.parametrize(
    "make", [os.mkdir, os.mkfifo, partial(os.symlink, "/dev/null"), partial(os.symlink, "gone/to")]
)
def test_what_is_no_lock_file_is_named(turns, tmp_path, make):
    make(f"{tmp_path}/c.db-lock")
    with pytest.raises(ReadOnlyError, match=r"writers take turns by .*/c\.db-lock \([A-Z]"):
        turns().take()


def test_the_longest_wait_is_known_after_the_thread_that_waited_has_ended(tmp_path, turns, looker):
    class Waited(Artifact, type_name="waited"):
        pass

    with Catalog.open(f"{tmp_path}/c.db", types=[Waited]) as catalog, ThreadPoolExecutor(1) as pool:
        writer = turns()
        writer.take()
        waiting = pool.submit(catalog.add, Waited(name="a"))
        queued(looker, TICKETS)
        writer.give()
        waiting.result()
        pool.shutdown()
        assert catalog.stats()["longest_wait"] > 0


class Twice(Artifact, type_name="twice"):
    pass


def test_a_thread_does_not_wait_for_itself(tmp_path):
    path = f"{tmp_path}/c.db"
    with Catalog.open(path, types=[Twice]) as one, Catalog.open(path, types=[Twice], timeout=1) as other:
        one.add(Twice(name="first"))
        assert other.count(Twice) == 1
        with one.transaction():
            one.add(Twice(name="a"))
            with pytest.raises(ConflictError, match=r"this thread is in a transaction of .* already"):
                other.add(Twice(name="b"))
            assert other.count(Twice) == 1
        other.add(Twice(name="b"))
        assert one.count(Twice) == 3


def test_another_thread_of_the_process_is_waited_for(tmp_path, looker):
    path = f"{tmp_path}/c.db"
    with Catalog.open(path) as one, Catalog.open(path) as other, ThreadPoolExecutor(1) as pool:
        with one.transaction():
            one.add(Twice(name="a"))
            waiting = pool.submit(other.add, Twice(name="b"))
            queued(looker, TICKETS)
        assert waiting.result().revision == 1

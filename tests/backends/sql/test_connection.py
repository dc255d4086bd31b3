"""Connections, turns, savepoints, and what becomes of a transaction whose line is cut."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from metastore.errors import (
    BackendError,
    BusyError,
    ClosedError,
    ConflictError,
    ReadOnlyError,
    RetryError,
    UnreachableError,
)
from metastore_sql._connection import Scope
from metastore_sql._dialect import Turn

ADD = "INSERT INTO _transactions (seq, id) VALUES (%s, %s)"
IDS = "SELECT id FROM _transactions ORDER BY seq"

postgresql_only = pytest.mark.parametrize("empty", ["postgres"], indirect=True)


class Undo(Exception):
    """Raised to undo."""


def add(connections, *, stamped=True, ident=None):
    """Record a commit in the open transaction, and return its id."""
    session, ident = connections.local(), ident or os.urandom(16)
    session.later(ADD, (session.turn.seq, ident))
    session.stamped = ident if stamped else None
    return ident


def ids(reader):
    return {ident for (ident,) in reader.read(IDS)}


def in_thread(work, *args):
    """Return what ``work`` gives in a thread of its own, which then ends."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *args).result()


def write(connections):
    with Scope(connections):
        return add(connections)


@pytest.fixture
def connections(place):
    return place.open()


def test_a_transaction_gets_the_next_number_and_the_state_of_the_catalogue(connections):
    numbers = []
    for _ in range(2):
        with Scope(connections):
            numbers.append(connections.local().turn)
    assert numbers == [Turn(n, 1_577_934_245_000_006, 7, True, 1, 1) for n in (1, 2)]


def test_what_is_committed_is_seen_by_others(place, connections):
    with Scope(connections):
        mine = add(connections)
        assert ids(connections.local()) == {mine}
    assert ids(place.open()) == {mine}


def test_what_is_undone_is_nowhere_and_its_number_is_given_again(connections):
    with pytest.raises(Undo), Scope(connections):
        add(connections)
        raise Undo
    with Scope(connections):
        assert connections.local().turn.seq == 1
        assert ids(connections.local()) == set()


@pytest.mark.parametrize("looked", [False, True])
def test_an_inner_scope_that_raises_undoes_itself_only(connections, looked):
    with Scope(connections):
        kept, before = add(connections), connections.local().stamped
        with pytest.raises(Undo), Scope(connections):
            add(connections)
            if looked:
                assert len(ids(connections.local())) == 2
            raise Undo
        assert connections.local().stamped == before
    assert ids(connections) == {kept}


@pytest.mark.parametrize("looked", [False, True])
def test_an_inner_scope_that_ends_well_is_kept(connections, looked):
    with Scope(connections):
        with Scope(connections):
            inner = add(connections)
            if looked:
                assert ids(connections.local()) == {inner}
        with Scope(connections):
            pass
    assert ids(connections) == {inner}


def test_an_inner_scope_heals_what_went_wrong_in_it(connections):
    with Scope(connections):
        mine = add(connections)
        with pytest.raises(ConflictError), Scope(connections):
            connections.local().execute(ADD, (9, mine))
        other = add(connections)
    assert ids(connections) == {mine, other}


def test_what_waits_and_fails_fails_the_commit_and_nothing_is_kept(connections):
    with pytest.raises(ConflictError), Scope(connections):
        add(connections, ident=b"1" * 16)
        add(connections, ident=b"1" * 16)
    assert ids(connections) == set()


@postgresql_only
def test_an_error_that_was_swallowed_is_not_committed_over(connections):
    with pytest.raises(BackendError, match="spoilt"), Scope(connections):
        mine = add(connections)
        with pytest.raises(ConflictError):
            connections.local().execute(ADD, (9, mine))
    assert ids(connections) == set()


def test_a_write_outside_a_transaction_is_refused(connections):
    for write in (connections.local().execute, connections.local().later):
        with pytest.raises(ConflictError):
            write(ADD, (1, bytes(16)))


def test_a_catalogue_opened_for_reading_takes_no_transaction(place):
    connections = place.open(mode="ro")
    assert ids(connections) == set()
    with pytest.raises(ReadOnlyError, match="read-only"), Scope(connections):
        pass


def test_the_server_itself_refuses_writes_of_a_reader(place):
    with place.open(mode="ro").apart() as apart, pytest.raises(ReadOnlyError):
        apart.execute(ADD, (1, bytes(16)))


def test_nothing_goes_through_what_was_closed(connections):
    connections.close()
    connections.close()
    with pytest.raises(ClosedError):
        connections.local()
    with pytest.raises(ClosedError):
        connections.read(IDS)


def test_specs_are_shown_when_their_transaction_is_committed_and_not_before(connections):
    shown = []
    connections.settle = shown.append
    with pytest.raises(Undo), Scope(connections):
        connections.local().specs["lost"] = None
        raise Undo
    with Scope(connections):
        connections.local().specs["kept"] = None
        assert shown == []
    assert shown == [{"kept": None}]


# many at once


def test_every_writer_gets_a_number_of_its_own(connections):
    def work(_at):
        with Scope(connections):
            add(connections)
            return connections.local().turn.seq

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(work, range(30))) == list(range(1, 31))
    assert connections.longest_wait() > 0


def test_another_program_that_writes_too_long_is_waited_for_boundedly(place, connections):
    other = place.open(timeout=0.1)
    with Scope(connections), pytest.raises(BusyError, match="other writers"), Scope(other):
        pass
    write(other)


def test_another_thread_that_writes_too_long_is_waited_for_boundedly(place):
    connections = place.open(timeout=0.1)
    with Scope(connections), pytest.raises(BusyError, match="another thread"):
        in_thread(write, connections)
    in_thread(write, connections)


def test_connections_that_are_all_in_use_are_waited_for_boundedly(place):
    connections = place.open("&pool_size=1", timeout=0.1)
    with Scope(connections):
        with pytest.raises(BusyError, match="pool_size"):
            in_thread(connections.read, IDS)
        add(connections)
    assert len(in_thread(connections.read, IDS)) == 1


def test_writers_that_wait_leave_connections_to_readers(place):
    connections = place.open("&pool_size=2")
    with ThreadPoolExecutor(4) as pool:
        with Scope(connections):
            writers = [pool.submit(write, connections) for _ in range(4)]
            assert in_thread(ids, connections) == set()
        assert {each.result() for each in writers} == ids(connections)


def test_a_thread_that_ends_in_mid_transaction_keeps_nothing(connections):
    def begin():
        Scope(connections).__enter__()
        add(connections)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    gc.collect()
    mine = write(connections)
    assert ids(connections) == {mine}


def in_child(work):
    """Return whether a forked child could do ``work``."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(place, connections):
    write(connections)
    made = place.wire.made
    assert in_child(lambda: write(connections))
    assert place.wire.made == made + 1
    write(connections)
    assert (place.wire.made, len(ids(connections))) == (made + 1, 3)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_in_mid_transaction_leaves_it_to_its_parent(place, connections):
    def leave():
        scope.__exit__(None, None, None)
        gc.collect()

    scope = Scope(connections)
    with scope:
        mine = add(connections)
        assert in_child(leave)
    assert ids(connections) == {mine}


# lines that are cut


def test_a_read_is_done_again_on_another_line(place, connections):
    write(connections)
    place.wire.cut()
    assert len(ids(connections)) == 1
    assert place.wire.made == 2


def test_a_transaction_that_has_not_begun_begins_on_another_line(place, connections):
    mine = {write(connections)}
    place.wire.cut()
    mine.add(write(connections))
    assert ids(connections) == mine


def test_a_transaction_whose_line_is_cut_is_dead_until_it_is_left(place, connections):
    with pytest.raises(RetryError), Scope(connections):
        add(connections)
        place.wire.cut()
        for _ in range(2):
            with pytest.raises(RetryError), Scope(connections):
                ids(connections.local())
    assert ids(connections) == set()


def test_a_commit_that_never_arrived_is_to_be_done_again(place, connections):
    place.wire.cut_before(place.commit)
    with pytest.raises(RetryError, match="COMMIT"):
        write(connections)
    assert ids(connections) == set()


def test_a_commit_whose_answer_was_lost_is_known_and_ends_well(place, connections):
    place.wire.cut_after(place.commit)
    mine = write(connections)
    assert ids(connections) == {mine}


def test_a_commit_without_a_stamp_cannot_be_known_and_is_to_be_done_again(place, connections):
    place.wire.cut_after(place.commit)
    with pytest.raises(RetryError), Scope(connections):
        add(connections, stamped=False)


def test_a_commit_that_nobody_knows_of_any_more_is_told_by_its_id(place):
    connections = place.open(timeout=0.2)
    with pytest.raises(UnreachableError, match="look for transaction 0707"), Scope(connections):
        add(connections, ident=b"\7" * 16)
        place.wire.close()


def test_a_server_that_went_is_waited_for_and_then_told(place):
    connections = place.open(timeout=0.2)
    write(connections)
    place.wire.close()
    with pytest.raises(UnreachableError):
        connections.read(IDS)
    with pytest.raises(UnreachableError):
        write(connections)


def test_the_next_server_of_the_address_serves_when_one_goes(place):
    connections = place.open(address=place.both)
    mine = {write(connections)}
    place.wire.close()
    mine.add(write(connections))
    assert ids(connections) == mine


def test_a_server_that_says_nothing_any_more_is_left_for_the_next(place):
    connections = place.open("&connect_timeout=0.2", address=place.both)
    mine = write(connections)
    place.wire.freeze()
    assert ids(connections) == {mine}
    assert place.wire.made == 2


def test_a_server_that_only_takes_its_time_is_not_left(place):
    connections = place.open("&connect_timeout=0.5")
    with connections.apart() as apart:
        pause = {"postgresql": "SELECT pg_sleep(1.2)", "mysql": "SELECT sleep(1.2)"}[place.kind]
        assert len(apart.read(pause)) == 1
    assert place.wire.made > 1


# transactions that the database undoes


def test_what_the_database_undid_is_not_committed_though_the_error_was_swallowed(place, connections):
    with connections.apart() as apart:
        apart.execute("CREATE TABLE pair (n int PRIMARY KEY, m int)")
        apart.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
    with pytest.raises(RetryError), Scope(connections):
        write_against_the_grain(place, connections)
    assert ids(connections) == set()


def write_against_the_grain(place, connections):
    """Deadlock with another who has written more, or is more patient, so that it is this transaction that is undone."""
    session = connections.local()
    add(connections)
    session.execute("UPDATE pair SET m = 1 WHERE n = 1")
    if place.kind == "postgresql":
        session.execute("SET LOCAL deadlock_timeout = '10ms'")
    with place.open().apart() as other, ThreadPoolExecutor(1) as pool:
        if place.kind == "postgresql":
            other.execute("SET deadlock_timeout = '1min'")
        other.execute("BEGIN")
        for ident in range(50):
            other.execute(ADD, (ident, ident.to_bytes(16, "big")))
        other.execute("UPDATE pair SET m = 2 WHERE n = 2")
        blocked = pool.submit(other.execute, "UPDATE pair SET m = 2 WHERE n = 1")
        with pytest.raises(RetryError):
            session.execute("UPDATE pair SET m = 1 WHERE n = 2")
        blocked.result()
        other.execute("ROLLBACK")

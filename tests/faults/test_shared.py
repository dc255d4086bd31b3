"""One catalogue object, or one file, in several hands: forks, threads, signals, and a second opening."""

import threading
from concurrent.futures import ThreadPoolExecutor

import fault_programs as programs
import pytest

from metastore.errors import BusyError, MetastoreError


def test_a_forked_child_goes_on_with_the_catalogue_of_its_parent(run, tmp_path):
    stored, faults = run(programs.fork_and_write, str(tmp_path / "c.db"), 50)
    assert len(stored) == 101
    assert faults == []


def test_children_forked_while_a_thread_writes_write_too(run, tmp_path):
    wrote, stored, faults = run(programs.fork_while_a_thread_writes, str(tmp_path / "c.db"), 20)
    assert (stored, faults) == ([wrote, 20], [])


def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(run, tmp_path):
    met, stored, faults = run(programs.fork_inside_a_transaction, str(tmp_path / "c.db"))
    assert met == "ConflictError"
    assert (stored, faults) == (["parent"], [])


def test_the_child_of_a_fork_inside_a_transaction_ends_nothing_of_its_parent_s(run, tmp_path):
    assert run(programs.fork_that_leaves_a_transaction, str(tmp_path / "c.db")) == ("ConflictError", [], [])


def test_two_threads_write_with_one_catalogue(tmp_path):
    with programs.open_notes(tmp_path / "c.db") as catalog:

        def work(who):
            for at in range(50):
                catalog.add(programs.note(f"{who}{at}", at))

        threads = [threading.Thread(target=work, args=(who,)) for who in "ab"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(programs.state(catalog)) == 100
        assert catalog.check() == []


def first_use_of_types(catalog, who, failures):
    """Use types that the catalogue does not know yet, inside transactions and outside."""
    try:
        for at in range(12):
            made = type(programs.Artifact)(
                f"Type{at}", (programs.Artifact,), {"__module__": __name__}, type_name=f"{who}{at}"
            )
            if at % 2:
                with catalog.transaction():
                    catalog.add(programs.note(f"{who}{at}", at))
                    catalog.add(made(name="a"))
            else:
                catalog.add(made(name="b"))
    except MetastoreError as error:
        failures.append(repr(error))


def test_threads_that_make_types_do_not_wait_for_each_other_for_ever(tmp_path):
    with programs.open_notes(tmp_path / "c.db", timeout=2) as catalog:
        failures = []
        threads = [
            threading.Thread(target=first_use_of_types, args=(catalog, who, failures)) for who in ("a", "b", "c")
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert failures == []
        assert len(catalog.types()) == 37
        assert catalog.check() == []


@pytest.mark.parametrize("at", [0, 1, 499, 500, 501, 1700])
def test_ctrl_c_in_the_middle_of_add_many_stores_nothing_of_it(run, tmp_path, at):
    interrupted, after, faults = run(programs.interrupted_adding, str(tmp_path / "c.db"), at)
    assert interrupted == ["before"]
    assert (after, faults) == (["after", "before"], [])


@pytest.mark.slow
def test_ctrl_c_at_any_moment_leaves_the_catalogue_usable(run, tmp_path):
    assert run(programs.interrupted_anywhere, str(tmp_path / "c.db"), 1500, 1) == []


def test_opening_a_file_again_in_one_process_does_not_lose_its_locks(run, tmp_path):
    path = str(tmp_path / "c.db")
    programs.add_named(path, "a")
    with programs.open_notes(path) as first:
        assert sorted(programs.state(first)) == ["a"]
        programs.open_notes(path).close()
        run(programs.add_named, path, "b")
        first.add(programs.note("c", 1))
        assert sorted(run(programs.read_state, path)[0]) == ["a", "b", "c"]


def test_a_writer_that_never_lets_go_is_an_error_after_the_timeout(tmp_path):
    with programs.open_notes(tmp_path / "c.db") as one, programs.open_notes(tmp_path / "c.db", timeout=0.1) as other:
        other.add(programs.note("a", 1))
        with one.transaction(), ThreadPoolExecutor(1) as pool, pytest.raises(BusyError, match=r"0\.1 s"):
            pool.submit(other.add, programs.note("b", 1)).result()
        other.add(programs.note("b", 2))
        assert programs.state(one) == {"a": 1, "b": 2}


def test_a_killed_writer_gives_its_turn_back(start, tmp_path):
    path, journal = tmp_path / "c.db", tmp_path / "journal"
    start(programs.write_until_killed, str(path), str(journal), 3).kill_after(0.4)
    with programs.open_notes(path, timeout=1) as catalog:
        catalog.add(programs.note("after", 1))
        assert catalog.check() == []

"""Work on many things at once: begun in order, told bunch by bunch, and ended when nobody asks any more."""

import itertools
import threading

import pytest

from metastore._abreast import abreast, check_workers
from metastore.errors import ValidationError


def nothing():
    """End nothing."""


def same(ended):
    """Take what ended as it is."""
    return ended


def singly(jobs):
    """Bunches of one each."""
    return ([job] for job in jobs)


def test_every_job_comes_with_what_was_made_of_it():
    found = [each for [each] in abreast(lambda job: job * job, singly(range(100)), 4, same, nothing)]
    assert sorted(found) == [(job, job * job) for job in range(100)]


def test_what_is_of_one_bunch_comes_together():
    bunches = [range(3), range(3, 4), range(4, 50)]
    found = list(abreast(lambda job: -job, bunches, 4, same, nothing))
    assert sorted(sorted(job for job, _ in each) for each in found) == [list(each) for each in bunches]


def test_what_is_done_of_a_bunch_does_not_wait_for_ever_for_the_rest(monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0)
    gate = threading.Event()
    run = abreast(lambda job: job or gate.wait(30), [range(6)], 2, same, gate.set)
    early = [job for job, _ in next(filter(None, run))]
    assert 1 in early
    assert 0 not in early
    gate.set()
    assert sorted([*early, *(job for each in filter(None, run) for job, _ in each)]) == [*range(6)]


def test_a_bunch_that_waits_for_one_is_handed_out_without_another_being_done(monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0.01)
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30) if job else True, [range(2)], 2, same, gate.set)
    assert next(filter(None, run)) == [(0, True)]
    gate.set()
    assert [*filter(None, run)] == [[(1, True)]]


def test_one_worker_keeps_the_order():
    begun = []
    found = [job for each in abreast(begun.append, [range(5), range(5, 9)], 1, same, nothing) for job, _ in each]
    assert found == begun == list(range(9))


def test_what_is_slow_does_not_keep_back_what_is_done():
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30) if job == 0 else True, singly(range(5)), 2, same, gate.set)
    assert [next(run)[0][0] for _ in range(3)] == [1, 2, 3]
    gate.set()
    assert {job for [(job, _)] in run} == {0, 4}


def test_no_more_jobs_are_taken_than_keep_all_busy():
    taken = itertools.count()
    run = abreast(lambda job: job, singly(taken), 3, same, nothing)
    next(run)
    run.close()
    assert next(taken) <= 7


def test_who_stops_asking_ends_the_work_under_way():
    ended, begun = threading.Event(), []

    def work(job):
        begun.append(job)
        return ended.wait(30) if job else True

    run = abreast(work, singly(range(100)), 2, same, ended.set)
    assert next(run) == [(0, True)]
    run.close()
    assert ended.is_set()
    assert len(begun) <= 5


def test_who_waits_long_is_asked_for_what_is_due_meanwhile(monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0)
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30), [range(1)], 1, same, gate.set)
    assert [next(run), next(run)] == [None, None]
    run.close()


@pytest.fixture
def half():
    """Bunches of which one job ended when the second is asked for, and an end of the other; ``why`` is then raised."""
    begun, gate = threading.Event(), threading.Event()

    def bunches(why):
        yield [0, 1]
        begun.wait(30)
        raise why

    def work(job):
        return begun.set() or gate.wait(30) if job else True

    return work, bunches, gate.set


@pytest.mark.parametrize("why", [KeyboardInterrupt, LookupError])
def test_what_had_ended_is_taken_where_the_run_is_broken_off(half, why):
    (work, bunches, end), taken = half, []
    with pytest.raises(why):
        list(abreast(work, bunches(why), 1, taken.append, end))
    assert taken == [[(0, True)]]


def test_what_cannot_be_taken_at_the_end_hides_no_reason(half):
    def take(_):
        raise ValidationError("it cannot be taken")

    work, bunches, end = half
    with pytest.raises(LookupError):
        list(abreast(work, bunches(LookupError), 1, take, end))


def test_what_had_ended_is_taken_where_nobody_asks_any_more():
    gate, taken = threading.Event(), []
    bunches = [["done", "slow"], ["alone"]]
    run = abreast(lambda job: gate.wait(30) if job == "slow" else True, bunches, 2, taken.append, gate.set)
    next(run)
    run.close()
    assert taken == [[("alone", True)], [("done", True)]]


def test_what_was_being_taken_when_it_was_interrupted_is_taken_again():
    tries = []

    def take(ended):
        tries.append(ended)
        if len(tries) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(abreast(lambda job: job, [range(3)], 1, take, nothing))
    assert tries[0] == tries[1] == [(job, job) for job in range(3)]


def test_an_error_of_the_work_is_raised_and_ends_the_rest():
    ended = threading.Event()

    def work(job):
        if job == 1:
            raise LookupError("one")
        return ended.wait(30)

    with pytest.raises(LookupError, match="one"):
        list(abreast(work, [range(9)], 2, same, ended.set))
    assert ended.is_set()


@pytest.mark.parametrize("wrong", [0, 65, True, 1.5, "4", None])
def test_how_many_work_at_once_is_bounded(wrong):
    with pytest.raises(ValidationError, match="from 1 to 64"):
        check_workers(wrong)

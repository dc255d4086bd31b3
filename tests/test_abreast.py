"""Work on many things at once: begun in order, told bunch by bunch, and ended when nobody asks any more."""

import itertools
import threading

import pytest

from metastore._abreast import abreast, check_workers
from metastore.errors import ValidationError


def nothing():
    """End nothing."""


def singly(jobs):
    """Bunches of one each."""
    return ([job] for job in jobs)


def test_every_job_comes_with_what_was_made_of_it():
    found = [each for [each] in abreast(lambda job: job * job, singly(range(100)), 4, nothing)]
    assert sorted(found) == [(job, job * job) for job in range(100)]


def test_what_is_of_one_bunch_comes_together():
    bunches = [range(3), range(3, 4), range(4, 50)]
    found = list(abreast(lambda job: -job, bunches, 4, nothing))
    assert sorted(sorted(job for job, _ in each) for each in found) == [list(each) for each in bunches]


def test_what_is_done_of_a_bunch_does_not_wait_for_ever_for_the_rest(monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0)
    gate = threading.Event()
    run = abreast(lambda job: job or gate.wait(30), [range(6)], 2, gate.set)
    early = [job for job, _ in next(run)]
    assert 1 in early
    assert 0 not in early
    gate.set()
    assert sorted([*early, *(job for each in run for job, _ in each)]) == [*range(6)]


def test_a_bunch_that_waits_for_one_is_handed_out_without_another_being_done(monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0.01)
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30) if job else True, [range(2)], 2, gate.set)
    assert next(run) == [(0, True)]
    gate.set()
    assert list(run) == [[(1, True)]]


def test_one_worker_keeps_the_order():
    begun = []
    found = [job for each in abreast(begun.append, [range(5), range(5, 9)], 1, nothing) for job, _ in each]
    assert found == begun == list(range(9))


def test_what_is_slow_does_not_keep_back_what_is_done():
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30) if job == 0 else True, singly(range(5)), 2, gate.set)
    assert [next(run)[0][0] for _ in range(3)] == [1, 2, 3]
    gate.set()
    assert {job for [(job, _)] in run} == {0, 4}


def test_no_more_jobs_are_taken_than_keep_all_busy():
    taken = itertools.count()
    run = abreast(lambda job: job, singly(taken), 3, nothing)
    next(run)
    run.close()
    assert next(taken) <= 7


def test_who_stops_asking_ends_the_work_under_way():
    ended, begun = threading.Event(), []

    def work(job):
        begun.append(job)
        return ended.wait(30) if job else True

    run = abreast(work, singly(range(100)), 2, ended.set)
    assert next(run) == [(0, True)]
    run.close()
    assert ended.is_set()
    assert len(begun) <= 5


def test_an_error_of_the_work_is_raised_and_ends_the_rest():
    ended = threading.Event()

    def work(job):
        if job == 1:
            raise LookupError("one")
        return ended.wait(30)

    with pytest.raises(LookupError, match="one"):
        list(abreast(work, [range(9)], 2, ended.set))
    assert ended.is_set()


@pytest.mark.parametrize("wrong", [0, 65, True, 1.5, "4", None])
def test_how_many_work_at_once_is_bounded(wrong):
    with pytest.raises(ValidationError, match="from 1 to 64"):
        check_workers(wrong)

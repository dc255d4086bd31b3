"""Work on many things at once: begun in order, told as it ends, and ended when nobody asks any more."""

import itertools
import threading

import pytest

from metastore._abreast import abreast, check_workers
from metastore.errors import ValidationError


def nothing():
    """End nothing."""


def test_every_job_comes_with_what_was_made_of_it():
    found = dict(abreast(lambda job: job * job, range(100), 4, nothing))
    assert found == {job: job * job for job in range(100)}


def test_one_worker_keeps_the_order():
    begun = []
    assert [job for job, _ in abreast(begun.append, range(9), 1, nothing)] == begun == list(range(9))


def test_what_is_slow_does_not_keep_back_what_is_done():
    gate = threading.Event()
    run = abreast(lambda job: gate.wait(30) if job == 0 else True, range(5), 2, gate.set)
    assert [next(run)[0] for _ in range(3)] == [1, 2, 3]
    gate.set()
    assert {job for job, _ in run} == {0, 4}


def test_no_more_jobs_are_taken_than_keep_all_busy():
    taken = itertools.count()
    run = abreast(lambda job: job, taken, 3, nothing)
    next(run)
    run.close()
    assert next(taken) <= 7


def test_who_stops_asking_ends_the_work_under_way():
    ended, begun = threading.Event(), []

    def work(job):
        begun.append(job)
        return ended.wait(30) if job else True

    run = abreast(work, range(100), 2, ended.set)
    assert next(run) == (0, True)
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
        list(abreast(work, range(9), 2, ended.set))
    assert ended.is_set()


@pytest.mark.parametrize("wrong", [0, 65, True, 1.5, "4", None])
def test_how_many_work_at_once_is_bounded(wrong):
    with pytest.raises(ValidationError, match="from 1 to 64"):
        check_workers(wrong)

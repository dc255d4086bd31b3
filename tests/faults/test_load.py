"""The load of the fault tests on catalogues that nothing happens to; and that its checks see what they are for."""

import shutil
from copy import deepcopy

import load_programs as programs
import pytest
from histories import UNKNOWN
from loads import Load, Outcome

from metastore import Catalog


def holds(outcome, address):
    _, rows = outcome.is_what_a_node_holds(address)
    outcome.is_linearizable(rows)


@pytest.fixture(scope="module")
def loaded(processes, start, tmp_path_factory):
    """A file that writers have loaded, and what they say."""
    path = tmp_path_factory.mktemp("loaded") / "c.db"
    load = Load(processes, start, [str(path)])
    load.every_writer_does(20)
    return path, load.stop()


@pytest.fixture
def spoilt(loaded, tmp_path):
    """A copy of both, to be spoilt."""
    shutil.copy(loaded[0], tmp_path / "c.db")
    return str(tmp_path / "c.db"), deepcopy(loaded[1])


def test_a_file_stands_the_load(loaded):
    path, outcome = loaded
    holds(outcome, str(path))
    assert not outcome.errors


def test_a_write_that_was_acknowledged_and_is_gone_is_seen(spoilt):
    path, outcome = spoilt
    with Catalog.open(path, types=[programs.Mark]) as catalog:
        catalog.delete(catalog.find(programs.Mark).first())
    with pytest.raises(AssertionError, match="gone"):
        holds(outcome, path)


def test_a_write_done_twice_is_seen(spoilt):
    path, outcome = spoilt
    with Catalog.open(path, types=[programs.Mark]) as catalog:
        catalog.add(programs.Mark(name="m", token=catalog.find(programs.Mark).first().token))
    with pytest.raises(AssertionError, match="twice"):
        holds(outcome, path)


def test_half_a_transaction_is_seen(spoilt):
    path, outcome = spoilt
    outcome.told[0]["unknown"]["transaction"].append("0-0")
    with Catalog.open(path, types=[programs.Mark]) as catalog:
        catalog.add(programs.Mark(name="m", token="0-0"))
    with pytest.raises(AssertionError, match="sum"):
        holds(outcome, path)


def test_a_lost_change_is_seen(spoilt):
    path, outcome = spoilt
    _, rows = outcome.is_what_a_node_holds(path)
    revision, value = rows["hot"]
    with pytest.raises(AssertionError, match="hot"):
        outcome.is_linearizable({**rows, "hot": (revision - 1, value)})


def test_an_unknown_end_is_taken_either_way(spoilt):
    path, outcome = spoilt
    for each in outcome.told:
        each["history"]["hot"] = [
            programs.Op(op.called, None, op.asked, UNKNOWN) if op.answer == "done" else op
            for op in each["history"]["hot"]
        ]
    holds(Outcome(outcome.told, outcome.ids, 0.0), path)

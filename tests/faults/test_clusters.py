"""Clusters of three nodes that lose one, or all, under the load of six writers: nothing acknowledged is lost, nothing done twice.

Where the figures go: METASTORE_RESULTS names a file; each test adds one line of JSON to it.
"""

import random
import time

import pytest
from loads import Load
from servers import Clustered

from metastore_sql.trial import ServerMissingError

pytestmark = [pytest.mark.cluster, pytest.mark.parametrize("clustered", ["galera", "patroni"], indirect=True)]

BEFORE, MEANWHILE, AFTER = 20, 20, 20
"""How many operations every single writer has to finish before a fault, while it lasts, and after it."""


@pytest.fixture(scope="module")
def clustered(request):
    try:
        made = Clustered(request.param)
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    yield made
    made.close()


@pytest.fixture
def loaded(clustered, processes, start, request):
    """A function that lets something happen to a cluster while writers work, and then checks every node."""

    def run(fault):
        with clustered.place() as place, clustered.telling():
            load = Load(processes, start, [place(*nodes) for nodes in clustered.turned()])
            try:
                load.every_writer_does(BEFORE)
                figures = fault(load)
                load.every_writer_does(AFTER)
                outcome = load.stop()
            finally:
                load.kill()
            outcome.report(request.node.name, **figures)
            clustered.caught_up()
            mode = "rw" if clustered.kind == "galera" else "ro"
            held = [outcome.is_what_a_node_holds(place(each), mode) for each in clustered.nodes]
            assert all(each == held[0] for each in held)
            outcome.is_linearizable(held[0][1])

    return run


def other(clustered):
    """Return a node that does not lead."""
    return next(each for each in clustered.nodes if each is not clustered.cluster.leader())


def survived(load, clustered, strike, mend):
    """Strike a node, let every writer go on without it, and bring it back; return how long either took."""
    strike()
    going = load.every_writer_does(MEANWHILE)
    mend()
    mended = time.monotonic()
    clustered.cluster.wait()
    whole = time.monotonic() - mended
    return {"all writers went on after, seconds": round(going, 1), "whole again after, seconds": round(whole, 1)}


def test_a_node_is_killed(loaded, clustered):
    node = other(clustered)
    loaded(lambda load: survived(load, clustered, node.kill, node.start))


def test_the_leader_is_killed(loaded, clustered):
    node = clustered.cluster.leader()
    loaded(lambda load: survived(load, clustered, node.kill, node.start))


def test_a_node_is_frozen(loaded, clustered):
    node = other(clustered)
    loaded(lambda load: survived(load, clustered, node.freeze, node.thaw))


def test_the_leader_is_frozen(loaded, clustered):
    node = clustered.cluster.leader()
    loaded(lambda load: survived(load, clustered, node.freeze, node.thaw))


@pytest.mark.parametrize("which", [other, lambda clustered: clustered.cluster.leader()], ids=["other", "leader"])
def test_a_node_is_cut_off(loaded, clustered, which):
    if clustered.uncut:
        pytest.skip(clustered.uncut)
    node = which(clustered)
    at = clustered.nodes.index(node)
    cut, mend = clustered.network.cut, clustered.network.mend
    loaded(lambda load: survived(load, clustered, lambda: cut(at), lambda: mend(at)))


def test_all_nodes_are_killed_at_once_and_started_again(loaded, clustered):
    def fault(load):
        for each in clustered.nodes:
            each.kill()
        clustered.cluster.start()
        return {"all writers went on after, seconds": round(load.every_writer_does(MEANWHILE), 1)}

    loaded(fault)


def test_one_node_after_the_other_is_killed(loaded, clustered):
    def fault(load):
        for node in random.Random(4).sample(clustered.nodes, 3):
            survived(load, clustered, node.kill, node.start)
        return {}

    loaded(fault)

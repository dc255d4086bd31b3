"""Random callers, types and actions against the rules written down a second time, on every backend."""

from uuid import uuid4

import pytest

from metastore import Catalog
from metastore.testing import run_rules_machine

SERVERS = ("postgres", "mysql")
KINDS = ["memory", "sqlite", *SERVERS]


@pytest.fixture(params=KINDS)
def open_catalog(request, tmp_path):
    addresses = {"memory": lambda: f"memory:{uuid4()}", "sqlite": lambda: str(tmp_path / f"{uuid4()}.db")}
    address = addresses.get(request.param) or request.getfixturevalue(request.param)
    return lambda: Catalog.open(address())


@pytest.fixture
def scale(request):
    """How many times fewer examples: on servers a new catalogue costs more than all that is done to it."""
    return 5 if request.node.callspec.params["open_catalog"] in SERVERS else 1


def test_whoever_does_whatever_the_rules_are_kept(open_catalog, scale):
    run_rules_machine(open_catalog, examples=20 // scale)


@pytest.mark.slow
def test_whoever_does_whatever_for_long_the_rules_are_kept(open_catalog, scale):
    run_rules_machine(open_catalog, examples=100 // scale, steps=50)

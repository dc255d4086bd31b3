"""Random callers, types and actions against the rules written down a second time, on every backend."""

from uuid import uuid4

import pytest

from metastore import Catalog
from metastore.testing import run_rules_machine


@pytest.fixture(params=["memory", "sqlite"])
def open_catalog(request, tmp_path):
    def open_():
        new = uuid4()
        return Catalog.open(f"memory:{new}" if request.param == "memory" else str(tmp_path / f"{new}.db"))

    return open_


def test_whoever_does_whatever_the_rules_are_kept(open_catalog):
    run_rules_machine(open_catalog)


@pytest.mark.slow
def test_whoever_does_whatever_for_long_the_rules_are_kept(open_catalog):
    run_rules_machine(open_catalog, examples=200, steps=50)

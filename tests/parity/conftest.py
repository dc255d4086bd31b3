"""One catalogue per backend, and the callers that the rules speak of."""

import pytest

from metastore import Catalog, Principal, builtin

CALLERS = {
    "admin": Principal(user="root", project="ops", roles=["admin"]),
    "owner": Principal(user="ann", project="p1", roles=["member", "reader"]),
    "other": Principal(user="ben", project="p2", roles=["member", "reader"]),
    "third": Principal(user="cyd", project="p3", roles=["member", "reader"]),
    "nobody": Principal(),
}


@pytest.fixture(params=["memory", "sqlite"])
def catalog(request, tmp_path):
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/catalog.db"
    with Catalog.open(url, types=builtin.types()) as opened:
        yield opened


@pytest.fixture
def as_(catalog):
    """The catalogue as one of the callers sees it, by name."""
    return lambda name: catalog.as_(CALLERS[name])

"""Copying to a server whose line breaks at the worst moment."""

from contextlib import closing

import pytest

from metastore import Artifact, Catalog, _copying, moving
from metastore._copying import copied
from metastore_sql import open_backend


class Part(Artifact, type_name="parts"):
    pass


@pytest.fixture
def source(monkeypatch):
    """Five artifacts in one transaction, copied by twos, then one more."""
    monkeypatch.setattr(_copying, "CHUNK", 2)
    with Catalog.open("memory:", types=[Part]) as catalog:
        catalog.add_many(Part(name=f"{at}") for at in range(5))
        catalog.add(Part(name="last"))
        yield catalog


@pytest.mark.parametrize("at", [2, 4, 5])
@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
def test_a_commit_whose_answer_is_lost_is_not_done_twice(empty, source, cut, at):
    """The next commit is lost once so many changes are there: of a part in the middle, of the last part, of a transaction of its own."""

    def told(done, _total):
        if done == at:
            getattr(empty.wire, cut)(empty.commit)

    with closing(open_backend(empty.both, mode="rw", durability="normal", timeout=20.0)) as target:
        copied(source._backend, target, told, patience=20.0)
        assert empty.wire.made > 1
        with Catalog(target) as there:
            assert moving.compare(source, there).equal
            assert there.check() == []

"""What the engine does with a transaction that the database undid; the databases that do so are in tests/backends and tests/faults."""

import pytest

from metastore import Artifact, Catalog, Field, before, field
from metastore.errors import RetryError
from metastore_memory import open_backend


class Part(Artifact, type_name="parts"):
    size: Field[int] = field(default=0, mutable=True)


class Losing:
    """A backend that loses transactions at their commit, as many as it is told."""

    def __init__(self):
        self.inner, self.losses = open_backend("memory:", mode="rw", durability="full", timeout=1.0), 0
        self.depth = 0

    def transaction(self):
        return Scope(self)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Scope:
    def __init__(self, backend):
        self.backend, self.inner = backend, backend.inner.transaction()

    def __enter__(self):
        self.inner.__enter__()
        self.backend.depth += 1

    def __exit__(self, kind, error, trace):
        self.backend.depth -= 1
        if kind is None and self.backend.depth == 0 and self.backend.losses:
            self.backend.losses -= 1
            self.backend.depth = 1  # it is left once more, as it failed
            raise RetryError("the node died; do it again")
        return self.inner.__exit__(kind, error, trace)


@pytest.fixture
def catalog():
    with Catalog(Losing(), timeout=5.0) as catalog:
        catalog.add(Part(name="first"))
        yield catalog


def lose(catalog, times):
    catalog._backend.losses = times


def test_a_write_that_the_database_undid_is_done_again(catalog):
    lose(catalog, 3)
    made = catalog.add(Part(name="second"))
    assert catalog.get(Part, made.id) == made
    lose(catalog, 1)
    assert catalog.update(made, size=2).revision == 2
    assert catalog.stats()["changes"] == 3


def test_many_of_a_list_are_all_added_once(catalog):
    lose(catalog, 2)
    assert catalog.add_many([Part(name=f"p{at}") for at in range(9)]) == 9
    assert catalog.count(Part) == 10


def test_an_iterator_cannot_be_read_again_so_its_loss_is_told(catalog):
    lose(catalog, 1)
    with pytest.raises(RetryError):
        catalog.add_many(Part(name=f"p{at}") for at in range(9))
    assert catalog.count(Part) == 1


def test_run_calls_its_work_anew_until_it_is_kept(catalog):
    calls = []

    def work():
        calls.append(catalog.count(Part))
        return catalog.add(Part(name="second"))

    lose(catalog, 2)
    assert catalog.run(work, message="two").revision == 1
    assert calls == [1, 1, 1]


def test_what_stands_in_a_with_block_is_told_and_not_done_twice(catalog):
    lose(catalog, 1)
    with pytest.raises(RetryError, match="again"), catalog.transaction():
        catalog.add(Part(name="second"))
    assert catalog.count(Part) == 1


def test_a_write_inside_a_transaction_is_not_done_again_by_itself(catalog):
    lose(catalog, 1)
    with pytest.raises(RetryError), catalog.transaction():
        catalog.run(lambda: catalog.add(Part(name="second")))
    assert catalog.count(Part) == 1


def test_patience_ends():
    with Catalog(Losing(), timeout=0.0) as catalog:
        lose(catalog, 9)
        with pytest.raises(RetryError):
            catalog.add(Part(name="first"))


def test_what_a_hook_committed_beside_it_is_not_done_twice(catalog):
    class Told(Artifact, type_name="told"):
        @before("create")
        def tell(call):  # noqa: N805 - no method: hooks take the call
            call.catalog.add(Part(name="beside"))
            lose(call.catalog, 1)

    with pytest.raises(RetryError):
        catalog.add(Told(name="one"))
    assert (catalog.count(Part, Part.name == "beside"), catalog.count(Told)) == (1, 0)

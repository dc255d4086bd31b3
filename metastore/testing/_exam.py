"""What every part of the suite stands on: how a backend is opened, and how it is compared with the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from metastore.backend import Backend, TypeSpec
from metastore.query import And, Predicate, Query
from metastore.testing import _oracle as oracle
from metastore.testing._model import Thing, World, insert, row, thing, type_spec

__all__ = ["Exam", "agree", "few", "filled", "found", "world_of"]

ALL = And(())

_UNHEEDED = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
    HealthCheck.function_scoped_fixture,  # each example opens a store of its own
    HealthCheck.differing_executors,  # the suite is there to be subclassed
)


def few(examples: int) -> settings:
    """Return settings for so many examples under hypothesis' default profile, in proportion under another."""
    share = settings.default.max_examples if settings.default is not None else 100
    phases = [each for each in Phase if each is not Phase.explain]  # explaining a failure takes longer than finding it
    return settings(
        max_examples=max(1, examples * share // 100), deadline=None, phases=phases, suppress_health_check=_UNHEEDED
    )


def filled(backend: Backend, world: World) -> Backend:
    """Return the backend with a world put into it."""
    for spec in world.specs.values():
        backend.ensure(spec, 1)
    if world.things:
        insert(backend, *world.things.values())
    return backend


def world_of(*things: Thing) -> World:
    """Return the world of these artifacts."""
    return World({each.spec.name: each.spec for each in things}, {each.id: each for each in things})


def found(backend: Backend, spec: TypeSpec, where: Predicate = ALL, **words: Any) -> set[bytes]:
    """Return the ids for which a bound predicate holds."""
    at = spec.position["id"]
    return {each[at] for each in backend.select(spec, Query(spec.name, where, **words))}


def agree(backend: Backend, world: World, query: Query) -> None:
    """Assert that the backend answers as the oracle does, rows and order."""
    expected = oracle.select(world, query)
    rows = backend.select(world.specs[query.type], query)
    assert [each[0] for each in rows] == [each.id for each in expected], query
    assert rows == [row(each) for each in expected], query


class Exam:
    """Opens what is examined; a subclass says how."""

    def open_backend(self, tmp_path: FilePath) -> Backend:
        """Open a new and empty store, writable; whatever it keeps goes into ``tmp_path``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method open_backend(self, tmp_path)")

    def reopen(self, tmp_path: FilePath, *, mode: str = "rw") -> Backend | None:
        """Open the store in ``tmp_path`` once more; ``None`` where it does not outlive its opening."""
        del tmp_path, mode
        return None

    def damages(self) -> Sequence[Callable[[Backend], object]]:
        """Return functions that each break something derived, behind the backend's back; none if it has nothing to break."""
        return ()

    @pytest.fixture
    def backend(self, tmp_path: FilePath) -> Iterator[Backend]:
        """A new store, audited at the end of each test."""
        opened = self.open_backend(tmp_path)
        try:
            yield opened
            assert list(opened.check()) == []
        finally:
            opened.close()

    @pytest.fixture
    def fresh(self, tmp_path: FilePath) -> Iterator[Callable[[], Backend]]:
        """A function that opens another new store, for tests of many examples."""
        opened: list[Backend] = []

        def open_another() -> Backend:
            while opened:
                opened.pop().close()
            place = tmp_path / f"{next(counted)}"
            place.mkdir()
            opened.append(self.open_backend(place))
            return opened[0]

        counted = iter(range(10**9))
        yield open_another
        while opened:
            opened.pop().close()

    @pytest.fixture
    def spec(self, backend: Backend) -> TypeSpec:
        """A type with nothing but system fields, known to the store."""
        made = type_spec("images")
        backend.ensure(made, 1)
        return made

    def one(self, backend: Backend, spec: TypeSpec, **values: Any) -> Thing:
        """Add one artifact and return it."""
        made = thing(spec, **values)
        insert(backend, made)
        return made

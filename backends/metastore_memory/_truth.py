"""Bound predicates, turned into functions from a row to true or false."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple
from uuid import UUID

from metastore.backend import TypeSpec, references, search_words, targets
from metastore.errors import QueryError
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Path,
    Predicate,
    References,
    Text,
)
from metastore_memory._store import Store
from metastore_memory._values import RowMap, comparable, field_of, place, reader, searched, sorter

__all__ = ["Scope", "truth"]

Test = Callable[[RowMap], bool]


class Scope(NamedTuple):
    """Whose rows are tested, and where links lead."""

    spec: TypeSpec
    store: Store


_TEXT: dict[str, Callable[[str, str], bool]] = {
    "starts": str.startswith,
    "ends": str.endswith,
    "contains": operator.contains,
}


@singledispatch
def truth(node: Predicate, scope: Scope) -> Test:
    """Return the test of rows that the predicate stands for."""
    raise QueryError(f"Expected a predicate on {scope.spec.name!r} of metastore.query, found {type(node).__name__}")


@truth.register
def _(node: And, scope: Scope) -> Test:
    tests = [truth(item, scope) for item in node.items]
    return lambda row: all(test(row) for test in tests)


@truth.register
def _(node: Or, scope: Scope) -> Test:
    tests = [truth(item, scope) for item in node.items]
    return lambda row: any(test(row) for test in tests)


@truth.register
def _(node: Not, scope: Scope) -> Test:
    test = truth(node.item, scope)
    return lambda row: not test(row)


@truth.register
def _(node: Compare, scope: Scope) -> Test:
    compare, bound, kind = getattr(operator, node.op), place(node.path.kind, node.value), node.path.kind
    if node.op in ("eq", "ne"):
        read = reader(scope.spec, node.path)
        return lambda row: any(compare(place(kind, value), bound) for value in read(row))
    if kind == "version":
        at = sorter(scope.spec, node.path)
        return lambda row: comparable(here := at(row), bound) and compare(here, bound)
    read = reader(scope.spec, node.path)
    return lambda row: any(comparable(here := place(kind, v), bound) and compare(here, bound) for v in read(row))


@truth.register
def _(node: In, scope: Scope) -> Test:
    read, kind = reader(scope.spec, node.path), node.path.kind
    wanted = {place(kind, value) for value in node.values}
    return lambda row: any(place(kind, value) in wanted for value in read(row))


@truth.register
def _(node: Absent, scope: Scope) -> Test:
    read = reader(scope.spec, node.path)
    return lambda row: not read(row)


@truth.register
def _(node: Text, scope: Scope) -> Test:
    read, holds = reader(scope.spec, node.path), _TEXT[node.how]
    return lambda row: any(isinstance(value, str) and holds(value, node.value) for value in read(row))


@truth.register
def _(node: Contains, scope: Scope) -> Test:
    read, every = reader(scope.spec, node.path), all if node.every else any
    wanted = [place("json", value) for value in node.values]

    def holds(row: RowMap) -> bool:
        present = [{place("json", each) for each in value} for value in read(row) if isinstance(value, list)]
        return any(every(value in held for value in wanted) for held in present)

    return holds


@truth.register
def _(node: HasKey, scope: Scope) -> Test:
    read = reader(scope.spec, node.path)
    return lambda row: any(isinstance(value, dict) and node.key in value for value in read(row))


@truth.register
def _(node: Follow, scope: Scope) -> Test:
    stored, rows = scope.store.specs.get(node.target), scope.store.rows.get(node.target, {})
    if stored is None:
        return lambda _row: False
    leads, holds = _links(scope.spec, node.path), truth(node.where, Scope(stored[-1].spec, scope.store))
    return lambda row: any(id in rows and holds(rows[id]) for id in leads(row))


def _links(spec: TypeSpec, path: Path) -> Callable[[RowMap], list[bytes]]:
    read = reader(spec, path)

    def leads(row: RowMap) -> list[bytes]:
        found: list[Any] = [each for value in read(row) for each in (value if isinstance(value, list) else [value])]
        return [each if isinstance(each, bytes) else UUID(each).bytes for each in found if each is not None]

    return leads


@truth.register
def _(node: Followed, scope: Scope) -> Test:
    stored, rows = scope.store.specs.get(node.source), scope.store.rows.get(node.source, {})
    if stored is None:
        return lambda _row: False
    spec = stored[-1].spec
    field, holds = field_of(spec, node.field), truth(node.where, Scope(spec, scope.store))
    reached = {target for row in rows.values() if holds(row) for target in targets(field, row.get(field.name))}
    return lambda row: row["id"] in reached


@truth.register
def _(node: Matches, scope: Scope) -> Test:
    fields, wanted = searched(scope.spec, node.fields), set(node.words)

    def holds(row: RowMap) -> bool:
        return bool(wanted) and wanted.issubset(
            word for field in fields for word in search_words(field, row.get(field.name))
        )

    return holds


@truth.register
def _(node: References, scope: Scope) -> Test:
    blobs = [field for field in scope.spec.fields if field.kind in ("blob", "folder")]
    return lambda row: any(node.value in references(field, row.get(field.name)) for field in blobs)

"""Hypothesis strategies at the level of the backend contract: types, worlds of things, bound queries."""

from __future__ import annotations

from metastore.testing._queries import Case, cases, orders, pages, predicates, queries, sortable
from metastore.testing._worlds import field_specs, specs, things, values, worlds

__all__ = [
    "Case",
    "cases",
    "field_specs",
    "orders",
    "pages",
    "predicates",
    "queries",
    "sortable",
    "specs",
    "things",
    "values",
    "worlds",
]

"""The examiner: what a backend author runs, and the strategies and the oracle it is made of.

Needs pytest and hypothesis; nothing else of metastore imports this room.

>>> from metastore.testing import BackendSuite, CatalogSuite
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in (
    "_exam", "_machine", "_suite_explain", "_suite_history", "_suite_links", "_suite_order", "_suite_replacing", "_suite_threads", "_suite_transactions", "_suite_truth", "_suite_values", "_suite_writes",
    "_catalog", "_catalog_exam", "_catalog_finds", "_catalog_writes", "_rules_machine",
)))  # fmt: skip

from metastore.testing import strategies  # noqa: E402 - after the rewrite is asked for
from metastore.testing._catalog import CatalogSuite  # noqa: E402
from metastore.testing._machine import BackendMachine, run_machine  # noqa: E402
from metastore.testing._rules_machine import RulesMachine, run_rules_machine  # noqa: E402
from metastore.testing._suite import BackendSuite  # noqa: E402

__all__ = [
    "BackendMachine",
    "BackendSuite",
    "CatalogSuite",
    "RulesMachine",
    "run_machine",
    "run_rules_machine",
    "strategies",
]

"""The whole exam of a backend in one class to subclass."""

from __future__ import annotations

from collections.abc import Callable

from metastore.backend import Backend
from metastore.testing._machine import run_machine
from metastore.testing._suite_explain import ExplainSuite
from metastore.testing._suite_history import HistorySuite
from metastore.testing._suite_links import LinksSuite
from metastore.testing._suite_order import OrderSuite
from metastore.testing._suite_replacing import ReplacingSuite
from metastore.testing._suite_threads import ThreadsSuite
from metastore.testing._suite_transactions import TransactionsSuite
from metastore.testing._suite_truth import TruthSuite
from metastore.testing._suite_usage import UsageSuite
from metastore.testing._suite_values import ValuesSuite
from metastore.testing._suite_writes import WritesSuite

__all__ = ["BackendSuite"]


class BackendSuite(
    ValuesSuite,
    TruthSuite,
    OrderSuite,
    LinksSuite,
    WritesSuite,
    TransactionsSuite,
    ReplacingSuite,
    HistorySuite,
    UsageSuite,
    ThreadsSuite,
    ExplainSuite,
):
    """Every duty of `metastore.backend.Backend`, as tests.

    Subclass it in a test module and say how a store is opened::

        class TestMyBackend(BackendSuite):
            def open_backend(self, tmp_path):
                return open_backend(f"my:{tmp_path}/catalog", mode="rw", durability="full", timeout=60.0)

    ``reopen`` and ``damages`` may be given, too; what they and optional protocols do not offer is skipped.
    """

    def test_random_sequences_agree_with_the_model(self, fresh: Callable[[], Backend]) -> None:
        run_machine(fresh, 15, 20)

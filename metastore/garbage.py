"""Garbage: objects in stores to which no catalogue refers, planned before anything is done. How it is swept is told in ``docs/garbage.md``."""

from metastore._discarding import carry_out, restore
from metastore._finding import Finding, GarbagePlan
from metastore._garbage import Lease, lease
from metastore._sweeping import plan, survey

__all__ = ["Finding", "GarbagePlan", "Lease", "carry_out", "lease", "plan", "restore", "survey"]

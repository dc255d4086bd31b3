"""Quotas as `Catalog` sets and reports them; what each holds is told in ``docs/quotas.md``."""

from metastore._quotas import Allowance, Quota, from_glare

__all__ = ["Allowance", "Quota", "from_glare"]

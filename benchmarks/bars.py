"""The bars of the project, as data: what `metastore` may cost beside each baseline, and whether a run met them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """The median of `operation` may be `limit` times that of the baseline `against`; `medium` None means on any."""

    operation: str
    against: str
    limit: float
    medium: str | None = None


BARS = (
    Bar("get", "plain", 2.5),
    Bar("by_name", "plain", 2.5),
    Bar("latest", "plain", 2.5),
    Bar("filter", "plain", 0.8),
    Bar("tag", "plain", 2.2),
    Bar("text", "plain", 2.2),
    Bar("traverse", "plain", 2.0),
    Bar("count", "plain", 1.0),
    Bar("create", "plain", 1.8, "disk"),
    Bar("add_many", "plain", 2.0, "disk"),
    Bar("update", "plain", 1.4, "disk"),
    Bar("delete", "plain", 1.8, "disk"),
    Bar("create", "plain", 2.5, "tmpfs"),
    Bar("create", "equal", 1.4, "disk"),
    Bar("add_many", "equal", 1.3, "disk"),
    Bar("create", "equal", 1.6, "tmpfs"),
)


def ratio(timings: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float:
    """Return the ratio of the medians."""
    return median(timings[ours]) / median(timings[theirs])


def judged(timings: Mapping[str, Mapping[str, Sequence[float]]], medium: str, ours: str) -> list[dict[str, Any]]:
    """Return each bar that this run can judge, with the ratio measured and whether it was met."""
    asked = [bar for bar in BARS if bar.medium in (None, medium) and bar.operation in timings]
    asked = [bar for bar in asked if {ours, bar.against} <= timings[bar.operation].keys()]
    ratios = [ratio(timings[bar.operation], ours, bar.against) for bar in asked]
    return [asdict(bar) | {"ratio": r, "met": r <= bar.limit} for bar, r in zip(asked, ratios, strict=True)]

"""What a sweep of stores finds: every object with a verdict and its reason, and a plan of what may be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from metastore._data import Data
from metastore.errors import ValidationError

__all__ = ["STEPS", "Finding", "GarbagePlan", "Step", "Verdict"]

Verdict = Literal[
    "referenced", "piece", "leased", "young", "strange", "unreferenced", "quarantined", "unfinished", "gone"
]
Step = Literal["quarantine", "restore", "delete", "abandon"]
STEPS: tuple[Step, ...] = ("quarantine", "restore", "delete", "abandon")
_TIMES = ("at", "modified")


class Finding(Data):
    """One object of a store: the ``verdict`` on it and its ``reason``, and the ``step`` that may be taken (``None``: it stays).

    ``size``, ``modified`` and ``mark`` are what the store told of it, by which it is known again. ``upload`` names what is unfinished.
    In what `carry_out` and `restore` return, ``left`` says why a step was not taken.
    """

    store: str
    key: str
    verdict: Verdict
    reason: str
    step: Step | None = None
    size: int | None = None
    modified: datetime | None = None
    mark: str | None = None
    upload: str | None = None
    left: str | None = None


class GarbagePlan(Data):
    """What a sweep would do, and by what it was judged; nothing else is ever done. Made by `plan`, done by `carry_out`.

    ``roots`` are the ids of the catalogues that were asked, ``stores`` the urls by name. ``min_age`` and ``grace`` are in seconds.
    ``kept`` counts what stays, by verdict; ``items`` name it only where everything was asked for.
    """

    id: str
    at: datetime
    roots: tuple[str, ...]
    stores: Mapping[str, str]
    min_age: float
    grace: float
    kept: Mapping[str, int]
    items: tuple[Finding, ...]

    @property
    def going(self) -> tuple[Finding, ...]:
        """What has a step, and in what `carry_out` returns, what was done."""
        return tuple(each for each in self.items if each.step is not None and each.left is None)

    @property
    def left(self) -> tuple[Finding, ...]:
        """What had a step that was not taken."""
        return tuple(each for each in self.items if each.left is not None)

    def to_plain(self) -> Iterator[dict[str, Any]]:
        """Yield the plan as JSON values: first by what it was judged, then an item each. `from_plain` takes them back."""
        said = {name: getattr(self, name) for name in ("at", "roots", "stores", "min_age", "grace", "kept")}
        yield {"plan": self.id, **_plain(said)}
        for each in self.items:
            yield _plain({name: value for name in _FIELDS if (value := getattr(each, name)) is not None})

    @classmethod
    def from_plain(cls, lines: Iterable[Mapping[str, Any]]) -> GarbagePlan:
        """Return a plan that was kept as JSON values. Raises ValidationError for what is none."""
        first, *rest = lines or [{}]
        try:
            items = tuple(_finding(each) for each in rest)
            at, stores = datetime.fromisoformat(first["at"]), dict(first["stores"])
            if not all(each.store in stores and isinstance(each.key, str) for each in items):
                raise ValueError("an item is in no store of the plan")
            times = float(first["min_age"]), float(first["grace"])
            if not all(0 <= each <= LONGEST for each in times):  # NaN is in no order
                raise ValueError(f"min_age and grace are not times of 0 to {LONGEST} seconds")
            plan = cls(str(first["plan"]), at, tuple(first["roots"]), stores, *times, dict(first["kept"]), items)
        except (KeyError, TypeError, ValueError, AttributeError) as broken:
            why = f"it has no {broken}" if isinstance(broken, KeyError) else str(broken)
            raise ValidationError(
                f"expected a plan of garbage as metastore gc plan --json writes it: {why:.100}"
            ) from None
        return plan


LONGEST = timedelta.max.days * 86_400
"""Seconds of the longest time that there is."""
_FIELDS = ("store", "key", "verdict", "reason", "step", "size", "modified", "mark", "upload", "left")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _finding(plain: Mapping[str, Any]) -> Finding:
    if plain.get("step") not in (None, *STEPS):
        raise ValueError(f"no step {plain['step']!r:.40}")
    modified = plain.get("modified")
    return Finding(**{**plain, "modified": None if modified is None else datetime.fromisoformat(modified)})

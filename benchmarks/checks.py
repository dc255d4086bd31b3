"""Compare what a contender answered, and what it then holds, with what was generated; raise on any difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from benchmarks.baseline import Contender
from benchmarks.workload import Item, Query


class WrongAnswerError(Exception):
    """A contender answered something else than the oracle."""


def rows_of(answer: Any) -> list[Any]:
    """Return the rows of an answer; numbers and ids have none."""
    rows = list(answer) if isinstance(answer, Sequence | Iterator) else [answer]
    return [row for row in rows if not isinstance(row, int | UUID)]


def exact(contender: Contender, answer: Any, items: Mapping[UUID | None, Item]) -> None:
    """Raise unless each row of an answer holds exactly what was generated."""
    for row in rows_of(answer):
        item = contender.item(row)
        if item != items[item.id]:
            raise WrongAnswerError(f"{contender.name}: {item} for {items[item.id]}")


def answered(contender: Contender, query: Query, answer: Any) -> None:
    """Raise unless a read gave the expected ids in order, or the expected number."""
    given: Any = answer
    if query.operation == "traverse":
        given = tuple(answer)
    elif query.operation != "count":
        given = tuple(contender.ident(row) for row in rows_of(answer))
    if given != query.expected:
        raise WrongAnswerError(f"{contender.name}: {query.operation}{query.arguments} gave {given}")


def created(contender: Contender, item: Item, row: Any) -> None:
    """Raise unless the new row can be read back and holds the item."""
    kept = contender.item(contender.get(contender.key(contender.ident(row))))
    if replace(kept, id=None) != item:
        raise WrongAnswerError(f"{contender.name}: created {kept} for {item}")


def added(contender: Contender, items: Sequence[Item], number: int) -> None:
    """Raise unless all items of a bulk were counted, and every one can be read back by its name."""
    if number != len(items):
        raise WrongAnswerError(f"{contender.name}: added {number} of {len(items)}")
    for item in items:
        kept = contender.item(contender.by_name(item.name, item.version))
        if replace(kept, id=None) != item:
            raise WrongAnswerError(f"{contender.name}: added {kept} for {item}")


def updated(contender: Contender, change: tuple[Item, int], row: Any) -> None:
    """Raise unless the stored row is one revision on, with the new value and nothing else changed."""
    item, min_ram = change
    kept = contender.get(contender.key(contender.ident(row)))
    if contender.revision(kept) != contender.revision(row) or contender.revision(kept) < 2:
        raise WrongAnswerError(f"{contender.name}: revision {contender.revision(kept)} after an update")
    if contender.item(kept) != replace(item, min_ram=min_ram):
        raise WrongAnswerError(f"{contender.name}: updated {kept}")


def deleted(contender: Contender, item: Item, _: Any) -> None:
    """Raise if a deleted row can still be read."""
    try:
        contender.get(contender.key(item.id))  # type: ignore[arg-type]  # loaded items have ids
    except LookupError:
        return
    raise WrongAnswerError(f"{contender.name}: {item.id} is still there")


CHECKS: dict[str, Callable[[Contender, Any, Any], None]] = {
    "create": created,
    "add_many": added,
    "update": updated,
    "delete": deleted,
}

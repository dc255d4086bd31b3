"""Calling hooks around a change: the unlocked ones outside the write lock, the locked ones inside its transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from metastore._hooks import Hook, HookCall, hooks_of

if TYPE_CHECKING:
    from metastore._changing import Changing
    from metastore._types import Shelf

__all__ = ["hooked"]


def hooked(
    catalog: Changing,
    shelf: Shelf,
    actions: tuple[str, ...],
    before: Any,
    preview: Callable[[], Any],
    act: Callable[[], Any],
) -> Any:
    """Return what ``act`` returns, with the hooks of the actions called around it.

    ``preview`` gives the artifact as it will be, for those that come before. One that raises before the commit leaves nothing
    done; one that raises after it cannot undo it. Within a transaction that was open already all run inside that.
    """
    found = [(action, hooks_of(shelf.cls, action)) for action in actions]

    def call(phase: str, after: Any) -> None:
        for action, hooks in found:
            _call(getattr(hooks, phase), HookCall(action, shelf.cls, before, after, catalog))  # type: ignore[arg-type]

    if any(hooks.before for _, hooks in found):
        call("before", preview())
    with catalog.transaction():
        if any(hooks.before_locked for _, hooks in found):
            call("before_locked", preview())
        made = act()
        call("after_locked", made)
    call("after", made)
    return made


def _call(hooks: Iterable[Hook], told: HookCall) -> None:
    for hook in hooks:
        hook(told)

"""Hooks: functions of a type that are called before and after its actions, and may refuse them.

They stand in the class body, or come with a package that is installed, by the entry point group
``metastore.hooks``: the name is that of the type, the value a module or an object that holds such functions.
Which are to be called is settled once per class; a class without hooks costs a look into a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from metastore._data import Data
from metastore._lifecycle import WRITES, Lifecycle
from metastore._plugins import installed
from metastore.errors import DeclarationError, nearest

if TYPE_CHECKING:
    from metastore._artifact import Record
    from metastore._catalog import Catalog

__all__ = ["GROUP", "Hook", "HookCall", "Hooks", "after", "before", "check_hooks", "has_hooks", "hooks_of"]

GROUP = "metastore.hooks"

F = TypeVar("F")


class HookCall(Data):
    """What a hook is told: the action, the type, and the artifact as it is and as it will be.

    ``before`` is ``None`` when it is created, ``after`` when it is deleted.
    """

    action: str
    type: type[Record]
    before: Any
    after: Any
    catalog: Catalog


Hook = Callable[[HookCall], object]


class Hooks(NamedTuple):
    """The hooks of one action, in the order in which they are called; those of a base class first."""

    before: tuple[Hook, ...] = ()
    before_locked: tuple[Hook, ...] = ()
    after_locked: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()


class _Mark(Data):
    phase: Literal["before", "after"]
    actions: tuple[str, ...]
    locked: bool


_NONE = Hooks()
_MARKS = "__metastore_hooks__"


def before(*actions: str, locked: bool = False) -> Callable[[F], F]:
    """Mark a function of a class body to be called before actions, with a `HookCall`; it may raise VetoError.

    It runs before the write lock is taken, or under it if ``locked``; then what it reads stays as it is until the action
    is done, and everybody else waits.

    >>> from metastore import Artifact, errors
    >>> class Report(Artifact, type_name="reports"):
    ...     @before("activate")
    ...     @staticmethod
    ...     def is_described(call):
    ...         if not call.before.description:
    ...             raise errors.VetoError("a report needs a description")
    """
    return _marked(_Mark("before", actions, locked))


def after(*actions: str, locked: bool = False) -> Callable[[F], F]:
    """Mark a function of a class body to be called after actions, with a `HookCall`.

    It runs once what was done is committed, or if ``locked`` just before, under the write lock; what it raises then undoes
    the action.
    """
    return _marked(_Mark("after", actions, locked))


def _marked(mark: _Mark) -> Callable[[F], F]:
    word = f"@{mark.phase}"
    if not mark.actions or not all(isinstance(each, str) for each in mark.actions):
        raise DeclarationError(f'{word} names the actions it is for, like {word}("create"), got {mark.actions!r:.60}')

    def mark_it(given: F) -> F:
        function = _function(given)
        if function is None:
            raise DeclarationError(f"{word} marks a function, got {type(given).__name__}")
        setattr(function, _MARKS, (*getattr(function, _MARKS, ()), mark))
        return given

    return mark_it


def _function(given: Any) -> Any:
    found = given.__func__ if isinstance(given, staticmethod) else given
    return found if isinstance(found, FunctionType) else None


def _of_body(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, given in names.items():
        function = _function(given)
        yield name, function if function is not None and hasattr(function, _MARKS) else None


def _declared(cls: type) -> list[Any]:
    """The marked functions of a class and its bases, a base's first; a subclass takes one out by its name."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update({name: each for name, each in _of_body(vars(base)) if each is not None or name in found})  # type: ignore[arg-type]
    return [each for each in found.values() if each is not None]


def check_hooks(cls: Any, lifecycle: Lifecycle) -> None:
    """Raise DeclarationError for a hook on an action that the type does not have."""
    for function in _declared(cls):
        _check_actions(f"{cls.__name__}.{function.__name__}", function, lifecycle)


def _check_actions(where: str, function: Any, lifecycle: Lifecycle) -> None:
    known = (*WRITES, *lifecycle.actions)
    for mark in getattr(function, _MARKS):
        for action in mark.actions:
            if action not in known:
                raise DeclarationError(
                    f"{where}: there is no action {action!r} to be @{mark.phase}: {nearest(action, known)} ({', '.join(known)})"
                )


def has_hooks(cls: Any) -> bool:
    """Return whether there is any hook on a type, of its own or installed. Raises as `hooks_of` does."""
    hooks_of(cls, "")
    return bool(cls.__hooks__)


def hooks_of(cls: Any, action: str) -> Hooks:
    """Return the hooks of an action on a type. Raises DeclarationError where an installed one cannot be loaded."""
    table = cls.__hooks__
    if table is None:
        table = cls.__hooks__ = _table(cls)
    found: Hooks = table.get(action, _NONE)
    return found


def _table(cls: Any) -> dict[str, Hooks]:
    parts: dict[str, tuple[list[Any], ...]] = {}
    for function in (*_declared(cls), *_plugged(cls)):
        for mark in getattr(function, _MARKS):
            at = {"before": 0, "after": 3}[mark.phase] if not mark.locked else {"before": 1, "after": 2}[mark.phase]
            for action in mark.actions:
                parts.setdefault(action, ([], [], [], []))[at].append(function)
    return {action: Hooks(*map(tuple, some)) for action, some in parts.items()}


def _plugged(cls: Any) -> Iterator[Any]:
    for entry in installed(GROUP):
        if entry.name == cls.__type_name__:
            where = f"the hooks of {entry.name} in {entry.value}"
            try:
                holder = entry.load()
            except Exception as broken:
                raise DeclarationError(f"{where} cannot be loaded: {broken}; mend or remove the package") from broken
            yield from _of_plugin(where, holder, cls.__lifecycle__)


def _of_plugin(where: str, holder: Any, lifecycle: Lifecycle) -> list[Any]:
    some = [function for _, function in _of_body(vars(holder)) if function is not None]
    if not some:
        raise DeclarationError(f"{where}: expected functions marked @before or @after there, found none")
    for function in some:
        _check_actions(f"{where}: {function.__name__}", function, lifecycle)
    return some

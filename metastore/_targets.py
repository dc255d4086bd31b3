"""Where links lead: from the hint of a field to the class behind it, found at first use."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from metastore._declare import Unresolved
from metastore._link import Link
from metastore.errors import DeclarationError

__all__ = ["link_hint", "link_target", "root_of"]


def root_of(cls: Any) -> Any:
    """Return the class at the root of all types, of which a class is one."""
    return next(base for base in reversed(cls.__mro__) if "__type_name__" in base.__dict__)


def link_hint(given: Any) -> Any:
    """Return what the declaration of a link says between its brackets; the root for a bare one."""
    parts = [given.hint]
    while parts:
        hint = parts.pop()
        if (get_origin(hint) or hint) is Link:
            return get_args(hint)[0] if get_args(hint) else root_of(given.owner)
        parts += get_args(hint)
    return root_of(given.owner)


def link_target(given: Any) -> Any:
    """Return the class behind a link field. Raises DeclarationError where none of that name is declared."""
    if given.resolve is not None:
        target = given.spec.links.target
        return given.resolve(target) if target else root_of(given.owner)
    target = link_hint(given)
    if isinstance(target, type) and not issubclass(target, Unresolved):
        return target
    wanted = str(getattr(target, "__forward_arg__", None) or getattr(target, "__name__", target))
    found = given.owner if wanted == given.owner.__name__ else _find_class(wanted, given.owner)
    if found is None:
        raise DeclarationError(
            f"{given.owner.__name__}.{given.name}: no artifact class {wanted!r} is declared beside it"
        )
    return found


def _find_class(wanted: str, near: Any) -> Any:
    """The latest living artifact class of that name, nearest to the one that names it: same scope, then same module."""
    scope = near.__qualname__.rpartition(".")[0]
    best, living = None, [root_of(near)]
    while living:
        cls = living.pop(0)
        living += cls.__subclasses__()
        if cls.__name__ == wanted and cls.__module__ == near.__module__:
            same = cls.__qualname__.rpartition(".")[0] == scope
            best = cls if same or best is None else best
    return best

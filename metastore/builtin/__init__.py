"""Artifact types that people expect, one small module each, loaded by name when they are asked for.

``Catalog.open(types=builtin.types())`` makes them known. They enter by the door that is open to everybody: the entry
points ``metastore.types``, each named as its type; those of ``metastore.types.on_request`` are never given unasked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metastore.errors import DeclarationError, UnknownTypeError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from metastore._artifact import Record

__all__ = ["GROUP", "ON_REQUEST", "names", "types"]

GROUP = "metastore.types"
ON_REQUEST = "metastore.types.on_request"


def _installed(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # here, as it costs as much as half the engine to import

    found: dict[str, EntryPoint] = {}
    for each in entry_points(group=group):
        if found.setdefault(each.name, each).value != each.value:
            raise DeclarationError(
                f"two types are installed as {each.name}: {found[each.name].value} and {each.value}; remove one"
            )
    return found


def names(*, on_request: bool = False) -> list[str]:
    """Return the names of the installed types, sorted; ``on_request`` for those that are never given unasked.

    >>> {"images", "datasets", "ml_models"} <= set(names())
    True
    >>> "secrets" in names(), "secrets" in names(on_request=True)
    (False, True)
    """
    return sorted(_installed(ON_REQUEST if on_request else GROUP))


def types(*names: str) -> list[type[Record]]:
    """Return the classes of installed types in the order asked; without names all but those on request, by name.

    Raises UnknownTypeError with the nearest spelling, DeclarationError for an entry point that leads to another type.

    >>> [each.__name__ for each in types("images", "secrets")]
    ['Image', 'Secret']
    """
    usual = _installed(GROUP)
    if not names:
        return [_loaded(usual[name]) for name in sorted(usual)]
    every = {**_installed(ON_REQUEST), **usual}
    for name in names:
        if name not in every:
            raise UnknownTypeError(f"no type {name!r} is installed: {nearest(str(name), every)}")
    return [_loaded(every[name]) for name in names]


def _loaded(entry: EntryPoint) -> type[Record]:
    found: Any = entry.load()
    if getattr(found, "__type_name__", None) != entry.name:
        raise DeclarationError(
            f"expected the artifact type {entry.name} at the entry point {entry.value}, got {found!r:.60}"
        )
    return found  # type: ignore[no-any-return]

"""What frozen data has in common: a constructor, equality, hash and repr, all by its fields.

attrs writes these for each class. It does so for artifact types; to write and compile them for the fifty small classes of the engine
took as long as importing all the rest of it, so here they are written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar, dataclass_transform

__all__ = ["EMPTY", "NO_DEFAULT", "Data", "Factory", "as_dict", "evolve", "said"]

D = TypeVar("D", bound="Data")

EMPTY: Mapping[str, Any] = MappingProxyType({})
"""A default that cannot change."""


class _NoDefault:
    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Any = _NoDefault()
"""The default of a field that has none."""


@dataclass_transform(frozen_default=True)
class Data:
    """Base of frozen classes: annotations are the fields, in order; what the body gives one is its default, shared and never changed.

    A class that checks or converts what it is given has an ``__init__`` of its own, which ends in this one.

    >>> class Point(Data):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1, y=2) == Point(1, 2)
    (Point(x=1, y=0), True)
    """

    __fields__: ClassVar[tuple[str, ...]] = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()
    __needed__: ClassVar[tuple[str, ...]] = ()
    __places__: ClassVar[tuple[tuple[str, ...], int, int]] = ((), 0, 0)

    def __init_subclass__(cls, *, kw_only: bool = False, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = [name for name, hint in cls.__annotations__.items() if "ClassVar" not in str(hint)]
        for name in own:
            if isinstance(cls.__dict__.get(name), list | dict | set):
                raise TypeError(
                    f"{cls.__name__}.{name}: all would share this default, which can change; make it in __init__"
                )
        cls.__fields__ = cls.__match_args__ = (*cls.__fields__, *own)  # type: ignore[misc]
        cls.__needed__ = (*cls.__needed__, *(name for name in own if name not in cls.__dict__))
        cls.__places__ = cls.__fields__, len(cls.__needed__), 0 if kw_only else len(cls.__fields__)

    def __init__(self, *values: Any, **named: Any) -> None:
        names, least, most = self.__places__
        if named or not least <= len(values) <= most:
            self._check(values, named)
        self.__dict__.update(zip(names, values), **named)  # noqa: B905 - checked

    def _check(self, values: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Raise TypeError for what the fields do not take, as any function does."""
        names, _, most = self.__places__
        what, given = type(self).__name__, names[: len(values)]
        if len(values) > most:
            raise TypeError(f"{what} takes at most {most} values without a name, got {len(values)}")
        for name in named:
            if name in given or name not in names:
                raise TypeError(f"{what} got {name!r} {'twice' if name in given else 'but has no such field'}")
        missing = [name for name in self.__needed__ if name not in given and name not in named]
        if missing:
            raise TypeError(f"{what} needs {', '.join(missing)}")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__fields__])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make another")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make another")

    def __eq__(self, other: object) -> bool:
        return (
            self._values() == other._values()
            if isinstance(other, Data) and type(other) is type(self)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__fields__]
        return f"{type(self).__name__}({', '.join(shown)})"


class Factory(Data):
    """A default that is made anew each time."""

    factory: Callable[[], Any]


def evolve(data: D, **changes: Any) -> D:
    """Return the same with some fields changed; an ``__init__`` of its own checks the whole again."""
    return type(data)(**as_dict(data) | changes)


def as_dict(data: Data) -> dict[str, Any]:
    """Return the fields by name, in order."""
    return {name: getattr(data, name) for name in data.__fields__}


def said(data: Data, name: str) -> bool:
    """Whether a field does not stand at its default; true is not 1."""
    if name in data.__needed__:
        return True
    value, usual = getattr(data, name), getattr(type(data), name)
    return value != usual or isinstance(value, bool) is not isinstance(usual, bool)

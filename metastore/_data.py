"""What frozen data has in common: equality, hash and repr by its fields.

attrs can write these for each class, but to compile them for thirty classes takes longer than importing
the rest of the engine; one reading of the fields does.
"""

from __future__ import annotations

from typing import Any, NoReturn

from attrs import fields

__all__ = ["Data", "Plain"]


class Data:
    """Base of frozen attrs classes declared with ``eq=False, repr=False``."""

    __slots__ = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, each.name) for each in fields(type(self))])  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __repr__(self) -> str:
        shown = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(type(self))]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


class Plain:
    """Base of frozen classes with ``__slots__`` and an ``__init__`` of their own, which ends in ``_fill``.

    For the few that `import metastore` makes and that check what they are given: attrs takes 0.4 ms for each.
    """

    __slots__: tuple[str, ...] = ()

    def _fill(self, *values: Any) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make another")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make another")

    def __eq__(self, other: object) -> bool:
        return (
            self._values() == other._values()
            if isinstance(other, Plain) and type(other) is type(self)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._values())

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in zip(self.__slots__, self._values(), strict=False)]
        return f"{type(self).__name__}({', '.join(shown)})"


def _again(cls: type[Plain], values: tuple[Any, ...]) -> Plain:
    made = cls.__new__(cls)
    made._fill(*values)
    return made

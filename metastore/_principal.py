"""Principal: who asks, as plain frozen data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metastore._data import Data
from metastore.errors import ValidationError

__all__ = ["Principal"]


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ValidationError(
            f"roles of a principal: expected several names like ['member'], got {type(value).__name__} {value!r:.60}"
        )
    names = tuple(value)
    for each in names:
        _check_name("roles of a principal", each)
    return frozenset(names)


def _check_name(where: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{where}: expected a name as text that is not empty, got {value!r:.60}")
    if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):  # no database compares with it
        raise ValidationError(f"{where}: expected a name in UTF-8 and without NUL, got {value!r:.60}")


def _name(where: str, value: Any) -> str | None:
    if value is not None:
        _check_name(where, value)
    return value  # type: ignore[no-any-return]  # checked above


class Principal(Data):
    """Who asks: a user, the project they work for, and the roles they have there.

    ``roles`` is any iterable of names; rules compare them without regard to case. With no project
    it owns nothing and sees what is public. Raises ValidationError for anything but text.

    >>> Principal(user="ada", project="analytics", roles=["member"])
    Principal(user='ada', project='analytics', roles=frozenset({'member'}))
    """

    user: str | None
    project: str | None
    roles: frozenset[str]

    def __init__(self, user: str | None = None, project: str | None = None, roles: Iterable[str] = ()) -> None:
        super().__init__(_name("user of a principal", user), _name("project of a principal", project), _names(roles))

    def __hash__(self) -> int:
        return hash((self.user, self.project, self.roles))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Principal):
            return NotImplemented
        return (self.user, self.project, self.roles) == (other.user, other.project, other.roles)

    def credentials(self) -> dict[str, Any]:
        """Return what rules see of the caller: both spellings of user and project, and the sorted roles.

        What the caller has not is left out, so that it equals nothing.

        >>> Principal(user="ada").credentials()
        {'user': 'ada', 'user_id': 'ada', 'roles': []}
        """
        told = {
            **dict.fromkeys(("user", "user_id"), self.user),
            **dict.fromkeys(("project", "project_id", "tenant", "tenant_id"), self.project),
            "roles": sorted(self.roles),
        }
        return {name: value for name, value in told.items() if value is not None}

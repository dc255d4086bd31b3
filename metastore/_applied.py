"""The light door to applied metadata definitions: nothing behind it is imported while none is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["check_properties", "checker"]


def checker(catalog: Catalog, type_name: str) -> Callable[[Mapping[str, Any]], None] | None:
    """Return what raises ValidationError for properties that do not fit what is applied to their type, ``None`` where nothing is.

    Called with the write lock held, so that the types it looks among are those that are stored: a look into a dict
    where no namespace was ever applied. Good for one batch. ``catalog`` is the owner's, whoever writes.
    """
    if not catalog._types.has("metastore_applied"):
        return None
    from metastore.builtin.metadefs import checker as read

    return read(catalog, type_name)


def check_properties(catalog: Catalog, type_name: str, properties: Mapping[str, Any]) -> None:
    """Raise ValidationError where properties do not fit the namespaces that are applied to their type; as `checker`."""
    check = checker(catalog, type_name)
    if check is not None:
        check(properties)

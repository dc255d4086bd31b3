"""The light door to applied metadata definitions: nothing behind it is imported while none is applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["check_properties"]


def check_properties(catalog: Catalog, type_name: str, properties: Mapping[str, Any]) -> None:
    """Raise ValidationError where properties do not fit the namespaces that are applied to their type.

    Called with the write lock held, so that the types it looks among are those that are stored. A look into a dict
    where no namespace was ever applied. ``catalog`` is the owner's, whoever writes.
    """
    if catalog._types._known("metastore_applied"):
        from metastore.builtin.metadefs import check_properties as check

        check(catalog, type_name, properties)

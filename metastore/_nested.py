"""JSON values back to Python ones, where they are more than JSON: cattrs, its hooks compiled once per hint.

Imported at first use, as cattrs costs as much as everything else at import.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import cattrs
import cattrs.errors

from metastore._blob import Blob, Location
from metastore._json import decode
from metastore._link import Link
from metastore._version import Version
from metastore.errors import MetastoreError, ValidationError

__all__ = ["from_json", "reader"]


def _blob(plain: Any, _: Any) -> Blob:
    if not isinstance(plain, dict):
        raise ValidationError(f"expected an object for a blob, got {type(plain).__name__}")
    unknown = plain.keys() - {"size", "media_type", "digests", "locations"}
    if unknown:
        raise ValidationError(
            f"a blob has no {', '.join(sorted(unknown))}; it has size, media_type, digests, locations"
        )
    for name, kind in (("digests", dict), ("locations", list)):
        if not isinstance(plain.get(name, kind()), kind):
            raise ValidationError(
                f"expected the {name} of a blob as a JSON {kind.__name__}, got {type(plain[name]).__name__}"
            )
    places = [Location(**place) if isinstance(place, dict) else place for place in plain.get("locations", ())]
    return Blob(**{**plain, "locations": places})


def _moment(text: Any, _: Any) -> datetime:
    if not isinstance(text, str):
        raise ValidationError(f"expected a time like 2024-02-29T12:00:00Z, got {type(text).__name__}")
    return datetime.fromisoformat(text)


_SCALARS = (bool, int, float, str)


def _scalar(value: Any, hint: Any) -> Any:
    return value if hint in _SCALARS else hint(value)  # an enum of str or int is asked of the same hook


@lru_cache(maxsize=1)
def _converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=False, forbid_extra_keys=True)
    for kind in _SCALARS:
        made.register_structure_hook(kind, _scalar)
    made.register_structure_hook(datetime, _moment)
    made.register_structure_hook(UUID, lambda text, _: UUID(text))
    made.register_structure_hook(Version, lambda text, _: Version(text))
    made.register_structure_hook(Blob, _blob)
    made.register_structure_hook_func(
        lambda hint: getattr(hint, "__origin__", hint) is Link, lambda text, _: Link(text)
    )
    return made


def reader(hint: Any) -> Callable[[str], Any]:
    """Return what reads canonical JSON text as ``hint``."""
    hook = _converter().get_structure_hook(hint)
    return lambda text: hook(decode(text), hint)


def from_json(hint: Any, plain: Any, where: str) -> Any:
    """Return the Python value of a JSON one. Raises ValidationError naming ``where``."""
    if plain is None:
        return None
    try:
        return _converter().structure(plain, hint)
    except MetastoreError as refused:
        raise ValidationError(f"{refused} (at {where})") from None
    except (cattrs.errors.CattrsError, TypeError, ValueError, KeyError, AttributeError) as broken:
        shown = getattr(hint, "__name__", hint)
        raise ValidationError(f"expected {shown} at {where}, got {type(plain).__name__}: {broken}") from None

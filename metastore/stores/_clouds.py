"""clouds.yaml: the credentials of OpenStack's own tools, found where they look for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metastore.errors import MissingExtraError, StoresFileError, nearest
from metastore.stores._secret import Hidden

__all__ = ["of_cloud"]

_AUTH = (
    "auth_url", "username", "user_id", "password", "project_name", "project_id", "user_domain_name", "user_domain_id",
    "project_domain_name", "project_domain_id", "application_credential_id", "application_credential_name",
    "application_credential_secret", "token",
)  # fmt: skip
_BESIDE = {"region_name": "region_name", "interface": "interface", "cacert": "ca_file", "verify": "verify"}


def of_cloud(store: str, name: Any) -> Hidden:
    """Return the options of a cloud: of the first clouds.yaml there is, with what secure.yaml beside it adds.

    Raises StoresFileError where there is none, or no such cloud in it; MissingExtraError without PyYAML.
    """
    path = next((each for each in _places() if each.is_file()), None)
    if path is None:
        raise StoresFileError(f"the store {store}: there is no clouds.yaml, in which the cloud {name!r:.60} was to be")
    clouds = _clouds(store, path)
    if name not in clouds:
        raise StoresFileError(f"the store {store}: {path} has no cloud {name!r:.60}: {nearest(str(name), clouds)}")
    secure = _clouds(store, path.with_name("secure.yaml")).get(name, {})
    found, more = Hidden(clouds[name]), Hidden(secure)
    auth = Hidden({**found["auth"], **more.get("auth", {})})
    made = Hidden({each: str(auth[each]) for each in _AUTH if auth.get(each) is not None})
    made.update({ours: found[theirs] for theirs, ours in _BESIDE.items() if found.get(theirs) is not None})
    return made


def _places() -> Iterator[Path]:
    if (given := os.environ.get("OS_CLIENT_CONFIG_FILE")) is not None:
        yield Path(given)
    for folder in (Path(), Path.home() / ".config" / "openstack", Path("/etc/openstack")):
        yield folder / "clouds.yaml"


def _clouds(store: str, path: Path) -> Hidden:
    try:
        import yaml  # type: ignore[import-untyped]  # it has no stubs
    except ImportError:
        raise MissingExtraError("clouds.yaml needs the extra policy: pip install 'metastore-engine[policy]'") from None
    if not path.is_file():
        return Hidden()
    try:
        with path.open(encoding="utf-8") as file:
            read = yaml.safe_load(file)
        return Hidden({str(name): _cloud(each or {}) for name, each in (read or {}).get("clouds", {}).items()})
    except (OSError, ValueError, AttributeError, TypeError, yaml.YAMLError):
        read = None  # the words of the mistake may hold what the file holds
    raise StoresFileError(f"the store {store}: {path} cannot be read as a clouds.yaml")


def _cloud(told: Any) -> Hidden:
    return Hidden({**told, "auth": Hidden(told.get("auth") or {})})

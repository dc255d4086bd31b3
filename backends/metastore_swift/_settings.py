"""What a filesystem is told: addresses, credentials and limits, from its options and from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from metastore_swift._secret import Secret

__all__ = ["SECRETS", "Settings", "is_address", "public", "settings_from"]

SECRETS = frozenset({"token", "key", "password", "application_credential_secret", "temp_url_key"})
ADDRESSES = ("auth_url", "storage_url")
ENVIRONMENT = {
    "auth_url": ("OS_AUTH_URL", "ST_AUTH"),
    "storage_url": ("OS_STORAGE_URL",),
    "token": ("OS_AUTH_TOKEN",),
    "user": ("ST_USER",),
    "key": ("ST_KEY",),
    "username": ("OS_USERNAME",),
    "user_id": ("OS_USER_ID",),
    "password": ("OS_PASSWORD",),
    "project_name": ("OS_PROJECT_NAME",),
    "project_id": ("OS_PROJECT_ID",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME",),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
    "region_name": ("OS_REGION_NAME",),
    "interface": ("OS_INTERFACE",),
    "ca_file": ("OS_CACERT",),
}
MEBIBYTE = 2**20
NONE = Secret("")


@dataclass(frozen=True)
class Settings:
    """Everything that may be given; texts that are not given are empty, secrets are `Secret`."""

    auth_url: str = ""
    storage_url: str = ""
    token: Secret = NONE
    user: str = ""
    key: Secret = NONE
    username: str = ""
    user_id: str = ""
    password: Secret = NONE
    project_name: str = ""
    project_id: str = ""
    user_domain_name: str = ""
    user_domain_id: str = ""
    project_domain_name: str = ""
    project_domain_id: str = ""
    application_credential_id: str = ""
    application_credential_name: str = ""
    application_credential_secret: Secret = NONE
    region_name: str = ""
    interface: str = "public"
    temp_url_key: Secret = NONE
    ca_file: str = ""
    verify: bool = True
    timeout: float = 60.0
    retries: int = 5
    longest_pause: float = 60.0
    concurrency: int = 8
    block_size: int = 64 * MEBIBYTE
    segments: str = "{container}_segments"


NAMES = frozenset(field.name for field in fields(Settings))
NUMBERS = ("timeout", "retries", "longest_pause", "concurrency", "block_size")
AT_LEAST_ONE = ("concurrency", "block_size")


def settings_from(options: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a filesystem.

    The environment fills in what the options leave out, but only where the address comes from there too or is the
    same: credentials are never sent to an address they were not meant for.

    Raises: TypeError for an option that is not known; ValueError for an address with a secret in it, one that is not
    http or https, and a number that is too small.
    """
    if unknown := sorted(set(options) - NAMES):
        raise TypeError(f"Swift's filesystem has no option {', '.join(unknown)}; it has {', '.join(sorted(NAMES))}.")
    given = {name: value for name, value in options.items() if value is not None}
    _checked_numbers(given)
    known = {**_ambient(given, environment), **given}
    for name in ADDRESSES:
        known[name] = _address(name, str(known.get(name) or ""))
    for name in SECRETS & known.keys():
        known[name] = known[name] if isinstance(known[name], Secret) else Secret(str(known[name]))
    return Settings(**known)


def public(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without the secret ones.

    >>> public({"auth_url": "https://keystone.example/v3", "password": "sesame"})
    {'auth_url': 'https://keystone.example/v3'}
    """
    return {name: value for name, value in options.items() if name not in SECRETS and not isinstance(value, Secret)}


def _ambient(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    found = {
        name: value
        for name, variables in ENVIRONMENT.items()
        if (value := next((environment[each] for each in variables if environment.get(each)), ""))
    }
    same = all(str(given[name]).rstrip("/") == found.get(name, "").rstrip("/") for name in ADDRESSES if given.get(name))
    return found if same else {}


def _address(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{name} holds more than an address: give credentials as options, not inside of the URL.")
    if url and not is_address(url):
        raise ValueError(f"{name} is to be an http or https URL with a host, and what was given is not.")
    return url.rstrip("/")


def is_address(url: Any) -> bool:
    """Return whether that is an http or https URL with a host, and with a port that there may be.

    >>> is_address("https://swift.example:8080/v1/AUTH_a"), is_address("https://swift.example:80800"), is_address("/v1/AUTH_a")
    (True, False, False)
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _checked_numbers(given: Mapping[str, Any]) -> None:
    for name in NUMBERS:
        least = 1 if name in AT_LEAST_ONE else 0
        value = given.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            raise ValueError(f"{name} is to be a number of at least {least}, and {value!r} is not.")

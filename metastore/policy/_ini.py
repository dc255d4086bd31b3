"""Read Glance's file of property protections, and sections of ours for declared fields."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from typing import Literal

from metastore.errors import PolicyFileError, ValidationError
from metastore.policy._files import read_text
from metastore.policy._protections import OPERATIONS, Protection, Protections
from metastore.policy._read import Mistake, read_rule
from metastore.policy._rules import Always, Either, Never, Ref, Role, Rule

__all__ = ["protections_from_file"]

FIELD = "field "
RESERVED = "os_glance"
"""Properties that Glance keeps for itself: anyone reads them, only the engine writes; sections about them do not count."""


def protections_from_file(path: str | os.PathLike[str], rule_format: Literal["roles", "policies"]) -> Protections:
    """Return the protections of the file. Raises PolicyFileError."""
    if rule_format not in ("roles", "policies"):
        raise ValidationError(f"expected the rule_format roles or policies, got {rule_format!r:.60}")
    where = os.fspath(path)
    section = ""
    try:
        found = []
        for section, values in _sections(where).items():
            found += [_protection(section, values, rule_format)]
        return Protections([*_reserved(found), *found])
    except (Mistake, ValidationError) as mistake:
        raise PolicyFileError(f"{where}: section [{section}]: {mistake}", where, section) from None


def _sections(where: str) -> dict[str, Mapping[str, str]]:
    # Glance takes % for a reference as well; a pattern or a role with a percent sign then breaks its start
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(where), where)
    except configparser.Error as broken:
        raise PolicyFileError(
            f"{where}: not an INI file of protections: {' '.join(str(broken).split())}", where
        ) from None
    return {name: parser[name] for name in parser.sections() if not name.startswith(RESERVED)}


def _reserved(found: list[Protection]) -> list[Protection]:
    if not any(each.of == "properties" for each in found):
        return []
    return [Protection(f"{RESERVED}.*", create=Never(), update=Never(), delete=Never())]


def _protection(section: str, values: Mapping[str, str], rule_format: str) -> Protection:
    missing = [name for name in OPERATIONS if name not in values]
    if missing:
        raise Mistake(f"expected create, read, update and delete, found no {' and no '.join(missing)}")
    read = _roles if rule_format == "roles" else _named
    rules = {name: read(name, values[name]) for name in OPERATIONS}
    ours = section.startswith(FIELD)
    pattern = section.removeprefix(FIELD).strip() if ours else section
    return Protection(pattern, of="fields" if ours else "properties", anywhere=not ours, **rules)


def _roles(operation: str, text: str) -> Rule:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if "@" in names and "!" in names:
        raise Mistake(f"{operation} = {text}: @ (anyone) and ! (nobody) exclude each other")
    if "!" in names or not names:
        return Never()
    if "@" in names:
        return Always()
    return Role(names[0]) if len(names) == 1 else Either(tuple(Role(name) for name in names))


def _named(operation: str, text: str) -> Rule:
    name = text.strip()
    if "," in name:
        raise Mistake(f"{operation} = {text}: expected the name of one rule; combine rules in the policy")
    if name in ("", "@", "!"):
        return read_rule(name or "!")
    return Ref(name)

"""What namespaces say about the properties of one resource type, and a mapping of properties held against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from metastore._data import Data
from metastore.builtin.metadefs._definition import Document, check_document
from metastore.builtin.metadefs._namespace import Namespace, document_of
from metastore.builtin.metadefs._schema import property_schema
from metastore.builtin.metadefs._value import check_value
from metastore.errors import ValidationError, nearest

__all__ = ["RESOURCE_TYPES", "Rules", "check", "rules_of", "schema_of", "validator"]

RESOURCE_TYPES = {"OS::Glance::Image": "images"}
"""Artifact types by the names that resource types have elsewhere; every type is known by its own name, too."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Rules(Data):
    """What one namespace says by one association, prefix included.

    ``definitions`` are (name, definition), a name perhaps several times; ``required`` are (name, names of which any
    asks for it), with ``None`` for what is always asked for.
    """

    source: str
    definitions: tuple[tuple[str, Document], ...]
    required: tuple[tuple[str, frozenset[str] | None], ...]
    strings: bool = False


def rules_of(namespace: Namespace | Document, resource_type: str, *, strings: bool = False) -> Iterator[Rules]:
    """Yield what a namespace says about a resource type, once per association. Raises DefinitionError."""
    document = document_of(namespace) if isinstance(namespace, Namespace) else namespace
    check_document(document)
    names = {resource_type, RESOURCE_TYPES.get(resource_type, resource_type)}
    names |= {name for name, ours in RESOURCE_TYPES.items() if ours == resource_type}
    for each in document.get("resource_type_associations") or ():
        if each["name"] in names:
            yield _rules(document, each.get("prefix") or "", strings=strings)


def _rules(document: Document, prefix: str, *, strings: bool) -> Rules:
    own = [(prefix + name, each) for name, each in (document.get("properties") or {}).items()]
    always: list[tuple[str, frozenset[str] | None]] = [
        (name, None) for name, each in own if each.get("required") is True
    ]
    for group in document.get("objects") or ():
        inside = [(prefix + name, each) for name, each in (group.get("properties") or {}).items()]
        needed = [name for name, each in inside if each.get("required") is True]
        needed += [prefix + name for name in group.get("required") or ()]
        always += [(name, frozenset(name for name, _ in inside)) for name in dict.fromkeys(needed)]
        own += inside
    return Rules(document["namespace"], tuple(own), tuple(always), strings)


def validator(
    namespaces: Namespace | Document | Iterable[Namespace | Document],
    resource_type: str,
    *,
    strings: bool = False,
    additional: bool = True,
) -> Callable[[Mapping[str, Any]], None]:
    """Return a function that raises ValidationError where properties do not fit what namespaces say of a resource type.

    ``resource_type`` is a name as in associations, or one of our types; namespaces without such an association say
    nothing. ``strings`` lets texts stand for values, as in Glance; ``additional=False`` refuses properties that none
    of them defines. Required properties of an object are asked for where any property of that object is there.

    >>> check = validator(
    ...     {
    ...         "namespace": "OS::Demo",
    ...         "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
    ...         "properties": {"cores": {"type": "integer", "minimum": 1}},
    ...     },
    ...     "images",
    ... )
    >>> check({"hw_cores": 0})
    Traceback (most recent call last):
    metastore.errors.ValidationError: expected at least 1 at $.properties.hw_cores, got 0 (says OS::Demo)
    """
    rules = _all_rules(namespaces, resource_type, strings=strings)
    return lambda properties: check(rules, properties, additional=additional)


def _all_rules(namespaces: Any, resource_type: str, *, strings: bool = False) -> list[Rules]:
    several = [namespaces] if isinstance(namespaces, Namespace | dict) else namespaces
    return [rules for each in several for rules in rules_of(each, resource_type, strings=strings)]


def check(rules: Iterable[Rules], properties: Mapping[str, Any], *, additional: bool = True) -> None:
    """Raise ValidationError at the first property that does not fit, is missing, or is not allowed."""
    known: set[str] = set()
    for each in rules:
        try:
            _check_one(each, properties)
        except ValidationError as refused:
            raise ValidationError(f"{refused} (says {each.source})") from None
        known.update(name for name, _ in each.definitions)
    unknown = [] if additional else [name for name in properties if name not in known]
    if unknown:
        raise ValidationError(
            f"expected only properties that are defined, got one at {_place(unknown[0])}: {nearest(unknown[0], known)}"
        )


def _check_one(rules: Rules, properties: Mapping[str, Any]) -> None:
    for name, definition in rules.definitions:
        if name in properties:
            check_value(definition, properties[name], _place(name), strings=rules.strings)
    for name, triggers in rules.required:
        if name not in properties and (triggers is None or not triggers.isdisjoint(properties)):
            raise ValidationError(f"expected a value at {_place(name)}, got none")


def _place(name: str) -> str:
    return f"$.properties.{name}" if _PLAIN.fullmatch(name) else f"$.properties[{name!r}]"


def schema_of(
    namespaces: Namespace | Document | Iterable[Namespace | Document], resource_type: str, *, additional: bool = True
) -> Document:
    """Return the JSON Schema 2020-12 of the properties that `validator` accepts where texts do not stand for values."""
    rules = _all_rules(namespaces, resource_type)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": _properties(rules),
        "required": sorted({name for each in rules for name, triggers in each.required if triggers is None}),
        "dependentRequired": _dependent(rules),
        "additionalProperties": additional,
    }


def _properties(rules: Iterable[Rules]) -> Document:
    found: dict[str, list[Document]] = {}
    for each in rules:
        for name, definition in each.definitions:
            found.setdefault(name, []).append(property_schema(definition))
    return {name: every[0] if len(every) == 1 else {"allOf": every} for name, every in found.items()}


def _dependent(rules: Iterable[Rules]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for each in rules:
        for name, triggers in each.required:
            for trigger in triggers or ():
                found.setdefault(trigger, set()).add(name)
    return {trigger: sorted(names) for trigger, names in sorted(found.items())}

"""Namespaces applied to types: which they are is kept in the catalogue, so every writer holds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from metastore._artifact import Field, Record, field
from metastore._link import Link
from metastore.builtin.metadefs._check import Rules, check, rules_of
from metastore.builtin.metadefs._namespace import Namespace
from metastore.errors import NotFoundError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog

__all__ = ["Applied", "apply", "checker", "misfits", "withdraw"]

Checker = Callable[[Mapping[str, Any]], None]


class Applied(Record, type_name="metastore_applied", unique=("applied_to", "namespace")):
    """A namespace applied to a type: properties of its artifacts are held against it."""

    applied_to: Field[str] = field(max_length=64, index=True, description="Name of the type.")
    namespace: Field[Link[Namespace]] = field(description="What its properties are held against.")
    strings: Field[bool] = field(default=False, mutable=True, description="Whether texts may stand for values.")
    additional: Field[bool] = field(default=True, mutable=True, description="Whether it allows what nobody defines.")


def apply(
    catalog: Catalog, namespace: Namespace, type_name: str, *, strings: bool = False, additional: bool = True
) -> Applied:
    """Apply a namespace to a type: from now on, what is written must fit; what is stored already is left alone.

    A namespace applied before gets the options given. With ``additional=False`` a property must be defined by some
    namespace applied to the type. Raises ValidationError where the namespace has no association with the type,
    DefinitionError.
    """
    if not any(True for _ in rules_of(namespace, type_name)):
        known = ", ".join(each["name"] for each in namespace.resource_type_associations) or "none"
        raise ValidationError(f"{namespace.name} is not associated with {type_name}; its associations: {known}")
    wanted = Applied(applied_to=type_name, namespace=Link(namespace), strings=strings, additional=additional)
    return catalog.upsert(wanted)


def withdraw(catalog: Catalog, namespace: Namespace, type_name: str) -> None:
    """Apply a namespace to a type no longer. Raises NotFoundError where it was not applied."""
    with catalog.transaction():
        found = [each for each in _applied(catalog, type_name) if each.namespace.id == namespace.id]
        if not found:
            raise NotFoundError(f"{namespace.name} is not applied to {type_name}")
        catalog.delete(found[0])


def checker(catalog: Catalog, type_name: str) -> Checker | None:
    """Return what raises ValidationError for properties that do not fit what is applied to their type now.

    ``None`` where nothing is. Two statements where something is, else one. ``catalog`` is the owner's, for an applied
    namespace counts whether or not the writer may see it.
    """
    applied = _applied(catalog, type_name)
    if not applied:
        return None
    rules, additional = list(_rules(catalog, applied)), all(each.additional for each in applied)
    return lambda properties: check(rules, properties, additional=additional)


def misfits(catalog: Catalog, type: type[Record]) -> Iterator[tuple[Record, ValidationError]]:
    """Yield the stored artifacts of a type whose properties do not fit what is applied to it, with the reason."""
    check = checker(catalog, str(type.__type_name__))
    if check is None:
        return
    for artifact in catalog.find(type):
        try:
            check(artifact.properties)
        except ValidationError as refused:
            yield artifact, refused


def _applied(catalog: Catalog, type_name: str) -> list[Applied]:
    return list(catalog.find(Applied, Applied.applied_to == type_name))


def _rules(catalog: Catalog, applied: list[Applied]) -> Iterator[Rules]:
    options = {each.namespace.id: each for each in applied}
    for namespace in catalog.get_many(Namespace, options):
        one = options[namespace.id]
        yield from rules_of(namespace, one.applied_to, strings=one.strings)

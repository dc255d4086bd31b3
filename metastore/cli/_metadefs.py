"""Commands of metadata definitions: Glance's files in and out, and which types are held against them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metastore import Catalog
from metastore.cli import _output as output
from metastore.cli._fields import complete_type, spec_named
from metastore.cli._session import Group, opened
from metastore.errors import DefinitionError, UnknownTypeError

if TYPE_CHECKING:  # they load when a command of theirs runs: the others need not wait for them
    from metastore.builtin.metadefs import Namespace

__all__ = ["COMMANDS"]

NAMESPACE = click.argument("namespace")
TYPE = click.argument("type_name", metavar="TYPE", shell_complete=complete_type)


@click.group(cls=Group)
def metadefs() -> None:
    """Metadata definitions: which properties the artifacts of a type may carry, as Glance keeps them."""


@metadefs.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE | DIR...")
@click.option(
    "--mode", type=click.Choice(["skip", "merge", "prefer_new", "overwrite"]), default="skip",
    help="What becomes of a namespace that is there: left alone (skip), what it lacks is added (merge), what the file says "
    "is set (prefer_new), all of it is replaced (overwrite).",
)  # fmt: skip
def load(paths: tuple[Path, ...], mode: Any) -> None:
    """Load Glance's definition files, or every *.json of directories, all or none: what was done, namespace."""
    from metastore.builtin import metadefs as definitions

    _check_some(paths)
    done = definitions.load_definitions(opened(make=True), paths, mode=mode)
    said = (("added", done.added), ("changed", done.changed), ("kept", done.kept))
    output.rows(("done", "namespace"), ((what, name) for what, names in said for name in names))


def _check_some(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not any(path.glob("*.json")):
            raise DefinitionError(f"{path}: there is no *.json in it")


@metadefs.command("list")
def list_() -> None:
    """List the namespaces: name, properties, the types it is about, the types it is applied to."""
    from metastore.builtin.metadefs import Applied, Namespace

    catalog = opened()
    applied: dict[Any, list[str]] = {}
    for each in _stored(catalog, Applied, Applied.applied_to):
        applied.setdefault(each.namespace.id, []).append(each.applied_to)
    output.rows(
        ("namespace", "properties", "about", "applied_to"),
        (
            (each.name, _properties(each), _about(each), applied.get(each.id, []))
            for each in _stored(catalog, Namespace, Namespace.name)
        ),
    )


def _stored(catalog: Catalog, kind: type[Any], key: Any) -> list[Any]:
    """Return what there is of a type by its key; nothing where none of it was ever stored."""
    try:
        return catalog.find(kind, order_by=[key]).all()
    except UnknownTypeError:
        return []


def _properties(namespace: Namespace) -> int:
    within = sum(len(each.get("properties") or {}) for each in namespace.objects)
    return len(namespace.property_definitions) + within


def _about(namespace: Namespace) -> list[str]:
    return [each["name"] for each in namespace.resource_type_associations]


@metadefs.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
def write(folder: Path) -> None:
    """Write each namespace as a file to DIR, equal to the one it was loaded from; prints the files."""
    from metastore.builtin import metadefs as definitions

    output.lines(map(str, definitions.write_definitions(opened(), folder)), "file")


@metadefs.command()
@NAMESPACE
@TYPE
@click.option("--strings", is_flag=True, help="Texts may stand for numbers and truth values, as in Glance.")
@click.option("--closed", is_flag=True, help="Only properties that some applied namespace defines are allowed.")
def apply(namespace: str, type_name: str, strings: bool, closed: bool) -> None:
    """Hold what is written to TYPE from now on against NAMESPACE; tells what is stored already and does not fit."""
    from metastore.builtin import metadefs as definitions

    catalog = opened(write=True)
    spec_named(catalog, type_name)
    definitions.apply(catalog, _named(catalog, namespace), type_name, strings=strings, additional=not closed)
    found = definitions.misfits(catalog, catalog.artifact_type(type_name))
    output.rows(("misfit", "name", "reason"), ((each.id, getattr(each, "name", None), str(why)) for each, why in found))


@metadefs.command()
@NAMESPACE
@TYPE
def withdraw(namespace: str, type_name: str) -> None:
    """Hold TYPE against NAMESPACE no longer."""
    from metastore.builtin import metadefs as definitions

    catalog = opened(write=True)
    definitions.withdraw(catalog, _named(catalog, namespace), type_name)


def _named(catalog: Catalog, name: str) -> Namespace:
    from metastore.builtin.metadefs import Namespace

    return catalog.get(Namespace, name=name)


COMMANDS: tuple[click.Command, ...] = (metadefs,)

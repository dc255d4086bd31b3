"""Commands that read: types, find, show, count, facets, stats, check, schema, explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

import metastore
from metastore import Catalog, FieldSpec
from metastore.cli import _output as output
from metastore.cli._fields import (
    ANY,
    artifact_of,
    columns_of,
    complete_type,
    expression,
    order_of,
    spec_named,
    specs_of,
    type_named,
    uuid_of,
    value_at,
)
from metastore.cli._session import Command, asked, described, opened
from metastore.errors import ReadOnlyError

__all__ = ["COMMANDS", "FILTER", "TYPE", "where"]

AT_ONCE = 50
"""Artifacts that a terminal shows unless told otherwise; a pipe gets them all."""

TYPE = click.argument("type_name", metavar="TYPE", shell_complete=complete_type)
FILTER = click.argument("filter_", metavar="[FILTER]", required=False)
UNLISTED = click.option(
    "--unlisted", is_flag=True, help="Also what can be got and is not listed: hidden, community, shares not accepted."
)


def where(catalog: Catalog, type_name: str, text: str | None) -> list[Any]:
    """Return the predicates of a filter, none where there is no text."""
    if not text:
        return []
    # Over every type a filter can only ask for what all of them have, so each reads it alike.
    names = [spec.name for spec in catalog.types()][:1] if type_name == ANY else [type_name]
    return [catalog.parse(name, text) for name in names]


@click.command(cls=Command)
@click.argument("type_name", metavar="[TYPE]", required=False, shell_complete=complete_type)
def types(type_name: str | None) -> None:
    """List the types: name, artifacts, fields, description. With TYPE list its fields: name, kind, needed, description.

    With --builtin the built-in types are among them. A field is needed always, or for a state.
    """
    catalog = described()
    if type_name is not None:
        found = spec_named(catalog, type_name).fields
        rows = ((each.name, _kind(each), _needed(each), each.description) for each in found)
        output.rows(("field", "kind", "needed", "description"), rows)
        return
    stored = {spec.name for spec in catalog.types()}
    specs = [spec for name, spec in sorted(specs_of(catalog).items()) if not name.startswith("metastore_")]
    output.rows(
        ("type", "artifacts", "fields", "description"),
        (
            (
                spec.name,
                catalog.count(catalog.artifact_type(spec.name)) if spec.name in stored else 0,
                len(spec.fields),
                spec.description.partition("\n")[0],
            )
            for spec in specs
        ),
    )


def _kind(field: FieldSpec) -> str:
    inside = f" of {field.item.kind}" if field.item is not None else ""
    return f"{field.kind}{inside}" if not field.choices else "|".join(map(str, field.choices))


def _needed(field: FieldSpec) -> str | None:
    return "always" if field.required else ", ".join(field.required_for) or None


@click.command(cls=Command)
@TYPE
@FILTER
@click.option(
    "--order-by", metavar="KEYS", help="Sort keys with commas between, a minus for descending: -version,name."
)
@click.option("--limit", type=click.IntRange(min=0), help=f"At most so many; on a terminal {AT_ONCE} unless given.")
@click.option("--after", metavar="ID", help="Go on after this artifact, the last one of the page before.")
@click.option("--select", metavar="FIELDS", help="The fields to show, with commas between.")
@click.option("--latest", is_flag=True, help="Only the highest version of each name and owner.")
@UNLISTED
def find(
    type_name: str,
    filter_: str | None,
    order_by: str | None,
    limit: int | None,
    after: str | None,
    select: str | None,
    latest: bool,
    unlisted: bool,
) -> None:
    """Find artifacts of TYPE (any: of every type) for which FILTER holds, a condition in CQL2 text.

    \b
    metastore find images "min_ram <= 2048 AND tags_contain('lts')" --order-by name,-version
    """
    if after is not None and uuid_of(after) is None:
        raise click.UsageError(
            f"--after: expected the full id of the last artifact of the page before, found {after!r:.60}"
        )
    catalog = opened()
    kind = type_named(catalog, type_name)
    limit = AT_ONCE if limit is None and output.on_terminal() else limit
    found = catalog.find(
        kind, *where(catalog, type_name, filter_), order_by=order_of(catalog, type_name, order_by), limit=limit, after=after, latest=latest, unlisted=unlisted
    )  # fmt: skip
    more: list[Any] = []
    artifacts = found if limit is None else _page(found, more)
    _show(catalog, type_name, artifacts, select)
    if more:
        output.note(f"there are more: --after {more[0]}")


def _page(found: Any, more: list[Any]) -> Iterator[Any]:
    """Yield one page; where it is not the last one, put the id it ends with into ``more``."""
    page = found.page()
    yield from page.items
    if page.next is not None and page.items:
        more.append(page.items[-1].id)


def _show(catalog: Catalog, type_name: str, artifacts: Any, select: str | None) -> None:
    if select is None and asked("json"):
        for artifact in artifacts:
            click.echo(json.dumps(catalog.dump(artifact), ensure_ascii=False))
        return
    names = [each.strip() for each in select.split(",")] if select else columns_of(catalog, type_name)
    for name in (each for each in names if each != "type" or type_name != ANY):
        expression(catalog, type_name, name)
    output.rows(names, ([value_at(each, name) for name in names] for each in artifacts))


@click.command(cls=Command)
@click.argument("ref", nargs=-1, required=True, metavar="ID | TYPE NAME[@VERSION]", shell_complete=complete_type)
def show(ref: tuple[str, ...]) -> None:
    """Show one artifact, by its full id or by type, name and version (the latest without one)."""
    catalog = opened()
    artifact, rest = artifact_of(catalog, ref)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    shown(catalog, artifact)


def shown(catalog: Catalog, artifact: Any) -> None:
    """Show an artifact, field by field; what is empty only with ``--json``."""
    values = catalog.dump(artifact)
    if not asked("json"):
        values = {name: value for name, value in values.items() if value not in (None, [], {})}
    output.object_(values)


@click.command(cls=Command)
@TYPE
@FILTER
@UNLISTED
def count(type_name: str, filter_: str | None, unlisted: bool) -> None:
    """Count the artifacts of TYPE (any: of every type) for which FILTER holds."""
    catalog = opened()
    kind = type_named(catalog, type_name)
    found = catalog.find(kind, *where(catalog, type_name, filter_), unlisted=unlisted)
    output.lines([str(found.count())], "count")


@click.command(cls=Command)
@TYPE
@click.argument("fields", nargs=-1, required=True)
@click.option("--where", "filter_", metavar="FILTER", help="Only artifacts for which it holds.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many values of each field.")
def facets(type_name: str, fields: tuple[str, ...], filter_: str | None, limit: int | None) -> None:
    """Count how often each value of FIELDS occurs, the most frequent first."""
    catalog = opened()
    kind = type_named(catalog, type_name)
    found = catalog.find(kind, *where(catalog, type_name, filter_))
    rows = []
    for name in fields:
        (counts,) = found.facets(expression(catalog, type_name, name)).values()
        rows += [(name, value, number) for value, number in sorted(counts.items(), key=_by_count)[:limit]]
    output.rows(("field", "value", "count"), rows)


def _by_count(entry: tuple[Any, int]) -> tuple[int, str]:
    return -entry[1], output.cell(entry[0])


@click.command(cls=Command)
def stats() -> None:
    """Show figures of the catalogue and its store."""
    output.object_(opened().stats())


@click.command(cls=Command)
def check() -> int:
    """Audit every index and side table against the rows; exit code 1 if something disagrees."""
    try:
        found = opened().check()
    except ReadOnlyError:
        found = opened(write=True).check()  # some stores audit an index only where they may write
    output.lines(found, "problem")
    if not found:
        output.note("all is well")
    return 1 if found else 0


@click.command(cls=Command)
@TYPE
def schema(type_name: str) -> None:
    """Print the JSON Schema (2020-12) of TYPE."""
    spec = spec_named(described(), type_name)
    click.echo(json.dumps(metastore.json_schema(spec), ensure_ascii=False, indent=None if asked("json") else 2))


@click.command(cls=Command)
@TYPE
@FILTER
@click.option("--order-by", metavar="KEYS", help="Sort keys, as for find.")
@click.option("--limit", type=click.IntRange(min=0), help="As for find.")
def explain(type_name: str, filter_: str | None, order_by: str | None, limit: int | None) -> None:
    """Show how a find is answered: the statement, what is bound to it, and the plan."""
    catalog = opened()
    kind = type_named(catalog, type_name)
    order = order_of(catalog, type_name, order_by)
    told = catalog.find(kind, *where(catalog, type_name, filter_), order_by=order, limit=limit).explain()
    if asked("json"):
        output.object_({"sql": told.sql, "bindings": [repr(each) for each in told.bindings], "plan": told.plan})
        return
    bindings = ", ".join(repr(each) for each in told.bindings)
    output.lines([told.sql, f"bindings: {bindings}", "plan:", told.plan])


COMMANDS: tuple[click.Command, ...] = (types, find, show, count, facets, stats, check, schema, explain)

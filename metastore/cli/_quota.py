"""Commands of quotas: what is set, what is used of it, setting and dropping."""

from __future__ import annotations

from typing import Any

import click

from metastore.cli import _output as output
from metastore.cli._fields import complete_type
from metastore.cli._session import Group, caller, opened
from metastore.errors import NotFoundError, ValidationError, nearest

__all__ = ["COMMANDS"]

MEASURES = ("count", "bytes")
_SIZES = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

PROJECT = click.option("--project", metavar="PROJECT", help="Of this project; else of each that has no own.")
TYPE = click.option("--type", "kind", metavar="TYPE", shell_complete=complete_type, help="Of this type; else of all.")
EVERYBODY = click.option("--everybody", is_flag=True, help="Of the whole catalogue, all projects together.")


@click.group(cls=Group)
def quota() -> None:
    """How many artifacts, and how many bytes of their blobs, projects may hold."""


@quota.command()
@click.argument("project", required=False)
def show(project: str | None) -> None:
    """Show the quotas that apply to PROJECT (else the one that acts), each with what is used of it."""
    catalog = opened()
    if project is None and caller() is None:
        raise click.UsageError("say of which project: quota show PROJECT (quota list has all that are set)")
    columns = ("scope", "type", "measure", "limit", "used")
    found = catalog.quota_report(project)
    output.rows(columns, ((each.scope, each.kind, each.measure, each.limit, each.used) for each in found))
    if not found:
        output.note("no quota applies")


@quota.command("list")
def list_() -> None:
    """List the quotas that are set: whose, type, count, bytes; an empty number is unlimited."""
    found = opened().quotas()
    output.rows(("of", "type", *MEASURES), ((_whose(each), each.kind, each.count, each.bytes) for each in found))
    if not found:
        output.note("no quota is set")


def _whose(quota: Any) -> str:
    return "everybody" if quota.everybody else "each project" if quota.project is None else f"project {quota.project}"


@quota.command("set")
@click.argument("words", nargs=-1, required=True, metavar="count=NUMBER bytes=NUMBER")
@PROJECT
@TYPE
@EVERYBODY
def set_(words: tuple[str, ...], project: str | None, kind: str | None, everybody: bool) -> None:
    """Set a quota, in the place of the one of the same project and type.

    A number may end in k, M, G, T (thousands) or Ki, Mi, Gi, Ti; unlimited is what is left out.

    \b
    metastore quota set count=100 bytes=50G --project p1 --type images
    """
    limits = dict(map(_limit, words))
    if len(limits) < len(words):
        raise click.UsageError("each of count and bytes is given once")
    made = opened(make=True).set_quota(project, kind, everybody=everybody, **limits)
    output.rows(("of", "type", *MEASURES), [(_whose(made), made.kind, made.count, made.bytes)])


def _limit(word: str) -> tuple[Any, int | None]:
    name, sign, text = word.partition("=")
    if not sign:
        raise click.UsageError(f"expected count=NUMBER or bytes=NUMBER, found {word!r}")
    if name not in MEASURES:
        raise ValidationError(f"there is no quota {name!r}: {nearest(name, MEASURES)}")
    return name, None if text == "unlimited" else _number(name, text)


def _number(name: str, text: str) -> int:
    digits = text.rstrip("kKMGTi")
    factor = _SIZES.get(text[len(digits) :], 0 if len(text) > len(digits) else 1)
    try:
        number = int(digits) * factor
    except ValueError:
        number, factor = -1, 0
    if not factor or number < 0:
        raise ValidationError(
            f"{name}: expected a whole number, 0 or more, like 500 or 20G, or unlimited, found {text!r}"
        )
    return number


@quota.command()
@PROJECT
@TYPE
@EVERYBODY
def drop(project: str | None, kind: str | None, everybody: bool) -> None:
    """Take a quota away, so that the default holds again, or nothing."""
    if not opened(write=True).drop_quota(project, kind, everybody=everybody):
        who = "everybody" if everybody else "each project" if project is None else f"project {project}"
        raise NotFoundError(f"no quota of {who} and {kind or 'all types'} is set; quota list has those that are")


COMMANDS: tuple[click.Command, ...] = (quota,)

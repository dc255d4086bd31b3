"""What every command shares: the options that stand anywhere, the catalogue, and errors as exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from metastore import Catalog
from metastore.errors import (
    BackendError,
    ConflictError,
    MetastoreError,
    MissingExtraError,
    QueryError,
    UnknownFieldError,
    UnknownTypeError,
)

__all__ = ["EXIT_CODES", "Command", "Program", "asked", "exit_code", "opened", "url"]

EXIT_CODES = {
    0: "done",
    1: "refused: not found, a value that does not fit, a damaged line; or check found something",
    2: "usage: an unknown option, type or field, a filter with a mistake, a package that is missing",
    3: "conflict: the name and version are taken, or the artifact changed in the meantime",
    4: "the store: not there, busy, read-only, full, damaged, or no catalogue",
    70: "a mistake in metastore itself; --debug shows where",
    130: "interrupted",
    141: "the reader of the output went away",
}

_CODES: tuple[tuple[tuple[type[MetastoreError], ...], int], ...] = (
    ((QueryError, UnknownFieldError, UnknownTypeError, MissingExtraError), 2),
    ((ConflictError,), 3),
    ((BackendError,), 4),
)


def exit_code(error: MetastoreError) -> int:
    """Return the exit code of an error, as ``EXIT_CODES`` explains them."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), 1)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    if option.name and value not in (None, False):
        context.meta[f"metastore.{option.name}"] = value


def _shared(short: bool) -> list[click.Parameter]:
    """Return the options that every command takes; they may stand before its name or after it."""
    letters: dict[str, list[str]] = {"catalog": ["-c"], "quiet": ["-q"]} if short else {}
    told: Any = {"expose_value": False, "callback": _remember}
    return [
        click.Option(
            ["--catalog", *letters.get("catalog", ())], metavar="URL",
            help="The catalogue: a file, or an address. [METASTORE_CATALOG, else catalog.db]", **told,
        ),
        click.Option(["--json"], is_flag=True, help="JSON Lines instead of tables.", **told),
        click.Option(["--quiet", *letters.get("quiet", ())], is_flag=True, help="Say only what was asked for.", **told),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", **told),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the shared options; ``letters=False`` leaves their short forms to its arguments."""

    def __init__(self, *args: Any, letters: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _shared(letters)


class Program(click.Group):
    """The group of all commands: it turns errors into one sentence and an exit code."""

    command_class = Command

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _shared(short=True)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
            return ctx.exit(code if isinstance(code, int) else 0)
        except BrokenPipeError:
            _forget_output()
            ctx.exit(141)
        except KeyboardInterrupt:
            click.echo("metastore: interrupted", err=True)
            ctx.exit(130)
        except MetastoreError as error:
            _fail(ctx, str(error), exit_code(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            _fail(ctx, f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
        except Exception as error:  # noqa: BLE001 - the last one to hear of it: a sentence for the user, the traceback on request
            _fail(ctx, f"a mistake in metastore itself, {type(error).__name__}: {error}; --debug shows where", 70)


def _forget_output() -> None:
    """Send what is still buffered nowhere: Python would complain of the closed pipe at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    if asked("debug"):
        click.echo(traceback.format_exc(), err=True)
    click.echo(f"metastore: {message}", err=True)
    ctx.exit(code)


def asked(name: str) -> Any:
    """Return what was given for a shared option, ``None`` if it was not."""
    return click.get_current_context().meta.get(f"metastore.{name}")


def url() -> str:
    """Return the address of the catalogue that the commands work on."""
    return str(asked("catalog") or os.environ.get("METASTORE_CATALOG") or "catalog.db")


def opened(*, write: bool = False, types: Iterable[type[Any]] = ()) -> Catalog:
    """Open the catalogue for the running command, which closes it at its end; reading never makes a new one."""
    return click.get_current_context().with_resource(
        Catalog.open(url(), mode="rw" if write else "ro", types=types, actor=os.environ.get("USER"))
    )

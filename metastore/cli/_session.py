"""What every command shares: the options that stand anywhere, the catalogue, and errors as exit codes."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from metastore import Catalog, Policy, Principal, Protections, builtin, spec_of
from metastore.errors import (
    BackendError,
    CatalogUrlError,
    ConflictError,
    ForbiddenError,
    KeyTakenError,
    MetastoreError,
    MissingExtraError,
    PolicyFileError,
    QueryError,
    StoreDeniedError,
    StoreFullError,
    StoresFileError,
    StoreUnableError,
    StoreUnreachableError,
    TrustFileError,
    UncoveredError,
    UnknownFieldError,
    UnknownTypeError,
)

__all__ = [
    "EXIT_CODES", "Command", "Group", "Program", "as_caller", "asked", "caller", "complete_file", "described", "exit_code", "known", "opened", "policy_of", "printable", "say", "url"
]  # fmt: skip

EXIT_CODES = {
    0: "done",
    1: "refused: not found, a value that does not fit, a damaged line; or check found something",
    2: "usage: an unknown option, type or field, a filter or a file of rules with a mistake, a package that is missing",
    3: "conflict: a name, a state, a quota, a link or a protection stands against it, or it changed in the meantime",
    4: "the store, of the catalogue or of bytes: not there, busy, read-only, full, damaged, or no catalogue",
    5: "forbidden: the policy does not let the caller do that",
    70: "a mistake in metastore itself; --debug shows where",
    130: "interrupted",
    141: "the reader of the output went away",
    143: "asked to end (SIGTERM)",
}

_CODES: tuple[tuple[tuple[type[MetastoreError], ...], int], ...] = (
    (
        (
            QueryError,
            UnknownFieldError,
            UnknownTypeError,
            MissingExtraError,
            PolicyFileError,
            StoresFileError,
            TrustFileError,
        ),
        2,
    ),
    ((ConflictError, KeyTakenError), 3),
    ((BackendError, StoreDeniedError, StoreFullError, StoreUnableError, StoreUnreachableError, UncoveredError), 4),
    ((ForbiddenError,), 5),
)


def exit_code(error: MetastoreError) -> int:
    """Return the exit code of an error, as ``EXIT_CODES`` explains them."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), 1)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    if option.name and value not in (None, False, ()):
        context.meta[f"metastore.{option.name}"] = value


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def _shared(short: bool) -> list[click.Parameter]:
    """Return the options that every command takes; they may stand before its name or after it."""
    letters: dict[str, list[str]] = {"catalog": ["-c"], "quiet": ["-q"]} if short else {}
    told: Any = {"expose_value": False, "callback": _remember}
    return [
        click.Option(
            ["--catalog", *letters.get("catalog", ())], metavar="URL", shell_complete=complete_file,
            help="The catalogue: a file, or an address. [METASTORE_CATALOG, else catalog.db]", **told,
        ),
        click.Option(["--builtin"], is_flag=True, help="Know the built-in types: images, datasets and so on.", **told),
        click.Option(["--json"], is_flag=True, help="JSON Lines instead of tables.", **told),
        click.Option(["--quiet", *letters.get("quiet", ())], is_flag=True, help="Say only what was asked for.", **told),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", **told),
        click.Option(["--stores"], metavar="FILE", shell_complete=complete_file, help="The stores of bytes. [METASTORE_STORES]", **told),
        click.Option(["--trust"], metavar="FILE", shell_complete=complete_file, help="The keys that are trusted, and what must be signed. [METASTORE_TRUST]", **told),
        *_caller_options(told),
    ]  # fmt: skip


def _caller_options(told: Any) -> list[click.Parameter]:
    return [
        click.Option(["--as-user"], metavar="USER", help="Act as this user. [METASTORE_AS_USER]", **told),
        click.Option(["--as-project"], metavar="PROJECT", help="Act as this project. [METASTORE_AS_PROJECT]", **told),
        click.Option(
            ["--as-role"], metavar="ROLE", multiple=True,
            help="Act in this role; may be given again. [METASTORE_AS_ROLE, with commas between]", **told,
        ),
        click.Option(["--policy"], metavar="FILE", shell_complete=complete_file, help="Rules that bind who acts. [METASTORE_POLICY]", **told),
        click.Option(
            ["--protections"], metavar="FILE", shell_complete=complete_file, help="Protected properties and fields. [METASTORE_PROTECTIONS]", **told
        ),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the shared options; ``letters=False`` leaves their short forms to its arguments."""

    def __init__(self, *args: Any, letters: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _shared(letters)


class Group(click.Group):
    """Commands under one name, with the shared options."""

    command_class = Command

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params += _shared(short=True)


class Program(Group):
    """The group of all commands: it turns errors into one sentence and an exit code, and tells of them by ``sections``."""

    sections: Mapping[str, Sequence[click.Command]] = {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(str(each.name), each.get_short_help_str(60)) for each in commands])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])

    def main(self, *args: Any, **options: Any) -> Any:
        """Run it, and end in SystemExit; an interrupt counts as one wherever it strikes, also before a command begins and when it gives back what it held."""
        with _ending_in_order():
            self._run(*args, **options)

    def _run(self, *args: Any, **options: Any) -> NoReturn:
        try:
            sys.exit(super().main(*args, **{**options, "standalone_mode": False}))
        except click.ClickException as wrong:
            _show(wrong)
            sys.exit(wrong.exit_code)
        except click.Abort:
            say("metastore: interrupted")
            sys.exit(130)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Make it, which already writes what ``--help`` and ``--version`` ask for."""
        try:
            return super().make_context(*args, **options)
        except BrokenPipeError:
            _forget_unwritten(sys.stdout)
            sys.exit(141)
        except OSError as error:
            _forget_unwritten(sys.stdout)
            say(f"metastore: {_told(error)}")
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
            return ctx.exit(code if isinstance(code, int) else 0)
        except BrokenPipeError:
            _forget_unwritten(sys.stdout)
            ctx.exit(141)
        except KeyboardInterrupt:
            say("metastore: interrupted")
            ctx.exit(130)
        except MetastoreError as error:
            _fail(ctx, str(error), exit_code(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            _forget_unwritten(sys.stdout)
            _fail(ctx, _told(error), 1)
        except Exception as error:  # noqa: BLE001 - the last one to hear of it: a sentence for the user, the traceback on request
            _fail(ctx, f"a mistake in metastore itself, {type(error).__name__}: {error}; --debug shows where", 70)


def _show(wrong: click.ClickException) -> None:
    """Show a mistake in the call; click itself would write its words to the terminal as they were given."""
    text = io.StringIO()
    wrong.show(text)
    say(text.getvalue().expandtabs(8).rstrip("\n"))


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM end what runs as an error does, so that nothing half-written is left; where somebody else sees to the signal it stays theirs."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _forget_unwritten(stream: IO[str]) -> None:
    """Send nowhere what is still buffered and cannot be written: Python would complain of it at its end, and end in 120."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    if asked("debug"):
        say(traceback.format_exc())
    say(f"metastore: {message}")
    ctx.exit(code)


def _told(error: OSError) -> str:
    """Return a sentence of an error of the system, which names no file where the folder is gone that the process is in."""
    if not error.filename and _homeless():
        return "the folder that this was started in is gone: change to one that is there"
    return f"{error.filename or 'input or output'}: {error.strerror or error}"


def _homeless() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def say(text: str) -> None:
    """Tell a person something on standard error; that nobody reads it changes nothing of what was done, nor of the exit code."""
    with suppress(OSError):
        click.echo(printable(text), err=True)
    _forget_unwritten(sys.stderr)


def printable(text: str) -> str:
    """Return a text that cannot move the cursor of a terminal or change its colours."""
    return "".join(sign if sign.isprintable() or sign == "\n" else f"\\x{ord(sign):02x}" for sign in text)


def asked(name: str) -> Any:
    """Return what was given for a shared option, ``None`` if it was not."""
    return click.get_current_context().meta.get(f"metastore.{name}")


def url() -> str:
    """Return the address of the catalogue that the commands work on."""
    found = _given("catalog")
    return "catalog.db" if found is None else str(found)


def _given(name: str) -> Any:
    """Return what was given for an option, or stands for it in the environment; an empty word is none there only.

    So ``--as-project "$UNSET"`` is a mistake, and never the owner of the process.
    """
    value = asked(name)
    return os.environ.get(f"METASTORE_{name.upper()}") or None if value is None else value


def caller() -> Principal | None:
    """Return who acts; ``None`` for the owner of the process, as whom everything is done unless somebody is named."""
    user, project, roles = _given("as_user"), _given("as_project"), _given("as_role") or ()
    names = [each.strip() for each in roles.split(",")] if isinstance(roles, str) else roles
    return Principal(user, project, names) if (user, project, names) != (None, None, ()) else None


def opened(*, write: bool = False, make: bool = False, types: Iterable[type[Any]] = (), owner: bool = False) -> Catalog:
    """Open the catalogue for the running command, which closes it at its end; where there is none, only ``make`` makes a new one.

    It is as who acts sees it, unless it is asked for as the ``owner`` of the process has it.
    """
    if not make:
        _check_there()
    files: dict[str, Any] = {"policy": _policy(), "protections": _protections(), "stores": _stores(), "trust": _trust()}
    mode: Any = "rw" if write or make else "ro"
    if write:
        Catalog.open(url(), mode="ro").close()  # a mistyped address is none of a new catalogue
    catalog = click.get_current_context().with_resource(
        Catalog.open(
            url(), mode=mode, types=(*types, *(known() if mode == "rw" else ())), actor=os.environ.get("USER"), **files
        )
    )
    return catalog if owner else as_caller(catalog)


def _check_there() -> None:
    """Say what to do where nobody named a catalogue and there is none of the usual name. Raises CatalogUrlError."""
    if _given("catalog") is None and not os.path.lexists(url()) and not _homeless():
        raise CatalogUrlError(
            f"there is no catalogue {url()} in this folder: name one by --catalog or METASTORE_CATALOG, or make one by scan, add or import"
        )


def described(*, owner: bool = False) -> Catalog:
    """Open the catalogue to tell of types; where there is none the built-in ones, asked for, can be told of all the same."""
    try:
        return opened(owner=owner)
    except CatalogUrlError:
        if not asked("builtin"):
            raise
        return click.get_current_context().with_resource(Catalog.open("memory:"))


def as_caller(catalog: Catalog) -> Catalog:
    """Return the catalogue as who acts sees it."""
    principal = caller()
    return catalog if principal is None else catalog.as_(principal)


def known() -> list[type[Any]]:
    """Return the built-in types, where they were asked for."""
    if not asked("builtin"):
        return []
    return list(builtin.types())


def policy_of() -> Policy:
    """Return the policy in force."""
    return _policy() or Policy.default()


def _policy() -> Policy | None:
    path = _given("policy")
    return None if path is None else Policy.from_file(path, actions=_actions())


def _actions() -> set[str]:
    """Return the actions of the life cycles that the catalogue has, for rules of their names; none where there is no catalogue."""
    built_in = {action for each in known() for action in spec_of(each).lifecycle.actions}
    try:
        with Catalog.open(url(), mode="ro") as catalog:
            return {action for spec in catalog.types() for action in spec.lifecycle.actions} | built_in
    except CatalogUrlError:
        return built_in


def _protections() -> Protections | None:
    path = _given("protections")
    return None if path is None else Protections.from_file(path)


def _stores() -> Any:
    path = _given("stores")
    if path is None:
        return None
    from metastore.stores import Stores

    return Stores.from_file(path)


def _trust() -> Any:
    path = _given("trust")
    if path is None:
        return None
    from metastore.signatures import Trust

    return Trust.from_file(path)

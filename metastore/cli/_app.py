"""The program: every command under one name."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from metastore.cli import (
    _bytes,
    _closure,
    _exchange,
    _gc,
    _govern,
    _metadefs,
    _migrate,
    _mirror,
    _moving,
    _policy,
    _quota,
    _read,
    _scan,
    _sign,
    _write,
)
from metastore.cli._session import Command, Program

__all__ = ["program"]


@click.group(cls=Program, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(package_name="metastore-engine", prog_name="metastore")
def program() -> None:
    """A catalogue of artifacts in one file: scan, find, show, change, carry elsewhere.

    Results are tables on a terminal, tab-separated lines in a pipe, JSON Lines with --json; everything else goes to standard error.
    """


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(metastore completion bash)"       in ~/.bashrc
    zsh:   eval "$(metastore completion zsh)"        in ~/.zshrc
    fish:  metastore completion fish | source        in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(program, {}, "metastore", "_METASTORE_COMPLETE").source())


program.sections = {
    "Ask": [*_read.COMMANDS, *_closure.COMMANDS],
    "Fill and change": [*_scan.COMMANDS, *_write.COMMANDS],
    "Bytes": [*_bytes.COMMANDS, *_mirror.COMMANDS, *_gc.COMMANDS, *_sign.COMMANDS],
    "Decide over artifacts": _govern.COMMANDS,
    "Rules": [*_policy.COMMANDS, *_quota.COMMANDS, *_metadefs.COMMANDS],
    "Carry elsewhere, and the shell": [*_exchange.COMMANDS, *_moving.COMMANDS, *_migrate.COMMANDS, completion],
}
for _commands in program.sections.values():
    for _command in _commands:
        program.add_command(_command)

"""Commands of signatures: sign, signatures."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, complete_type
from metastore.cli._session import Command, asked, opened
from metastore.cli._write import REF
from metastore.errors import SignatureError, ValidationError

__all__ = ["COMMANDS"]

COLUMNS = ("signature", "result", "key", "covers", "reason")
ONE = click.argument("words", nargs=-1, required=True, metavar=REF, shell_complete=complete_type)


def _artifact(catalog: Any, words: tuple[str, ...]) -> Any:
    artifact, rest = artifact_of(catalog, words)
    if rest:
        raise click.UsageError(f"one artifact at a time; what is {rest[0]!r}?")
    return artifact


@click.command(cls=Command)
@ONE
@click.option("--key", "path", metavar="FILE", help="The private key, in PEM.")
@click.option("--key-env", "variable", metavar="NAME", help="The variable of the environment that holds it.")
@click.option("--password-env", "password", metavar="NAME", help="The variable that holds the password of the key.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="What is signed of it besides its bytes, type, id, name and version; may be given again. [what its type demands, and fields of its own that do not change]")  # fmt: skip
@click.option("--statement", is_flag=True, help="Print what would be signed, for a key that is elsewhere, and sign nothing.")  # fmt: skip
@click.option("--signed", type=click.File(encoding="utf-8"), metavar="FILE", help="Keep this envelope or bundle, which was made elsewhere.")  # fmt: skip
def sign(
    words: tuple[str, ...], path: str | None, variable: str | None, password: str | None, fields: tuple[str, ...], statement: bool, signed: Any
) -> None:  # fmt: skip
    """Sign the bytes of an artifact and what is said of it, and print the id of the signature. The key stays where it is.

    \b
    metastore sign images debian@12.4.0 --key release.pem
    """
    if (path, variable, statement or None, signed).count(None) != 3:
        raise click.UsageError("say how: --key FILE, --key-env NAME, --statement, or --signed FILE")
    catalog = opened(write=not statement)
    artifact = _artifact(catalog, words)
    if statement:
        click.echo(catalog.statement(artifact, fields or None), nl=False)
    elif signed is not None:
        output.lines([str(catalog.add_signature(artifact, _text(signed)).id)], "signature")
    else:
        made = catalog.sign(artifact, _signer(path, variable, password), fields or None)
        output.lines([str(made.id)], "signature")


def _text(file: Any) -> str:
    try:
        return str(file.read())
    except UnicodeDecodeError:
        raise ValidationError(
            f"expected {file.name} as an envelope or a bundle, JSON in UTF-8; it is no text"
        ) from None


def _signer(path: str | None, variable: str | None, password: str | None) -> Any:
    from metastore.signatures import Signer
    from metastore.stores import FromEnv

    opens = None if password is None else FromEnv(password)
    return Signer.from_env(variable, opens) if variable is not None else Signer.from_file(str(path), opens)


@click.command(cls=Command)
@ONE
@click.option("--drop", type=click.UUID, metavar="SIGNATURE", help="Take this signature away.")
def signatures(words: tuple[str, ...], drop: UUID | None) -> int:
    """List the signatures of an artifact and what each is worth. Exit code 1 if it is not signed as its type demands.

    Whom to believe, and what a type demands, is told by --trust FILE; a type of which it says nothing demands one good signature of every blob.
    """
    catalog = opened(write=drop is not None)
    artifact = _artifact(catalog, words)
    if drop is not None:
        catalog.drop_signature(artifact, drop)
        return 0
    found = catalog.signatures(artifact)
    more = ("envelope",) if asked("json") else ()
    output.rows((*COLUMNS, *more), ([getattr(each, name) for name in (*COLUMNS, *more)] for each in found))
    try:
        catalog.check_signatures(artifact)
    except SignatureError as refused:
        output.note(str(refused))
        return 1
    return 0


COMMANDS: tuple[click.Command, ...] = (sign, signatures)

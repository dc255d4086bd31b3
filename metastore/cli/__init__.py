"""The command line of metastore, on the front door only: ``metastore --help``.

click and rich are the optional extra ``cli``; importing this needs neither.
"""

import codecs
import io
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments``, those of the process unless given; ends in SystemExit with its exit code."""
    try:
        _prepare_streams()
        _run(arguments)
    except KeyboardInterrupt:  # while all of it is imported
        sys.stderr.write("metastore: interrupted\n")
        sys.exit(130)


def _prepare_streams() -> None:
    """Put nothing in the places of standard streams that are closed, and have standard output escape what its encoding lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, closefd=False))  # noqa: SIM115 - to the end
    codecs.register_error("metastore.escaped", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="metastore.escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Return what cannot be encoded as JSON writes it in ASCII, so that a line of JSON stays one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    import json

    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _run(arguments: Sequence[str] | None) -> None:
    try:
        from metastore.cli._app import program
    except ImportError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write(
            f"metastore: the command line needs the package {missing.name!r}: pip install 'metastore-engine[cli]'\n"
        )
        sys.exit(2)
    program.main(arguments, prog_name="metastore")

"""The command line of metastore, on the front door only: ``metastore --help``.

click and rich are the optional extra ``cli``; importing this needs neither.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments``, those of the process unless given; ends in SystemExit with its exit code."""
    try:
        _run(arguments)
    except KeyboardInterrupt:  # while all of it is imported
        sys.stderr.write("metastore: interrupted\n")
        sys.exit(130)


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

"""The command ``metastore``: it imports the program, which takes a moment, where Ctrl-C already is what it is later.

It stands beside the engine, as whatever stands in a package imports all of that first.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line with the arguments of the process; ends in SystemExit with its exit code."""
    try:
        from metastore.cli import main as program

        program()
    except KeyboardInterrupt:
        sys.stderr.write("metastore: interrupted\n")
        sys.exit(130)

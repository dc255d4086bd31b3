"""Scanners: they find what is there, and the catalogue is brought up to date with it.

``run(catalog, open_scanner("python"))`` is what ``metastore scan python`` does.
"""

from metastore.scan._contract import Found, Known, Options, Problem, Scanned, Scanner, Summarised
from metastore.scan._engine import ProblemGroup, Report, run
from metastore.scan._plugins import open_scanner, scanners

__all__ = [
    "Found",
    "Known",
    "Options",
    "Problem",
    "ProblemGroup",
    "Report",
    "Scanned",
    "Scanner",
    "Summarised",
    "open_scanner",
    "run",
    "scanners",
]

"""Moving a catalogue to another store: copy it, compare the two. How a cloud does that is told in ``docs/moving.md``."""

from metastore._comparing import compare
from metastore._copying import Copied, copy
from metastore._difference import Comparison, Difference

__all__ = ["Comparison", "Copied", "Difference", "compare", "copy"]

"""What a catalogue keeps of signatures: the texts as they came, as a type of the engine's own.

So they have a history, go with the artifact that they sign, are in every dump, and change nothing of the artifact.
"""

from __future__ import annotations

from metastore._artifact import Field, Record, field
from metastore._link import Link

__all__ = ["KEPT", "SIGNATURES", "Signature"]

SIGNATURES = "metastore_signatures"
"""The type of the engine's own in which signatures are kept."""
LONGEST = 4 * 2**20


class Signature(Record, type_name=SIGNATURES, unique=("artifact", "envelope")):
    """One signature of one artifact, as text; what it is worth is asked anew each time (`Catalog.signatures`)."""

    artifact: Field[Link[Record]] = field(on_delete="cascade", description="What is signed.")
    envelope: Field[str] = field(max_length=LONGEST, description="A DSSE envelope or a sigstore bundle, as JSON.")


KEPT: dict[str, type[Record]] = {SIGNATURES: Signature}
"""The classes by the names of their types."""

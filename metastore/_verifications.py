"""What the engine remembers of the bytes behind blobs, for a while: when a place was verified, and what a store can do.

Kept as types of its own, like memberships, so that every backend keeps them. They are operational: no revision of an artifact comes
of them, and they are in no dump.
"""

from __future__ import annotations

from datetime import datetime

from metastore._artifact import Field, Record, field
from metastore._link import Link
from metastore._results import Result

__all__ = ["KEPT", "Probe", "Verification"]


class Verification(Record, type_name="metastore_verifications", unique=("artifact", "blob", "part", "url")):
    """What came of reading one place of one blob: ``result``, when, and what was found there."""

    artifact: Field[Link[Record]] = field(on_delete="cascade", description="Whose blob.")
    blob: Field[str] = field(max_length=63, description="The field that holds the blob.")
    part: Field[str | None] = field(default=None, description="The name in a folder.")
    url: Field[str] = field(max_length=2048, description="The place that was read.")
    result: Field[Result] = field(mutable=True, index=True, description="What came of it.")
    checked_at: Field[datetime] = field(mutable=True, index=True, description="When it was read to the end.")
    size: Field[int | None] = field(default=None, ge=0, mutable=True, unit="bytes", description="Bytes found.")
    proof: Field[str | None] = field(default=None, mutable=True, description="Digest found, as sha256:….")
    mark: Field[str | None] = field(
        default=None, mutable=True, description="What the store told of it: an ETag or time."
    )
    reason: Field[str | None] = field(default=None, mutable=True, description="Why not, where it is not ok.")


class Probe(Record, type_name="metastore_probes", unique=("store",)):
    """What a store was seen to do: each was tried once, the refusals with a deliberately wrong checksum or name."""

    store: Field[str] = field(max_length=63, description="Name of the store.")
    url: Field[str] = field(max_length=2048, mutable=True, description="Its url when it was tried.")
    probed_at: Field[datetime] = field(mutable=True, description="When it was tried.")
    reads: Field[bool] = field(default=False, mutable=True, description="What was written is read back.")
    writes: Field[bool] = field(default=False, mutable=True, description="It takes objects.")
    create_only: Field[bool] = field(default=False, mutable=True, description="It refuses a key that is taken.")
    ranges: Field[bool] = field(default=False, mutable=True, description="It gives exactly the range asked for.")
    parts: Field[bool] = field(default=False, mutable=True, description="It takes objects in parts.")
    signs: Field[bool] = field(default=False, mutable=True, description="It signs urls, and they work.")
    binds_sha256: Field[bool] = field(default=False, mutable=True, description="A signed upload refuses other bytes.")
    binds_size: Field[bool] = field(default=False, mutable=True, description="A signed upload refuses another size.")
    binds_create: Field[bool] = field(default=False, mutable=True, description="A signed upload refuses a taken key.")
    tells_sha256: Field[bool] = field(default=False, mutable=True, description="It tells the SHA-256 of what it holds.")
    reason: Field[str | None] = field(default=None, mutable=True, description="What stood against the rest.")


KEPT: dict[str, type[Record]] = {"metastore_verifications": Verification, "metastore_probes": Probe}
"""The classes by the names of their types."""

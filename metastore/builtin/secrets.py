"""Secrets: keys, certificates, passphrases. The catalogue carries a reference, never the bytes.

The type is given on request only (``builtin.types("secrets")``). Declare no digest for a payload that could be guessed:
whoever may read the reference could try passphrases against it.
"""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob

__all__ = ["Secret"]


class Secret(Artifact, type_name="secrets"):
    """Secrets"""

    payload: Field[Blob | None] = field(
        default=None, required_for="active", description="Where a secret store keeps it; the bytes are never here."
    )
    payload_content_encoding: Field[str | None] = field(
        default=None, choices=("base64",), description="How the payload is encoded."
    )
    secret_type: Field[str] = field(
        default="opaque",
        choices=("symmetric", "public", "private", "passphrase", "certificate", "opaque"),
        index=True,
        description="What kind of secret it is.",
    )
    algorithm: Field[str | None] = field(
        default=None, max_length=255, index=True, description="Algorithm it is meant for."
    )
    bit_length: Field[int | None] = field(default=None, ge=1, index=True, unit="bits", description="Length of the key.")
    mode: Field[str | None] = field(default=None, max_length=255, index=True, description="Mode of the algorithm.")

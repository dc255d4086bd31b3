"""Heat environments: values for the parameters of templates."""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob

__all__ = ["HeatEnvironment"]


class HeatEnvironment(Artifact, type_name="heat_environments"):
    """Heat Environments"""

    environment: Field[Blob | None] = field(
        default=None, required_for="active", description="The environment file, YAML."
    )

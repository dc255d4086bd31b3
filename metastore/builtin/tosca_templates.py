"""TOSCA templates: topologies of cloud applications."""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob

__all__ = ["ToscaTemplate"]


class ToscaTemplate(Artifact, type_name="tosca_templates"):
    """TOSCA Templates"""

    template: Field[Blob | None] = field(
        default=None, required_for="active", description="The template, or an archive of it."
    )
    template_format: Field[str | None] = field(
        default=None,
        max_length=255,
        index=True,
        required_for="active",
        description="Format of the template, such as yaml or csar.",
    )

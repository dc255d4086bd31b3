"""Heat templates, with the templates nested in them and the environments made for them."""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link
from metastore.builtin.heat_environments import HeatEnvironment

__all__ = ["HeatTemplate"]


class HeatTemplate(Artifact, type_name="heat_templates"):
    """Heat Templates"""

    template: Field[Blob | None] = field(default=None, required_for="active", description="The template, YAML.")
    nested_templates: Field[dict[str, Blob]] = field(
        factory=dict, required_for="active", description="Templates it includes, by the name it uses."
    )
    environments: Field[list[Link[HeatEnvironment]]] = field(
        factory=list, required_for="active", mutable=True, description="Environments made for it."
    )
    environment_names: Field[list[str]] = field(
        factory=list, mutable=True, description="What it calls each of its environments, in their order."
    )
    default_envs: Field[dict[str, str]] = field(
        factory=dict, required_for="active", mutable=True, description="Values used where no environment says one."
    )

"""Container images as OCI registries keep them: a manifest by its digest, or an index of several.

``name`` is the repository, ``version`` the tag it was catalogued under; further tags are in ``tags``.
"""

from __future__ import annotations

from datetime import datetime

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link

__all__ = ["ContainerImage"]


class ContainerImage(
    Artifact, type_name="container_images", unique=("registry", "name", "manifest_digest"), scheme="opaque"
):
    """Container images"""

    registry: Field[str] = field(default="", max_length=255, index=True, description="Host it is pulled from.")
    manifest_digest: Field[str] = field(
        max_length=255,
        pattern="[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+",
        index=True,
        description="Digest of its manifest, as sha256:…",
    )
    media_type: Field[str] = field(
        default="application/vnd.oci.image.manifest.v1+json",
        max_length=255,
        index=True,
        description="Media type of its manifest or index.",
    )
    artifact_type: Field[str | None] = field(
        default=None, max_length=255, index=True, description="Media type of what it holds, where it is no image."
    )
    os: Field[str | None] = field(default=None, max_length=64, index=True, description="Operating system, as linux.")
    architecture: Field[str | None] = field(
        default=None, max_length=64, index=True, description="Architecture by its Go name, as amd64."
    )
    variant: Field[str | None] = field(default=None, max_length=64, description="Variant of the architecture, as v8.")
    built_at: Field[datetime | None] = field(default=None, index=True, description="When it was built.")
    labels: Field[dict[str, str]] = field(factory=dict, description="Labels of its configuration.")
    annotations: Field[dict[str, str]] = field(factory=dict, description="Annotations of its manifest.")
    base: Field[Link[ContainerImage] | None] = field(default=None, description="Image it was built on.")
    manifests: Field[list[Link[ContainerImage]]] = field(
        factory=list, description="Images of an index, one per platform."
    )
    manifest: Field[Blob | None] = field(default=None, description="The manifest or index itself.")
    config: Field[Blob | None] = field(default=None, description="The configuration.")
    layers: Field[dict[str, Blob]] = field(factory=dict, description="Layers by digest; the manifest says their order.")

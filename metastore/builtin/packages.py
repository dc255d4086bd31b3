"""Software packages of any ecosystem, by the parts of a package URL (purl)."""

from __future__ import annotations

from datetime import datetime

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link

__all__ = ["Package"]


class Package(
    Artifact,
    type_name="packages",
    unique=("ecosystem", "namespace", "name", "version", "architecture"),
    scheme="opaque",
):
    """Packages"""

    ecosystem: Field[str] = field(
        max_length=64, pattern="[a-z][a-z0-9.-]*", index=True, description="Type of its purl, as pypi, npm, deb, oci."
    )
    namespace: Field[str | None] = field(
        default=None, max_length=255, index=True, description="Vendor, group or scope the name belongs to."
    )
    architecture: Field[str | None] = field(
        default=None, max_length=64, index=True, description="Architecture it is built for; none for any."
    )
    summary: Field[str | None] = field(default=None, max_length=512, search=2, description="What it is, in one line.")
    license: Field[str | None] = field(
        default=None, max_length=255, index=True, description="SPDX identifier or expression."
    )
    homepage: Field[str | None] = field(default=None, max_length=2048, description="Where people read on.")
    repository: Field[str | None] = field(default=None, max_length=2048, description="Where its source is kept.")
    maintainers: Field[list[str]] = field(factory=list, index=True, description="Who cares for it.")
    released_at: Field[datetime | None] = field(default=None, index=True, description="When it was released.")
    requires: Field[list[str]] = field(factory=list, description="What it needs, in the words of its ecosystem.")
    dependencies: Field[list[Link[Package]]] = field(factory=list, description="Packages here that it needs.")
    files: Field[dict[str, Blob]] = field(factory=dict, description="What is installed or built from, by file name.")

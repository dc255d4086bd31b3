"""Murano packages: applications and libraries of a catalogue.

Glare's field ``type`` is `package_type` here: under the key ``type`` a dump says which artifact type it is.
"""

from __future__ import annotations

from metastore._artifact import Artifact, Field, field
from metastore._blob import Blob
from metastore._link import Link

__all__ = ["MuranoPackage"]


class MuranoPackage(Artifact, type_name="murano_packages"):
    """Murano packages"""

    package: Field[Blob | None] = field(default=None, max_size=104_857_600, description="The package, a zip archive.")
    package_type: Field[str] = field(
        default="Application",
        choices=("Application", "Library"),
        index=True,
        required_for="active",
        description="What it is: something to run, or something to build on.",
    )
    display_name: Field[str | None] = field(
        default=None,
        max_length=255,
        index=True,
        search=3,
        mutable=True,
        required_for="active",
        description="Its name as people read it.",
    )
    categories: Field[list[str]] = field(
        factory=list, index=True, mutable=True, required_for="active", description="Shelves it stands on."
    )
    class_definitions: Field[list[str]] = field(
        factory=list, index=True, unique_items=True, required_for="active", description="Classes it defines."
    )
    inherits: Field[dict[str, str]] = field(
        factory=dict, required_for="active", description="Class it derives from, by its own class."
    )
    keywords: Field[list[str]] = field(
        factory=list, index=True, search=2, mutable=True, required_for="active", description="Words to find it by."
    )
    dependencies: Field[list[Link[MuranoPackage]]] = field(factory=list, description="Packages it needs.")

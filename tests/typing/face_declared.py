"""The types that the right and the wrong lines speak of."""

from typing import Literal

from metastore import Artifact, Blob, Field, Link, Version, field


class Mixin(Artifact):
    vendor: Field[str | None] = field(default=None)


class Image(Mixin, type_name="images"):
    os_distro: Field[str] = field(index=True, max_length=64, folded=True)
    arch: Field[Literal["x86_64", "aarch64"]] = field(index=True)
    min_ram: Field[int] = field(default=0, ge=0, unit="MiB", mutable=True)
    load: Field[float | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None, required_for="active")
    layers: Field[dict[str, Blob]] = field(factory=dict)
    limits: Field[dict[str, int]] = field(factory=dict)
    needs: Field[Version | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)
    sources: Field[list[Link["Image"]]] = field(factory=list)

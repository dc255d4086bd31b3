"""Disk images as Glance and Glare know them.

What they show and the blob says is no field of its own: ``size`` is ``image.size``, ``checksum`` the blob's ``md5``,
``os_hash_algo`` and ``os_hash_value`` another of its digests, ``os_hidden`` the system field ``hidden``.
"""

from __future__ import annotations

from uuid import UUID

from metastore._artifact import Field, Record, field
from metastore._blob import Blob
from metastore._lifecycle import IMAGES

__all__ = ["CONTAINER_FORMATS", "DISK_FORMATS", "Image"]

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "gpt")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
_MOST = 2**31 - 1


_BOTH = ("saving", "importing", "active")
"""States that Glance enters with both formats known, and not without."""

_RULES = {
    "create": "add_image",
    "get": "get_image",
    "update": "modify_image",
    "delete": "delete_image",
    **dict.fromkeys(("save", "stage", "import", "activate", "requeue"), "upload_image"),
    **dict.fromkeys(("unpublish", "share", "unshare", "hide", "protect", "expire"), "modify_image"),
    "publish": "publicize_image",
    "communitize": "communitize_image",
    "download": "download_image",
    "upload": "upload_image",
    "set_location": "set_image_location",
    "delete_blob": "delete_image_location",
    "copy_blob": "copy_image",
    "deactivate": "deactivate",
    "reactivate": "reactivate",
    "add_member": "add_member",
    "get_member": "get_member",
    "get_members": "get_members",
    "modify_member": "modify_member",
    "delete_member": "delete_member",
}


class Image(Record, type_name="images", unique=(), lifecycle=IMAGES, rules=_RULES):
    """Images"""

    name: Field[str | None] = field(
        default=None, max_length=255, folded=True, search=4, mutable=True, description="What people call it."
    )
    disk_format: Field[str | None] = field(
        default=None, choices=DISK_FORMATS, index=True, required_for=_BOTH, description="Format of the disk inside."
    )
    container_format: Field[str | None] = field(
        default=None,
        choices=CONTAINER_FORMATS,
        index=True,
        required_for=_BOTH,
        description="Format of what holds the disk; bare for none.",
    )
    min_disk: Field[int] = field(
        default=0, ge=0, le=_MOST, index=True, mutable=True, unit="GB", description="Disk needed to boot it."
    )
    min_ram: Field[int] = field(
        default=0, ge=0, le=_MOST, index=True, mutable=True, unit="MB", description="Memory needed to boot it."
    )
    virtual_size: Field[int | None] = field(
        default=None, ge=0, unit="bytes", description="Size of the disk as a guest sees it."
    )
    image: Field[Blob | None] = field(default=None, max_size=1_099_511_627_776, description="The data.")
    kernel_id: Field[UUID | None] = field(default=None, mutable=True, description="Image to use as kernel.")
    ramdisk_id: Field[UUID | None] = field(default=None, mutable=True, description="Image to use as ramdisk.")
    instance_uuid: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="Server it is a snapshot of."
    )
    architecture: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="Architecture of its programs."
    )
    os_distro: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="Operating system, by its common name."
    )
    os_version: Field[str | None] = field(
        default=None, max_length=255, index=True, mutable=True, description="Its version, as the distributor says it."
    )
    cinder_encryption_key_id: Field[str | None] = field(
        default=None, max_length=255, mutable=True, description="Name of the key its volume is encrypted with."
    )
    cinder_encryption_key_deletion_policy: Field[str | None] = field(
        default=None,
        choices=("on_image_deletion", "do_not_delete"),
        mutable=True,
        description="Whether that key goes with the image.",
    )

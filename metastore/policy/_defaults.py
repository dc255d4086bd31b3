"""The rules there are, by the names they have in Glare and in Glance, with their defaults.

``artifact:…`` up to the quotas, and the two helpers, are Glare's; ``OURS`` are for what Glare cannot do; the rest
are Glance's, those of its cache and tasks too, so that a policy file made for Glance loads as it is.
Source: glare/common/policy.py of 5.0.1, glance/policies of 33.0.0.
"""

from __future__ import annotations

__all__ = ["RULES"]

_ADMIN = "rule:context_is_admin"
_OWNER = "rule:admin_or_owner"
_ADMIN_IF_PUBLIC = "'public':%(visibility)s and rule:context_is_admin or not 'public':%(visibility)s"
_ADMIN_IF_DEACTIVATED = "'deactivated':%(status)s and rule:context_is_admin or not 'deactivated':%(status)s"

GLARE = {
    "context_is_admin": "role:admin",
    "admin_or_owner": "rule:context_is_admin or project_id:%(owner)s",
    "artifact:type_list": "",
    "artifact:create": "",
    "artifact:get": "",
    "artifact:list": "",
    "artifact:get_any_artifact": _ADMIN,
    "artifact:list_all_artifacts": _ADMIN,
    "artifact:update_public": _ADMIN_IF_PUBLIC,
    "artifact:update": f"{_OWNER} and rule:artifact:update_public",
    "artifact:activate": _OWNER,
    "artifact:reactivate": _ADMIN,
    "artifact:deactivate": _ADMIN,
    "artifact:publish": _ADMIN,
    "artifact:delete_public": _ADMIN_IF_PUBLIC,
    "artifact:delete_deactivated": _ADMIN_IF_DEACTIVATED,
    "artifact:delete": f"{_OWNER} and rule:artifact:delete_public and rule:artifact:delete_deactivated",
    "artifact:set_location": _OWNER,
    "artifact:set_internal_location": _ADMIN,
    "artifact:upload": _OWNER,
    "artifact:delete_blob": _OWNER,
    "artifact:download_deactivated": _ADMIN_IF_DEACTIVATED,
    "artifact:download": f"{_OWNER} and rule:artifact:download_deactivated",
    "artifact:download_from_any_artifact": _ADMIN,
    "artifact:set_quotas": _ADMIN,
    "artifact:list_all_quotas": _ADMIN,
    "artifact:list_project_quotas": f"project_id:%(project_id)s or {_ADMIN}",
}

OURS = {
    "artifact:unpublish": _ADMIN,
    "artifact:communitize": _OWNER,
    "artifact:share": _OWNER,
    "artifact:unshare": _OWNER,
    "artifact:add_member": _OWNER,
    "artifact:delete_member": _OWNER,
    "artifact:get_member": f"{_OWNER} or project_id:%(member_id)s",
    "artifact:get_members": f"{_OWNER} or project_id:%(member_id)s",
    "artifact:modify_member": f"{_ADMIN} or project_id:%(member_id)s",
    "artifact:transfer": _ADMIN,
    "artifact:hold": _ADMIN,
    "artifact:load": _ADMIN,
    "artifact:protect": "rule:artifact:update",
    "artifact:unprotect": "rule:artifact:update",
    "artifact:hide": "rule:artifact:update",
    "artifact:unhide": "rule:artifact:update",
    "artifact:expire": "rule:artifact:update",
    "artifact:verify": _OWNER,
    "artifact:copy_blob": _ADMIN,
}

_MINE = "project_id:%(project_id)s"
_VISIBLE = (
    f"{_MINE} or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s"
    " or 'shared':%(visibility)s"
)
_READER = f"{_ADMIN} or (role:reader and {_MINE})"
_MEMBER = f"{_ADMIN} or (role:member and {_MINE})"
_VISIBLE_TO_MEMBER = f"{_ADMIN} or (role:member and ({_VISIBLE}))"
_READS_MEMBERS = f"{_ADMIN} or role:reader and ({_MINE} or project_id:%(member_id)s)"
_READS_DEFINITIONS = f"{_ADMIN} or (role:reader and ({_MINE} or 'public':%(visibility)s))"

GLANCE = {
    "default": "",
    "service_api": "role:service or role:admin",
    "add_image": f"{_ADMIN} or (role:member and {_MINE} and project_id:%(owner)s)",
    "delete_image": _MEMBER,
    "get_image": f"{_ADMIN} or (role:reader and ({_VISIBLE}))",
    "get_images": _READER,
    "modify_image": _MEMBER,
    "publicize_image": _ADMIN,
    "communitize_image": _MEMBER,
    "download_image": _VISIBLE_TO_MEMBER,
    "download_from_store": _VISIBLE_TO_MEMBER,
    "upload_image": _MEMBER,
    "delete_image_location": _ADMIN,
    "get_image_location": _READER,
    "set_image_location": _MEMBER,
    "add_image_location": f"rule:service_api or (role:member and {_MINE} and project_id:%(owner)s)",
    "fetch_image_location": "rule:service_api",
    "add_member": _MEMBER,
    "delete_member": _MEMBER,
    "get_member": _READS_MEMBERS,
    "get_members": _READS_MEMBERS,
    "modify_member": f"{_ADMIN} or (role:member and project_id:%(member_id)s)",
    "deactivate": _MEMBER,
    "reactivate": _MEMBER,
    "stores_info_detail": f"{_ADMIN} or rule:service_api",
    "tasks_api_access": _ADMIN,
    **dict.fromkeys(("get_task", "get_tasks", "add_task", "modify_task"), "rule:default"),
    **dict.fromkeys(("copy_image", "manage_image_cache", "list_cached_nodes", "cache_image", "cache_list"), _ADMIN),
    **dict.fromkeys(("cache_delete", "cache_clean", "cache_prune"), _ADMIN),
}

_READ_DEFINITIONS = (
    "get_metadef_namespace",
    "get_metadef_object",
    "get_metadef_objects",
    "list_metadef_resource_types",
    "get_metadef_resource_type",
    "get_metadef_property",
    "get_metadef_properties",
    "get_metadef_tag",
    "get_metadef_tags",
)
_WRITE_DEFINITIONS = (
    *(f"{verb}_metadef_{noun}" for verb in ("add", "modify") for noun in ("namespace", "object", "property", "tag")),
    *(f"delete_metadef_{noun}" for noun in ("namespace", "object", "tag", "tags")),
    "remove_metadef_property",
    "add_metadef_tags",
    "add_metadef_resource_type_association",
    "remove_metadef_resource_type_association",
)
METADEFS = {
    "metadef_default": "",
    "metadef_admin": _ADMIN,
    "get_metadef_namespaces": _READER,
    **dict.fromkeys(_READ_DEFINITIONS, _READS_DEFINITIONS),
    **dict.fromkeys(_WRITE_DEFINITIONS, "rule:metadef_admin"),
}

RULES: dict[str, str] = {**GLARE, **OURS, **GLANCE, **METADEFS}
"""Every rule by name, as text."""

"""Attaching: what an artifact refers to, by actions of their own that every caller's rules and the life cycle judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_field, joined, replaced, some_blob
from metastore._blobs import blob_of as blob_at
from metastore._fetching import Fetching
from metastore._location import Location, check_url
from metastore._steps import Put
from metastore._transaction import atomic
from metastore.errors import NotFoundError

if TYPE_CHECKING:
    from metastore._schema import FieldSpec
    from metastore._types import Shelf

__all__ = ["NOTHING", "Attaching"]

A = TypeVar("A", bound=Record)
NOTHING: Mapping[str, Any] = {}


class Attaching(Fetching):
    """What refers to bytes: to those that lie somewhere, or to none any more."""

    def attach(
        self,
        artifact: A,
        field: str,
        url: str,
        *,
        key: str | None = None,
        size: int | None = None,
        digests: Mapping[str, str] | None = None,
        media_type: str | None = None,
        priority: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> A:
        """Refer to bytes that lie at a url, and return the new revision; no byte is read.

        A store that covers the url is asked that they are there, for their size and digests; what it cannot tell and is not given
        stays unknown, and the blob unverified. A url that no store covers is kept as it is given. A blob that is there gets one
        more place. Raises MissingBytesError, WrongBytesError where what is known of the blob says otherwise, ValidationError for a
        url with a secret; for a principal also ForbiddenError: what a store of ours gives out is an administrator's to refer to,
        by ``artifact:set_internal_location``, unless it was uploaded for this artifact (`upload_url`).

        >>> from metastore import Artifact, Blob, Catalog, Field, field
        >>> class Disk(Artifact, type_name="disks"):
        ...     data: Field[Blob | None] = field(default=None)
        >>> with Catalog.open("memory:") as catalog:
        ...     disk = catalog.attach(catalog.add(Disk(name="root")), "data", "https://mirror.example/root.qcow2", size=5)
        ...     disk.data.url, disk.data.size, disk.data.proof
        ('https://mirror.example/root.qcow2', 5, None)
        """
        shelf, spec, stored = self._writable(artifact, field, key)
        check_url(url)
        store = self._configured.covering(url)
        action = self._placing(shelf, stored, field, url, store)
        place = Location(url, priority, store, metadata=dict(metadata or {}))
        made = joined(blob_at(stored, spec, key), place, size=size, digests=digests, media_type=media_type)
        self._check_may(artifact, shelf, spec, key, made, action)
        if store is not None:
            told = self._told(url)
            made = joined(made, None, size=told.size, digests=told.digests, media_type=told.media_type)
        return self._refer(artifact, shelf, spec, key, made, action)

    def _told(self, url: str) -> Any:
        drive, key, _ = self._configured.reach(url)
        return drive.stat(key)

    def _placing(self, shelf: Shelf, artifact: Record, field: str, url: str, store: str | None) -> str:
        """Return the action that referring to a url is."""
        if store is None:
            return "set_location"
        if url.startswith(self._configured.url(store, self._prefix(shelf, artifact, field)) + "/"):
            return "upload"
        return "set_internal_location" if self._configured[store].internal else "set_location"

    def _check_may(
        self, artifact: Any, shelf: Shelf, spec: FieldSpec, key: str | None, blob: Blob | None, action: str
    ) -> None:
        """Raise what writing the blob would raise, before a store is asked for anything."""
        self._preview(artifact, (Put(action, replaced(self._stored(shelf, artifact), spec, key, blob)),))

    def _prefix(self, shelf: Shelf, artifact: Record, field: str) -> str:
        """Return where the objects of one field lie in a store: nobody else's can, as ids are never used again."""
        return f"{self.id}/{shelf.spec.name}/{artifact.id}/{field}"

    def detach(self, artifact: A, field: str, url: str | None = None, *, key: str | None = None) -> A:
        """Refer to bytes at a url no more; without a url take the whole blob out. The bytes stay where they are.

        Raises NotFoundError where nothing refers to it, FrozenFieldError for the content of what was active.
        """
        shelf, spec, stored = self._writable(artifact, field, key)
        blob = some_blob(stored, spec, key)
        if url is not None and url not in blob.urls:
            raise NotFoundError(f"{field} of {artifact.id} does not lie at that url; it has {len(blob.urls)} others")
        kept = None if url is None else blob.evolve(locations=[each for each in blob.locations if each.url != url])
        return self._refer(artifact, shelf, spec, key, kept, "delete_blob")

    @atomic
    def _refer(
        self,
        artifact: A,
        shelf: Shelf,
        spec: FieldSpec,
        key: str | None,
        blob: Blob | None,
        action: str,
        more: Mapping[str, Any] = NOTHING,
    ) -> A:
        """Write a blob into an artifact, by an action of its own. Nothing is written where nothing changes."""
        change = {**replaced(self._stored(shelf, artifact), spec, key, blob), **more}
        return self._change(artifact, (Put(action, change),))  # type: ignore[no-any-return]

    def _writable(self, artifact: Any, field: str, key: str | None) -> tuple[Shelf, FieldSpec, Any]:
        """Return shelf, field and what is stored, for a caller who may change that field."""
        shelf = self._shelf_of(artifact)
        spec = blob_field(shelf.spec, field, key)
        stored = self._stored(shelf, artifact)
        if self._access is not None:
            self._access.check_protected(stored.__dict__, {field: object()})
        return shelf, spec, stored

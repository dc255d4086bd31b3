"""Attaching: what an artifact refers to, by actions of their own that every caller's rules and the life cycle judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_field, joined, replaced, some_blob
from metastore._blobs import blob_of as blob_at
from metastore._fetching import Fetching
from metastore._location import Location, check_url
from metastore._reading import check_revision
from metastore._steps import Put, stepped
from metastore._transaction import atomic
from metastore.errors import NotFoundError, ValidationError

if TYPE_CHECKING:
    from uuid import UUID

    from metastore._schema import FieldSpec
    from metastore._types import Shelf
    from metastore.backend import Row
    from metastore.stores import Stat

__all__ = ["NOTHING", "Attaching", "Attachment"]

A = TypeVar("A", bound=Record)
NOTHING: Mapping[str, Any] = {}


class Attachment(NamedTuple):
    """One reference that `Catalog.attach_many` is to make, in the words of `Catalog.attach`."""

    artifact: Record
    field: str
    url: str
    key: str | None = None
    size: int | None = None
    digests: Mapping[str, str] | None = None
    media_type: str | None = None
    priority: int = 0
    metadata: Mapping[str, Any] | None = None


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
        said = Attachment(artifact, field, url, key, size, digests, media_type, priority, metadata)
        return self.attach_many([said])[0]  # type: ignore[return-value]

    def attach_many(self, attachments: Iterable[Attachment], *, listed: bool = False) -> list[Record]:
        """Refer to bytes that lie at many urls, all or none, and return the artifacts' new revisions in the order given.

        Each is attached as `attach` does it. What one artifact gets is one revision, and all are one transaction, before which stores
        are asked, about several objects at once. ``listed`` lets a store that can (Swift, S3) tell by its listings, of
        thousands in a request: these may lag behind what was written a moment ago (Swift), and know no digests (S3). Raises as `attach`.

        >>> from metastore import Artifact, Attachment, Blob, Catalog, Field, field
        >>> class Disk(Artifact, type_name="disks"):
        ...     data: Field[Blob | None] = field(default=None)
        >>> with Catalog.open("memory:") as catalog:
        ...     disks = [catalog.add(Disk(name=name)) for name in ("root", "home")]
        ...     urls = ["https://mirror.example/root.img", "https://mirror.example/home.img"]
        ...     made = catalog.attach_many(Attachment(disk, "data", url) for disk, url in zip(disks, urls))
        ...     [(disk.name, disk.revision) for disk in made]
        [('root', 2), ('home', 2)]
        """
        asked = [_checked(each) for each in attachments]
        rows = self._rows_of(each.artifact for each in asked)
        steps = self._steps_of(asked, rows, {})  # what the caller may not do is refused before a store is asked
        if covered := [each.url for each in asked if self._configured.covering(each.url) is not None]:
            from metastore.stores._many import stats_of

            steps = self._steps_of(asked, rows, stats_of(self._configured, covered, listed=listed))
        made = self._taken({each.artifact.id: each.artifact for each in asked}, steps)
        return [made[each.artifact.id] for each in asked]

    def _rows_of(self, artifacts: Iterable[Record]) -> dict[UUID, tuple[Shelf, Row]]:
        """Return what is stored of artifacts, by one statement for each type."""
        groups: dict[Shelf, list[Record]] = {}
        for each in artifacts:
            groups.setdefault(self._shelf_of(each), []).append(each)
        found: dict[UUID, tuple[Shelf, Row]] = {}
        for shelf, group in groups.items():
            ids = [*dict.fromkeys(each.id.bytes for each in group)]
            rows = {row[0]: row for row in self._visible(shelf, self._backend.fetch(shelf.spec, ids))}
            for each in group:
                if each.id.bytes not in rows:
                    raise self._missing(shelf, each.id)
                check_revision(shelf, rows[each.id.bytes], each)
                found[each.id] = shelf, rows[each.id.bytes]
        return found

    def _steps_of(
        self, asked: Iterable[Attachment], rows: Mapping[UUID, tuple[Shelf, Row]], told: Mapping[str, Stat]
    ) -> dict[UUID, tuple[Put, ...]]:
        """Return the steps by which each artifact gets its attachments, tried on what is stored of it."""
        own: dict[UUID, list[Attachment]] = {}
        for each in asked:
            own.setdefault(each.artifact.id, []).append(each)
        return {ident: self._steps(*rows[ident], theirs, told) for ident, theirs in own.items()}

    def _steps(self, shelf: Shelf, row: Row, asked: Iterable[Attachment], told: Mapping[str, Stat]) -> tuple[Put, ...]:
        """Return a step for each action that the attachments of one artifact are."""
        stored = self._reader(shelf)(row)
        made, changes = copy(stored), dict[str, dict[str, Any]]()
        for each in asked:
            spec = self._blob_field(shelf, stored, each.field, each.key)
            action, blob = self._placed(shelf, made, spec, each, told.get(each.url))
            change = replaced(made, spec, each.key, blob)
            made.__dict__.update(change)
            changes.setdefault(action, {}).update(change)
        steps = tuple(Put(action, fields) for action, fields in changes.items())
        for step in steps:
            row = stepped(shelf, row, step, self._access, lambda: 0)
        return steps

    def _placed(
        self, shelf: Shelf, artifact: Any, spec: FieldSpec, said: Attachment, told: Stat | None
    ) -> tuple[str, Blob]:
        """Return the action that one attachment is, and the blob that it makes, with what a store tells of it."""
        check_url(said.url)
        store = self._configured.covering(said.url)
        place = Location(said.url, said.priority, store, metadata=dict(said.metadata or {}))
        blob = joined(
            blob_at(artifact, spec, said.key), place, size=said.size, digests=said.digests, media_type=said.media_type
        )
        if told is not None:
            blob = joined(blob, place, size=told.size, digests=told.digests, media_type=told.media_type)
        return self._placing(shelf, artifact, said.field, said.url, store), blob

    @atomic
    def _taken(self, artifacts: Mapping[UUID, Record], steps: Mapping[UUID, tuple[Put, ...]]) -> dict[UUID, Record]:
        """Take the steps of every artifact, in one transaction; of one alone its hooks stand outside of it."""
        with self.transaction() if len(steps) > 1 else nullcontext():
            return {ident: self._change(artifacts[ident], each) for ident, each in steps.items()}

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
        stored = self._stored(shelf, artifact)
        return shelf, self._blob_field(shelf, stored, field, key), stored

    def _blob_field(self, shelf: Shelf, stored: Any, field: str, key: str | None) -> FieldSpec:
        spec = blob_field(shelf.spec, field, key)
        if self._access is not None:
            self._access.check_protected(stored.__dict__, {field: object()})
        return spec


def _checked(said: Attachment) -> Attachment:
    if not isinstance(said, Attachment):
        raise ValidationError(f"expected an Attachment of artifact, field and url, got {type(said).__name__}")
    return said

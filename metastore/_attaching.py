"""Attaching: what an artifact refers to, by actions of their own that every caller's rules and the life cycle judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_field, joined, replaced, some_blob
from metastore._fetching import Fetching
from metastore._location import Location, check_url
from metastore._moves import may_stand
from metastore._reading import check_revision
from metastore._steps import Put, stepped
from metastore._together import Draft
from metastore._transaction import Transaction, atomic
from metastore.errors import NotFoundError, ValidationError

if TYPE_CHECKING:
    from metastore._schema import FieldSpec
    from metastore._types import Shelf
    from metastore.backend import Row
    from metastore.stores import Stat
    from metastore.stores._stores import Covered

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


class _Wish(NamedTuple):
    """An attachment whose artifact, field and url were looked up: once, as there may be thousands."""

    said: Attachment
    ident: bytes
    stored: Any
    spec: FieldSpec
    covered: Covered | None
    place: Location
    action: str


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
        are asked, about several objects at once. ``listed`` lets a store that can (Swift, S3, a folder) tell by its listings, of
        thousands in a request: these may lag behind what was written a moment ago (Swift), know no digests (S3), and tell of what
        cannot be read (a folder). Raises as `attach`.

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
        said = [_checked(each) for each in attachments]
        made = self._taken({each.artifact.id.bytes: each.artifact for each in said}, self._asked_for(said, listed))
        return [made[each.artifact.id.bytes] for each in said]

    def _asked_for(self, said: Iterable[Attachment], listed: bool) -> dict[bytes, tuple[Put, ...]]:
        """Return the steps by which each artifact gets its attachments, with what stores tell of them, by ids."""
        rows = self._rows_of(each.artifact for each in said)
        stored = {ident: self._held(shelf, row) for ident, (shelf, row) in rows.items()}
        asked = [self._wished(each, rows, stored) for each in said]
        self._judge(asked, rows)
        told: Mapping[str, Stat] = {}
        if covered := [each.covered for each in asked if each.covered is not None]:
            from metastore.stores._many import stats_of

            told = stats_of(self._configured, covered, listed=listed)
        return _steps_of(asked, told)

    def _rows_of(self, artifacts: Iterable[Record]) -> dict[bytes, tuple[Shelf, Row]]:
        """Return what is stored of artifacts by their ids, by one statement for each type."""
        groups: dict[Shelf, list[Record]] = {}
        for each in artifacts:
            groups.setdefault(self._shelf_of(each), []).append(each)
        found: dict[bytes, tuple[Shelf, Row]] = {}
        for shelf, group in groups.items():
            ids = [each.id.bytes for each in group]
            rows = self._visible(shelf, self._backend.fetch(shelf.spec, [*dict.fromkeys(ids)]))
            own = {row[0]: (shelf, row) for row in rows}
            for ident, each in zip(ids, group, strict=True):
                if ident not in own:
                    raise self._missing(shelf, each.id)
                check_revision(shelf, own[ident][1], each)
            found |= own
        return found

    def _held(self, shelf: Shelf, row: Row) -> Any:
        """Return what is stored of an artifact: of what its owner attaches to, no more is looked at than its id and its blobs."""
        return shelf.codec.glimpse(row, (0, *shelf.blobs)) if self._access is None else self._reader(shelf)(row)

    def _wished(self, said: Attachment, rows: Mapping[bytes, tuple[Shelf, Row]], stored: Mapping[bytes, Any]) -> _Wish:
        ident = said.artifact.id.bytes
        shelf, own = rows[ident][0], stored[ident]
        spec = self._blob_field(shelf, own, said.field, said.key)
        covered = self._configured.covered(check_url(said.url))
        store = None if covered is None else covered.store.name
        place = Location(said.url, said.priority, store, metadata=dict(said.metadata or {}))
        return _Wish(said, ident, own, spec, covered, place, self._placing(shelf, own, said.field, said.url, store))

    def _judge(self, asked: Iterable[_Wish], rows: Mapping[bytes, tuple[Shelf, Row]]) -> None:
        """Raise what the policy or the life cycle has against it, before a store is asked."""
        doubtful = [
            each
            for each in asked
            if self._access is not None or may_stand(rows[each.ident][0].spec, rows[each.ident][1], each.said.field)
        ]
        for ident, steps in _steps_of(doubtful, {}).items():
            shelf, row = rows[ident]
            for step in steps:
                row = stepped(shelf, row, step, self._access, lambda: 0)

    @atomic
    def _taken(self, artifacts: Mapping[bytes, Record], steps: Mapping[bytes, tuple[Put, ...]]) -> dict[bytes, Record]:
        """Take the steps of every artifact, in one transaction; of one alone its hooks stand outside of it."""
        if len(steps) < 2:
            return {ident: self._change(artifacts[ident], each) for ident, each in steps.items()}
        with self.transaction() as commit:
            groups: dict[Shelf, list[tuple[Row, tuple[Put, ...]]]] = {}
            for ident, (shelf, row) in self._rows_of(artifacts.values()).items():
                groups.setdefault(shelf, []).append((row, steps[ident]))
            return {
                made.id.bytes: made
                for shelf, asked in groups.items()
                for made in self._took(shelf, artifacts, asked, commit)
            }

    def _took(
        self,
        shelf: Shelf,
        artifacts: Mapping[bytes, Record],
        asked: list[tuple[Row, tuple[Put, ...]]],
        commit: Transaction,
    ) -> Iterable[Record]:
        """Take the steps of artifacts of one type, whose rows were read in the transaction."""
        if shelf.hooks:
            return [self._change(artifacts[row[0]], steps) for row, steps in asked]
        return map(self._reader(shelf), self._changed(shelf, asked, commit))

    def _placing(self, shelf: Shelf, artifact: Record, field: str, url: str, store: str | None) -> str:
        """Return the action that referring to a url is."""
        if store is None:
            return "set_location"
        if self.id in url and url.startswith(self._configured.url(store, self._prefix(shelf, artifact, field)) + "/"):
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
        return self._put_as(artifact, action, {**replaced(self._stored(shelf, artifact), spec, key, blob), **more})

    @atomic
    def _put_as(self, artifact: A, action: str, fields: Mapping[str, Any]) -> A:
        """Write fields of an artifact by an action of its own."""
        return self._change(artifact, (Put(action, fields),))  # type: ignore[no-any-return]

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
    if not isinstance(said.artifact, Record):
        raise ValidationError(f"expected an artifact to attach to, got {type(said.artifact).__name__}")
    return said


def _steps_of(asked: Iterable[_Wish], told: Mapping[str, Stat]) -> dict[bytes, tuple[Put, ...]]:
    """Return the steps by which each artifact gets its attachments, with what stores tell of them, by ids."""
    own: dict[bytes, list[_Wish]] = {}
    for each in asked:
        own.setdefault(each.ident, []).append(each)
    return {ident: _steps(theirs, told) for ident, theirs in own.items()}


def _steps(asked: Sequence[_Wish], told: Mapping[str, Stat]) -> tuple[Put, ...]:
    """Return a step for each action that the attachments of one artifact are, each upon what the one before makes."""
    made, steps = asked[0].stored, list[Put]()
    for action in dict.fromkeys(each.action for each in asked):
        draft = Draft(made)
        for each in [one for one in asked if one.action == action]:
            field, key = each.spec, each.said.key
            draft.put(field, key, _placed(draft.blob(field, key), each, told.get(each.said.url)))
        steps.append(Put(action, draft.fields))
        made = _with(made, draft.fields)
    return tuple(steps)


def _placed(blob: Blob | None, wish: _Wish, told: Stat | None) -> Blob:
    """Return the blob with the place of an attachment, and with what that says and a store tells of it."""
    said = wish.said
    for each in [one for one in (said, told) if one is not None and _tells(one)] or [said]:
        blob = joined(blob, wish.place, size=each.size, digests=each.digests, media_type=each.media_type)
    return blob  # type: ignore[return-value]  # there is at least one to join


def _with(artifact: Any, change: Mapping[str, Any]) -> Any:
    """Return an artifact as it is after a change of fields, for what is made of it next."""
    made = object.__new__(type(artifact))
    made.__dict__.update(artifact.__dict__, **change)
    return made


def _tells(known: Attachment | Stat) -> bool:
    """Whether anything is known of the content there."""
    return known.size is not None or bool(known.digests) or known.media_type is not None

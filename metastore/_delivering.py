"""Delivering: where the bytes of an artifact lie, and the ways by which they come there and from there.

Bytes come first, the reference to them second: what breaks off leaves an object that nobody refers to, and never a reference to
nothing. Stores are asked outside of transactions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from metastore._artifact import Record
from metastore._attaching import NOTHING, Attaching
from metastore._blob import Blob
from metastore._blobs import blob_of as blob_at
from metastore._blobs import image_format, joined, most_of, some_blob
from metastore._fetching import seconds_of
from metastore._ids import make_id
from metastore._location import Location
from metastore.errors import (
    MetastoreError,
    StoreUnableError,
    TooLargeError,
    UnverifiedError,
    ValidationError,
)
from metastore.query import References

if TYPE_CHECKING:
    from collections.abc import Callable

    from metastore._schema import FieldSpec
    from metastore._types import Shelf
    from metastore.stores import Signed
    from metastore.stores._drive import Drive
    from metastore.stores._proof import Hasher
    from metastore.stores._sending import Resume, Source

    Progress = Callable[[int], object]

__all__ = ["Delivering"]

A = TypeVar("A", bound=Record)
LONGEST = 7 * 86_400
"""Seconds for which a url may be signed at most: S3 takes no more."""
LATE = 86_400
"""Seconds for which an object is leased after its signature ended: for an upload that began in time, and for attaching it."""


class Delivering(Attaching):
    """What moves bytes. ``field`` names a blob or a folder, ``key`` the blob in the folder.

    Methods that change an artifact are compare-and-set on its revision and return the new one. For a principal each is asked of
    the policy; the quotas, the life cycle and the sizes that fields allow bind everybody. Errors of stores are
    `metastore.errors.StoreError` and what is below it.
    """

    # bringing bytes

    def upload(
        self,
        artifact: A,
        field: str,
        source: Source,
        store: str | None = None,
        *,
        key: str | None = None,
        size: int | None = None,
        digests: Mapping[str, str] | None = None,
        media_type: str | None = None,
        priority: int = 0,
        resume: Resume | None = None,
        progress: Progress | None = None,
    ) -> A:
        """Send bytes to a store, then refer to them, and return the new revision.

        ``source`` is bytes, a path, an open binary file or chunks of bytes; ``store`` may be left out where one alone can be
        written. SHA-256, and the algorithms of ``digests``, are computed as the bytes pass; where they, or ``size``, differ
        from what is given it is WrongBytesError. Nothing is overwritten: each upload has a key of its own. What fails leaves
        nothing referenced; UploadBrokenError carries a ``resume`` by which the next call, with the same source, goes on.
        Raises TooLargeError as soon as there are more bytes than the field, or what is left of a quota, allows.
        """
        from metastore.stores._formats import Inspector, inspected
        from metastore.stores._proof import Hasher, at_most
        from metastore.stores._sending import chunks_of, send, size_of

        shelf, spec, stored = self._writable(artifact, field, key)
        expected = Blob(size=size_of(source) if size is None else size, digests=digests, media_type=media_type)
        self._check_may(artifact, shelf, spec, key, self._hoped(stored, spec, key, expected), "upload")
        most, words = self._most(shelf, stored, spec, key)
        _check_room(field, expected.size, most, words)
        name = self._target(store) if resume is None else self._resumed(resume, self._prefix(shelf, stored, field))
        drive, hasher = self._configured.drive(name), Hasher({"sha256", *(digests or {})})
        at = f"{self._prefix(shelf, stored, field)}/{make_id()}"
        told, inspector = at_most(chunks_of(source), most, f"{field} of {stored.id}", words), None
        if (said := image_format(stored, spec)) is not None:
            inspector = Inspector(said)
            told = inspected(told, inspector)
        at = send(
            drive, name, at, told, hasher, size=expected.size, media_type=media_type, resume=resume, progress=progress
        )
        with self._kept_or_gone(drive, name, at):
            made = self._arrived(stored, spec, key, expected, hasher, name, at, priority)
            more = NOTHING if inspector is None else _seen_size(shelf, stored, inspector.virtual_size)
            return self._refer(artifact, shelf, spec, key, made, "upload", more)

    def _resumed(self, resume: Resume, prefix: str) -> str:
        """Return the store of an upload that goes on, which can only be one of this field of this artifact."""
        from metastore.stores import Resume

        if not isinstance(resume, Resume):
            raise ValidationError(f"expected the resume of an UploadBrokenError, got {type(resume).__name__}")
        if not resume.key.startswith(f"{prefix}/"):
            raise ValidationError(
                "the upload to go on with is of another artifact or field: begin anew, without resume"
            )
        return self._configured.writable(resume.store).name

    def _hoped(self, stored: Any, spec: FieldSpec, key: str | None, expected: Blob) -> Blob:
        """Return the blob that an upload may make of the one that is there, to be judged before it is sent."""
        old = blob_at(stored, spec, key) or Blob()
        return Blob(
            size=expected.size or old.size, digests={**old.digests, **expected.digests}, media_type=old.media_type
        )

    def _most(self, shelf: Shelf, stored: Record, spec: FieldSpec, key: str | None) -> tuple[int | None, str]:
        """Return how many bytes an upload may have, what the field allows or what is left of quotas, and words for the second."""
        from metastore._quotas import room

        old = blob_at(stored, spec, key)
        left = room(self._engine(), stored.owner, shelf.spec.name)
        mine = None if left is None else left + ((old.size or 0) if old is not None else 0)
        own = most_of(stored, spec, key)
        return (own, "") if mine is None or (own is not None and own <= mine) else (mine, ", all that a quota leaves,")

    def _target(self, store: str | None) -> str:
        if store is not None:
            return self._configured.writable(store).name
        able = []
        for name in self._configured:
            with contextlib.suppress(StoreUnableError):
                able.append(self._configured.writable(name).name)
        if len(able) != 1:
            raise ValidationError(
                f"say to which store: {', '.join(able) or 'none that can be written is configured, by stores=… or --stores'}"
            )
        return able[0]

    def _arrived(
        self,
        stored: Any,
        spec: FieldSpec,
        key: str | None,
        expected: Blob,
        hasher: Hasher,
        store: str,
        at: str,
        priority: int,
    ) -> Blob:
        """Return the blob of bytes that were sent: one more place of the same bytes, or another blob."""
        from metastore.stores._proof import check

        check(expected, hasher, store, at)
        place, old = Location(self._configured.url(store, at), priority, store), blob_at(stored, spec, key)
        told = hasher.digests()
        if old is not None and old.proof is not None and told.items() >= {old.proof}:
            return joined(old, place, size=hasher.size, digests=told)
        kind = expected.media_type or (None if old is None else old.media_type)
        return Blob(size=hasher.size, digests=told, media_type=kind, locations=[place])

    @contextlib.contextmanager
    def _kept_or_gone(self, drive: Drive, store: str, at: str) -> Iterator[None]:
        """Take away what was sent where nothing refers to it after all; what a hook after the commit broke off is kept.

        Asked and removed under the write lock, so that nobody comes to refer to it in between.
        """
        try:
            yield
        except BaseException:
            with contextlib.suppress(MetastoreError), self._engine().transaction():
                if not self._engine().count(Record, References(self._configured.url(store, at))):
                    drive.remove(at)
            raise

    def upload_url(
        self,
        artifact: Record,
        field: str,
        store: str | None = None,
        *,
        size: int,
        sha256: str,
        key: str | None = None,
        seconds: int = 600,
    ) -> Signed:
        """Return a request by which a client sends bytes to a store itself; then `attach` its ``location``.

        The request is bound to size and digest where the store enforces it, which ``binds`` says: each store is probed once, with
        a deliberately wrong checksum (`probe`). Where it does not, verify what was attached. What is brought is leased, so no garbage, until a day after
        the signature ends. Raises StoreUnableError for a store
        that does not sign.
        """
        from metastore._garbage import lease
        from metastore.stores import Signed, Signs

        shelf, spec, stored = self._writable(artifact, field, key)
        wanted = Blob(size=size, sha256=sha256)
        self._check_may(artifact, shelf, spec, key, self._hoped(stored, spec, key, wanted), "upload")
        _check_room(field, size, *self._most(shelf, stored, spec, key))
        name = self._target(store)
        drive, probed = self._configured.drive(name), self._probed(name)
        if not isinstance(drive, Signs) or not probed.signs:
            raise StoreUnableError(f"the store {name} signs no urls: use upload()", store=name)
        at = f"{self._prefix(shelf, stored, field)}/{make_id()}"
        if not self._backend.read_only:
            lease(self._engine(), self._configured.url(name, at), seconds_of(seconds) + LATE, "a signed upload")
        url, headers = drive.sign_put(at, seconds_of(seconds), size=size, sha256=str(wanted.sha256))
        bound = {"size": probed.binds_size, "sha256": probed.binds_sha256, "create": probed.binds_create}
        binds = tuple(word for word, held in bound.items() if held)
        return Signed("PUT", url, headers, seconds, self._configured.url(name, at), binds)

    def _probed(self, store: str) -> Any:
        raise NotImplementedError

    def copy_blob(
        self,
        artifact: A,
        field: str,
        store: str,
        *,
        key: str | None = None,
        priority: int = 0,
        progress: Progress | None = None,
    ) -> A:
        """Copy a blob to one more store, proving it on the way, and return the new revision; one that is there already stays.

        Where both are on one server, which can copy by itself, and its word can be believed, no byte passes here (see docs/stores.md).

        Raises UnverifiedError for a blob without a strong digest; else as `open_blob` and `upload` do.
        """
        from metastore.stores._copying import copied_there

        shelf, spec, stored = self._writable(artifact, field, key)
        blob, name = some_blob(stored, spec, key), self._configured.writable(store).name
        self._check_may(artifact, shelf, spec, key, blob, "copy_blob")
        self._check_signed(shelf, self._at_revision(shelf, artifact), field, key)
        if any(self._configured.covering(url) == name for url in blob.urls):
            return self._refer(artifact, shelf, spec, key, blob, "copy_blob")
        if blob.proof is None:
            raise UnverifiedError(
                f"{field} of {stored.id} is unverified, so a copy would prove nothing: verify it first"
            )
        drive, marks = self._configured.drive(name), self._marks(stored, field, key)
        at, size = f"{self._prefix(shelf, stored, field)}/{make_id()}", blob.size
        if not copied_there(self._configured, blob, marks, drive, at):
            at, size = self._sent_on(blob, marks, drive, name, at, progress)
        with self._kept_or_gone(drive, name, at):
            made = joined(blob, Location(self._configured.url(name, at), priority, name), size=size)
            return self._refer(artifact, shelf, spec, key, made, "copy_blob")

    def _sent_on(
        self, blob: Blob, marks: dict[str, str], drive: Drive, store: str, at: str, progress: Progress | None
    ) -> tuple[str, int]:
        """Send the bytes of a blob to one more store, and return the key and how many they are."""
        from metastore.stores._proof import Hasher
        from metastore.stores._reading import opened
        from metastore.stores._sending import send

        hasher = Hasher(())  # it counts; who opened the blob proves it
        with opened(self._configured, blob, marks=marks) as source:
            said: dict[str, Any] = {"size": blob.size, "media_type": blob.media_type, "progress": progress}
            return send(drive, store, at, source.chunks(), hasher, **said), hasher.size


def _seen_size(shelf: Shelf, artifact: Record, size: int | None) -> dict[str, Any]:
    """Return the change that tells the size a guest sees, where the type has a place for it that is empty."""
    known = shelf.spec.by_name.get("virtual_size")
    empty = known is not None and known.kind == "int" and getattr(artifact, "virtual_size", 0) is None
    return {"virtual_size": size} if empty and size is not None else {}


def _check_room(field: str, size: int | None, most: int | None, words: str) -> None:
    if size is not None and most is not None and size > most:
        raise TooLargeError(
            f"{field} may have {most} bytes{words or ','} and {size} were to be sent: nothing is referenced"
        )

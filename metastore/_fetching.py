"""Fetching: the bytes of an artifact, for those who may have them, through the stores that are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._blobs import blob_field, some_blob
from metastore._signing import Signing
from metastore.errors import StoreError, StoreUnableError, UnknownFieldError, UnverifiedError, ValidationError
from metastore.query import Compare, Path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metastore.stores import Signed, Stores
    from metastore.stores._reading import Bytes

    Progress = Callable[[int], object]

__all__ = ["Fetching", "marks_of", "seconds_of"]

VERIFICATIONS = "metastore_verifications"
"""The type of the engine's own in which results of verification are kept."""
LONGEST = 7 * 86_400
"""Seconds for which a url may be signed at most: S3 takes no more."""
BEYOND = 2**62
"""Bytes that no blob has and systems take for a place in a file; where a range begins or ends later, it is here."""


class Fetching(Signing):
    """What hands out bytes. ``field`` names a blob or a folder, ``key`` the blob in the folder; every fetch goes through `stores`."""

    _stores: Stores | None

    @property
    def stores(self) -> Stores:
        """The configured stores by name; for the owner of the process. Raises ForbiddenError for a principal."""
        self._check_ours("stores")
        return self._configured

    @property
    def _configured(self) -> Stores:
        root = self._engine()
        if root._stores is None:
            from metastore.stores import Stores

            root._stores = Stores()
        return root._stores

    def open_blob(
        self,
        artifact: Record,
        field: str,
        *,
        key: str | None = None,
        start: int = 0,
        stop: int | None = None,
        unverified: bool = False,
        progress: Progress | None = None,
    ) -> Bytes:
        """Return the bytes of a blob as a binary file, from the first of its places that gives them.

        They are proved as they pass: a wrong one is WrongBytesError before the last are handed out. What has no strong digest is
        refused with UnverifiedError, unless ``unverified``. A range, from ``start`` to before ``stop``, is of the right size and
        cannot be proved; where the blob was verified, and its store now tells of another object, it is WrongBytesError.
        ``progress`` gets the count of bytes so far. Raises UncoveredError where no store covers any of its places.
        """
        from metastore.stores._reading import opened

        stored, blob = self._readable(artifact, field, key)
        _check_range(start, stop)
        start, stop = min(start, BEYOND), None if stop is None else min(stop, BEYOND)
        if blob.proof is None and not unverified and not (start or stop is not None):
            raise UnverifiedError(
                f"{field} of {stored.id} has no sha256, sha512 or blake3 digest: verify it first, or open it as unverified"
            )
        return opened(
            self._configured, blob, start=start, stop=stop, marks=self._marks(stored, field, key), progress=progress
        )

    def download_url(self, artifact: Record, field: str, *, key: str | None = None, seconds: int = 600) -> Signed:
        """Return a request by which a client gets the bytes from their store itself, for some seconds.

        The client has to check them against the blob's digests. Raises StoreUnableError where no store of its places signs.
        """
        from metastore.stores._reading import urls_of

        stored, blob = self._readable(artifact, field, key)
        if blob.proof is None:
            raise UnverifiedError(
                f"{field} of {stored.id} is unverified, so nothing tells the right bytes: verify it first"
            )
        return self._first(urls_of(blob), seconds_of(seconds))

    def _first(self, urls: list[str], seconds: int) -> Signed:
        """Return the first place that can be signed."""
        from metastore.stores import Signed, Signs

        why: StoreError | None = None
        for url in urls:
            try:
                drive, key, store = self._configured.reach(url)
                if not isinstance(drive, Signs):
                    raise StoreUnableError(
                        f"the store {store.name} signs no urls: open the blob instead", store=store.name
                    )
                signed, headers = drive.sign_get(key, seconds)
                return Signed("GET", signed, headers, seconds, url)
            except StoreError as error:
                why = why or error
        raise why or StoreUnableError("the blob has no active location")

    def _readable(self, artifact: Record, field: str, key: str | None) -> tuple[Any, Blob]:
        """Return what is stored of an artifact, and the blob, for a caller who may have its bytes."""
        shelf = self._types.shelf(type(artifact))
        spec, access = blob_field(shelf.spec, field, key), self._access
        rows = self._backend.fetch(shelf.spec, [artifact.id.bytes])
        if not rows or not (self._sees(shelf, rows[0]) or self._may("artifact:download_from_any_artifact")):
            raise self._missing(shelf, artifact.id)
        if access is not None:
            if not access.reads(field):
                raise UnknownFieldError(f"{shelf.spec.name} has no blob {field!r:.60}")
            values = shelf.codec.decode(rows[0]).__dict__
            access.check(shelf, "download", values)
            access.require("artifact:download_deactivated", values)
        stored = self._reader(shelf)(rows[0])
        blob = some_blob(stored, spec, key)
        self._check_signed(shelf, rows[0], field, key)
        return stored, blob

    def _may(self, rule: str) -> bool:
        return self._access is None or self._access.policy.allows(rule, self._access.caller)

    def _marks(self, artifact: Record, field: str, key: str | None) -> dict[str, str]:
        """Return what stores told of the places of a blob when it was last found right."""
        return marks_of(self._remembered_by_blob(artifact).get((field, key), ()))

    def _remembered_by_blob(self, artifact: Record) -> dict[tuple[str, str | None], list[Any]]:
        """Return what came of the last verifications by field and name in a folder: all at once, as there may be thousands."""
        found: dict[tuple[str, str | None], list[Any]] = {}
        for each in self._remembered(artifact):
            found.setdefault((each.blob, each.part), []).append(each)
        return found

    def _remembered(self, artifact: Record) -> list[Any]:
        if not self._types.has(VERIFICATIONS):
            return []
        from metastore._verifications import Verification

        asked: list[Any] = [Compare(Path("artifact"), "eq", artifact.id)]
        return list(self._engine().find(Verification, *asked, order_by=[Verification.blob, Verification.url]))


def marks_of(verifications: Iterable[Any]) -> dict[str, str]:
    """Return what a store told of each place that was found right, by its url."""
    return {each.url: each.mark for each in verifications if each.result == "ok" and each.mark is not None}


def _check_range(start: Any, stop: Any) -> None:
    if type(start) is not int or start < 0 or not (stop is None or (type(stop) is int and stop >= start)):
        raise ValidationError(
            f"expected a range of bytes from start to before stop, 0 or more, got {start!r} and {stop!r}"
        )


def seconds_of(seconds: Any) -> int:
    """Return for how many seconds a url is signed. Raises ValidationError."""
    if type(seconds) is not int or not 0 < seconds <= LONGEST:
        raise ValidationError(f"expected how long a url is good in seconds, 1 to {LONGEST}, got {seconds!r:.40}")
    return seconds

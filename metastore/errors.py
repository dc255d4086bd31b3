"""Every error of metastore, one tree, one root.

::

    MetastoreError
    ├── DeclarationError (TypeError)         an artifact type is declared wrongly; names type and field
    ├── SchemaConflictError                  a declared type and the stored one disagree; names the fields
    ├── ValidationError (ValueError)         a value does not fit its field; says where, expected and found
    │   ├── UnknownFieldError (AttributeError)   no such field; offers the nearest spelling
    │   └── DefinitionError                  a metadata definition, or a file of them, that is none
    ├── VersionError (ValueError)            a version text that its scheme refuses
    ├── QueryError (ValueError)              a query that its type cannot answer
    │   ├── QuerySyntaxError                 a CQL2 text or JSON with a mistake; carries its position
    │   └── CursorError                      a cursor that is forged, damaged or of another query
    ├── UnknownTypeError (LookupError)       the catalogue holds no such type
    ├── NotFoundError (LookupError)          no such artifact
    ├── NotStoredError (AttributeError)      a value that only a stored artifact has, or that its reader may not read
    ├── ConflictError                        the write lost against the state of the catalogue
    │   ├── DuplicateError                   the declared unique scope is taken
    │   ├── IdTakenError                     the id was used before; ids are never used again
    │   ├── StaleRevisionError               compare-and-set on an older revision
    │   ├── TransitionError                  the life cycle refuses an action; carries action and field
    │   ├── FrozenFieldError                 the field does not change in that state; carries field and state
    │   ├── QuotaError                       it would hold more than its quota; carries limit and used
    │   ├── VetoError                        a hook refuses an action, with its reason
    │   ├── ProtectedError                   it is protected or on hold; nobody deletes it
    │   ├── LinkedError                      its owner's other artifacts link to it and restrict
    │   ├── QuarantinedError                 the bytes were discarded as garbage; carries url, base and key
    │   └── RetryError                       the database undid the whole transaction; do it again
    ├── ForbiddenError (PermissionError)     the policy does not let the caller do it; carries the rule
    ├── PolicyFileError (ValueError)         a file of rules with a mistake; names file, rule and position
    ├── TrustFileError (ValueError)          trust in keys that is configured wrongly; names file, key or type
    ├── SignatureError                       no signature of it holds, and its type demands some; carries the verdicts
    │   └── UnsignedError                    it has none at all
    ├── MissingExtraError (ImportError)      an optional package is not installed; names the extra
    ├── StoreError                           a store of bytes, or what lies there; carries store and key
    │   ├── StoresFileError (ValueError)     a store that is configured wrongly; names file and store
    │   ├── UncoveredError (LookupError)     no configured store covers the url, so it is not opened
    │   ├── UnsafeUrlError (PermissionError) a url or an address that is never opened
    │   ├── MissingBytesError (FileNotFoundError)   the store has nothing there
    │   ├── KeyTakenError (FileExistsError)  something lies there; nothing is overwritten
    │   ├── WrongBytesError (ValueError)     not the bytes of the blob; carries expected and found
    │   ├── UnverifiedError                  no strong digest says which bytes are right
    │   ├── HostileFormatError (ValueError)  a disk image that is not what it says, or reaches out
    │   ├── TooLargeError (ValueError)       more bytes than the field, or a quota, allows
    │   ├── StoreDeniedError (PermissionError)      the store refuses the credentials, or what was asked
    │   ├── StoreUnreachableError (ConnectionError) the store does not answer, or broke off, or is too slow
    │   │   └── UploadBrokenError            an upload that can go on; carries how, as ``resume``
    │   ├── StoreFullError (OSError)         the store has no room left
    │   └── StoreUnableError                 the store cannot do that
    └── BackendError                         the store below
        ├── CatalogUrlError (ValueError)     an address that no backend can open
        ├── BusyError (TimeoutError)         the write lock was not to be had in time
        ├── ReadOnlyError (PermissionError)  a write through a read-only catalogue or directory
        ├── StorageFullError (OSError)       the disk is full
        ├── DamagedError                     the file is truncated or corrupt
        ├── NotACatalogError                 the file is no catalogue
        ├── NewerRevisionError               the file or schema was written by a newer metastore
        ├── MigrationError                   the tables wait for a step of a migration, or it is not the step that is next
        ├── UnreachableError (ConnectionError)   no server of the address answers, or the answer broke off
        ├── LoginError (PermissionError)     the server refuses the user, the password or the role
        ├── UnfitServerError                 a server too old, or set up so that answers would differ
        └── ClosedError                      used after ``close()``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BackendError",
    "BusyError",
    "CatalogUrlError",
    "ClosedError",
    "ConflictError",
    "CursorError",
    "DamagedError",
    "DeclarationError",
    "DefinitionError",
    "DuplicateError",
    "ForbiddenError",
    "FrozenFieldError",
    "HostileFormatError",
    "IdTakenError",
    "KeyTakenError",
    "LinkedError",
    "LoginError",
    "MetastoreError",
    "MigrationError",
    "MissingBytesError",
    "MissingExtraError",
    "NewerRevisionError",
    "NotACatalogError",
    "NotFoundError",
    "NotStoredError",
    "PolicyFileError",
    "ProtectedError",
    "QuarantinedError",
    "QueryError",
    "QuerySyntaxError",
    "QuotaError",
    "ReadOnlyError",
    "RetryError",
    "SchemaConflictError",
    "SignatureError",
    "StaleRevisionError",
    "StorageFullError",
    "StoreDeniedError",
    "StoreError",
    "StoreFullError",
    "StoreUnableError",
    "StoreUnreachableError",
    "StoresFileError",
    "TooLargeError",
    "TransitionError",
    "TrustFileError",
    "UncoveredError",
    "UnfitServerError",
    "UnknownFieldError",
    "UnknownTypeError",
    "UnreachableError",
    "UnsafeUrlError",
    "UnsignedError",
    "UnverifiedError",
    "UploadBrokenError",
    "ValidationError",
    "VersionError",
    "VetoError",
    "WrongBytesError",
    "nearest",
]


class MetastoreError(Exception):
    """Root of every error that metastore raises on purpose."""


class DeclarationError(MetastoreError, TypeError):
    """An artifact type is declared wrongly; raised when the class is created."""


class SchemaConflictError(MetastoreError):
    """The declared type cannot live with the stored one until a migration is given."""


class ValidationError(MetastoreError, ValueError):
    """A value does not fit its field; nothing was written."""


class UnknownFieldError(ValidationError, AttributeError):
    """No field of that name; the message offers the nearest spelling."""


class DefinitionError(ValidationError):
    """A metadata definition, or a file of them, that is none; says which file and where in it."""


class VersionError(MetastoreError, ValueError):
    """A version text that its scheme refuses."""


class QueryError(MetastoreError, ValueError):
    """A query that its type cannot answer; raised before the database is touched."""


class QuerySyntaxError(QueryError):
    """A CQL2 text or JSON with a mistake.

    ``position`` is the 0-based offset of the mistake in the text, ``None`` for JSON.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class CursorError(QueryError):
    """A cursor that is forged, damaged, or made for another query or catalogue."""


class UnknownTypeError(MetastoreError, LookupError):
    """The catalogue holds no type of that name."""


class NotFoundError(MetastoreError, LookupError):
    """No artifact answers to that id, or to that name and version."""


class NotStoredError(MetastoreError, AttributeError):
    """The value is set by the catalogue, and the artifact was not added yet; or it is of a field that who read the artifact may not read."""


class ConflictError(MetastoreError):
    """The write lost against the state of the catalogue; nothing was written."""


class DuplicateError(ConflictError):
    """Another artifact holds the same declared unique scope."""


class IdTakenError(ConflictError):
    """The id was used before, by a live or a deleted artifact."""


class QuotaError(ConflictError):
    """More would be held than a quota allows: ``limit`` and ``used`` of ``measure`` (``count`` or ``bytes``).

    ``project`` is ``None`` for the quota of the whole catalogue, ``kind`` for that of all types together.
    """

    def __init__(
        self,
        message: str,
        *,
        limit: int = 0,
        used: int = 0,
        project: str | None = None,
        kind: str | None = None,
        measure: str = "count",
    ) -> None:
        super().__init__(message)
        self.limit, self.used = limit, used
        self.project, self.kind, self.measure = project, kind, measure


class StaleRevisionError(ConflictError):
    """Someone else wrote a newer revision; read again and decide."""


class TransitionError(ConflictError):
    """The life cycle refuses an action in that state, or a field lacks the value it requires.

    ``field`` is the first field without a value, ``None`` where the state is what stands against it.
    """

    def __init__(self, message: str, action: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.action, self.field = action, field


class FrozenFieldError(ConflictError):
    """A field that does not change in the state of its artifact; nothing was written."""

    def __init__(self, message: str, field: str = "", state: str = "") -> None:
        super().__init__(message)
        self.field, self.state = field, state


class VetoError(ConflictError):
    """A hook refused the action; the message is its reason. Nothing was written."""


class ProtectedError(ConflictError):
    """The artifact is protected, or on hold, and stays."""


class LinkedError(ConflictError):
    """Other artifacts of its owner link to it and restrict; nothing was deleted."""


class QuarantinedError(ConflictError):
    """A reference to bytes that were put aside, or deleted, as garbage: ``key`` below ``base`` may be what ``url`` names. Nothing was written."""

    def __init__(self, message: str, *, url: str = "", base: str = "", key: str = "") -> None:
        super().__init__(message)
        self.url, self.base, self.key = url, base, key


class RetryError(ConflictError):
    """The database undid the whole transaction because of others, or lost it with its connection: nothing was written.

    Do all of it again. The catalogue's own methods, and `Catalog.run`, have done so until their timeout; ``again`` says whether they may.
    """

    again: bool = True


class ForbiddenError(MetastoreError, PermissionError):
    """The policy does not let the caller do that; ``rule`` names what stands against it. Nothing was written."""

    def __init__(self, message: str, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


class PolicyFileError(MetastoreError, ValueError):
    """A file of rules or protections with a mistake; nothing of it is in force.

    ``path`` is the file, ``rule`` the rule or section (empty for the file as a whole), ``position`` the 0-based
    offset of the mistake in the rule's text, or ``None``.
    """

    def __init__(self, message: str, path: str = "", rule: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.path, self.rule, self.position = path, rule, position


class TrustFileError(MetastoreError, ValueError):
    """Trust in keys is configured wrongly; the message names the file, the key or the type. Nothing of it is in force."""


class SignatureError(MetastoreError):
    """The signatures of an artifact do not hold as its type demands, so its bytes are not handed out.

    ``verdicts`` says of each what it is worth (`metastore.signatures.Verdict`).
    """

    def __init__(self, message: str, *, verdicts: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.verdicts = tuple(verdicts)


class UnsignedError(SignatureError):
    """The artifact has no signature, and its type demands some: never signed, or stripped."""


class MissingExtraError(MetastoreError, ImportError):
    """An optional package is not installed; the message names the extra."""


class StoreError(MetastoreError):
    """A store of bytes, or what lies in it, is not as it should be; ``store`` and ``key`` say where, as far as they are known."""

    def __init__(self, message: str, *, store: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.store, self.key = store, key


class StoresFileError(StoreError, ValueError):
    """A store is configured wrongly; the message names the file and the store."""


class UncoveredError(StoreError, LookupError):
    """No configured store covers the url; it may be kept, and is not opened."""


class UnsafeUrlError(StoreError, PermissionError):
    """A url that leads out of its store, or an address that is never connected to."""


class MissingBytesError(StoreError, FileNotFoundError):
    """The store has nothing at that key."""


class KeyTakenError(StoreError, FileExistsError):
    """Something lies at that key already; nothing is overwritten."""


class WrongBytesError(StoreError, ValueError):
    """The bytes are not those of the blob: ``what`` (``size``, an algorithm, ``mark``) was ``found`` and not as ``expected``."""

    def __init__(
        self,
        message: str,
        *,
        what: str = "",
        expected: object = None,
        found: object = None,
        store: str | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(message, store=store, key=key)
        self.what, self.expected, self.found = what, expected, found


class UnverifiedError(StoreError):
    """The blob has no strong digest, so nothing says which bytes are right."""


class HostileFormatError(StoreError, ValueError):
    """A disk image whose format is not the declared one, or that refers to files outside itself."""


class TooLargeError(StoreError, ValueError):
    """More bytes than the field allows, or what is left of a quota; nothing is referenced."""


class StoreDeniedError(StoreError, PermissionError):
    """The store refuses the credentials, or what was asked with them."""


class StoreUnreachableError(StoreError, ConnectionError):
    """The store does not answer, broke off, or is slower than it may be."""


class UploadBrokenError(StoreUnreachableError):
    """An upload broke off and can go on: give ``resume`` to the next call of `Catalog.upload` with the same source."""

    def __init__(
        self, message: str, *, resume: object = None, store: str | None = None, key: str | None = None
    ) -> None:
        super().__init__(message, store=store, key=key)
        self.resume = resume


class StoreFullError(StoreError, OSError):
    """The store has no room left; nothing is referenced."""


class StoreUnableError(StoreError):
    """The store cannot do what was asked: sign, write, or prove a checksum."""


class BackendError(MetastoreError):
    """The store below failed; driver errors never pass it."""


class CatalogUrlError(BackendError, ValueError):
    """An address that no backend can open."""


class BusyError(BackendError, TimeoutError):
    """The write lock was not to be had within the time allowed."""


class ReadOnlyError(BackendError, PermissionError):
    """A write through a read-only catalogue, file or directory."""


class StorageFullError(BackendError, OSError):
    """The disk is full; the transaction was rolled back."""


class DamagedError(BackendError):
    """The file is truncated or corrupt."""


class NotACatalogError(BackendError):
    """The file is a database of something else, or no database."""


class NewerRevisionError(BackendError):
    """The file was written by a newer metastore than this one."""


class MigrationError(BackendError):
    """The tables wait for a step of a migration before this program can use them, or the step asked for is not the next."""


class UnreachableError(BackendError, ConnectionError):
    """No server of the address answers, or the answer broke off."""


class LoginError(BackendError, PermissionError):
    """The server refuses the user, the password, or what the role would do."""


class UnfitServerError(BackendError):
    """The server is too old, or set up so that its answers would differ from the other backends'."""


class ClosedError(BackendError):
    """The catalogue was closed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the nearest spelling, or lists a few names.

    >>> nearest("sise", ["name", "size"])
    "did you mean 'size'?"
    """
    from difflib import get_close_matches  # here, as it costs a fifth of importing the engine and only errors need it

    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "there are none"

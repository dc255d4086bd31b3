"""S3 by s3fs: signed by version 4, checksums asked for and told, objects in parts, nothing overwritten."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from metastore.errors import MissingBytesError, MissingExtraError, StoresFileError, nearest
from metastore.stores._drive import Drive, Stat, Unfinished, ask, refused, status_of
from metastore.stores._remote import RemoteDrive
from metastore.stores._store import Store

__all__ = ["S3Drive"]

_OPTIONS = ("endpoint", "region", "profile", "addressing", "anonymous", "ca")
_CREDENTIALS = ("key", "secret", "token")
_CREATE_ONLY = "*"
_DONE_ALREADY = (404, 412)
"""How a request is refused that was sent again after it was done: its parts are gone, or its object lies there."""
_PAGE, _WORTH = 1000, 50
"""Rows that a listing has at once, and how many of them cost as much as asking one object, more or less."""
_COPIED_AT_MOST = 5 * 2**30
"""Bytes of an object that S3 copies in one request."""


class S3Drive(RemoteDrive):
    """A bucket, or what is below a prefix of one."""

    least, at_once = 8 * 2**20, 4

    def __init__(self, store: Store) -> None:
        for name in store.options:
            if name not in _OPTIONS:
                raise StoresFileError(f"the store {store.name}: S3 has no option {name!r}: {nearest(name, _OPTIONS)}")
        for name in store.credentials:
            if name not in _CREDENTIALS:
                raise StoresFileError(
                    f"the store {store.name}: S3 has no credential {name!r}: {nearest(name, _CREDENTIALS)}"
                )
        try:
            import s3fs  # type: ignore[import-untyped]  # noqa: F401 - no stubs; fsspec would say less
        except ImportError:
            raise MissingExtraError("S3 needs the extra s3: pip install 'metastore-engine[s3]'") from None
        _quiet()
        super().__init__(store, _options(store))
        self._fs.retries = 1  # botocore has tried three times already, and s3fs would have it do so five times

    def _at(self, key: str) -> dict[str, str]:
        bucket, _, rest = self.path(key).partition("/")
        return {"Bucket": bucket, "Key": rest}

    def _call(self, key: str, method: str, **said: Any) -> Any:
        return ask(self._name, key, self._fs.call_s3, method, **self._at(key), **said)

    def stat(self, key: str) -> Stat:
        """Return what a HEAD tells, with the SHA-256 where the store keeps one of the whole."""
        found = self._call(key, "head_object", ChecksumMode="ENABLED")
        mark = str(found.get("ETag", "")).strip('"')
        kind, modified = found.get("ContentType"), found.get("LastModified")
        return Stat(found.get("ContentLength"), mark or None, _digests(found, mark), kind, modified)

    # writing

    def create(self, key: str, chunks: Iterable[bytes], *, media_type: str | None = None) -> Stat:
        """Store a small object at once; a large one goes in `Parts`."""
        body = b"".join(chunks)
        mark, sha256 = hashlib.md5(body, usedforsecurity=False).hexdigest(), _base64(hashlib.sha256(body))
        self._created(key, "put_object", mark, Body=body, ChecksumSHA256=sha256, **_typed(media_type))
        return self.stat(key)

    def _created(self, key: str, method: str, mark: str, **options: Any) -> None:
        """Create an object, whose ETag is to be ``mark``, unless something lies there.

        botocore sends again what got no answer, and may then be refused for what the lost request made.
        """
        told = {**self._at(key), "IfNoneMatch": _CREATE_ONLY, **options}
        status = ask(self._name, key, self._refused_again, method, **told)
        if status is not None and self.stat(key).mark != mark:
            raise refused(self._name, key, status)

    def _refused_again(self, method: str, **told: Any) -> int | None:
        """Return the status by which a request was refused that had been sent before, ``None`` where it is done."""
        try:
            self._fs.call_s3(method, **told)
        except OSError as error:
            status = status_of(error)
            if status not in _DONE_ALREADY or not _tries_before(error):
                raise
            return status
        return None

    def remove(self, key: str) -> None:
        """Delete the object; one that is not there is fine."""
        self._call(key, "delete_object")

    def begin(self, key: str, *, media_type: str | None = None) -> str:
        """Begin a multipart upload."""
        return str(self._call(key, "create_multipart_upload", **_typed(media_type))["UploadId"])

    def take_up(self, key: str) -> str | None:
        """Return the id of the multipart upload to that key that was begun last; of two who end it, one does."""
        said = {"Bucket": self._at(key)["Bucket"], "Prefix": self._at(key)["Key"]}
        page = ask(self._name, key, self._fs.call_s3, "list_multipart_uploads", **said)
        found = [each for each in page.get("Uploads", []) if each["Key"] == said["Prefix"]]
        return str(max(found, key=lambda each: each["Initiated"])["UploadId"]) if found else None

    def sent(self, key: str, upload: str, size: int) -> dict[int, str]:
        """Return the ETags of the parts that were sent."""
        found: dict[int, str] = {}
        after = 0
        while True:
            page = self._call(key, "list_parts", UploadId=upload, PartNumberMarker=after)
            parts = page.get("Parts", [])
            found.update((each["PartNumber"], each["ETag"].strip('"')) for each in parts if each["Size"] == size)
            if not page.get("IsTruncated") or not parts:
                return found
            after = parts[-1]["PartNumber"]

    def send(self, key: str, upload: str, number: int, part: bytes, offset: int) -> str:
        """Send one part with its MD5, which the store checks."""
        md5 = hashlib.md5(part, usedforsecurity=False)
        self._call(key, "upload_part", UploadId=upload, PartNumber=number, Body=part, ContentMD5=_base64(md5))
        return md5.hexdigest()

    def finish(self, key: str, upload: str, marks: Mapping[int, str]) -> None:
        """Complete the upload, unless something lies there."""
        parts = [{"PartNumber": number, "ETag": f'"{marks[number]}"'} for number in sorted(marks)]
        mark = _mark_of_parts([marks[number] for number in sorted(marks)])
        said = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
        self._created(key, "complete_multipart_upload", mark, **said)

    def abandon(self, key: str, upload: str) -> None:
        """Abort the upload; one that is not there is fine."""
        with suppress(MissingBytesError):
            self._call(key, "abort_multipart_upload", UploadId=upload)

    # copying

    def copy(self, other: Drive, source: str, key: str, found: Stat) -> Stat | None:
        """Copy an object of the same endpoint; a large one has an ETag of its parts, which a copy does not keep."""
        if not isinstance(other, S3Drive) or other._where() != self._where() or "md5" not in found.digests:
            return None
        if found.size is None or found.size > _COPIED_AT_MOST:
            return None
        self._call(key, "copy_object", CopySource=other._at(source), CopySourceIfMatch=f'"{found.mark}"')
        return self.stat(key)

    def _where(self) -> tuple[Any, ...]:
        return tuple(self._store.options.get(name) for name in ("endpoint", "region", "profile"))

    # signing

    def sign_get(self, key: str, seconds: int) -> tuple[str, dict[str, str]]:
        """Return a presigned GET."""
        return str(ask(self._name, key, self._fs.sign, self.path(key), expiration=seconds)), {}

    def sign_put(self, key: str, seconds: int, *, size: int, sha256: str) -> tuple[str, dict[str, str]]:
        """Return a presigned PUT whose signature covers size, digest and that nothing lies there."""
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        url = ask(
            self._name, key, self._fs.sign, self.path(key), expiration=seconds,
            client_method="put_object", ContentLength=size, ChecksumSHA256=digest, IfNoneMatch=_CREATE_ONLY,
        )  # fmt: skip
        return str(url), {"Content-Length": str(size), "x-amz-checksum-sha256": digest, "If-None-Match": _CREATE_ONLY}

    # listing

    def listed(self, keys: Iterable[str]) -> dict[str, Stat]:
        """Return sizes and marks; digests and types are told by the objects alone.

        The listing is read from where the keys begin alike, as long as it tells of enough of them.
        """
        wanted, told = set(keys), dict[str, Stat]()
        alike = os.path.commonprefix([*wanted])  # noqa: RUF071 - sign by sign is what S3's prefixes are
        for count, (key, stat) in enumerate(self._beginning(self._prefix("")[1] + alike)):
            if key in wanted:
                told[key] = stat
            if len(told) == len(wanted) or count >= _PAGE + _WORTH * len(told):
                break
        return told

    def _below(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Yield every key below a folder of the prefix, in the order of the store."""
        return self._beginning(self._prefix(folder)[1])

    def _beginning(self, start: str) -> Iterator[tuple[str, Stat]]:
        bucket, own = self._prefix("")
        said: dict[str, Any] = {"Bucket": bucket, "Prefix": start}
        while True:
            page = ask(self._name, None, self._fs.call_s3, "list_objects_v2", **said)
            for each in page.get("Contents", []):
                mark, modified = each["ETag"].strip('"'), each.get("LastModified")
                yield each["Key"].removeprefix(own), Stat(each["Size"], mark, modified=modified)
            if not page.get("IsTruncated"):
                return
            said["ContinuationToken"] = page["NextContinuationToken"]

    def _prefix(self, folder: str) -> tuple[str, str]:
        """Return the bucket, and how keys below a folder begin there."""
        bucket, _, prefix = self.path(folder).rstrip("/").partition("/")
        return bucket, f"{prefix}/" if prefix else ""

    # sweeping

    def _copied(self, key: str, to: str) -> None:
        ask(self._name, key, self._fs.cp_file, self.path(key), self.path(to))

    def unfinished(self) -> Iterator[Unfinished]:
        """Yield the multipart uploads that were neither completed nor aborted."""
        bucket, own = self._prefix("")
        said: dict[str, Any] = {"Bucket": bucket, "Prefix": own}
        while True:
            page = ask(self._name, None, self._fs.call_s3, "list_multipart_uploads", **said)
            for each in page.get("Uploads", []):
                if not each["Key"].startswith(own):
                    continue
                with suppress(MissingBytesError):  # it came to its end since it was listed
                    yield self._left(each["Key"].removeprefix(own), each["UploadId"], each.get("Initiated"))
            if not page.get("IsTruncated"):
                return
            said["KeyMarker"], said["UploadIdMarker"] = page["NextKeyMarker"], page["NextUploadIdMarker"]

    def _left(self, key: str, upload: str, begun: Any) -> Unfinished:
        size, modified, after = 0, begun, 0
        while True:
            page = self._call(key, "list_parts", UploadId=upload, PartNumberMarker=after)
            for each in page.get("Parts", []):
                size, after = size + each["Size"], each["PartNumber"]
                modified = max(filter(None, (modified, each.get("LastModified"))), default=None)
            if not page.get("IsTruncated"):
                return Unfinished(key, key, upload, size, modified)


def _quiet() -> None:
    """Keep the drivers from writing the headers they send, session tokens among them, into a log that takes everything."""
    for name in ("botocore", "aiobotocore", "s3fs"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:  # who asks for these logs by name has asked for that
            logger.setLevel(logging.INFO)


def _straight() -> Any:
    """Return aiobotocore's way to send requests, but for what aiohttp does by itself: redirects, to any host and address, and second tries.

    botocore expects to see them, itself goes to another region only, and tells how often it has tried.
    """
    from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]  # no stubs

    class Unled:
        def __init__(self, session: Any) -> None:
            self._session = session

        def request(self, *args: Any, **said: Any) -> Any:
            return self._session.request(*args, **said, allow_redirects=False)

    class Straight(AIOHTTPSession):  # type: ignore[misc]  # it is untyped
        async def _get_session(self, proxy_url: Any) -> Any:
            session = await super()._get_session(proxy_url)
            session._retry_connection = False
            return Unled(session)

    return Straight


def _base64(hashed: Any) -> str:
    return base64.b64encode(hashed.digest()).decode()


def _mark_of_parts(md5s: Sequence[str]) -> str:
    """Return the ETag of an object of parts."""
    whole = hashlib.md5(b"".join(map(bytes.fromhex, md5s)), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(md5s)}"


def _tries_before(error: Exception) -> int:
    """Return how often botocore had sent a request before it was refused."""
    response = getattr(error.__cause__, "response", {})
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _typed(media_type: str | None) -> dict[str, str]:
    return {} if media_type is None else {"ContentType": media_type}


def _digests(found: Mapping[str, Any], mark: str) -> dict[str, str]:
    """What the store says of the whole: a checksum of checksums of parts is none."""
    digests = {}
    told = str(found.get("ChecksumSHA256") or "")
    if told and "-" not in told and found.get("ChecksumType") != "COMPOSITE" and "-" not in mark:
        digests["sha256"] = base64.b64decode(told).hex()
    if len(mark) == 32 and all(sign in "0123456789abcdef" for sign in mark) and not found.get("ServerSideEncryption"):
        digests["md5"] = mark
    return digests


def _options(store: Store) -> dict[str, Any]:
    said = store.options
    client = {"region_name": said.get("region"), "verify": said.get("ca")}
    config = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": said.get("addressing", "path" if said.get("endpoint") else "auto")},
        "connect_timeout": store.timeout,
        "read_timeout": store.timeout,
        "retries": {"mode": "standard", "max_attempts": 3},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "http_session_cls": _straight(),
    }
    given = {
        "endpoint_url": said.get("endpoint"),
        "profile": said.get("profile"),
        "anon": said.get("anonymous", False),
        "client_kwargs": {name: value for name, value in client.items() if value is not None},
        "config_kwargs": config,
        "use_listings_cache": False,
    }
    return {name: value for name, value in given.items() if value is not None}

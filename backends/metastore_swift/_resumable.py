"""Large objects that are sent in numbered parts, in any order, and that may outlive whoever began them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from metastore_swift._crowd import each
from metastore_swift._headers import stored_with
from metastore_swift._names import joined
from metastore_swift._objects import Objects
from metastore_swift._parts import OWN, Parts, md5_of

__all__ = ["Resumable"]

BEGUN = "00000000"
"""The name of an empty segment that says that an upload was begun, and of which content type."""
ID = re.compile(r"[0-9a-f]{32}")


class Resumable(Parts):
    """One upload of one object, by an id: `begin` gives it, and whoever knows it goes on. Nobody sees the object before `finish`.

    Threads may send at once. Of two who go on with the same id neither may `abandon` what the other one needs: `take_up` copies.
    """

    def __init__(self, objects: Objects, container: str, name: str, upload: str = "") -> None:
        if upload and not ID.fullmatch(upload):
            raise FileNotFoundError(2, "There is no such upload", joined(container, name))
        self.upload = upload or uuid.uuid4().hex
        super().__init__(objects, container, name, {}, self.upload)

    def begin(self, content_type: str | None = None) -> str:
        """Begin, and return the id."""
        headers = {**stored_with(content_type or "application/octet-stream"), "Content-Length": "0"}
        named = f"{self._prefix}/{BEGUN}"
        self._in_container(lambda: self._objects.put(self._within, named, b"", headers=headers))
        return self.upload

    def lying(self) -> dict[int, tuple[str, int]]:
        """Return MD5 and size of the parts that lie there, by number. Raises: FileNotFoundError where it was never begun."""
        found = {int(row["name"][-8:]): (str(row["hash"]), int(row["bytes"])) for row in self._segments()}
        if not found:
            raise FileNotFoundError(2, "There is no such upload", joined(self._container, self._name))
        found.pop(0, None)
        return found

    def _segments(self) -> list[dict[str, Any]]:
        try:
            return list(self._objects.rows(self._within, f"{self._prefix}/"))
        except FileNotFoundError:
            return []

    def send(self, number: int, data: bytes) -> str:
        """Store one part, from 1, and return its MD5, which Swift compares."""
        md5 = md5_of(data)
        self._put(f"{self._prefix}/{number:08d}", data, len(data), md5)
        return md5

    def finish(self, md5s: Mapping[int, str]) -> None:
        """Make the object of the parts, each by its MD5. Raises: FileExistsError where another one lies there."""
        rows = [
            {"path": f"/{self._within}/{self._prefix}/{number:08d}", "etag": md5s[number], "size_bytes": None}
            for number in sorted(md5s)
        ]
        self._sent = max(md5s) + 1
        while len(rows) > self._most:
            rows = self._grouped(rows)
        try:
            self._manifest(self._container, self._name, rows, self._typed(), create=True)
        except FileExistsError:
            if not self._published():  # by a request whose answer was lost
                raise
        self._clean()

    def _typed(self) -> dict[str, str]:
        try:
            return stored_with(self._objects.head(self._within, f"{self._prefix}/{BEGUN}")["content_type"])
        except FileNotFoundError:  # it was finished before, and the answer was lost
            return {}

    def _clean(self) -> None:
        """Remove the mark that it was begun. What others left stays: of two who create at once, Swift may let both, and the later one counts."""
        with suppress(OSError):
            self._objects.delete_if_there(self._within, f"{self._prefix}/{BEGUN}")

    def _uploads(self) -> dict[str, list[str]]:
        """Return the names of what lies there of every upload to this object that was begun, by id."""
        found: dict[str, list[str]] = {}
        beginning = self._prefix.removesuffix(self.upload)
        if beginning == "slo/":  # those of all objects with long names
            return found
        for row in self._objects.rows(self._within, beginning):
            _, upload, number = row["name"].rsplit("/", 2)
            if OWN.search(row["name"]) and (upload in found or (number == BEGUN and not row["bytes"])):
                found.setdefault(upload, []).append(row["name"])
        return found

    def take_up(self) -> str | None:
        """Return the id, having begun with a copy of the unfinished upload to this object that has most; None where there is none."""
        try:
            begun = self._uploads()
        except FileNotFoundError:
            return None
        if not begun:
            return None
        fullest = max(begun, key=lambda upload: len(begun[upload]))
        each(self._take, begun[fullest], self._objects.account.settings.concurrency)
        return self.upload

    def _take(self, name: str) -> None:
        self._objects.copy((self._within, name), (self._within, f"{self._prefix}/{name[-8:]}"))

    def abandon(self) -> None:
        """Remove the parts, unless they are what the object consists of."""
        if not self._published():
            self._objects.delete_many(self._within, [row["name"] for row in self._segments()])

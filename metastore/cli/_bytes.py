"""Commands of bytes: attach, verify, get, put, url, stores, probe."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from metastore import Blob, Catalog
from metastore.cli import _output as output
from metastore.cli._fields import artifact_of, artifacts_of, complete_type, type_named
from metastore.cli._read import where
from metastore.cli._session import Command, asked, opened
from metastore.cli._target import STANDARD, target_at
from metastore.cli._write import REF, done
from metastore.errors import ValidationError

__all__ = ["COMMANDS", "PRIORITY", "bar"]

BLOB = f"{REF} BLOB"
RESULT = ("id", "blob", "part", "result", "size", "proof", "url", "reason")

STORE = click.option("--store", metavar="NAME", help="The store; may be left out where one alone can be written.")
SECONDS = click.option("--seconds", type=click.IntRange(1, 604_800), default=600, help="How long it is good: 600 unless given.")  # fmt: skip
MEDIA_TYPE = click.option("--media-type", metavar="TYPE", help="What kind of bytes they are, like application/gzip.")
PRIORITY = click.option("--priority", type=int, default=0, help="Lower ones are tried first: 0 unless given.")
SIZE = click.option("--size", type=click.IntRange(min=0), help="How many bytes they are.")
DIGEST = click.option(
    "--digest", "digests", multiple=True, metavar="ALGORITHM:HEX", help="What they hash to; may be given again."
)


def _blob_of(catalog: Catalog, words: Sequence[str], *more: str) -> tuple[Any, str, str | None, list[str]]:
    """Return the artifact, field and key that the words name, and the words left, which are ``more``."""
    artifact, rest = artifact_of(catalog, words)
    if len(rest) != 1 + len(more):
        wanted = " and ".join(("BLOB (a field, or FOLDER.NAME)", *more))
        raise click.UsageError(f"expected after the artifact {wanted}, found {' '.join(rest) or 'nothing'!r}")
    field, dot, key = rest[0].partition(".")
    return artifact, field, key if dot else None, rest[1:]


def _digests(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, colon, text = each.partition(":")
        if not colon:
            raise click.UsageError(f"expected a digest like sha256:9f86…, found {each!r:.80}")
        found[name] = text
    return found


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Any]:
    """Give what is told how many bytes passed, and show it on a terminal."""
    if not sys.stderr.isatty() or asked("quiet") or asked("json"):
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(output.printable(what), total=total)
        yield lambda count: shown.update(task, completed=count)


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{BLOB} URL", shell_complete=complete_type)
@SIZE
@DIGEST
@MEDIA_TYPE
@PRIORITY
def attach(
    words: tuple[str, ...], size: int | None, digests: tuple[str, ...], media_type: str | None, priority: int
) -> None:
    """Refer to bytes that lie at URL; a store that covers it is asked for their size and digests.

    \b
    metastore attach images debian@12.4.0 disk s3://images/debian.qcow2 --digest sha256:9f86d08…
    """
    catalog = opened(write=True)
    artifact, field, key, [url] = _blob_of(catalog, words, "URL")
    said: dict[str, Any] = {"size": size, "digests": _digests(digests), "media_type": media_type, "priority": priority}
    done(catalog, catalog.attach(artifact, field, url, key=key, **said))


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=f"{BLOB} FILE", shell_complete=complete_type)
@STORE
@DIGEST
@MEDIA_TYPE
@PRIORITY
def put(
    words: tuple[str, ...], store: str | None, digests: tuple[str, ...], media_type: str | None, priority: int
) -> None:
    """Bring the bytes of FILE (- for standard input) to a store, hashing them on the way, and refer to them."""
    catalog = opened(write=True)
    artifact, field, key, [path] = _blob_of(catalog, words, "FILE")
    if not path:
        raise click.UsageError("the file to bring has no name: expected a path, or - for standard input")
    source: Any = sys.stdin.buffer if path == "-" else path
    said: dict[str, Any] = {"digests": _digests(digests), "media_type": media_type, "priority": priority}
    with bar(path, os.stat(path).st_size if path != "-" else None) as progress:
        made = catalog.upload(artifact, field, source, store, key=key, progress=progress, **said)
    done(catalog, made)


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=BLOB, shell_complete=complete_type)
@click.option("--output", "-o", metavar="FILE", default="-", help="Where to; a file appears once it is proved. [-]")
@click.option("--range", "span", metavar="A-B", help="Only bytes A to B, both included; what is a part is not proved.")
@click.option("--unverified", is_flag=True, help="Also bytes that no strong digest proves.")
def get(words: tuple[str, ...], output: str, span: str | None, unverified: bool) -> None:
    """Fetch the bytes of a blob, proving them on the way, to a file or to standard output.

    On standard output the last bytes are held back until all are proved: a wrong one ends it early, with exit code 1.
    """
    catalog = opened()
    artifact, field, key, _ = _blob_of(catalog, words)
    start, stop = _span(span)
    if output in STANDARD and sys.stdout.isatty():
        raise click.UsageError("bytes do not go to a terminal: give --output FILE, or a pipe")
    value = getattr(artifact, field, None)
    blob = value.get(key) if isinstance(value, dict) else value
    with bar(field, blob.size if isinstance(blob, Blob) else None) as progress:
        said: dict[str, Any] = {"start": start, "stop": stop, "unverified": unverified, "progress": progress}
        with catalog.open_blob(artifact, field, key=key, **said) as source, target_at(output) as target:
            for chunk in source.chunks():
                target.write(chunk)


def _span(text: str | None) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    first, dash, last = text.partition("-")
    if not dash or not first.isdecimal() or not (last.isdecimal() or not last):
        raise click.UsageError(f"expected a range like 0-499 or 500-, found {text!r}")
    start, end = _place(first), _place(last) if last else None
    if end is not None and end < start:
        raise click.UsageError(f"the range {text} ends before it begins")
    return start, None if end is None else end + 1


def _place(digits: str) -> int:
    """Return where a range begins or ends; thirty digits are beyond any blob, and no more are read than Python does."""
    return int(digits.lstrip("0")[:30] or 0)


@click.command(cls=Command)
@click.argument("words", nargs=-1, metavar=f"[{REF}... | --type TYPE [FILTER]]", shell_complete=complete_type)
@click.option("--type", "type_name", metavar="TYPE", shell_complete=complete_type, help="Every artifact of TYPE (any: of every type) for which FILTER holds.")  # fmt: skip
@click.option("--since", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), metavar="TIME", help="Pass over what was found right after this time, as 2030-01-31T12:00:00Z.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=4, help="So many blobs at once: 4 unless given.")
def verify(words: tuple[str, ...], type_name: str | None, since: datetime | None, workers: int) -> int:
    """Read bytes to the end and prove them; a blob that lacks a strong digest gets its SHA-256. Exit code 1 if any is not right.

    Shows a line per place: ok, wrong, hostile, missing, denied, unreachable, uncovered or unable. A run over many that was stopped goes on
    where it was when it is given the same --since.
    """
    catalog = opened(write=True)
    wrong = 0

    def told(found: Any) -> Iterator[tuple[Any, ...]]:
        nonlocal wrong
        for each in found:
            wrong += each.result != "ok"
            yield each.artifact.id, each.blob, each.part, each.result, each.size, each.proof, each.url, each.reason

    with (
        bar("verify", None) as progress,
        closing(_found(catalog, words, type_name, since, workers, progress)) as found,
    ):
        output.rows(RESULT, told(found))
    return 1 if wrong else 0


def _found(
    catalog: Catalog, words: tuple[str, ...], type_name: str | None, since: datetime | None, workers: int, progress: Any
) -> Generator[Any]:
    if type_name is None:
        if not words or since is not None:
            raise click.UsageError("name artifacts, or give --type TYPE (and --since with it)")
        artifacts, rest = artifacts_of(catalog, words)
        if rest:
            raise click.UsageError(f"found {rest[0]!r} after the artifacts")
        for each in artifacts:
            yield from catalog.verify(each, progress=progress)
        return
    if len(words) > 1:
        raise click.UsageError("after --type TYPE comes one filter, in quotes")
    predicates = where(catalog, type_name, words[0] if words else None)
    moment = None if since is None else since.astimezone() if since.tzinfo else _utc(since)
    kind = type_named(catalog, type_name)
    yield from catalog.verify_many(kind, *predicates, since=moment, workers=workers, progress=progress)


def _utc(moment: datetime) -> datetime:
    from datetime import UTC

    return moment.replace(tzinfo=UTC)


@click.command(cls=Command)
@click.argument("words", nargs=-1, required=True, metavar=BLOB, shell_complete=complete_type)
@click.option(
    "--put", "upload", is_flag=True, help="To upload by, instead of to download: give --size and --digest sha256:…."
)
@STORE
@SIZE
@DIGEST
@SECONDS
def url(
    words: tuple[str, ...], upload: bool, store: str | None, size: int | None, digests: tuple[str, ...], seconds: int
) -> None:
    """Print a signed url by which a client fetches a blob from its store, or with --put brings it there.

    It is a secret while it is good. What was brought is referred to by attaching its location, which is shown.
    """
    catalog = opened(write=upload)
    artifact, field, key, _ = _blob_of(catalog, words)
    if upload:
        sha256 = _digests(digests).get("sha256")
        if size is None or sha256 is None:
            raise ValidationError("an upload is signed for bytes that are known: give --size and --digest sha256:…")
        made = catalog.upload_url(artifact, field, store, size=size, sha256=sha256, key=key, seconds=seconds)
    else:
        made = catalog.download_url(artifact, field, key=key, seconds=seconds)
    told = {"method": made.method, "url": made.url, "headers": dict(made.headers), "location": made.location}
    output.object_({**told, "expires": made.expires, "binds": list(made.binds)})


@click.command(cls=Command)
def stores() -> None:
    """List the configured stores: name, url, whether they are written, whether what lies there is anybody's, description."""
    catalog = opened(owner=True)
    found = catalog.stores.values()
    rows = ((each.name, each.url, not each.read_only and each.place.protocol not in ("http", "https"), not each.internal, each.description) for each in found)  # fmt: skip
    output.rows(("store", "url", "written", "public", "description"), rows)
    if not len(catalog.stores):
        output.note("no store is configured: --stores FILE names some")


@click.command(cls=Command)
@click.argument("store")
def probe(store: str) -> None:
    """Try what a store can do, with objects that are taken away again; whether signed uploads are bound, with a wrong checksum."""
    found = opened(make=True).probe(store)
    shown = ("store", "url", "probed_at", "reads", "writes", "create_only", "ranges", "parts", "signs",
             "binds_sha256", "binds_size", "binds_create", "tells_sha256", "reason")  # fmt: skip
    output.object_({name: getattr(found, name) for name in shown})


COMMANDS: tuple[click.Command, ...] = (attach, put, get, verify, url, stores, probe)

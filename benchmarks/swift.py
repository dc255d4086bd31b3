"""Our Swift beside python-swiftclient on one server: a large object written and read, and many small ones told of.

    python -m benchmarks.swift [--mib 1024] [--rounds 3] [--objects 1000]

Each answer is checked: sizes and SHA-256 of what was read, names and MD5s of what was listed. Bars: reading and writing
at least 0.9 times as fast as python-swiftclient; objects listed and stat'ed at least 5 times faster than one after the other.
"""

import argparse
import hashlib
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("backends", "tests")]

from servers.swift import KEY, USER, Swift  # noqa: E402 - found by the line above

from metastore_swift import SwiftFileSystem  # noqa: E402

CHUNK = 2**20


def timed(work: Callable[[], object]) -> tuple[float, object]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def digest(chunks) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def large(fs, client, mib: int, rounds: int) -> dict:
    data = os.urandom(CHUNK) * mib
    wanted = hashlib.sha256(data).hexdigest()

    def written():
        with fs.open("bench/ours", "wb") as file:
            for at in range(0, len(data), CHUNK):
                file.write(data[at : at + CHUNK])

    def streamed(name):
        with fs.open(f"bench/{name}") as file:
            return digest(iter(lambda: file.read(CHUNK), b""))

    def by_client(name):
        return digest(client.get_object("bench", name, resp_chunk_size=CHUNK)[1])

    works = {
        "write, swiftclient": lambda: client.put_object("bench", "theirs", io.BytesIO(data), content_length=len(data)),
        "write, ours": written,
        "read, swiftclient": lambda: by_client("theirs"),
        "read, ours": lambda: streamed("theirs"),
        "read large object, swiftclient": lambda: by_client("ours"),
        "read large object, ours": lambda: streamed("ours"),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds, found = timed(work)
            taken[name].append(seconds)
            if name.startswith("read") and found != wanted:
                raise SystemExit(f"{name}: these are not the bytes that were written")
    return {name: statistics.median(each) for name, each in taken.items()}


def small(fs, count: int, rounds: int) -> dict:
    stored = {f"bench/small/{at:05d}": b"%d" % at for at in range(count)}
    fs.pipe(stored)
    wanted = {name: hashlib.md5(data).hexdigest() for name, data in stored.items()}
    works = {
        "one after the other": lambda: {name: fs.info(name) for name in stored},
        "several at a time": lambda: fs.info_many(stored),
        "by listing": lambda: fs.find("bench/small", detail=True),
    }
    taken = {}
    for name, work in works.items():
        seconds = []
        for _ in range(rounds if name == "by listing" else 1):
            spent, found = timed(work)
            seconds.append(spent)
            if {path: entry["md5"] for path, entry in found.items()} != wanted:
                raise SystemExit(f"{name}: not what was stored")
        taken[name] = statistics.median(seconds)
    return taken


def main() -> None:
    import swiftclient

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--mib", type=int, default=1024)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--objects", type=int, default=1000)
    told = asked.parse_args()
    server = Swift()
    try:
        fs = SwiftFileSystem(auth_url=server.auth_url, user=USER, key=KEY)
        fs.mkdir("bench")
        client = swiftclient.Connection(server.auth_url, USER, KEY)
        seconds = large(fs, client, told.mib, told.rounds) | small(fs, told.objects, told.rounds)
    finally:
        server.close()
    bars = {
        "write >= 0.9": seconds["write, swiftclient"] / seconds["write, ours"],
        "read >= 0.9": seconds["read, swiftclient"] / seconds["read, ours"],
        "read large object >= 0.9": seconds["read large object, swiftclient"] / seconds["read large object, ours"],
        "listed >= 5": seconds["one after the other"] / seconds["by listing"],
    }
    load = os.getloadavg()[0]
    print(
        json.dumps({"mib": told.mib, "objects": told.objects, "load": load, "seconds": seconds, "bars": bars}, indent=2)
    )


if __name__ == "__main__":
    main()

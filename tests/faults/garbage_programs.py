"""What the processes of the tests of sweeping do."""

import random
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

from metastore import Artifact, Blob, Catalog, Field, field, garbage
from metastore._garbage import Discarded
from metastore.errors import ConflictError, NotFoundError, StoreError
from metastore.stores import Store, Stores

NONE = timedelta(0)


class Disk(Artifact, type_name="disks"):
    data: Field[Blob | None] = field(default=None)


def opened(root, number):
    stores = Stores([Store("one", f"file://{root}/store")])
    return Catalog.open(f"{root}/{number}.db", types=[Disk], stores=stores, durability="normal")


def work(root, number, seed, rounds):
    """Upload, refer, copy to the other catalogue and delete for a while; return how many writes were refused."""
    chance, refused = random.Random(seed), 0
    with opened(root, number) as own, opened(root, 1 - number) as other:
        for at in range(rounds):
            try:
                disk = own.upload(own.add(Disk(name=f"{seed}-{at}")), "data", b"bytes of %d" % at)
                if chance.random() < 0.5:
                    other.load(Disk, [own.dump(disk)])
                    copy = other.get(Disk, disk.id)
                else:
                    copy = other.attach(other.add(Disk(name=f"{seed}+{at}")), "data", disk.data.url)
                for catalog, each in ((own, disk), (other, copy)):
                    if chance.random() < 0.8:
                        catalog.delete(each)
            except (ConflictError, StoreError, NotFoundError):
                refused += 1
    return refused


def sweep(root, rounds):
    """Sweep both catalogues again and again; return how many objects were put aside and deleted."""
    count = 0
    with ExitStack() as stack:
        roots = [stack.enter_context(opened(root, number)) for number in range(2)]
        for at in range(rounds):
            for step in ("restore", "quarantine", "delete"):
                with suppress(NotFoundError):
                    plan = garbage.plan(roots, min_age=NONE, grace=NONE)
                    count += len(garbage.carry_out(plan, roots, step, take_over=at == 0).going)
    return count


def missing(root):
    """Return every url that is referred to without bytes."""
    with opened(root, 0) as one, opened(root, 1) as two:
        urls = {disk.data.url for each in (one, two) for disk in each.find(Disk) if disk.data is not None}
    return sorted(url for url in urls if not Path(unquote(url.removeprefix("file://"))).is_file())


def left(root):
    """Return how many files lie in the store, and how many of them are referred to."""
    with opened(root, 0) as one, opened(root, 1) as two:
        urls = {disk.data.url for each in (one, two) for disk in each.find(Disk) if disk.data is not None}
    return sum(each.is_file() for each in Path(root, "store").rglob("*")), len(urls)


def deleted(root):
    """Return how many objects were deleted as garbage."""
    with opened(root, 0) as one:
        return one.count(Discarded, Discarded.state == "deleted")

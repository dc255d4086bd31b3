"""What the child processes of the quota tests run. Functions only, so that a fork server can find them by name."""

from functools import partial

from metastore import Artifact, Blob, Catalog, Field, field
from metastore.errors import QuotaError


class Image(Artifact, type_name="images"):
    """What is limited."""

    disk: Field[Blob | None] = field(default=None)


def open_images(path):
    return Catalog.open(path, types=[Image], durability="normal", timeout=120.0)


def add_checked(catalog, name, owner, size):
    """Add an image if the quotas let it; return whether they did."""
    try:
        catalog.add(Image(name=name, owner=owner, disk=Blob("s3://a/b", size=size)))
    except QuotaError:
        return False
    return True


def add_what_fits(place, barrier, seed, owners, turns, sizes):
    """Try to add so many images, of each owner in turn; return (owner, size) of what was added."""
    added = []
    with open_images(place.address(seed)) as catalog:
        barrier.wait()
        for turn in range(turns):
            owner, size = owners[(turn + seed) % len(owners)], sizes[(turn * 7 + seed) % len(sizes)]
            if add_checked(catalog, f"{seed}.{turn}", owner, size):
                added.append((owner, size))
    return added


def replace_at_the_limit(place, barrier, seed, turns):
    """At a full quota delete one of the images of ours and add one in its place, in one transaction; return how often it was refused."""
    refused = 0
    with open_images(place.address(seed)) as catalog:
        barrier.wait()
        for turn in range(turns):
            refused += catalog.run(partial(exchange, catalog, seed, turn))
    return refused


def exchange(catalog, seed, turn):
    """Put one image of ours in the place of another; return how often what fits was refused, or what does not fit was not."""
    catalog.delete(catalog.find(Image, Image.name.startswith(f"{seed}."), limit=1).first())
    refused = not add_checked(catalog, f"{seed}.{turn}", "p1", 1)
    return refused + add_checked(catalog, f"{seed}.{turn} too many", "p1", 1)

"""What the processes of the tests of copying do."""

from metastore import Artifact, Catalog, Field, Link, Record, _copying, field, moving


class Part(Artifact, type_name="parts"):
    size: Field[int] = field(default=0)
    parent: Field[Link[Record] | None] = field(default=None, on_delete="detach")


def fill(path, count):
    """Make a catalogue with a history: added by tens, changed, renamed in turn, deleted."""
    with Catalog.open(path, types=[Part], durability="normal") as catalog:
        for start in range(0, count, 10):
            catalog.add_many(Part(name=f"{at}", tags=["a"], properties={"at": at}) for at in range(start, start + 10))
        parts = list(catalog.find(Part))
        for at, each in enumerate(parts[::3]):
            catalog.update(each, description=f"changed {at}", parent=Link(parts[at]))
        for each in parts[1::9]:
            catalog.delete(each)


def write_some(path, rounds):
    """Go on writing for a while."""
    with Catalog.open(path, types=[Part], durability="normal") as catalog:
        for at in range(rounds):
            part = catalog.add(Part(name=f"late {at}"))
            catalog.update(part, size=at)


def copy(source, destination, chunk=20):
    """Copy in small steps; return whether the process lived to the end of it."""
    _copying.CHUNK = chunk
    with Catalog.open(source, mode="ro") as old, Catalog.open(destination) as new:
        moving.copy(old, new)
    return True


def differences(source, destination):
    """Return what two catalogues differ in, and what the second's audit finds."""
    with Catalog.open(source, mode="ro") as old, Catalog.open(destination) as new:
        return [repr(each) for each in moving.compare(old, new).differences], new.check()

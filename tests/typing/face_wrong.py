"""Wrong lines: a mark says which checkers must report the line, ``wrong`` alone means all four.

What no checker can see (``catalog.update(image, sise=1)``) is an error at run time; see the tests of the catalog.
"""

from face_declared import Image

from metastore import Blob, Catalog, Link, Predicate, field, linked_from, matches

image = Image(name="debian", version="12.4.0", os_distro="debian", arch="x86_64")
catalog = Catalog.open("memory:", types=[Image])


def take(predicate: Predicate) -> None:
    """Where ``==`` and ``!=`` do not fit, Python asks the other side: the result is a ``bool``, and no predicate."""


# construction
Image(name="x", version="1.0.0", os_distro=3, arch="x86_64")  # wrong
Image(name="x", version="1.0.0", os_distro="debian", arch="sparc")  # wrong
Image(name="x", version="1.0.0", os_distro="debian")  # wrong
Image(version="1.0.0", os_distro="debian", arch="x86_64")  # wrong
Image(name="x", os_distro="debian", arch="x86_64", min_rm=3)  # wrong
Image(name="x", version=3, os_distro="debian", arch="x86_64")  # wrong
Image(name="x", os_distro="debian", arch="x86_64", tags=[3])  # wrong
Image(name="x", os_distro="debian", arch="x86_64", disk="s3://i/d")  # wrong
Image("x", os_distro="debian", arch="x86_64")  # wrong
Blob(3)  # wrong
Link(3)  # wrong

# instances
image.sise  # wrong
image.min_ram = 3  # wrong
image.name = "other"  # wrong
image.tags = []  # wrong
image.version = "2.0.0"  # wrong
image.disk = None  # wrong
image.min_ram.upper()  # wrong
image.disk.url  # wrong

# comparison
Image.sise  # wrong
Image.sise > 3  # wrong
Image.min_ram > "x"  # wrong
take(Image.min_ram == "x")  # wrong
take(Image.min_ram != "x")  # wrong
Image.min_ram.between("a", 3)  # wrong
Image.min_ram.in_(["a"])  # wrong
Image.min_ram.startswith("x")  # wrong
Image.min_ram.contains("x")  # wrong
Image.name > 3  # wrong
Image.version >= 3  # wrong
take(Image.version == 1.2)  # wrong
Image.version.caret(1)  # wrong
Image.os_distro.startswith(3)  # wrong
Image.os_distro.contains(3)  # wrong
take(Image.vendor == 3)  # wrong
Image.created_at > "2024-02-29"  # wrong

# inside lists, dicts and blobs
Image.tags.contains(3)  # wrong
Image.tags.contains_any([3])  # wrong
take(Image.tags == "lts")  # wrong
Image.limits["cpu"] > "x"  # wrong
Image.limits.has_key(3)  # wrong
take(Image.properties[3] == 1)  # wrong
Image.disk.size > "x"  # wrong
Image.disk.sise > 3  # wrong
take(Image.disk.sha256 == 3)  # wrong
Image.layers["base"].size > "x"  # wrong
Image.layers[3]  # wrong

# behind links
take(Image.parent.name == 3)  # wrong
take(Image.parent.nam == "base")  # wrong
Image.parent.parent.min_ram > "x"  # wrong
Image.parent.disk.size > "x"  # wrong
Image.sources.any("x")  # wrong
take(Image.sources.name == "x")  # wrong
linked_from("parent")  # wrong
linked_from(Image.name)  # wrong
linked_from(Image.parent, "x")  # wrong
matches("a", "name")  # wrong

# truth
(Image.min_ram > 3) & True  # wrong
(Image.min_ram > 3) | "x"  # wrong


def truth() -> None:
    if Image.min_ram > 3:  # wrong: pyright
        pass


# the catalogue
catalog.add(3)  # wrong
catalog.update("x", min_ram=3)  # wrong
catalog.delete("x")  # wrong
catalog.get("images", image.id)  # wrong
catalog.get(Image, 3)  # wrong
catalog.find(Image, "min_ram > 3")  # wrong
catalog.find(Image, True)  # wrong
catalog.find(Image, order_by="name")  # wrong
catalog.find(Image, order_by=["name"])  # wrong
catalog.find(Image, order_by=Image.name)  # wrong
catalog.find(Image, limit="10")  # wrong
catalog.find(int)  # wrong
catalog.count(Image, "x")  # wrong
catalog.find(Image).first().min_ram  # wrong
catalog.find(Image).all().min_ram  # wrong
Catalog.open("memory:", mode="w")  # wrong
Catalog.open("memory:", durability="none")  # wrong

# declaration
field(ge="x", index="yes")  # wrong
field(indx=True)  # wrong

"""Disk images that reach out, or are not what they say: refused after a bounded prefix, with real ones where qemu-img is there (S16)."""

import shutil
import struct
import subprocess
from uuid import UUID

import pytest

from metastore import Catalog
from metastore.builtin.images import Image
from metastore.errors import HostileFormatError, MissingExtraError
from metastore.stores import Stores
from metastore.stores._formats import PREFIX, Inspector, inspected

pytest.importorskip("oslo_utils.imageutils")

QEMU = shutil.which("qemu-img")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="no qemu-img here: install qemu-utils")


def qcow2(backing=0, features=0, version=3, size=2**30):
    """Return the head of a qcow2: no table behind it, as none is ever looked at."""
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, 16, size, 0, 1, 0, 0, 0, 0, 0
    )
    return (head + struct.pack(">QQQII", features, 0, 0, 4, 104)).ljust(2**17, b"\0")


def vmdk(kind="monolithicSparse", extent='RW 2048 SPARSE "disk.vmdk"'):
    """Return a sparse VMDK with that descriptor."""
    text = f'# Disk DescriptorFile\nversion=1\ncreateType="{kind}"\n{extent}\n'.encode()
    head = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 0, 0).ljust(512, b"\0")
    return (head + text.ljust(20 * 512, b"\0")).ljust(2**21, b"\0")


def gpt(data=b""):
    """Return a protective partition table, and an EFI header."""
    entry = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0xFFFFFFFF)
    return (data.ljust(446, b"\0")[:446] + entry + bytes(48) + b"\x55\xaa" + b"EFI PART").ljust(2**20, b"\0")


def vhdx(size, length=8):
    """Return a VHDX of which the regions are at their usual places, and the size, as bytes of that length, is the last of it."""
    bat, meta = UUID("2DC27766-F623-4200-9D64-115E9BFD4A08"), UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
    regions = struct.pack("<4sIII", b"regi", 0, 2, 0)
    regions += b"".join(each.bytes_le + struct.pack("<QII", at * 2**20, 2**20, 1) for each, at in ((bat, 3), (meta, 1)))
    item = UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8").bytes_le + struct.pack("<IIII", 2**16, length, 0, 0)
    table = struct.pack("<8sHH", b"metadata", 0, 1).ljust(32, b"\0") + item
    return (b"vhdxfile".ljust(192 * 1024, b"\0") + regions).ljust(2**20, b"\0") + table.ljust(2**16, b"\0") + size


RAW = b"just bytes, " * 10_000


def judged(declared, *chunks):
    inspector = Inspector(declared)
    for _ in inspected(iter(chunks), inspector):
        pass
    return inspector


GOOD = [
    ("qcow2", qcow2(), 2**30),
    ("qcow2", qcow2(version=2), 2**30),
    ("raw", RAW, len(RAW)),
    ("raw", b"", 0),
    ("raw", b"x", 1),
    ("raw", gpt(), 2**20),
    ("gpt", gpt(), 2**20),
    ("vmdk", vmdk(), 2048 * 512),
    ("ploop", RAW, None),
    ("vhdx", vhdx(struct.pack("<Q", 2**30)), 2**30),
    ("vhdx", vhdx(struct.pack("<Q", 2**64 - 1)), None),
]
HOSTILE = {
    "a backing file": ("qcow2", qcow2(backing=512), "backing_file"),
    "a data file": ("qcow2", qcow2(features=4), "data_file"),
    "unknown features": ("qcow2", qcow2(features=2**40), "unknown_features"),
    "raw that is qcow2": ("raw", qcow2(), "its format is qcow2"),
    "a kernel that is qcow2": ("aki", qcow2(), "its format is qcow2"),
    "ploop that is vmdk": ("ploop", vmdk(), "its format is vmdk"),
    "qcow2 that is raw": ("qcow2", RAW, "none that is known"),
    "qcow2 that is empty": ("qcow2", b"", "none that is known"),
    "vmdk that is qcow2": ("vmdk", qcow2(), "its format is qcow2"),
    "a flat extent": ("vmdk", vmdk("monolithicFlat", 'RW 2048 FLAT "/etc/passwd" 0'), "descriptor"),
    "an extent elsewhere": ("vmdk", vmdk(extent='RW 2048 SPARSE "/etc/passwd"'), "descriptor"),
    "a strange descriptor": ("vmdk", vmdk(extent="RUN /bin/sh"), "descriptor"),
    "an ISO with a VMDK": ("iso", vmdk()[:32769] + b"CD001" + vmdk()[32774:], "several formats"),
    "a partition table that is qcow2": ("gpt", qcow2()[:510] + b"\x55\xaa" + qcow2()[512:], "several formats"),
}


@pytest.mark.parametrize(("declared", "data", "size"), GOOD)
def test_an_image_that_is_what_it_says_passes_with_the_size_that_a_guest_sees(declared, data, size):
    assert judged(declared, data).virtual_size == size


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("step", [1000, 2**22])
def test_a_hostile_image_is_refused(what, step):
    declared, data, words = HOSTILE[what]
    with pytest.raises(HostileFormatError, match=words):
        judged(declared, *(data[at : at + step] for at in range(0, len(data), step)))


@pytest.mark.parametrize("length", [0, 4, 7])
def test_an_image_whose_size_is_shorter_than_a_size_is_refused(length):
    with pytest.raises(HostileFormatError, match="vhdx"):
        judged("vhdx", vhdx(bytes(8), length))


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_image_is_refused_after_a_bounded_prefix(what):
    declared, data, words = HOSTILE[what]
    taken = 0

    def endless():
        nonlocal taken
        for at in range(0, len(data), 2**16):
            taken += 2**16
            yield data[at : at + 2**16]
        while True:
            taken += 2**16
            yield bytes(2**16)

    with pytest.raises(HostileFormatError, match=words):
        judged(declared, *()) if not data else _run(declared, endless())
    assert taken <= PREFIX + 2**16


def _run(declared, chunks):
    for _ in inspected(chunks, Inspector(declared)):
        pass


@needs_qemu
@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vdi", "vhdx", "raw", "vpc"])
def test_images_that_qemu_makes_pass(tmp_path, kind):
    path = tmp_path / "disk"
    subprocess.run([QEMU, "create", "-q", "-f", kind, path, "64M"], check=True)
    found = judged({"vpc": "vhd"}.get(kind, kind), path.read_bytes())
    assert found.virtual_size >= 64 * 2**20


@needs_qemu
@pytest.mark.parametrize(
    "options",
    [["-b", "base", "-F", "raw"], ["-o", "data_file=base,data_file_raw=on"]],
)
def test_images_that_qemu_makes_to_reach_out_are_refused(tmp_path, options):
    (tmp_path / "base").write_bytes(bytes(2**20))
    subprocess.run([QEMU, "create", "-q", "-f", "qcow2", *options, "disk", "1M"], check=True, cwd=tmp_path)
    with pytest.raises(HostileFormatError):
        judged("qcow2", (tmp_path / "disk").read_bytes())


@needs_qemu
def test_a_flat_vmdk_that_qemu_makes_is_refused(tmp_path):
    subprocess.run(
        [QEMU, "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", tmp_path / "d.vmdk", "1M"], check=True
    )
    with pytest.raises(HostileFormatError):
        judged("vmdk", (tmp_path / "d.vmdk").read_bytes())


def test_an_image_that_breaks_an_inspector_after_it_was_recognised_is_refused(monkeypatch):
    inspector = Inspector("vmdk")
    for _ in range(PREFIX // 2**21):
        inspector.take(vmdk())
    assert inspector.format == "vmdk"
    inspector._safe.clear()
    monkeypatch.setattr(type(inspector._found["vmdk"]), "eat_chunk", lambda *_: 1 / 0)
    with pytest.raises(HostileFormatError, match="cannot be read on"):
        inspector.take(b"more")


# in the catalogue


@pytest.fixture
def images(made):
    with Catalog.open("memory:", types=[Image], stores=Stores([made("file")])) as catalog:
        yield catalog


def test_an_image_is_inspected_as_it_is_uploaded_and_its_size_recorded(images):
    image = images.add(Image(name="i", disk_format="qcow2", container_format="bare"))
    made = images.upload(image, "image", qcow2())
    assert (made.virtual_size, made.image.size) == (2**30, 2**17)


def test_a_hostile_image_leaves_nothing(images):
    image = images.add(Image(name="i", disk_format="raw", container_format="bare"))
    with pytest.raises(HostileFormatError):
        images.upload(image, "image", qcow2())
    assert (images.get(Image, image.id), dict(images.stores.drive("one").keys())) == (image, {})


@pytest.mark.parametrize("said", [{"disk_format": "raw", "container_format": "ova"}, {}])
def test_what_is_in_a_container_or_said_to_be_nothing_is_not_inspected(images, said):
    assert images.upload(images.add(Image(name="i", **said)), "image", qcow2()).virtual_size is None


def test_an_image_that_was_attached_is_inspected_when_it_is_verified(images):
    images.stores.drive("one").create("evil", [qcow2(backing=512)])
    image = images.add(Image(name="i", disk_format="qcow2", container_format="bare"))
    made = images.attach(image, "image", images.stores.url("one", "evil"))
    [found] = images.verify(made)
    assert (found.result, images.get(Image, image.id).image.proof) == ("hostile", None)
    assert "backing_file" in found.reason


def test_without_the_inspector_images_are_refused_and_the_extra_is_named(images, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "oslo_utils.imageutils", None)
    image = images.add(Image(name="i", disk_format="raw", container_format="bare"))
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[formats\]"):
        images.upload(image, "image", RAW)

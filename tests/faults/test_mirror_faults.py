"""Mirrors that run into a full disk or a read-only one, and runs that are interrupted or killed: the next one goes on."""

import os
import signal
import subprocess
import sys

import pytest

from metastore import Artifact, Blob, Catalog, Field, field
from metastore.stores import Store, Stores

MEBIBYTE = 2**20


class Disk(Artifact, type_name="disks"):
    data: Field[Blob | None] = field(default=None)


class Folder(Artifact, type_name="folders"):
    files: Field[dict[str, Blob]] = field(factory=dict)


@pytest.fixture
def filled(tmp_path):
    """A function that makes a catalogue with blobs of some sizes in the store ``one``, and a store ``two`` that is given."""
    opened = []

    def fill(sizes, two):
        (tmp_path / "one").mkdir()
        stores = Stores([Store("one", f"file://{tmp_path}/one"), Store("two", f"file://{two}")])
        catalog = Catalog.open(str(tmp_path / "c.db"), types=[Disk, Folder], stores=stores)
        opened.append(catalog)
        for at, size in enumerate(sizes):
            catalog.upload(catalog.add(Disk(name=f"d{at}")), "data", os.urandom(size), "one")
        return catalog

    yield fill
    for each in opened:
        each.close()


def whole(catalog, kind=Disk):
    """Return what came of verifying every place of every blob, and how many places there are."""
    found = [each.result for each in catalog.verify_many(kind)]
    return set(found), len(found)


def test_a_target_that_is_full_takes_what_fits_and_the_rest_when_there_is_room(filled, small_disk, tmp_path):
    catalog = filled([600_000, 600_000, 10_000], small_disk)
    found = [each.result for each in catalog.mirror(Disk, store="two", workers=1)]
    assert found == ["copied", "full", "copied"]
    assert whole(catalog) == ({"ok"}, 5)
    assert sum(each.stat().st_size for each in small_disk.rglob("*") if each.is_file()) == 610_000
    subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)
    assert [each.result for each in catalog.mirror(Disk, store="two")] == ["copied"]
    assert whole(catalog) == ({"ok"}, 6)


def test_a_target_that_cannot_be_written_changes_nothing(filled, read_only_media, tmp_path):
    (tmp_path / "two").mkdir()
    with read_only_media(tmp_path / "two") as media:
        catalog = filled([100, 200], media)
        before = list(catalog.find(Disk))
        assert {each.result for each in catalog.mirror(Disk, store="two")} == {"denied"}
        assert list(catalog.find(Disk)) == before


@pytest.fixture
def program(tmp_path):
    """A function that starts the command line on the catalogue of `filled`."""
    (tmp_path / "two").mkdir()
    stores = "".join(f'[stores.{name}]\nurl = "file://{tmp_path}/{name}"\n' for name in ("one", "two"))
    (tmp_path / "stores.toml").write_text(stores)
    shared = ["--catalog", str(tmp_path / "c.db"), "--stores", str(tmp_path / "stores.toml")]

    def start(*words, kind="disks"):
        command = [sys.executable, "-m", "metastore", "mirror", kind, "--to", "two", *words, *shared]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_is_gone_on_with(filled, program, tmp_path, number, code):
    catalog = filled([MEBIBYTE] * 20, tmp_path / "two")
    running = program("--rate", "4MiB")
    first = running.stdout.readline()
    running.send_signal(number)
    rest, told = running.communicate(timeout=30)
    done = [line for line in [first, *rest.splitlines()] if "copied" in line]
    assert 1 <= len(done) < 20
    assert running.returncode == code
    assert ("interrupted" in told, "Traceback" in told) == (number == signal.SIGINT, False)
    words, places = whole(catalog)
    assert (words, places >= 20 + len(done)) == ({"ok"}, True)  # no reference leads to nothing
    again = program()
    out, _ = again.communicate(timeout=60)
    assert (again.returncode, len(out.splitlines())) == (0, 40 - places)
    assert whole(catalog) == ({"ok"}, 40)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_folder_that_a_run_was_stopped_in_has_no_reference_to_nothing_and_is_gone_on_with(
    filled, program, tmp_path, number
):
    catalog = filled([MEBIBYTE] * 20, tmp_path / "two")
    disks = list(catalog.find(Disk))
    folder = catalog.add(Folder(name="folder", files={each.name: each.data for each in disks}))
    for each in disks:
        catalog.delete(each)
    running = program("--rate", "4MiB", kind="folders")
    while sum(each.is_file() for each in (tmp_path / "two").rglob("sha256-*")) < 4:
        assert running.poll() is None
    running.send_signal(number)
    out, _ = running.communicate(timeout=30)
    told = number == signal.SIGINT  # what was brought is referred to, where the process is asked to end
    assert (out, catalog.get(Folder, folder.id).revision) == ("", 1 + told)
    words, places = whole(catalog, Folder)
    assert (words, places >= 23 if told else places == 20) == ({"ok"}, True)
    out, _ = program(kind="folders").communicate(timeout=60)
    results = [line.split("\t")[3] for line in out.splitlines()]
    assert (len(results), results.count("there") >= 3 or told) == (40 - places, True)
    assert (whole(catalog, Folder), catalog.get(Folder, folder.id).revision) == (({"ok"}, 40), 2 + told)

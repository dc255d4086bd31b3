"""Bringing bytes, referring to them, reading, proving and copying them: alike on every store that can be written (S10, S12, S13, S15)."""

import gzip
import hashlib
import io
import itertools
import os
import re
import tarfile
import threading
import urllib.error
import urllib.request
from array import array
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest

from metastore import Artifact, Blob, Catalog, Field, Location, before, field
from metastore.errors import (
    FrozenFieldError,
    MissingBytesError,
    NotFoundError,
    StaleRevisionError,
    StoreDeniedError,
    StoreError,
    StoreUnableError,
    StoreUnreachableError,
    TooLargeError,
    UncoveredError,
    UnknownFieldError,
    UnverifiedError,
    ValidationError,
    WrongBytesError,
)
from metastore.stores import Signs, Store, Stores
from metastore.stores._drive import Drive
from metastore.stores._local import LocalDrive

LARGE = bytes(range(251)) * 50_000  # two parts of at most 8 MiB
SMALL = b"a few bytes"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def put(catalog, key, data):
    """Let bytes lie in the store without the catalogue, and without a checksum that it would tell, and return their url."""
    drive = catalog.stores.drive("one")
    if isinstance(drive, LocalDrive):
        drive.create(key, [data])
    else:
        drive._fs.pipe_file(drive.path(key), data)
    return catalog.stores.url("one", key)


def lying(catalog):
    """Return how many objects lie in the store."""
    return len(dict(catalog.stores.drive("one").keys()))


# upload


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_what_is_uploaded_is_referred_to_and_read_back(catalog, disk, data):
    made = catalog.upload(disk, "data", data, media_type="application/x-disk")
    assert (made.data.size, made.data.sha256, made.data.media_type) == (len(data), sha256(data), "application/x-disk")
    assert (made.data.locations[0].store, made.revision) == ("one", 2)
    with catalog.open_blob(made, "data") as file:
        assert file.read() == data


@pytest.mark.parametrize("referred", [False, True])
def test_an_upload_that_is_vetoed_leaves_what_others_came_to_refer_to_and_nothing_else(made, add, referred):
    class Vetoed(Artifact, type_name="vetoed_disks"):
        data: Field[Blob | None] = field(default=None)

        @before("upload")
        @staticmethod
        def never(call):
            if referred:
                catalog.attach(add(catalog, "of another type"), "data", call.after.data.url)
            raise ValueError("never")

    with Catalog.open("memory:", types=[Vetoed], stores=Stores([made("file")])) as catalog:
        with pytest.raises(ValueError, match="never"):
            catalog.upload(catalog.add(Vetoed(name="a")), "data", b"x")
        assert lying(catalog) == referred


@pytest.mark.parametrize("kind", ["path", "file", "chunks", "view"])
def test_a_source_is_bytes_a_path_a_file_or_chunks(local, add, tmp_path, kind):
    catalog = local
    disk = add(catalog)
    (tmp_path / "source").write_bytes(SMALL)
    sources = {
        "path": tmp_path / "source",
        "file": io.BytesIO(SMALL),
        "chunks": [b"a few", b"", b" bytes"],
        "view": memoryview(SMALL),
    }
    assert catalog.upload(disk, "data", sources[kind]).data.sha256 == sha256(SMALL)


@pytest.mark.parametrize("source", [None, 3, ["text"], "text file"])
def test_what_is_no_bytes_is_refused_and_leaves_nothing(local, add, source):
    catalog = local
    disk = add(catalog)
    with pytest.raises(ValidationError):
        catalog.upload(disk, "data", io.StringIO("text") if source == "text file" else source)
    assert lying(catalog) == 0


def test_a_pipe_that_has_no_more_bytes_yet_is_not_at_its_end(local, add):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"half of")
    with open(reading, "rb", buffering=0) as file, pytest.raises(ValidationError, match="set it to blocking"):
        local.upload(add(local), "data", file)
    os.close(writing)
    assert lying(local) == 0


def test_other_digests_are_computed_where_they_are_expected(local, add):
    catalog = local
    disk = add(catalog)
    md5 = hashlib.md5(SMALL).hexdigest()
    made = catalog.upload(disk, "data", SMALL, digests={"md5": md5})
    assert made.data.digests == {"md5": md5, "sha256": sha256(SMALL)}


@pytest.mark.parametrize("wrong", [{"digests": {"sha256": "00" * 32}}, {"digests": {"md5": "00" * 16}}, {"size": 3}])
def test_bytes_that_are_not_as_expected_leave_nothing(catalog, disk, wrong):
    with pytest.raises(WrongBytesError) as caught:
        catalog.upload(disk, "data", iter([SMALL]), **wrong)
    assert caught.value.store == "one"
    assert (lying(catalog), catalog.get(type(disk), disk.id).data) == (0, None)


def broken():
    yield LARGE
    raise RuntimeError("the source broke")


def test_a_source_that_breaks_leaves_nothing(catalog, disk):
    with pytest.raises(RuntimeError, match="the source broke"):
        catalog.upload(disk, "data", broken())
    assert (lying(catalog), catalog.get(type(disk), disk.id)) == (0, disk)


def endless():
    while True:
        yield LARGE


def test_a_source_without_end_is_cut_where_the_field_ends(catalog, disk):
    with pytest.raises(TooLargeError, match="67108864 bytes"):
        catalog.upload(disk, "data", endless())
    assert lying(catalog) == 0


def test_a_folder_has_room_for_all_its_blobs_together(local, add):
    catalog = local
    disk = add(catalog)
    half = catalog.upload(disk, "files", b"x" * 600, key="a")
    with pytest.raises(TooLargeError, match="may have 400 bytes"):
        catalog.upload(half, "files", iter([b"x" * 600]), key="b")
    whole = catalog.upload(half, "files", b"x" * 400, key="b")
    assert (sorted(whole.files), lying(catalog)) == (["a", "b"], 2)


def test_a_quota_bounds_what_is_sent(local, add):
    catalog = local
    catalog.set_quota("p1", "disks", bytes=20)
    disk = add(catalog, owner="p1")
    disk = catalog.upload(disk, "data", b"x" * 15)
    for source in (iter([b"y" * 6]), b"y" * 6):
        with pytest.raises(TooLargeError, match="may have 5 bytes, all that a quota leaves, and "):
            catalog.upload(disk, "files", source, key="a")
    assert lying(catalog) == 1


def test_an_upload_onto_an_older_revision_leaves_nothing(local, add):
    catalog = local
    disk = add(catalog)
    catalog.update(disk, note="meanwhile")
    with pytest.raises(StaleRevisionError):
        catalog.upload(disk, "data", SMALL)
    assert lying(catalog) == 0


def test_an_artifact_that_changes_while_bytes_travel_is_not_overwritten(catalog, disk):
    def source():
        yield SMALL
        catalog.update(disk, note="meanwhile")

    with pytest.raises(StaleRevisionError):
        catalog.upload(disk, "data", source())
    assert (lying(catalog), catalog.get(type(disk), disk.id).note) == (0, "meanwhile")


def test_bytes_of_an_active_artifact_are_not_replaced_and_nothing_is_sent(local, add):
    catalog = local
    disk = add(catalog)
    active = catalog.activate(catalog.upload(disk, "data", SMALL))
    with pytest.raises(FrozenFieldError):
        catalog.upload(active, "data", b"other bytes!")
    assert lying(catalog) == 1


def test_the_same_bytes_again_are_one_more_place_of_an_active_artifact(local, add):
    catalog = local
    disk = add(catalog)
    active = catalog.activate(catalog.upload(disk, "data", SMALL))
    again = catalog.upload(active, "data", SMALL)
    assert (len(again.data.urls), again.data.proof) == (2, active.data.proof)


def test_bytes_of_a_draft_are_replaced(local, add):
    catalog = local
    disk = add(catalog)
    first = catalog.upload(disk, "data", SMALL)
    second = catalog.upload(first, "data", b"other")
    assert (second.data.sha256, len(second.data.urls)) == (sha256(b"other"), 1)


@pytest.mark.parametrize(
    ("field", "key"), [("data", "a"), ("files", None), ("files", ""), ("note", None), ("dtaa", None)]
)
def test_a_place_that_is_none_is_refused(local, add, field, key):
    catalog = local
    disk = add(catalog)
    with pytest.raises((UnknownFieldError, ValidationError)):
        catalog.upload(disk, field, SMALL, key=key)


def test_progress_is_told_in_bytes(catalog, disk):
    told = []
    made = catalog.upload(disk, "data", LARGE, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(LARGE)
    catalog.open_blob(made, "data", progress=told.append).read()
    assert told[-1] == len(LARGE)


# attach and detach


def test_what_lies_in_a_store_is_asked_for_its_size(catalog, disk):
    made = catalog.attach(disk, "data", put(catalog, "lies here", SMALL), priority=3, metadata={"zone": "a"})
    assert (made.data.size, made.data.locations[0].priority, made.data.locations[0].metadata) == (11, 3, {"zone": "a"})
    assert made.data.locations[0].store == "one"


def test_what_lies_nowhere_cannot_be_attached(catalog, disk):
    with pytest.raises(MissingBytesError, match="one"):
        catalog.attach(disk, "data", catalog.stores.url("one", "nothing"))
    assert catalog.get(type(disk), disk.id) == disk


@pytest.mark.parametrize(
    "wrong",
    [{"size": 3}, {"digests": {"md5": "0"}}, {"digests": {"md6": "0" * 32}}, {"media_type": ""}, {"priority": "1"}],
)
def test_what_is_said_wrongly_of_bytes_is_refused(local, add, wrong):
    catalog = local
    disk = add(catalog)
    url = put(catalog, "a", SMALL)
    with pytest.raises((WrongBytesError, ValidationError)):
        catalog.attach(disk, "data", url, **wrong)
    assert catalog.get(type(disk), disk.id) == disk


def test_a_second_place_is_of_the_same_bytes(catalog, disk):
    made = catalog.upload(disk, "data", SMALL)
    with pytest.raises(WrongBytesError) as caught:
        catalog.attach(made, "data", put(catalog, "b", b"more than a few"))
    assert (caught.value.what, caught.value.expected, caught.value.found) == ("size", 11, 15)
    assert len(catalog.attach(made, "data", put(catalog, "c", SMALL)).data.urls) == 2


def test_a_url_that_no_store_covers_is_kept_and_not_opened(local, add):
    catalog = local
    disk = add(catalog)
    made = catalog.attach(disk, "data", "https://elsewhere.example/a", size=5, digests={"sha256": "ab" * 32})
    assert made.data == Blob("https://elsewhere.example/a", size=5, sha256="ab" * 32)
    with pytest.raises(UncoveredError, match="no configured store covers https://elsewhere"):
        catalog.open_blob(made, "data")


@pytest.mark.parametrize("url", ["https://key:s3cret@host/a", "s3://b/a?X-Amz-Signature=s3cret", "no url", 3])
def test_a_url_with_a_secret_or_that_is_none_is_refused(local, add, url):
    catalog = local
    disk = add(catalog)
    with pytest.raises(ValidationError) as caught:
        catalog.attach(disk, "data", url)
    assert "s3cret" not in str(caught.value)


def test_detaching_leaves_the_bytes(catalog, disk):
    made = catalog.attach(catalog.upload(disk, "data", SMALL), "data", put(catalog, "b", SMALL))
    one = catalog.detach(made, "data", made.data.urls[0])
    assert (one.data.urls, lying(catalog)) == (made.data.urls[1:], 2)
    with pytest.raises(NotFoundError):
        catalog.detach(one, "data", "https://elsewhere.example/a")
    assert catalog.detach(one, "data").data is None


# reading


def test_a_range_is_exactly_what_was_asked_for(catalog, disk):
    made = catalog.upload(disk, "data", LARGE)
    for start, stop in (
        (0, 10),
        (5_000_000, 9_000_001),
        (len(LARGE) - 3, None),
        (7, 7),
        (len(LARGE) - 1, len(LARGE) + 9),
    ):
        with catalog.open_blob(made, "data", start=start, stop=stop) as file:
            assert file.read() == LARGE[start:stop]


def test_bytes_are_read_into_whatever_holds_them(local, add):
    made, into = local.upload(add(local), "data", bytes(range(1, 9))), array("H", [0, 0, 0])
    with local.open_blob(made, "data") as file:
        assert file.readinto(into) == 6
    assert into.tobytes() == bytes(range(1, 7))


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (3, 2), ("0", None), (0, 1.5), (True, None)])
def test_a_range_that_is_none_is_refused(local, add, start, stop):
    catalog = local
    disk = add(catalog)
    made = catalog.upload(disk, "data", SMALL)
    with pytest.raises(ValidationError):
        catalog.open_blob(made, "data", start=start, stop=stop)


def test_a_flipped_byte_is_an_error_before_the_last_chunk(catalog, disk):
    flipped = bytearray(LARGE)
    flipped[-1] ^= 1
    made = catalog.attach(disk, "data", put(catalog, "a", bytes(flipped)), digests={"sha256": sha256(LARGE)})
    got = 0
    with pytest.raises(WrongBytesError), catalog.open_blob(made, "data") as file:
        for chunk in file.chunks():
            got += len(chunk)
    assert got < len(LARGE)


def test_weak_digests_prove_nothing_and_still_refuse(catalog, disk):
    url = put(catalog, "a", SMALL)
    made = catalog.attach(disk, "data", url)
    with pytest.raises(UnverifiedError):
        catalog.open_blob(made, "data")
    assert catalog.open_blob(made, "data", unverified=True).read() == SMALL
    wrong = catalog.update(made, data=Blob(url, size=11, digests={"md5": "00" * 16}))
    [found] = catalog.verify(wrong)
    assert (found.result, catalog.get(type(disk), disk.id).data.proof) == ("wrong", None)


def test_a_place_that_is_gone_is_made_up_for_by_the_next(catalog, disk):
    made = catalog.attach(catalog.upload(disk, "data", SMALL), "data", put(catalog, "b", SMALL), priority=5)
    drive, key, _ = catalog.stores.reach(made.data.url)
    drive.remove(key)
    assert catalog.open_blob(made, "data").read() == SMALL


def test_a_disabled_place_is_not_read(local, add):
    catalog = local
    disk = add(catalog)
    made = catalog.upload(disk, "data", SMALL)
    off = catalog.update(made, data=made.data.evolve(locations=[Location(made.data.url, state="disabled")]))
    with pytest.raises(MissingBytesError, match="no active location"):
        catalog.open_blob(off, "data")


# verify


def test_verifying_fills_in_what_lacks_and_remembers(catalog, disk):
    made = catalog.attach(disk, "data", put(catalog, "a", SMALL))
    begun = datetime.now(UTC)
    [found] = catalog.verify(made)
    filled = catalog.get(type(disk), disk.id)
    assert (filled.data.sha256, filled.data.size, filled.revision) == (sha256(SMALL), 11, made.revision + 1)
    assert (found.result, found.size, found.proof) == ("ok", 11, f"sha256:{sha256(SMALL)}")
    assert found.checked_at >= begun
    assert catalog.verifications(filled) == [found]


def test_verifying_what_is_proved_makes_no_revision(catalog, disk):
    made = catalog.upload(disk, "data", SMALL)
    assert [each.result for each in catalog.verify(made)] == ["ok"]
    assert catalog.get(type(disk), disk.id) == made
    assert "metastore_verifications" not in {each["type"] for each in catalog.dump_many(type(disk).__mro__[2])}


def test_every_place_has_a_result_of_its_own(catalog, disk):
    made = catalog.upload(disk, "data", SMALL)
    for url in (put(catalog, "b", SMALL), put(catalog, "c", SMALL), "https://elsewhere.example/a"):
        made = catalog.attach(made, "data", url)
    catalog.stores.drive("one").remove("c")
    put(catalog, "c", b"wrong bytes")
    drive, key, _ = catalog.stores.reach(made.data.url)
    drive.remove(key)
    assert [each.result for each in catalog.verify(made, "data")] == ["missing", "ok", "wrong", "uncovered"]
    assert sorted(each.result for each in catalog.verifications(made)) == ["missing", "ok", "uncovered", "wrong"]


def test_what_its_state_freezes_is_verified_and_stays_as_it_is(local, add):
    catalog = local
    disk = add(catalog)
    made = catalog.activate(catalog.attach(disk, "data", put(catalog, "a", SMALL)))
    frozen = catalog.deactivate(made)
    [found] = catalog.verify(frozen)
    assert (found.result, catalog.get(type(disk), disk.id)) == ("ok", frozen)
    assert "frozen" in found.reason


def test_many_are_verified_at_once_and_a_run_goes_on_where_it_was(local, add):
    catalog = local
    made = [catalog.upload(add(catalog, f"d{at}"), "data", SMALL * at) for at in range(6)]
    since, told = datetime.now(UTC), []
    first = catalog.verify_many(type(made[0]), since=since, workers=2, progress=told.append)
    done = [next(first).artifact.id for _ in range(2)]
    first.close()
    kept = [each.id for each in made if catalog.verifications(each)]
    rest = [each.artifact.id for each in catalog.verify_many(type(made[0]), since=since)]
    assert set(done) <= set(kept)
    assert sorted([*kept, *rest]) == sorted(each.id for each in made)
    assert told


@contextmanager
def of_gzip(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(SMALL))
    with gzip.open(tmp_path / "a.gz") as file:
        yield file


@contextmanager
def of_tar(tmp_path):
    (tmp_path / "a").write_bytes(SMALL)
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        made.add(tmp_path / "a", "a")
    with tarfile.open(tmp_path / "a.tar") as archive, archive.extractfile("a") as file:
        yield file


@contextmanager
def of_pipe(_):
    read, write = os.pipe()
    os.write(write, SMALL)
    os.close(write)
    yield f"/dev/fd/{read}"
    os.close(read)


@contextmanager
def of_file(tmp_path):
    (tmp_path / "a").write_bytes(b"before " + SMALL)
    with (tmp_path / "a").open("rb") as file:
        file.seek(7)
        yield file


@pytest.mark.parametrize("source", [of_gzip, of_tar, of_pipe, of_file])
def test_what_is_open_is_sent_as_it_is_read(local, add, tmp_path, source):
    with source(tmp_path) as file:
        made = local.upload(add(local), "data", file)
    assert (made.data.size, made.data.sha256) == (len(SMALL), hashlib.sha256(SMALL).hexdigest())


MISTAKES = {
    "a text for a time": lambda catalog, disk: list(catalog.verify_many(type(disk), since="2020-01-01")),
    "a day for a time": lambda catalog, disk: list(catalog.verify_many(type(disk), since=date(2020, 1, 1))),
    "a text for a resume": lambda catalog, disk: catalog.upload(disk, "data", SMALL, resume="x"),
    "no artifact": lambda catalog, _: catalog.attach(None, "data", "s3://a/b"),
    "a rate without end": lambda catalog, disk: list(catalog.mirror(type(disk), store="one", rate=float("inf"))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_of_another_kind_is_told_in_a_sentence(local, add, mistake):
    with pytest.raises(ValidationError, match="expected"):
        MISTAKES[mistake](local, add(local))


@pytest.mark.parametrize("field", ["fils", "name", ""])
def test_a_field_that_is_none_has_no_identity(local, add, field):
    with pytest.raises(UnknownFieldError, match="has no blob"):
        local.identity(add(local), field)


def test_a_file_that_is_read_beyond_its_end_is_empty(local, add, tmp_path):
    with of_file(tmp_path) as file:
        file.seek(99)
        assert local.upload(add(local), "data", file).data.size == 0


def test_a_range_that_no_file_reaches_is_empty(local, add):
    disk = local.upload(add(local), "data", SMALL)
    for start, stop, body in ((2**63, None, b""), (2**63, 2**70, b""), (1, 2**70, SMALL[1:])):
        with local.open_blob(disk, "data", start=start, stop=stop) as file:
            assert file.read() == body


def test_a_range_begins_where_it_should_in_a_store_that_tells_no_sizes(opened, add, monkeypatch):
    catalog = opened(Store("one", "memory://sizeless"))
    disk = catalog.upload(add(catalog), "data", SMALL)
    system = catalog.stores.drive("one")._fs
    told = system.info
    monkeypatch.setattr(system, "info", lambda path: {**told(path), "size": None})
    with catalog.open_blob(disk, "data", start=3) as file:
        assert file.read() == SMALL[3:]


def test_what_was_verified_when_the_run_is_interrupted_is_not_verified_again(local, add, monkeypatch):
    disk, since, read = unverified(local, add, 3), datetime.now(UTC), Stores.reach

    def interrupted(stores, url):
        if url.endswith("k002"):
            raise KeyboardInterrupt
        return read(stores, url)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(Stores, "reach", interrupted)
        list(local.verify_many(type(disk), since=since, workers=1))
    assert [each.part for each in local.verifications(disk)] == ["k000", "k001"]
    assert [each.part for each in local.verify_many(type(disk), since=since)] == ["k002"]


def unverified(catalog, add, count):
    """Add an artifact with a folder of so many blobs that nobody has verified."""
    blobs = {f"k{at:03}": Blob(put(catalog, f"k{at:03}", b"%d" % at)) for at in range(count)}
    return add(catalog, files=blobs)


@pytest.mark.parametrize("verify", ["verify", "verify_many"])
def test_digests_that_a_folder_lacks_are_filled_in_as_one_revision(local, add, verify):
    disk = unverified(local, add, 50)
    found = local.verify(disk) if verify == "verify" else list(local.verify_many(type(disk)))
    made = local.get(type(disk), disk.id)
    assert ({each.result for each in found}, len(found), made.revision) == ({"ok"}, 50, 2)
    assert made.files["k007"].sha256 == hashlib.sha256(b"7").hexdigest()
    assert [each.part for each in local.verifications(made)] == [*disk.files]


def test_verifying_a_folder_that_others_change_keeps_what_they_did(local, add, monkeypatch):
    disk, put_as = unverified(local, add, 20), type(local)._put_as
    late = iter([True])

    def overtaken(self, artifact, *args):
        if next(late, False):
            now = self.get(type(artifact), artifact.id)
            self.update(now, note="mine", files={**now.files, "k003": now.files["k004"]})
        return put_as(self, artifact, *args)

    monkeypatch.setattr(type(local), "_put_as", overtaken)
    reasons = {each.part: each.reason for each in local.verify(disk)}
    made = local.get(type(disk), disk.id)
    assert (made.note, made.files["k003"]) == ("mine", disk.files["k004"])
    assert [key for key, each in made.files.items() if each.proof is None] == ["k003"]
    assert [key for key, why in reasons.items() if why] == ["k003"]
    assert "changed while it was read" in reasons["k003"]


def test_what_was_verified_of_a_folder_is_passed_over(local, add):
    disk, since = unverified(local, add, 5), datetime.now(UTC)
    local.verify(disk, "files", key="k002")
    found = list(local.verify_many(type(disk), since=since))
    assert sorted(each.part for each in found) == ["k000", "k001", "k003", "k004"]


def test_bytes_that_are_more_than_the_field_allows_are_told_and_stop_nothing(local, add):
    disk = add(local, files={"a": Blob(put(local, "a", b"x" * 900)), "b": Blob(put(local, "b", b"y" * 300))})
    found = local.verify(disk)
    assert [each.result for each in found] == ["ok", "ok"]
    assert [bool(each.reason) for each in found] == [False, True]
    assert [each.size for each in local.get(type(disk), disk.id).files.values()] == [900, None]


def test_of_an_artifact_that_goes_meanwhile_nothing_is_kept(local, add):
    disks = [local.upload(add(local, f"d{at}"), "data", SMALL) for at in range(2)]
    run = local.verify_many(type(disks[0]), workers=1)
    next(run)
    local.delete(disks[1])
    assert [each.result for each in run] == ["ok"]
    assert local.check() == []


def test_an_artifact_that_goes_before_its_turn_ends_no_run(local, add):
    disks = [local.upload(add(local, f"d{at}"), "data", SMALL) for at in range(8)]
    run = local.verify_many(type(disks[0]), workers=1)
    next(run)
    local.delete(disks[6])
    assert [each.artifact.id for each in run] == [each.id for each in disks[1:] if each != disks[6]]


def test_who_stops_verifying_many_stops_the_reads(local, add, monkeypatch):
    disks = [local.upload(add(local, f"d{at}"), "data", SMALL * at) for at in (1, 2)]
    _, large, _ = local.stores.reach(disks[1].data.url)
    read, count, begun = LocalDrive.read, [], threading.Event()

    def long(self, key, *args):
        for chunk in itertools.repeat(b"x", 10**6) if key == large else read(self, key, *args):
            begun.set()
            count.append(key)
            yield chunk

    monkeypatch.setattr(LocalDrive, "read", long)
    local.update(disks[1], data=disks[1].data.evolve(size=10**6))
    run = local.verify_many(type(disks[0]), workers=2)
    assert next(run).artifact.id == disks[0].id
    begun.wait(30)
    run.close()
    assert len(count) < 10**6


def test_an_object_that_was_replaced_is_noticed_before_a_range_is_read(catalog, disk):
    made = catalog.upload(disk, "data", SMALL)
    catalog.verify(made)
    drive, key, _ = catalog.stores.reach(made.data.url)
    drive.remove(key)
    drive.create(key, [SMALL.upper()])
    with pytest.raises(WrongBytesError, match="other bytes than were attached") as caught:
        catalog.open_blob(made, "data", start=1, stop=3)
    assert (caught.value.what, caught.value.store) == ("mark", "one")


def test_right_parts_in_a_wrong_assembly_are_refused(local, add):
    one = add(local, "one")
    for key, body in (("kernel", b"k"), ("disk", b"d")):
        one = local.upload(one, "files", body, key=key)
    two = local.update(add(local, "two"), files={"kernel": one.files["disk"], "disk": one.files["kernel"]})
    expected = local.identity(one)
    local.check_identity(one, expected)
    assert local.identity(local.update(add(local, "three"), files=one.files)) == expected
    for wrong in (two, local.update(add(local, "four"), files={"kernel": one.files["kernel"]})):
        with pytest.raises(WrongBytesError, match="not put together") as caught:
            local.check_identity(wrong, expected)
        assert caught.value.what == "identity"


def test_parts_that_are_unverified_have_no_identity(local, add):
    disk = local.attach(add(local), "files", put(local, "a", SMALL), key="a")
    with pytest.raises(UnverifiedError):
        local.identity(disk)
    local.verify(disk)
    assert local.identity(disk, "files").startswith("sha256:")


# copies


def test_a_copy_is_proved_and_one_more_place(store, made, opened, add, tmp_path):
    catalog = opened(store, made("file", "two"))
    one = catalog.upload(add(catalog), "data", LARGE, "one")
    both = catalog.copy_blob(one, "data", "two")
    assert [each.store for each in both.data.locations] == ["one", "two"]
    assert catalog.copy_blob(both, "data", "two") == both
    assert {each.result for each in catalog.verify(both)} == {"ok"}


def test_a_copy_of_other_bytes_is_refused_and_leaves_nothing(store, made, opened, add):
    catalog = opened(store, made("file", "two"))
    disk = catalog.attach(add(catalog), "data", put(catalog, "a", SMALL), digests={"sha256": "00" * 32})
    with pytest.raises(WrongBytesError):
        catalog.copy_blob(disk, "data", "two")
    assert dict(catalog.stores.drive("two").keys()) == {}


def test_what_is_unverified_is_not_copied(store, made, opened, add):
    catalog = opened(store, made("file", "two"))
    disk = catalog.attach(add(catalog), "data", put(catalog, "a", SMALL))
    with pytest.raises(UnverifiedError):
        catalog.copy_blob(disk, "data", "two")


# signed urls and probes


def sent(signed, body=None, **other):
    """Make a signed request and return status and body."""
    asked = urllib.request.Request(signed.url, data=body, method=signed.method, headers={**signed.headers, **other})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def signing(catalog):
    if not isinstance(catalog.stores.drive("one"), Signs):
        pytest.skip("this store signs no urls")


def test_a_client_fetches_by_a_signed_url(catalog, disk):
    signing(catalog)
    signed = catalog.download_url(catalog.upload(disk, "data", SMALL), "data", seconds=60)
    assert sent(signed) == (200, SMALL)
    assert sent(signed, Range="bytes=2-4")[1] == SMALL[2:5]
    assert signed.url.partition("?")[2] not in repr(signed)


def test_a_client_brings_bytes_by_a_signed_url_and_they_are_attached(catalog, disk):
    signing(catalog)
    signed = catalog.upload_url(disk, "data", size=len(SMALL), sha256=sha256(SMALL))
    assert sent(signed, SMALL)[0] in (200, 201)
    made = catalog.attach(disk, "data", signed.location)
    assert [each.result for each in catalog.verify(made)] == ["ok"]
    assert catalog.get(type(disk), disk.id).data.sha256 == sha256(SMALL)


def test_a_signed_upload_is_bound_to_what_the_store_was_seen_to_enforce(catalog, disk):
    signing(catalog)
    signed = catalog.upload_url(disk, "data", size=len(SMALL), sha256=sha256(SMALL))
    refused = sent(signed, b"A few bytes")[0] >= 400
    assert refused is ("sha256" in signed.binds)
    assert ("sha256" in signed.binds) is catalog.probe("one").binds_sha256


def test_a_probe_says_what_a_store_can_do_and_leaves_nothing(catalog):
    found = catalog.probe("one")
    assert (found.reads, found.writes, found.create_only, found.ranges) == (True, True, True, True)
    assert found.signs is isinstance(catalog.stores.drive("one"), Signs)
    assert lying(catalog) == 0


def test_a_probe_leaves_no_folder_either(local):
    local.probe("one")
    assert os.listdir(local.stores["one"].url.removeprefix("file://")) == []


def test_a_probe_that_fails_half_way_leaves_nothing(catalog, monkeypatch):
    def broken(*_):
        raise StoreUnreachableError("gone", store="one")

    with monkeypatch.context() as patched:
        patched.setattr(type(catalog.stores.drive("one")), "read", broken)
        with pytest.raises(StoreUnreachableError, match=r"^gone$"):
            catalog.probe("one")
    assert lying(catalog) == 0


def test_a_probe_names_what_it_could_not_take_away(local, monkeypatch):
    def denied(*_):
        raise StoreDeniedError("not yours", store="one")

    drive = type(local.stores.drive("one"))
    monkeypatch.setattr(drive, "remove", denied)
    [key] = re.findall(
        r"it signs no urls; and what it wrote could not be taken away, (\S+): not yours", local.probe("one").reason
    )
    assert dict(local.stores.drive("one").keys()).keys() == {key}
    monkeypatch.setattr(drive, "read", denied)
    with pytest.raises(
        StoreDeniedError, match="not yours; and what it wrote could not be taken away, metastore-probe-"
    ):
        local.probe("one")


def test_a_probe_that_could_write_nothing_tells_of_nothing_left(local, monkeypatch):
    def denied(*_, **__):
        raise StoreDeniedError("not yours", store="one")

    for what in ("create", "remove", "stat"):
        monkeypatch.setattr(type(local.stores.drive("one")), what, denied)
    with pytest.raises(StoreDeniedError, match=r"^not yours$"):
        local.probe("one")


def test_a_store_is_probed_once_unless_its_url_changes(catalog, disk, monkeypatch):
    signing(catalog)
    catalog.upload_url(disk, "data", size=1, sha256="00" * 32)
    monkeypatch.setattr("metastore.stores._probe.probed", None)
    catalog.upload_url(disk, "data", size=1, sha256="00" * 32)


def test_a_url_is_signed_for_a_bounded_time(catalog, disk):
    signing(catalog)
    for seconds in (0, -1, 1.5, 8 * 86_400, True):
        with pytest.raises(ValidationError, match="in seconds"):
            catalog.upload_url(disk, "data", size=1, sha256="00" * 32, seconds=seconds)


def test_a_store_that_does_not_sign_says_so(made, opened, add):
    catalog = opened(made("file"))
    disk = catalog.upload(add(catalog), "data", SMALL)
    for act in (
        lambda: catalog.download_url(disk, "data"),
        lambda: catalog.upload_url(disk, "data", size=1, sha256="00" * 32),
    ):
        with pytest.raises(StoreUnableError, match="the store one signs no urls"):
            act()


# which store


def test_a_store_is_named_where_several_can_be_written(made, opened, add):
    catalog = opened(made("file", "a"), made("file", "b"), made("file", "c", read_only=True))
    disk = add(catalog)
    with pytest.raises(ValidationError, match="say to which store: a, b"):
        catalog.upload(disk, "data", SMALL)
    with pytest.raises(StoreUnableError, match="c is read-only"):
        catalog.upload(disk, "data", SMALL, "c")
    with pytest.raises(UncoveredError, match="no store is named 'd'"):
        catalog.upload(disk, "data", SMALL, "d")


def test_without_stores_nothing_is_opened(opened, add):
    catalog = opened()
    disk = catalog.attach(add(catalog), "data", "file:///etc/passwd", size=1, digests={"sha256": "00" * 32})
    with pytest.raises(UncoveredError, match="none is configured"):
        catalog.open_blob(disk, "data")


def test_drives_of_every_kind_keep_the_protocol(catalog):
    drive: Drive = catalog.stores.drive("one")
    assert {name for name in dir(Drive) if not name.startswith("_")} <= set(dir(drive))


def test_errors_of_stores_have_one_root():
    assert issubclass(UncoveredError, StoreError)

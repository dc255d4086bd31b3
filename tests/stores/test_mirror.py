"""Many blobs brought to one more store: which, how many bytes, and what comes of those that cannot be."""

import contextlib
import hashlib
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metastore import Artifact, Blob, Field, Location, Principal, before, field, garbage
from metastore.errors import (
    QueryError,
    StoreDeniedError,
    StoreUnableError,
    StoreUnreachableError,
    UncoveredError,
    ValidationError,
    VetoError,
)
from metastore.stores import Store
from metastore.stores._carrying import Carrier
from metastore.stores._pace import Rate

SMALL = b"a few bytes"
PART = 8 * 2**20


@pytest.fixture
def two(made, opened):
    """A catalogue over two folders, ``one`` and ``two``."""
    return opened(made("file"), made("file", "two"))


def kind(catalog):
    return catalog.artifact_type("disks")


def filled(catalog, add, *bodies, **said):
    """Add an artifact for each body, in the store ``one``."""
    disks = [add(catalog, f"d{at}", **said) for at in range(len(bodies))]
    return [catalog.upload(each, "data", body, "one") for each, body in zip(disks, bodies, strict=True)]


def mirrored(catalog, *predicates, store="two", **said):
    return list(catalog.mirror(kind(catalog), *predicates, store=store, **said))


def words(found):
    return [each.result for each in found]


def lying(catalog, store="two"):
    return dict(catalog.stores.drive(store).keys())


# what is brought


def test_what_does_not_lie_in_the_store_is_brought_there_proved(store, made, opened, add):
    catalog = opened(store, made("file", "two"))
    disks = filled(catalog, add, SMALL, b"", os.urandom(PART + 5))
    found = mirrored(catalog)
    assert words(found) == ["copied"] * 3
    assert {each.artifact.id for each in found} == {each.id for each in disks}
    for each in found:
        assert [place.store for place in each.artifact.data.locations] == ["one", "two"]
        assert {one.result for one in catalog.verify(each.artifact)} == {"ok"}
    assert mirrored(catalog) == []


@pytest.mark.parametrize("target", ["file", "s3", "swift"])
def test_every_kind_of_store_takes_it(made, opened, add, target):
    catalog = opened(made("file"), made(target, "two"))
    body = os.urandom(2 * PART + 5)
    [disk] = filled(catalog, add, body)
    [found] = mirrored(catalog)
    assert (found.result, found.size, found.url) == ("copied", len(body), found.artifact.data.urls[1])
    only = catalog.detach(found.artifact, "data", disk.data.url)
    assert catalog.open_blob(only, "data").read() == body


def test_a_query_chooses_and_folders_count_too(two, add):
    chosen, other = filled(two, add, SMALL, b"other")
    two.upload(chosen, "files", b"in a folder", "one", key="a/ü?#%")
    found = mirrored(two, kind(two).name == "d0", workers=1)
    assert [(each.blob, each.part, each.result) for each in found] == [
        ("data", None, "copied"),
        ("files", "a/ü?#%", "copied"),
    ]
    assert two.get(type(other), other.id) == other


def test_they_begin_in_the_order_of_their_ids(two, add):
    disks = filled(two, add, *(bytes([at]) for at in range(5)))
    assert [each.artifact.id for each in mirrored(two, workers=1)] == [each.id for each in disks]


def test_the_same_content_of_one_owner_is_sent_once(two, add):
    filled(two, add, SMALL, SMALL, owner="p1")
    filled(two, add, SMALL, owner="p2")
    assert sorted(words(mirrored(two))) == ["copied", "copied", "there"]
    assert len(lying(two)) == 2


def test_who_waits_for_the_same_content_reads_nothing(two, add, monkeypatch):
    filled(two, add, *[SMALL] * 6)
    drive, reads = two.stores.drive("one"), []
    read = drive.read
    together = threading.Barrier(2)

    def slow(*args):
        reads.append(args)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.2)  # who reads waits for another, and none comes
        return read(*args)

    monkeypatch.setattr(drive, "read", slow)
    assert sorted(words(mirrored(two, workers=6))) == ["copied", *["there"] * 5]
    assert len(reads) == 1


def test_who_knows_a_digest_does_not_come_by_the_bytes_of_others(two, add):
    filled(two, add, SMALL, owner="p1")
    mirrored(two)
    claimed = Blob("file:///nowhere/a", size=len(SMALL), sha256=hashlib.sha256(SMALL).hexdigest())
    two.update(add(two, "thief", owner="p2"), data=claimed)
    assert words(mirrored(two)) == ["uncovered"]


def test_only_one_store_is_read_from_where_it_is_named(made, opened, add):
    catalog = opened(made("file"), made("file", "two"), made("file", "three"))
    one, other = add(catalog, "one"), add(catalog, "other")
    catalog.upload(one, "data", SMALL, "one")
    catalog.upload(other, "data", SMALL, "three")
    assert [each.artifact.id for each in mirrored(catalog, source="three")] == [other.id]


def test_progress_is_told_in_bytes_of_all(two, add):
    filled(two, add, *(bytes([at]) * 3 * 2**20 for at in range(8)))
    told = []
    mirrored(two, progress=told.append, workers=8)
    assert (told[-1], told) == (24 * 2**20, sorted(told))


# folders of many


@pytest.fixture
def folder(two):
    """A function that adds an artifact with a folder of so many blobs, of which two have the same bytes, in the store ``one``."""
    root = two.stores["one"].url.removeprefix("file://")

    def fill(count):
        bodies = {f"k{at:03}": b"%d" % (at or 1) for at in range(count)}
        for key, body in bodies.items():
            Path(root, key).write_bytes(body)
        sums = {key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}
        files = {key: Blob(f"file://{root}/{key}", size=len(bodies[key]), sha256=sums[key]) for key in bodies}
        return two.add(kind(two)(name="folder", files=files))

    return fill


def test_a_folder_is_one_revision(two, folder):
    disk = folder(120)
    found = mirrored(two)
    assert sorted(words(found)) == ["copied"] * 119 + ["there"]
    made = two.get(kind(two), disk.id)
    assert {each.artifact for each in found} == {made}
    assert made.revision == 2
    assert {len(each.urls) for each in made.files.values()} == {2}
    assert {each.result for each in two.verify(made)} == {"ok"}
    assert mirrored(two) == []


def test_a_larger_folder_is_a_few_revisions(two, folder, monkeypatch):
    monkeypatch.setattr("metastore._together.BUNCH", 8)
    disk = folder(60)
    assert len(mirrored(two)) == 60
    assert two.get(kind(two), disk.id).revision == 1 + 8


def test_what_was_brought_does_not_wait_for_what_takes_long(two, folder, monkeypatch):
    monkeypatch.setattr("metastore._abreast.LATEST", 0)
    disk = folder(20)
    run = two.mirror(kind(two), store="two", workers=1)
    first = next(run)
    run.close()
    kept = two.get(kind(two), disk.id)
    assert len(kept.files[first.part].urls) == 2
    assert 1 <= sum(len(each.urls) == 2 for each in kept.files.values()) < 20
    assert {*words(mirrored(two))} <= {"copied", "there"}
    assert {len(each.urls) for each in two.get(kind(two), disk.id).files.values()} == {2}


def test_of_a_folder_what_fails_stops_no_other(two, folder):
    disk = folder(40)
    files = {key: Path(blob.url.removeprefix("file://")) for key, blob in disk.files.items()}
    files["k003"].write_bytes(b"x")
    files["k004"].unlink()
    two.update(disk, files={**disk.files, "k005": disk.files["k005"].evolve(digests=None)})
    found = {each.part: each.result for each in mirrored(two)}
    assert {each: found.pop(each) for each in ("k003", "k004", "k005")} == {
        "k003": "wrong",
        "k004": "missing",
        "k005": "unverified",
    }
    assert ({*found.values()}, two.get(kind(two), disk.id).revision) == ({"copied", "there"}, 3)


def test_a_folder_that_others_change_meanwhile_keeps_what_they_did(two, folder, monkeypatch):
    disk, put = folder(30), type(two)._put_as
    other, late = disk.files["k009"], iter([True])

    def overtaken(self, artifact, *args):
        if next(late, False):
            now = self.get(type(artifact), artifact.id)
            kept = {key: blob for key, blob in now.files.items() if key != "k001"}
            self.update(now, note="mine", files={**kept, "k002": other, "new": other})
        return put(self, artifact, *args)

    monkeypatch.setattr(type(two), "_put_as", overtaken)
    found = {each.part: each.result for each in mirrored(two)}
    made = two.get(kind(two), disk.id)
    assert (made.note, "k001" in made.files, made.files["k002"], made.files["new"]) == ("mine", False, other, other)
    assert {key for key, each in made.files.items() if len(each.urls) == 1} == {"k002", "new"}
    assert {key for key, word in found.items() if word == "refused"} == {"k001", "k002"}


def test_a_run_that_the_target_ends_refers_to_what_was_brought(two, folder, monkeypatch):
    disk, drive = folder(60), two.stores.drive("two")
    create, brought = type(drive).create, []

    def failing(self, key, *args, **said):
        if len(brought) >= 20:
            raise StoreUnreachableError("gone", store="two")
        brought.append(key)
        return create(self, key, *args, **said)

    monkeypatch.setattr(type(drive), "create", failing)
    found, run = [], two.mirror(kind(two), store="two", workers=2)
    with pytest.raises(StoreUnreachableError, match="gone"):
        found.extend(run)
    referred = [key for key, each in two.get(kind(two), disk.id).files.items() if len(each.urls) == 2]
    assert len(referred) >= len(brought) == 20


def test_a_target_that_fails_now_and_then_ends_no_run(two, folder, monkeypatch):
    folder(40)
    drive, turns = two.stores.drive("two"), itertools.count()
    create = type(drive).create

    def failing(self, key, *args, **said):
        if next(turns) % 8:
            raise StoreUnreachableError("gone", store="two")
        return create(self, key, *args, **said)

    monkeypatch.setattr(type(drive), "create", failing)
    found = words(mirrored(two, workers=1))
    assert (len(found), found.count("unreachable") > 30) == (40, True)


class Picky(Artifact, type_name="picky_disks"):
    files: Field[dict[str, Blob]] = field(factory=dict)

    @before("copy_blob")
    @staticmethod
    def guard(call):
        if len(call.after.files["k007"].urls) == 2:
            raise VetoError("not k007")


def test_a_hook_that_refuses_one_of_a_folder_stops_no_other(two, folder):
    disk = folder(30)
    other = two.add(Picky(name="picky", files=disk.files))
    found = {each.part: each.result for each in two.mirror(Picky, store="two")}
    assert [key for key, word in found.items() if word == "refused"] == ["k007"]
    assert {key for key, each in two.get(Picky, other.id).files.items() if len(each.urls) == 1} == {"k007"}


def test_what_its_state_freezes_is_asked_once_of_a_folder(two, folder, monkeypatch):
    two.deactivate(two.activate(folder(30)))
    preview, asked = type(two)._preview, []
    monkeypatch.setattr(type(two), "_preview", lambda self, *args: (asked.append(args), preview(self, *args))[1])
    assert {*words(mirrored(two))} == {"refused"}
    assert len(asked) == 1


# what stands against it


def test_one_that_fails_stops_no_other(two, add):
    bodies = [SMALL + bytes([at]) for at in range(5)]
    right, wrong, missing, unverified, unverified_size = filled(two, add, *bodies)
    paths = {each.id: each.data.url.removeprefix("file://") for each in (wrong, missing)}
    with open(paths[wrong.id], "r+b") as file:
        file.write(b"A")
    os.unlink(paths[missing.id])
    two.update(unverified, data=unverified.data.evolve(digests=None))
    two.update(unverified_size, data=unverified_size.data.evolve(size=None))
    found = {each.artifact.id: each for each in mirrored(two)}
    results = [found[each.id].result for each in (right, wrong, missing, unverified, unverified_size)]
    assert results == ["copied", "wrong", "missing", "unverified", "copied"]
    assert "expected sha256" in found[wrong.id].reason
    assert found[wrong.id].url is None
    assert len(lying(two)) == 2


def test_what_its_state_freezes_is_refused_before_a_byte_is_read(two, add, monkeypatch):
    [disk] = filled(two, add, SMALL)
    two.deactivate(two.activate(disk))
    monkeypatch.setattr("metastore.stores._carrying.opened", None)
    [found] = mirrored(two)
    assert (found.result, "frozen" in found.reason or "deactivated" in found.reason) == ("refused", True)


def test_a_principal_needs_the_rule_of_copies(two, add):
    filled(two, add, SMALL, owner="p1")
    member, admin = (two.as_(Principal("u", "p1", [role])) for role in ("member", "admin"))
    assert words(mirrored(member)) == ["refused"]
    assert words(mirrored(admin)) == ["copied"]


def test_a_principal_mirrors_nothing_that_it_does_not_see(two, add):
    filled(two, add, SMALL, owner="p1")
    assert mirrored(two.as_(Principal("u", "p2", ["member"]))) == []


def test_a_store_that_is_not_written_is_refused_at_once(made, opened, add):
    catalog = opened(made("file"), made("file", "two", read_only=True))
    filled(catalog, add, SMALL)
    with pytest.raises(StoreUnableError, match="two is read-only"):
        catalog.mirror(kind(catalog), store="two")
    for said in ({"store": "three"}, {"store": "one", "source": "three"}):
        with pytest.raises(UncoveredError, match="no store is named 'three'"):
            catalog.mirror(kind(catalog), **said)


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": -1},
        {"budget": 1.5},
        {"budget": True},
        {"rate": 0},
        {"rate": float("nan")},
        {"rate": "1"},
        {"workers": 0},
    ],
)
def test_bounds_that_are_none_are_refused_at_once(two, add, wrong):
    filled(two, add, SMALL)
    with pytest.raises(ValidationError):
        two.mirror(kind(two), store="two", **wrong)


def test_a_query_that_cannot_be_answered_is_refused_at_once(two, add):
    disk = add(two)
    with pytest.raises(QueryError):
        two.mirror(kind(two), "name = 'd0'", store="two")
    assert two.get(type(disk), disk.id) == disk


def test_a_target_that_denies_ends_the_run_after_a_while(seaweed, made, opened, add):
    catalog = opened(made("file"), seaweed.store("two", "metastore-tests", credentials={"secret": "wrong"}))
    filled(catalog, add, *(bytes([at]) for at in range(12)))
    seen = []
    with pytest.raises(StoreDeniedError, match="the store two"):
        seen.extend(catalog.mirror(kind(catalog), store="two"))
    found = [each.result for each in catalog.mirror(kind(catalog), kind(catalog).name == "d0", store="two")]
    assert found == ["denied"]


def test_a_source_that_is_down_ends_no_run(two, add, monkeypatch):
    filled(two, add, *(bytes([at]) for at in range(12)))

    def down(*_):
        raise StoreUnreachableError("gone", store="one")

    monkeypatch.setattr(two.stores.drive("one"), "read", down)
    assert words(mirrored(two)) == ["unreachable"] * 12


def test_a_source_that_breaks_off_is_not_taken_for_the_target(two, add, monkeypatch):
    monkeypatch.setattr("metastore.stores._sending.PART", 2**20)
    filled(two, add, *(bytes([at]) * 3 * 2**20 for at in range(10)))
    read = type(two.stores.drive("one")).read

    def breaking(key, start=0, stop=None):
        yield from itertools.islice(read(two.stores.drive("one"), key, start, stop), 0 if start else 2)
        raise StoreUnreachableError("gone", store="one")

    monkeypatch.setattr(two.stores.drive("one"), "read", breaking)
    assert words(mirrored(two)) == ["unreachable"] * 10
    assert lying(two) == {}


# budget and rate


def test_what_does_not_fit_the_budget_is_skipped_and_smaller_ones_are_not(two, add):
    filled(two, add, b"a" * 60, b"b" * 50, b"c" * 40, b"d")
    assert words(mirrored(two, budget=100, workers=1)) == ["copied", "skipped", "copied", "skipped"]
    assert words(mirrored(two, budget=100)) == ["copied", "copied"]


def test_a_blob_of_unknown_size_is_asked_for_it(two, add):
    [disk] = filled(two, add, SMALL)
    two.update(disk, data=disk.data.evolve(size=None))
    [found] = mirrored(two, budget=len(SMALL) - 1)
    assert (found.result, lying(two)) == ("skipped", {})
    assert words(mirrored(two, budget=len(SMALL))) == ["copied"]


def test_bytes_of_which_nobody_tells_how_many_they_are_are_cut_off_where_the_budget_ends(two, add, monkeypatch):
    [disk] = filled(two, add, b"x" * 3 * 2**20)
    two.update(disk, data=disk.data.evolve(size=None))
    monkeypatch.setattr(Carrier, "_size", lambda *_: None)
    assert words(mirrored(two, budget=2 * 2**20)) == ["skipped"]
    assert lying(two) == {}


def test_what_failed_gives_back_what_it_did_not_send(two, add):
    first, _ = filled(two, add, b"a" * 60, b"b" * 60)
    os.unlink(first.data.url.removeprefix("file://"))
    assert words(mirrored(two, budget=60, workers=1)) == ["missing", "copied"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 100), st.integers(1, 4))
def test_never_more_is_sent_than_the_budget(made, opened, add, sizes, budget, workers):
    place = f"memory://metastore/{os.urandom(6).hex()}"
    catalog = opened(Store("one", f"{place}/one"), Store("two", f"{place}/two"))
    filled(catalog, add, *(bytes([at]) * size for at, size in enumerate(sizes)))
    found = mirrored(catalog, budget=budget, workers=workers)
    sent = sum(told.size for told in lying(catalog).values())
    assert sent <= budget
    assert sum(each.size for each in found if each.result == "copied") == sent
    if workers == 1:
        assert words(found) == greedy(sizes, budget)


def greedy(sizes, budget):
    """Oracle: what a budget lets through, one after the other; an empty content is the same for all."""
    told = []
    for at, size in enumerate(sizes):
        again = size == 0 and 0 in sizes[:at]
        fits = size <= budget
        budget -= size if fits else 0
        told.append("there" if again else "copied" if fits else "skipped")
    return told


def test_the_rate_is_that_of_all_together(two, add, monkeypatch):
    now, slept = [0.0], []

    def sleep(self, seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("metastore.stores._pace.Stop.sleep", sleep)
    monkeypatch.setattr("metastore.stores._pace.Rate", partial(Rate, clock=lambda: now[0]))
    filled(two, add, b"a" * 3 * 2**20, b"b" * 3 * 2**20)
    assert words(mirrored(two, rate=2**20, workers=1)) == ["copied", "copied"]
    assert 5.5 <= sum(slept) <= 6


# other writers, and runs that were stopped


def test_an_artifact_that_others_change_meanwhile_gets_its_place_all_the_same(two, add, monkeypatch):
    [disk] = filled(two, add, SMALL)
    refer, times = type(two)._put_as, itertools.count()

    def overtaken(self, artifact, *args):
        if (number := next(times)) < 3:
            self.update(self.get(type(artifact), artifact.id), note=str(number))
        return refer(self, artifact, *args)

    monkeypatch.setattr(type(two), "_put_as", overtaken)
    [found] = mirrored(two)
    assert (found.result, found.artifact.note, len(found.artifact.data.urls)) == ("copied", "2", 2)
    assert two.get(type(disk), disk.id) == found.artifact


def test_an_artifact_that_is_given_other_bytes_meanwhile_keeps_them(two, add, monkeypatch):
    [disk] = filled(two, add, SMALL)
    carried = Carrier.carried

    def meanwhile(self, *args):
        found = carried(self, *args)
        two.upload(two.get(type(disk), disk.id), "data", b"other", "one")
        return found

    monkeypatch.setattr(Carrier, "carried", meanwhile)
    [found] = mirrored(two, workers=1)
    assert (found.result, "other bytes meanwhile" in found.reason) == ("refused", True)
    assert two.get(type(disk), disk.id).data.sha256 == hashlib.sha256(b"other").hexdigest()


def test_an_artifact_that_goes_meanwhile_is_refused(two, add, monkeypatch):
    [disk] = filled(two, add, SMALL)
    carried = Carrier.carried

    def meanwhile(self, *args):
        found = carried(self, *args)
        two.delete(disk)
        return found

    monkeypatch.setattr(Carrier, "carried", meanwhile)
    assert words(mirrored(two, workers=1)) == ["refused"]


def crashed(catalog, monkeypatch):
    """Let a run end after the bytes, before the reference."""

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(catalog), "_put_as", crash)
        with pytest.raises(KeyboardInterrupt):
            mirrored(catalog)


def test_bytes_that_lie_there_are_proved_and_referred_to_and_not_sent_again(store, made, opened, add, monkeypatch):
    catalog = opened(made("file", "two"), store)  # the store of every kind is the target here
    disk = catalog.upload(add(catalog), "data", SMALL, "two")
    with monkeypatch.context() as patched:
        patched.setattr(type(catalog), "_put_as", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mirrored(catalog, store="one")
    before = lying(catalog, "one")
    assert (len(before), catalog.get(type(disk), disk.id)) == (1, disk)
    os.unlink(disk.data.url.removeprefix("file://"))
    [found] = mirrored(catalog, store="one")
    assert (found.result, lying(catalog, "one")) == ("there", before)
    assert catalog.open_blob(found.artifact, "data").read() == SMALL


def interrupt(*_):
    raise KeyboardInterrupt


def test_wrong_bytes_at_the_place_of_the_content_are_passed_by(two, add, monkeypatch):
    [disk] = filled(two, add, SMALL)
    crashed(two, monkeypatch)
    [key] = lying(two)
    path = two.stores.url("two", key).removeprefix("file://")
    with open(path, "r+b") as file:
        file.write(b"A")
    [found] = mirrored(two)
    assert (found.result, len(lying(two))) == ("copied", 2)
    assert [each.result for each in two.verify(found.artifact)] == ["ok", "ok"]
    assert two.get(type(disk), disk.id) == found.artifact


def test_who_stops_asking_stops_the_work(two, add):
    filled(two, add, *(os.urandom(2**20) for _ in range(12)))
    run = two.mirror(kind(two), store="two", workers=1)
    next(run)
    run.close()
    assert len(lying(two)) < 12
    assert set(words(mirrored(two))) <= {"copied", "there"}
    assert all(len(each.data.locations) == 2 for each in two.find(kind(two)))


@pytest.mark.parametrize("target", ["s3", "swift"])
def test_a_large_object_that_broke_off_goes_on_by_parts_in_another_process(made, opened, add, monkeypatch, target):
    catalog = opened(made("file"), made(target, "two"))
    body = os.urandom(4 * PART + 5)
    [disk] = filled(catalog, add, body)
    drive = catalog.stores.drive("two")
    send = type(drive).send

    def breaking(self, key, upload, number, part, offset):
        if number == 4:
            raise StoreUnreachableError("gone", store="two")
        return send(self, key, upload, number, part, offset)

    monkeypatch.setattr(type(drive), "send", breaking)
    assert words(mirrored(catalog)) == ["unreachable"]
    again = []
    monkeypatch.setattr(type(drive), "send", lambda self, *args: (again.append(args[2]), send(self, *args))[1])
    catalog.stores.renew("two")  # nothing is remembered of the first try but what lies there
    [found] = mirrored(catalog)
    assert (found.result, sorted(again)[-2:], 1 in again) == ("copied", [4, 5], False)
    only = catalog.detach(found.artifact, "data", disk.data.url)
    assert catalog.open_blob(only, "data").read() == body
    assert [*lying(catalog)] == [catalog.stores.reach(found.url)[1]]


def test_a_file_that_broke_off_leaves_nothing(made, opened, add, monkeypatch):
    catalog = opened(made("file"), made("file", "two"))
    filled(catalog, add, os.urandom(3 * PART))
    send = type(catalog.stores.drive("two")).send

    def breaking(self, key, upload, number, part, offset):
        if number == 2:
            raise StoreUnreachableError("gone", store="two")
        return send(self, key, upload, number, part, offset)

    with monkeypatch.context() as patched:
        patched.setattr(type(catalog.stores.drive("two")), "send", breaking)
        assert words(mirrored(catalog)) == ["unreachable"]
    assert lying(catalog) == {}


def test_a_place_has_the_priority_that_it_is_given(two, add):
    filled(two, add, SMALL)
    [found] = mirrored(two, priority=-3)
    assert found.artifact.data.locations[0] == Location(found.url, -3, "two")


@pytest.mark.parametrize("target", ["file", "s3", "swift"])
def test_two_runs_at_once_harm_nothing(made, opened, add, target):
    catalog = opened(made("file"), made(target, "two"))
    filled(catalog, add, os.urandom(2 * PART + 5), *(bytes([at]) * 50 for at in range(6)))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(mirrored, catalog, workers=2) for _ in range(2)]
        results = {each.result for run in runs for each in run.result()}
    mirrored(catalog)  # where two sent the same parts, both may have lost
    assert results <= {"copied", "there", "missing"}
    assert [len(each.data.urls) for each in catalog.find(kind(catalog))] == [2] * 7
    assert {each.result for each in catalog.verify_many(kind(catalog))} == {"ok"}


# beside sweeping


def swept(catalog, *steps):
    """Sweep the store ``two`` of whatever nobody refers to, however young it is."""
    found = garbage.plan([catalog], ["two"], min_age=timedelta(0), grace=timedelta(0))
    return [each.key for each in garbage.carry_out(found, [catalog], *steps).items if each.left is None]


def test_what_a_mirror_left_is_kept_for_the_next_one(two, add, monkeypatch):
    filled(two, add, SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(type(two), "_referred", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            mirrored(two)
    assert (len(lying(two)), swept(two, "quarantine")) == (1, [])
    assert words(mirrored(two)) == ["there"]


def test_a_folder_that_takes_days_is_kept_all_the_while(two, folder, monkeypatch):
    folder(20)
    now, carried = [0], Carrier.carried
    monkeypatch.setattr("metastore._garbage.monotonic", lambda: now[0])
    monkeypatch.setattr("metastore._abreast.LATEST", 0)

    def slow(*args):
        now[0] += 3 * 3600
        return carried(*args)

    monkeypatch.setattr(Carrier, "carried", slow)
    mirrored(two, workers=1)
    [lease] = two._engine().find(garbage.Lease)
    assert lease.revision >= 20 * 3 // 13


def test_one_blob_that_takes_days_is_kept_all_the_while(two, add, monkeypatch):
    filled(two, add, SMALL)
    now, carried, days = [0], Carrier.carried, threading.Event()

    def clock():
        now[0] += 3600
        if now[0] > 48 * 3600:
            days.set()
        return now[0]

    monkeypatch.setattr("metastore._garbage.monotonic", clock)
    monkeypatch.setattr("metastore._abreast.LATEST", 0)
    monkeypatch.setattr(Carrier, "carried", lambda *args: days.wait(30) and carried(*args))
    assert words(mirrored(two)) == ["copied"]
    [lease] = two._engine().find(garbage.Lease)
    assert lease.revision >= 48 // 13


def test_what_was_brought_when_the_run_is_interrupted_is_referred_to(two, folder, monkeypatch):
    disk, carried = folder(3), Carrier.carried

    def interrupted(carrier, blob, *args):
        if blob == disk.files[max(disk.files)]:
            raise KeyboardInterrupt
        return carried(carrier, blob, *args)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(Carrier, "carried", interrupted)
        mirrored(two, workers=1)
    assert [len(each.urls) for _, each in sorted(two.get(kind(two), disk.id).files.items())] == [2, 2, 1]
    assert words(mirrored(two)) == ["copied"]


@pytest.mark.parametrize("steps", [("quarantine",), ("quarantine", "delete")], ids=["aside", "deleted"])
def test_what_was_swept_is_brought_again_under_another_key(two, add, steps):
    [disk] = filled(two, add, SMALL)
    [first] = mirrored(two)
    two.detach(two.get(kind(two), disk.id), "data", first.url)
    for lease in two._engine().find(garbage.Lease):
        two._engine().delete(lease)
    for step in steps:
        assert len(swept(two, step)) == 1
    [again] = mirrored(two)
    assert (again.result, again.url) == ("copied", f"{first.url}.1")

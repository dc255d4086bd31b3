"""Sweeping stores: what is garbage, and what becomes of it, alike on every store that can be written."""

import json
import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from stores.conftest import Disk

from metastore import Blob, Catalog, Principal, garbage
from metastore._data import evolve
from metastore._garbage import Lease
from metastore._ids import make_id
from metastore._places import base_of
from metastore._references import References
from metastore.errors import (
    ConflictError,
    ForbiddenError,
    QuarantinedError,
    StoreUnableError,
    UnsafeUrlError,
    ValidationError,
)
from metastore.stores import Parts, Store

NONE = timedelta(0)


def put(catalog, key, data=b"some bytes", store="one"):
    """Let bytes lie in the store without the catalogue, and return their url."""
    catalog.stores.drive(store).create(key, [data])
    return catalog.stores.url(store, key)


def verdicts(catalog, *roots, **said):
    said = {"min_age": NONE, "grace": NONE, **said}
    return {each.key: (each.verdict, each.step) for each in garbage.survey([catalog, *roots], ["one"], **said)}


def swept(catalog, *steps, roots=(), **said):
    """Plan and carry out; return what was done and what was left."""
    plan = garbage.plan([catalog, *roots], ["one"], min_age=NONE, grace=NONE, **said)
    done = garbage.carry_out(plan, [catalog, *roots], *steps)
    return {each.key for each in done.going}, {each.key: each.left for each in done.left}


def keys(catalog):
    return {key for key, _ in catalog.stores.drive("one").keys()}  # noqa: SIM118 - no dict


def aside(catalog):
    return {key for key, _ in catalog.stores.drive("one").aside()}


def test_what_nothing_refers_to_is_put_aside_brought_back_and_deleted(catalog, disk):
    made = catalog.upload(disk, "data", b"referred to")
    [kept] = keys(catalog)
    put(catalog, "left/behind")
    assert verdicts(catalog) == {kept: ("referenced", None), "left/behind": ("unreferenced", "quarantine")}
    assert swept(catalog, "quarantine") == ({"left/behind"}, {})
    assert (keys(catalog), aside(catalog)) == ({kept}, {"left/behind"})
    assert [each.left for each in garbage.restore([catalog], ["one"])] == [None]
    assert (keys(catalog), aside(catalog)) == ({kept, "left/behind"}, set())
    assert swept(catalog, "quarantine") == ({"left/behind"}, {})
    assert swept(catalog, "delete") == ({"left/behind"}, {})
    assert (keys(catalog), aside(catalog), verdicts(catalog)) == ({kept}, set(), {kept: ("referenced", None)})
    assert catalog.open_blob(made, "data").read() == b"referred to"


def test_large_objects_are_put_aside_and_come_back_whole(catalog, disk):
    body = bytes(range(251)) * 50_000
    made = catalog.upload(disk, "data", body)
    url = made.data.url
    gone = catalog.detach(made, "data")
    assert len(swept(catalog, "quarantine")[0]) == 1
    assert keys(catalog) == set()
    garbage.restore([catalog], ["one"])
    again = catalog.attach(gone, "data", url, size=len(body), digests=made.data.digests)
    assert catalog.open_blob(again, "data").read() == body


def test_nothing_may_refer_to_what_was_discarded(catalog, disk):
    url = put(catalog, "a/b")
    swept(catalog, "quarantine")
    blob = Blob(url)
    for attempt in (
        lambda: catalog.add(Disk(name="x", data=blob)),
        lambda: catalog.add_many([Disk(name="x", data=blob)]),
        lambda: catalog.update(disk, files={"a": blob}),
        lambda: catalog.load(Disk, [{**catalog.dump(disk), "files": {"a": blob.to_plain()}}]),
    ):
        with pytest.raises(QuarantinedError, match=r"put aside as garbage.*gc restore"):
            attempt()
    assert catalog.count(Disk) == 1
    swept(catalog, "delete")
    put(catalog, "a/b")
    with pytest.raises(QuarantinedError, match="were deleted as garbage"):
        catalog.attach(disk, "data", url)
    [restored] = garbage.restore([catalog], ["one"], keys=["a/b"])
    assert (restored.left, catalog.attach(disk, "data", url).data.url) == (None, url)


def test_a_quarantine_is_never_opened_nor_listed(catalog):
    put(catalog, "a")
    swept(catalog, "quarantine")
    for key in (".metastore-quarantine/a", "x/.metastore-quarantine/a"):
        with pytest.raises(UnsafeUrlError):
            catalog.stores.reach(catalog.stores.url("one", key))


# what protects an object


def test_what_is_young_or_leased_stays(catalog):
    for key in ("young", "leased/a", "leased2/a"):
        put(catalog, key)
    garbage.lease(catalog, catalog.stores.url("one", "leased"), 3600, "a mirror")
    later = datetime.now(UTC) + timedelta(minutes=30)
    assert {verdict for verdict, _ in verdicts(catalog, min_age=timedelta(days=7)).values()} == {"young", "leased"}
    assert verdicts(catalog, at=later) == {
        "young": ("unreferenced", "quarantine"),
        "leased/a": ("leased", None),
        "leased2/a": ("unreferenced", "quarantine"),
    }
    assert {verdict for verdict, _ in verdicts(catalog, at=later + timedelta(hours=1)).values()} == {"unreferenced"}


def test_what_is_leased_since_the_plan_stays(catalog):
    url = put(catalog, "a")
    plan = garbage.plan([catalog], min_age=NONE)
    garbage.lease(catalog, url, 3600, "a mirror")
    assert [each.left for each in garbage.carry_out(plan, [catalog]).left] == ["it is leased by a mirror"]
    assert keys(catalog) == {"a"}


def test_what_changed_or_is_referred_to_since_the_plan_stays(catalog, disk):
    urls = {key: put(catalog, key) for key in ("attached", "written", "gone")}
    plan = garbage.plan([catalog], min_age=NONE)
    disk = catalog.attach(disk, "files", urls["attached"], key="a")
    for key in ("written", "gone"):
        catalog.stores.drive("one").remove(key)
    put(catalog, "written", b"other bytes!")
    done = garbage.carry_out(plan, [catalog])
    assert {each.key: each.left for each in done.left} == {
        "attached": f"catalogue {catalog.id} refers to it",
        "written": "it was written since the plan was made",
        "gone": "it is not there any more",
    }
    assert keys(catalog) == {"attached", "written"}
    catalog.attach(disk, "files", urls["written"], key="b", size=12)  # no mark was left behind


def test_an_upload_that_broke_off_is_let_go_when_it_is_old(catalog):
    drive = catalog.stores.drive("one")
    begun(drive)
    [[name, young]] = verdicts(catalog, min_age=timedelta(days=1)).items()
    assert (young, verdicts(catalog)) == (("young", None), {name: ("unfinished", "abandon")})
    assert swept(catalog, "abandon") == ({name}, {})
    assert (verdicts(catalog), list(drive.unfinished())) == ({}, [])


@pytest.mark.parametrize("kind", ["s3", "swift"])
def test_uploads_that_end_while_they_are_listed_end_no_run(made, opened, kind):
    drive = opened(made(kind)).stores.drive("one")
    begun_at = {key: drive.begin(key) for key in ("a", "b", "c")}
    found = drive.unfinished()
    first = next(found)
    for key, upload in begun_at.items():
        for _ in range(2):  # the second time it is not there, which is fine
            drive.abandon(key, upload)
    assert first not in [*found]
    assert list(drive.unfinished()) == []


def begun(drive):
    """Begin an upload in parts that never comes to its end."""
    if isinstance(drive, Parts):
        drive.send("x/a", drive.begin("x/a"), 1, b"a" * drive.least, 0)
    else:
        container, _, prefix = drive._base.partition("/")
        drive._fs.mkdirs(f"{container}_segments", exist_ok=True)
        drive._fs.pipe_file(f"{container}_segments/{prefix}/x/a/slo/{'0' * 32}/00000000", b"a" * 2**20)


def test_an_upload_that_went_on_since_the_plan_is_not_let_go(local):
    drive = local.stores.drive("one")
    upload = drive.begin("a")
    plan = garbage.plan([local], min_age=NONE)
    drive.send("a", upload, 1, b"more", 0)
    assert "went on" in garbage.carry_out(plan, [local]).left[0].left
    drive.finish("a", upload, {})
    assert keys(local) == {"a"}


def test_what_a_signed_upload_brings_is_leased(made, opened):
    catalog = opened(made("s3"))
    disk = catalog.add(Disk(name="root"))
    signed = catalog.upload_url(disk, "data", size=10, sha256="0" * 64)
    key = signed.location.removeprefix(catalog.stores["one"].url + "/")
    put(catalog, key)
    assert verdicts(catalog) == {key: ("leased", None)}


# references, however they are spelled, and wherever they stand


def spellings(folder):
    return [
        f"file://{folder}/images/a%20b",
        f"file://localhost{folder}/images/a%20b",
        f"file://{folder}/images/%61%20b",
        f"file://{folder}/images/x/../a%20b",
        f"file://{folder}/images/a%2520b",
        f"file://{folder}/images/A%20B/",
        "file:///another/mount/images/a%20b",
        "https://cdn.example/images/a%20b?version=1",
        "s3://bucket/images/a%20b",
        f"zip://inside.txt::file://{folder}/images/a%20b",
        f"simplecache://::file://{folder}/images/a%20b",
    ]


@pytest.mark.parametrize("at", range(11))
def test_a_reference_protects_however_it_is_spelled(local, tmp_path, at):
    put(local, "images/a b"), put(local, "images2/a b"), put(local, "images/a b2")
    local.add(Disk(name="root", data=Blob(spellings(tmp_path / "one")[at])))
    assert swept(local, "quarantine")[0] == {"images2/a b", "images/a b2"}


def test_a_reference_through_a_broader_a_nested_or_another_store_protects(made, opened, tmp_path):
    (tmp_path / "one" / "images").mkdir(parents=True)
    nested = opened(Store("one", f"file://{tmp_path}/one/images"))
    url = put(nested, "a")
    broader = opened(Store("all", f"file://{tmp_path}"), Store("none", f"file://{tmp_path}/one/other"))
    broader.add(Disk(name="root", data=Blob(url)))
    assert verdicts(nested, broader) == {"a": ("referenced", None)}
    assert verdicts(nested) == {"a": ("unreferenced", "quarantine")}


@pytest.mark.parametrize("link", ["link", "one/link"])
def test_a_store_that_leads_into_another_by_a_link_keeps_that_from_being_swept(opened, tmp_path, link):
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / link).symlink_to(tmp_path / "one" / "deep")
    catalog = opened(Store("one", f"file://{tmp_path}/one"), Store("link", f"file://{tmp_path}/{link}"))
    put(catalog, "deep/a")
    catalog.attach(catalog.add(Disk(name="root")), "data", f"file://{tmp_path}/{link}/a")
    with pytest.raises(ConflictError, match=f"leads into the store one by a link.*file://{tmp_path}/one/deep,"):
        garbage.plan([catalog], ["one"])


def test_stores_that_a_link_makes_one_are_told_apart_by_nothing_and_protect_each_other(opened, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    catalog = opened(Store("one", f"file://{tmp_path}/one"), Store("link", f"file://{tmp_path}/link"))
    put(catalog, "deep/a"), put(catalog, "deep/b")
    catalog.attach(catalog.add(Disk(name="root")), "data", f"file://{tmp_path}/link/deep/a")
    assert swept(catalog, "quarantine")[0] == {"deep/b"}


def test_who_refers_to_an_object_is_told(local):
    disk = local.upload(local.add(Disk(name="root")), "data", b"bytes")
    [found] = garbage.survey([local])
    assert found.reason == f"by disks {disk.id} of catalogue {local.id}"
    [found] = garbage.plan([local], everything=True).items
    assert (found.verdict, found.reason) == ("referenced", f"by disks {disk.id} of catalogue {local.id}")


def test_another_bucket_protects_nothing(made, opened):
    catalog = opened(made("s3"))
    put(catalog, "a")
    catalog.add(Disk(name="root", data=Blob(catalog.stores.url("one", "a").replace("metastore-tests", "another"))))
    assert verdicts(catalog) == {"a": ("unreferenced", "quarantine")}


def test_a_name_that_no_url_leads_to_is_left_alone(local, tmp_path):
    (tmp_path / "one" / "a\\b").write_bytes(b"")
    with open(os.fsencode(tmp_path / "one") + b"/\xff", "wb"):
        pass
    assert {verdict for verdict, _ in verdicts(local).values()} == {"strange"}


def test_every_root_is_asked_and_every_one_that_is_written_refuses(made, opened):
    first, second = opened(made("file")), opened(made("file"))
    for key in ("a", "b"):
        put(first, key)
    other = second.add(Disk(name="root", data=Blob(first.stores.url("one", "a"))))
    assert swept(first, "quarantine", roots=[second])[0] == {"b"}
    with pytest.raises(QuarantinedError):
        second.update(other, files={"b": Blob(first.stores.url("one", "b"))})
    second.delete(other)
    assert swept(first, "quarantine", roots=[second])[0] == {"a"}


def test_a_mark_is_taken_back_where_another_root_refers_to_the_object(made, opened):
    roots = [opened(made("file")) for _ in range(2)]
    url = put(roots[0], "a")
    plan = garbage.plan(roots, min_age=NONE)
    last = max(roots, key=lambda each: each.id)
    last.add(Disk(name="root", data=Blob(url)))
    assert "refers to it" in garbage.carry_out(plan, roots).left[0].left
    for each in roots:
        each.add(Disk(name="other", data=Blob(url)))


def test_what_lies_at_its_key_and_aside_unknown_to_all_is_put_aside(local, tmp_path):
    put(local, "a")
    (tmp_path / "one" / ".metastore-quarantine").mkdir()
    os.link(tmp_path / "one" / "a", tmp_path / "one" / ".metastore-quarantine" / "a")
    swept(local, "quarantine")
    assert (keys(local), aside(local)) == (set(), {"a"})


def test_a_snapshot_protects_and_is_not_written(made, opened, tmp_path):
    catalog = opened(made("file"))
    with Catalog.open(f"{tmp_path}/old.db", types=[Disk]) as old:
        old.add(Disk(name="root", data=Blob(put(catalog, "a"))))
    with Catalog.open(f"{tmp_path}/old.db", mode="ro") as snapshot:
        assert swept(catalog, roots=[snapshot]) == (set(), {})
        with pytest.raises(ValidationError, match="every catalogue is open read-only"):
            garbage.carry_out(garbage.plan([catalog, snapshot]), [_read_only(catalog), snapshot])
        assert swept(catalog, "quarantine")[0] == {"a"}
        assert verdicts(catalog, snapshot) == {"a": ("referenced", "restore")}
        assert swept(catalog, "restore", roots=[snapshot])[0] == {"a"}


def _read_only(catalog):
    return SimpleNamespace(id=catalog.id, _backend=SimpleNamespace(read_only=True))


def test_what_was_deleted_can_not_come_back_by_history(local):
    """An id is never used again and a tombstone only tells, so what they once referred to is garbage."""
    disk = local.upload(local.add(Disk(name="root")), "data", b"bytes")
    local.delete(disk)
    assert local.tombstone(disk.id).name == "root"
    assert len(swept(local, "quarantine")[0]) == 1
    with pytest.raises(QuarantinedError):
        local.load(Disk, [{"type": "disks", **_record(disk)}])


def _record(disk):
    with Catalog.open("memory:", types=[Disk]) as other:
        return other.dump(other.add(Disk(name="root", data=disk.data)))


# quarantine


def test_what_is_put_aside_waits_for_its_time(catalog):
    put(catalog, "a")
    swept(catalog, "quarantine")
    week, now = timedelta(days=7), datetime.now(UTC)
    assert verdicts(catalog, grace=week) == {"a": ("quarantined", None)}
    assert verdicts(catalog, grace=week, at=now + week + timedelta(minutes=1)) == {"a": ("quarantined", "delete")}


def test_what_was_restored_and_put_aside_again_waits_anew(catalog):
    put(catalog, "a")
    swept(catalog, "quarantine")
    plan = garbage.plan([catalog], grace=NONE)
    garbage.restore([catalog], plan="another")
    garbage.restore([catalog], plan=None)
    swept(catalog, "quarantine")
    for grace in (3600, timedelta.max.days * 86_400):
        done = garbage.carry_out(evolve(plan, grace=grace), [catalog], "delete")
        assert "for long enough" in done.left[0].left
    assert aside(catalog) == {"a"}


def test_what_a_new_root_refers_to_comes_back(catalog, opened):
    url = put(catalog, "a")
    swept(catalog, "quarantine")
    late = opened()
    late.add(Disk(name="root", data=Blob(url)))
    plan = garbage.plan([catalog], grace=NONE, min_age=NONE)
    assert garbage.carry_out(plan, [catalog, late], "delete").left[0].left.startswith("not every catalogue has known")
    assert verdicts(catalog, late) == {"a": ("referenced", "restore")}
    assert swept(catalog, "restore", roots=[late])[0] == {"a"}
    assert keys(catalog) == {"a"}


def test_other_bytes_at_a_key_are_kept_apart_from_those_in_quarantine(catalog):
    put(catalog, "a", b"first")
    swept(catalog, "quarantine")
    put(catalog, "a", b"second!")
    assert verdicts(catalog)["a"] == ("quarantined", "delete")
    [restored] = garbage.restore([catalog])
    assert restored.left == "other bytes lie at its key"
    swept(catalog, "delete")
    assert swept(catalog, "quarantine")[0] == {"a"}
    garbage.restore([catalog])
    assert b"".join(catalog.stores.drive("one").read("a")) == b"second!"


# runs


def test_one_run_at_a_time_has_the_catalogues(catalog, monkeypatch):
    put(catalog, "a")
    plan = garbage.plan([catalog], min_age=NONE)
    monkeypatch.setattr("metastore._marking.Marking._let_go", lambda *_: None)  # as one that was killed
    garbage.carry_out(plan, [catalog])
    with pytest.raises(ConflictError, match="another run of gc"):
        garbage.restore([catalog])
    assert [each.key for each in garbage.restore([catalog], take_over=True)] == ["a"]


def test_a_run_that_was_taken_over_does_nothing_more(catalog, monkeypatch):
    put(catalog, "a")
    plan = garbage.plan([catalog], min_age=NONE)
    whole = catalog.stores.drive("one").pieces

    def taken_over():
        garbage.restore([catalog], take_over=True)
        return whole()

    monkeypatch.setattr(catalog.stores.drive("one"), "pieces", taken_over)
    with pytest.raises(ConflictError, match="another run of gc"):
        garbage.carry_out(plan, [catalog])
    assert keys(catalog) == {"a"}


def test_a_plan_is_kept_as_json_and_carried_out_by_itself(catalog):
    put(catalog, "a"), put(catalog, "later")
    plan = garbage.plan([catalog], min_age=NONE, everything=True)
    again = garbage.GarbagePlan.from_plain(json.loads(json.dumps(list(plan.to_plain()))))
    assert again == plan
    put(catalog, "new")
    assert {each.key for each in garbage.carry_out(again, [catalog]).going} == {"a", "later"}
    assert keys(catalog) == {"new"}
    for broken in ([], [{}], [{"plan": 1}], [*plan.to_plain(), {"step": "burn"}]):
        with pytest.raises(ValidationError, match="expected a plan of garbage"):
            garbage.GarbagePlan.from_plain(broken)


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e300, -1])
def test_a_plan_with_times_that_are_none_is_refused(catalog, time):
    first, *rest = garbage.plan([catalog], min_age=NONE).to_plain()
    for name in ("min_age", "grace"):
        with pytest.raises(ValidationError, match="min_age and grace are not times of 0 to"):
            garbage.GarbagePlan.from_plain([{**first, name: time}, *rest])


def test_a_plan_is_for_its_own_roots_and_stores(local, made, opened, tmp_path):
    put(local, "a")
    plan = garbage.plan([local], min_age=NONE)
    with pytest.raises(ValidationError, match="without it nothing can be judged"):
        garbage.carry_out(plan, [opened(made("file"))])
    moved = evolve(plan, stores={"one": f"file://{tmp_path}/elsewhere"})
    with pytest.raises(ValidationError, match="at another url when the plan was made"):
        garbage.carry_out(moved, [local])


def test_who_may_not_sweep_and_what_cannot_be_swept(local, made, opened, tmp_path):
    with pytest.raises(ForbiddenError):
        garbage.plan([local.as_(Principal(project="p1", roles=["admin"]))])
    with pytest.raises(ForbiddenError):
        garbage.lease(local.as_(Principal(project="p1")), "s3://a/b", 1, "me")
    with pytest.raises(StoreUnableError, match="read-only"):
        garbage.plan([opened(made("file", read_only=True))], ["one"])
    with pytest.raises(StoreUnableError, match="the web"):
        garbage.plan([opened(made("web"))], ["one"])
    with pytest.raises(ValidationError, match="no store that can be written"):
        garbage.plan([opened(made("file", read_only=True))])
    with pytest.raises(ConflictError, match="lies within"):
        garbage.plan([opened(made("file"), Store("two", f"file://{tmp_path}/one/two"))])
    with local.transaction(), pytest.raises(ConflictError, match="outside of one"):
        garbage.plan([local])
    with pytest.raises(ValidationError, match="name the catalogues"):
        garbage.plan([])


def test_a_catalogue_that_never_swept_stores_no_such_type(local):
    garbage.plan([local])
    local.upload(local.add(Disk(name="root")), "data", b"bytes")
    assert [each.name for each in local.types(unlisted=True)] == ["disks"]


def test_a_migration_refers_to_nothing_that_was_discarded(local):
    url = put(local, "a")
    local.add(Disk(name="root"))
    swept(local, "quarantine")
    with pytest.raises(QuarantinedError):
        local.migrate(Disk, lambda record: {**record, "data": Blob(url).to_plain()})


# Swift's large objects


@pytest.fixture
def container(made, opened):
    """A catalogue over a whole container of its own, and the file system."""
    catalog = opened(made("swift"))
    system = catalog.stores.drive("one")._fs
    name = f"c{make_id().hex}"
    system.mkdir(name)
    said = catalog.stores["one"]
    return opened(Store("one", f"swift://{name}", credentials=said.credentials, options=said.options)), system, name


def test_what_large_objects_consist_of_is_no_garbage(container):
    catalog, system, name = container
    for key in ("parts/1", "parts/2", "more/1", "more/2", "left"):
        system.pipe_file(f"{name}/{key}", b"a" * 2**20)
    ask = system.objects.account.ask
    rows = [{"path": f"/{name}/parts/{each}", "size_bytes": 2**20} for each in (1, 2)]
    body = json.dumps(rows).encode()
    ask(
        "PUT",
        name,
        "static",
        query={"multipart-manifest": "put"},
        headers={"Content-Length": str(len(body))},
        body=body,
    )
    ask("PUT", name, "dynamic", headers={"X-Object-Manifest": f"{name}/more/", "Content-Length": "0"})
    for key in ("static", "dynamic"):
        catalog.add(Disk(name=key, data=Blob(f"swift://{name}/{key}")))
    found = verdicts(catalog)
    assert {key for key, (verdict, _) in found.items() if verdict == "piece"} == {
        "parts/1",
        "parts/2",
        "more/1",
        "more/2",
    }
    assert swept(catalog)[0] == {"left"}


def test_a_container_for_segments_is_not_swept(container, opened):
    catalog, system, name = container
    system.mkdir(f"{name}_segments")
    said = catalog.stores["one"]
    with pytest.raises(StoreUnableError, match="container for segments"):
        garbage.plan(
            [opened(Store("one", f"swift://{name}_segments", credentials=said.credentials, options=said.options))]
        )


# what is not usual


def test_any_store_of_fsspec_is_swept(opened):
    catalog = opened(Store("one", f"memory://{make_id()}"))
    put(catalog, "a")
    assert swept(catalog, "quarantine")[0] == {"a"}
    garbage.restore([catalog])
    assert keys(catalog) == {"a"}
    assert swept(catalog, "quarantine")[0] == swept(catalog, "delete")[0] == {"a"}
    assert (keys(catalog), aside(catalog)) == (set(), set())


def test_a_large_transaction_after_the_look_is_taken_in(local):
    base = base_of(local.stores["one"].url)
    seen = References(local._backend, [base])
    local.add_many(Disk(name=str(at), data=Blob(local.stores.url("one", f"x/{at}"))) for at in range(1_300))
    assert not seen.name(0, "x/7")
    seen.catch_up()
    assert all(seen.name(0, f"x/{at}") for at in range(1_300))
    assert not seen.name(0, "x/1300")


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", ".metastore-quarantine/a", "", "a//b"])
@pytest.mark.parametrize("step", ["quarantine", "delete", "restore", "abandon"])
def test_a_forged_plan_leads_nowhere(local, tmp_path, key, step):
    (tmp_path / "outside").write_bytes(b"")
    put(local, "a")
    swept(local, "quarantine")
    plan = garbage.plan([local], min_age=NONE, grace=NONE)
    forged = garbage.Finding("one", key, "unreferenced", "", step, upload="0" * 16)
    done = garbage.carry_out(evolve(plan, items=(forged,)), [local])
    assert (done.going, (tmp_path / "outside").exists(), aside(local)) == ((), True, {"a"})


def test_leases_that_ended_are_let_go(local):
    garbage.lease(local, "s3://a/b", 0.000001, "a mirror")
    swept(local)
    assert local.count(Lease) == 0
    first = garbage.lease(local, "s3://a/b", 100, "a mirror")
    assert garbage.lease(local, "s3://a/b", 10, "another").until == first.until
    for wrong in (0, -1, True, "1", 10**9):
        with pytest.raises(ValidationError, match="how long a lease holds"):
            garbage.lease(local, "s3://a/b", wrong, "a mirror")

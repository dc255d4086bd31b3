"""Many references at once: the same as one after the other, or nothing."""

import pytest

from metastore import Artifact, Attachment, Blob, Catalog, Field, Principal, before, field, references
from metastore.errors import (
    ForbiddenError,
    FrozenFieldError,
    MissingBytesError,
    NotFoundError,
    StaleRevisionError,
    UncoveredError,
    ValidationError,
    VetoError,
    WrongBytesError,
)
from metastore.stores import Lists, Stores

BODIES = {f"k{at}": b"x" * at for at in range(12)}


@pytest.fixture
def urls(catalog):
    """Objects that lie in the store, the first of them empty, by their keys."""
    drive = catalog.stores.drive("one")
    for key, body in BODIES.items():
        drive.create(key, [body], media_type="a/b")
    return {key: catalog.stores.url("one", key) for key in BODIES}


@pytest.fixture
def urls_of(local):
    """Two fields, each with the url of an object in the folder."""
    for key in "ab":
        local.stores.drive("one").create(key, [key.encode()])
    return [("data", local.stores.url("one", "a")), ("files", local.stores.url("one", "b"))]


@pytest.mark.parametrize("listed", [False, True])
def test_they_are_attached_as_one_after_the_other_would_be(catalog, add, urls, listed):
    many, single = ([add(catalog, f"{kind}-{key}") for key in urls] for kind in ("many", "single"))
    asked = [Attachment(disk, "data", url) for disk, url in zip(many, urls.values(), strict=True)]
    made = catalog.attach_many(asked, listed=listed)
    alike = [catalog.attach(disk, "data", url).data for disk, url in zip(single, urls.values(), strict=True)]
    if listed and catalog.stores["one"].url.startswith("s3:"):  # whose listings know no more
        alike = [Blob(size=blob.size, locations=blob.locations) for blob in alike]
    assert [each.data for each in made] == alike
    assert [each.data.size for each in made] == [len(body) for body in BODIES.values()]
    assert made == [catalog.get(type(disk), disk.id) for disk in many]


def test_the_history_tells_of_many_what_it_tells_of_each(local, add, urls_of):
    many, single = ([add(local, f"{kind}{at}") for at in range(3)] for kind in ("many", "single"))
    asked = [Attachment(disk, field, url, "a" if field == "files" else None) for disk in many for field, url in urls_of]
    local.attach_many(asked)
    with local.transaction():
        for disk in single:
            local.attach_many([each._replace(artifact=disk) for each in asked[:2]])
    told = [[(each.kind, each.revision, each.before, each.after) for each in one.changes] for one in local._backend.history(0, 99)[-2:]]  # fmt: skip
    assert (len(told[0]), told[0]) == (3, told[1])
    assert local.count(type(many[0]), references(urls_of[0][1])) == 6


def test_listings_tell_where_a_store_has_them(catalog, add, urls, monkeypatch):
    drive = catalog.stores.drive("one")
    if not isinstance(drive, Lists):
        pytest.skip("this store tells of each by itself")
    monkeypatch.setattr(type(drive), "stat", None)
    asked = [Attachment(add(catalog, key), "data", url) for key, url in urls.items()]
    assert [each.data.size for each in catalog.attach_many(asked, listed=True)] == [
        len(body) for body in BODIES.values()
    ]


@pytest.mark.parametrize("listed", [False, True])
def test_what_lies_nowhere_attaches_none(catalog, add, urls, listed):
    disks = [add(catalog, key) for key in (*urls, "missing")]
    where = [*urls.values(), catalog.stores.url("one", "missing")]
    with pytest.raises(MissingBytesError, match="one at 'missing'"):
        catalog.attach_many(
            (Attachment(disk, "data", url) for disk, url in zip(disks, where, strict=True)), listed=listed
        )
    assert [catalog.get(type(each), each.id) for each in disks] == disks


def test_what_one_artifact_gets_is_one_revision(local, add):
    disk, drive = add(local), local.stores.drive("one")
    for key in ("a", "b"):
        drive.create(key, [key.encode()])
    place = {key: local.stores.url("one", key) for key in ("a", "b")}
    asked = [Attachment(disk, "files", place["a"], "a", priority=3), Attachment(disk, "files", place["b"], "b")]
    made = local.attach_many([*asked, Attachment(disk, "data", place["a"]), Attachment(disk, "data", place["b"])])
    assert {(each.revision, tuple(each.files), each.data.urls) for each in made} == {
        (2, ("a", "b"), (place["a"], place["b"]))
    }
    assert made[0].files["a"].locations[0].priority == 3


def test_what_is_attached_to_one_folder_by_several_actions_is_all_there(local, add):
    disk = add(local)
    key = f"{local._prefix(local._types.shelf(type(disk)), disk, 'files')}/uploaded"
    local.stores.drive("one").create(key, [b"1"])
    urls = {"a": "https://a.example/a", "b": local.stores.url("one", key), "c": "https://a.example/c"}
    [made] = {*local.attach_many(Attachment(disk, "files", url, key) for key, url in urls.items())}
    assert ({key: blob.url for key, blob in made.files.items()}, made.revision) == (urls, 2)


def test_of_two_places_of_one_blob_with_other_bytes_neither_is_attached(local, add):
    disk, drive = add(local), local.stores.drive("one")
    drive.create("a", [b"1"])
    drive.create("b", [b"22"])
    with pytest.raises(WrongBytesError, match=r"/b, in the store one, are not .*: expected size 1, found 2") as caught:
        local.attach_many([Attachment(disk, "data", local.stores.url("one", key)) for key in ("a", "b")])
    assert (caught.value.store, local.get(type(disk), disk.id)) == ("one", disk)


def test_nothing_is_nothing(local):
    assert local.attach_many([]) == []


@pytest.mark.parametrize("wrong", [None, ("disk", "data", "file:///a"), {}])
def test_what_is_no_attachment_is_refused(local, wrong):
    with pytest.raises(ValidationError, match="expected an Attachment"):
        local.attach_many([wrong])


def test_an_older_revision_is_refused_before_a_store_is_asked(local, add):
    disk, other = add(local), add(local, "other")
    local.update(disk, note="meanwhile")
    asked = [Attachment(each, "data", local.stores.url("one", "nothing")) for each in (other, disk)]
    with pytest.raises(StaleRevisionError):
        local.attach_many(asked)


def test_an_older_revision_beside_the_one_that_is_stored_is_refused(local, add):
    older = add(local)
    asked = [Attachment(each, "files", "https://a.example/b", "a") for each in (older, local.update(older, note="new"))]
    with pytest.raises(StaleRevisionError):
        local.attach_many(asked)


def test_what_is_known_of_a_blob_is_kept_where_nothing_more_is_told(local, add):
    first, second = "https://a.example/b", "https://b.example/b"
    disk = local.attach(add(local), "data", first, size=3, digests={"md5": "ab" * 16})
    made = local.attach(disk, "data", second).data
    assert (made.urls, made.size, made.digests) == ((first, second), 3, {"md5": "ab" * 16})


def test_what_a_caller_may_not_refer_to_is_refused_before_a_store_is_asked(local, add):
    bob = local.as_(Principal(user="bob", project="p2", roles=["member"]))
    mine = add(bob, "mine")
    asked = [Attachment(mine, "data", url) for url in ("https://a.example/b", local.stores.url("one", "nothing"))]
    with pytest.raises(ForbiddenError, match="set_internal_location"):
        bob.attach_many(asked)
    [made] = bob.attach_many(asked[:1])
    assert made.data.urls == ("https://a.example/b",)


class Choosy(Artifact, type_name="choosy_disks"):
    data: Field[Blob | None] = field(default=None)

    @before("set_internal_location")
    @staticmethod
    def guard(call):
        if call.after.data.size == 2:
            raise ValueError("no two")


def test_hooks_stand_around_each_and_one_of_them_stops_all(made):
    with Catalog.open("memory:", types=[Choosy], stores=Stores([made("file")])) as catalog:
        for size in (1, 2):
            catalog.stores.drive("one").create(str(size), [b"x" * size])
        disks = [catalog.add(Choosy(name=name)) for name in "ab"]
        asked = [Attachment(disk, "data", catalog.stores.url("one", str(at + 1))) for at, disk in enumerate(disks)]
        with pytest.raises((VetoError, ValueError), match="no two"):
            catalog.attach_many(asked)
        assert [catalog.get(Choosy, each.id) for each in disks] == disks
        assert catalog.attach_many(asked[:1])[0].data.size == 1


def test_what_its_state_does_not_let_change_is_refused_before_a_store_is_asked(local, add):
    disks = [add(local, "draft"), local.change(add(local, "active"), "activate")]
    asked = [Attachment(disk, "data", local.stores.url("one", "nothing")) for disk in disks]
    with pytest.raises(FrozenFieldError, match="data of disks is frozen while it is active"):
        local.attach_many(asked)


def test_who_has_the_id_of_one_of_another_type_is_not_there(local, add):
    disk = add(local)
    asked = [Attachment(each, "data", "https://a.example/b") for each in (disk, Choosy(id=disk.id, name="x"))]
    with pytest.raises(NotFoundError, match="is one of disks, not of choosy_disks"):
        local.attach_many(asked)
    assert local.get(type(disk), disk.id) == disk


def test_they_are_one_commit_of_the_history(local, add):
    disks = [add(local, name) for name in "ab"]
    local.attach_many([Attachment(disk, "data", "https://a.example/b") for disk in disks])
    assert [each.kind for each in local._backend.history(0, 100)[-1].changes] == ["update", "update"]


def test_what_no_store_covers_is_kept_beside_what_one_does(local, add):
    local.stores.drive("one").create("a", [b"1"])
    asked = [Attachment(add(local, url), "data", url, size=size) for url, size in ((local.stores.url("one", "a"), None), ("s3://b/a", 7))]  # fmt: skip
    made = local.attach_many(asked)
    assert [(each.data.size, each.data.locations[0].store) for each in made] == [(1, "one"), (7, None)]
    with pytest.raises(UncoveredError):
        local.open_blob(made[1], "data", unverified=True)


def test_a_listing_that_tells_too_little_is_left(made, monkeypatch):
    drive = Stores([made("s3")]).drive("one")
    for at in range(9):
        drive.create(f"k{at}", [b"x"])
    monkeypatch.setattr("metastore.stores._s3._PAGE", 2)
    monkeypatch.setattr("metastore.stores._s3._WORTH", 2)
    assert [*drive.listed(["k1", "k8"])] == ["k1"]
    assert [*drive.listed(["k8", "none"])] == []
    assert [*drive.listed(["k8"])] == ["k8"]
    assert drive.listed([]) == {}

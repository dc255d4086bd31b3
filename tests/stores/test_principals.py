"""Who may bring, fetch, refer to and prove bytes: the rules of Glare and Glance under every door."""

import pytest

from metastore import Artifact, Blob, Catalog, Field, Principal, Protection, Protections, before, field
from metastore.builtin.images import Image
from metastore.errors import (
    ForbiddenError,
    NotFoundError,
    UnknownFieldError,
    ValidationError,
    VetoError,
)
from metastore.stores import Store, Stores
from metastore.stores._sending import Resume

ANN = Principal(user="ann", project="p1", roles=["member", "reader"])
BOB = Principal(user="bob", project="p2", roles=["member", "reader"])
ADMIN = Principal(user="root", project="ops", roles=["admin"])
BODY = b"some bytes"


@pytest.fixture
def catalog(made, opened):
    return opened(made("file"), Store("web", "https://"))


@pytest.fixture
def hers(catalog, add):
    """An artifact of Ann's with bytes."""
    return catalog.upload(add(catalog, "hers", owner="p1"), "data", BODY, "one")


def test_an_owner_brings_fetches_and_proves(catalog, add):
    ann = catalog.as_(ANN)
    disk = ann.upload(add(ann), "data", BODY, "one")
    assert ann.open_blob(disk, "data").read() == BODY
    assert [each.result for each in ann.verify(disk)] == ["ok"]
    assert len(ann.verifications(disk)) == 1
    assert ann.detach(disk, "data").data is None


@pytest.mark.parametrize("act", ["open_blob", "download_url", "verify", "upload", "attach", "detach", "copy_blob", "upload_url", "verifications"])  # fmt: skip
def test_what_a_caller_does_not_see_is_not_found(catalog, hers, act):
    more = {"upload": (BODY, "one"), "attach": ("https://a.example/b",), "copy_blob": ("one",)}.get(act, ())
    said = {"size": 1, "sha256": "00" * 32} if act == "upload_url" else {}
    place = () if act == "verifications" else ("data",)
    with pytest.raises(NotFoundError):
        getattr(catalog.as_(BOB), act)(hers, *place, *more, **said)


@pytest.mark.parametrize("act", ["open_blob", "download_url", "verify", "upload", "attach", "detach", "copy_blob"])
def test_what_is_public_is_seen_and_its_bytes_are_its_owner_s(catalog, hers, act):
    public = catalog.publish(catalog.activate(hers))
    more = {"upload": (BODY, "one"), "attach": ("https://a.example/b",), "copy_blob": ("one",)}.get(act, ())
    with pytest.raises(ForbiddenError, match="artifact:"):
        getattr(catalog.as_(BOB), act)(public, "data", *more)


def test_rules_are_the_operator_s_to_widen(made, opened, add):
    from metastore import Policy

    policy = Policy.default().with_rules({"artifact:download": ""})
    catalog = opened(made("file"), policy=policy)
    public = catalog.publish(catalog.activate(catalog.upload(add(catalog, owner="p1"), "data", BODY)))
    assert catalog.as_(BOB).open_blob(public, "data").read() == BODY


def test_bytes_of_what_is_deactivated_are_for_admins(catalog, hers):
    off = catalog.deactivate(catalog.activate(hers))
    with pytest.raises(ForbiddenError, match="deactivated"):
        catalog.as_(ANN).open_blob(off, "data")
    assert catalog.as_(ADMIN).open_blob(off, "data").read() == BODY


def test_one_who_may_download_from_any_artifact_needs_not_see_it(made, opened, add):
    from metastore import Policy

    rules = {"artifact:download_from_any_artifact": "role:mirror", "artifact:download": "role:mirror"}
    catalog = opened(made("file"), policy=Policy.default().with_rules(rules))
    hers = catalog.upload(add(catalog, owner="p1"), "data", BODY)
    mirror = catalog.as_(Principal(user="m", project="p9", roles=["mirror"]))
    assert mirror.open_blob(hers, "data").read() == BODY
    with pytest.raises(NotFoundError):
        mirror.get(type(hers), hers.id)


# whose bytes a reference may lead to


def doors(catalog, caller, url, add):
    """Every way by which a caller could refer to bytes at a url."""
    view = catalog.as_(caller)
    mine = add(view, "mine")
    blob = Blob(url, size=len(BODY))
    kind = type(mine)
    return {
        "attach": lambda: view.attach(mine, "data", url),
        "attach in a folder": lambda: view.attach(mine, "files", url, key="a"),
        "add": lambda: view.add(kind(name="other", data=blob)),
        "add in a folder": lambda: view.add(kind(name="other", files={"a": blob})),
        "add_many": lambda: view.add_many([kind(name="other", data=blob)]),
        "update": lambda: view.update(mine, data=blob),
        "update_many": lambda: view.update_many(kind, kind.name == "mine", data=blob),
        "change": lambda: view.change(mine, {"data": blob}),
        "upsert": lambda: view.upsert(kind(name="mine", data=blob)),
        "act": lambda: view.act(mine, "activate", data=blob),
    }


@pytest.mark.parametrize(
    "door",
    [
        "attach",
        "attach in a folder",
        "add",
        "add in a folder",
        "add_many",
        "update",
        "update_many",
        "change",
        "upsert",
        "act",
    ],
)
def test_nobody_but_an_administrator_refers_to_what_a_store_of_ours_gives_out(catalog, hers, add, door):
    with pytest.raises(ForbiddenError, match="set_internal_location"):
        doors(catalog, BOB, hers.data.url, add)[door]()


@pytest.mark.parametrize("door", ["add", "update", "add_many", "upsert"])
def test_anybody_refers_to_the_public_web(catalog, add, door):
    assert doors(catalog, BOB, "https://a.example/b", add)[door]()


def test_anybody_refers_to_what_no_store_covers(catalog, add):
    assert doors(catalog, BOB, "s3://elsewhere/b", add)["attach"]().data.urls == ("s3://elsewhere/b",)


def test_an_administrator_refers_to_what_lies_in_a_store(catalog, hers, add):
    root = catalog.as_(ADMIN)
    assert root.attach(add(root), "data", hers.data.url).data.size == len(BODY)


def test_what_was_uploaded_for_an_artifact_is_its_own_to_refer_to(catalog, hers):
    ann = catalog.as_(ANN)
    off = ann.detach(ann.get(type(hers), hers.id), "data")
    assert ann.attach(off, "data", hers.data.url).data.size == len(BODY)


def test_an_upload_goes_on_for_its_own_artifact_only(catalog, hers, add):
    stolen = Resume("one", hers.data.url.partition("/one/")[2], "0" * 16, 8 * 2**20)
    ann = catalog.as_(ANN)
    with pytest.raises(ValidationError, match="another artifact"):
        ann.upload(add(ann), "data", BODY, resume=stolen)


# images, by Glance's rules


@pytest.fixture
def images(made):
    with Catalog.open("memory:", types=[Image], stores=Stores([made("file")])) as catalog:
        yield catalog


def image(catalog, caller):
    view = catalog.as_(caller)
    return view.add(Image(name="i", owner=caller.project, disk_format="raw", container_format="bare"))


def test_a_member_uploads_an_image_and_a_reader_may_not(images):
    made = images.as_(ANN).upload(image(images, ANN), "image", BODY)
    reader = images.as_(Principal(user="r", project="p1", roles=["reader"]))
    for act in (lambda: reader.upload(made, "image", BODY), lambda: reader.open_blob(made, "image")):
        with pytest.raises(ForbiddenError, match=r"upload_image|download_image"):
            act()
    assert images.as_(ANN).open_blob(made, "image").read() == BODY


def test_a_public_image_is_everybody_s_to_download_and_a_deactivated_one_is_not(images):
    made = images.as_(ANN).upload(image(images, ANN), "image", BODY)
    made = images.publish(images.change(made, "save", "activate"))
    assert images.as_(BOB).open_blob(made, "image").read() == BODY
    off = images.deactivate(made)
    with pytest.raises(ForbiddenError):
        images.as_(BOB).open_blob(off, "image")


def test_copies_and_the_removal_of_places_are_for_admins_as_in_glance(images):
    made = images.as_(ANN).upload(image(images, ANN), "image", BODY)
    for act, rule in ((lambda: images.as_(ANN).copy_blob(made, "image", "one"), "copy_image"), (lambda: images.as_(ANN).detach(made, "image"), "delete_image_location")):  # fmt: skip
        with pytest.raises(ForbiddenError, match=rule):
            act()


# protections, hooks, and the owner's own


def test_a_field_that_may_not_be_read_has_no_bytes(made, opened, add):
    sealed = Protections([Protection("data", of="fields", read="role:admin")])
    catalog = opened(made("file"), protections=sealed)
    hers = catalog.upload(add(catalog, owner="p1"), "data", BODY)
    ann = catalog.as_(ANN)
    for act in (lambda: ann.open_blob(hers, "data"), lambda: ann.upload(hers, "data", BODY)):
        with pytest.raises((UnknownFieldError, ForbiddenError)):
            act()
    assert ann.verifications(hers) == []
    assert [each.blob for each in ann.verify(hers)] == []


class Guarded(Artifact, type_name="guarded_disks"):
    data: Field[Blob | None] = field(default=None)

    @before("upload", "set_location", "delete_blob")
    @staticmethod
    def guard(call):
        if call.after is None or call.after.data is None or call.after.data.size == len(BODY):
            raise ValueError(f"no {call.action} today")


def test_hooks_stand_around_bytes(made):
    with Catalog.open("memory:", types=[Guarded], stores=Stores([made("file")])) as catalog:
        disk = catalog.add(Guarded(name="a"))
        with pytest.raises((VetoError, ValueError), match="no upload today"):
            catalog.upload(disk, "data", BODY)
        made_ = catalog.upload(disk, "data", BODY + b"!")
        with pytest.raises((VetoError, ValueError), match="no delete_blob today"):
            catalog.detach(made_, "data")
        assert len(dict(catalog.stores.drive("one").keys())) == 1


@pytest.mark.parametrize("act", [lambda view: view.stores, lambda view: view.probe("one")])
def test_stores_are_the_owner_s_of_the_process(catalog, act):
    with pytest.raises(ForbiddenError):
        act(catalog.as_(ADMIN))

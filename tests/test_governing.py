"""The rules of an artifact catalogue: states, sight, members, ownership, policy, protection, links and hooks.

Each rule of Glare and of Glance that is wanted has its sentence here.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    HookCall,
    Link,
    Principal,
    Protection,
    Protections,
    Record,
    absent,
    after,
    before,
    field,
    matches,
)
from metastore.errors import (
    ConflictError,
    CursorError,
    DuplicateError,
    ForbiddenError,
    FrozenFieldError,
    LinkedError,
    MetastoreError,
    NotFoundError,
    ProtectedError,
    QueryError,
    StaleRevisionError,
    TransitionError,
    UnknownFieldError,
    UnknownTypeError,
    ValidationError,
    VetoError,
)
from metastore.policy import Policy
from metastore.query import Compare, Followed, Path

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ANN = Principal(user="ann", project="p1", roles=["member", "reader"])
BOB = Principal(user="bob", project="p2", roles=["member", "reader"])
EVE = Principal(user="eve", project="p3", roles=["member", "reader"])
ROOT = Principal(user="root", project="p0", roles=["admin"])
NOBODY = Principal()


class Photo(Artifact, type_name="gov_photos"):
    size: Field[int] = field(default=0, index=True)
    camera: Field[str | None] = field(default=None, required_for="active", search=1)
    caption: Field[str] = field(default="", mutable=True, search=1)
    file: Field[Blob | None] = field(default=None)
    shelf: Field[Link["Album"] | None] = field(default=None, mutable=True)


class Album(Artifact, type_name="gov_albums"):
    cover: Field[Link[Photo] | None] = field(default=None, mutable=True)
    photos: Field[list[Link[Photo]]] = field(factory=list, on_delete="detach", mutable=True)
    back: Field[Link[Photo] | None] = field(default=None, on_delete="detach", mutable=True)
    part_of: Field[Link["Album"] | None] = field(default=None, on_delete="cascade", mutable=True)


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    return f"memory:{uuid4()}" if request.param == "memory" else str(tmp_path / "catalog.db")


@pytest.fixture
def open_catalog(url):
    opened = []

    def open_(**options):
        opened.append(Catalog.open(url, types=[Photo, Album], **options))
        return opened[-1]

    yield open_
    for each in opened:
        assert each.check() == []
        each.close()


@pytest.fixture
def catalog(open_catalog):
    return open_catalog()


def photo(name="a", **values):
    return Photo(name=name, **values)


def seen(catalog, caller, **options):
    return sorted(each.name for each in catalog.as_(caller).find(Photo, **options))


def active(catalog, name="a", **values):
    return catalog.activate(catalog.add(photo(name, **values)), camera="leica")


def refused(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value
    return caught.value


# --- life cycle ------------------------------------------------------------------------------------------------------


def test_an_artifact_begins_as_drafted_and_only_so(catalog):
    assert catalog.add(photo()).status == "drafted"
    refused(ValidationError, lambda: catalog.add(photo("b", status="active")), "drafted", "active", "$.status")
    assert catalog.count(Photo) == 1


@pytest.mark.parametrize(("name", "value"), [("status", "active"), ("visibility", "public"), ("owner", "p9")])
def test_status_visibility_and_owner_are_not_set_by_an_update(catalog, name, value):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.update(stored, **{name: value}), name)
    assert catalog.update(stored, **{name: getattr(stored, name)}) == stored


def test_activation_names_the_first_field_without_its_value_and_changes_nothing(catalog):
    stored = catalog.add(photo())
    error = refused(TransitionError, lambda: catalog.activate(stored, size=3), "camera", "active")
    assert (error.action, error.field) == ("activate", "camera")
    assert catalog.get(Photo, stored.id) == stored


def test_an_empty_text_is_a_value_for_activation(catalog):
    assert catalog.activate(catalog.add(photo()), camera="").status == "active"


def test_steps_see_what_the_one_before_left_and_land_together(catalog):
    stored = catalog.change(catalog.add(photo()), {"camera": "x"}, "activate", {"caption": "y"}, "deactivate")
    assert (stored.revision, stored.status, stored.camera, stored.caption) == (2, "deactivated", "x", "y")


@pytest.mark.parametrize(
    "steps",
    [
        ("activate", {"size": 2}),
        ("activate", "deactivate", {"caption": "x"}),
        ({"caption": "x"}, "activate", {"camera": None}),
    ],
)
def test_a_step_that_is_refused_undoes_those_before_it(catalog, steps):
    stored = catalog.add(photo(camera="x"))
    error = refused(FrozenFieldError, lambda: catalog.change(stored, *steps))
    assert error.field in {"size", "caption", "camera"}
    assert catalog.get(Photo, stored.id) == stored
    assert catalog.stats()["changes"] == 1


@pytest.mark.parametrize("action", ["activate", "deactivate"])
def test_an_action_on_what_is_in_its_target_already_is_accepted_and_writes_nothing(catalog, action):
    stored = active(catalog)
    stored = stored if action == "activate" else catalog.deactivate(stored)
    assert catalog.act(stored, action).revision == stored.revision


@pytest.mark.parametrize("steps", [("deactivate",), ("reactivate",)])
def test_an_action_that_does_not_begin_in_the_state_says_what_does(catalog, steps):
    stored = catalog.add(photo())
    error = refused(TransitionError, lambda: catalog.change(stored, *steps), "drafted", "activate")
    assert (error.action, catalog.get(Photo, stored.id)) == (steps[0], stored)


@pytest.mark.parametrize("action", ["delete", "draft", "update", "transfer", ""])
def test_an_unknown_action_is_a_wrong_value(catalog, action):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.act(stored, action), repr(action))


@pytest.mark.parametrize("step", [5, None, ["activate"], b"activate"])
def test_a_step_is_a_mapping_or_the_name_of_an_action(catalog, step):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.change(stored, step), "step")


def test_every_entry_into_active_is_told(catalog):
    stored = active(catalog)
    first = stored.activated_at
    again = catalog.reactivate(catalog.deactivate(stored))
    assert first is not None
    assert again.activated_at == again.updated_at > first


def test_when_it_was_activated_is_not_set_by_hand(catalog):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.update(stored, activated_at=datetime.now(UTC)))
    assert catalog.get(Photo, stored.id).activated_at is None


def test_only_mutable_fields_change_in_active_and_none_in_deactivated(catalog):
    stored = active(catalog)
    error = refused(FrozenFieldError, lambda: catalog.update(stored, size=9), "size", "active")
    assert (error.field, error.state) == ("size", "active")
    stored = catalog.update(stored, caption="x", tags=["t"], description="d", properties={"a": 1})
    off = catalog.deactivate(stored)
    refused(FrozenFieldError, lambda: catalog.update(off, caption="y"), "deactivated")


@pytest.mark.parametrize("name", ["name", "version"])
def test_name_and_version_are_frozen_once_active(catalog, name):
    stored = active(catalog)
    refused(FrozenFieldError, lambda: catalog.update(stored, **{name: "9.0.0"}), name)


def test_not_even_an_admin_changes_what_is_deactivated(catalog):
    stored = catalog.deactivate(active(catalog, owner="p1"))
    refused(FrozenFieldError, lambda: catalog.as_(ROOT).update(stored, caption="x"))


def test_content_stands_for_ever_once_it_was_active(catalog):
    stored = active(catalog, file=Blob("s3://a/b", size=3, sha256=SHA))
    refused(FrozenFieldError, lambda: catalog.update(stored, file=Blob("s3://a/b", size=4, sha256=SHA)), "bytes")
    refused(FrozenFieldError, lambda: catalog.update(stored, file=None), "file")
    moved = catalog.update(stored, file=Blob("s3://c/d", size=3, sha256=SHA, digests={"md5": "a" * 32}))
    assert (moved.file.url, moved.revision) == ("s3://c/d", stored.revision + 1)


def test_actions_compare_and_set(catalog):
    old = catalog.add(photo(camera="x"))
    catalog.update(old, size=1)
    for call in (catalog.activate, catalog.publish, catalog.share, lambda each: catalog.transfer(each, "p2")):
        refused(StaleRevisionError, lambda call=call: call(old))


def test_update_many_asks_the_life_cycle_of_each_and_is_all_or_none(catalog):
    catalog.add(photo("a"))
    active(catalog, "b")
    refused(FrozenFieldError, lambda: catalog.update_many(Photo, size=7), "size")
    assert catalog.count(Photo, Photo.size == 7) == 0
    assert catalog.update_many(Photo, caption="x") == 2


# --- sight -----------------------------------------------------------------------------------------------------------


def world(catalog):
    """One artifact per visibility, of p1; p2 has answered with yes to one share, and not to another."""
    for sight in ("private", "community", "public"):
        catalog.add(photo(sight, owner="p1", visibility=sight))
    catalog.answer(catalog.share(catalog.add(photo("accepted", owner="p1")), "p2"), "accepted", project="p2")
    catalog.answer(catalog.share(catalog.add(photo("rejected", owner="p1")), "p2"), "rejected", project="p2")
    catalog.share(catalog.add(photo("pending", owner="p1")), "p2")
    catalog.add(photo("hidden", owner="p1", visibility="public", hidden=True))
    catalog.add(photo("orphan"))


EVERY = ["accepted", "community", "hidden", "orphan", "pending", "private", "public", "rejected"]


@pytest.mark.parametrize(
    ("caller", "listed", "reached"),
    [
        (
            ANN,
            [each for each in EVERY if each not in ("hidden", "orphan")],
            [each for each in EVERY if each != "orphan"],
        ),
        (BOB, ["accepted", "public"], ["accepted", "community", "hidden", "pending", "public", "rejected"]),
        (EVE, ["public"], ["community", "hidden", "public"]),
        (NOBODY, ["public"], ["community", "hidden", "public"]),
        (ROOT, [each for each in EVERY if each != "hidden"], EVERY),
    ],
)
def test_lists_show_what_is_ones_own_public_or_accepted_and_ids_reach_all_that_is_seen(
    catalog, caller, listed, reached
):
    world(catalog)
    view = catalog.as_(caller)
    assert seen(catalog, caller) == listed
    assert seen(catalog, caller, unlisted=True) == reached
    ids = {each.name: each.id for each in catalog.find(Photo)}
    assert sorted(each.name for each in view.get_many(Photo, ids.values())) == reached
    assert view.count(Photo) == len(listed)
    assert view.stats() == {"artifacts": {"gov_photos": len(reached)}}


def test_what_is_not_seen_is_not_found_in_the_words_of_what_never_was(catalog):
    stored, view = catalog.add(photo(owner="p1")), catalog.as_(BOB)
    never = photo("b")
    for call in (
        lambda each: view.get(Photo, each.id),
        lambda each: view.get(Record, str(each.id)),
        lambda each: view.get(Album, each.id),
        lambda each: view.update(each, caption="x"),
        view.activate,
        view.publish,
        lambda each: view.share(each, "p2"),
        view.unshare,
        lambda each: view.unshare(each, "p2"),
        view.members,
        lambda each: view.answer(each, "accepted"),
        lambda each: view.transfer(each, "p2"),
        lambda each: view.hold(each, "mine"),
        view.delete,
        view.dump,
    ):
        told = [str(refused(NotFoundError, lambda each=each, call=call: call(each))) for each in (stored, never)]
        assert told[0].replace(str(stored.id), str(never.id)) == told[1]


def test_a_name_that_is_not_seen_is_not_found_and_may_be_taken(catalog):
    catalog.add(photo(owner="p1"))
    view = catalog.as_(BOB)
    refused(NotFoundError, lambda: view.get(Photo, name="a"), "'a'")
    assert view.add(photo()).owner == "p2"


def test_a_page_does_not_start_at_what_is_not_seen(catalog):
    unseen, view = catalog.add(photo(owner="p1", size=5)), catalog.as_(BOB)
    refused(CursorError, lambda: view.find(Photo, order_by=[Photo.size], after=unseen.id).all())


def test_links_are_followed_to_what_the_caller_sees(catalog):
    secret, shown = (
        catalog.add(photo("secret", owner="p1")),
        catalog.add(photo("shown", owner="p1", visibility="public")),
    )
    for each in (secret, shown):
        catalog.add(Album(name=each.name, owner="p2", cover=Link(each), photos=[Link(each)]))
    view = catalog.as_(BOB)
    assert view.count(Album, Album.cover.name.startswith("s")) == 1
    assert view.count(Album, Album.photos.any(Photo.name == "secret")) == 0
    assert view.count(Album, absent(Album.cover.name)) == 1
    assert view.count(Album, ~(Album.cover.name == "shown")) == 1


def test_back_links_and_closures_see_what_the_caller_sees(catalog):
    stored = catalog.share(catalog.add(photo(owner="p1")), "p2")
    mine = catalog.add(Album(name="mine", owner="p1", cover=Link(stored)))
    theirs = catalog.add(Album(name="theirs", owner="p2", cover=Link(stored)))
    assert {each.source for each in catalog.back_links(stored)} == {mine.id, theirs.id}
    assert {each.source for each in catalog.as_(ROOT).back_links(stored)} == {mine.id, theirs.id}
    assert {each.source for each in catalog.as_(BOB).back_links(stored)} == {theirs.id}
    assert catalog.as_(EVE).back_links(stored) == catalog.as_(EVE).closure(theirs) == []


def test_nothing_is_asked_of_memberships_by_a_query(catalog):
    world(catalog)
    asked = Followed("metastore_members", "artifact", Compare(Path("member"), "eq", "p2"))
    for caller in (EVE, BOB):
        refused(QueryError, lambda caller=caller: catalog.as_(caller).count(Photo, asked), "knows no type")


def test_the_engine_s_own_types_are_not_among_the_users(catalog):
    world(catalog)
    assert [each.name for each in catalog.types()] == ["gov_albums", "gov_photos"]
    assert {type(each) for each in catalog.find(Record)} == {Photo}
    assert catalog.stats()["artifacts"] == {"gov_photos": 8}


def test_a_principal_does_not_write_what_the_engine_keeps(catalog):
    from metastore._members import Membership

    member = catalog.share(catalog.add(photo(owner="p1")), "p2") and catalog.find(Membership).one()
    view = catalog.as_(ROOT)
    for call in (
        lambda: view.update(member, answer="accepted"),
        lambda: view.delete(member),
        lambda: view.delete_many(Membership),
        lambda: view.update_many(Membership, answer="accepted"),
        lambda: view.add(Membership(artifact=Link(uuid4()), member="x")),
    ):
        refused(UnknownTypeError, call)


def test_only_a_principal_looks_through_a_view(catalog):
    for given in (None, "bob", {"project": "p"}):
        refused(ValidationError, lambda given=given: catalog.as_(given), "Principal")


# --- publishing ------------------------------------------------------------------------------------------------------


def test_publishing_needs_the_active_state(catalog):
    stored = catalog.add(photo(camera="x"))
    error = refused(TransitionError, lambda: catalog.publish(stored), "active", "drafted")
    assert error.action == "publish"
    assert catalog.change(stored, "activate", "publish").visibility == "public"


def test_publishing_twice_writes_nothing(catalog):
    stored = catalog.publish(active(catalog))
    assert catalog.publish(stored).revision == stored.revision


def test_unpublishing_makes_it_private_again(catalog):
    assert catalog.unpublish(catalog.publish(active(catalog))).visibility == "private"


def test_two_projects_hold_one_name_and_version_until_the_second_is_published(catalog):
    first, second = (active(catalog, owner=each) for each in ("p1", "p2"))
    catalog.publish(first)
    refused(DuplicateError, lambda: catalog.publish(second))
    assert catalog.get(Photo, second.id) == second


def test_a_project_holds_a_private_and_a_public_one_of_one_name_and_version(catalog):
    public = catalog.publish(active(catalog, owner="p1"))
    private = catalog.add(photo(owner="p1"))
    refused(DuplicateError, lambda: catalog.unpublish(public))
    catalog.delete(private)
    assert catalog.unpublish(public).visibility == "private"


@pytest.mark.parametrize("sight", ["share", "communitize"])
def test_what_is_not_public_is_unique_within_its_owner(catalog, sight):
    catalog.change(catalog.add(photo(owner="p1")), sight)
    refused(DuplicateError, lambda: catalog.add(photo(owner="p1")))
    assert catalog.change(catalog.add(photo(owner="p2")), sight)


def test_a_new_name_or_version_is_judged_by_the_same_scope(catalog):
    catalog.add(photo("a", owner="p1"))
    other = catalog.add(photo("b", owner="p1"))
    refused(DuplicateError, lambda: catalog.update(other, name="a"))
    assert catalog.update(other, name="a", version="1.0.0").revision == 2


def test_a_transfer_moves_it_into_the_new_owner_s_scope(catalog):
    mine, theirs = (catalog.add(photo(owner=each)) for each in ("p1", "p2"))
    refused(DuplicateError, lambda: catalog.transfer(mine, "p2"))
    moved = catalog.transfer(mine, "p3")
    assert (moved.owner, catalog.add(photo(owner="p1")).owner) == ("p3", "p1")
    assert catalog.transfer(theirs, None).owner is None


@pytest.mark.parametrize("owner", ["", 5, "x" * 256, "a\0b"])
def test_an_owner_is_the_name_of_a_project(catalog, owner):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.transfer(stored, owner))


def test_of_sixteen_that_publish_one_name_and_version_exactly_one_wins(catalog):
    drafts = [active(catalog, owner=f"p{at}") for at in range(16)]
    gate = threading.Barrier(16)

    def publish(each):
        gate.wait()
        try:
            return catalog.publish(each).id
        except DuplicateError:
            return None

    with ThreadPoolExecutor(16) as pool:
        won = [each for each in pool.map(publish, drafts) if each]
    assert [each.id for each in catalog.find(Photo, Photo.visibility == "public")] == won
    assert len(won) == 1


# --- members ---------------------------------------------------------------------------------------------------------


def shared(catalog, *projects):
    return catalog.share(catalog.add(photo(owner="p1")), *projects)


def answers(catalog, stored):
    return {each.member: each.answer for each in catalog.members(stored)}


def test_a_membership_that_goes_with_its_artifact_while_it_is_audited_is_no_fault(catalog, monkeypatch):
    stored, identify = shared(catalog, "p2"), catalog._backend.identify

    def meanwhile(ids):
        monkeypatch.undo()
        catalog.delete(stored)
        return identify(ids)

    monkeypatch.setattr(catalog._backend, "identify", meanwhile)
    assert catalog.check() == []
    assert catalog.count(Photo) == 0


def test_a_new_member_is_pending_and_answers_for_itself(catalog):
    stored = shared(catalog, "p2", "p3")
    assert answers(catalog, stored) == {"p2": "pending", "p3": "pending"}
    assert seen(catalog, BOB) == []
    catalog.as_(BOB).answer(stored, "accepted")
    assert answers(catalog, stored) == {"p2": "accepted", "p3": "pending"}
    assert (seen(catalog, BOB), seen(catalog, EVE)) == (["a"], [])


def test_the_owner_does_not_answer_for_a_member(catalog):
    stored = shared(catalog, "p2")
    refused(ForbiddenError, lambda: catalog.as_(ANN).answer(stored, "accepted", project="p2"))
    assert catalog.as_(ROOT).answer(stored, "accepted", project="p2").answer == "accepted"


def test_who_else_is_a_member_is_not_told_by_an_answer(catalog):
    stored, view = shared(catalog, "p2", "p3"), catalog.as_(BOB)
    told = [
        str(refused(ForbiddenError, lambda each=each: view.answer(stored, "accepted", project=each)))
        for each in ("p3", "p4")
    ]
    assert told[0].replace("p3", "p4") == told[1]


def test_the_owner_sees_all_members_and_a_member_itself(catalog):
    stored = shared(catalog, "p2", "p3")
    assert [len(catalog.as_(each).members(stored)) for each in (ANN, BOB, ROOT)] == [2, 1, 2]
    assert [each.member for each in catalog.as_(BOB).members(stored)] == ["p2"]


@pytest.mark.parametrize("answer", ["yes", "", None, 5, "Accepted"])
def test_an_answer_is_one_of_three_words(catalog, answer):
    stored = shared(catalog, "p2")
    refused(ValidationError, lambda: catalog.as_(BOB).answer(stored, answer), "accepted")
    assert answers(catalog, stored) == {"p2": "pending"}


def test_who_is_no_member_cannot_answer(catalog):
    stored = shared(catalog)
    refused(NotFoundError, lambda: catalog.answer(stored, "accepted", project="p2"), "p2")


@pytest.mark.parametrize("project", ["", None, 5, "x" * 256])
def test_a_member_is_the_name_of_a_project(catalog, project):
    stored = catalog.add(photo(owner="p1"))
    refused(ValidationError, lambda: catalog.share(stored, "p2", project))
    assert catalog.get(Photo, stored.id) == stored


def test_sharing_again_keeps_the_answer(catalog):
    stored = shared(catalog, "p2")
    catalog.as_(BOB).answer(stored, "accepted")
    again = catalog.share(stored, "p2", "p3")
    assert answers(catalog, again) == {"p2": "accepted", "p3": "pending"}
    assert again.revision == stored.revision


def test_a_member_that_is_taken_off_sees_it_no_more(catalog):
    stored = shared(catalog, "p2", "p3")
    catalog.unshare(stored, "p2")
    assert answers(catalog, stored) == {"p3": "pending"}
    refused(NotFoundError, lambda: catalog.as_(BOB).get(Photo, stored.id))
    refused(NotFoundError, lambda: catalog.unshare(stored, "p2"), "p2")


def test_unsharing_makes_it_private_without_members(catalog):
    stored = catalog.unshare(shared(catalog, "p2"))
    assert stored.visibility == "private"
    assert answers(catalog, catalog.share(stored)) == {}


@pytest.mark.parametrize("steps", [("share",), ("communitize", "unpublish", "share")])
def test_a_step_that_shares_anew_shares_with_nobody_of_before(catalog, steps):
    stored = catalog.change(shared(catalog, "p2"), "unshare")
    stored = catalog.change(stored, *steps)
    assert answers(catalog, stored) == {}
    refused(NotFoundError, lambda: catalog.as_(Principal(project="p2")).get(Photo, stored.id), str(stored.id))


def test_only_what_is_shared_has_members(catalog):
    stored = catalog.add(photo(owner="p1"))
    for call in (
        lambda: catalog.members(stored),
        lambda: catalog.unshare(stored, "p2"),
        lambda: catalog.unshare(stored),
        lambda: catalog.answer(stored, "accepted", project="p2"),
    ):
        refused(TransitionError, call, "private")


def test_what_everybody_sees_is_not_shared(catalog):
    stored = catalog.add(photo(owner="p1", visibility="community"))
    refused(TransitionError, lambda: catalog.share(stored, "p2"), "community")


def test_what_was_unshared_meanwhile_is_judged_as_it_is_stored(catalog):
    stored = shared(catalog, "p2")
    catalog.unshare(stored)
    refused(TransitionError, lambda: catalog.unshare(stored, "p2"), "private")


def test_members_go_with_the_artifact(catalog):
    from metastore._members import Membership

    catalog.delete(shared(catalog, "p2", "p3"))
    assert catalog.find(Membership).all() == []


def test_a_member_reads_and_changes_nothing(catalog):
    stored, view = shared(catalog, "p2"), catalog.as_(BOB)
    assert view.get(Photo, stored.id) == stored
    for call in (
        lambda: view.update(stored, caption="x"),
        lambda: view.activate(stored, camera="x"),
        lambda: view.share(stored, "p3"),
        lambda: view.unshare(stored),
        lambda: view.unshare(stored, "p2"),
        lambda: view.transfer(stored, "p2"),
        lambda: view.delete(stored),
    ):
        refused(ForbiddenError, call)
    assert catalog.get(Photo, stored.id) == stored


# --- policy ----------------------------------------------------------------------------------------------------------


def test_an_artifact_belongs_to_the_project_of_who_adds_it(catalog):
    assert catalog.as_(ANN).add(photo()).owner == "p1"
    refused(ForbiddenError, lambda: catalog.as_(ANN).add(photo("b", owner="p2")), "transfer")
    assert catalog.as_(ROOT).add(photo("b", owner="p2")).owner == "p2"


def test_who_works_for_no_project_adds_nothing(catalog):
    refused(ForbiddenError, lambda: catalog.as_(NOBODY).add(photo()), "project")
    assert catalog.count(Photo) == 0


@pytest.mark.parametrize("act", ["publish", "deactivate"])
def test_publishing_and_deactivating_are_the_admins(catalog, act):
    stored = active(catalog, owner="p1")
    error = refused(ForbiddenError, lambda: catalog.as_(ANN).change(stored, act), "role:admin", "ann")
    assert error.rule == f"artifact:{act}"
    assert catalog.as_(ROOT).change(stored, act).revision == stored.revision + 1


def test_reactivating_is_the_admins(catalog):
    stored = catalog.deactivate(active(catalog, owner="p1"))
    refused(ForbiddenError, lambda: catalog.as_(ANN).reactivate(stored))
    assert catalog.as_(ROOT).reactivate(stored).status == "active"


def test_the_owner_of_what_is_public_does_not_change_or_delete_it(catalog):
    stored = catalog.publish(active(catalog, owner="p1"))
    for call in (lambda: catalog.as_(ANN).update(stored, caption="x"), lambda: catalog.as_(ANN).delete(stored)):
        refused(ForbiddenError, call)
    assert catalog.as_(ROOT).update(stored, caption="x").caption == "x"


def test_the_owner_of_what_is_deactivated_does_not_delete_it(catalog):
    stored = catalog.deactivate(active(catalog, owner="p1"))
    refused(ForbiddenError, lambda: catalog.as_(ANN).delete(stored))
    catalog.as_(ROOT).delete(stored)


def test_a_stranger_may_not_change_what_it_sees(catalog):
    stored = catalog.add(photo(owner="p1", visibility="community"))
    for call in (
        lambda view: view.update(stored, caption="x"),
        lambda view: view.activate(stored, camera="x"),
        lambda view: view.delete(stored),
        lambda view: view.update_many(Photo, caption="x"),
        lambda view: view.delete_many(Photo),
    ):
        refused(ForbiddenError, lambda call=call: call(catalog.as_(BOB)))
    assert catalog.get(Photo, stored.id) == stored


def test_beginning_as_public_or_held_needs_the_rules_of_that(catalog):
    view = catalog.as_(ANN)
    for values, rule in (({"visibility": "public"}, "publish"), ({"hold": "mine"}, "hold")):
        error = refused(ForbiddenError, lambda values=values: view.add(photo(**values)))
        assert error.rule == f"artifact:{rule}"
    assert view.add(photo(visibility="community")).visibility == "community"


def test_own_rules_stand_in_place_of_the_usual(open_catalog):
    rules = {
        "artifact:publish": "role:editor",
        "gov_albums:update": "!",
        "artifact:get": "'ok':%(caption)s or role:admin",
    }
    catalog = open_catalog(policy=Policy.default().with_rules({**rules, "gov_albums:get": "@"}))
    stored = active(catalog, owner="p1", caption="ok")
    editor = Principal(user="ed", project="p1", roles=["editor"])
    refused(ForbiddenError, lambda: catalog.as_(ANN).publish(stored), "editor")
    assert catalog.as_(editor).publish(stored).visibility == "public"
    album = catalog.as_(ANN).add(Album(name="x"))
    assert refused(ForbiddenError, lambda: catalog.as_(ANN).update(album, tags=["t"])).rule == "gov_albums:update"


def test_what_a_rule_lets_nobody_get_is_not_seen(open_catalog):
    catalog = open_catalog(policy=Policy.default().with_rules({"artifact:get": "'ok':%(caption)s"}))
    shown, other = (catalog.add(photo(each, owner="p1", caption=each)) for each in ("ok", "no"))
    view = catalog.as_(ANN)
    assert (seen(catalog, ANN), view.count(Photo), view.get(Photo, shown.id)) == (["ok"], 1, shown)
    refused(NotFoundError, lambda: view.get(Photo, other.id))
    refused(NotFoundError, lambda: view.get(Photo, name="no"))


def test_who_may_not_list_is_told_so(open_catalog):
    catalog = open_catalog(policy=Policy.default().with_rules({"artifact:list": "role:reader"}))
    refused(ForbiddenError, lambda: catalog.as_(Principal(project="p1")).find(Photo).all(), "reader")
    assert catalog.as_(ANN).find(Photo).all() == []


def test_rules_see_the_change(open_catalog):
    catalog = open_catalog(policy=Policy.default().with_rules({"artifact:update": "'fine':%(change.caption)s"}))
    stored, view = catalog.add(photo(owner="p1")), catalog.as_(ANN)
    refused(ForbiddenError, lambda: view.update(stored, caption="bad"))
    assert view.update(stored, caption="fine").caption == "fine"


class Pic(
    Artifact,
    type_name="gov_pics",
    rules={"create": "add_image", "publish": "publicize_image", "get": "get_image", "list": "get_images"},
):
    """A type under Glance's names of rules."""


def test_a_type_stands_under_glance_s_rules_by_their_names(catalog):
    guest = Principal(user="guest", project="p1", roles=["guest"])
    assert refused(ForbiddenError, lambda: catalog.as_(guest).add(Pic(name="x"))).rule == "add_image"
    stored = catalog.activate(catalog.as_(ANN).add(Pic(name="x")))
    assert catalog.as_(ANN).find(Pic).all() == [stored]
    assert refused(ForbiddenError, lambda: catalog.as_(guest).find(Pic).all()).rule == "get_images"
    assert refused(ForbiddenError, lambda: catalog.as_(ANN).publish(stored)).rule == "publicize_image"
    refused(NotFoundError, lambda: catalog.as_(guest).get(Pic, stored.id))


@pytest.mark.parametrize(
    ("rule", "value", "back"),
    [
        ("hide", True, "unhide"),
        ("protect", True, "unprotect"),
        ("hold", "why", "hold"),
        ("expire", datetime.max.replace(tzinfo=UTC), "expire"),
    ],
)
def test_hiding_protecting_holding_and_expiring_have_rules_of_their_own(open_catalog, rule, value, back):
    name = {"hide": "hidden", "protect": "protected", "hold": "hold", "expire": "expires_at"}[rule]
    catalog = open_catalog(
        policy=Policy.default().with_rules({f"artifact:{each}": "role:boss" for each in (rule, back)})
    )
    stored, boss = catalog.add(photo(owner="p1")), Principal(project="p1", roles=["boss"])
    assert refused(ForbiddenError, lambda: catalog.as_(ANN).update(stored, **{name: value})).rule == f"artifact:{rule}"
    assert refused(ForbiddenError, lambda: catalog.as_(ANN).add(photo("b", **{name: value}))).rule == f"artifact:{rule}"
    done = catalog.as_(boss).update(stored, **{name: value})
    undo = {name: getattr(stored, name)}
    assert refused(ForbiddenError, lambda: catalog.as_(ANN).update(done, **undo)).rule == f"artifact:{back}"
    assert getattr(catalog.as_(boss).update(done, **undo), name) == getattr(stored, name)


def test_the_history_names_the_caller(catalog):
    catalog.as_(BOB).add(photo())
    with catalog.transaction() as commit:
        assert commit._commit == (None, None)
    with catalog.as_(BOB).transaction() as commit:
        assert commit._commit == ("bob", None)


def test_loading_auditing_and_migrating_are_for_the_owner_of_the_process(catalog):
    view = catalog.as_(ROOT)
    for call in (lambda: view.load(Photo, []), view.check, lambda: view.migrate(Photo, dict)):
        refused(ForbiddenError, call)


# --- protections -----------------------------------------------------------------------------------------------------

GUARDED = Protections(
    [
        Protection("camera", of="fields", create="role:admin", read="role:admin", update="role:admin"),
        Protection("x_.*", create="role:admin", read="role:admin", update="role:admin", delete="role:admin"),
        Protection("ro_.*", create="role:admin", update="role:admin", delete="role:admin"),
        Protection(".*"),
    ]
)


@pytest.fixture
def guarded(open_catalog):
    catalog = open_catalog(protections=GUARDED)
    catalog.add(photo(owner="p1", camera="leica", caption="sea", properties={"x_bill": 1, "ro_os": "a", "free": 2}))
    return catalog


def test_what_a_caller_may_not_read_is_left_out_of_what_it_gets(guarded):
    view = guarded.as_(ANN)
    found = view.find(Photo).one()
    assert found.properties == {"ro_os": "a", "free": 2}
    assert "camera" not in view.dump(found)
    assert view.dump(found)["properties"] == next(iter(view.dump_many(Photo)))["properties"] == found.properties
    assert list(view.find(Photo).select(Photo.properties)) == [(found.properties,)]
    assert "leica" not in repr(found)
    assert guarded.as_(ROOT).find(Photo).one().camera == "leica"


def test_a_field_that_a_caller_may_not_read_says_so(guarded):
    found = guarded.as_(ANN).find(Photo).one()
    with pytest.raises(AttributeError, match="camera of this Photo is protected"):
        found.camera


def test_what_a_caller_may_not_read_cannot_be_asked(guarded):
    view, bill = guarded.as_(ANN), Photo.properties["x_bill"]
    for error, ask in (
        (UnknownFieldError, lambda: view.find(Photo, Photo.camera == "leica")),
        (UnknownFieldError, lambda: view.find(Photo, ~absent(Photo.camera))),
        (UnknownFieldError, lambda: view.find(Photo, order_by=[Photo.camera])),
        (UnknownFieldError, lambda: view.find(Photo).facets(Photo.camera)),
        (UnknownFieldError, lambda: view.find(Photo).aggregate(by=[Photo.camera], n="count")),
        (UnknownFieldError, lambda: view.find(Photo).select(Photo.camera)),
        (UnknownFieldError, lambda: view.find(Album, Album.cover.camera == "leica")),
        (QueryError, lambda: view.find(Photo, bill == 1)),
        (QueryError, lambda: view.find(Photo, Photo.properties.has_key("x_bill"))),
        (QueryError, lambda: view.find(Photo, order_by=[bill])),
        (QueryError, lambda: view.find(Photo).facets(bill)),
        (QueryError, lambda: view.find(Photo, view.parse(Photo, "properties.x_bill = 1"))),
    ):
        refused(error, ask)
    assert guarded.as_(ROOT).count(Photo, bill == 1) == 1


def test_what_a_caller_may_not_read_is_not_searched(guarded):
    assert guarded.as_(ANN).count(Photo, matches("leica")) == 0
    assert guarded.as_(ANN).count(Photo, matches("sea")) == guarded.as_(ROOT).count(Photo, matches("leica")) == 1


def test_links_by_what_a_caller_may_not_read_are_not_shown(open_catalog):
    catalog = open_catalog(protections=Protections([Protection("cover", of="fields", read="role:admin")]))
    stored = catalog.add(photo(owner="p1"))
    album = catalog.add(Album(name="x", owner="p1", cover=Link(stored)))
    assert catalog.as_(ANN).back_links(stored) == catalog.as_(ANN).closure(album) == []
    assert len(catalog.as_(ROOT).closure(album)) == 1


def test_writing_the_properties_keeps_those_that_the_caller_cannot_see(guarded):
    view = guarded.as_(ANN)
    stored = view.update(view.find(Photo).one(), properties={"ro_os": "a", "mine": 1})
    assert stored.properties == {"ro_os": "a", "mine": 1}
    assert guarded.find(Photo).one().properties == {"x_bill": 1, "ro_os": "a", "mine": 1}


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"ro_os": "b"}, "update"),
        ({}, "delete"),
        ({"ro_os": "a", "ro_new": 1}, "create"),
        ({"ro_os": "a", "x_new": 1}, "set"),
    ],
)
def test_a_protected_property_is_not_created_updated_or_deleted(guarded, properties, words):
    view = guarded.as_(ANN)
    stored = view.find(Photo).one()
    refused(ForbiddenError, lambda: view.update(stored, properties=properties), words)
    assert view.find(Photo).one() == stored


def test_a_protected_field_is_not_created_or_updated(guarded):
    view = guarded.as_(ANN)
    refused(ForbiddenError, lambda: view.add(photo("b", camera="x")), "camera", "create")
    refused(ForbiddenError, lambda: view.activate(view.find(Photo).one(), camera="x"), "camera", "update")
    assert view.add(photo("b")).name == "b"


@pytest.mark.parametrize("properties", [5, None, [1], {1: 2}])
def test_wrong_properties_are_a_wrong_value_under_protections_too(guarded, properties):
    view = guarded.as_(ANN)
    refused(ValidationError, lambda: view.update(view.find(Photo).one(), properties=properties), "$.properties")


# --- protection from deletion ----------------------------------------------------------------------------------------


def test_what_is_protected_is_not_deleted_by_anybody(catalog):
    stored = catalog.add(photo(owner="p1", protected=True))
    for view in (catalog, catalog.as_(ANN), catalog.as_(ROOT)):
        refused(ProtectedError, lambda view=view: view.delete(stored), "protected")
    refused(ProtectedError, lambda: catalog.delete_many(Photo))
    catalog.delete(catalog.update(stored, protected=False))


def test_what_is_on_hold_is_not_deleted_until_it_is_released(catalog):
    stored = catalog.hold(catalog.add(photo(owner="p1")), "lawsuit 7")
    refused(ProtectedError, lambda: catalog.delete(stored), "lawsuit 7")
    refused(ForbiddenError, lambda: catalog.as_(ANN).release(stored))
    catalog.delete(catalog.as_(ROOT).release(stored))


@pytest.mark.parametrize("reason", ["", None, 5, "x" * 256])
def test_a_hold_has_a_reason(catalog, reason):
    stored = catalog.add(photo())
    refused(ValidationError, lambda: catalog.hold(stored, reason))


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_restricts_the_deletion_of_its_target(catalog):
    stored = catalog.add(photo())
    album = catalog.add(Album(name="x", cover=Link(stored)))
    refused(LinkedError, lambda: catalog.delete(stored), str(album.id), "cover")
    catalog.update(album, cover=None)
    catalog.delete(stored)


def test_links_that_let_go_are_emptied_all_of_one_artifact_together(catalog):
    gone, kept = catalog.add(photo()), catalog.add(photo("b"))
    album = catalog.add(Album(name="x", photos=[Link(gone), Link(kept), Link(gone)], back=Link(gone)))
    catalog.delete(gone)
    after = catalog.get(Album, album.id)
    assert (after.photos, after.back) == ([Link(kept.id)], None)


def test_what_is_part_of_it_goes_with_it_however_deep_and_in_circles(catalog):
    top = catalog.add(Album(name="top"))
    part = catalog.add(Album(name="part", part_of=Link(top)))
    catalog.add(Album(name="deep", part_of=Link(part)))
    catalog.delete(catalog.update(top, part_of=Link(part)))
    assert catalog.count(Album) == 0


def test_a_cascade_that_is_refused_below_deletes_nothing(catalog):
    top = catalog.add(Album(name="top"))
    catalog.add(Album(name="part", part_of=Link(top), protected=True))
    refused(ProtectedError, lambda: catalog.delete(top))
    assert catalog.count(Album) == 2


def test_what_a_cascade_takes_lets_go_of_the_rest(catalog):
    stored = catalog.add(photo())
    keeper = catalog.add(Album(name="keeper", photos=[Link(stored)]))
    top = catalog.add(Album(name="top"))
    catalog.update(keeper, part_of=None)
    catalog.add(Album(name="part", part_of=Link(top), cover=Link(stored)))
    refused(LinkedError, lambda: catalog.delete(stored))
    catalog.delete(top)
    catalog.delete(stored)
    assert catalog.get(Album, keeper.id).photos == []


@pytest.mark.parametrize("links", [{"cover": 1}, {"photos": 1}, {"part_of": 1}])
def test_links_of_another_owner_never_restrict_and_stay(catalog, links):
    target = catalog.add(Album(name="t", owner="p1") if "part_of" in links else photo(owner="p1"))
    [name] = links
    theirs = catalog.add(Album(name="x", owner="p2", **{name: [Link(target)] if name == "photos" else Link(target)}))
    catalog.as_(ANN).delete(target)
    assert catalog.get(Album, theirs.id) == theirs


def test_a_holder_that_the_caller_does_not_see_is_not_named(open_catalog):
    catalog = open_catalog(policy=Policy.default().with_rules({"gov_albums:get": "!"}))
    stored = catalog.add(photo(owner="p1"))
    album = catalog.add(Album(name="x", owner="p1", cover=Link(stored)))
    error = refused(LinkedError, lambda: catalog.as_(ANN).delete(stored), "another artifact")
    assert str(album.id) not in str(error)


def test_a_link_to_itself_restricts_nothing(catalog):
    album = catalog.add(Album(name="x"))
    catalog.delete(catalog.update(album, part_of=Link(album)))


def test_deleting_both_ends_together_is_no_conflict(catalog):
    ends = [catalog.add(photo(owner="p1", tags=["x"]))]
    shelf = catalog.add(Album(name="shelf", owner="p1"))
    catalog.update(ends[0], shelf=Link(shelf))
    catalog.update(shelf, cover=Link(ends[0]))
    refused(LinkedError, lambda: catalog.delete_many(Album))
    assert catalog.delete_many(Record) == 2


# --- hooks -----------------------------------------------------------------------------------------------------------

calls = []


class Hooked(Artifact, type_name="gov_hooked"):
    twin: Field[Link["Hooked"] | None] = field(default=None)
    part_of: Field[Link["Hooked"] | None] = field(default=None, on_delete="cascade")

    @staticmethod
    @before("create", "update", "activate", "publish", "share", "transfer", "hold", "delete")
    def first(call: HookCall):
        calls.append(("before", call.action, in_transaction(call.catalog)))
        stop(call, "before")

    @staticmethod
    @before("create", "activate", "transfer", "delete", locked=True)
    def second(call: HookCall):
        calls.append(("before locked", call.action, in_transaction(call.catalog)))
        stop(call, "before locked")

    @staticmethod
    @after("create", "activate", "transfer", "delete", locked=True)
    def third(call: HookCall):
        calls.append(("after locked", call.action, in_transaction(call.catalog)))
        stop(call, "after locked")

    @staticmethod
    @after("create", "update", "activate", "publish", "share", "transfer", "hold", "delete")
    def fourth(call: HookCall):
        calls.append(("after", call.action, in_transaction(call.catalog)))
        stop(call, "after")


def in_transaction(catalog):
    return getattr(catalog._local, "open", None) is not None


def stop(call, phase):
    told = call.after or call.before
    if told.description == f"{call.action} {phase}":
        raise VetoError("no")


PHASES = [("before", False), ("before locked", True), ("after locked", True), ("after", False)]


@pytest.fixture
def hooked(catalog):
    made = catalog.add(Hooked(name="a", owner="p1"))
    calls.clear()
    return made


@pytest.mark.parametrize(
    ("action", "act"),
    [
        ("create", lambda c, _: c.add(Hooked(name="new"))),
        ("activate", lambda c, each: c.activate(each)),
        ("transfer", lambda c, each: c.transfer(each, "p9")),
        ("delete", lambda c, each: c.delete(each)),
    ],
)
def test_hooks_run_in_order_the_unlocked_ones_outside_the_write_lock(catalog, hooked, action, act):
    act(catalog, hooked)
    assert calls == [(phase, action, locked) for phase, locked in PHASES]


@pytest.mark.parametrize("action", ["share", "hold"])
def test_every_action_that_writes_has_hooks(catalog, hooked, action):
    getattr(catalog, action)(hooked, "p2")
    assert calls == [("before", action, False), ("after", action, False)]


def test_a_change_of_several_steps_calls_the_hooks_of_each_action(catalog, hooked):
    catalog.change(hooked, {"tags": ["a"]}, "activate", {"tags": ["b"]}, "publish")
    assert [action for phase, action, _ in calls if phase == "before"] == ["update", "activate", "publish"]


@pytest.mark.parametrize("phase", ["before", "before locked", "after locked"])
@pytest.mark.parametrize("action", ["activate", "transfer", "delete"])
def test_a_hook_that_refuses_leaves_nothing_done(catalog, action, phase):
    stored = catalog.add(Hooked(name="a", description=f"{action} {phase}"))
    acts = {
        "activate": catalog.activate,
        "transfer": lambda each: catalog.transfer(each, "p2"),
        "delete": catalog.delete,
    }
    refused(VetoError, lambda: acts[action](stored), "no")
    assert catalog.get(Hooked, stored.id) == stored


def test_a_hook_that_fails_after_the_commit_undoes_nothing(catalog):
    refused(VetoError, lambda: catalog.add(Hooked(name="a", description="create after")))
    assert catalog.count(Hooked) == 1


def test_a_hook_is_told_what_will_be(catalog):
    told = []

    class Told(Artifact, type_name="gov_told"):
        @staticmethod
        @before("create", "update")
        def tell(call: HookCall):
            told.append((call.before and call.before.tags, call.after.tags, call.after.owner))

    view = catalog.as_(ANN)
    view.update(view.add(Told(name="a", tags=["x"])), tags=["y"])
    assert told == [(None, ["x"], "p1"), (["x"], ["y"], "p1")]


def test_hooks_are_not_called_for_what_the_caller_may_not_do(catalog, hooked):
    for call, error in (
        (lambda: catalog.as_(BOB).delete(hooked), NotFoundError),
        (lambda: catalog.as_(ANN).transfer(hooked, "p2"), ForbiddenError),
        (lambda: catalog.as_(ANN).add(Hooked(name="b", owner="p2")), ForbiddenError),
        (lambda: catalog.delete(Hooked(name="c")), NotFoundError),
    ):
        refused(error, call)
    assert calls == []


def test_a_cascade_in_a_circle_of_a_type_with_hooks_ends(catalog, hooked):
    part = catalog.add(Hooked(name="part", owner="p1", part_of=Link(hooked)))
    catalog.delete(catalog.update(hooked, part_of=Link(part)))
    assert catalog.count(Hooked) == 0


def test_both_ends_of_a_type_with_hooks_are_deleted_together(catalog, hooked):
    catalog.add(Hooked(name="twin", owner="p1", twin=Link(hooked)))
    assert catalog.delete_many(Hooked) == 2
    assert len([each for each in calls if each[:2] == ("after", "delete")]) == 2


def test_bulk_writes_call_the_hooks_of_each_and_land_together(catalog):
    few = [Hooked(name="a"), Hooked(name="b", description="create after")]
    refused(VetoError, lambda: catalog.add_many(few))
    assert catalog.count(Hooked) == 0
    assert catalog.add_many(few[:1]) == 1
    assert catalog.update_many(Hooked, tags=["x"]) == 1
    assert calls[-1][:2] == ("after", "update")


# --- bulk ------------------------------------------------------------------------------------------------------------


def test_bulk_changes_are_of_what_the_caller_sees(catalog):
    world(catalog)
    mine = catalog.add(photo("mine", owner="p2", tags=["x"]))
    view = catalog.as_(BOB)
    assert view.update_many(Photo, Photo.tags.contains("x"), caption="y") == 1
    assert view.update_many(Photo, Photo.name == "private", caption="y") == 0
    assert view.delete_many(Photo, Photo.name == "private") == 0
    assert view.delete_many(Photo, Photo.id == mine.id) == 1
    assert catalog.count(Photo) == 8


def test_adding_many_is_adding_each(catalog):
    view = catalog.as_(ANN)
    assert view.add_many([photo("a"), Album(name="b")]) == 2
    assert {each.owner for each in catalog.find(Record)} == {"p1"}
    refused(ForbiddenError, lambda: view.add_many([photo("c"), photo("d", owner="p2")]))
    refused(ValidationError, lambda: catalog.add_many([photo("c"), photo("d", status="active")]))
    assert catalog.count(Record) == 2


def test_what_was_dumped_with_all_the_engine_keeps_loads_to_the_same(catalog):
    world(catalog)
    records = list(catalog.dump_many(Record))
    with Catalog.open("memory:", types=[Photo]) as other:
        for name in ("gov_photos", "metastore_members"):
            some = [each for each in records if each["type"] == name]
            assert other.load(other.artifact_type(name), some) == len(some) > 0
        assert list(other.dump_many(Record)) == records
        assert (seen(other, BOB), seen(other, EVE)) == (seen(catalog, BOB), seen(catalog, EVE))
        assert other.check() == []


def test_nothing_but_errors_of_ours_leaves_a_wrong_call(catalog):
    stored = catalog.add(photo(owner="p1"))
    for call in (
        lambda: catalog.act(stored, None),
        lambda: catalog.act(stored, "activate", nonsense=1),
        lambda: catalog.change(stored, {5: 5}),
        lambda: catalog.publish(None),
        lambda: catalog.members("x"),
        lambda: catalog.share("x", "p"),
        lambda: catalog.answer(stored, "accepted"),
        lambda: catalog.as_(NOBODY).answer(stored, "accepted"),
        lambda: catalog.transfer(5, "p"),
    ):
        refused(MetastoreError, call)
    assert catalog.get(Photo, stored.id) == stored
    assert issubclass(LinkedError, ConflictError)

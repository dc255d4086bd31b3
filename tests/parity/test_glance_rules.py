"""The rules of Glance, one by one: the tests that docs/parity.md names."""

from uuid import uuid4

import pytest

from metastore import Blob, Catalog, Principal, Protection, Protections
from metastore.builtin.images import Image
from metastore.builtin.metadefs import Namespace, add_definition, fields_of, remove_definition
from metastore.errors import (
    DefinitionError,
    DuplicateError,
    ForbiddenError,
    FrozenFieldError,
    IdTakenError,
    NotFoundError,
    ProtectedError,
    QueryError,
    QuotaError,
    StaleRevisionError,
    TransitionError,
    ValidationError,
)

BOTH = {"disk_format": "qcow2", "container_format": "bare"}


@pytest.fixture
def owner(as_):
    return as_("owner")


@pytest.fixture
def other(as_):
    return as_("other")


@pytest.fixture
def admin(as_):
    return as_("admin")


def active(view, **values):
    return view.activate(view.add(Image(**BOTH, **values)))


def shared(owner, other, answer="accepted", **values):
    one = owner.share(active(owner, **values), "p2")
    if answer != "pending":
        other.answer(one, answer)
    return one


# 3 representation


def test_an_image_needs_no_field_and_shows_every_base_property(owner):
    one = owner.add(Image())
    assert (one.name, one.status, one.protected, one.hidden, one.owner) == (None, "queued", False, False, "p1")
    assert (one.disk_format, one.container_format, one.min_disk, one.min_ram, one.tags) == (None, None, 0, 0, [])


def test_an_image_is_private_until_it_is_shared(owner, other):
    one = owner.add(Image())
    assert one.visibility == "private"
    with pytest.raises(NotFoundError):
        other.get(Image, one.id)


def test_an_id_is_the_callers_to_choose_once(owner):
    chosen = uuid4()
    one = owner.add(Image(id=chosen))
    assert one.id == chosen
    owner.delete(one)
    with pytest.raises(IdTakenError):
        owner.add(Image(id=chosen))


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_disk": -1},
        {"min_ram": 2**31},
        {"disk_format": "floppy"},
        {"container_format": ""},
        {"image": Blob(size=2**40 + 1)},
        {"name": "n" * 256},
    ],
)
def test_what_the_schema_of_an_image_refuses_is_refused(owner, wrong):
    with pytest.raises(ValidationError):
        owner.add(Image(**wrong))


def test_tags_are_each_there_once_and_keep_their_order(owner):
    one = owner.add(Image(tags=["b", "A", "a"]))
    assert owner.get(Image, one.id).tags == ["b", "A", "a"]


def test_custom_properties_are_any_json_and_null_stays_null(owner):
    one = owner.add(Image(properties={"cores": 4, "gone": None, "of": {"a": [True]}}))
    assert owner.get(Image, one.id).properties == {"cores": 4, "gone": None, "of": {"a": [True]}}


def test_emoji_are_text(owner):
    assert owner.add(Image(name="\N{PENGUIN}")).name == "\N{PENGUIN}"


def test_only_an_admin_gives_an_image_to_another_project(owner, admin):
    with pytest.raises(ForbiddenError):
        owner.add(Image(owner="p2"))
    one = owner.add(Image())
    with pytest.raises(ForbiddenError):
        owner.transfer(one, "p2")
    assert admin.transfer(one, "p2").owner == "p2"


# 4 statuses


def test_formats_are_frozen_once_there_are_data(owner):
    with pytest.raises(FrozenFieldError):
        owner.update(active(owner), disk_format="raw")


def test_both_formats_come_before_the_data(owner):
    for action in ("save", "import", "activate"):
        with pytest.raises(TransitionError) as refusal:
            owner.act(owner.add(Image(disk_format="raw")), action)
        assert refusal.value.field == "container_format"


def test_a_failed_upload_returns_to_queued_without_sizes(owner):
    one = owner.act(owner.add(Image(**BOTH)), "save", image=Blob("s3://b/a", size=3), virtual_size=9)
    back = owner.act(one, "requeue")
    assert (back.status, back.image, back.virtual_size) == ("queued", None, None)


def test_the_ways_of_an_image_are_those_of_glance(owner):
    for way in (("save", "activate"), ("stage", "import", "activate"), ("import", "activate"), ("save", "kill")):
        assert owner.change(owner.add(Image(**BOTH)), *way).status == ("killed" if "kill" in way else "active")
    with pytest.raises(TransitionError):
        owner.act(owner.add(Image(**BOTH)), "deactivate")


def test_an_image_in_any_status_may_be_deleted(owner):
    for way in ((), ("save",), ("stage",), ("import",), ("activate",), ("activate", "deactivate"), ("save", "kill")):
        owner.delete(owner.change(owner.add(Image(**BOTH)), *way))
    assert owner.count(Image) == 0


# 5 visibility and members


def test_who_sees_an_image_by_id(owner, other, as_, admin):
    open_, community, private = admin.publish(active(owner)), owner.communitize(active(owner)), active(owner)
    lent = owner.share(active(owner), "p2")
    seen = {
        who: [bool(as_(who).get_many(Image, [each.id])) for each in (open_, community, lent, private)]
        for who in ("admin", "owner", "other", "third")
    }
    assert seen == {
        "admin": [True] * 4,
        "owner": [True] * 4,
        "other": [True, True, True, False],
        "third": [True, True, False, False],
    }


def test_a_list_shows_ones_own_the_public_and_accepted_shares(owner, other, admin):
    admin.publish(active(owner, name="public"))
    owner.communitize(active(owner, name="community"))
    for answer in ("accepted", "pending", "rejected"):
        shared(owner, other, answer, name=answer)
    other.add(Image(name="own"))
    assert {each.name for each in other.find(Image)} == {"public", "accepted", "own"}
    every = {"public", "community", "accepted", "pending", "rejected", "own"}
    assert {each.name for each in other.find(Image, unlisted=True)} == every


def test_an_admins_list_is_everything(owner, admin):
    active(owner)
    owner.communitize(active(owner))
    assert admin.count(Image) == 2


def test_what_nobody_owns_is_not_everybodys(catalog, other):
    one = catalog.add(Image())
    assert other.get_many(Image, [one.id]) == []


def test_publicize_and_communitize_have_rules_of_their_own(owner, admin):
    one = active(owner)
    with pytest.raises(ForbiddenError) as refusal:
        owner.publish(one)
    assert refusal.value.rule == "publicize_image"
    assert owner.communitize(one).visibility == "community"


def test_the_owner_takes_back_what_is_public(owner, admin):
    one = admin.publish(active(owner))
    assert owner.unpublish(one).visibility == "private"


def test_an_image_is_public_in_any_status(owner, admin):
    assert admin.publish(owner.add(Image())).visibility == "public"


def test_only_a_shared_image_has_members(owner):
    with pytest.raises(TransitionError, match="only a shared artifact has members"):
        owner.members(active(owner))


def test_a_member_begins_pending_and_is_named_once(owner):
    one = owner.share(owner.share(active(owner), "p2"), "p2", "p3")
    assert [(each.member, each.answer) for each in owner.members(one)] == [("p2", "pending"), ("p3", "pending")]


def test_a_member_sees_its_own_row_only(owner, other):
    one = owner.share(active(owner), "p2", "p3")
    assert [each.member for each in other.members(one)] == ["p2"]


def test_the_member_answers_and_not_the_owner(owner, other, admin):
    one = owner.share(active(owner), "p2")
    with pytest.raises(ForbiddenError):
        owner.answer(one, "accepted", project="p2")
    assert other.answer(one, "accepted").answer == "accepted"
    assert admin.answer(one, "rejected", project="p2").answer == "rejected"
    assert other.answer(one, "pending").answer == "pending"


@pytest.mark.parametrize("answer", ["yes", "", None])
def test_a_wrong_answer_is_refused(owner, other, answer):
    with pytest.raises(ValidationError):
        other.answer(owner.share(active(owner), "p2"), answer)


def test_a_member_neither_shares_nor_unshares(owner, other):
    one = shared(owner, other)
    for act in (lambda: other.share(one, "p3"), lambda: other.unshare(one, "p2")):
        with pytest.raises(ForbiddenError):
            act()


def test_a_member_that_is_none_is_not_found(owner, other, as_):
    one = owner.share(active(owner), "p2")
    with pytest.raises(NotFoundError):
        owner.unshare(one, "p3")
    with pytest.raises(NotFoundError):
        as_("third").answer(one, "accepted")


@pytest.mark.parametrize("member", ["", "n" * 256, None])
def test_a_member_has_a_name(owner, member):
    with pytest.raises(ValidationError):
        owner.share(active(owner), member)


def test_unsharing_takes_the_members_off(owner, other):
    one = owner.unshare(shared(owner, other))
    assert one.visibility == "private"
    assert other.get_many(Image, [one.id]) == []
    assert [each.answer for each in owner.members(owner.share(one, "p2"))] == ["pending"]


# 7 permissions of changes


def test_who_sees_an_image_of_another_may_not_change_it(owner, other, admin):
    one = admin.publish(active(owner))
    with pytest.raises(ForbiddenError) as refusal:
        other.update(one, name="mine")
    assert refusal.value.rule == "modify_image"
    with pytest.raises(NotFoundError):
        other.update(active(owner), name="mine")


def test_the_owner_changes_a_public_image(owner, admin):
    one = admin.publish(active(owner))
    assert owner.update(one, name="new", hidden=True, protected=True).name == "new"


def test_a_reader_reads_and_changes_nothing(catalog, owner):
    one, reader = active(owner), catalog.as_(Principal(project="p1", roles=["reader"]))
    assert reader.get(Image, one.id) == one
    assert reader.count(Image) == 1
    for act in (lambda: reader.add(Image()), lambda: reader.update(one, name="x"), lambda: reader.delete(one)):
        with pytest.raises(ForbiddenError):
            act()


def test_one_failing_operation_leaves_an_image_untouched(owner):
    one = owner.add(Image(name="one"))
    with pytest.raises(ValidationError):
        owner.update(one, name="two", min_disk=-1)
    assert owner.get(Image, one.id).name == "one"


def test_an_empty_change_is_accepted(owner):
    one = owner.add(Image())
    assert owner.update(one).revision == 1


@pytest.mark.parametrize("name", ["status", "visibility", "owner", "created_at", "revision", "id"])
def test_what_is_read_only_is_refused(owner, name):
    values = {"status": "active", "visibility": "public", "owner": "p2", "revision": 7}
    with pytest.raises(ValidationError):
        owner.update(owner.add(Image()), **{name: values.get(name, "01a204ec-0000-7000-8000-000000000000")})


# 9 show and delete


def test_a_protected_image_is_deleted_by_nobody(catalog, owner, admin):
    one = owner.add(Image(protected=True))
    for view in (owner, admin, catalog):
        with pytest.raises(ProtectedError):
            view.delete(one)
    owner.delete(owner.update(one, protected=False))


def test_a_deletion_is_forbidden_to_who_sees_and_not_found_to_who_does_not(owner, other, admin):
    with pytest.raises(ForbiddenError):
        other.delete(admin.publish(active(owner)))
    with pytest.raises(NotFoundError):
        other.delete(active(owner))


def test_what_is_deleted_is_not_found(owner):
    one = owner.add(Image())
    owner.delete(one)
    with pytest.raises(NotFoundError):
        owner.delete(one)


def test_a_hidden_image_is_shown_when_asked_for(owner):
    one = owner.add(Image(hidden=True))
    assert owner.count(Image) == 0
    assert owner.find(Image, unlisted=True).one() == owner.get(Image, one.id)


def test_the_owner_takes_an_image_out_of_use_and_back(owner, other, admin):
    one = owner.deactivate(active(owner))
    assert owner.deactivate(one).revision == one.revision
    assert owner.reactivate(one).status == "active"
    with pytest.raises(ForbiddenError):
        other.deactivate(admin.publish(active(owner)))


def test_a_deactivated_image_can_be_described(owner):
    assert owner.update(owner.deactivate(active(owner)), name="old").name == "old"


# 17 metadata definitions


def namespace(view, name="OS::Demo", **values):
    return view.add(Namespace(name=name, **values))


def test_a_namespace_is_seen_by_its_owner_and_by_all_if_public(owner, other, admin):
    namespace(admin, "OS::Mine")
    one = namespace(admin, "OS::Open", visibility="public")
    assert other.find(Namespace).one() == one
    assert admin.count(Namespace) == 2


def test_only_admins_write_definitions(owner, admin):
    with pytest.raises(ForbiddenError) as refusal:
        namespace(owner)
    assert refusal.value.rule == "add_metadef_namespace"
    one = namespace(admin, visibility="public")
    with pytest.raises(ForbiddenError):
        owner.update(one, description="mine")


def test_a_namespace_is_there_once(admin):
    namespace(admin)
    with pytest.raises(DuplicateError):
        namespace(admin)


def test_a_protected_namespace_and_what_is_in_it_stay(admin):
    one = add_definition(admin, namespace(admin, protected=True), "tag", "Linux")
    with pytest.raises(ProtectedError):
        admin.delete(one)
    with pytest.raises(ProtectedError):
        remove_definition(admin, one, "tag", "Linux")


def test_a_definition_that_is_none_is_refused(admin):
    with pytest.raises(DefinitionError):
        add_definition(admin, namespace(admin), "property", "threads", {"type": "whole"})


@pytest.mark.parametrize("said", [{}, {"visibility": None}])
def test_a_namespace_that_says_nothing_of_visibility_is_private(admin, other, said):
    admin.add(Namespace(**fields_of({"namespace": "OS::Demo", **said})))
    assert (admin.count(Namespace), other.count(Namespace)) == (1, 0)


# 19 quotas


def test_a_quota_of_images_is_exact(catalog, owner):
    catalog.set_quota("p1", "images", count=1, bytes=5)
    one = owner.add(Image(image=Blob("s3://b/a", size=5)))
    for values in ({}, {"image": Blob("s3://b/b", size=1)}):
        with pytest.raises(QuotaError):
            owner.add(Image(**values))
    owner.delete(one)
    assert owner.add(Image()).revision == 1


# 20 property protections


GUARDED = Protections(
    [
        Protection("billing_.*", create="role:admin", read="role:admin", update="role:admin", delete="!"),
        Protection("label", update="!"),
    ]
)


@pytest.fixture
def guarded():
    with Catalog.open("memory:", types=[Image], protections=GUARDED) as opened:
        yield [opened.as_(Principal(project="p1", roles=roles)) for roles in (["admin"], ["member", "reader"])]


def test_a_property_is_read_and_written_by_those_who_may(guarded):
    admin, member = guarded
    one = admin.add(Image(properties={"billing_code": "x", "label": "a"}))
    assert member.get(Image, one.id).properties == {"label": "a"}
    for properties in ({"billing_new": "y", "label": "a"}, {"label": "b"}, {"label": "a", "unknown": "z"}):
        with pytest.raises(ForbiddenError):
            member.update(one, properties=properties)
    assert admin.get(Image, one.id).properties == {"billing_code": "x", "label": "a"}


def test_the_first_matching_protection_decides_and_none_is_nobodys(guarded):
    admin, _ = guarded
    with pytest.raises(ForbiddenError):
        admin.add(Image(properties={"unknown": "z"}))


def test_what_may_not_be_read_is_not_asked_either(guarded):
    admin, member = guarded
    admin.add(Image(properties={"billing_code": "x"}))
    asked = Image.properties["billing_code"]
    assert admin.find(Image, asked == "x").facets(asked)
    for act in (lambda: member.count(Image, asked == "x"), lambda: member.find(Image, order_by=[asked]).all()):
        with pytest.raises(QueryError):
            act()
    with pytest.raises(QueryError):
        member.find(Image).facets(asked)


# 25 faults


def test_of_two_writers_of_one_revision_one_is_told(owner):
    one = owner.add(Image())
    owner.update(one, properties={"a": 1})
    with pytest.raises(StaleRevisionError):
        owner.update(one, properties={"b": 2})


def test_pages_go_on_through_what_has_no_value(owner):
    for size in (None, 3, None, 1):
        owner.add(Image(image=size and Blob("s3://b/a", size=size)))
    for order in (Image.image.size, -Image.image.size):
        seen, page = [], owner.find(Image, order_by=[order], limit=1).page()
        while page.items:
            seen += page.items
            if page.next is None:
                break
            page = owner.find(Image, order_by=[order], limit=1, after=page.next).page()
        assert len({each.id for each in seen}) == len(seen) == 4


def test_an_id_that_is_not_seen_says_as_little_as_one_that_is_not_there(owner, other):
    hidden, missing = active(owner).id, uuid4()
    errors = []
    for ident in (hidden, missing):
        with pytest.raises(NotFoundError) as refusal:
            other.get(Image, ident)
        errors.append(str(refusal.value).replace(str(ident), ""))
    assert errors[0] == errors[1]


def test_a_page_after_what_is_not_seen_says_as_little_as_after_what_is_not_there(owner, other):
    hidden, missing = active(owner).id, uuid4()
    errors = []
    for ident in (hidden, missing):
        with pytest.raises((QueryError, NotFoundError)) as refusal:
            other.find(Image, after=ident).page()
        errors.append((type(refusal.value), str(refusal.value).replace(str(ident), "")))
    assert errors[0] == errors[1]

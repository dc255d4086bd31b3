"""The rules of Glare, one by one: the tests that docs/parity.md names."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    Link,
    Policy,
    Principal,
    Record,
    absent,
    after,
    before,
    field,
    matches,
)
from metastore.errors import (
    ConflictError,
    DuplicateError,
    ForbiddenError,
    FrozenFieldError,
    LinkedError,
    NotFoundError,
    QueryError,
    QuotaError,
    StaleRevisionError,
    TransitionError,
    UnknownFieldError,
    ValidationError,
    VetoError,
)


class Sample(Artifact, type_name="samples"):
    need: Field[int | None] = field(default=None, required_for="active")
    fixed: Field[str | None] = field(default=None)
    loose: Field[str | None] = field(default=None, mutable=True)
    score: Field[float | None] = field(default=None, mutable=True)
    disk: Field[Blob | None] = field(default=None)
    cover: Field[Blob | None] = field(default=None, mutable=True)
    near: Field[Link["Sample"] | None] = field(default=None, mutable=True)
    many: Field[list[Link["Sample"]]] = field(factory=list, mutable=True, on_delete="detach")


SEEN = []


class Watched(Artifact, type_name="watched"):
    note: Field[str | None] = field(default=None, mutable=True)

    @before("create", "update", "activate", "delete")
    @staticmethod
    def look(call):
        SEEN.append(f"before {call.action}")
        if call.after is not None and call.after.note == "no":
            raise VetoError("not this one")

    @after("create", "update", "activate", "delete")
    @staticmethod
    def tell(call):
        SEEN.append(f"after {call.action}")


@pytest.fixture
def owner(as_):
    return as_("owner")


@pytest.fixture
def admin(as_):
    return as_("admin")


def active(view, name="one", **values):
    return view.activate(view.add(Sample(name=name, need=1, **values)))


def public(owner, admin, name="one", **values):
    return admin.publish(active(owner, name, **values))


def blob(place="a", **values):
    return Blob(f"s3://b/{place}", size=3, sha256="0a" * 32, **values)


# 4 base fields


def test_ids_are_uuids_and_anything_else_is_refused_in_a_filter(owner):
    one = owner.add(Sample(name="one"))
    assert owner.find(Sample, Sample.id == one.id).one() == one
    with pytest.raises((QueryError, ValidationError)):
        owner.find(Sample, Sample.id == "no-uuid")


@pytest.mark.parametrize("name", ["", "n" * 256, None])
def test_a_name_has_1_to_255_characters(owner, name):
    with pytest.raises(ValidationError):
        owner.add(Sample(name=name))
    assert owner.add(Sample(name="n" * 255)).name == "n" * 255


def test_name_and_version_are_frozen_once_active(owner):
    one = active(owner)
    for change in ({"name": "two"}, {"version": "2.0.0"}):
        with pytest.raises(FrozenFieldError):
            owner.update(one, **change)


def test_a_new_artifact_is_its_callers_drafted_private_and_0_0_0(owner):
    one = owner.add(Sample(name="one"))
    assert (one.owner, one.status, one.visibility, str(one.version)) == ("p1", "drafted", "private", "0.0.0")


def test_times_are_set_by_the_catalogue_and_can_be_asked_for(owner):
    one = owner.add(Sample(name="one"))
    assert one.created_at == one.updated_at
    assert one.activated_at is None
    assert owner.count(Sample, Sample.created_at <= datetime.now(UTC), Sample.updated_at >= one.created_at) == 1
    assert owner.update(one, loose="x").updated_at > one.updated_at


def test_activated_at_is_stamped_at_each_entry_of_active_and_not_else(owner, admin):
    one = active(owner)
    assert owner.activate(one).activated_at == one.activated_at
    again = admin.reactivate(admin.deactivate(one))
    assert again.activated_at > one.activated_at


def test_a_description_may_be_long_and_is_found_by_its_words(owner):
    one = owner.add(Sample(name="one", description="quick " * 1000 + "foxglove"))
    assert owner.find(Sample, matches("foxglove")).one() == one


def test_tags_keep_their_order_may_hold_any_sign_and_change_once_active(owner):
    one = owner.update(active(owner), tags=["b", "a/b", "a,c"])
    assert owner.get(Sample, one.id).tags == ["b", "a/b", "a,c"]


def test_a_tag_given_twice_is_refused_rather_than_dropped(owner):
    with pytest.raises(ValidationError):
        owner.add(Sample(name="one", tags=["a", "a"]))


def test_properties_hold_any_json_and_change_once_active(owner):
    one = owner.update(active(owner), properties={"cores": 4, "of": ["a", None]})
    assert owner.find(Sample, Sample.properties["cores"] > 3).one() == one


def test_the_type_is_told_by_the_class_and_the_dump(owner):
    one = owner.add(Sample(name="one"))
    assert owner.dump(one)["type"] == "samples"
    assert isinstance(owner.get(Record, one.id), Sample)


# 6 uniqueness


def test_a_project_may_hold_a_private_and_a_public_artifact_of_one_name(owner, admin):
    public(owner, admin)
    assert active(owner).visibility == "private"
    with pytest.raises(DuplicateError):
        owner.add(Sample(name="one"))


def test_two_projects_may_hold_equal_private_ones_and_the_second_is_not_published(owner, as_, admin):
    public(owner, admin)
    second = active(as_("other"))
    with pytest.raises(DuplicateError):
        admin.publish(second)


def test_a_scope_is_checked_again_when_name_version_or_owner_change(owner, as_, admin):
    owner.add(Sample(name="one"))
    two, theirs = owner.add(Sample(name="two")), as_("other").add(Sample(name="one"))
    with pytest.raises(DuplicateError):
        owner.update(two, name="one")
    with pytest.raises(DuplicateError):
        admin.transfer(theirs, "p1")


def test_the_name_of_what_is_deleted_is_free(owner):
    owner.delete(owner.add(Sample(name="one")))
    assert owner.add(Sample(name="one")).revision == 1


# 7 life cycle


def test_activation_names_the_first_required_field_without_a_value(owner):
    with pytest.raises(TransitionError) as refusal:
        owner.activate(owner.add(Sample(name="one")))
    assert refusal.value.field == "need"


def test_only_owner_or_admin_activates(owner, as_, admin):
    one = admin.publish(active(owner))
    with pytest.raises(ForbiddenError) as refusal:
        as_("other").activate(one)
    assert refusal.value.rule == "artifact:activate"
    assert admin.activate(owner.add(Sample(name="two", need=2))).status == "active"


def test_only_admins_deactivate_and_reactivate(owner, admin):
    one = active(owner)
    with pytest.raises(ForbiddenError):
        owner.deactivate(one)
    down = admin.deactivate(one)
    with pytest.raises(ForbiddenError):
        owner.reactivate(down)
    assert admin.reactivate(down).status == "active"


def test_an_action_on_what_is_there_already_changes_nothing(owner, admin):
    one = active(owner)
    assert owner.activate(one).revision == one.revision
    down = admin.deactivate(one)
    assert admin.deactivate(down).revision == down.revision


def test_a_draft_is_not_deactivated(owner, admin):
    with pytest.raises(TransitionError):
        admin.deactivate(owner.add(Sample(name="one")))


def test_nothing_leads_back_to_drafted_and_the_same_status_is_accepted(owner, admin):
    draft = owner.add(Sample(name="two"))
    assert owner.update(draft, status="drafted").revision == 1
    for view in (owner, admin):
        with pytest.raises(ValidationError, match="by actions"):
            view.update(active(owner, f"of {view!r}"), status="drafted")


@pytest.mark.parametrize("status", ["deleted", "strange", None])
def test_a_status_is_never_set_by_hand(owner, status):
    with pytest.raises(ValidationError):
        owner.update(active(owner), status=status)


def test_nothing_is_done_to_what_is_deleted(owner):
    one = active(owner)
    owner.delete(one)
    for act in (owner.activate, owner.delete, lambda gone: owner.update(gone, loose="x")):
        with pytest.raises(NotFoundError):
            act(one)


def test_nothing_of_a_deactivated_artifact_changes_not_even_by_an_admin(owner, admin):
    down = admin.deactivate(active(owner))
    for change in ({"loose": "x"}, {"tags": ["a"]}, {"description": "x"}, {"properties": {"a": 1}}):
        with pytest.raises(FrozenFieldError):
            admin.update(down, **change)


def test_its_owner_reads_a_deactivated_artifact(owner, admin):
    down = admin.deactivate(active(owner))
    assert owner.get(Sample, down.id) == down
    assert owner.count(Sample) == 1


def test_steps_of_one_change_see_each_other_in_order(owner, admin):
    one = owner.change(owner.add(Sample(name="one")), {"need": 1, "fixed": "x"}, "activate")
    with pytest.raises(FrozenFieldError):
        owner.change(owner.add(Sample(name="two", need=1)), "activate", {"fixed": "x"})
    with pytest.raises(FrozenFieldError):
        admin.change(one, "deactivate", {"loose": "x"})
    assert admin.change(one, {"loose": "x"}, "deactivate").loose == "x"


# 8 visibility


def test_only_what_is_active_is_published(owner, admin):
    with pytest.raises(TransitionError, match="published in active"):
        admin.publish(owner.add(Sample(name="one", need=1)))


def test_only_admins_publish(owner, admin):
    one = active(owner)
    with pytest.raises(ForbiddenError):
        owner.publish(one)
    assert admin.publish(one).visibility == "public"


def test_what_is_public_is_made_private_again_by_an_admin_only(owner, admin):
    one = public(owner, admin)
    with pytest.raises(ForbiddenError):
        owner.unpublish(one)
    assert admin.unpublish(one).visibility == "private"


def test_publishing_what_is_public_changes_nothing(owner, admin):
    one = public(owner, admin)
    assert admin.publish(one).revision == one.revision


@pytest.mark.parametrize("visibility", ["secret", "", None])
def test_other_words_are_no_visibility(owner, visibility):
    with pytest.raises(ValidationError):
        owner.add(Sample(name="one", visibility=visibility))


def test_a_project_lists_its_own_and_what_is_public(owner, as_, admin):
    active(owner, "mine")
    public(owner, admin, "open")
    names = {who: {each.name for each in as_(who).find(Sample)} for who in ("owner", "other", "nobody", "admin")}
    assert names == {"owner": {"mine", "open"}, "other": {"open"}, "nobody": {"open"}, "admin": {"mine", "open"}}


def test_what_is_invisible_is_not_found_whatever_is_tried(owner, as_):
    one, other = active(owner), as_("other")
    tried = (
        lambda: other.get(Sample, one.id),
        lambda: other.update(one, loose="x"),
        lambda: other.delete(one),
        lambda: other.publish(one),
        lambda: other.transfer(one, "p2"),
    )
    for act in tried:
        with pytest.raises(NotFoundError):
            act()


def test_who_sees_and_does_not_own_may_not_write(owner, as_, admin):
    one, other = public(owner, admin), as_("other")
    for act in (lambda: other.update(one, loose="x"), lambda: other.delete(one)):
        with pytest.raises(ForbiddenError):
            act()


def test_the_owner_no_longer_changes_or_deletes_what_is_public(owner, admin):
    one = public(owner, admin)
    for act in (lambda: owner.update(one, loose="x"), lambda: owner.delete(one)):
        with pytest.raises(ForbiddenError):
            act()
    assert admin.update(one, loose="x").loose == "x"


def test_bytes_of_an_active_artifact_are_not_replaced(owner, admin):
    one = active(owner, cover=blob())
    with pytest.raises(FrozenFieldError, match="for ever"):
        owner.update(one, cover=Blob("s3://b/other", size=4))
    with pytest.raises(ForbiddenError):
        owner.update(admin.publish(one), cover=None)


def test_without_a_project_nothing_is_created(as_):
    with pytest.raises(ForbiddenError):
        as_("nobody").add(Sample(name="one"))


def test_some_may_read_and_list_beyond_their_project_by_rule():
    policy = Policy.default().with_rules(
        {"artifact:get_any_artifact": "role:auditor", "artifact:list_all_artifacts": "role:auditor"}
    )
    with Catalog.open("memory:", types=[Sample], policy=policy) as opened:
        one = opened.add(Sample(name="one", owner="p1"))
        auditor = opened.as_(Principal(project="p9", roles=["auditor"]))
        assert auditor.get(Sample, one.id) == one
        assert auditor.count(Sample) == 1
        with pytest.raises(ForbiddenError):
            auditor.update(one, loose="x")


# 11 create


def test_a_new_artifact_begins_in_the_first_state_only(owner):
    with pytest.raises(ValidationError, match="begins as drafted"):
        owner.add(Sample(name="one", need=1, status="active"))


def test_to_create_as_public_needs_the_rule_of_publish(owner):
    with pytest.raises(ForbiddenError) as refusal:
        owner.add(Sample(name="one", visibility="public"))
    assert refusal.value.rule == "artifact:publish"


def test_to_create_for_another_project_needs_the_rule_of_transfer(owner, admin):
    with pytest.raises(ForbiddenError) as refusal:
        owner.add(Sample(name="one", owner="p2"))
    assert refusal.value.rule == "artifact:transfer"
    assert admin.add(Sample(name="one", owner="p2")).owner == "p2"


def test_unknown_fields_and_what_the_catalogue_sets_are_refused(owner):
    for values in ({"strange": 1}, {"created_at": datetime.now(UTC)}, {"revision": 3}, {"activated_at": None}):
        with pytest.raises((ValidationError, TypeError)):
            owner.add(Sample(name="one", **values))
    assert owner.count(Sample) == 0


def test_blobs_are_given_when_it_is_created(owner):
    assert owner.add(Sample(name="one", disk=blob())).disk.size == 3


# 12 update


def test_a_field_is_emptied_by_none_and_not_taken_away(owner):
    one = owner.add(Sample(name="one", loose="x"))
    one = owner.update(one, loose=None)
    assert one.loose is None
    with pytest.raises(UnknownFieldError):
        owner.update(one, strange=None)


@pytest.mark.parametrize("name", ["id", "owner", "created_at", "updated_at", "activated_at", "revision"])
def test_what_the_catalogue_sets_is_not_updated(owner, name):
    values = {"id": uuid4(), "owner": "p2", "revision": 9}
    with pytest.raises(ValidationError):
        owner.update(active(owner), **{name: values.get(name, datetime(2020, 1, 1, tzinfo=UTC))})


def test_what_is_not_mutable_is_frozen_once_active(owner):
    with pytest.raises(FrozenFieldError) as refusal:
        owner.update(active(owner), fixed="x")
    assert refusal.value.field == "fixed"


def test_equal_values_are_not_written(owner):
    one = owner.add(Sample(name="one", loose="x"))
    same = owner.update(one, loose="x")
    assert (same.revision, same.updated_at) == (1, one.updated_at)
    assert owner.change(one).revision == owner.change(one, {}).revision == 1


def test_a_step_that_fails_leaves_nothing_of_those_before(owner):
    one = owner.add(Sample(name="one"))
    with pytest.raises(ValidationError):
        owner.change(one, {"loose": "x"}, {"need": "no number"})
    assert owner.get(Sample, one.id).loose is None


def test_the_second_of_two_writers_is_told(owner):
    one = owner.add(Sample(name="one"))
    owner.update(one, loose="x")
    with pytest.raises(StaleRevisionError):
        owner.update(one, loose="y")


# 15 links


def test_a_link_may_lead_to_what_its_holder_does_not_see_and_tells_nothing(owner, as_):
    theirs = as_("other").add(Sample(name="theirs"))
    dangling, foreign = Link(uuid4()), Link(theirs)
    one, two = (owner.add(Sample(name=f"to {n}", near=each)) for n, each in enumerate((dangling, foreign)))
    assert owner.count(Sample, Sample.near.name == "theirs") == 0
    assert {owner.get(Sample, each.id).near.id for each in (one, two)} == {dangling.id, theirs.id}


def test_a_link_is_no_address_that_a_server_fetches(owner):
    with pytest.raises(ValidationError):
        owner.add(Sample(name="one", near="https://example.org/artifacts/1"))


def test_none_takes_a_link_away(owner):
    two = owner.add(Sample(name="two", near=Link(owner.add(Sample(name="one")))))
    assert owner.update(two, near=None).near is None


def test_what_is_linked_to_is_not_deleted_unless_the_link_lets_go(owner):
    one = owner.add(Sample(name="one"))
    two = owner.add(Sample(name="two", near=Link(one), many=[Link(one)]))
    with pytest.raises(LinkedError):
        owner.delete(one)
    two = owner.update(two, near=None)
    owner.delete(one)
    assert owner.get(Sample, two.id).many == []


def test_links_of_others_do_not_restrict_and_what_dangles_is_read_and_listed(owner, as_, admin):
    one, other = public(owner, admin), as_("other")
    two = other.add(Sample(name="two", near=Link(one)))
    admin.delete(one)
    assert other.get(Sample, two.id).near.id == one.id
    assert other.find(Sample).one() == two
    assert other.update(two, near=None).near is None


def test_a_filter_by_a_link_finds_who_holds_it(owner):
    one = owner.add(Sample(name="one"))
    two = owner.add(Sample(name="two", near=Link(one), many=[Link(one)]))
    assert owner.find(Sample, Sample.near.id == one.id).one() == two
    assert owner.find(Sample, Sample.near.name == "one").one() == two


# 16 quotas


def test_both_the_limit_of_all_types_and_the_types_own_hold(catalog, owner):
    catalog.register(Sample, Watched)
    catalog.set_quota("p1", count=2)
    catalog.set_quota("p1", "samples", count=1)
    owner.add(Sample(name="one"))
    with pytest.raises(QuotaError):
        owner.add(Sample(name="two"))
    owner.add(Watched(name="three"))
    with pytest.raises(QuotaError):
        owner.add(Watched(name="four"))


def test_bytes_count_once_and_what_is_replaced_not_at_all(catalog, owner):
    catalog.register(Sample)
    catalog.set_quota("p1", bytes=3)
    one = owner.add(Sample(name="one", disk=blob()))
    assert owner.update(one, disk=blob("b")).disk.url == "s3://b/b"
    with pytest.raises(QuotaError):
        owner.update(owner.get(Sample, one.id), cover=blob("c"))


def test_what_is_deleted_counts_no_more(catalog, owner):
    catalog.register(Sample)
    catalog.set_quota("p1", count=1)
    owner.delete(owner.add(Sample(name="one")))
    assert owner.add(Sample(name="two")).revision == 1


def test_only_admins_set_quotas_and_a_project_reads_its_own(catalog, owner, as_, admin):
    catalog.register(Sample)
    with pytest.raises(ForbiddenError):
        owner.set_quota("p1", count=9)
    assert owner.quota_report() == []
    admin.set_quota("p1", count=9)
    assert [each.limit for each in owner.quota_report() if each.measure == "count"] == [9]
    for act in (owner.quotas, lambda: owner.quota_report("p2")):
        with pytest.raises(ForbiddenError):
            act()


def test_a_quota_of_an_unknown_type_or_a_wrong_number_is_refused(catalog, admin):
    for given in ({"kind": "strange", "count": 1}, {"count": -1}, {"bytes": "x"}):
        with pytest.raises(ValidationError):
            admin.set_quota("p1", **given)
    assert catalog.quotas() == []


# 18 hooks


@pytest.fixture
def told():
    SEEN.clear()
    return SEEN


def test_hooks_run_before_and_after_each_action_of_a_change(owner, told):
    one = owner.add(Watched(name="one"))
    owner.delete(owner.change(one, {"note": "yes"}, "activate"))
    assert told == [
        *("before create", "after create", "before update", "before activate"),
        *("after update", "after activate", "before delete", "after delete"),
    ]


def test_a_hook_may_veto_and_nothing_is_done(owner, told):
    one = owner.add(Watched(name="one"))
    with pytest.raises(VetoError, match="not this one"):
        owner.update(one, note="no")
    assert owner.get(Watched, one.id) == one
    assert "after update" not in told


def test_no_hook_is_called_for_a_change_of_which_one_step_fails(owner, told):
    one = owner.add(Watched(name="one"))
    told.clear()
    with pytest.raises(TransitionError):
        owner.change(one, {"note": "yes"}, "reactivate")
    assert told == []


# 20 deletion


def test_a_deletion_is_one_step_and_deleting_again_says_so(owner):
    one = owner.add(Sample(name="one", disk=blob(), tags=["a"], properties={"a": 1}))
    owner.delete(one)
    with pytest.raises(NotFoundError):
        owner.delete(one)
    assert owner.count(Sample) == 0
    assert owner.get_many(Sample, [one.id]) == []


def test_the_owner_may_not_delete_what_is_deactivated(owner, admin):
    down = admin.deactivate(active(owner))
    with pytest.raises(ForbiddenError):
        owner.delete(down)
    admin.delete(down)


# 27 faults


def test_long_names_are_unique_like_short_ones(owner):
    owner.add(Sample(name="n" * 255))
    with pytest.raises(ConflictError):
        owner.add(Sample(name="n" * 255))


def test_deletion_leaves_no_row_behind(owner, catalog):
    one = owner.add(Sample(name="one", disk=blob(), tags=["a"], properties={"a": 1}))
    owner.delete(one)
    assert catalog.check() == []
    assert owner.count(Record, Record.tags.contains("a")) == 0


def test_lists_keep_their_order(owner):
    links = [Link(uuid4()) for _ in range(20)]
    one = owner.add(Sample(name="one", many=links, tags=["c", "a", "b"]))
    read = owner.get(Sample, one.id)
    assert (read.many, read.tags) == (links, ["c", "a", "b"])


def test_numbers_keep_their_digits(owner):
    one = owner.add(Sample(name="one", need=2**53 + 1, score=0.1))
    assert (owner.get(Sample, one.id).need, owner.get(Sample, one.id).score) == (2**53 + 1, 0.1)


def test_nan_is_refused(owner):
    with pytest.raises(ValidationError):
        owner.add(Sample(name="one", score=float("nan")))


def test_every_type_is_listed_though_its_class_is_not_at_hand(tmp_path):
    with Catalog.open(f"sqlite:///{tmp_path}/c.db") as first:
        first.add(Sample(name="one"))
    with Catalog.open(f"sqlite:///{tmp_path}/c.db") as second:
        assert [each.name for each in second.find(Record)] == ["one"]


def test_an_address_that_is_too_long_is_refused_before_it_is_stored(owner):
    with pytest.raises(ValidationError, match="2048"):
        Blob("s3://b/" + "x" * 2048, size=1)
    one = owner.add(Sample(name="one", disk=Blob("s3://b/" + "x" * 2000, size=1)))
    owner.delete(owner.get(Sample, one.id))


def test_sorting_by_any_field_hides_nothing(owner):
    for n, loose in enumerate(["b", None, "a"]):
        owner.add(Sample(name=f"n{n}", loose=loose))
    assert [each.loose for each in owner.find(Sample, order_by=[Sample.loose])] == [None, "a", "b"]


def test_or_groups_of_declared_fields_hide_nothing(owner):
    owner.add(Sample(name="one", loose="x"))
    owner.add(Sample(name="two", fixed="y"))
    assert owner.count(Sample, (Sample.loose == "x") | (Sample.fixed == "y")) == 2


def test_counts_are_of_what_is_listed(owner, as_, admin):
    active(owner, "mine")
    public(owner, admin, "open")
    for who in ("owner", "other", "admin", "nobody"):
        assert as_(who).count(Sample) == len(list(as_(who).find(Sample)))


def test_a_version_may_have_numbers_of_any_size(owner):
    for version in ("9.0.0", "99999999999999999999.0.0", "10.0.0"):
        owner.add(Sample(name="one", version=version))
    assert str(owner.latest(Sample, "one").version) == "99999999999999999999.0.0"


def test_latest_does_not_mix_owners(owner, as_, admin):
    public(owner, admin, version="1.0.0")
    admin.publish(active(as_("other"), version="2.0.0"))
    assert {(each.owner, str(each.version)) for each in admin.find(Sample, latest=True)} == {
        ("p1", "1.0.0"),
        ("p2", "2.0.0"),
    }


def test_what_glare_cannot_ask_is_asked(owner):
    one = owner.add(Sample(name="one", description="blue bird", disk=blob()))
    owner.add(Sample(name="two"))
    asked = (absent(Sample.disk), Sample.disk.size == 3, ~(Sample.name == "two"), ~Sample.tags.contains("a"))
    assert [owner.count(Sample, each) for each in asked] == [1, 1, 1, 2]
    assert owner.find(Sample, Sample.disk.size > 2).one() == one


def test_back_links_and_closures_are_told(owner):
    one = owner.add(Sample(name="one"))
    two = owner.add(Sample(name="two", near=Link(one)))
    assert [edge.source for edge in owner.back_links(one)] == [two.id]
    assert [edge.target for edge in owner.closure(two)] == [one.id]

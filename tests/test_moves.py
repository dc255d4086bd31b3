"""What a life cycle lets an artifact become: actions, and changes in a state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Field, Lifecycle, Location, State, Transition, field, spec_of
from metastore._codec import Codec
from metastore._lifecycle import DEFAULT, IMAGES
from metastore._moves import ALWAYS, check_change, check_entry, entered, moved
from metastore.errors import FrozenFieldError, TransitionError, ValidationError


class Image(Artifact, type_name="moved_images"):
    size: Field[int | None] = field(default=None, required_for="active")
    arch: Field[str | None] = field(default=None, required_for="active", mutable=True)
    labels: Field[list[str]] = field(factory=list, required_for="active")
    note: Field[str] = field(default="", mutable=True)
    disk: Field[Blob | None] = field(default=None)
    extra: Field[Blob | None] = field(default=None, mutable=True)
    files: Field[dict[str, Blob]] = field(factory=dict)
    more: Field[dict[str, Blob]] = field(factory=dict, mutable=True)


class Glance(Artifact, type_name="moved_glances", lifecycle=IMAGES):
    image: Field[Blob | None] = field(default=None)
    virtual_size: Field[int | None] = field(default=None)
    disk_format: Field[str | None] = field(default=None, required_for=("saving", "importing", "active"))


SPEC, GLANCE = spec_of(Image), spec_of(Glance)
CODEC = Codec(Image, SPEC)
ONE = Blob("s3://b/1", size=5, sha256="ab" * 32, media_type="text/plain")
MOVED = Blob("file:///b/2", size=5, digests={"sha256": "ab" * 32, "md5": "0a" * 16}, media_type="text/plain")
OTHERS = [
    Blob("s3://b/1", size=6, sha256="ab" * 32, media_type="text/plain"),
    Blob("s3://b/1", size=5, sha256="cd" * 32, media_type="text/plain"),
    Blob("s3://b/1", size=5, media_type="text/plain"),
    Blob("s3://b/1", sha256="ab" * 32, media_type="text/plain"),
    None,
]


def row(cls=Image, activated=None, **values):
    spec = spec_of(cls)
    made = Codec(cls, spec).encode(cls(**{"name": "a", **values}).__dict__)
    made[spec.position["activated_at"]] = activated
    return made


def active(**values):
    return row(status="active", activated=1, **{"size": 1, "arch": "x", **values})


def changed(before, **values):
    return CODEC.patch(before, values)


def refused(before, **values):
    """Return the words with which a change is refused."""
    with pytest.raises(FrozenFieldError) as caught:
        check_change(SPEC, before, changed(before, **values))
    assert caught.value.field in values
    return str(caught.value)


# --- actions


def test_an_action_leads_where_its_transition_says():
    assert moved(SPEC, active(), "deactivate") == Transition("deactivate", "active", "deactivated")


@pytest.mark.parametrize("action", ["activate", "reactivate"])
def test_an_action_does_nothing_where_it_leads_already(action):
    assert moved(SPEC, active(), action) is None


def test_a_refused_action_says_from_where_and_what_is_possible():
    with pytest.raises(TransitionError, match="cannot reactivate one of moved_images that is drafted") as caught:
        moved(SPEC, row(), "reactivate")
    assert "only one that is deactivated; possible from drafted: activate" in str(caught.value)
    assert (caught.value.action, caught.value.field) == ("reactivate", None)


def test_an_unknown_action_is_no_matter_of_the_state():
    with pytest.raises(ValidationError, match="no action 'activat': did you mean 'activate'"):
        moved(SPEC, row(), "activat")


def test_the_fields_without_a_value_are_named():
    with pytest.raises(TransitionError, match=r"size, .*have no value, and are required for active") as caught:
        moved(SPEC, row(), "activate")
    assert (caught.value.action, caught.value.field) == ("activate", "size")


def test_only_none_is_no_value():
    assert moved(SPEC, row(size=0, arch="", labels=[]), "activate").target == "active"


def test_going_back_to_queued_clears_the_data_and_its_size():
    found = moved(GLANCE, row(Glance, status="saving", image=ONE, disk_format="raw"), "requeue")
    assert entered(found, 7) == {"status": "queued", "image": None, "virtual_size": None}


def test_entering_active_is_stamped():
    assert entered(moved(GLANCE, row(Glance, disk_format="raw"), "activate"), 7) == {
        "status": "active",
        "activated_at": 7,
    }


def test_what_is_cleared_counts_as_missing_where_it_is_required():
    back = Lifecycle("a", {"a": State(), "b": State()}, [Transition("go", "a", "b", clears="size")])

    class Cleared(Artifact, type_name="moved_cleared", lifecycle=back):
        size: Field[int | None] = field(default=None, required_for="b")

    with pytest.raises(TransitionError, match="size has no value"):
        moved(spec_of(Cleared), row(Cleared, size=3), "go")


@pytest.mark.parametrize("state", ["saving", "importing", "active"])
def test_an_image_needs_its_format_for_three_states(state):
    with pytest.raises(TransitionError, match="disk_format"):
        check_entry(GLANCE, row(Glance), state)
    check_entry(GLANCE, row(Glance), "uploading")


@given(st.sampled_from([Image, Glance]), st.data())
def test_an_action_is_a_way_from_a_state_a_stay_or_refused(cls, data):
    lived = spec_of(cls).lifecycle
    state = data.draw(st.sampled_from(sorted(lived.states)))
    action = data.draw(st.sampled_from(lived.actions))
    whole = {"disk_format": "raw"} if cls is Glance else {"size": 1, "arch": "x"}
    ways = {(source, each.action): each.target for each in lived.transitions for source in each.sources}
    ends = {target for (_, name), target in ways.items() if name == action}
    if (state, action) not in ways and state not in ends:
        with pytest.raises(TransitionError):
            moved(spec_of(cls), row(cls, status=state, **whole), action)
        return
    found = moved(spec_of(cls), row(cls, status=state, **whole), action)
    assert (found.target if found else state) == ways.get((state, action), state)


# --- changes


def test_everything_changes_in_a_draft():
    before = row(disk=ONE, files={"a": ONE})
    check_change(SPEC, before, changed(before, size=9, labels=["x"], disk=None, files={}, name="b"))


@pytest.mark.parametrize("values", [{"size": 2}, {"labels": ["x"]}, {"name": "b"}, {"version": "2.0.0"}], ids=str)
def test_what_is_not_mutable_does_not_change_once_active(values):
    assert "is frozen while it is active: it is not declared mutable" in refused(active(), **values)


def test_what_is_mutable_changes_once_active():
    before = active()
    check_change(SPEC, before, changed(before, note="x", arch="y", description="d", tags=["t"], properties={"k": 1}))


def test_nothing_changes_in_deactivated():
    before = row(status="deactivated", activated=1, size=1, disk=ONE)
    for values in ({"note": "x"}, {"tags": ["t"]}, {"disk": MOVED}, {"more": {"a": ONE}}):
        assert "is frozen while it is deactivated" in refused(before, **values)


@pytest.mark.parametrize("status", sorted(DEFAULT.states))
def test_what_is_about_an_artifact_changes_in_every_state(status):
    before = row(status=status, activated=1)
    values = {"owner": "o", "visibility": "public", "hidden": True, "protected": True, "hold": "h"}
    check_change(SPEC, before, changed(before, **values))
    assert values.keys() <= ALWAYS


def test_what_the_state_requires_is_not_emptied():
    assert "is required while it is active, and cannot be emptied" in refused(active(), arch=None)


@pytest.mark.parametrize("name", ["disk", "extra"])
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_the_content_of_a_blob_stands_once_active(name, other):
    assert "for ever once it was active" in refused(active(**{name: ONE}), **{name: other})


@pytest.mark.parametrize("name", ["files", "more"])
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_the_content_of_a_folders_entry_stands_once_active(name, other):
    words = refused(active(**{name: {"k": ONE, "l": ONE}}), **{name: {"l": ONE} | ({"k": other} if other else {})})
    assert "at 'k'" in words
    assert "for ever once it was active" in words


@pytest.mark.parametrize("name", ["disk", "extra"])
def test_locations_and_further_digests_are_free(name):
    before = active(**{name: ONE, "files": {"k": ONE}})
    check_change(SPEC, before, changed(before, **{name: MOVED, "files": {"k": MOVED}}))


def test_what_was_not_known_of_a_blob_may_be_told():
    before = active(disk=Blob("s3://b/1", media_type="text/plain"))
    check_change(SPEC, before, changed(before, disk=ONE))


def test_only_a_mutable_field_gets_a_blob_or_a_further_entry_once_active():
    before = active(files={"k": ONE}, more={"k": ONE})
    check_change(SPEC, before, changed(before, extra=ONE, more={"k": ONE, "l": ONE}))
    assert "nothing can be put there" in refused(before, disk=ONE)
    assert "'l' cannot be put there" in refused(before, files={"k": ONE, "l": ONE})


def test_only_a_mutable_field_gets_another_media_type():
    typed = Blob("s3://b/1", size=5, sha256="ab" * 32, media_type="text/html", locations=[Location("s3://b/9")])
    before = active(disk=ONE, extra=ONE)
    check_change(SPEC, before, changed(before, extra=typed))
    assert "keeps its media type" in refused(before, disk=typed)


def test_content_stands_for_ever_even_where_all_else_changes():
    back = Lifecycle(
        "a", {"a": State(), "active": State()}, [Transition("on", "a", "active"), Transition("off", "active", "a")]
    )

    class Back(Artifact, type_name="moved_back", lifecycle=back):
        disk: Field[Blob | None] = field(default=None)

    for activated in (None, 1):
        before = row(Back, activated=activated, disk=ONE)
        after = Codec(Back, spec_of(Back)).patch(before, {"disk": OTHERS[0], "name": "b"})
        if activated is None:
            check_change(spec_of(Back), before, after)
        else:
            with pytest.raises(FrozenFieldError, match="disk"):
                check_change(spec_of(Back), before, after)


@given(
    st.fixed_dictionaries(
        {}, optional={"size": st.sampled_from((1, 2)), "note": st.sampled_from(("", "n")), "labels": st.just(["x"])}
    ),
    st.sampled_from(sorted(DEFAULT.states)),
)
def test_a_change_passes_exactly_if_the_state_lets_every_field_of_it(values, state):
    before = row(status=state, activated=None if state == "drafted" else 1, size=1, arch="x")
    now = {"size": 1, "note": "", "labels": []}
    differing = {name for name, value in values.items() if value != now[name]}
    free = {"drafted": set(now), "active": {"note"}, "deactivated": set()}[state]
    if differing <= free:
        check_change(SPEC, before, changed(before, **values))
        return
    with pytest.raises(FrozenFieldError) as caught:
        check_change(SPEC, before, changed(before, **values))
    assert caught.value.field in differing - free
    assert caught.value.state == state

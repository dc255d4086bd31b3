"""Life cycles as they are declared: what a class takes, and what it refuses by name."""

import pytest

from metastore import Artifact, Catalog, Field, Lifecycle, Record, State, Transition, field, make_type, spec_of
from metastore._lifecycle import DEFAULT, IMAGES
from metastore.errors import DeclarationError, ValidationError

REVIEW = Lifecycle(
    "written",
    {"written": State(), "read": State("none"), "active": State("mutable")},
    [
        Transition("submit", "written", "read"),
        Transition("reject", "read", "written", clears="reader"),
        Transition("accept", "read", "active"),
    ],
)


class Report(Artifact, type_name="lived_reports", lifecycle=REVIEW, rules={"accept": "editor", "create": "writer"}):
    reader: Field[str | None] = field(default=None, required_for=("read", "active"))


def declared(**keywords):
    class Wrong(Artifact, type_name="lived_wrongs", **keywords):
        size: Field[int | None] = field(default=None)

    return Wrong


def life(*transitions, initial="a", states=("a", "b"), **more):
    return Lifecycle(initial, {name: State() for name in states}, transitions, **more)


GO = Transition("go", "a", "b")


@pytest.fixture
def catalog():
    with Catalog.open("memory:", types=[Report]) as opened:
        yield opened


def test_a_type_begins_where_its_life_cycle_does():
    assert (Report(name="a").status, declared().__lifecycle__) == ("written", DEFAULT)
    assert spec_of(Report).by_name["status"].default == "written"


def test_life_cycle_and_rules_are_inherited_and_rules_added_to():
    class Memo(Report, type_name="lived_memos", rules={"accept": "boss"}):
        pass

    assert (spec_of(Memo).lifecycle, spec_of(Memo).rules) == (REVIEW, {"accept": "boss", "create": "writer"})
    assert spec_of(Report).rules == {"accept": "editor", "create": "writer"}
    assert Memo(name="a").status == "written"


def test_a_mix_in_may_bring_the_life_cycle():
    class Reviewed(Record, lifecycle=REVIEW):
        reader: Field[str | None] = field(default=None)

    class Page(Reviewed, type_name="lived_pages"):
        pass

    assert Page().status == "written"


def test_a_dynamic_type_lives_like_the_declared_one():
    made = make_type(spec_of(Report), lambda name: Record)
    assert (made.__lifecycle__, made.__rules__) == (REVIEW, spec_of(Report).rules)
    assert made(name="a").status == "written"


@pytest.mark.parametrize(
    ("lifecycle", "words"),
    [
        ("drafted", "lifecycle is a Lifecycle"),
        (life(GO, initial="c"), "begins in the state 'c', which it does not have"),
        (life(GO, published_in="actve"), "publishes in the state 'actve'"),
        (life(), "never reaches the state 'b'"),
        (life(GO, states=("a", "b", "deleted")), "the tombstone's"),
        (life(GO, states=("a", "b", "C d")), "a state is named like"),
        (life(Transition("Go!", "a", "b")), "an action is named like"),
        (life(Transition("go", "a", "bb")), "'go' names the state 'bb', which it does not have"),
        (life(Transition("go", "x", "b")), "'go' names the state 'x'"),
        (life(Transition("go", [], "b")), "'go' begins in no state"),
        (life(GO, GO), "the action 'go' from 'a' twice"),
        (life(GO, Transition("go", ["b", "a"], "a")), "the action 'go' from 'a' twice"),
        (life(Transition("delete", "a", "b")), "'delete' means something already"),
        (life(Transition("go", "a", "b", clears="sise")), "clears the field 'sise': did you mean 'size'"),
        (life(Transition("go", "a", "b", clears="name")), "clears the field 'name': declare it with | None"),
        (life(Transition("go", "a", "b", clears="owner")), "as a field of its own"),
        (life("go"), "expected a Transition"),
        (Lifecycle("a", {"a": "all"}), "the state 'a' is State"),
        (Lifecycle("a", {"a": State("some")}), "the state 'a' is State"),
    ],
)
def test_a_wrong_life_cycle_is_refused_by_type_and_state(lifecycle, words):
    with pytest.raises(DeclarationError, match=r"^Wrong: ") as refused:
        declared(lifecycle=lifecycle)
    assert words in str(refused.value)


def test_states_are_given_by_name():
    with pytest.raises(DeclarationError, match="by name"):
        Lifecycle("a", ["a", "b"])


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"creat": "x"}, "did you mean 'create'"),
        ({"create": ""}, "the rule of create"),
        ({"submit": "x"}, "'submit'"),
        ("x", "names by action"),
    ],
)
def test_wrong_rules_are_refused(rules, words):
    with pytest.raises(DeclarationError, match=words):
        declared(rules=rules)


def test_a_field_is_not_required_for_an_unknown_state():
    with pytest.raises(
        DeclarationError, match=r"Wrong\.size: required_for names the state 'activ': did you mean 'active'"
    ):

        class Wrong(Artifact, type_name="lived_wrongs"):
            size: Field[int | None] = field(default=None, required_for="activ")


def test_a_status_that_is_no_state_is_not_stored(catalog):
    with pytest.raises(ValidationError, match=r"at \$\.status, got 'writen' \(did you mean 'written'"):
        catalog.add(Report(name="a", status="writen"))
    with pytest.raises(ValidationError, match="'drafted'"):
        catalog.load(Report, [{"name": "a", "status": "drafted"}])
    assert catalog.count(Report) == 0


def test_image_states_are_those_of_glance():
    assert set(IMAGES.states) == {
        "queued", "saving", "uploading", "importing", "active", "deactivated", "killed", "pending_delete",
    }  # fmt: skip
    assert {each.target for each in IMAGES.transitions if "queued" in each.sources} == {
        "saving", "uploading", "importing", "active",
    }  # fmt: skip
    assert all(each.clears == ("image", "virtual_size") for each in IMAGES.transitions if each.target == "queued")

"""Policies: their names, their defaults, what they allow, and why."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from metastore import Artifact, Field, Policy, Principal, Version, field, spec_of
from metastore.errors import ValidationError
from metastore.query import Absent, And, Compare, In, Not, Or, Path

ADMIN = Principal("root", "adm", ["Admin"])
BOB = Principal("bob", "p", ["member", "reader"])
EVE = Principal("eve", "q", ["member", "reader"])
NOBODY = Principal()
MINE = {"owner": "p", "visibility": "private", "status": "active"}
PUBLIC = MINE | {"visibility": "public"}
DEACTIVATED = MINE | {"status": "deactivated"}
OWNERLESS = MINE | {"owner": None}

ALLOWED = {  # Glare section 9, Glance section 21, and ours: rule, target, who of admin, owner, stranger, nobody
    "context_is_admin": (MINE, "a"),
    "admin_or_owner": (MINE, "ao"),
    "artifact:type_list": ({}, "aosn"),
    "artifact:create": ({}, "aosn"),
    "artifact:get": (MINE, "aosn"),
    "artifact:list": ({}, "aosn"),
    "artifact:get_any_artifact": (MINE, "a"),
    "artifact:list_all_artifacts": ({}, "a"),
    "artifact:download_from_any_artifact": (MINE, "a"),
    "artifact:update_public": (PUBLIC, "a"),
    "artifact:update": (MINE, "ao"),
    "artifact:activate": (MINE, "ao"),
    "artifact:reactivate": (MINE, "a"),
    "artifact:deactivate": (MINE, "a"),
    "artifact:publish": (MINE, "a"),
    "artifact:delete_public": (PUBLIC, "a"),
    "artifact:delete_deactivated": (DEACTIVATED, "a"),
    "artifact:delete": (MINE, "ao"),
    "artifact:set_location": (MINE, "ao"),
    "artifact:upload": (PUBLIC, "ao"),
    "artifact:delete_blob": (MINE, "ao"),
    "artifact:set_internal_location": (MINE, "a"),
    "artifact:download_deactivated": (DEACTIVATED, "a"),
    "artifact:download": (PUBLIC, "ao"),
    "artifact:set_quotas": ({}, "a"),
    "artifact:list_all_quotas": ({}, "a"),
    "artifact:list_project_quotas": ({"project_id": "p"}, "ao"),
    "artifact:unpublish": (PUBLIC, "a"),
    "artifact:communitize": (MINE, "ao"),
    "artifact:share": (MINE, "ao"),
    "artifact:add_member": (MINE, "ao"),
    "artifact:get_members": (MINE | {"member_id": "q"}, "aos"),
    "artifact:modify_member": (MINE | {"member_id": "q"}, "as"),
    "artifact:transfer": (MINE, "a"),
    "artifact:hold": (MINE, "a"),
    "artifact:protect": (PUBLIC, "a"),
    "artifact:hide": (MINE, "ao"),
    "artifact:expire": (MINE, "ao"),
    "artifact:verify": (PUBLIC, "ao"),
    "artifact:copy_blob": (MINE, "a"),
    "add_image": (MINE, "ao"),
    "get_image": (PUBLIC, "aos"),
    "get_images": ({"project_id": "p"}, "ao"),
    "publicize_image": (MINE, "a"),
    "communitize_image": (MINE, "ao"),
    "modify_member": (MINE | {"member_id": "q"}, "as"),
    "deactivate": (MINE, "ao"),
    "fetch_image_location": (MINE, "a"),
    "get_metadef_namespace": (PUBLIC, "aos"),
    "add_metadef_tags": (MINE, "a"),
}


class Sample(Artifact, type_name="policy_samples"):
    size: Field[int] = field(default=0)
    seal: Field[bool] = field(default=False)
    note: Field[str | None] = field(default=None)
    words: Field[list[str]] = field(factory=list)


SPEC = spec_of(Sample)


def where(text, caller=BOB):
    return Policy.default().with_rules({"artifact:get": text}).where("artifact:get", caller, SPEC)


@pytest.mark.parametrize("rule", ALLOWED)
def test_a_default_allows_those_whom_its_reference_allows(rule):
    target, expected = ALLOWED[rule]
    callers = {"a": ADMIN, "o": BOB, "s": EVE, "n": NOBODY}
    assert "".join(who for who, caller in callers.items() if Policy.default().allows(rule, caller, target)) == expected


def test_the_owner_of_a_public_artifact_may_not_delete_it():
    assert not Policy.default().allows("artifact:delete", BOB, PUBLIC)


def test_a_caller_without_project_owns_nothing_not_even_what_nobody_owns():
    assert not Policy.default().allows("artifact:update", NOBODY, OWNERLESS)
    assert not Policy.default().allows("artifact:update", Principal(project="None"), OWNERLESS)


@pytest.mark.parametrize("alias", ["project", "project_id", "tenant", "tenant_id", "owner"])
def test_a_field_that_a_type_calls_like_an_alias_is_not_taken_for_the_owner(alias):
    policy = Policy.default().with_rules({"artifact:get": f"project:%({alias})s"})
    assert not policy.allows("artifact:get", EVE, {"project_id": "q", "project": "q", "tenant": "q"} | MINE)


def test_the_owner_of_the_process_may_do_everything():
    policy = Policy.default().with_rules({"artifact:get": "!"})
    assert policy.allows("artifact:get", None, {})
    assert policy.where("artifact:get", None, SPEC) == And(())
    assert policy.why("artifact:get", None).allowed


def test_a_rule_may_ask_for_the_new_value():
    policy = Policy.default().with_rules({"artifact:update": "not 'public':%(change.visibility)s"})
    assert policy.allows("artifact:update", BOB, PUBLIC, {"visibility": "private"})
    assert not policy.allows("artifact:update", BOB, MINE, {"visibility": "public"})


def test_with_rules_leaves_the_policy_as_it_was():
    default = Policy.default()
    changed = default.with_rules({"artifact:publish": "@"})
    assert changed.allows("artifact:publish", BOB, MINE)
    assert not default.allows("artifact:publish", BOB, MINE)
    assert changed != default == Policy.default()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"artifact:publihs": "@"}, "rule artifact:publihs: .*did you mean 'artifact:publish'"),
        ({"samples:delet": "@"}, "did you mean 'samples:delete'"),
        ({"artifact:get": "role:a or"}, "rule artifact:get, position 9: .*found the end"),
        ({"artifact:get": "rule:artifact:lits"}, "did you mean 'artifact:list'"),
        ({"is_a": "rule:is_b", "is_b": "not rule:is_a"}, "circle: is_a -> is_b -> is_a"),
        ({"artifact:get": "rule:artifact:get"}, "circle"),
        ({"context_is_admin": "rule:artifact:delete"}, "circle"),
        ({"artifact:get": None}, "expected a rule as text"),
        ({5: "@"}, "expected the name of a rule"),
        ({f"r{n}": f"rule:r{n + 1}" for n in range(60)} | {"r60": "@", "artifact:get": "rule:r0"}, "at most 50 deep"),
    ],
)
def test_a_wrong_rule_is_one_clear_error(given, words):
    with pytest.raises(ValidationError, match=words):
        Policy.default().with_rules(given)


def test_helpers_that_other_rules_refer_to_are_no_misspellings():
    policy = Policy.default().with_rules({"is_editor": "role:editor", "artifact:publish": "rule:is_editor"})
    assert policy.allows("artifact:publish", Principal(roles=["editor"]), MINE)


@pytest.mark.parametrize("ask", [Policy.allows, Policy.where, Policy.why])
@pytest.mark.parametrize("caller", [BOB, None])
def test_a_rule_that_there_is_not_is_told_with_the_nearest(ask, caller):
    with pytest.raises(ValidationError, match="did you mean 'artifact:get'"):
        ask(Policy.default(), "artifact:gte", caller, SPEC)


def test_rules_are_looked_for_from_the_narrow_to_the_wide():
    policy = Policy.default().with_rules({"samples:delete": "@", "samples:approve": "@"}, actions=["approve"])
    assert policy.rule("samples", "delete", {"delete": "delete_image"}) == "samples:delete"
    assert policy.rule("images", "delete", {"delete": "delete_image"}) == "delete_image"
    assert policy.rule("images", "delete") == "artifact:delete"
    assert policy.rule("samples", "approve") == "samples:approve"
    assert policy.rule("images", "approve") == "artifact:update"


def test_a_type_that_names_a_rule_that_there_is_not_is_told():
    with pytest.raises(ValidationError, match="did you mean 'add_image'"):
        Policy.default().rule("images", "create", {"create": "add_imgae"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@", And(())),
        ("role:admin or role:member", And(())),
        ("role:admin and project_id:%(owner)s", Or(())),
        ("project_id:%(owner)s or role:admin", Compare(Path("owner"), "eq", "p")),
        ("project_id:%(tenant_id)s", Compare(Path("owner"), "eq", "p")),
        ("not project_id:%(owner)s", Not(Compare(Path("owner"), "eq", "p"))),
        ("None:%(owner)s", Absent(Path("owner"))),
        ("None:%(size)s", Or(())),
        ("5:%(size)s", Compare(Path("size"), "eq", 5)),
        ("'05':%(size)s", Or(())),
        ("'9223372036854775808':%(size)s", Or(())),
        ("True:%(seal)s", Compare(Path("seal"), "eq", True)),
        ("'true':%(seal)s", Or(())),
        ("'1.0.0':%(version)s and @", Compare(Path("version"), "eq", Version("1.0.0"))),
        ("'1':%(version)s", Or(())),
        ("user:b%(note)s", Compare(Path("note"), "eq", "ob")),
        ("roles:%(note)s", In(Path("note"), ("member", "reader"))),
        ("'x':%(words)s", Or(())),
        ("'x':%(nothing)s", Or(())),
        ("not 'x':%(nothing)s", And(())),
        ("'x':%(change.note)s", Or(())),
        ("'a':%(note)s or not 'a':%(note)s", And(())),
        ("'a':%(note)s and 'a':%(note)s", Compare(Path("note"), "eq", "a")),
    ],
)
def test_a_rule_becomes_a_predicate_without_the_caller(text, expected):
    assert where(text) == expected


@pytest.mark.parametrize(
    ("rule", "caller", "target", "reason"),
    [
        ("artifact:publish", BOB, MINE, "artifact:publish needs role:admin; bob has roles member reader"),
        ("artifact:publish", ADMIN, MINE, "artifact:publish is allowed by role:admin; root has roles Admin"),
        ("artifact:get", BOB, MINE, "artifact:get is allowed to anyone"),
        (
            "artifact:delete",
            BOB,
            PUBLIC,
            "artifact:delete needs role:admin or not 'public':%(visibility)s; bob has roles member reader; visibility is 'public'",
        ),
        (
            "artifact:upload",
            NOBODY,
            OWNERLESS,
            "artifact:upload needs role:admin or project_id:%(owner)s; an unnamed caller has no roles, no project_id; there is no owner",
        ),
    ],
)
def test_the_reason_names_the_part_that_decides(rule, caller, target, reason):
    assert Policy.default().why(rule, caller, target).reason == reason


def test_a_decision_has_the_whole_rule_as_text():
    decision = Policy.default().why("admin_or_owner", EVE, MINE)
    assert (decision.allowed, decision.text) == (False, "rule:context_is_admin or project_id:%(owner)s")


def test_what_nobody_may_is_said_so():
    policy = Policy.default().with_rules({"artifact:get": "!"})
    assert policy.why("artifact:get", BOB, MINE).reason == "artifact:get is allowed to nobody"


def test_every_default_refers_to_rules_that_there_are():
    assert Policy.default().with_rules({}) == Policy.default()


def test_a_moment_is_asked_for_by_the_text_it_has_in_utc():
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=2)))
    assert where("user:%(created_at)s", Principal(str(moment))) == Compare(Path("created_at"), "eq", moment)
    assert where("user:%(created_at)s", Principal(str(elsewhere))) == Or(())

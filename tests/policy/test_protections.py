"""Who may create, read, update and delete a property or a field: from Python, and from Glance's file."""

import copy

import pytest

from metastore import Policy, Principal, Protection, Protections
from metastore.errors import PolicyFileError, ValidationError

ADMIN = Principal("root", "adm", ["Admin"])
BOB = Principal("bob", "p", ["member"])
POLICY = Policy.default()

GLANCE = """
[x_billing_.*]
create = admin,billing
read = @
update = admin
delete = !
[^secret]
create = admin
read = admin
update = admin
delete = admin
[field (size|checksum)]
create = @
read = admin
update = !
delete = !
[.*]
create = @
read = @
update = @
delete = @
"""


def permits(protections, name, caller=BOB, of="properties"):
    """Return the first letters of what the caller may do."""
    operations = ("create", "read", "update", "delete")
    return "".join(each[0] for each in operations if protections.may(caller, each, of, name, POLICY))


@pytest.fixture
def load(tmp_path):
    """A function from the text of a file to its protections."""

    def load(text, **options):
        path = tmp_path / "protections.conf"
        path.write_text(text, encoding="utf-8")
        return Protections.from_file(path, **options)

    return load


def section(**values):
    return "[a]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


OPEN = {"create": "@", "read": "@", "update": "@", "delete": "@"}


def test_without_protections_anyone_may_everything():
    assert permits(Protections(), "anything") == permits(Protections(), "size", of="fields") == "crud"


def test_the_first_match_decides():
    some = Protections([Protection("x_.*", update="role:admin"), Protection("x_a", update="@"), Protection(".*")])
    assert (permits(some, "x_a"), permits(some, "x_a", ADMIN), permits(some, "y")) == ("crd", "crud", "crud")


def test_a_pattern_matches_the_whole_name():
    some = Protections([Protection("x", update="!"), Protection(".*")])
    assert (permits(some, "x"), permits(some, "xx")) == ("crd", "crud")


def test_a_property_that_nothing_matches_is_nobodys():
    assert permits(Protections([Protection("x_.*")]), "y", ADMIN) == ""


def test_a_field_that_nothing_matches_is_anyones():
    some = Protections([Protection("x_.*"), Protection("size", of="fields", read="!")])
    assert (permits(some, "name", of="fields"), permits(some, "size", of="fields")) == ("crud", "cud")


def test_protections_of_fields_say_nothing_about_properties():
    assert permits(Protections([Protection("size", of="fields", read="!")]), "size") == "crud"


def test_the_owner_of_the_process_may_everything():
    assert permits(Protections([Protection(".*", create="!", read="!")]), "x", None) == "crud"


def test_rules_of_a_protection_may_refer_to_those_of_the_policy():
    some = Protections([Protection(".*", read="rule:context_is_admin")])
    assert (permits(some, "x"), permits(some, "x", ADMIN)) == ("cud", "crud")


def test_a_rule_that_the_policy_has_not_is_told():
    with pytest.raises(ValidationError, match="did you mean 'context_is_admin'"):
        permits(Protections([Protection(".*", read="rule:context_is_amdin")]), "x")


def test_another_policy_is_another_answer():
    some, mine = (
        Protections([Protection(".*", read="rule:context_is_admin")]),
        POLICY.with_rules({"context_is_admin": "@"}),
    )
    assert not some.may(BOB, "read", "properties", "x", POLICY)
    assert some.may(BOB, "read", "properties", "x", mine)


@pytest.mark.parametrize(
    "name", ["id", "version", "owner", "status", "visibility", "revision", "created_at", "updated_at", "activated_at"]
)
def test_what_queries_stand_on_cannot_be_hidden(name):
    with pytest.raises(ValidationError, match=f"would hide the field {name}"):
        Protections([Protection(name, of="fields", read="role:admin")])
    assert Protections([Protection(name, of="fields", update="!")])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": 5}, "expected a regular expression"),
        ({"pattern": "x", "of": "blobs"}, "of 'properties' or 'fields'"),
        ({"pattern": "x", "read": "role:a and"}, "position 10"),
        ({"pattern": "x", "read": None}, "expected a rule"),
    ],
)
def test_a_wrong_protection_is_one_clear_error(given, words):
    with pytest.raises(ValidationError, match=words):
        Protection(**given)


def test_what_is_no_protection_is_refused():
    with pytest.raises(ValidationError, match="expected a Protection"):
        Protections(["x_.*"])


@pytest.mark.parametrize(("operation", "of"), [("write", "properties"), ("read", "blobs")])
def test_an_unknown_operation_or_kind_is_told(operation, of):
    with pytest.raises(ValidationError, match="expected one of create, read, update, delete of properties or fields"):
        Protections().may(BOB, operation, of, "x", POLICY)


def test_protections_are_data():
    some = Protections([Protection("x", read="role:a")])
    assert some == copy.deepcopy(some) == Protections([Protection("x", read="role:A".lower())])
    assert some != Protections([Protection("x", read="role:b")])
    with pytest.raises(AttributeError):
        some.items = ()


@pytest.mark.parametrize(
    ("name", "bob", "admin"),
    [
        ("x_billing_code", "r", "cru"),
        ("my_x_billing_", "r", "cru"),  # Glance looks for the pattern anywhere
        ("secret_key", "", "crud"),
        ("my_secret", "crud", "crud"),
        ("os_glance_importing", "r", "r"),
    ],
)
def test_glances_file_means_what_it_means_to_glance(load, name, bob, admin):
    some = load(GLANCE)
    assert (permits(some, name), permits(some, name, ADMIN)) == (bob, admin)


def test_a_section_may_be_of_declared_fields(load):
    some = load(GLANCE)
    assert permits(some, "size", of="fields") == "c"
    assert permits(some, "checksums", of="fields") == "crud"


def test_policies_may_stand_in_place_of_roles(load):
    some = load(section(**OPEN | {"update": "context_is_admin", "delete": "!"}), rule_format="policies")
    assert (permits(some, "a"), permits(some, "a", ADMIN)) == ("cr", "cru")


def test_an_empty_file_protects_nothing(load):
    assert permits(load("# nothing\n"), "x") == "crud"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (section(**OPEN | {"read": "@, !"}), {}, r"section \[a\]: .*exclude each other"),
        (section(create="@", read="@"), {}, "found no update and no delete"),
        (section(**OPEN) * 2, {}, "already exists"),
        (section(**OPEN | {"read": "a,b"}), {"rule_format": "policies"}, "the name of one rule"),
        ("create = @", {}, "not an INI file"),
        (section(**OPEN).replace("[a]", "[a(]"), {}, r"section \[a\(\]: .*no regular expression"),
        (section(**OPEN | {"read": "!"}).replace("[a]", "[field .*]"), {}, "would hide the field id"),
    ],
)
def test_a_wrong_file_is_one_clear_sentence(load, text, options, words):
    with pytest.raises(PolicyFileError, match=f"protections.conf: .*{words}"):
        load(text, **options)


def test_an_unknown_format_is_told(load):
    with pytest.raises(ValidationError, match="roles or policies"):
        load("", rule_format="groups")

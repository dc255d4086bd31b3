"""Who may do what, on the command line: states, sight, members, holds, quotas, the policy, closure, definitions."""

import json
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest

from metastore import Catalog, Link
from metastore.builtin import names

ANN = ("--as-user", "ann", "--as-project", "p1", "--as-role", "member")
BOB = ("--as-user", "bob", "--as-project", "p2")
ROOT = ("--as-user", "root", "--as-role", "admin")
NEEDS_YAML = pytest.mark.skipif(find_spec("yaml") is None, reason="PyYAML, of the extra policy, is not installed")
NAMESPACE = {
    "namespace": "OS::Demo",
    "resource_type_associations": [{"name": "images"}],
    "properties": {"cpus": {"type": "integer", "title": "CPUs", "minimum": 1}},
}


@pytest.fixture(autouse=True)
def nobody_named(monkeypatch):
    for name in ("AS_USER", "AS_PROJECT", "AS_ROLE", "POLICY", "PROTECTIONS"):
        monkeypatch.delenv(f"METASTORE_{name}", raising=False)


@pytest.fixture
def mine(metastore, images):
    """An image of project p1, by its id."""
    return metastore("add", "images", "name=mine", *ANN).out.strip()


@pytest.fixture
def shown(metastore):
    return lambda *ref: metastore("show", *ref, "--json").json[0]


@pytest.fixture
def changes(path):
    def count():
        with Catalog.open(str(path), mode="ro") as catalog:
            return catalog.stats()["changes"]

    return count


# states


def test_an_artifact_goes_through_its_life(metastore, mine, shown):
    seen = []
    for words in (["activate"], ["deactivate"], ["reactivate"], ["act", "deactivate"]):
        assert metastore(*words, mine).out == f"{mine}\n"
        seen.append(shown(mine)["status"])
    assert seen == ["active", "deactivated", "active", "deactivated"]


def test_fields_are_set_before_the_action(metastore, mine, shown):
    metastore("activate", "images", "mine", "arch=aarch64", "properties.os=linux")
    found = shown(mine)
    assert (found["arch"], found["properties"], found["status"], found["revision"]) == (
        "aarch64",
        {"os": "linux"},
        "active",
        2,
    )


def test_several_are_acted_on_all_or_none(metastore, images, mine, shown):
    metastore("activate", images.old.id)
    assert metastore("deactivate", images.old.id, "images", "mine").code == 3
    assert shown(images.old.id)["status"] == "active"
    assert metastore("activate", mine, "images", "alpine").out.split() == [mine, str(images.alpine.id)]


def test_the_new_state_is_shown_as_json(metastore, mine):
    assert metastore("activate", mine, "--json").json[0]["status"] == "active"


# sight and members


def test_publishing_lets_others_see(metastore, mine):
    metastore("activate", mine)
    counts = []
    for words in (["publish"], ["unpublish"], ["communitize"]):
        assert metastore(*words, mine).code == 0
        counts.append((metastore("count", "images", *BOB).out, metastore("count", "images", "--unlisted", *BOB).out))
    assert counts == [("1\n", "1\n"), ("0\n", "0\n"), ("0\n", "1\n")]


def test_a_share_is_listed_once_it_is_accepted(metastore, mine):
    metastore("share", mine, "p2", "p3", *ANN)
    assert (metastore("find", "images", *BOB).out, metastore("find", "images", "--unlisted", *BOB).rows[0][0]) == (
        "",
        mine,
    )
    assert metastore("answer", "accept", mine, *BOB).rows[0][:2] == ["p2", "accepted"]
    assert metastore("find", "images", *BOB).rows[0][0] == mine
    assert [row[:2] for row in metastore("members", mine, *ANN).rows] == [["p2", "accepted"], ["p3", "pending"]]


def test_members_are_taken_off_one_by_one_or_all(metastore, mine, shown):
    metastore("share", mine, "p2", "p3")
    metastore("unshare", mine, "p2")
    assert [row[0] for row in metastore("members", mine).rows] == ["p3"]
    metastore("unshare", "images", "mine")
    assert shown(mine)["visibility"] == "private"


def test_the_owner_of_the_process_answers_for_a_project(metastore, mine):
    metastore("share", mine, "p2")
    assert metastore("answer", "reject", mine).code == 2
    assert metastore("answer", "reject", mine, "--project", "p2").rows[0][:2] == ["p2", "rejected"]


# callers


def test_what_a_caller_does_not_see_is_not_found(metastore, mine):
    hidden, never = metastore("show", mine, *BOB), metastore("show", mine[:-1] + "0", *BOB)
    assert (hidden.code, hidden.err.replace(mine, "ID")) == (1, never.err.replace(mine[:-1] + "0", "ID"))


def test_who_acts_stands_in_the_environment_too_and_options_win(metastore, mine, monkeypatch):
    monkeypatch.setenv("METASTORE_AS_PROJECT", "p2")
    monkeypatch.setenv("METASTORE_AS_ROLE", "reader, admin")
    assert metastore("count", "images").out == "4\n"
    assert metastore("count", "images", "--as-role", "reader").out == "0\n"
    assert metastore("--as-project", "p1", "count", "images", "--as-role", "reader").out == "1\n"


@pytest.mark.parametrize("option", ["--as-user", "--as-project", "--as-role"])
def test_an_empty_name_is_a_mistake_and_never_the_owner_of_the_process(metastore, mine, option):
    assert metastore("count", "images", option, "").code == 1


def test_the_history_of_a_new_artifact_is_its_project(metastore, mine, shown):
    assert shown(mine)["owner"] == "p1"


def test_an_export_of_a_caller_is_what_it_may_get(metastore, mine):
    metastore("set", mine, "hidden=true")
    assert [json.loads(line)["id"] for line in metastore("export", *ANN).out.splitlines()[2:-1]] == [mine]
    assert len(metastore("export", *BOB).out.splitlines()) == 3


# whose, and how long


def test_an_artifact_changes_hands(metastore, mine, shown):
    assert metastore("transfer", mine, "p2", *ANN).code == 5
    assert metastore("transfer", mine, "p2", *ROOT).code == 0
    assert shown(mine)["owner"] == "p2"


@pytest.mark.parametrize(
    ("stay", "go", "words"),
    [(["protect"], ["unprotect"], "protected"), (["hold", "--reason", "case 42"], ["release"], "case 42")],
)
def test_what_stays_is_not_deleted(metastore, mine, stay, go, words):
    metastore(*stay, mine)
    refused = metastore("rm", mine)
    assert (refused.code, words in refused.err) == (3, True)
    metastore(*go, mine)
    assert metastore("rm", mine).code == 0


def test_expiry_is_set_and_cleared(metastore, mine, shown):
    metastore("expire", "2030-01-31T12:00:00+01:00", mine)
    assert shown(mine)["expires_at"] == "2030-01-31T11:00:00.000000Z"
    metastore("expire", "never", mine)
    assert shown(mine)["expires_at"] is None


@pytest.mark.parametrize(("text", "seconds"), [("+2d", 172_800), ("+3h", 10_800), ("+5m", 300)])
def test_expiry_may_be_told_from_now(metastore, mine, text, seconds):
    before = datetime.now(UTC)
    found = metastore("expire", text, mine, "--json").json[0]["expires_at"]
    assert before <= datetime.fromisoformat(found) - timedelta(seconds=seconds) <= datetime.now(UTC)


# quotas


def test_a_quota_is_shown_with_what_is_used(metastore, mine):
    metastore("quota", "set", "count=2", "bytes=5Ki", "--project", "p1", "--type", "images")
    assert metastore("quota", "show", *ANN).rows == [
        ["project", "images", "count", "2", "1"],
        ["project", "images", "bytes", "5120", "0"],
    ]
    assert metastore("quota", "show", "p1").out == metastore("quota", "show", *ANN).out
    assert metastore("quota", "list", "--json").json == [
        {"of": "project p1", "type": "images", "count": 2, "bytes": 5120}
    ]


def test_a_full_quota_refuses(metastore, mine):
    metastore("quota", "set", "count=1", "--type", "images")
    assert metastore("add", "images", "name=more", *ANN).code == 3
    metastore("quota", "drop", "--type", "images")
    assert metastore("add", "images", "name=more", *ANN).code == 0


def test_a_quota_of_everybody_holds_for_all(metastore, mine):
    metastore("quota", "set", "count=4", "bytes=unlimited", "--everybody")
    assert metastore("add", "images", "name=more", *BOB).code == 3
    assert metastore("quota", "list").rows == [["everybody", "", "4", ""]]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7k", 7_000), ("2M", 2_000_000), ("1Ti", 2**40)])
def test_numbers_may_have_a_unit(metastore, mine, text, number):
    assert metastore("quota", "set", f"bytes={text}", "--json").json[0]["bytes"] == number


# the policy


def test_why_a_caller_may_not_is_told_with_the_rule(metastore, mine):
    found = metastore("policy", "check", "images", "mine", "publish", "--user", "ann", "--project", "p1", "--json")
    assert found.code == 5
    assert found.json[0]["rule"] == "artifact:publish"
    assert found.json[0]["reason"] == "artifact:publish needs role:admin; ann has no roles"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["images", "create", "--project", "p2"], 0),
        (["images", "mine", "update", "--project", "p1"], 0),
        (["images", "mine", "update", "--project", "p2"], 5),
        (["images", "mine", "get", "--project", "p2"], 5),
        (["images", "mine", "get", "--role", "admin"], 0),
        (["images", "mine", "publish", *ROOT], 0),
    ],
)
def test_the_exit_code_says_whether_a_caller_may(metastore, mine, words, code):
    found = metastore("policy", "check", *words, "--json")
    assert (found.code, found.json[0]["allowed"]) == (code, code == 0)


def test_the_check_agrees_with_what_is_done(metastore, mine):
    for action in ("activate", "share", "communitize", "publish", "transfer", "hold"):
        more = {"transfer": ["p3"], "hold": ["--reason", "x"]}.get(action, [])
        for who in (["p1"], ["p1", "admin"], ["p2"]):
            caller = ["--project", who[0], *(["--role", who[1]] if who[1:] else [])]
            told = metastore("policy", "check", mine, action, *caller).code
            did = metastore(
                action, mine, *more, *(f"--as-{each[2:]}" if each[:2] == "--" else each for each in caller)
            ).code
            assert (told == 0) == (did not in (5, 1)), (action, who)


def test_what_else_stands_against_it_is_noted(metastore, mine):
    found = metastore("policy", "check", mine, "deactivate", "--role", "admin", "--role", "editr")
    assert "deactivate begins in active, and it is drafted" in found.err
    assert "no rule asks for the role 'editr'" in found.err


@pytest.fixture
def rules(path):
    def write(text, name="policy.json"):
        (path.parent / name).write_text(text)
        return name

    return write


def test_a_file_of_rules_binds_who_acts(metastore, mine, rules):
    file = rules('{"artifact:publish": "role:member", "images:deactivate": "!"}')
    metastore("activate", mine)
    assert metastore("publish", mine, *ANN, "--policy", file).code == 0
    assert metastore("deactivate", mine, *ROOT, "--policy", file).code == 5
    assert ["publish", "artifact:publish", "role:member"] in metastore(
        "policy", "show", "images", "--policy", file
    ).rows


def test_protections_hide_a_property(metastore, mine, rules, shown):
    file = rules(
        "[secret.*]\ncreate = admin\nread = admin\nupdate = admin\ndelete = admin\n[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n",
        "guard.ini",
    )
    metastore("set", mine, "properties.secret=x", "properties.open=y")
    assert metastore("show", mine, "--json", *ANN, "--protections", file).json[0]["properties"] == {"open": "y"}
    there, new = (
        metastore("set", mine, f"properties.{key}=z", *ANN, "--protections", file) for key in ("secret", "secrets")
    )
    assert (there.code, there.err) == (new.code, new.err.replace("secrets", "secret")) == (5, there.err)


def test_who_may_write_a_property_and_not_read_it_writes_it(metastore, mine, rules, shown):
    file = rules("[secret]\ncreate = @\nread = admin\nupdate = @\ndelete = admin\n", "guard.ini")
    metastore("set", mine, "properties.secret=x", "properties.other=y")
    assert metastore("set", mine, "properties.secret=z", *ANN, "--protections", file).code == 0
    assert shown(mine)["properties"] == {"secret": "z", "other": "y"}


def test_rules_are_shown_without_a_catalogue(metastore, path):
    assert ["artifact:publish", "rule:context_is_admin"] in metastore("policy", "show").rows
    assert not path.exists()


# closure


def test_closure_leads_forwards_and_backwards(metastore, images, path):
    with Catalog.open(str(path)) as catalog:
        kind = catalog.artifact_type("images")
        leaf = catalog.add(kind(name="leaf", parent=Link(images.alpine.id)))
    forwards = metastore("closure", "images", "leaf").rows
    assert forwards == [
        ["1", str(leaf.id), "parent", str(images.alpine.id), "images", "alpine", "3.20.0"],
        ["2", str(images.alpine.id), "parent", str(images.old.id), "images", "debian", "12.0.0"],
    ]
    assert metastore("closure", "images", "leaf", "--depth", "1").rows == forwards[:1]
    assert [row[5] for row in metastore("closure", images.old.id, "--backwards").rows] == ["alpine", "leaf"]


def test_closure_is_a_tree_on_a_terminal(metastore, images, monkeypatch):
    monkeypatch.setattr("metastore.cli._output.on_terminal", lambda: True)
    root, branch = metastore("closure", "images", "alpine").out.splitlines()[:2]
    assert (root.startswith("images alpine 3.20.0"), "parent -> images debian 12.0.0" in branch) == (True, True)


# built-in types and definitions


def test_built_in_types_are_known_when_asked_for(metastore, path):
    assert {row[0] for row in metastore("types", "--builtin").rows} == set(names())
    assert (metastore("schema", "images", "--builtin").code, path.exists()) == (0, False)
    assert metastore("add", "datasets", "name=first", "--builtin").code == 0
    assert metastore("find", "datasets").rows[0][1] == "first"


def test_built_in_types_are_told_beside_those_that_are_stored(metastore, images):
    rows = {row[0]: row[1] for row in metastore("types", "--builtin").rows}
    assert (rows["images"], rows["datasets"], set(rows)) == ("3", "0", set(names()))
    assert metastore("policy", "check", "datasets", "create", *ANN, "--builtin").code == 0
    assert metastore("find", "datasets", "--builtin").code == 2
    assert metastore("count", "any", "--builtin").out == "3\n"


def test_memberships_and_quotas_are_carried_elsewhere_by_the_owner_only(metastore, mine):
    metastore("share", mine, "p2")
    metastore("quota", "set", "count=9")
    metastore("export", "whole.jsonl")
    assert metastore("-c", "copy.db", "import", "whole.jsonl").code == 0
    assert metastore("-c", "copy.db", "members", mine).rows[0][0] == "p2"
    assert metastore("-c", "copy.db", "quota", "list").out == metastore("quota", "list").out
    assert "metastore_" not in metastore("export", *ANN).out


def test_a_type_that_is_built_in_and_not_asked_for_is_told(metastore, images):
    assert "--builtin knows it" in metastore("add", "datasets", "name=x").err


def test_the_fields_of_a_type_are_listed(metastore, images):
    rows = {row[0]: row[1:3] for row in metastore("types", "images").rows}
    assert (rows["arch"], rows["tags"]) == (["x86_64|aarch64", ""], ["list of str", ""])
    rows = {row[0]: row[2] for row in metastore("types", "images", "--builtin", "-c", "none.db").rows}
    assert (rows["min_ram"], "active" in rows["disk_format"].split(", ")) == ("", True)


def test_definitions_are_loaded_applied_written_and_withdrawn(metastore, mine, rules, path):
    file = rules(json.dumps(NAMESPACE), "demo.json")
    assert metastore("metadefs", "load", file).rows == [["added", "OS::Demo"]]
    metastore("metadefs", "apply", "OS::Demo", "images")
    assert metastore("metadefs", "list").rows == [["OS::Demo", "1", '["images"]', '["images"]']]
    assert (metastore("set", mine, "properties.cpus=0").code, metastore("set", mine, "properties.cpus=2").code) == (
        1,
        0,
    )
    metastore("metadefs", "withdraw", "OS::Demo", "images")
    assert metastore("set", mine, "properties.cpus=0").code == 0
    (written,) = metastore("metadefs", "write", "out").out.splitlines()
    assert json.loads((path.parent / written).read_text()) == NAMESPACE


def test_a_catalogue_without_definitions_lists_none(metastore, mine):
    found = metastore("metadefs", "list")
    assert (found.code, found.out, found.err) == (0, "", "")


def test_what_does_not_fit_already_is_told_when_definitions_are_applied(metastore, mine, rules):
    metastore("set", mine, "properties.cpus=0")
    metastore("metadefs", "load", rules(json.dumps(NAMESPACE), "demo.json"))
    (row,) = metastore("metadefs", "apply", "OS::Demo", "images").rows
    assert (row[:2], "cpus" in row[2]) == ([mine, "mine"], True)


# what is wrong


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["act", "actvate", "images", "mine"], 1, "did you mean 'activate'"),
        (["deactivate", "images", "mine"], 3, "only one that is active"),
        (["act", "publish", "images", "mine"], 3, "active"),
        (["activate", "images", "mine", "min_rma=3"], 2, "did you mean 'min_ram'"),
        (["activate", "images", "none"], 1, "no images 'none'"),
        (["publish", "images", "mine"], 3, "published in active"),
        (["publish", "images", "mine", "x=y"], 2, "takes no fields"),
        (["set", "images", "mine", "status=active"], 1, "not set by an update"),
        (["set", "images", "mine", "status=actve"], 1, "actve"),
        (["set", "images", "mine", "owner=p9"], 1, "transfer"),
        (["share", "images", "mine", ""], 1, "project"),
        (["members", "images", "mine"], 3, "share it first"),
        (["unshare", "images", "mine", "p2"], 3, "share it first"),
        (["answer", "accept", "images", "mine", "--project", "p2"], 3, "share it first"),
        (["answer", "maybe", "images", "mine"], 2, "'maybe' is not one of"),
        (["transfer", "images", "mine"], 2, "name the project"),
        (["hold", "images", "mine"], 2, "--reason"),
        (["hold", "images", "mine", "--reason", ""], 1, "hold"),
        (["expire", "soon", "images", "mine"], 1, "expected a time"),
        (["expire", "2030-01-31T12:00:00", "images", "mine"], 1, "zone"),
        (["expire", "+999999d", "images", "mine", "mine"], 2, "TYPE NAME"),
        (["expire", "+999999999d", "images", "mine"], 1, "expected a time"),
        (["quota", "set", "cuont=3"], 1, "did you mean 'count'"),
        (["quota", "set", "count=-1"], 1, "0 or more"),
        (["quota", "set", "count=3x"], 1, "0 or more"),
        (["quota", "set", "bytes=G"], 1, "0 or more"),
        (["quota", "set", "count=99999999999999999999"], 1, "count"),
        (["quota", "set", "count"], 2, "count=NUMBER"),
        (["quota", "set", "count=1", "count=2"], 2, "given once"),
        (["quota", "set", "count=1", "--type", "imagse"], 1, "did you mean 'images'"),
        (["quota", "set", "count=1", "--project", "p1", "--everybody"], 1, "not of both"),
        (["quota", "drop", "--project", "p1"], 1, "no quota of project p1"),
        (["quota", "show"], 2, "of which project"),
        (["quota", "lst"], 2, "No such command"),
        (["policy", "check", "images", "mine", "publsh", *ANN], 2, "did you mean 'publish'"),
        (["policy", "check", "images", "mine", "publish"], 2, "say who asks"),
        (["policy", "check", "imagse", "create", *ANN], 2, "did you mean 'images'"),
        (["policy", "show", "--policy", "none.json"], 2, "cannot be read"),
        (["closure", "images", "none"], 1, "no images"),
        (["closure", "images", "mine", "--depth", "0"], 2, "0"),
        (["metadefs", "load", "none.json"], 2, "does not exist"),
        (["metadefs", "apply", "OS::None", "images"], 1, "OS::None"),
        (["metadefs", "withdraw", "OS::None", "images"], 1, "OS::None"),
        (["check", *ANN], 5, "owner of the process"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence_and_changes_nothing(metastore, mine, changes, arguments, code, words):
    before = changes()
    found = metastore(*arguments)
    assert (found.code, found.out, changes()) == (code, "", before)
    assert words in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", '{"artifact:publish": "role:admin and"}', "artifact:publish"),
        ("b.json", '{"artifact:pubish": "role:admin"}', "did you mean 'artifact:publish'"),
        ("c.json", '{"artifact:publish": "rule:none"}', "rule that there is not"),
        ("d.json", "{", "not JSON"),
        pytest.param("e.yaml", '"artifact:publish": [', "not YAML", marks=NEEDS_YAML),
        ("f.json", "[]", "expected a mapping"),
    ],
)
def test_a_file_of_rules_with_a_mistake_is_told_and_nothing_is_done(metastore, mine, rules, changes, name, text, words):
    before = changes()
    found = metastore("communitize", mine, *ANN, "--policy", rules(text, name))
    assert (found.code, found.out, found.err.count("\n"), changes()) == (2, "", 1, before)
    assert words in found.err
    assert name in found.err


def test_a_file_of_protections_with_a_mistake_is_told(metastore, mine, rules):
    found = metastore("show", mine, "--protections", rules("[(]\nread = @\n", "guard.ini"))
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("text", ["{", "[]", '{"namespace": 3}', '{"namespace": "x", "properties": []}', "\xff"])
def test_a_definition_file_that_is_none_is_told_and_nothing_is_loaded(metastore, mine, path, changes, text):
    (path.parent / "good.json").write_text(json.dumps(NAMESPACE))
    (path.parent / "wrong.json").write_bytes(text.encode("latin-1"))
    before = changes()
    found = metastore("metadefs", "load", "good.json", "wrong.json")
    assert (found.code, found.out, changes()) == (1, "", before)
    assert "wrong.json" in found.err

"""Files of rules: what oslo.policy reads loads as it is, a mistake is told with file, rule and position."""

import builtins

import pytest

from metastore import Policy, Principal
from metastore.errors import MissingExtraError, PolicyFileError
from metastore.policy._read import parse_rule

GLANCE = """
# an operator's file
"context_is_admin": "role:admin or role:ops"
"add_image": "role:member and project_id:%(owner)s"
"cache_image": "rule:context_is_admin"
"is_auditor": "role:auditor"
"get_image":
  - ["rule:is_auditor"]
  - ["role:reader", "project_id:%(owner)s"]
"""


@pytest.fixture
def load(tmp_path):
    """A function from a name and a text (or bytes) to the policy that the file makes."""

    def load(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Policy.from_file(path)

    return load


@pytest.fixture
def yaml(load):
    """The same for YAML."""
    pytest.importorskip("yaml", reason="PyYAML, of the extra policy, is not installed")
    return lambda text: load("policy.yaml", text)


@pytest.mark.parametrize("text", ["", "  \n", "{}", "\ufeff{}"])
def test_an_empty_json_file_changes_nothing(load, text):
    assert load("policy.json", text) == Policy.default()


@pytest.mark.parametrize("text", ["", "# 'artifact:get': '!'\n", "---\n# nothing\n", "{}"])
def test_an_empty_or_commented_yaml_file_changes_nothing(yaml, text):
    assert yaml(text) == Policy.default()


def test_rules_of_json_take_the_places_of_the_defaults(load):
    policy = load("policy.json", '{"artifact:publish": "role:editor", "artifact:get": [["role:a"], ["role:b"]]}')
    assert policy.allows("artifact:publish", Principal(roles=["editor"]), {})
    assert policy.rules["artifact:get"] == parse_rule("role:a or role:b")


def test_an_operators_yaml_loads_as_it_is(yaml):
    policy = yaml(GLANCE)
    assert policy.allows("cache_image", Principal(roles=["ops"]), {})
    assert policy.allows("get_image", Principal(roles=["auditor"]), {"owner": "p"})


@pytest.mark.parametrize(
    ("text", "rule", "position", "words"),
    [
        ('{"artifact:get": "role:a and"}', "artifact:get", 10, "rule artifact:get, position 10: .* found the end"),
        ('{"artifact:gte": "@"}', "artifact:gte", None, "did you mean 'artifact:get'"),
        ('{"artifact:get": "@", "artifact:get": "!"}', "artifact:get", None, "stands there twice"),
        ('{"artifact:get": "http://s/"}', "artifact:get", 0, "not supported"),
        ('{"artifact:get": true}', "artifact:get", None, "got bool"),
        ('{"artifact:get" "@"}', "", None, "line 1, column 17: not JSON"),
        ("[]", "", None, "expected a mapping"),
        ("[" * 100_000, "", None, "too deep"),
        (b'{"artifact:get": "\xff"}', "", None, "expected UTF-8"),
    ],
)
def test_a_mistake_in_json_names_file_rule_and_position(load, text, rule, position, words):
    with pytest.raises(PolicyFileError, match=f"policy.json: .*{words}") as raised:
        load("policy.json", text)
    assert (raised.value.rule, raised.value.position) == (rule, position)
    assert raised.value.path.endswith("policy.json")


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("artifact:get: '@'\nartifact:get: '!'", "artifact:get", "twice"),
        ("artifact:get: !", "artifact:get", "line 1: expected text in quotes"),
        ("artifact:get: @", "", "line 1, column 15: not YAML"),
        ("artifact:get:", "artifact:get", "expected text in quotes"),
        ("artifact:get: true", "artifact:get", "expected text in quotes, found 'true'"),
        ("artifact:get: {a: b}", "artifact:get", "found mapping"),
        ("artifact:get: [[['role:a']]]", "artifact:get", "found sequence"),
        ("artifact:get: !!python/object:os.system x", "artifact:get", "expected text in quotes"),
        ("- a", "", "expected a mapping"),
        ("a: &x [*x]", "a", "found sequence"),
        ("[" * 3000, "", "too deep|not YAML"),
        ("'artifact:gte': '@'", "artifact:gte", "did you mean"),
    ],
)
def test_a_mistake_in_yaml_names_file_and_rule(yaml, text, rule, words):
    with pytest.raises(PolicyFileError, match=words) as raised:
        yaml(text)
    assert raised.value.rule == rule


def test_quoted_signs_of_yaml_are_rules(yaml):
    policy = yaml("artifact:get: '!'\nartifact:publish: ''\n")
    assert not policy.allows("artifact:get", Principal(), {})
    assert policy.allows("artifact:publish", Principal(), {})


def test_a_file_that_is_not_there_is_a_policy_file_error(tmp_path):
    with pytest.raises(PolicyFileError, match=r"none\.json: cannot be read: No such file"):
        Policy.from_file(tmp_path / "none.json")


def test_yaml_without_its_package_names_the_extra(load, monkeypatch):
    real = builtins.__import__

    def without_yaml(name, *rest):
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[policy\]"):
        load("policy.yml", "{}")

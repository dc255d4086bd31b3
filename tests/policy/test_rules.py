"""Rules are read into trees, and what cannot be read is an error with its place."""

import pytest

from metastore.errors import ValidationError
from metastore.policy._read import DEPTH, Mistake, parse_rule, read_rule
from metastore.policy._rules import (
    Always,
    Caller,
    Either,
    Every,
    Fixed,
    Literal,
    Match,
    Never,
    Not,
    Ref,
    Role,
    Template,
    print_rule,
)

TREES = {
    "@": Always(),
    "": Always(),
    "!": Never(),
    "rule:artifact:get": Ref("artifact:get"),
    "role:Admin": Role("Admin"),
    "project_id:%(owner)s": Match(Caller("project_id"), Template("owner")),
    "user_id:bob": Match(Caller("user_id"), Fixed("bob")),
    "'public':%(visibility)s": Match(Literal("public"), Template("visibility")),
    "True:%(protected)s": Match(Literal("True"), Template("protected")),
    "None:%(owner)s": Match(Literal(None), Template("owner")),
    "user:x-%(owner)s-100%%": Match(Caller("user"), Template("owner", "x-", "-100%")),
    "not not @": Not(Not(Always())),
    "role:a and role:b": Every((Role("a"), Role("b"))),
    "role:a or role:b and not role:c": Either((Role("a"), Every((Role("b"), Not(Role("c")))))),
    "(role:a or role:b) and role:c": Every((Either((Role("a"), Role("b"))), Role("c"))),
}

MISTAKES = {
    "   ": (0, "only blanks"),
    "role:a role:b": (7, "expected and, or, or the end"),
    "role:a and": (10, "found the end"),
    "role:a or )": (10, r"found '\)'"),
    "role:a and (role:b": (11, "never closed"),
    "admin": (0, "expected a check"),
    "role:a or project_id:": (21, "something after"),
    "role:a or http://server/%(id)s": (10, "not supported"),
    "https:x": (0, "not supported"),
    "role:%(name)s": (5, "none after role:"),
    "user:%(a)s%(b)s": (10, "at most one"),
    "user:100%": (8, "%% for a percent sign"),
    "user:%(size)d": (5, "at most one"),
    "'two words':%(name)s": (0, "expected a check"),
    "1a:%(name)s": (0, "expected project_id"),
    ":%(name)s": (0, "expected project_id"),
    "not": (3, "found the end"),
    "(" * 5000: (DEPTH, "deep"),
    "not " * 5000 + "@": (4 * DEPTH, "deep"),
}


@pytest.mark.parametrize("text", TREES)
def test_a_text_is_read_into_a_tree(text):
    assert parse_rule(text) == TREES[text]


@pytest.mark.parametrize("text", TREES)
def test_a_tree_printed_is_read_into_itself(text):
    assert parse_rule(print_rule(TREES[text])) == TREES[text]


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:20])
def test_a_mistake_is_told_with_its_position(text):
    position, words = MISTAKES[text]
    with pytest.raises(Mistake, match=words) as raised:
        read_rule(text)
    assert raised.value.position == position


def test_operators_are_read_in_any_case_and_spacing():
    assert parse_rule("NOT (  role:a )\n AND\trole:b") == Every((Not(Role("a")), Role("b")))


@pytest.mark.parametrize(
    ("old", "new"),
    [([], "@"), ([[]], "!"), (["role:a"], "role:a"), ([["role:a", "@"], "role:b", []], "role:a and @ or role:b")],
)
def test_the_old_form_of_lists_is_read(old, new):
    assert read_rule(old) == parse_rule(new)


@pytest.mark.parametrize("wrong", [None, 5, True, {"a": "b"}, [5], [["role:two words"]], ["role:a)"], [[["role:a"]]]])
def test_what_is_neither_text_nor_lists_of_checks_is_refused(wrong):
    with pytest.raises(Mistake, match="expected"):
        read_rule(wrong)


def test_a_mistake_is_a_validation_error_at_the_door():
    with pytest.raises(ValidationError, match="position 7"):
        parse_rule("role:a role:b")

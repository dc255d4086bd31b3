"""The query language: what a text or JSON means, that both print back to the same tree, and how mistakes are told."""

import enum
import re
import string
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path as File
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastore._text import words
from metastore._version import Version
from metastore.backend import FieldSpec, TypeSpec
from metastore.cql2 import _text, parse_json, parse_text, print_json, print_text
from metastore.errors import MissingExtraError, QueryError, QuerySyntaxError, UnknownFieldError, ValidationError
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Not,
    Or,
    Path,
    References,
    Text,
    Within,
)

PAGE = File(__file__).parents[1] / "docs" / "query-language.md"
KEYS = ["a.b", "mem", "", 'q"q', "and", "x y", "ünï", "0", "a'b", "%_\\", "digests", "sha256", "line\nbreak", "🦆"]


def link(name, target):
    return FieldSpec(name=name, kind="link", target=target)


def links(name, target):
    return FieldSpec(name=name, kind="list", item=FieldSpec(kind="link", target=target))


IMAGES = TypeSpec(
    "images",
    (
        FieldSpec(name="id", kind="id"),
        FieldSpec(name="name", kind="str", folded=True),
        FieldSpec(name="version", kind="version", scheme="semver"),
        FieldSpec(name="arch", kind="str"),
        FieldSpec(name="min_ram", kind="int"),
        FieldSpec(name="ratio", kind="float"),
        FieldSpec(name="is_public", kind="bool"),
        FieldSpec(name="created_at", kind="datetime"),
        FieldSpec(name="tags", kind="list", item=FieldSpec(kind="str")),
        FieldSpec(name="properties", kind="dict", item=FieldSpec(kind="json")),
        FieldSpec(
            name="hw", kind="object", fields=(FieldSpec(name="cpu", kind="int"), FieldSpec(name="opts", kind="dict"))
        ),
        FieldSpec(name="disk", kind="blob"),
        FieldSpec(name="layers", kind="folder"),
        FieldSpec(name="in", kind="int"),
        link("parent", "images"),
        links("parents", "images"),
        link("flavor", "flavors"),
        link("anything", ""),
    ),
)
FLAVORS = TypeSpec(
    "flavors",
    (
        FieldSpec(name="name", kind="str"),
        FieldSpec(name="version", kind="version", scheme="debian"),
        FieldSpec(name="is_public", kind="bool"),
        links("images", "images"),
    ),
)
SPECS = {"images": IMAGES, "flavors": FLAVORS}.get


def read(text):
    return parse_text(text, IMAGES, SPECS)


def back(predicate):
    """Return the predicate read back from its text and from its JSON."""
    text, document = print_text(predicate, IMAGES, SPECS), print_json(predicate, IMAGES, SPECS)
    return read(text), parse_json(document, IMAGES, SPECS)


def refused(text, error=QuerySyntaxError):
    with pytest.raises(error) as caught:
        read(text)
    return caught.value


NAME, RAM, TAGS, PARENT = Path("name"), Path("min_ram"), Path("tags"), Path("parent")
LITTLE = Compare(RAM, "le", 2048)
NAMED = Compare(NAME, "eq", "x")
PUBLIC = Compare(Path("is_public"), "eq", True)


# --- what a text means ----------------------------------------------------------------------------------------------

MEANINGS = {
    "min_ram <= 2048": LITTLE,
    "min_ram = 1": Compare(RAM, "eq", 1),
    "min_ram <> 1": Compare(RAM, "ne", 1),
    "min_ram < -1": Compare(RAM, "lt", -1),
    "min_ram > +1": Compare(RAM, "gt", 1),
    "min_ram >= 1": Compare(RAM, "ge", 1),
    "1 < min_ram": Compare(RAM, "gt", 1),
    "1 >= min_ram": Compare(RAM, "le", 1),
    "ratio = 1.0": Compare(Path("ratio"), "eq", 1.0),
    "ratio = 25e-1": Compare(Path("ratio"), "eq", 2.5),
    "name = 'it''s'": Compare(NAME, "eq", "it's"),
    "name = ''": Compare(NAME, "eq", ""),
    "is_public": PUBLIC,
    "is_public = true": PUBLIC,
    "is_public = FALSE": Compare(Path("is_public"), "eq", False),
    "NOT is_public": Not(PUBLIC),
    "properties.flag": Compare(Path("properties", ("flag",)), "eq", True),
    "TRUE": And(()),
    "FALSE": Or(()),
    "min_ram BETWEEN 1 AND 2": And((Compare(RAM, "ge", 1), Compare(RAM, "le", 2))),
    "min_ram NOT BETWEEN 1 AND 2": Not(And((Compare(RAM, "ge", 1), Compare(RAM, "le", 2)))),
    "name IN ('a', 'b')": In(NAME, ("a", "b")),
    "name NOT IN ('a')": Not(In(NAME, ("a",))),
    "name IN ()": In(NAME, ()),
    "name LIKE 'abc%'": Text(NAME, "starts", "abc"),
    "name LIKE '%abc'": Text(NAME, "ends", "abc"),
    "name LIKE '%abc%'": Text(NAME, "contains", "abc"),
    "name LIKE 'abc'": Compare(NAME, "eq", "abc"),
    "name LIKE '%'": Text(NAME, "starts", ""),
    "name LIKE '%%'": Text(NAME, "contains", ""),
    r"name LIKE '50\%\_\\%'": Text(NAME, "starts", "50%_\\"),
    r"name LIKE '\%'": Compare(NAME, "eq", "%"),
    "name NOT LIKE 'abc%'": Not(Text(NAME, "starts", "abc")),
    "starts_with(name, 'a%')": Text(NAME, "starts", "a%"),
    "ends_with(name, '')": Text(NAME, "ends", ""),
    "CASEI(name) = CASEI('X')": Compare(Path("name", folded=True), "eq", "X"),
    "casei(name) LIKE casei('X%')": Text(Path("name", folded=True), "starts", "X"),
    "CASEI(name) IN (CASEI('a'))": In(Path("name", folded=True), ("a",)),
    "name IS NULL": Absent(NAME),
    "name IS NOT NULL": Not(Absent(NAME)),
    "created_at > TIMESTAMP('2024-01-01T02:00:00.5+02:00')": Compare(
        Path("created_at"), "gt", datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    ),
    "created_at < DATE('2024-02-29')": Compare(Path("created_at"), "lt", datetime(2024, 2, 29, tzinfo=UTC)),
    "A_CONTAINS(tags, ('a','b'))": Contains(TAGS, ("a", "b")),
    "A_OVERLAPS(tags, ('a','b'))": Contains(TAGS, ("a", "b"), every=False),
    "A_CONTAINS(tags, ())": Contains(TAGS, ()),
    "tags_contain('lts')": Contains(TAGS, ("lts",)),
    "contains(tags, 'lts')": Contains(TAGS, ("lts",)),
    "contains(name, 'x')": Contains(NAME, ("x",)),
    "has_key(properties, 'a.b')": HasKey(Path("properties"), "a.b"),
    "matches('Rescue debian, RESCUE')": Matches(("rescue", "debian")),
    "matches('rescue', name, \"in\")": Matches(("rescue",), ("name", "in")),
    "references('sha256:00')": References("sha256:00"),
    "linked_from('images', 'parent')": Followed("images", "parent", And(())),
    "linked_from('images', 'parents', name = 'x' AND is_public)": Followed("images", "parents", And((NAMED, PUBLIC))),
    "linked_from('flavors', 'images', caret(version, '1:2-1'))": Followed(
        "flavors", "images", Within(Path("version"), "caret", "1:2-1")
    ),
    "NOT linked_from('images', 'parent', parent.name = 'x')": Not(
        Followed("images", "parent", Follow(PARENT, "images", NAMED))
    ),
    "any(parent, linked_from('images', 'anything', matches('a', name)))": Follow(
        PARENT, "images", Followed("images", "anything", Matches(("a",), ("name",)))
    ),
    "caret(version, '1.2')": Within(Path("version"), "caret", "1.2"),
    "tilde(version, '1.2')": Within(Path("version"), "tilde", "1.2"),
    "caret(flavor.version, '1:2-1')": Follow(
        Path("flavor"),
        "flavors",
        Within(Path("version"), "caret", "1:2-1"),
    ),
    'properties."a.b" = 1': Compare(Path("properties", ("a.b",)), "eq", 1),
    "properties.a.b = 1": Compare(Path("properties", ("a", "b")), "eq", 1),
    'properties."" = 1': Compare(Path("properties", ("",)), "eq", 1),
    'properties."q""q" = 1': Compare(Path("properties", ('q"q',)), "eq", 1),
    "properties.and = 1": Compare(Path("properties", ("and",)), "eq", 1),
    "properties.k = json('[1, null]')": Compare(Path("properties", ("k",)), "eq", [1, None]),
    "properties.k = json('null')": Compare(Path("properties", ("k",)), "eq", None),
    '"in" = 1': Compare(Path("in"), "eq", 1),
    "hw.cpu = 1": Compare(Path("hw", ("cpu",)), "eq", 1),
    "hw.opts.x = 1": Compare(Path("hw", ("opts", "x")), "eq", 1),
    "disk.size = 1": Compare(Path("disk", ("size",)), "eq", 1),
    "disk.url = 'u'": Compare(Path("disk", ("url",)), "eq", "u"),
    "disk.media_type = 'm'": Compare(Path("disk", ("media_type",)), "eq", "m"),
    "disk.sha256 = '9f'": Compare(Path("disk", ("digests", "sha256")), "eq", "9f"),
    "disk.digests.md5 = '9f'": Compare(Path("disk", ("digests", "md5")), "eq", "9f"),
    'layers."base".size = 1': Compare(Path("layers", ("base", "size")), "eq", 1),
    "layers.digests.digests.md5 = '9f'": Compare(Path("layers", ("digests", "digests", "md5")), "eq", "9f"),
    "layers.base IS NULL": Absent(Path("layers", ("base",))),
    "layers.sha256 IS NULL": Absent(Path("layers", ("sha256",))),
    "parent IS NULL": Absent(PARENT),
    "parent.name = 'x'": Follow(PARENT, "images", NAMED),
    "parent.flavor.name = 'x'": Follow(PARENT, "images", Follow(Path("flavor"), "flavors", NAMED)),
    "parent.is_public": Follow(PARENT, "images", PUBLIC),
    "parent.name NOT LIKE 'x%'": Not(Follow(PARENT, "images", Text(NAME, "starts", "x"))),
    "parent.name IS NOT NULL": Follow(PARENT, "images", Not(Absent(NAME))),
    "parent.name IS NULL": Not(Follow(PARENT, "images", Not(Absent(NAME)))),
    "any(parents, name = 'x')": Follow(Path("parents"), "images", NAMED),
    "any(parent, name = 'x' AND is_public)": Follow(PARENT, "images", And((NAMED, PUBLIC))),
    "any(parent.parents, is_public)": Follow(PARENT, "images", Follow(Path("parents"), "images", PUBLIC)),
    "any(flavor, any(images, min_ram <= 2048))": Follow(
        Path("flavor"), "flavors", Follow(Path("images"), "images", LITTLE)
    ),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_text_means(text):
    assert read(text) == MEANINGS[text]


@pytest.mark.parametrize("text", MEANINGS)
def test_what_a_text_means_prints_back_to_the_same_tree(text):
    assert back(MEANINGS[text]) == (MEANINGS[text], MEANINGS[text])


def test_the_example_of_the_issue_is_read():
    text = "min_ram <= 2048 AND tags_contain('lts') AND (arch = 'aarch64' OR parent.name LIKE 'base%')"
    either = Compare(Path("arch"), "eq", "aarch64") | Follow(PARENT, "images", Text(NAME, "starts", "base"))
    assert read(text) == LITTLE & Contains(TAGS, ("lts",)) & either


def test_and_binds_tighter_than_or_and_not_tightest():
    assert read("NOT is_public AND name = 'x' OR min_ram <= 2048") == (~PUBLIC & NAMED) | LITTLE


def test_parentheses_come_first_and_flatten_as_the_operators_do():
    assert read("is_public AND (name = 'x' AND min_ram <= 2048)") == PUBLIC & NAMED & LITTLE
    assert read("is_public AND ((name = 'x') OR min_ram <= 2048)") == PUBLIC & (NAMED | LITTLE)


def test_two_bounds_of_two_fields_are_no_between():
    tree = read("min_ram >= 1 AND ratio <= 2.5")
    assert back(tree) == (tree, tree)


def test_the_and_of_between_is_not_the_operator():
    pair = (Compare(RAM, "ge", 1), Compare(RAM, "le", 2))
    assert read("min_ram BETWEEN 1 AND 2 AND is_public") == And((*pair, PUBLIC))


@pytest.mark.parametrize("text", ["not IS_public", "Not is_public and NAME is NULL"])
def test_names_of_fields_keep_their_case(text):
    refused(text, UnknownFieldError)


def test_keywords_and_functions_have_no_case():
    text = "Not is_public aNd Casei(name) lIKE cAsEi('x') oR Tags_Contain('a') and name nOt iN ('b') and name iS nuLL"
    assert read(text) == read(text.lower().replace("casei(name) like casei('x')", "CASEI(name) LIKE CASEI('x')"))


def test_a_name_may_begin_with_a_keyword():
    spec = TypeSpec("t", (FieldSpec(name="android", kind="bool"), FieldSpec(name="island", kind="bool")))
    assert (
        print_text(parse_text("android and not island", spec, SPECS), spec, SPECS)
        == "android = TRUE AND NOT island = TRUE"
    )


def test_white_space_is_free():
    assert read("\n min_ram\t<=2048 \r\n") == LITTLE


@pytest.mark.parametrize("nots", range(5))
@pytest.mark.parametrize("text", ["name IS NULL", "parent.name IS NULL", "parent.parent.name IS NULL"])
def test_every_not_of_what_is_absent_is_read_back(text, nots):
    predicate = read(text)
    for _ in range(nots):
        predicate = Not(predicate)
    assert back(predicate) == (predicate, predicate)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("(name = 'x') AND ((is_public))", "name = 'x' AND is_public = TRUE"),
        ("NOT (name = 'x' OR is_public)", "NOT (name = 'x' OR is_public = TRUE)"),
        ("NOT NOT is_public", "NOT (NOT is_public = TRUE)"),
        ("NOT name IS NULL", "name IS NOT NULL"),
        ("NOT parent.name IS NULL", "parent.name IS NOT NULL"),
        ("disk.digests.sha256 = '9f'", "disk.sha256 = '9f'"),
        ("any(parent, name LIKE 'x%')", "parent.name LIKE 'x%'"),
        ("min_ram >= 1 AND min_ram <= 2", "min_ram BETWEEN 1 AND 2"),
        ("linked_from('images', 'parent', TRUE)", "linked_from('images', 'parent')"),
    ],
)
def test_the_printed_text_is_the_plain_one(text, printed):
    assert print_text(read(text), IMAGES, SPECS) == printed


# --- JSON -----------------------------------------------------------------------------------------------------------


def prop(name):
    return {"property": name}


DOCUMENTS = [
    ("min_ram <= 2048", {"op": "<=", "args": [prop("min_ram"), 2048]}),
    ("name IS NOT NULL", {"op": "not", "args": [{"op": "isNull", "args": [prop("name")]}]}),
    ("name IN ('a')", {"op": "in", "args": [prop("name"), ["a"]]}),
    ("min_ram BETWEEN 1 AND 2", {"op": "between", "args": [prop("min_ram"), 1, 2]}),
    ("name LIKE 'a%'", {"op": "like", "args": [prop("name"), "a%"]}),
    ("is_public = TRUE OR FALSE", {"op": "or", "args": [False, {"op": "=", "args": [prop("is_public"), True]}]}),
    ("TRUE", {"op": "and", "args": [True, True]}),
    ("A_CONTAINS(tags, ('a'))", {"op": "a_contains", "args": [prop("tags"), ["a"]]}),
    ('properties."a.b" = 1.5', {"op": "=", "args": [prop('properties."a.b"'), 1.5]}),
    (
        "any(parents, is_public = TRUE)",
        {"op": "any", "args": [prop("parents"), {"op": "=", "args": [prop("is_public"), True]}]},
    ),
    (
        "linked_from('images', 'parent', is_public = TRUE)",
        {"op": "linked_from", "args": ["images", "parent", {"op": "=", "args": [prop("is_public"), True]}]},
    ),
    ("matches('a', name)", {"op": "matches", "args": ["a", prop("name")]}),
    (
        "created_at < TIMESTAMP('2024-02-29T00:00:00Z')",
        {"op": "<", "args": [prop("created_at"), {"timestamp": "2024-02-29T00:00:00Z"}]},
    ),
    (
        "CASEI(name) = CASEI('X')",
        {"op": "=", "args": [{"op": "casei", "args": [prop("name")]}, {"op": "casei", "args": ["X"]}]},
    ),
]


@pytest.mark.parametrize(("text", "document"), DOCUMENTS)
def test_json_is_the_form_of_cql2(text, document):
    assert print_json(read(text), IMAGES, SPECS) == document
    assert parse_json(document, IMAGES, SPECS) == read(text)


def test_json_reads_a_date_and_a_bare_truth():
    assert parse_json({"op": "<", "args": [prop("created_at"), {"date": "2024-02-29"}]}, IMAGES, SPECS).value.day == 29
    assert parse_json(True, IMAGES, SPECS) == And(())


BAD_JSON = [
    None,
    5,
    "is_public",
    [],
    [True],
    {},
    {"op": "="},
    {"op": "=", "args": []},
    {"op": "=", "args": {}},
    {"op": 5, "args": []},
    {"op": "=", "args": [prop("name"), None]},
    {"op": "=", "args": [prop("name"), ["a"]]},
    {"op": "=", "args": [prop("name"), {"interval": ["a", "b"]}]},
    {"op": "=", "args": [prop("name"), "a\0"]},
    {"op": "=", "args": [prop("name"), "\ud800"]},
    {"op": "=", "args": [prop("min_ram"), 2**63]},
    {"op": "=", "args": [prop("ratio"), float("nan")]},
    {"op": "=", "args": [prop("ratio"), 1 + 2j]},
    {"op": "=", "args": [prop("a b"), 1]},
    {"op": "=", "args": [prop(""), 1]},
    {"op": "=", "args": [prop("name"), "a"], "note": 1},
    {"op": "a_containedBy", "args": [prop("tags"), ["a"]]},
    {"op": "s_\ud800", "args": []},
    {"op": "IN", "args": [prop("name"), ["a"]]},
    {"op": "in", "args": [prop("name"), "a"]},
    {"op": "matches", "args": [5]},
    {"op": "matches", "args": ["a", "name"]},
    {"op": "linked_from", "args": [prop("images"), "parent"]},
    {"op": "linked_from", "args": ["images", prop("parent")]},
    {"op": "and", "args": [{"op": "like", "args": [prop("name"), 5]}]},
    {1: 2},
]


@pytest.mark.parametrize("document", BAD_JSON)
def test_a_wrong_document_is_a_syntax_error_that_names_the_place(document):
    with pytest.raises(QuerySyntaxError, match=r"\(at \$") as caught:
        parse_json(document, IMAGES, SPECS)
    assert caught.value.position is None
    str(caught.value).encode()


def test_a_document_that_holds_itself_is_refused():
    document = {"op": "not", "args": []}
    document["args"].append(document)
    with pytest.raises(QuerySyntaxError, match="deeper than 100"):
        parse_json(document, IMAGES, SPECS)


# --- mistakes -------------------------------------------------------------------------------------------------------

MISTAKES = [
    ("", 0, "expected a name, a value, ( or NOT, found the end of the text"),
    ("min_ram > ", 9, "found the end of the text"),
    ("min_ram == 5", 9, "found ="),
    ("min_ram != 5", 8, "written <>"),
    ("min_ram + 1 = 5", 8, "without arithmetic"),
    ("is_public && is_public", 10, "joined with AND"),
    ("(is_public", 10, "expected a comma or )"),
    ("is_public)", 9, "found )"),
    ("name = 'abc", 7, "not closed"),
    ('"name = 5', 0, "not closed"),
    ('name = "x"', 7, "texts stand in single quotes"),
    ("name = arch", 7, "fields compare with values"),
    ("1 = 1", 0, "expected the name of a field"),
    ("min_ram", 0, "only a bool is a condition alone"),
    ("'x'", 0, "a value alone is no condition"),
    ("(is_public, is_public)", 0, "a list alone is no condition"),
    ("name = 'a' name = 'b'", 11, "expected AND, OR or the end of the text, found name"),
    ("name = NULL", 7, "found NULL"),
    ("name NOT = 'x'", 9, "expected LIKE, IN or BETWEEN"),
    ("name IS 'x'", 8, "expected NOT or NULL"),
    ("min_ram BETWEEN 1 OR 2", 18, "expected AND, found OR"),
    ("name LIKE 'a%b'", 10, "% within"),
    ("name LIKE 'a_'", 10, "wildcard _"),
    ("name LIKE 'a\\'", 10, "lone"),
    ("name LIKE 5", 10, "pattern in single quotes"),
    ("name IN 'a'", 8, "expected ("),
    ("name = ('a', 'b')", 7, "expected one value"),
    ("name = (is_public = TRUE)", 18, "found a condition"),
    ("CASEI(name) = 'x'", 14, "one side only"),
    ("name = CASEI('x')", 13, "one side only"),
    ("foo(name)", 0, "there is no function 'foo'"),
    ("match('x')", 0, "did you mean 'matches'"),
    ("upper(name) = 'X'", 0, "there is no function 'upper'"),
    ("name = upper('x')", 7, "there is no function 'upper'"),
    ("ACCENTI(name) = ACCENTI('x')", 0, "not offered"),
    ("S_INTERSECTS(name, 'x')", 0, "no geometry"),
    ("T_AFTER(created_at, DATE('2024-01-01'))", 0, "TIMESTAMP"),
    ("A_EQUALS(tags, ('a'))", 0, "A_CONTAINS"),
    ("A_CONTAINEDBY(tags, ('a'))", 0, "A_CONTAINS"),
    ("A_CONTAINS(tags, 'a')", 17, "list in parentheses"),
    ("isNull(name)", 0, "no function"),
    ('"and"(is_public)', 0, "no function"),
    ("any(parent)", 0, "found 1 argument"),
    ("any(name, is_public)", 4, "takes a link"),
    ("any(parent = 1, is_public)", 11, "expected the name of a field"),
    ("linked_from('images')", 0, "found 1 argument"),
    ("linked_from('images', 'parent', is_public, is_public)", 0, "found 4 arguments"),
    ("linked_from(images, 'parent')", 12, "the name of a type as a text in single quotes"),
    ("linked_from('images', parent)", 22, "the name of a link as a text in single quotes"),
    ("linked_from('imags', 'parent')", 12, "there is no type 'imags'"),
    ("linked_from('images', 'name')", 22, "images.name is none"),
    ("linked_from('images', 'parent', 'x')", 32, "a value alone is no condition"),
    ("matches()", 0, "found 0 arguments"),
    ("matches('a', 'name')", 13, "expected the name of a field"),
    ("matches('a', parent.name)", 13, "fields of the artifact itself"),
    ("matches('a', properties.k)", 13, "fields of the artifact itself"),
    ("caret(name, '1')", 6, "takes a version field"),
    ("caret(version, 'x y')", 15, "no version of the scheme 'semver'"),
    ("created_at < TIMESTAMP('yesterday')", 23, "expected a time like"),
    ("created_at < TIMESTAMP('2024-01-01T00:00:00')", 23, "expected a time like"),
    ("created_at < TIMESTAMP('0001-01-01T00:00:00+02:00')", 23, "expected a time like"),
    ("created_at < DATE('2024-02-30')", 18, "expected a day like"),
    ("TIMESTAMP('2024-01-01T00:00:00Z')", 0, "is a value"),
    ("min_ram = 9223372036854775808", 10, "64 bits"),
    ("min_ram = -9223372036854775809", 10, "64 bits"),
    (f"min_ram = {'9' * 5000}", 10, "64 bits"),
    ("ratio = 1e999", 8, "too great"),
    ("properties.k = json('{')", 20, "expected a JSON"),
    ("properties.k = json('1')", 20, "expected a JSON"),
    ("properties.k = json('[NaN]')", 20, "expected a JSON"),
    ("properties.k = json('[1e999]')", 20, "expected a JSON"),
    ("properties.k = json('[9223372036854775808]')", 20, "expected a JSON"),
    (r"""properties.k = json('["\u0000"]')""", 20, "expected a JSON"),
    (r"""properties.k = json('["\ud800"]')""", 20, "expected a JSON"),
    (f"properties.k = json('{'[' * 5000}{']' * 5000}')", 20, "expected a JSON"),
    ("name = 'a\0'", 9, "NUL"),
    ("name = '\ud800'", 8, "surrogate"),
    ("name = 'x'; DROP TABLE images", 10, "begins nothing"),
]


@pytest.mark.parametrize(("text", "position", "words_of_it"), MISTAKES, ids=lambda value: ascii(value)[:40])
def test_a_mistake_is_told_with_its_position(text, position, words_of_it):
    error = refused(text)
    assert error.position == position
    assert words_of_it in str(error)
    assert f"(at {position}: " in str(error)
    str(error).encode()


def test_the_text_around_a_mistake_is_marked():
    assert "name = 'x' AND min_ram «!»= 5 OR name = 'y'" in str(refused("name = 'x' AND min_ram != 5 OR name = 'y'"))


def test_no_word_of_the_parser_reaches_the_user():
    told = " ".join(str(refused(text)) for text, _, _ in MISTAKES)
    assert not re.search(r"NAME|STRING|NUMBER|TRUTH|LEFT|_AND|_OR|_COMMA|\$END|COMPARISON|Token|lark", told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("min_rm = 1", r"images has no field 'min_rm': did you mean 'min_ram'"),
        ("parent.flavor.nam = 'x'", r"flavors has no field 'nam': did you mean 'name'"),
        ("any(flavor, min_ram = 1)", "flavors has no field 'min_ram'"),
        ("linked_from('flavors', 'image')", "flavors has no field 'image': did you mean 'images'"),
        ("linked_from('flavors', 'images', min_ram = 1)", "flavors has no field 'min_ram'"),
        ("matches('a', nam)", "images has no field 'nam': did you mean 'name'"),
        ("hw.cpus = 1", r"images.hw has no attribute 'cpus': did you mean 'cpu'"),
        ("disk.siz = 1", r"images.disk has no attribute 'siz': did you mean 'size'"),
        ("layers.base.siz = 1", r"images.layers.base has no attribute 'siz'"),
        ("disk.digests = 'x'", "name one, such as images.disk.digests.md5"),
        ("name.first = 'x'", "there is nothing inside it"),
        ("parents.name = 'x'", "write any(parents, name"),
        ("flavor.images.name = 'x'", "write any(images, name"),
    ],
)
def test_a_wrong_name_is_told_with_type_field_and_nearest_spelling(text, told):
    assert told in str(refused(text, UnknownFieldError))


def test_a_link_to_any_type_or_to_an_unknown_one_cannot_be_followed():
    assert "artifacts of any type" in str(refused("anything.name = 'x'", QueryError))
    with pytest.raises(QueryError, match="the type 'flavors', which is not known"):
        parse_text("any(flavor, name = 'x')", IMAGES, {}.get)


# --- bounds ---------------------------------------------------------------------------------------------------------

DEEP = [
    "(" * 50_000,
    "NOT " * 20_000 + "is_public",
    "parent." * 14_000 + "is_public",
    "any(parent, " * 5_000 + "is_public" + ")" * 5_000,
    "linked_from('images', 'parent', " * 3_000 + "is_public" + ")" * 3_000,
    "(is_public AND " * 5_000 + "is_public" + ")" * 5_000,
    "'" * 99_999,
    '"' * 99_999,
    "f(" * 30_000,
    "is_public = " * 8_000,
    "x" * 100_001,
]


@pytest.mark.parametrize("text", DEEP, ids=lambda text: text[:16])
def test_a_monstrous_text_is_a_syntax_error(text):
    assert len(str(refused(text))) < 500


def test_a_hundred_levels_are_read_and_print_back():
    tree = read("NOT " * 99 + "is_public")
    assert back(tree) == (tree, tree)
    assert "deeper than 100" in str(refused("NOT " * 100 + "is_public"))


def test_links_count_as_levels_however_they_are_written():
    tree = read("parent." * 99 + "is_public")
    assert back(tree) == (tree, tree)
    refused("parent." * 100 + "is_public")
    refused("parent." * 98 + "min_ram BETWEEN 1 AND 2 AND is_public")
    back_again = "linked_from('images', 'parent', "
    tree = read(back_again * 99 + "is_public" + ")" * 99)
    assert back(tree) == (tree, tree)
    refused(back_again * 100 + "is_public" + ")" * 100)


def test_parentheses_alone_are_no_levels():
    assert read("(" * 20_000 + "is_public" + ")" * 20_000) == PUBLIC


def test_a_predicate_too_deep_for_the_text_form_is_refused_when_printed():
    tree = PUBLIC
    for _ in range(5_000):
        tree = Not(tree)
    with pytest.raises(QueryError, match="deeper than 100"):
        print_text(tree, IMAGES, SPECS)


def test_a_long_list_is_fine():
    values = tuple(range(9_000))
    assert read(f"min_ram IN {values}") == In(RAM, values)


# --- values that are written as text --------------------------------------------------------------------------------


class Arch(enum.Enum):
    ARM = "aarch64"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Arch.ARM, "'aarch64'"),
        (enum.IntEnum("Size", ["SMALL"]).SMALL, "1"),
        (Version("1.2.3"), "'1.2.3'"),
        (UUID(int=5), "'00000000-0000-0000-0000-000000000005'"),
        (datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "TIMESTAMP('2024-01-01T00:00:00Z')"),
        ({"b": [1, None], "a": True}, """json('{"a":true,"b":[1,null]}')"""),
    ],
)
def test_a_value_of_python_is_written_as_the_text_that_means_it(value, text):
    assert print_text(Compare(NAME, "eq", value), IMAGES, SPECS) == f"name = {text}"


@pytest.mark.parametrize(
    "value",
    [object(), b"x", 2**63, float("inf"), "\0", "\ud800", datetime(2024, 1, 1), [object()], {1: 2}, (1, 2)],
)
def test_a_value_that_has_no_text_form_is_refused(value):
    with pytest.raises(QueryError):
        print_text(Compare(NAME, "eq", value), IMAGES, SPECS)


def test_a_key_that_no_catalogue_holds_is_refused():
    with pytest.raises(QueryError):
        print_text(Absent(Path("properties", ("\0",))), IMAGES, SPECS)


def test_without_lark_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "lark", None)
    _text._parser.cache_clear()
    with pytest.raises(MissingExtraError, match=r"metastore-engine\[cql2\]"):
        read("is_public")
    assert parse_json(True, IMAGES, SPECS) == And(())


# --- properties -----------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(KEYS)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
values = json_values | st.datetimes(timezones=st.just(UTC))
paths = st.one_of(
    st.sampled_from(["id", "name", "version", "min_ram", "created_at", "tags", "disk", "parent", "parents", "in"]).map(
        Path
    ),
    st.builds(Path, st.sampled_from(["name", "arch"]), folded=st.just(True)),
    st.builds(Path, st.just("properties"), st.lists(texts, min_size=1, max_size=3).map(tuple)),
    st.builds(lambda keys: Path("hw", ("opts", *keys)), st.lists(texts, max_size=2)),
    st.builds(lambda key: Path("disk", ("digests", key)), texts | st.just("sha256")),
    st.builds(
        lambda key, end: Path("layers", (key, *end)), texts, st.sampled_from([(), ("size",), ("digests", "sha256")])
    ),
)
leaves = st.one_of(
    st.builds(Compare, paths, st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), values),
    st.builds(In, paths, st.lists(values, max_size=3).map(tuple)),
    st.builds(Absent, paths),
    st.builds(Text, paths, st.sampled_from(["starts", "ends", "contains"]), texts),
    st.builds(Contains, paths, st.lists(values, max_size=3).map(tuple), st.booleans()),
    st.builds(HasKey, paths, texts),
    st.builds(
        Matches,
        texts.map(lambda text: tuple(dict.fromkeys(words(text)))),
        st.lists(st.sampled_from(["name", "tags", "in"]), max_size=2).map(tuple),
    ),
    st.builds(References, texts),
    st.builds(
        lambda path, low, high: And((Compare(path, "ge", low), Compare(path, "le", high))), paths, values, values
    ),
    st.sampled_from([And(()), Or(())]),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        inner.map(lambda one: ~one),
        st.builds(
            lambda name, where: Follow(Path(name), "images", where), st.sampled_from(["parent", "parents"]), inner
        ),
        st.builds(Followed, st.just("images"), st.sampled_from(["parent", "parents", "anything"]), inner),
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(predicates)
def test_every_predicate_of_the_face_prints_and_reads_back(predicate):
    assert back(predicate) == (predicate, predicate)


@settings(max_examples=200)
@given(predicates)
def test_text_to_tree_to_json_to_tree_keeps_the_tree(predicate):
    tree = read(print_text(predicate, IMAGES, SPECS))
    document = print_json(tree, IMAGES, SPECS)
    assert read(print_text(parse_json(document, IMAGES, SPECS), IMAGES, SPECS)) == tree


SIGNS = ["(", ")", ",", "=", "<>", "<=", "'", '"', "\\", ".", "%", "1", "-2.5e3", "'x%'", "(1, 'a')"]
WORDS = ["and", "or", "not", "in", "is null", "like", "between", "parent", "name", "parent.name", "true"]
CALLS = ["casei(", "any(", "json(", "timestamp(", "linked_from('images', 'parent'", "matches('a'"]
TOKENS = st.sampled_from([*MEANINGS, *SIGNS, *WORDS, *CALLS])


@settings(max_examples=400)
@given(st.lists(TOKENS, max_size=9).map(" ".join) | st.text(max_size=20) | st.text(string.printable, max_size=30))
def test_any_text_is_read_or_refused_in_our_words(text):
    try:
        tree = read(text)
    except (QueryError, ValidationError):
        pass
    else:
        assert back(tree) == (tree, tree)


OPS = ["=", "<", "and", "or", "not", "in", "like", "between", "isNull", "casei", "any", "json", "contains", "t_x"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("a%")
properties = st.sampled_from(["name", "parent.name", "parents", "properties.k", "x"]).map(prop)
documents = st.recursive(
    scalars | properties,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries({"op": st.sampled_from(OPS), "args": st.lists(inner, max_size=3)}),
        st.dictionaries(st.sampled_from(["op", "args", "timestamp", "property"]), inner, max_size=3),
    ),
    max_leaves=10,
)


@settings(max_examples=400)
@given(documents)
def test_any_document_is_read_or_refused_in_our_words(document):
    try:
        tree = parse_json(document, IMAGES, SPECS)
    except (QueryError, ValidationError):
        pass
    else:
        assert back(tree) == (tree, tree)


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PAGE.exists(), reason="asks about the checkout, not the wheel")
def test_the_page_shows_every_function_and_operator():
    page = PAGE.read_text(encoding="utf-8")
    from metastore.cql2._read import FUNCTIONS

    names = [
        *FUNCTIONS,
        "CASEI",
        "TIMESTAMP",
        "DATE",
        "json",
        "BETWEEN",
        "LIKE",
        "IN (",
        "IS NULL",
        "IS NOT NULL",
        "TRUE",
    ]
    assert [name for name in names if name.lower() not in page.lower()] == []

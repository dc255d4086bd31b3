"""A namespace and its document: nothing is lost between them, and what is no definition is refused by its place."""

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Catalog, spec_of
from metastore.builtin.metadefs import Namespace, document_of, fields_of
from metastore.errors import DefinitionError, DuplicateError, MetastoreError
from metastore.policy._defaults import METADEFS

ASSETS = Path(__file__).parent / "assets"
EVERYTHING = json.loads((ASSETS / "everything.json").read_text(encoding="utf-8"))

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda one: one + 0.0)
    | words,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(words, inside, max_size=3),
    max_leaves=6,
)
unknown = st.dictionaries(st.from_regex(r"x-[a-z]{1,4}", fullmatch=True), plain, max_size=2)


def some(needed, /, **optional):
    """Documents with these keys, any of the optional ones left out, and unknown ones."""
    return st.tuples(st.fixed_dictionaries(needed, optional=optional), unknown).map(lambda both: both[0] | both[1])


properties = st.dictionaries(
    names,
    some(
        {"type": st.sampled_from(["array", "boolean", "integer", "number", "object", "string"])},
        title=words,
        default=plain,
        enum=st.lists(plain, max_size=3),
        minimum=st.integers(-9, 9) | st.floats(-9, 9).map(lambda one: one + 0.0),
        readonly=st.booleans(),
        operators=st.lists(words, max_size=2),
        items=some({}, type=st.just("string")),
    ),
    max_size=3,
)


def named(**optional):
    return st.lists(some({"name": names}, **optional), max_size=3, unique_by=lambda each: each["name"])


def or_null(strategy):
    return st.none() | strategy


documents = some(
    {"namespace": names},
    display_name=or_null(words),
    description=or_null(words),
    visibility=or_null(st.sampled_from(["public", "private"])),
    protected=or_null(st.booleans()),
    resource_type_associations=or_null(named(prefix=or_null(words), properties_target=or_null(words))),
    properties=or_null(properties),
    objects=or_null(named(description=or_null(words), required=st.lists(words, max_size=2), properties=properties)),
    tags=or_null(named()),
)


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as opened:
        yield opened


def same(one, other):
    """Whether two JSON values are equal to the letter: 1 is not 1.0, and true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(documents)
def test_a_document_comes_back_as_it_was_from_the_catalogue(document):
    with Catalog.open("memory:") as catalog:
        stored = catalog.add(Namespace(**fields_of(document)))
        assert same(document_of(catalog.get(Namespace, stored.id)), document)


@given(documents)
def test_reading_a_document_changes_nothing_in_it(document):
    before = copy.deepcopy(document)
    document_of(Namespace(**fields_of(document)))
    assert same(document, before)


def test_what_a_namespace_says_stands_in_its_fields():
    namespace = Namespace(**fields_of(EVERYTHING))
    assert (namespace.name, namespace.visibility, namespace.display_name) == (
        "Demo::Everything",
        "public",
        "Everything",
    )
    assert namespace.protected
    assert namespace.property_definitions["cores"]["minimum"] == 1
    assert [each["name"] for each in namespace.objects] == ["Server", "Bare"]
    assert {"owner", "x-unknown"} <= set(namespace.extra)


def test_a_namespace_made_in_python_says_only_what_it_holds():
    assert document_of(Namespace(name="Demo::Small")) == {"namespace": "Demo::Small"}
    assert document_of(Namespace(name="Demo::Open", visibility="public"))["visibility"] == "public"


def test_a_change_of_the_artifact_shows_in_its_document(catalog):
    stored = catalog.add(Namespace(**fields_of({"namespace": "Demo::A", "tags": [], "description": None})))
    changed = catalog.update(stored, description="new", tag_definitions=[{"name": "x"}])
    assert document_of(changed) == {"namespace": "Demo::A", "description": "new", "tags": [{"name": "x"}]}


def test_keys_are_written_in_the_order_of_glance():
    assert list(document_of(Namespace(**fields_of(EVERYTHING))))[:3] == ["namespace", "display_name", "description"]


def test_a_namespace_is_always_active_and_may_be_public_at_once(catalog):
    stored = catalog.add(Namespace(**fields_of(EVERYTHING)))
    assert (stored.status, stored.visibility) == ("active", "public")


def test_who_may_do_what_is_said_by_the_rules_of_glance():
    rules = dict(spec_of(Namespace).rules)
    assert rules.keys() >= {"create", "get", "list", "update", "delete", "publish"}
    assert set(rules.values()) <= set(METADEFS)


def test_a_namespace_has_its_name_for_itself(catalog):
    catalog.add(Namespace(name="Demo::A"))
    with pytest.raises(DuplicateError):
        catalog.add(Namespace(name="Demo::A"))


def broken(place, value):
    """EVERYTHING with another value at a path of keys."""
    document = copy.deepcopy(EVERYTHING)
    *above, last = place
    holder = document
    for key in above:
        holder = holder[key]
    holder[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["namespace"], "", r"1 to 80 characters at \$\.namespace"),
        (["namespace"], "x" * 81, r"1 to 80 characters at \$\.namespace, got one of 81"),
        (["namespace"], None, r"text at \$\.namespace, got null"),
        (["visibility"], "publick", r"\$\.visibility.*did you mean 'public'"),
        (["protected"], "yes", r"true or false at \$\.protected"),
        (["properties"], [], r"an object at \$\.properties"),
        (
            ["properties", "cores"],
            {"title": "no type"},
            r"a key type .* at \$\.properties\['cores'\], got only 'title'",
        ),
        (["properties", "cores", "type"], "int", r"\$\.properties\['cores'\]\.type"),
        (["properties", "cores", "minimum"], "1", r"a number at \$\.properties\['cores'\]\.minimum"),
        (["properties", "cores", "maximum"], True, r"a number at .*\.maximum"),
        (["properties", "cores", "required"], "yes", r"a list at .*\.required"),
        (["properties", "serial", "pattern"], "([", r"a regular expression at .*\.pattern"),
        (["properties", "serial", "minLength"], -1, r"a whole number, 0 or more, at .*\.minLength"),
        (["properties", "model", "enum"], "virtio", r"a list at .*\.enum"),
        (["properties", "cpu:features", "items"], 3, r"an object at .*\.items"),
        (["properties", "pair", "items", 1], {"type": "text"}, r"\.items\[1\]\.type"),
        (["objects", 0, "name"], 3, r"text at \$\.objects\[0\]\.name"),
        (["objects", 0, "properties", "port"], "integer", r"\$\.objects\[0\]\.properties\['port'\]"),
        (["objects", 1], {"name": "Server"}, r"each name once at \$\.objects, got 'Server' twice"),
        (["objects", 1], {}, r"a key name at \$\.objects\[1\]"),
        (["tags"], "Linux", r"a list at \$\.tags"),
        (["tags", 0], "Linux", r"an object at \$\.tags\[0\]"),
        (["resource_type_associations", 0, "prefix"], 1, r"text at \$\.resource_type_associations\[0\]\.prefix"),
    ],
)
def test_what_is_no_definition_is_refused_by_its_place(place, value, words):
    with pytest.raises(DefinitionError, match=words):
        fields_of(broken(place, value))


@pytest.mark.parametrize("document", [None, [], "x", 3, {}, {"name": "OS::X"}])
def test_what_is_no_document_at_all_is_refused(document):
    with pytest.raises(DefinitionError):
        fields_of(document)


@given(plain, st.sampled_from(sorted(EVERYTHING)))
def test_whatever_stands_under_a_known_key_is_taken_whole_or_refused(value, key):
    document = {**EVERYTHING, key: value}
    with contextlib.suppress(MetastoreError):
        assert same(document_of(Namespace(**fields_of(document))), document)

"""Definition files: read as they are, all or none, and written back equal."""

import json
from pathlib import Path

import pytest

from metastore import Catalog
from metastore.builtin.metadefs import Loaded, Namespace, document_of, load_definitions, write_definitions
from metastore.errors import DefinitionError, ValidationError

ASSETS = Path(__file__).parent / "assets"
FILES = sorted(ASSETS.glob("*.json"))


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as opened:
        yield opened


@pytest.fixture
def put(tmp_path):
    def write(document, name="one.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    return write


def said(path):
    return json.loads(path.read_text(encoding="utf-8"))


def now(catalog, name="Demo::A"):
    return document_of(catalog.get(Namespace, name=name))


def test_every_file_of_a_folder_is_loaded_and_written_back_equal(catalog, tmp_path):
    loaded = load_definitions(catalog, ASSETS)
    assert set(loaded.added) == {"Demo::Everything", "Demo::Exported", "Demo::Bare"}
    written = write_definitions(catalog, tmp_path / "out")
    read, back = ({said(path)["namespace"]: said(path) for path in paths} for paths in (FILES, written))
    assert json.dumps(back, sort_keys=True) == json.dumps(read, sort_keys=True)


def test_what_was_written_can_be_loaded_into_another_catalogue(catalog, tmp_path):
    load_definitions(catalog, FILES)
    write_definitions(catalog, tmp_path)
    with Catalog.open("memory:") as other:
        load_definitions(other, str(tmp_path))
        assert now(other, "Demo::Everything") == now(catalog, "Demo::Everything")


def test_one_file_may_be_given_alone_and_begin_with_a_mark(catalog, put):
    path = put("\ufeff" + json.dumps({"namespace": "Demo::A"}))
    assert load_definitions(catalog, path) == Loaded(("Demo::A",), (), ())


def test_whose_the_namespaces_are_is_said_by_the_loader(catalog, put):
    load_definitions(catalog, put({"namespace": "Demo::A", "owner": "somebody"}), owner="admin")
    assert catalog.get(Namespace, name="Demo::A").owner == "admin"


def test_a_predicate_says_which_are_written(catalog, tmp_path):
    load_definitions(catalog, ASSETS)
    [path] = write_definitions(catalog, tmp_path, Namespace.name == "Demo::Bare")
    assert (path.name, said(path)) == ("Demo.Bare.json", {"namespace": "Demo::Bare"})


def test_two_owners_namespaces_of_one_name_are_not_written_over_each_other(catalog, tmp_path, put):
    for owner in ("a", "b"):
        load_definitions(catalog, put({"namespace": "Demo::A"}), owner=owner)
    with pytest.raises(ValidationError, match="several owners have a namespace Demo::A"):
        write_definitions(catalog, tmp_path)
    assert len(write_definitions(catalog, tmp_path, Namespace.owner == "b")) == 1


@pytest.mark.parametrize("name", ["../escape", "a/b", ".", "..", "~", "x" * 80, "大" * 80, "A.B", "C:\\d"])
def test_no_name_leads_out_of_the_folder_and_none_is_too_long(name, catalog, tmp_path):
    catalog.add(Namespace(name=name))
    [path] = write_definitions(catalog, tmp_path / "out")
    assert [path] == list((tmp_path / "out").iterdir())
    assert said(path) == {"namespace": name}


def test_no_two_names_share_a_file(catalog, tmp_path):
    names = {"A::B", "A.B", "A:B", "A%3AB", "A%2EB", "a::b", "大" * 79 + "x", "大" * 79 + "y"}
    catalog.add_many(Namespace(name=name) for name in names)
    assert {said(path)["namespace"] for path in write_definitions(catalog, tmp_path)} == names


# --- one that is there ---

OLD = {
    "namespace": "Demo::A",
    "display_name": "old",
    "properties": {"p": {"type": "string"}, "q": {"type": "string"}},
    "objects": [{"name": "o", "description": "old"}],
    "tags": [{"name": "t"}],
    "x-old": 1,
    "x-both": "old",
}
NEW = {
    "namespace": "Demo::A",
    "display_name": "new",
    "description": "new",
    "visibility": "public",
    "properties": {"q": {"type": "integer"}, "r": {"type": "integer"}},
    "objects": [{"name": "n"}, {"name": "o", "description": "new"}],
    "resource_type_associations": [{"name": "images"}],
    "x-both": "new",
}
MERGED = {
    "namespace": "Demo::A",
    "display_name": "old",
    "description": "new",
    "properties": {"p": {"type": "string"}, "q": {"type": "string"}, "r": {"type": "integer"}},
    "objects": [{"name": "o", "description": "old"}, {"name": "n"}],
    "tags": [{"name": "t"}],
    "resource_type_associations": [{"name": "images"}],
    "x-old": 1,
    "x-both": "old",
}
PREFERRED = {
    **MERGED,
    "display_name": "new",
    "visibility": "public",
    "properties": {**MERGED["properties"], "q": {"type": "integer"}},
    "objects": [{"name": "o", "description": "new"}, {"name": "n"}],
    "x-both": "new",
}


@pytest.mark.parametrize(
    ("mode", "wanted"), [("skip", OLD), ("merge", MERGED), ("prefer_new", PREFERRED), ("overwrite", NEW)]
)
def test_a_mode_says_what_becomes_of_a_namespace_that_is_there(mode, wanted, catalog, put):
    load_definitions(catalog, put(OLD))
    loaded = load_definitions(catalog, put(NEW), mode=mode)
    assert now(catalog) == wanted
    assert (loaded.kept if mode == "skip" else loaded.changed) == ("Demo::A",)


@pytest.mark.parametrize("mode", ["skip", "merge", "prefer_new", "overwrite"])
def test_loading_the_same_again_changes_nothing(mode, catalog):
    load_definitions(catalog, ASSETS)
    again = load_definitions(catalog, ASSETS, mode=mode)
    assert (again.added, again.changed, len(again.kept)) == ((), (), 3)
    assert {each.revision for each in catalog.find(Namespace)} == {1}


def test_null_says_nothing_against_what_is_there(catalog, put):
    load_definitions(catalog, put(NEW))
    load_definitions(catalog, put({"namespace": "Demo::A", "visibility": None, "tags": None}), mode="prefer_new")
    assert now(catalog) == {**NEW, "tags": None}


# --- what is none ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"expected JSON at line 1, column 1"),
        ('{"namespace": "Demo::A",\n  "tags": [}', r"expected JSON at line 2, column 12"),
        ("[" * 100_000, "two.json: "),
        ('{"namespace": "Demo::A", "x": NaN}', "expected a JSON value, got NaN"),
        ('{"namespace": "Demo::A", "x": %s}' % ("9" * 5000), "two.json: "),
        ('{"namespace": "Demo::A", "x": %s}' % ("9" * 50), "an int of 64 bits"),
        ('{"namespace": "Demo::A", "x": "\\u0000"}', "text without NUL"),
        ('{"namespace": "Demo::A", "x": "\\ud800"}', "without lone surrogates"),
        ('{"namespace": "Demo::A", "x": ' + "[" * 70 + "]" * 70 + "}", "levels of nesting"),
        (
            '{"namespace": "Demo::A", "properties": {"p": {"type": "string"}, "p": {"type": "number"}}}',
            "the key 'p' stands there twice",
        ),
        ('{"namespace": "A\\u0000"}', r"a name without NUL and lone surrogates at \$\.namespace, got 'A\\x00'"),
        ('{"namespace": "A\\ud800"}', r"a name without NUL and lone surrogates at \$\.namespace, got 'A\\ud800'"),
        ("[]", r"expected an object at \$, got list"),
        ('{"properties": {}}', r"expected a key namespace at \$, got only 'properties'"),
        ('{"namespace": "Demo::A", "properties": {"p": {"type": "int"}}}', r"\$\.properties\['p'\]\.type"),
        ('{"namespace": "Demo::First"}', r"Demo::First is defined in .*one\.json already"),
    ],
)
@pytest.mark.parametrize("mode", ["skip", "overwrite"])
def test_a_file_that_is_none_is_named_with_the_place_and_nothing_is_changed(text, words, mode, catalog, put):
    load_definitions(catalog, put({"namespace": "Demo::First", "description": "before"}, "one.json"))
    first = put({"namespace": "Demo::First", "description": "after"}, "one.json")
    with pytest.raises(DefinitionError, match=words) as refused:
        load_definitions(catalog, [first, put(text, "two.json")], mode=mode)
    assert "two.json" in str(refused.value)
    assert [(each.name, each.description) for each in catalog.find(Namespace)] == [("Demo::First", "before")]


def test_bytes_that_are_no_text_are_named(catalog, tmp_path):
    (tmp_path / "bad.json").write_bytes(b'{"namespace": "\xff"}')
    with pytest.raises(DefinitionError, match=r"bad\.json: .*position 15"):
        load_definitions(catalog, tmp_path)


def test_a_file_that_is_not_there_is_the_systems_error(catalog, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_definitions(catalog, tmp_path / "absent.json")


def test_a_mode_that_is_none_is_refused(catalog):
    with pytest.raises(ValidationError, match="expected mode as one of skip, merge, prefer_new, overwrite"):
        load_definitions(catalog, ASSETS, mode="replace")

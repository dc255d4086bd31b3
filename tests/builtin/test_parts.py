"""Properties, objects, tags and associations come, change and go one by one."""

import pytest

from metastore import Catalog
from metastore.builtin.metadefs import (
    Namespace,
    add_definition,
    document_of,
    remove_definition,
    replace_definition,
)
from metastore.errors import DefinitionError, DuplicateError, NotFoundError, ProtectedError, StaleRevisionError

GOOD = {
    "property": {"type": "integer", "x-unknown": 1},
    "object": {"description": "a group", "properties": {"port": {"type": "integer"}}},
    "tag": {"x-unknown": 1},
    "association": {"prefix": "hw_"},
}
KEYS = {
    "property": "properties",
    "object": "objects",
    "tag": "tags",
    "association": "resource_type_associations",
}
each_part = pytest.mark.parametrize("part", GOOD)


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as opened:
        yield opened


@pytest.fixture
def namespace(catalog):
    return catalog.add(Namespace(name="Demo::Parts"))


def inside(namespace, part):
    """The parts of a kind, as (name, rest) in order."""
    held = document_of(namespace).get(KEYS[part], [])
    if part == "property":
        return list(held.items()) if held else []
    return [(each["name"], {key: value for key, value in each.items() if key != "name"}) for each in held]


@each_part
def test_a_part_is_added_replaced_and_removed(part, catalog, namespace):
    added = add_definition(catalog, namespace, part, "a", GOOD[part])
    assert inside(catalog.get(Namespace, added.id), part) == [("a", GOOD[part])]
    replaced = replace_definition(catalog, added, part, "a", {**GOOD[part], "x-new": True})
    assert inside(replaced, part) == [("a", {**GOOD[part], "x-new": True})]
    assert inside(remove_definition(catalog, replaced, part, "a"), part) == []


@each_part
def test_a_part_that_is_replaced_keeps_its_place_and_leaves_the_others(part, catalog, namespace):
    for name in "abc":
        namespace = add_definition(catalog, namespace, part, name, GOOD[part])
    namespace = replace_definition(catalog, namespace, part, "b", {**GOOD[part], "x-new": 2})
    assert [name for name, _ in inside(namespace, part)] == ["a", "b", "c"]
    assert [name for name, _ in inside(remove_definition(catalog, namespace, part, "b"), part)] == ["a", "c"]


@each_part
def test_a_name_that_is_taken_is_not_added_again(part, catalog, namespace):
    namespace = add_definition(catalog, namespace, part, "a", GOOD[part])
    with pytest.raises(DuplicateError, match="'a' already"):
        add_definition(catalog, namespace, part, "a", GOOD[part])


@each_part
def test_what_is_not_there_is_neither_replaced_nor_removed(part, catalog, namespace):
    with pytest.raises(NotFoundError, match="there are none"):
        replace_definition(catalog, namespace, part, "a", GOOD[part])
    with pytest.raises(NotFoundError):
        remove_definition(catalog, namespace, part, "a")


def test_a_tag_and_an_association_need_no_more_than_a_name(catalog, namespace):
    tagged = add_definition(catalog, namespace, "tag", "Linux")
    assert document_of(add_definition(catalog, tagged, "association", "images")) == {
        "namespace": "Demo::Parts",
        "resource_type_associations": [{"name": "images"}],
        "tags": [{"name": "Linux"}],
    }


@pytest.mark.parametrize(
    ("part", "name", "definition"),
    [
        ("property", "a", None),
        ("property", "a", {}),
        ("property", "a" * 81, {"type": "string"}),
        ("property", "a", {"type": "string", "pattern": "("}),
        ("object", "", {}),
        ("object", "a", {"name": "b"}),
        ("object", "a", {"properties": {"x": 1}}),
        ("tag", 3, {}),
        ("association", "images", {"prefix": 7}),
        ("attribute", "a", {}),
    ],
)
def test_what_is_no_definition_is_not_added(part, name, definition, catalog, namespace):
    with pytest.raises(DefinitionError):
        add_definition(catalog, namespace, part, name, definition)
    assert catalog.get(Namespace, namespace.id).revision == 1


def test_two_who_add_at_once_do_not_lose_each_others_work(catalog, namespace):
    add_definition(catalog, namespace, "tag", "one")
    with pytest.raises(StaleRevisionError):
        add_definition(catalog, namespace, "tag", "other")


@each_part
def test_nothing_is_removed_from_a_protected_namespace_but_it_may_grow(part, catalog):
    namespace = catalog.add(Namespace(name="Demo::Kept", protected=True))
    namespace = add_definition(catalog, namespace, part, "a", GOOD[part])
    with pytest.raises(ProtectedError, match="Demo::Kept is protected"):
        remove_definition(catalog, namespace, part, "a")
    assert inside(replace_definition(catalog, namespace, part, "a", GOOD[part]), part) == [("a", GOOD[part])]

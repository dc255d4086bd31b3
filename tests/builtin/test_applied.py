"""Namespaces applied to types: kept in the catalogue, asked in the write path, free while there are none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from metastore import Catalog
from metastore._applied import check_properties, checker
from metastore.builtin.images import Image
from metastore.builtin.metadefs import (
    Applied,
    Namespace,
    add_definition,
    apply,
    fields_of,
    load_definitions,
    misfits,
    withdraw,
)
from metastore.errors import NotFoundError, ValidationError

ASSETS = Path(__file__).parent / "assets"
NUMA = {
    "namespace": "Demo::Numa",
    "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}, {"name": "datasets"}],
    "properties": {"nodes": {"type": "integer", "minimum": 1}},
}


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as opened:
        yield opened


@pytest.fixture
def namespace(catalog):
    return catalog.add(Namespace(**fields_of(NUMA)))


def test_properties_are_held_against_what_is_applied_to_their_type(catalog, namespace):
    apply(catalog, namespace, "images")
    check_properties(catalog, "images", {"hw_nodes": 2, "free": "form"})
    check_properties(catalog, "datasets", {"nodes": "not applied to datasets"})
    with pytest.raises(ValidationError, match=r"at least 1 at \$\.properties\.hw_nodes, got 0 \(says Demo::Numa\)"):
        check_properties(catalog, "images", {"hw_nodes": 0})


@pytest.mark.parametrize(
    "write",
    [
        lambda catalog, image, wrong: catalog.add(Image(properties=wrong)),
        lambda catalog, image, wrong: catalog.add_many([Image(), Image(properties=wrong)]),
        lambda catalog, image, wrong: catalog.update(image, properties=wrong),
        lambda catalog, image, wrong: catalog.update_many(Image, properties=wrong),
    ],
)
def test_every_write_through_the_catalogue_is_held_against_it(write, catalog, namespace):
    image = catalog.add(Image())
    apply(catalog, namespace, "images")
    with pytest.raises(ValidationError, match=r"\$\.properties\.hw_nodes"):
        write(catalog, image, {"hw_nodes": 0})
    assert [each.properties for each in catalog.find(Image)] == [{}]


def test_another_change_of_what_was_stored_before_is_let_pass(catalog, namespace):
    image = catalog.add(Image(properties={"hw_nodes": 0}))
    apply(catalog, namespace, "images")
    assert catalog.update(image, name="old").name == "old"


def test_nothing_is_checked_before_a_namespace_is_applied(catalog, namespace):
    check_properties(catalog, "images", {"hw_nodes": 0})


def test_while_none_is_applied_no_statement_is_made_and_nothing_is_imported():
    code = (
        "import sys; from metastore import Catalog, _applied\n"
        "with Catalog.open('memory:') as catalog:\n"
        "    del catalog._backend\n"
        "    _applied.check_properties(catalog, 'images', {'a': 1})\n"
        "    print([name for name in sys.modules if name.startswith('metastore.builtin')])\n"
        "    catalog.close = lambda: None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_checker_serves_a_batch_and_there_is_none_where_nothing_is_applied(catalog, namespace):
    assert checker(catalog, "images") is None
    apply(catalog, namespace, "datasets")
    assert checker(catalog, "images") is None
    check = checker(catalog, "datasets")
    check({"nodes": 1})
    with pytest.raises(ValidationError):
        check({"nodes": 0})


def test_applying_again_changes_the_options(catalog, namespace):
    apply(catalog, namespace, "images")
    apply(catalog, namespace, "images", strings=True, additional=False)
    assert catalog.count(Applied) == 1
    check_properties(catalog, "images", {"hw_nodes": "2"})
    with pytest.raises(ValidationError, match="expected only properties that are defined"):
        check_properties(catalog, "images", {"free": "form"})


def test_what_is_withdrawn_counts_no_more(catalog, namespace):
    apply(catalog, namespace, "images")
    withdraw(catalog, namespace, "images")
    check_properties(catalog, "images", {"hw_nodes": 0})
    with pytest.raises(NotFoundError, match="Demo::Numa is not applied to images"):
        withdraw(catalog, namespace, "images")


def test_a_change_of_the_namespace_counts_from_the_next_write(catalog, namespace):
    apply(catalog, namespace, "images")
    add_definition(catalog, namespace, "property", "threads", {"type": "integer"})
    with pytest.raises(ValidationError, match="hw_threads"):
        check_properties(catalog, "images", {"hw_threads": "many"})


def test_a_change_inside_the_transaction_counts_at_once_and_not_after_it_failed(catalog, namespace):
    with pytest.raises(NotFoundError), catalog.transaction():
        apply(catalog, namespace, "images")
        with pytest.raises(ValidationError):
            check_properties(catalog, "images", {"hw_nodes": 0})
        raise NotFoundError
    check_properties(catalog, "images", {"hw_nodes": 0})


def test_several_namespaces_must_all_be_content(catalog, namespace):
    other = {**NUMA, "namespace": "Demo::Even", "properties": {"nodes": {"type": "integer", "enum": [0, 2]}}}
    for each in (namespace, catalog.add(Namespace(**fields_of(other)))):
        apply(catalog, each, "images")
    check_properties(catalog, "images", {"hw_nodes": 2})
    for refused in (0, 3):
        with pytest.raises(ValidationError):
            check_properties(catalog, "images", {"hw_nodes": refused})


def test_what_one_namespace_allows_no_other_need_define(catalog, namespace):
    other = {**NUMA, "namespace": "Demo::Other", "properties": {"threads": {"type": "integer"}}}
    apply(catalog, namespace, "images", additional=False)
    apply(catalog, catalog.add(Namespace(**fields_of(other))), "images")
    check_properties(catalog, "images", {"hw_nodes": 1, "hw_threads": 2})
    with pytest.raises(ValidationError, match="expected only properties that are defined"):
        check_properties(catalog, "images", {"hw_nodes": 1, "hw_cores": 2})


def test_a_namespace_is_applied_only_where_it_is_associated(catalog, namespace):
    with pytest.raises(ValidationError, match="not associated with packages; its associations: OS::Glance::Image, dat"):
        apply(catalog, namespace, "packages")


def test_what_was_stored_before_is_left_alone_and_can_be_asked_for(catalog, namespace):
    catalog.add(Image(properties={"hw_nodes": 1}))
    wrong = catalog.add(Image(properties={"hw_nodes": -1}))
    apply(catalog, namespace, "images")
    [(found, reason)] = misfits(catalog, Image)
    assert found == wrong
    assert "got -1" in str(reason)


def test_another_process_holds_to_what_was_applied_here(tmp_path):
    with Catalog.open(str(tmp_path / "c.db")) as here, Catalog.open(str(tmp_path / "c.db")) as there:
        load_definitions(here, ASSETS)
        apply(here, here.get(Namespace, name="Demo::Everything"), "images")
        with there.transaction(), pytest.raises(ValidationError, match="hw_cores"):
            check_properties(there, "images", {"hw_cores": 0})


def test_applied_namespaces_come_back_from_a_dump(catalog, namespace):
    apply(catalog, namespace, "images", strings=True)
    with Catalog.open("memory:") as other:
        for cls in (Namespace, Applied):
            other.load(cls, json.loads(json.dumps(list(catalog.dump_many(cls)))))
        check_properties(other, "images", {"hw_nodes": "1"})
        with pytest.raises(ValidationError):
            check_properties(other, "images", {"hw_nodes": "0"})

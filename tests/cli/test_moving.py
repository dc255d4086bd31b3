"""copy and compare."""

import pytest

from metastore import Catalog, Record


def test_a_catalogue_is_copied_and_is_equal(metastore, images):
    assert "3 transactions with 3 changes copied" in metastore("copy", "catalog.db", "copy.db").err
    found = metastore("compare", "catalog.db", "copy.db")
    assert (found.code, found.out, found.err) == (0, "", "equal: 1 type, 3 artifacts, 3 transactions with 3 changes\n")
    assert metastore("check", "-c", "copy.db").code == 0


def test_what_is_new_is_brought_by_the_next_copy(metastore, images, path):
    metastore("copy", "catalog.db", "copy.db")
    assert "nothing new" in metastore("copy", "catalog.db", "copy.db").err
    with Catalog.open(str(path)) as catalog:
        catalog.delete(catalog.get(Record, images.alpine.id))
    assert metastore("copy", "catalog.db", "copy.db", "--json").json == [{"transactions": 1, "changes": 1}]
    assert metastore("copy", "catalog.db", "copy.db", "-q").err == ""
    assert metastore("-c", "copy.db", "count", "any").out == "2\n"


def changed(path, ident, **fields):
    with Catalog.open(str(path)) as catalog:
        catalog.update(catalog.get(Record, ident), **fields)


def test_a_difference_names_artifact_field_and_both_values(metastore, images, tmp_path):
    metastore("copy", "catalog.db", "copy.db")
    changed(tmp_path / "copy.db", images.alpine.id, min_ram=7, description="x" * 200)
    found = metastore("compare", "catalog.db", "copy.db")
    assert found.code == 1
    assert ["artifact", "images", str(images.alpine.id), "min_ram", "0", "7"] in found.rows
    assert ["artifact", "images", str(images.alpine.id), "description", "", "x" * 60 + "…"] in found.rows
    assert "differences, in 1 type, 3 artifacts" in found.err


def test_a_report_is_one_object(metastore, images, tmp_path):
    metastore("copy", "catalog.db", "copy.db")
    (report,) = metastore("compare", "catalog.db", "copy.db", "--json").json
    figures = {"types": 1, "artifacts": 3, "transactions": 3, "changes": 3}
    assert report == {"equal": True, **figures, "count": 0, "differences": []}
    changed(tmp_path / "copy.db", images.alpine.id, tags=["x"])
    found = metastore("compare", "catalog.db", "copy.db", "--json", "--limit", 1)
    assert (found.code, found.json[0]["equal"], found.json[0]["count"]) == (1, False, 5)
    assert found.json[0]["differences"] == [
        {
            "what": "artifact",
            "type": "images",
            "id": str(images.alpine.id),
            "field": "tags",
            "source": [],
            "destination": ["x"],
        }
    ]


def test_a_limit_bounds_what_is_shown(metastore, images):
    with Catalog.open("copy.db"):
        pass
    found = metastore("compare", "catalog.db", "copy.db", "--limit", 2)
    assert (found.code, len(found.rows), "7 differences, 2 shown" in found.err) == (1, 2, True)


@pytest.mark.parametrize(
    "words", [("none.db", "copy.db"), ("catalog.db", "none/copy.db"), ("x:y", "copy.db"), (".", "copy.db")]
)
def test_what_cannot_be_opened_is_told_and_nothing_is_made(metastore, images, tmp_path, words):
    for command in ("copy", "compare"):
        found = metastore(command, *words)
        assert (found.code, len(found.err.splitlines())) == (4, 1)
    assert not (tmp_path / "copy.db").exists()


def test_a_destination_of_its_own_is_refused(metastore, images):
    assert metastore("copy", "catalog.db", "copy.db").code == 0
    changed("copy.db", images.alpine.id, min_ram=9)
    found = metastore("copy", "catalog.db", "copy.db")
    assert (found.code, "Copy into an empty catalogue" in found.err) == (3, True)
    assert metastore("copy", "catalog.db", "catalog.db").code == 3


def test_it_is_for_the_owner_of_the_process(metastore, images, tmp_path):
    found = metastore("copy", "catalog.db", "copy.db", "--as-user", "ann")
    assert (found.code, (tmp_path / "copy.db").exists()) == (5, False)
    assert metastore("compare", "catalog.db", "catalog.db", "--as-user", "ann").code == 5


@pytest.mark.parametrize(
    "words", [("copy",), ("copy", "a.db"), ("compare", "a.db"), ("compare", "a.db", "b.db", "--limit", "-1")]
)
def test_what_is_left_out_is_a_usage_error(metastore, images, words):
    assert metastore(*words).code == 2


def test_a_limit_may_be_any_number(metastore, images):
    assert metastore("copy", "catalog.db", "copy.db").code == 0
    assert metastore("compare", "catalog.db", "copy.db", "--limit", 10**30).code == 0

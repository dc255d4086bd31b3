"""add, set, tag, rm."""

import pytest

from metastore import Catalog


@pytest.fixture
def shown(metastore):
    return lambda *ref: metastore("show", *ref, "--json").json[0]


def test_add_prints_the_new_id(metastore, images, shown):
    added = metastore("add", "images", "name=fedora", "version=42.0.0", "min_ram=2048", "bootable=false", "ratio=0.5")
    found = shown(added.out.strip())
    assert (found["name"], found["min_ram"], found["bootable"], found["ratio"]) == ("fedora", 2048, False, 0.5)


def test_add_reads_values_by_their_kind(metastore, images, shown):
    ident = metastore(
        "add", "images", "name=x", "tags=a,b", "disk=s3://b/k", f"parent={images.old.id}", "properties.cpus=4", "properties.os.name=linux",
        'layers:={"base": {"url": "s3://b/l", "size": 7}}', 'authors:=["A, B", "C"]', "properties.list=[1,2]",
    ).out.strip()  # fmt: skip
    found = shown(ident)
    assert (found["tags"], found["parent"], found["authors"]) == (["a", "b"], str(images.old.id), ["A, B", "C"])
    assert found["properties"] == {"cpus": 4, "os.name": "linux", "list": [1, 2]}
    assert (found["disk"]["locations"], found["layers"]["base"]["size"]) == ([{"url": "s3://b/k"}], 7)


def test_an_equals_sign_in_a_value_is_part_of_it(metastore, images, shown):
    assert shown(metastore("add", "images", "name=a=b:=c").out.strip())["name"] == "a=b:=c"


@pytest.mark.parametrize(
    ("words", "twice"),
    [
        (["name=x", "name=y"], "name is given twice"),
        (["name=x", "properties.a=1", "properties.a=2"], "properties.a is given twice"),
        (["name=x", "properties.a=1", "properties={}"], "properties is given twice"),
        (["name=x", 'properties:={"a": 1, "a": 2}'], "properties: no JSON: the key 'a' stands there twice"),
        (["name=x", 'properties.b={"c": {"a": 1, "a": 1}}'], "properties.b: no JSON: the key 'a' stands there twice"),
    ],
)
def test_what_is_given_twice_is_refused(metastore, images, words, twice):
    found = metastore("add", "images", *words)
    assert (found.code, twice in found.err, metastore("count", "images").out) == (1, True, "3\n"), found.err


def test_one_key_after_all_of_them_is_added_to_them(metastore, images, shown):
    added = metastore("add", "images", "name=x", 'properties={"a": 1, "b": 2}', "properties.b=3")
    assert shown(added.out.strip())["properties"] == {"a": 1, "b": 3}


def test_add_shows_the_artifact_as_json(metastore, images):
    assert metastore("add", "images", "name=x", "--json").json[0]["revision"] == 1


def test_set_changes_fields(metastore, images, shown):
    assert metastore("set", "images", "debian@12.0.0", "min_ram=64", "disk:=null").code == 0
    found = shown(images.old.id)
    assert (found["min_ram"], found["disk"], found["revision"]) == (64, None, 2)


def test_set_of_one_key_keeps_the_others(metastore, images, shown):
    metastore("set", images.new.id, "properties.a=1", "properties.b=two")
    assert shown(images.new.id)["properties"] == {"os.name": "trixie", "a": 1, "b": "two"}


def test_set_with_an_older_revision_is_a_conflict(metastore, images):
    metastore("set", images.old.id, "min_ram=1")
    lost = metastore("set", images.old.id, "min_ram=2", "--revision", "1")
    assert (lost.code, "revision 2, not 1" in lost.err) == (3, True)
    assert metastore("set", images.old.id, "min_ram=2", "--revision", "2").code == 0


def test_tags_are_added_and_taken_away(metastore, images):
    assert metastore("tag", images.old.id, "+new", "-lts", "+old").out.split() == ["new", "old"]
    assert metastore("tag", "images", "debian@12.0.0").out.split() == ["new", "old"]


@pytest.mark.parametrize("tag", ["c", "q", "cq", "json-x", "h"])
def test_a_tag_may_look_like_an_option(metastore, images, tag):
    assert metastore("tag", images.old.id, f"+{tag}").out.split() == ["lts", tag]
    assert metastore("tag", images.old.id, f"-{tag}").out.split() == ["lts"]


@pytest.mark.parametrize("name", ["year=2024/part.parquet", "=x", "-dash", "+plus"])
def test_a_name_may_look_like_a_change_or_an_option(metastore, images, name):
    added = metastore("add", "images", f"name={name}").out
    assert metastore("show", "--json", "images", "--", name).json[0]["id"] == added.strip()
    assert metastore("set", "images", "--", name, "min_ram=7").out == added
    assert metastore("rm", "images", "--", name).code == 0


@pytest.mark.parametrize("words", ["set images min_ram=3", "tag images +lts", "set 01a204f8 min_ram=3"])
def test_a_change_in_the_place_of_a_name_is_told(metastore, images, words):
    found = metastore(*words.split())
    assert (found.code, "name the artifact as TYPE NAME[@VERSION]" in found.err) == (2, True)


def test_an_id_may_be_given(metastore, images):
    ident = "0190a6e0-0000-7000-8000-000000000001"
    assert metastore("add", "images", "name=x", f"id={ident}").out == f"{ident}\n"


def test_rm_deletes_and_frees_the_name(metastore, images):
    assert metastore("rm", images.alpine.id, "images", "debian@13.0.0").code == 0
    assert metastore("count", "images").out == "1\n"
    assert metastore("show", images.alpine.id).code == 1
    assert metastore("add", "images", "name=alpine", "version=3.20.0").code == 0


def test_rm_is_refused_while_an_artifact_of_the_same_owner_links_there(metastore, images):
    refused = metastore("rm", images.old.id)
    assert (refused.code, f"images {images.alpine.id} by parent" in refused.err) == (3, True)
    assert metastore("rm", images.alpine.id).code == metastore("rm", images.old.id).code == 0


def test_rm_is_refused_while_a_link_restricts(metastore, images):
    found = metastore("rm", images.old.id)
    assert (found.code, str(images.alpine.id) in found.err) == (3, True)


def test_rm_is_all_or_none(metastore, images):
    assert metastore("rm", images.new.id, "images", "none").code == 1
    assert metastore("count", "images").out == "3\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["add", "images", "name=debian", "version=12.0.0"], 3, "debian"),
        (["add", "images", "name=x", "min_ram=many"], 1, "expected a whole number"),
        (["add", "images", "name=x", "min_ram:=true"], 1, "expected int"),
        (["add", "images", "name=x", "bootable=yes"], 1, "true or false"),
        (["add", "images", "name=x", "min_rma=3"], 2, "did you mean 'min_ram'"),
        (["add", "images", "name=x", "arch=risc"], 1, "arch"),
        (["add", "images", "name=x", "disk:={"], 1, "expected JSON"),
        (["add", "images", "name=x", "layers=plain"], 1, "expected JSON"),
        (["add", "images", "name=x", "min_ram.k=3"], 1, "no keys"),
        (["add", "images", "name=x", "parent=base"], 1, "id"),
        (["add", "images", "name=x", "properties:=" + "[" * 50000], 1, "properties: expected JSON"),
        (["add", "images", "name=x", "properties.k= " + "[" * 50000], 1, "properties.k: expected JSON of fewer levels"),
        (["add", "images", "name=x", 'disk:={"locations": 1}'], 1, "expected a list of locations"),
        (["add", "images", "name=x", 'disk:={"url": "s3://a/b", "digests": 3}'], 1, "an object of digests"),
        (["add", "images", "name=x", "revision=5"], 1, "revision of images is set by the catalogue"),
        (["add", "images", "name=x", "created_at=2030-01-31T12:00:00Z"], 1, "created_at of images is set"),
        (["add", "images", "x"], 1, "field=value"),
        (["add", "images", "name=x", "version=1"], 1, "semver"),
        (["add", "images"], 1, "name"),
        (["add", "imges", "name=x"], 2, "did you mean 'images'"),
        (["set", "images", "debian"], 2, "nothing to set"),
        (["tag", "images", "debian", "lts"], 2, "+TAG"),
        (["rm"], 2, "Missing argument"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence_and_writes_nothing(metastore, images, path, arguments, code, words):
    with Catalog.open(str(path), mode="ro") as catalog:
        before = catalog.stats()["changes"]
    found = metastore(*arguments)
    assert (found.code, found.out) == (code, "")
    assert words in found.err
    with Catalog.open(str(path), mode="ro") as catalog:
        assert catalog.stats()["changes"] == before


WITHOUT = [
    "set images a min_ram=1",
    "tag images a lts",
    "rm images a",
    "attach images a disk s3://b/k",
    "put images a disk FILE",
    "verify images",
    "mirror images --to archive",
    "share images a p",
    "quota drop",
    "metadefs withdraw n images",
    "check",
]


NOWHERE = "there is no catalogue catalog.db in this folder: name one by --catalog or METASTORE_CATALOG, or make one by scan, add or import"


def test_a_named_catalogue_that_is_not_there_is_told_by_its_name(metastore, path):
    failed = metastore("-c", "nope.db", "types")
    assert (failed.code, failed.err) == (4, "metastore: there is no catalogue nope.db; is that the right path?\n")


@pytest.mark.parametrize("words", WITHOUT, ids=lambda words: words.split()[0])
def test_what_needs_a_catalogue_makes_none(metastore, path, words):
    path.with_name("FILE").touch()
    failed = metastore(*words.split())
    assert (failed.code, failed.err) == (4, f"metastore: {NOWHERE}\n")
    assert [each.name for each in path.parent.iterdir()] == ["FILE"]


@pytest.mark.parametrize(
    "words", ["scan python", "import FILE", "quota set count=3 --everybody"], ids=lambda words: words.split()[0]
)
def test_what_fills_a_catalogue_makes_one(metastore, path, words):
    path.with_name("FILE").write_text('{"metastore": "export", "format": 1}\n')
    assert metastore(*words.split()).code == 0
    assert path.exists()


def test_a_tag_is_one_line(metastore, images):
    assert metastore("tag", "images", "alpine", "+a\nb", "+c\\d").out == "a\\nb\nc\\\\d\n"


@pytest.mark.parametrize(
    "words", [("set", "images", "alpine", "expires_at=2030-01-01"), ("expire", "2030-01-01T00:00", "images", "alpine")]
)
def test_a_time_without_its_zone_is_told_in_the_words_of_the_command_line(metastore, images, words):
    found = metastore(*words)
    assert (found.code, "a time with its zone, like 20" in found.err, "tzinfo" in found.err) == (1, True, False), (
        found.err
    )

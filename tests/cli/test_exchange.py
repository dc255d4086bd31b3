"""export and import."""

import json
import os

import pytest

from metastore import Artifact, Catalog, Field, Principal, Record, field


class Odd(Artifact, type_name="exchange_odd"):
    metastore: Field[str] = field()
    spec: Field[str] = field()
    format: Field[int] = field()


def exported(metastore):
    return metastore("export").out


def test_an_export_begins_with_its_format_and_the_specs(metastore, images):
    head, spec, *artifacts, end = map(json.loads, exported(metastore).splitlines())
    assert head == {"metastore": "export", "format": 1, "ends": True}
    assert end == {"metastore": "end", "format": 1, "artifacts": 3}
    assert (spec["spec"]["name"], [each["name"] for each in artifacts]) == ("images", ["debian", "debian", "alpine"])


def test_an_empty_catalogue_is_rebuilt_as_it_was(metastore, images, tmp_path):
    text = exported(metastore)
    assert metastore("-c", "copy.db", "import", input=text).code == 0
    assert metastore("-c", "copy.db", "export").out == text
    with Catalog.open(str(tmp_path / "copy.db")) as catalog:
        assert catalog.check() == []
        assert catalog.get(Record, images.alpine.id).parent.id == images.old.id


def test_a_type_without_artifacts_is_rebuilt_too(metastore, images, path):
    with Catalog.open(str(path), types=[Odd]) as catalog:
        catalog.delete(catalog.add(Odd(name="x", metastore="", spec="", format=1)))
    text = exported(metastore)
    assert metastore("-c", "copy.db", "import", input=text).code == 0
    assert metastore("-c", "copy.db", "export").out == text


def test_files_are_written_and_read(metastore, images):
    assert metastore("export", "all.jsonl").code == 0
    assert "3 artifacts" in metastore("import", "all.jsonl", "-c", "copy.db").err


def test_an_import_tells_how_many_it_put_in_the_place_of_others(metastore, images):
    text = exported(metastore)
    assert metastore("set", str(images.alpine.id), "description=newer").code == 0
    assert metastore("import", input=text).err == "1 artifact, 1 of them in the place of what was there\n"
    assert exported(metastore) == text
    assert metastore("import", input=text).err == "0 artifacts\n"
    assert metastore("rm", str(images.alpine.id)).code == 0
    more = text.replace(str(images.alpine.id), "01890000-0000-7000-8000-000000000000").replace("a bird", "a word")
    assert "in the place" not in metastore("import", input=more).err


def test_a_pipe_takes_an_export_as_it_comes_and_stays_a_pipe(metastore, images, path):
    pipe = path.parent / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert metastore("export", str(pipe)).code == 0
    assert os.read(reading, 2**20).decode() == exported(metastore)
    os.close(reading)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["catalog.db", "./catalog.db-wal", "."])
def test_an_export_is_not_written_over_the_catalogue(metastore, images, name):
    assert metastore("export", name).code == 2
    assert metastore("count", "images").out == "3\n"


def test_a_second_import_writes_nothing(metastore, images):
    text = exported(metastore)
    metastore("-c", "copy.db", "import", input=text)
    before = metastore("-c", "copy.db", "stats", "--json").json[0]["changes"]
    assert metastore("-c", "copy.db", "import", input=text).code == 0
    assert metastore("-c", "copy.db", "stats", "--json").json[0]["changes"] == before


def test_one_type_is_exported_on_request(metastore, images):
    assert len(metastore("export", "--type", "images").out.splitlines()) == 6
    assert metastore("export", "--type", "none").code == 2


@pytest.fixture
def shared(metastore, images):
    """An export of the shares of two images, without the images."""
    for name in ("debian@12.0.0", "alpine"):
        assert metastore("share", "images", name, "shop").code == 0
    return metastore("export", "--type", "metastore_members").out


def test_what_the_engine_keeps_of_artifacts_that_are_not_there_is_told(metastore, images, shared):
    found = metastore("-c", "copy.db", "import", input=shared)
    assert (found.code, "2 artifacts" in found.err, "came without the artifacts" in found.err) == (0, True, True)
    told = metastore("-c", "copy.db", "check")
    assert told.code == 1
    assert sorted(line.partition("the artifact ")[2][:36] for line in told.out.splitlines()) == sorted(
        str(each.id) for each in (images.old, images.alpine)
    )


def test_nothing_is_told_once_the_artifacts_came(metastore, images, shared):
    metastore("-c", "copy.db", "import", input=shared)
    whole = metastore("-c", "copy.db", "import", input=exported(metastore))
    assert (whole.code, "came without" in whole.err) == (0, False)
    assert metastore("-c", "copy.db", "check").code == 0
    again = metastore("-c", "copy.db", "import", input=shared)
    assert (again.code, "came without" in again.err) == (0, False)


def test_what_is_of_nothing_can_be_deleted_and_is_told_no_more(metastore, images, shared):
    metastore("-c", "copy.db", "import", input=shared)
    for line in metastore("-c", "copy.db", "check").out.splitlines():
        _, ident = line.partition(":")[0].split()
        assert metastore("-c", "copy.db", "rm", ident).code == 0
    assert metastore("-c", "copy.db", "check").code == 0


def spoilt(text, number, change):
    lines = text.splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    return "".join(lines)


@pytest.mark.parametrize("lines", range(1, 6))
@pytest.mark.parametrize("more", [0, 1, 12])
def test_an_export_that_was_cut_off_is_refused_wherever_that_was(metastore, images, lines, more):
    whole = exported(metastore).splitlines(keepends=True)
    cut = "".join(whole[:lines]) + whole[lines][:more]
    found = metastore("-c", "copy.db", "import", input=cut)
    assert (found.code, "cut off" in found.err or "no JSON" in found.err) == (1, True), found.err
    assert metastore("-c", "copy.db", "count", "any").out in ("0\n", "")
    assert metastore("-c", "copy.db", "import", "--partial", input=cut).code == 0
    assert metastore("-c", "copy.db", "count", "any").out == f"{max(0, lines - 2)}\n"


def test_nothing_is_no_export(metastore, path):
    """A pipe from an export that failed brings nothing, and its exit code is that of the import."""
    found = metastore("import", input="")
    assert (found.code, found.err.startswith("metastore: nothing came, ")) == (1, True), found.err
    assert metastore("import", "--partial", input="").err == "0 artifacts\n"


@pytest.mark.parametrize("artifacts", [True, None, "1", 1.0])
def test_an_end_that_does_not_say_how_many_there_were_is_refused(metastore, images, artifacts):
    text = spoilt(exported(metastore), 6, with_value("artifacts", artifacts))
    text = spoilt(spoilt(text, 5, lambda _line: ""), 3, lambda _line: "")
    found = metastore("-c", "copy.db", "import", input=text)
    assert (found.code, "line 4: expected how many artifacts" in found.err) == (1, True), found.err


def test_a_line_about_the_export_that_nobody_knows_is_refused(metastore, images):
    found = metastore("-c", "copy.db", "import", input=spoilt(exported(metastore), 6, with_value("metastore", "ends")))
    assert (found.code, "line 6: expected 'export' or 'end'" in found.err) == (1, True), found.err


def test_a_spec_after_an_artifact_is_told_with_its_line(metastore, images):
    found = metastore("-c", "copy.db", "import", input=exported(metastore) * 2)
    assert (found.code, "line 8: a spec stands after the first artifact" in found.err) == (1, True), found.err


def test_an_export_of_which_a_line_is_missing_is_refused(metastore, images):
    text = spoilt(exported(metastore), 4, lambda _line: "")
    found = metastore("-c", "copy.db", "import", input=text)
    assert (found.code, "line 5: the export had 3 artifacts, here are 2" in found.err) == (1, True), found.err
    assert metastore("-c", "copy.db", "import", "--partial", input=text).code == 0
    assert metastore("-c", "copy.db", "count", "images").out == "2\n"


def test_exports_that_follow_each_other_are_counted_each(metastore, images):
    text = exported(metastore)
    again = text.replace(text.splitlines(keepends=True)[1], "", 1)  # specs come first
    assert metastore("-c", "copy.db", "import", input=text + again).code == 0
    cut = "".join(text.splitlines(keepends=True)[:-1])
    assert "cut off after 3 artifacts" in metastore("-c", "other.db", "import", input=cut + again).err


def test_an_export_of_before_has_no_end(metastore, images):
    head, *rest, _end = exported(metastore).splitlines(keepends=True)
    assert "ends" in head
    assert (
        metastore("-c", "copy.db", "import", input="".join(['{"metastore": "export", "format": 1}\n', *rest])).code == 0
    )
    assert metastore("-c", "copy.db", "count", "images").out == "3\n"


def test_an_artifact_after_the_end_is_none_of_the_export(metastore, images):
    text = exported(metastore)
    found = metastore("-c", "copy.db", "import", input=text + text.splitlines(keepends=True)[-2])
    assert (found.code, "line 7: an artifact stands after the end of the export" in found.err) == (1, True), found.err
    assert metastore("-c", "copy.db", "types").out == ""


def test_fields_may_have_the_names_of_what_an_export_says_of_itself(metastore, path):
    with Catalog.open(str(path), types=[Odd]) as catalog:
        catalog.add(Odd(name="one", metastore="end", spec="x", format=7))
    text = exported(metastore)
    assert metastore("-c", "copy.db", "import", input=text).code == 0
    assert metastore("-c", "copy.db", "export").out == text


@pytest.mark.parametrize("name", ["name", "min_ram", "properties"])
def test_a_key_that_stands_twice_is_refused(metastore, images, name):
    text = spoilt(exported(metastore), 4, lambda line: line.replace("{", f'{{"{name}": null, ', 1))
    found = metastore("-c", "copy.db", "import", input=text)
    assert (found.code, f"line 4: no JSON: the key '{name}' stands there twice" in found.err) == (1, True), found.err


def with_value(name, value):
    return lambda line: json.dumps({**json.loads(line), name: value}) + "\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _line: "{nonsense\n", "no JSON"),
        (lambda _line: "[1]\n", "expected a JSON object"),
        (lambda _line: "\n", "no JSON"),
        (with_value("type", None), "expected an artifact with its type"),
        (with_value("type", "strange"), "no type 'strange'"),
        (with_value("min_ram", "many"), "min_ram"),
        (with_value("sise", 3), "'sise'"),
        (with_value("revision", 0), "revision"),
        (with_value("id", "nonsense"), "id"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_nothing_is_written(metastore, images, change, words):
    found = metastore("-c", "copy.db", "import", input=spoilt(exported(metastore), 4, change))
    assert (found.code in (1, 2), "line 4: " in found.err, words in found.err) == (True, True, True), found.err
    assert metastore("-c", "copy.db", "count", "any").out in ("0\n", "")


def test_a_spec_with_code_for_a_name_is_refused_and_nothing_of_it_runs(metastore, images, path):
    spec = json.loads(exported(metastore).splitlines()[1])
    spec["spec"]["fields"].append({"name": f'x=open("{path.parent / "ran"}", "w")', "kind": "int"})
    found = metastore("-c", "copy.db", "import", input=json.dumps(spec) + "\n")
    assert (found.code, "line 1: a spec that cannot be taken" in found.err) == (1, True)
    assert not (path.parent / "ran").exists()


def test_a_spec_of_hundreds_of_levels_is_refused(metastore):
    deep = '{"kind": "list", "item": ' * 400 + '{"kind": "int"}' + "}" * 400
    found = metastore("import", input='{"spec": {"name": "deep", "fields": [' + deep + "]}}\n")
    assert (found.code, "line 1: " in found.err) == (1, True)


def test_a_number_of_thousands_of_digits_is_no_json(metastore):
    found = metastore("import", input='{"metastore": ' + "1" * 5000 + "}\n")
    assert (found.code, "line 1: no JSON" in found.err) == (1, True)


def test_a_newer_format_is_refused(metastore, images):
    found = metastore("-c", "copy.db", "import", input=spoilt(exported(metastore), 1, with_value("format", 2)))
    assert (found.code, "format 1" in found.err) == (1, True)


def test_a_spec_that_cannot_be_read_is_refused(metastore, images):
    found = metastore(
        "-c", "copy.db", "import", input=spoilt(exported(metastore), 2, with_value("spec", {"name": "x"}))
    )
    assert (found.code, "line 2: " in found.err) == (1, True)


def test_a_file_that_is_not_there_is_a_usage_error(metastore):
    assert metastore("import", "none.jsonl").code == 2


def test_what_the_engine_keeps_of_an_artifact_travels_with_it(metastore, images, path):
    with Catalog.open(str(path)) as catalog:
        shared = catalog.share(catalog.get(Record, images.alpine.id), "guests")
        catalog.as_(Principal(project="guests")).answer(shared, "accepted")
    assert metastore("export", "all.jsonl").code == 0
    path.unlink()
    assert metastore("import", "all.jsonl").code == 0
    with Catalog.open(str(path)) as again:
        assert [(each.member, each.answer) for each in again.members(shared)] == [("guests", "accepted")]
        assert again.as_(Principal(project="guests")).find(type(shared)).all() == [shared]

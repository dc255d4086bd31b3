"""gc plan, quarantine, delete, restore."""

import json

import pytest

NOW = ("--min-age", "0", "--grace", "0")


@pytest.fixture
def stored(metastore, images, tmp_path, monkeypatch):
    """A store in a folder with an object that is referred to and one that is not."""
    (tmp_path / "store").mkdir()
    (tmp_path / "stores.toml").write_text(f'[stores.one]\nurl = "file://{tmp_path}/store"\n')
    monkeypatch.setenv("METASTORE_STORES", f"{tmp_path}/stores.toml")
    (tmp_path / "body").write_bytes(b"bytes")
    assert metastore("put", images.old.id, "layers.a", tmp_path / "body").code == 0
    (tmp_path / "store" / "left").write_bytes(b"left behind")
    return tmp_path


@pytest.fixture
def planned(metastore, stored):
    """A function that makes a plan and returns the file it is kept in."""

    def plan(*options):
        made = metastore("gc", "plan", *NOW, *options, "--json")
        assert made.code == 0, made.err
        (stored / "plan.jsonl").write_text(made.out)
        return stored / "plan.jsonl"

    return plan


def test_a_plan_names_what_may_be_done_and_does_nothing(metastore, stored):
    made = metastore("gc", "plan", *NOW)
    assert made.rows == [["quarantine", "one", "left", "11", "unreferenced", "none of 1 catalogues refers to it"]]
    assert made.err == "1 to be done about; 1 referenced stays\n"
    assert metastore("gc", "plan").err == "0 to be done about; 1 referenced, 1 young stays\n"
    assert sorted(row[0] for row in metastore("gc", "plan", *NOW, "--all").rows) == ["quarantine", "stays"]
    assert (stored / "store" / "left").exists()


def test_only_the_stores_that_are_named_are_swept(metastore, stored):
    (stored / "other").mkdir()
    with (stored / "stores.toml").open("a") as file:
        file.write(f'[stores.two]\nurl = "file://{stored}/other"\n')
    (stored / "other" / "else").write_bytes(b"left elsewhere")
    swept = [metastore("gc", "plan", *NOW, "--store", name, "--json").json for name in ("one", "two")]
    assert [[each["key"] for each in lines if "key" in each] for lines in swept] == [["left"], ["else"]]
    assert metastore("gc", "restore", "--store", "two", "--all").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "it has no 'at'"), ("{}", "it has no 'at'"), ("[" * 100_000, "recursion"), ("x", "Expecting value"), ("[]", "")],
)  # fmt: skip
def test_what_is_no_plan_is_told_in_a_sentence(metastore, stored, text, words):
    (stored / "plan.jsonl").write_text(text)
    failed = metastore("gc", "quarantine", stored / "plan.jsonl")
    assert (failed.code, words in failed.err, "Error(" in failed.err) == (1, True, False)


def test_garbage_is_put_aside_brought_back_and_deleted(metastore, stored, planned):
    done = metastore("gc", "quarantine", planned())
    assert (done.code, done.rows, done.err) == (0, [["quarantine", "one", "left", "11", ""]], "1 done, 0 left\n")
    refused = metastore(
        "set", "images", "debian@12.0.0", f'layers:={{"b": {{"locations": [{{"url": "file://{stored}/store/left"}}]}}}}'
    )
    assert (refused.code, "metastore gc restore" in refused.err) == (3, True)
    assert metastore("gc", "restore", "left").code == 0
    assert (stored / "store" / "left").read_bytes() == b"left behind"
    assert metastore("gc", "quarantine", planned()).code == 0
    assert metastore("gc", "delete", planned()).rows == [["delete", "one", "left", "11", ""]]
    assert list((stored / "store").rglob("left")) == []


def test_what_a_plan_put_aside_is_brought_back_by_it(metastore, stored, planned):
    plan = planned()
    assert metastore("gc", "quarantine", plan).code == 0
    assert metastore("gc", "restore", "--plan", plan).rows == [["restore", "one", "left", "11", ""]]
    assert metastore("gc", "restore", "--all").rows == []


def test_what_is_left_is_told_with_the_reason(metastore, stored, planned):
    plan = planned()
    (stored / "store" / "left").write_bytes(b"written since")
    done = metastore("gc", "quarantine", plan, "--json")
    assert (done.code, done.json[0]["left"]) == (1, "it was written since the plan was made")
    assert metastore("gc", "restore", "nothing").rows[0][-1] == "it is not in quarantine"


def test_every_root_is_asked(metastore, stored, planned):
    other = ("--catalog", stored / "other.db", "--builtin")
    assert metastore("add", *other, "images", "name=x").code == 0
    url = f"file://{stored}/store/left"
    assert metastore("attach", *other, "images", "x", "image", url).code == 0
    assert metastore("gc", "plan", *NOW, "--root", stored / "other.db").rows == []
    done = metastore("gc", "quarantine", planned(), "--snapshot", stored / "other.db")
    assert (done.code, "refers to it" in done.rows[0][-1]) == (1, True)


@pytest.mark.parametrize("words", [("quarantine", "PLAN"), ("delete", "PLAN"), ("restore", "--all")])
@pytest.mark.parametrize("option", ["--root", "--catalog"])
def test_a_catalogue_that_is_not_there_is_no_root_and_is_not_made(metastore, stored, planned, words, option):
    file = planned()
    failed = metastore("gc", *(str(file) if each == "PLAN" else each for each in words), option, stored / "typo.db")
    assert (failed.code, "typo.db" in failed.err) == (4, True)
    assert not (stored / "typo.db").exists()
    assert (stored / "store" / "left").exists()


def test_mistakes_are_told(metastore, stored, planned):
    assert metastore("gc", "plan", "--min-age", "7").code == 2
    assert metastore("gc", "restore").code == 2
    assert metastore("gc", "restore", "a", "--all").code == 2
    (stored / "no.jsonl").write_text("{}")
    assert "expected a plan" in metastore("gc", "delete", stored / "no.jsonl").err
    (stored / "no.jsonl").write_text("no")
    assert "expected a plan" in metastore("gc", "delete", stored / "no.jsonl").err
    assert metastore("gc", "plan", "--as-project", "p1").code == 5


def test_a_plan_is_lines_of_json(planned):
    first, *rest = map(json.loads, planned().read_text().splitlines())
    assert (first["kept"], first["min_age"], [each["key"] for each in rest]) == ({"referenced": 1}, 0.0, ["left"])

"""mirror: many blobs, to one more store."""

import pytest

from metastore import Catalog

BODY = bytes(range(256)) * 40


@pytest.fixture
def stored(metastore, images, tmp_path, monkeypatch):
    """Two stores in folders, and two images with bytes in the first."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "small").write_bytes(b"small")
    text = "".join(f'[stores.{name}]\nurl = "file://{tmp_path}/{name}"\n' for name in ("one", "two"))
    (tmp_path / "stores.toml").write_text(text + '[stores.web]\nurl = "https://"\n')
    monkeypatch.setenv("METASTORE_STORES", f"{tmp_path}/stores.toml")
    assert metastore("set", images.old.id, "disk:=null").code == 0
    for each, body in ((images.new, "body"), (images.alpine, "small")):
        assert metastore("put", each.id, "disk", tmp_path / body, "--store", "one").code == 0
    return tmp_path


def files(folder):
    return [each for each in folder.rglob("*") if each.is_file()]


def test_what_a_filter_chooses_is_brought(metastore, images, stored):
    done = metastore("mirror", "images", "name = 'debian'", "--to", "two", "--json")
    [found] = done.json
    assert (done.code, found["id"], found["result"], found["size"]) == (0, str(images.new.id), "copied", len(BODY))
    assert [each.read_bytes() for each in files(stored / "two")] == [BODY]
    assert "1 copied" in done.err


def test_the_next_run_has_nothing_to_do(metastore, images, stored):
    assert len(metastore("mirror", "any", "--to", "two").rows) == 2
    again = metastore("mirror", "any", "--to", "two")
    assert (again.code, again.rows, "nothing to bring to two" in again.err) == (0, [], True)


def test_a_budget_skips_and_is_no_failure(metastore, images, stored):
    done = metastore("mirror", "images", "--to", "two", "--budget", "1KiB", "--rate", "1GiB", "--json")
    assert {each["result"] for each in done.json} == {"copied", "skipped"}
    assert (done.code, [each.read_bytes() for each in files(stored / "two")]) == (0, [b"small"])


def test_what_cannot_be_brought_is_told_and_ends_with_1(metastore, images, stored):
    for each in files(stored / "one"):
        each.unlink()
    done = metastore("mirror", "images", "--to", "two", "--json")
    assert (done.code, {each["result"] for each in done.json}) == (1, {"missing"})
    assert all("there is nothing" in each["reason"] for each in done.json)


def test_only_from_one_store(metastore, images, stored):
    assert metastore("mirror", "images", "--to", "two", "--from", "web").rows == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["images"], 2),
        (["images", "--to", "two", "--budget", "lots"], 2),
        (["images", "--to", "two", "--workers", "65"], 2),
        (["imagos", "--to", "two"], 2),
        (["images", "size >", "--to", "two"], 2),
        (["images", "--to", "twoo"], 4),
        (["images", "--to", "web"], 4),
    ],
)
def test_mistakes_have_a_code_and_a_sentence(metastore, images, stored, words, code):
    failed = metastore("mirror", *words)
    assert (failed.code, failed.out) == (code, "")
    assert failed.err


def test_a_principal_that_may_not_is_told_so(metastore, images, stored):
    with Catalog.open(str(stored / "catalog.db")) as catalog:
        catalog.transfer(catalog.get(catalog.artifact_type("images"), images.new.id), "p1")
    done = metastore("mirror", "images", "--to", "two", "--as-user", "u", "--as-project", "p1", "--json")
    assert (done.code, [each["result"] for each in done.json]) == (1, ["refused"])

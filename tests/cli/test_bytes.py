"""attach, put, get, verify, url, stores, probe."""

import hashlib
import os
import subprocess
import sys

import pytest

BODY = bytes(range(256)) * 40
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def stored(metastore, images, tmp_path, monkeypatch):
    """A file of stores, a store in a folder, and a file to bring."""
    (tmp_path / "store").mkdir()
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "stores.toml").write_text(f'[stores.one]\nurl = "file://{tmp_path}/store"\ndescription = "here"\n')
    monkeypatch.setenv("METASTORE_STORES", f"{tmp_path}/stores.toml")
    return tmp_path


@pytest.fixture
def put(metastore, images, stored):
    assert metastore("set", images.old.id, "disk:=null").code == 0
    assert metastore("put", images.old.id, "disk", stored / "body", "--media-type", "a/b").code == 0
    return stored


def test_bytes_are_brought_and_fetched(metastore, images, put):
    shown = metastore("show", images.old.id, "--json").json[0]["disk"]
    assert (shown["size"], shown["digests"]["sha256"], shown["media_type"]) == (len(BODY), SHA, "a/b")
    assert metastore("get", images.old.id, "disk", "-o", put / "out").code == 0
    assert (put / "out").read_bytes() == BODY


def test_a_range_is_fetched(metastore, images, put):
    assert metastore("get", images.old.id, "disk", "--range", "10-19", "-o", put / "out").code == 0
    assert (put / "out").read_bytes() == BODY[10:20]
    for wrong in ("x", "9-8", "-5"):
        assert metastore("get", images.old.id, "disk", "--range", wrong).code == 2


def test_a_file_whose_name_reads_like_markup_is_brought_on_a_terminal(images, stored, on_terminal):
    (stored / "[").mkdir()
    (stored / "[" / "x]").write_bytes(BODY)
    code, written = on_terminal("put", images.old.id, "layers.a", "[/x]", cwd=stored)
    assert (code, "[/x]" in written, str(images.old.id) in written) == (0, True, True)


@pytest.mark.parametrize("digits", [19, 30, 5000])
def test_a_range_beyond_any_blob_is_empty_and_one_up_to_there_is_the_rest(metastore, images, put, digits):
    for span, body in ((f"{'9' * digits}-", b""), (f"{'0' * digits}10-{'9' * digits}", BODY[10:])):
        assert metastore("get", images.old.id, "disk", "--range", span, "-o", put / "out").code == 0
        assert (put / "out").read_bytes() == body


def test_a_file_that_cannot_be_written_is_named_as_it_was_given(metastore, images, put):
    for target, code, words in (("nowhere/out", 1, f"{put}/nowhere/out: No such file"), ("store", 2, "is a folder")):
        failed = metastore("get", images.old.id, "disk", "-o", put / target)
        assert (failed.code, words in failed.err, ".part" in failed.err) == (code, True, False)


def test_a_file_that_few_may_read_stays_one(metastore, images, put):
    (put / "out").touch(0o600)
    for command in (("get", images.old.id, "disk", "-o", put / "out"), ("export", put / "out")):
        assert metastore(*command).code == 0
        assert ((put / "out").stat().st_mode & 0o777, (put / "out").stat().st_size > 0) == (0o600, True)


def test_a_name_may_be_as_long_as_the_file_system_takes(metastore, images, put):
    name = "x" * os.pathconf(put, "PC_NAME_MAX")
    assert metastore("get", images.old.id, "disk", "-o", put / name).code == 0
    assert (put / name).read_bytes() == BODY


def test_a_pipe_is_written_to_and_stays_one(metastore, images, put):
    os.mkfifo(put / "pipe")
    with open(os.open(put / "pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe:
        assert metastore("get", images.old.id, "disk", "-o", put / "pipe").code == 0
        assert pipe.read() == BODY
    assert (put / "pipe").is_fifo()


def test_standard_output_by_either_name_goes_on_where_it_was(metastore, images, put):
    command = [sys.executable, "-m", "metastore", "get", str(images.old.id), "disk", "-o", "/dev/stdout"]
    with (put / "out").open("w+b") as out:
        for _ in range(2):
            subprocess.run(command, stdout=out, check=True, cwd=put)
        assert (put / "out").read_bytes() == 2 * BODY


def test_a_link_stays_one_and_its_file_gets_the_bytes(metastore, images, put):
    (put / "link").symlink_to("out")
    assert metastore("get", images.old.id, "disk", "-o", put / "link").code == 0
    assert (os.readlink(put / "link"), (put / "out").read_bytes()) == ("out", BODY)


def test_without_stores_it_is_said_how_to_name_them(metastore, images, stored, monkeypatch):
    monkeypatch.delenv("METASTORE_STORES")
    failed = metastore("put", images.old.id, "disk", stored / "body", "--store", "one")
    assert (failed.code, "no store is configured, by stores=… or --stores" in failed.err) == (4, True)


def test_bytes_of_a_folder_have_a_name_after_the_dot(metastore, images, stored):
    assert metastore("put", images.old.id, "layers.a.tar", stored / "body").code == 0
    assert metastore("get", images.old.id, "layers.a.tar", "-o", stored / "out").code == 0
    assert (stored / "out").read_bytes() == BODY


def test_wrong_bytes_leave_no_file(metastore, images, put):
    [path] = [each for each in (put / "store").rglob("*") if each.is_file()]
    path.write_bytes(BODY[:-1] + b"!")
    failed = metastore("get", images.old.id, "disk", "-o", put / "out")
    assert (failed.code, "other bytes than the blob" in failed.err) == (1, True)
    assert {each.name for each in put.iterdir() if each.name.startswith("out")} == set()


def test_bytes_are_not_brought_where_they_are_not_as_expected(metastore, images, stored):
    failed = metastore("put", images.old.id, "layers.a", stored / "body", "--digest", f"sha256:{'0' * 64}")
    assert (failed.code, "expected sha256" in failed.err) == (1, True)
    assert [each for each in (stored / "store").rglob("*") if each.is_file()] == []


def test_what_lies_in_a_store_is_attached_and_verified(metastore, images, stored):
    (stored / "store" / "here").write_bytes(BODY)
    url = f"file://{stored}/store/here"
    assert metastore("attach", images.old.id, "layers.a", url, "--priority", "2").code == 0
    assert metastore("get", images.old.id, "layers.a", "-o", stored / "out").code == 1
    found = {(each["blob"], each["part"]): each["result"] for each in metastore("verify", images.old.id, "--json").json}
    assert found["layers", "a"] == "ok"
    assert set(found.values()) == {"ok", "uncovered"}
    assert metastore("show", images.old.id, "--json").json[0]["layers"]["a"]["digests"] == {"sha256": SHA}


def test_verify_ends_with_1_where_something_is_not_right(metastore, images, put):
    assert metastore("verify", "--type", "images", "name = 'debian' AND version = '12.0.0'").code == 0
    [path] = [each for each in (put / "store").rglob("*") if each.is_file()]
    path.unlink()
    lost = metastore("verify", images.old.id, "--json")
    assert (lost.code, lost.json[0]["result"], "there is nothing" in lost.json[0]["reason"]) == (1, "missing", True)


def test_verify_goes_on_from_a_time(metastore, images, put):
    assert metastore("verify", images.old.id).code == 0
    again = metastore("verify", "--type", "images", "version = '12.0.0'", "--since", "2001-01-01T00:00:00Z", "--json")
    assert again.json == []


@pytest.mark.parametrize(
    "words",
    [["verify"], ["verify", "--since", "2001-01-01T00:00:00Z"], ["attach", "ID", "disk"], ["put", "ID", "disk"], ["put", "ID", "disk", ""], ["get", "ID"],
     ["attach", "ID", "disk", "s3://b/k", "--digest", "x"], ["url", "ID", "disk", "more"], ["verify", "--type", "images", "a", "b"]],
)  # fmt: skip
def test_what_is_no_command_is_a_mistake_of_usage(metastore, images, stored, words):
    assert metastore(*[str(images.old.id) if each == "ID" else each for each in words]).code == 2


def test_a_url_that_no_store_covers_is_told(metastore, images, stored):
    failed = metastore("get", images.old.id, "disk", "--unverified", "-o", stored / "out")
    assert (failed.code, "no configured store covers" in failed.err) == (4, True)


def test_a_store_that_does_not_sign_says_so(metastore, images, put):
    assert "signs no urls" in metastore("url", images.old.id, "disk").err
    failed = metastore("url", images.old.id, "layers.x", "--put", "--size", "3", "--digest", f"sha256:{SHA}")
    assert (failed.code, "signs no urls" in failed.err) == (4, True)
    assert metastore("url", images.old.id, "layers.x", "--put").code == 1


def test_the_plain_web_needs_no_signature(metastore, images, stored):
    (stored / "stores.toml").write_text('[stores.web]\nurl = "https://"\n')
    url = "https://a.example/disk"
    assert (
        metastore(
            "set",
            images.old.id,
            f'layers:={{"a": {{"locations": [{{"url": "{url}"}}], "digests": {{"sha256": "{SHA}"}}}}}}',
        ).code
        == 0
    )
    [told] = metastore("url", images.old.id, "layers.a", "--json").json
    assert (told["method"], told["url"], told["location"]) == ("GET", url, url)


def test_stores_are_listed(metastore, images, stored):
    [one] = metastore("stores", "--json").json
    assert one == {
        "store": "one",
        "url": f"file://{stored}/store",
        "written": True,
        "public": False,
        "description": "here",
    }


def test_a_store_is_probed(metastore, images, stored):
    [seen] = metastore("probe", "one", "--json").json
    assert (seen["writes"], seen["create_only"], seen["signs"]) == (True, True, False)
    assert metastore("probe", "two").code == 4


def test_only_the_owner_of_the_process_probes(metastore, images, stored):
    assert metastore("probe", "one", "--as-user", "ann").code == 5


def test_a_file_of_stores_with_a_mistake_is_a_mistake_of_usage(metastore, images, stored):
    (stored / "stores.toml").write_text("[stores.one]\n")
    failed = metastore("stores")
    assert (failed.code, "has no url" in failed.err) == (2, True)
    assert metastore("--stores", stored / "missing.toml", "stores").code == 2


def test_without_stores_it_says_so(metastore, images):
    assert "no store is configured" in metastore("stores").err

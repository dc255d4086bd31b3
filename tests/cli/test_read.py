"""types, find, show, count, facets, stats, check, schema, explain."""

import pytest

from metastore import Catalog


def test_types_are_listed_with_their_artifacts(metastore, images):
    (row,) = metastore("types").rows
    assert (row[0], row[1], row[3]) == ("images", "3", "A bootable disk image.")


def test_find_shows_identity_and_indexed_fields(metastore, images):
    found = metastore("find", "images")
    assert found.rows[0] == [str(images.old.id), "debian", "12.0.0", "x86_64"]
    assert (found.code, len(found.rows)) == (0, 3)


def test_find_takes_a_cql2_filter(metastore, images):
    found = metastore("find", "images", "min_ram >= 512 AND tags_contain('lts')", "--select", "name,version")
    assert found.rows == [["debian", "12.0.0"]]


def test_find_follows_links_in_a_filter(metastore, images):
    assert metastore("find", "images", "parent.name = 'debian'", "--select", "name").rows == [["alpine"]]


def test_find_sorts_by_several_keys(metastore, images):
    found = metastore("find", "images", "--order-by", "name,-version", "--select", "version")
    assert found.rows == [["3.20.0"], ["13.0.0"], ["12.0.0"]]


def test_find_sorts_by_what_lies_inside_a_blob(metastore, images):
    found = metastore("find", "images", "--order-by", "-disk.size", "--select", "disk.size", "--limit", "1")
    assert found.rows == [["345"]]


def test_find_selects_inside_dicts_and_blobs(metastore, images):
    found = metastore("find", "images", "--select", "properties.os.name,disk.url", "--order-by", "-version")
    assert found.rows == [["trixie", ""], ["", "s3://images/debian-12.qcow2"], ["", ""]]


def test_find_gives_json_lines(metastore, images):
    found = metastore("find", "images", "name = 'alpine'", "--json").json
    assert (found[0]["type"], found[0]["parent"], found[0]["version"]) == ("images", str(images.old.id), "3.20.0")


def test_find_selects_in_json_lines(metastore, images):
    assert metastore("--json", "find", "images", "version > '12.5.0'", "--select", "name,min_ram").json == [
        {"name": "debian", "min_ram": 1024}
    ]


def test_pages_follow_each_other_without_overlap(metastore, images):
    seen, after = [], []
    while True:
        page = metastore("find", "images", "--order-by", "name", "--limit", "1", "--select", "version,id", *after)
        seen += [row[0] for row in page.rows]
        if "--after" not in page.err:
            break
        after = ["--after", page.rows[-1][1]]
    assert sorted(seen) == ["12.0.0", "13.0.0", "3.20.0"]


def test_find_latest_keeps_the_highest_version(metastore, images):
    assert metastore("find", "images", "--latest", "--order-by", "name", "--select", "version").rows == [
        ["3.20.0"],
        ["13.0.0"],
    ]


def test_find_any_asks_every_type(metastore, images):
    assert metastore("find", "any").rows[2][:3] == ["images", str(images.alpine.id), "alpine"]
    assert metastore("count", "any", "name = 'debian'").out == "2\n"


def test_tabs_and_newlines_in_values_do_not_break_rows(metastore, images):
    metastore("set", images.old.id, "description=a\tb\nc\\d")
    assert metastore("find", "images", "min_ram = 512", "--select", "name,description").rows == [
        ["debian", "a\\tb\\nc\\\\d"]
    ]


def test_show_takes_an_id_or_a_name(metastore, images):
    by_id = metastore("show", images.old.id)
    assert by_id.out == metastore("show", "images", "debian@12.0.0").out
    assert [
        "disk",
        '{"digests": {"sha256": "'
        + "9f" * 32
        + '"}, "locations": [{"url": "s3://images/debian-12.qcow2"}], "size": 345}',
    ] in by_id.rows


def test_show_takes_the_latest_version_of_a_name(metastore, images):
    assert metastore("show", "images", "debian", "--json").json[0]["version"] == "13.0.0"


def test_a_name_may_hold_an_at_sign(metastore, images):
    metastore("add", "images", "name=@scope/tool@next", "version=1.0.0")
    assert metastore("show", "images", "@scope/tool@next", "--json").json[0]["version"] == "1.0.0"
    assert metastore("show", "images", "@scope/tool@next@1.0.0", "--json").json[0]["version"] == "1.0.0"


def test_count_counts(metastore, images):
    assert metastore("count", "images").out == "3\n"
    assert metastore("count", "images", "arch = 'aarch64'", "--json").json == [{"count": "1"}]


def test_facets_count_values_the_most_frequent_first(metastore, images):
    assert metastore("facets", "images", "name", "tags").rows == [
        ["name", "debian", "2"],
        ["name", "alpine", "1"],
        ["tags", "lts", "1"],
    ]


def test_facets_take_a_filter_and_a_limit(metastore, images):
    assert metastore("facets", "images", "name", "--where", "min_ram > 0").rows == [["name", "debian", "2"]]
    assert len(metastore("facets", "images", "name", "--limit", "1").rows) == 1


def test_stats_shows_figures(metastore, images):
    assert metastore("stats", "--json").json[0]["artifacts"] == {"images": 3}


def test_check_is_silent_and_content_when_all_is_well(metastore, images):
    found = metastore("check")
    assert (found.code, found.out, found.err) == (0, "", "all is well\n")


def test_check_ends_in_1_when_something_disagrees(metastore, images, monkeypatch):
    monkeypatch.setattr(Catalog, "check", lambda _self: ["a tag is missing"])
    found = metastore("check")
    assert (found.code, found.out) == (1, "a tag is missing\n")


def test_schema_is_json_schema(metastore, images):
    found = metastore("schema", "images", "--json").json[0]
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "min_ram" in str(found)


def test_explain_shows_statement_bindings_and_plan(metastore, images):
    found = metastore("explain", "images", "arch = 'aarch64'", "--json").json[0]
    assert "SELECT" in found["sql"].upper()
    assert "aarch64" not in found["sql"]
    assert any("aarch64" in each for each in found["bindings"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["find", "imagse"], 2, "did you mean 'images'"),
        (["find", "images", "min_rem > 3"], 2, "did you mean 'min_ram'"),
        (["find", "images", "min_ram >"], 2, "end"),
        (["find", "images", "--order-by", "nmae"], 2, "did you mean 'name'"),
        (["find", "images", "--order-by", "name.x"], 2, "inside 'name.x'"),
        (["find", "images", "--select", "disk.sise"], 2, "did you mean 'size'"),
        (["find", "images", "--limit", "-1"], 2, "-1"),
        (["find", "images", "--after", "nonsense"], 2, "full id"),
        (["find"], 2, "TYPE"),
        (["fnd"], 2, "No such command"),
        (["show", "0190a6e0-0000-7000-8000-000000000001"], 1, "no artifact"),
        (["show", "images", "none"], 1, "none"),
        (["show", "images"], 2, "TYPE NAME[@VERSION]"),
        (["show", "images", "debian", "more"], 2, "more"),
        (["facets", "images", "nope"], 2, "has no field"),
        (["schema", "nope"], 2, "no type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_a_code(metastore, images, arguments, code, words):
    found = metastore(*arguments)
    assert (found.code, found.out) == (code, "")
    assert words in found.err
    assert "Traceback" not in found.err


def test_reading_never_makes_a_catalogue(metastore, path):
    found = metastore("types")
    assert (found.code, path.exists()) == (4, False)
    assert found.err.startswith("metastore: ")


@pytest.mark.parametrize("columns", ["80", "20", "0"])
def test_an_id_is_shown_whole_on_a_terminal_of_any_width(metastore, images, monkeypatch, columns):
    monkeypatch.setattr("metastore.cli._output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    found = metastore("find", "images", "--select", "id,name,version,created_at,updated_at,arch,min_ram,tags")
    assert all(str(each.id) in found.out for each in (images.old, images.new, images.alpine))


def test_all_of_one_artifact_is_shown_on_a_terminal(metastore, images, monkeypatch):
    monkeypatch.setattr("metastore.cli._output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    metastore("set", "images", "alpine", f"description={'x' * 300}")
    assert metastore("show", "images", "alpine").out.count("x") >= 300


def test_a_name_with_an_at_that_is_not_there_is_told_whole(metastore, images):
    found = metastore("show", "images", "icon@2x.png")
    assert (found.code, "no images 'icon@2x.png'; and '2x.png' is no version" in found.err) == (1, True)


HOSTILE = "\x1b[31mred\x1b[0m"


def test_a_pipe_gets_a_value_as_it_is(metastore, images):
    metastore("set", "images", "alpine", f"description={HOSTILE}")
    assert metastore("find", "images", "name = 'alpine'", "--select", "description").out == f"{HOSTILE}\n"


@pytest.mark.parametrize("after", ["", "debian", "01a22c42-79fb-70f7"])
def test_a_page_after_what_is_no_id_says_what_is_expected(metastore, images, after):
    found = metastore("find", "images", "--after", after)
    assert (
        found.code,
        f"expected the full id of the last artifact of the page before, found {after!r}" in found.err,
    ) == (2, True)


@pytest.mark.parametrize("words", [("stats",), ("show", "images", "alpine")])
def test_one_thing_on_a_terminal_has_no_empty_head(images, path, on_terminal, words):
    _code, shown = on_terminal(*words, cwd=path.parent)
    assert shown.splitlines()[0].split()[0] in ("artifacts", "type")

"""The scanner of Python distributions: on the running interpreter, and on made-up ones."""

import hashlib
import importlib.metadata
import os
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from metastore import Catalog, Link
from metastore.errors import MetastoreError
from metastore.scan import open_scanner, run, scanners
from metastore.scan._python import PythonDistribution, PythonScanner, UnversionedPythonDistribution


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as catalog:
        yield catalog


@pytest.fixture
def site(tmp_path):
    """Return a function that installs a distribution: its metadata lines, its RECORD."""

    def install(name, *lines, version="1.0", record=None, path="site"):
        info = tmp_path / path / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        head = [f"Name: {name}", *([f"Version: {version}"] if version else [])]
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *head, *lines, "", ""]), "utf-8")
        if record is not None:
            (info / "RECORD").write_text(record, "utf-8")
        return info

    return install


def scanned(catalog, tmp_path, *paths, prune=False):
    path = [str(tmp_path / each) for each in paths or ("site",)]
    return run(catalog, PythonScanner(path=path, source="python:test"), prune=prune)


def told(report):
    return {group.what: group.examples for group in report.problems}


def test_every_installed_distribution_is_catalogued(catalog):
    report = run(catalog, open_scanner("python"))
    installed = {(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()}
    kinds = PythonDistribution, UnversionedPythonDistribution
    assert {each.name for kind in kinds for each in catalog.find(kind)} == {name for name, _version in installed}
    assert (report.refused, report.added) == (0, report.found)


def test_a_second_scan_of_the_interpreter_writes_nothing(catalog):
    run(catalog, open_scanner("python"))
    changes = catalog.stats()["changes"]
    report = run(catalog, open_scanner("python"))
    assert (report.added, report.changed, report.gone, catalog.stats()["changes"]) == (0, 0, 0, changes)


def test_the_files_of_record_are_the_files_on_the_disk(catalog):
    run(catalog, open_scanner("python"))
    pytest_ = catalog.get(PythonDistribution, name="pytest")
    home = importlib.metadata.distribution("pytest")
    proven = {path: blob for path, blob in pytest_.files.items() if blob.sha256 and path.endswith(".py")}
    assert len(proven) > 20
    for path, blob in list(proven.items())[:10]:
        content = home.locate_file(path).read_bytes()
        assert (blob.size, blob.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_requirements_are_links_where_installed(catalog):
    run(catalog, open_scanner("python"))
    pluggy = catalog.get(PythonDistribution, name="pluggy")
    assert Link(pluggy) in catalog.get(PythonDistribution, name="pytest").requires


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: other"], "MIT OR Apache-2.0"),
        (["License: BSD", "Classifier: License :: OSI Approved :: MIT License"], "BSD"),
        (
            ["Classifier: License :: OSI Approved :: MIT License", "Classifier: License :: Public Domain"],
            "MIT License; Public Domain",
        ),
        (
            ["License: A text", "        of two lines", "Classifier: License :: OSI Approved :: ISC License"],
            "ISC License",
        ),
        (["License: A text", "        of two lines"], "A text"),
        (["License: UNKNOWN"], None),
        ([], None),
    ],
)
def test_the_licence_is_what_says_it_best(catalog, site, tmp_path, lines, licence):
    site("one", *lines)
    scanned(catalog, tmp_path)
    assert catalog.get(PythonDistribution, name="one").licence == licence


def test_absent_metadata_is_asked_for_as_newer_pythons_want_it(catalog, site, tmp_path, monkeypatch):
    def strict(message, label):  # 3.13 warns that it will be so
        if (found := message.get(label)) is None:
            raise KeyError(label)
        return found

    monkeypatch.setattr("importlib.metadata._adapters.Message.__getitem__", strict, raising=False)
    site("bare")
    assert (scanned(catalog, tmp_path).added, catalog.get(PythonDistribution, name="bare").summary) == (1, None)


def test_a_version_that_is_not_pep_440_is_catalogued_as_it_is(catalog, site, tmp_path):
    site("odd", version="2004d-rev final")
    report = scanned(catalog, tmp_path)
    assert str(catalog.get(UnversionedPythonDistribution, name="odd").version) == "2004d-rev final"
    assert any("none by PEP 440" in what for what in told(report))


def test_metadata_without_a_version_is_catalogued(catalog, site, tmp_path):
    site("bare", version="")
    scanned(catalog, tmp_path)
    assert str(catalog.get(UnversionedPythonDistribution, name="bare").version) == "0"


def test_metadata_without_a_name_is_reported(catalog, site, tmp_path):
    (site("x") / "METADATA").write_text("Summary: nameless\n")
    report = scanned(catalog, tmp_path)
    assert (report.found, list(told(report))) == (0, ["metadata names no distribution and was passed over"])


def test_metadata_of_garbage_does_not_end_the_scan(catalog, site, tmp_path):
    (site("broken") / "METADATA").write_bytes(b"\xff\xfe\0\0 no metadata")
    site("fine")
    assert scanned(catalog, tmp_path).added == 1


def test_both_of_one_name_on_the_path_are_catalogued(catalog, site, tmp_path):
    site("twin", path="a")
    site("twin", path="b")
    report = scanned(catalog, tmp_path, "a", "b")
    assert catalog.count(PythonDistribution, PythonDistribution.name == "twin") == 2
    assert any("more than once" in what for what in told(report))
    assert scanned(catalog, tmp_path, "a", "b").unchanged == 2


def test_an_upgrade_is_one_new_and_one_gone(catalog, site, tmp_path):
    site("lib", version="1.0", path="a")
    site("lib", version="2.0", path="b")
    scanned(catalog, tmp_path, "a")
    report = scanned(catalog, tmp_path, "b", prune=True)
    assert (report.added, report.gone_keys, report.pruned) == (1, ("lib==1.0",), 1)


def test_digests_of_record_become_hex(catalog, site, tmp_path):
    digest = urlsafe_b64encode(hashlib.sha256(b"x").digest()).rstrip(b"=").decode()
    site("one", record=f"one.py,sha256={digest},1\nno.pyc,,\nbad.py,sha256=!!,2\nold.py,md5={'0' * 22},3\n")
    report = scanned(catalog, tmp_path)
    files = catalog.get(PythonDistribution, name="one").files
    assert (files["one.py"].sha256, files["one.py"].size) == (hashlib.sha256(b"x").hexdigest(), 1)
    assert (files["no.pyc"].sha256, files["bad.py"].sha256, len(files["old.py"].digests["md5"])) == (None, None, 32)
    assert {what: group[0] for what, group in told(report).items()} == {
        "a file without a digest; catalogued without": "one==1.0 (1)",
        "a file's digest in RECORD cannot be read; catalogued without": "one==1.0 (1)",
    }


def test_a_requirement_is_met_missed_or_not_asked_for(catalog, site, tmp_path):
    site("lib", version="2.0")
    site(
        "app",
        "Requires-Dist: Lib>=1",
        "Requires-Dist: none",
        "Requires-Dist: extra; extra == 'x'",
        "Requires-Dist: ???",
    )
    report = scanned(catalog, tmp_path)
    app = catalog.get(PythonDistribution, name="app")
    assert app.requires == [Link(catalog.get(PythonDistribution, name="lib"))]
    assert len(app.requirements) == 4
    assert {what: group for what, group in told(report).items() if "requirement" in what} == {
        "a requirement that is not installed": ("app==1.0: none",),
        "a requirement that cannot be read": ("app==1.0: ???",),
    }


def test_a_requirement_installed_in_another_version_is_linked_and_reported(catalog, site, tmp_path):
    site("lib", version="2.0")
    site("app", "Requires-Dist: lib<2")
    report = scanned(catalog, tmp_path)
    assert len(catalog.get(PythonDistribution, name="app").requires) == 1
    assert told(report)["a requirement that is installed in another version"] == ("app==1.0: lib<2",)


def test_changed_metadata_updates(catalog, site, tmp_path):
    info = site("one", "Summary: old")
    scanned(catalog, tmp_path)
    (info / "METADATA").write_text("Name: one\nVersion: 1.0\nSummary: new\n")
    assert scanned(catalog, tmp_path).changed == 1
    assert catalog.get(PythonDistribution, name="one").summary == "new"


def test_it_takes_no_target():
    with pytest.raises(MetastoreError, match="takes no target"):
        open_scanner("python", "somewhere")


def test_an_unknown_scanner_is_refused_with_the_nearest_name():
    assert {"python", "debian", "tree"} <= set(scanners())
    with pytest.raises(MetastoreError, match="did you mean 'python'"):
        open_scanner("pyton")


def test_bytes_that_are_no_utf8_in_record_and_installer_are_escaped(catalog, site, tmp_path):
    info = site("old")
    (info / "RECORD").write_bytes(b"caf\xe9.py,,3\n")
    (info / "INSTALLER").write_bytes(b"p\xefp")
    report = scanned(catalog, tmp_path)
    old = catalog.get(PythonDistribution, name="old")
    assert (list(old.files), old.installer) == (["caf%E9.py"], "p%EFp")
    assert told(report)["a file's name is not UTF-8 and is percent-escaped"] == ("old==1.0 (1)",)


def test_a_name_in_record_may_hold_what_ends_a_line(catalog, site, tmp_path):
    site("odd", record='a\u2028b.py,,1\n"c\nd.py",,2\n')
    scanned(catalog, tmp_path)
    assert set(catalog.get(PythonDistribution, name="odd").files) == {"a\u2028b.py", "c\nd.py"}


def test_a_requirement_whose_marker_compares_what_has_no_order_is_told(catalog, site, tmp_path):
    lines = [
        'Requires-Dist: a; os_name ~= "posix"',
        "Requires-Dist: a; 'test' in nowhere",
        "Requires-Dist: a; 'x' ~= 'y'",
    ]
    site("odd", *lines, record="")
    site("a", record="")
    report = scanned(catalog, tmp_path)
    assert (report.added, len(told(report)["a requirement that cannot be read"])) == (2, 3)


@pytest.mark.parametrize("name", ["RECORD", "INSTALLER"])
def test_a_file_of_metadata_that_cannot_be_read_does_not_end_the_scan(catalog, site, tmp_path, name):
    (site("odd") / name).symlink_to(name)
    report = scanned(catalog, tmp_path)
    assert (report.found, "no RECORD, so no digests" in told(report)) == (1, True)


def test_sources_that_are_no_utf8_do_not_end_the_scan(catalog, tmp_path):
    info = tmp_path / "site" / "old.egg-info"
    info.mkdir(parents=True)
    (info / "PKG-INFO").write_text("Name: old\nVersion: 1\n")
    (info / "SOURCES.txt").write_bytes(b"caf\xe9.py\n")
    report = scanned(catalog, tmp_path)
    assert (report.found, "the list of its files cannot be read; catalogued without" in told(report)) == (1, True)


def test_a_directory_on_the_path_that_cannot_be_read_takes_nothing_for_gone(catalog, site, tmp_path):
    site("there")
    scanned(catalog, tmp_path)
    (tmp_path / "site").rename(tmp_path / "away")
    (tmp_path / "site").symlink_to("site")
    report = scanned(catalog, tmp_path, prune=True)
    assert ("a directory on the path cannot be read" in told(report), report.unread, report.gone) == (True, 1, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_metadata_that_may_not_be_read_is_not_gone(catalog, site):
    with tempfile.TemporaryDirectory() as place:  # unlike tmp_path, nobody may look into it
        info = site("there", path=place)
        scanned(catalog, Path(), place)
        os.chmod(place, 0o755)
        (info / "METADATA").chmod(0)
        os.seteuid(65534)
        try:
            report = scanned(catalog, Path(), place, prune=True)
        finally:
            os.seteuid(0)
    assert (told(report), report.gone) == ({"metadata cannot be read": (f"{info}: Permission denied",)}, 0)


def test_what_to_ask_next_names_what_most_of_those_found_require(catalog, site, tmp_path):
    for name, *needs in (("a", "c"), ("b", "c", "a"), ("c",)):
        site(name, *(f"Requires-Dist: {each}" for each in needs))
    scanner = PythonScanner(path=[str(tmp_path / "site")], source="python:test")
    run(catalog, scanner)
    assert "find python_distributions \"any(requires, name = 'c')\" --select name,version" in scanner.queries


@pytest.mark.parametrize("name", ["alone", "it's"])
def test_what_to_ask_next_asks_for_no_requirement_where_none_can_be_named(catalog, site, tmp_path, name):
    site(name, f"Requires-Dist: {name}")
    scanner = PythonScanner(path=[str(tmp_path / "site")], source="python:test")
    run(catalog, scanner)
    assert not any("requires" in each for each in scanner.queries)

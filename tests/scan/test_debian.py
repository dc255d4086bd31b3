"""The scanner of Debian packages: on a small list, on this machine's status file, against python-debian."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from debian.deb822 import Packages, PkgRelation
from debian.debian_support import Version as DebianVersion
from hypothesis import given
from hypothesis import strategies as st

from metastore import Catalog, Link
from metastore.errors import MetastoreError
from metastore.scan import _deb822 as deb822
from metastore.scan import open_scanner, run
from metastore.scan._debian import DebianPackage, DebianScanner, UnversionedDebianPackage
from metastore.scan._relations import groups

SMALL = Path(__file__).parent / "Packages"
STATUS = Path("/var/lib/dpkg/status")
HAS_STATUS = pytest.mark.skipif(not STATUS.is_file(), reason="no dpkg on this machine")


@pytest.fixture
def catalog():
    with Catalog.open("memory:") as catalog:
        yield catalog


def scanned(catalog, target=SMALL, *, prune=False):
    return run(catalog, open_scanner("debian", str(target)), prune=prune)


def package(catalog, name, *more):
    return catalog.find(DebianPackage, DebianPackage.name == name, *more, order_by=[-DebianPackage.version]).first()


def told(report):
    return {group.what: group.examples for group in report.problems}


def listed(tmp_path, *stanzas, name="Packages"):
    """Write a package list; a stanza is its lines after Package, Version and Architecture."""
    texts = [
        f"Package: {head}\nArchitecture: all\n" + "".join(f"{line}\n" for line in lines) for head, *lines in stanzas
    ]
    (tmp_path / name).write_text("\n".join(texts))
    return tmp_path / name


def test_a_package_has_its_fields_and_its_file(catalog):
    scanned(catalog)
    app = package(catalog, "app")
    assert (str(app.version), app.architecture, app.section, app.priority) == ("2.0-1", "amd64", "utils", "optional")
    assert (app.installed_size, app.summary, app.source_package) == (120, "an application", "app")
    assert app.filename == "pool/main/a/app/app_2.0-1_amd64.deb"
    assert (app.deb.size, app.deb.url, app.deb.sha256[:8], app.deb.digests["md5"][:4]) == (
        4321,
        None,
        "00112233",
        "0123",
    )


def test_name_version_and_architecture_tell_packages_apart(catalog):
    assert scanned(catalog).added == 6
    assert catalog.count(DebianPackage, DebianPackage.name == "libone") == 3


def test_dependencies_lead_to_what_meets_them(catalog):
    scanned(catalog)
    base, agent = package(catalog, "base"), package(catalog, "agent")
    libone = package(catalog, "libone", DebianPackage.architecture == "amd64")
    assert str(libone.version) == "1.3+b1"
    assert package(catalog, "app").depends_on == [Link(base), Link(libone), Link(agent)]


@pytest.mark.parametrize(
    ("relation", "version", "architecture"),
    [
        ("libone", "1.3+b1", "amd64"),
        ("libone (<< 1.3)", "1.0", "amd64"),
        ("libone (= 1.0)", "1.0", "amd64"),
        ("libone:i386", "1.3+b1", "i386"),
        ("libone:any (>= 1.2)", "1.3+b1", "amd64"),
        ("nothing | libone (<= 1.0) [amd64] <!nocheck>", "1.0", "amd64"),
    ],
)
def test_a_relation_leads_to_the_best_that_it_allows(catalog, tmp_path, relation, version, architecture):
    more = f"\nPackage: asker\nVersion: 1\nArchitecture: amd64\nStatus: a\nDepends: {relation}\n"
    (tmp_path / "Packages").write_text(SMALL.read_text() + more)
    scanned(catalog, tmp_path / "Packages")
    found = catalog.get(DebianPackage, package(catalog, "asker").depends_on[0].id)
    assert (str(found.version), found.architecture) == (version, architecture)


def test_an_installed_package_leads_to_an_installed_one(catalog, machine):
    status = machine / "var/lib/dpkg/status"
    old, asker = (
        "Package: libone\nVersion: 1.0\nArchitecture: amd64\n",
        "Package: own\nVersion: 1\nArchitecture: amd64\n",
    )
    installed = "Status: install ok installed\n"
    status.write_text(f"{status.read_text()}\n{old}{installed}\n{asker}{installed}Depends: app | libone\n")
    run(catalog, DebianScanner.of_machine(machine))
    target = catalog.get(DebianPackage, package(catalog, "own").depends_on[0].id)
    assert (target.name, str(target.version)) == ("libone", "1.0")


def test_a_provided_version_meets_a_dependency(catalog):
    report = scanned(catalog)
    assert package(catalog, "agent").depends_on == [Link(package(catalog, "base"))]
    assert told(report) == {"a dependency that no scanned package meets": ("agent=3:amd64: nowhere",)}


def test_a_second_scan_writes_nothing(catalog):
    scanned(catalog)
    changes = catalog.stats()["changes"]
    assert scanned(catalog).unchanged == 6
    assert catalog.stats()["changes"] == changes


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress, bz2.compress])
def test_compressed_lists_are_read(catalog, tmp_path, packed):
    (tmp_path / "Packages.packed").write_bytes(packed(SMALL.read_bytes()))
    assert scanned(catalog, tmp_path / "Packages.packed").added == 6


@pytest.mark.parametrize("program", ["lz4", "zstd"])
def test_lists_that_need_a_program_are_read_where_it_is(catalog, tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine")
    packed = subprocess.run([program, "-cq", str(SMALL)], stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "Packages").write_bytes(packed)
    assert scanned(catalog, tmp_path / "Packages").added == 6
    (tmp_path / "Packages").write_bytes(packed[: len(packed) // 2])
    assert "a package list cannot be read" in told(scanned(catalog, tmp_path / "Packages", prune=True))
    assert catalog.count(DebianPackage) == 6


def test_a_list_whose_program_is_missing_is_reported(catalog, tmp_path, monkeypatch):
    (tmp_path / "Packages").write_bytes(b"\x04\x22\x4d\x18....")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert (
        "needs the program 'lz4'" in told(scanned(catalog, tmp_path / "Packages"))["a package list cannot be read"][0]
    )


def test_a_truncated_list_takes_nothing_for_gone(catalog, tmp_path):
    whole = gzip.compress(SMALL.read_bytes())
    (tmp_path / "Packages.gz").write_bytes(whole)
    scanned(catalog, tmp_path / "Packages.gz")
    (tmp_path / "Packages.gz").write_bytes(whole[: len(whole) // 3])
    report = scanned(catalog, tmp_path / "Packages.gz", prune=True)
    assert ("a package list cannot be read" in told(report), report.gone, catalog.count(DebianPackage)) == (True, 0, 6)


@pytest.mark.parametrize("text", ["<html>\n<h1>502: Bad Gateway</h1>\n", "Source: hello\n\nSource: world\n"])
def test_what_is_no_list_takes_nothing_for_gone(catalog, tmp_path, text):
    (tmp_path / "Packages").write_bytes(SMALL.read_bytes())
    scanned(catalog, tmp_path / "Packages")
    (tmp_path / "Packages").write_text(text)
    report = scanned(catalog, tmp_path / "Packages", prune=True)
    assert ("a package list cannot be read" in told(report), report.gone, catalog.count(DebianPackage)) == (True, 0, 6)


def test_a_list_that_goes_away_while_others_are_read_takes_nothing_for_gone(catalog, tmp_path):
    for name in "ab":
        listed(tmp_path, (f"{name}\nVersion: 1",), name=f"{name}_Packages")
    scanned(catalog, tmp_path)

    class Meddling(DebianScanner):
        def found(self, *args):
            (tmp_path / "b_Packages").unlink(missing_ok=True)
            yield from super().found(*args)

    report = run(catalog, Meddling.of_path(tmp_path), prune=True)
    assert ("a package list cannot be read" in told(report), report.gone, report.found) == (True, 0, 1)


@pytest.mark.parametrize("opening", [DebianScanner.of_path, DebianScanner.of_machine])
def test_what_lies_in_a_directory_that_cannot_be_read_is_not_gone(catalog, machine, monkeypatch, opening):
    listed(machine, ("other\nVersion: 1",))
    run(catalog, opening(machine))
    real, lists = os.scandir, machine / "var/lib/apt/lists"

    def refuse(path):
        if str(path) == str(lists):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = run(catalog, opening(machine), prune=True)
    assert (told(report)["a directory cannot be read"], report.gone) == ((f"{lists}: Permission denied",), 0)


def test_an_empty_list_has_no_packages_any_more(catalog, tmp_path):
    (tmp_path / "Packages").write_bytes(SMALL.read_bytes())
    scanned(catalog, tmp_path / "Packages")
    (tmp_path / "Packages").write_bytes(b"")
    assert (
        scanned(catalog, tmp_path / "Packages", prune=True).pruned == scanned(catalog, tmp_path / "Packages").gone + 6
    )


def test_every_list_below_a_directory_is_read(catalog, tmp_path):
    (tmp_path / "main").mkdir()
    shutil.copy(SMALL, tmp_path / "main" / "Packages")
    listed(tmp_path, ("other\nVersion: 1",), name="Packages")
    assert scanned(catalog, tmp_path).added == 7


def test_a_path_that_is_no_utf8_is_escaped(catalog, tmp_path):
    place = tmp_path / os.fsdecode(b"caf\xe9")
    place.mkdir()
    listed(place, ("x\nVersion: 1",), name=os.fsdecode(b"\xe9_Packages"))
    assert scanned(catalog, place).source == f"debian:{tmp_path}/caf%E9"
    assert package(catalog, "x").listed_in == "%E9_Packages"


def test_the_same_package_in_two_lists_is_one(catalog, tmp_path):
    for name in ("a_Packages", "b_Packages"):
        shutil.copy(SMALL, tmp_path / name)
    assert scanned(catalog, tmp_path).added == 6


def test_the_same_package_with_other_bytes_is_catalogued_too(catalog, tmp_path):
    listed(tmp_path, ("x\nVersion: 1", f"SHA256: {'a' * 64}", "Filename: x.deb"), name="a_Packages")
    listed(tmp_path, ("x\nVersion: 1", f"SHA256: {'b' * 64}", "Filename: x.deb"), name="b_Packages")
    report = scanned(catalog, tmp_path)
    assert report.added == 2
    assert "two lists name the same package with other bytes; both are catalogued" in told(report)


def test_a_version_that_is_none_is_catalogued_as_it_is(catalog, tmp_path):
    report = scanned(catalog, listed(tmp_path, ("odd\nVersion: not a version!",), ("bare",)))
    assert {str(each.version) for each in catalog.find(UnversionedDebianPackage)} == {"not a version!", "0"}
    assert report.problems[-1].count == 2


def test_a_file_without_a_digest_is_catalogued_without_and_reported(catalog, tmp_path):
    path = listed(
        tmp_path, ("x\nVersion: 1", "Filename: x.deb", "Size: 7"), ("y\nVersion: 1", "Filename: y.deb", "SHA256: beef")
    )
    report = scanned(catalog, path)
    assert (package(catalog, "x").deb.size, package(catalog, "x").deb.sha256, package(catalog, "y").deb.sha256) == (
        7,
        None,
        None,
    )
    assert {
        "the file has no SHA-256; catalogued without",
        "a digest is malformed; the file is catalogued without",
    } == told(report).keys()


def test_a_size_that_is_no_number_is_reported(catalog, tmp_path):
    report = scanned(
        catalog, listed(tmp_path, ("x\nVersion: 1", "Installed-Size: many", "Status: install ok installed"))
    )
    assert told(report) == {"Installed-Size is no number; catalogued without": ("x=1:all",)}


def test_stanzas_that_name_no_package_and_stray_lines_are_reported(catalog, tmp_path):
    (tmp_path / "Packages").write_text("Version: 1\n\nPackage: x\nVersion: 1\nArchitecture: all\nStatus: a\nnonsense\n")
    assert told(scanned(catalog, tmp_path / "Packages")).keys() == {
        "a stanza names no package and was passed over",
        "a line is neither a field nor the continuation of one",
    }


def test_names_of_fields_are_read_in_any_case(catalog, tmp_path):
    lines = SMALL.read_text().splitlines()
    upper = [
        f"{name.upper()}:{rest}" if ":" in name + sign else name
        for name, sign, rest in (x.partition(":") for x in lines)
    ]
    (tmp_path / "Packages").write_text("\n".join(upper))
    report = scanned(catalog, tmp_path / "Packages")
    assert (report.added, scanned(catalog).added) == (6, 6)
    mine, theirs = catalog.find(DebianPackage, DebianPackage.name == "app")
    assert (mine.summary, mine.depends, mine.deb) == (theirs.summary, theirs.depends, theirs.deb)


def test_a_field_that_is_named_twice_is_reported(catalog, tmp_path):
    report = scanned(catalog, listed(tmp_path, ("x\nVersion: 1", "Section: a", "section: b")))
    assert package(catalog, "x").section == "b"
    assert "a stanza has a field more than once; the last one counts" in told(report)


def test_a_list_may_begin_with_a_byte_order_mark_and_have_lines_of_windows(catalog, tmp_path):
    (tmp_path / "Packages").write_bytes(b"\xef\xbb\xbf" + SMALL.read_bytes().replace(b"\n", b"\r\n"))
    assert (scanned(catalog, tmp_path / "Packages").added, scanned(catalog).added) == (6, 6)
    mine, theirs = catalog.find(DebianPackage, DebianPackage.name == "app")
    assert (mine.summary, mine.depends, mine.deb) == (theirs.summary, theirs.depends, theirs.deb)


def test_latin_1_and_nul_are_read_and_reported(catalog, tmp_path):
    (tmp_path / "Packages").write_bytes(b"Package: x\nVersion: 1\nStatus: a\nMaintainer: Ren\xe9\nDescription: a\0b\n")
    report = scanned(catalog, tmp_path / "Packages")
    assert (package(catalog, "x").maintainer, package(catalog, "x").summary) == ("René", "a\ufffdb")
    assert len(told(report)) == 2


def test_a_file_that_is_no_control_data_ends_with_a_report(catalog, tmp_path):
    (tmp_path / "Packages").write_bytes(b"x" * (deb822.LIMIT + 2**20))
    assert "longer than" in told(scanned(catalog, tmp_path / "Packages"))["a package list cannot be read"][0]


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    shutil.copy(SMALL, tmp_path / "var/lib/apt/lists/site_dists_main_Packages")
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: base\nStatus: install ok installed\nVersion: 1:1.0~rc1-2\nArchitecture: all\nProvides: shell\n\n"
        "Package: local\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nDepends: base\n\n"
        "Package: removed\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n"
    )
    return tmp_path


def test_what_is_listed_and_installed_is_one_package(catalog, machine):
    report = run(catalog, DebianScanner.of_machine(machine))
    assert report.added == 8
    base = package(catalog, "base")
    assert (base.installed, base.state, base.deb.size, base.listed_in) == (
        True,
        "install ok installed",
        10,
        "site_dists_main_Packages",
    )
    assert (package(catalog, "app").installed, package(catalog, "removed").installed) == (False, False)
    assert package(catalog, "local").depends_on == [Link(base)]


def test_an_installation_is_a_change(catalog, machine):
    run(catalog, DebianScanner.of_machine(machine))
    status = machine / "var/lib/dpkg/status"
    status.write_text(
        status.read_text() + "\nPackage: app\nStatus: install ok installed\nVersion: 2.0-1\nArchitecture: amd64\n"
    )
    report = run(catalog, DebianScanner.of_machine(machine))
    assert (report.changed, package(catalog, "app").installed) == (1, True)


def test_a_machine_without_debian_is_refused(tmp_path):
    with pytest.raises(MetastoreError, match="no Debian here"):
        DebianScanner.of_machine(tmp_path)


def test_a_directory_without_lists_is_refused(tmp_path):
    with pytest.raises(MetastoreError, match="no package list"):
        open_scanner("debian", str(tmp_path))


@HAS_STATUS
def test_the_status_file_of_this_machine_is_catalogued_whole(catalog):
    report = scanned(catalog, STATUS)
    with STATUS.open("rb") as file:
        expected = {(each["Package"], each["Version"]) for each in Packages.iter_paragraphs(file, use_apt_pkg=False)}
    assert {(each.name, str(each.version)) for each in catalog.find(DebianPackage)} == expected
    assert (report.refused, scanned(catalog, STATUS).unchanged) == (0, report.added)


@HAS_STATUS
def test_stanzas_are_read_as_python_debian_reads_them():
    with STATUS.open("rb") as ours, STATUS.open("rb") as theirs:
        for stanza, oracle in zip(
            deb822.stanzas(ours), Packages.iter_paragraphs(theirs, use_apt_pkg=False), strict=True
        ):
            fields, flaws = deb822.parsed(stanza)
            assert not flaws
            assert {name: value.replace("\n ", "\n") for name, value in oracle.items()} == fields


@HAS_STATUS
def test_relations_are_read_as_python_debian_reads_them():
    with STATUS.open("rb") as file:
        texts = [each["Depends"] for each in Packages.iter_paragraphs(file, use_apt_pkg=False) if "Depends" in each]
    for text in texts:
        oracle = [[(one["name"], one["version"]) for one in group] for group in PkgRelation.parse_relations(text)]
        assert [
            [(one.name, (one.sign, one.version) if one.sign else None) for one in some] for _text, some in groups(text)
        ] == oracle


def test_long_runs_of_blanks_are_read_at_once():
    blanks = " " * (deb822.LIMIT // 4)
    assert deb822.parsed(f"Description: a{blanks}b{blanks}\n c".encode())[0] == {"Description": f"a{blanks}b\nc"}
    assert groups(f"a{blanks}!") == [("a !", ())]


versions = st.from_regex(r"([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z+.~]{1,3})?", fullmatch=True)
SIGNS = {"<<": "__lt__", "<=": "__le__", "=": "__eq__", ">=": "__ge__", ">>": "__gt__"}


@given(versions, st.sampled_from(sorted(SIGNS)), versions)
def test_a_relation_allows_what_dpkg_would(mine, sign, theirs):
    ((_text, (relation,)),) = groups(f"lib ({sign} {mine})")
    assert relation.allows(theirs) == getattr(DebianVersion(theirs), SIGNS[sign])(DebianVersion(mine))


field_names = st.from_regex(r"[A-Z][A-Za-z-]{0,8}", fullmatch=True)
line = st.text(alphabet="abc xyz:#.", min_size=1, max_size=12).map(str.strip).filter(bool)
field_values = st.lists(line, min_size=1, max_size=4)


@given(st.lists(st.dictionaries(field_names, field_values, min_size=1, max_size=5), min_size=1, max_size=5))
def test_what_was_written_is_read(documents):
    written = "\n\n".join(
        "\n".join(f"{name}: " + "\n ".join(value) for name, value in each.items()) for each in documents
    )
    read = [deb822.parsed(stanza) for stanza in deb822.stanzas(io.BytesIO(written.encode()))]
    assert read == [({name: "\n".join(value) for name, value in each.items()}, []) for each in documents]


pieces = st.lists(st.sampled_from([b"\n", b" ", b"\t", b"\r", b"A: b", b"#", b"\xff"]), max_size=30).map(b"".join)


@given(pieces, st.integers(1, 16))
def test_any_bytes_are_read_in_chunks_as_in_one(content, size):
    whole = list(deb822.stanzas(io.BytesIO(content)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deb822, "CHUNK", size)
        assert list(deb822.stanzas(io.BytesIO(content))) == whole
    for stanza in whole:
        deb822.parsed(stanza)

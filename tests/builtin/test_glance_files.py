"""The definition files that Glance ships, as they are: loaded, applied, written back equal.

They are another project's and not kept here: the source distribution is fetched once, by pip, into a cache outside
the repository. Where it cannot be had, these tests are skipped and say why.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from metastore import Catalog
from metastore._applied import check_properties
from metastore.builtin.metadefs import (
    Namespace,
    apply,
    load_definitions,
    property_schema,
    schema_of,
    validator,
    write_definitions,
)
from metastore.errors import ValidationError

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metastore-tests"
FETCH = "download --quiet --no-deps --no-binary :all: --no-cache-dir --retries 1 --timeout 20 --dest"


def archive():
    """Return Glance's source distribution, from the cache or by pip; skip where it cannot be had."""
    kept = sorted(CACHE.glob("glance-*.tar.gz"))
    if kept:
        return kept[-1]
    own = [sys.executable, "-m", "pip"] if find_spec("pip") else [shutil.which("pip")]
    if own == [None]:
        pytest.skip("Glance's source could not be fetched: there is no pip")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [*own, *FETCH.split(), folder, "glance"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as failed:
            pytest.skip(f"Glance's source could not be fetched: {failed}")
        if done.returncode:
            pytest.skip(f"Glance's source could not be fetched: {done.stderr.strip()[-300:]}")
        [fetched] = Path(folder).glob("glance-*.tar.gz")
        return fetched.replace(CACHE / fetched.name)  # whoever comes second replaces it by the same


@pytest.fixture(scope="session")
def metadefs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metadefs")
    with tarfile.open(archive()) as source:
        for member in source:
            if member.isfile() and "/etc/metadefs/" in member.name and member.name.endswith(".json"):
                (folder / Path(member.name).name).write_bytes(source.extractfile(member).read())
    if not any(folder.iterdir()):
        pytest.skip("this release of Glance has no files in etc/metadefs")
    return folder


@pytest.fixture
def catalog(metadefs):
    with Catalog.open("memory:") as opened:
        load_definitions(opened, metadefs)
        yield opened


BARE = {"namespace": "Bare", "resource_type_associations": [{"name": "images"}]}


def fits(check, properties):
    try:
        check(properties)
    except ValidationError:
        return False
    return True


def said(folder):
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return {each["namespace"]: each for each in documents}


def test_every_file_is_loaded_as_it_is_and_written_back_equal(metadefs, catalog, tmp_path):
    assert catalog.count(Namespace) == len(list(metadefs.iterdir())) >= 30
    write_definitions(catalog, tmp_path)
    assert json.dumps(said(tmp_path), sort_keys=True) == json.dumps(said(metadefs), sort_keys=True)


def test_loading_them_again_changes_nothing_in_any_mode(metadefs, catalog):
    for mode in ("skip", "merge", "prefer_new", "overwrite"):
        assert load_definitions(catalog, metadefs, mode=mode).changed == ()


def test_all_that_are_about_images_can_be_applied_together(catalog):
    for namespace in catalog.find(Namespace):
        if any(each["name"] == "OS::Glance::Image" for each in namespace.resource_type_associations):
            apply(catalog, namespace, "images", strings=True)
    check_properties(catalog, "images", {"hw_cpu_cores": "4", "hypervisor_type": "kvm", "os_distro": "debian"})
    with pytest.raises(ValidationError, match=r"a whole number at \$\.properties\.hw_cpu_cores, got 'four'"):
        check_properties(catalog, "images", {"hw_cpu_cores": "four"})


def test_whether_a_default_fits_is_judged_as_jsonschema_judges(metadefs):
    for document in said(metadefs).values():
        parts = [document, *document.get("objects", [])]
        for name, each in [pair for part in parts for pair in part.get("properties", {}).items()]:
            if "default" in each:
                alone = {**BARE, "properties": {name: each}}
                judge = Draft202012Validator(property_schema(each))
                assert fits(validator(alone, "images"), {name: each["default"]}) == judge.is_valid(each["default"])


def test_every_namespace_is_a_json_schema(metadefs):
    for document in said(metadefs).values():
        for target in document["resource_type_associations"]:
            Draft202012Validator.check_schema(schema_of(document, target["name"]))

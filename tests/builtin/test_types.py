"""Built-in types: names, fields and rules as Glare and Glance have them, by entry point."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from uuid import UUID

import pytest

from metastore import Blob, Catalog, Link, Record, builtin, spec_of
from metastore.builtin.container_images import ContainerImage
from metastore.builtin.heat_environments import HeatEnvironment
from metastore.builtin.heat_templates import HeatTemplate
from metastore.builtin.images import Image
from metastore.builtin.packages import Package
from metastore.builtin.secrets import Secret
from metastore.errors import DeclarationError, DuplicateError, UnknownTypeError, ValidationError
from metastore.policy._defaults import RULES

USUAL = builtin.names()
EVERY = [*USUAL, *builtin.names(on_request=True)]
IN_GLARE = {"images", "heat_templates", "heat_environments", "murano_packages", "tosca_templates", "secrets"}
OF_TODAY = {"ml_models", "datasets", "container_images", "packages"}
SYSTEM = set(Record.__fields_by_name__)

# Glare's own fields: R what activation requires, M what may change while active
GLARE = {
    "heat_templates": {"template": "R", "nested_templates": "R", "environments": "RM", "default_envs": "RM"},
    "heat_environments": {"environment": "R"},
    "murano_packages": {
        "package": "",
        "package_type": "R",
        "display_name": "RM",
        "categories": "RM",
        "class_definitions": "R",
        "inherits": "R",
        "keywords": "RM",
        "dependencies": "",
    },
    "tosca_templates": {"template": "R", "template_format": "R"},
    "secrets": {
        "payload": "R",
        "payload_content_encoding": "",
        "secret_type": "",
        "algorithm": "",
        "bit_length": "",
        "mode": "",
    },
}
IMAGE = {"container_format", "disk_format", "min_ram", "min_disk", "image", "kernel_id", "ramdisk_id"}
IMAGE |= {"instance_uuid", "architecture", "os_distro", "os_version", "name", "virtual_size"}
IMAGE |= {"cinder_encryption_key_id", "cinder_encryption_key_deletion_policy"}


def own_fields(name):
    [cls] = builtin.types(name)
    return {each.name: each for each in spec_of(cls).fields if each.name not in SYSTEM}


def marks(spec):
    return ("R" if "active" in spec.required_for else "") + ("M" if spec.mutable else "")


@pytest.fixture
def catalog():
    with Catalog.open("memory:", types=[*builtin.types(), *builtin.types("secrets")]) as opened:
        yield opened


def test_the_types_people_expect_are_there_and_secrets_only_on_request():
    assert set(EVERY) >= IN_GLARE | OF_TODAY
    assert [name for name in EVERY if name not in USUAL] == ["secrets"]
    assert "secrets" not in [cls.__type_name__ for cls in builtin.types()]


def test_types_come_in_the_order_asked():
    asked = ["packages", "secrets", "images"]
    assert [cls.__type_name__ for cls in builtin.types(*asked)] == asked


def test_a_name_that_is_no_type_is_answered_with_the_nearest():
    with pytest.raises(UnknownTypeError, match="did you mean 'images'"):
        builtin.types("image")


def test_an_entry_point_that_leads_to_another_type_is_refused(monkeypatch):
    wrong = EntryPoint("disks", "metastore.builtin.images:Image", builtin.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [wrong])
    with pytest.raises(DeclarationError, match="expected the artifact type disks at the entry point"):
        builtin.types("disks")


def test_two_types_of_one_name_are_refused(monkeypatch):
    two = [EntryPoint("images", f"{place}:Image", builtin.GROUP) for place in ("here.a", "there.b")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: two)
    with pytest.raises(DeclarationError, match=r"here\.a:Image and there\.b:Image"):
        builtin.types()


def test_importing_the_engine_or_naming_the_types_loads_none_of_them():
    code = (
        "import json, sys, metastore; before = [name for name in sys.modules if 'builtin.' in name or name.endswith('.builtin')]\n"
        "from metastore import builtin; builtin.names(); builtin.types('images')\n"
        "after = sorted(name for name in sys.modules if name.startswith('metastore.builtin.'))\n"
        "print(json.dumps([before, after]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], ["metastore.builtin.images"]]


@pytest.mark.parametrize("name", GLARE)
def test_fields_of_glare_keep_their_names_and_rules(name):
    found = {field: marks(spec) for field, spec in own_fields(name).items()}
    assert GLARE[name].items() <= found.items()
    assert set(found) - set(GLARE[name]) <= {"name", "environment_names"}


def test_images_have_the_fields_of_glance_and_glare_and_no_others():
    assert set(own_fields("images")) == IMAGE


def test_an_image_needs_both_formats_before_it_has_data_and_nothing_else():
    needs = {name: set(spec.required_for) for name, spec in own_fields("images").items() if spec.required_for}
    assert needs == {key: {"saving", "importing", "active"} for key in ("disk_format", "container_format")}


def test_an_image_begins_queued_and_has_the_states_of_glance():
    states = "queued saving uploading importing active deactivated killed pending_delete"
    assert set(spec_of(Image).lifecycle.states) == set(states.split())
    assert Image().status == "queued"


def test_what_glance_lets_change_at_any_time_is_mutable():
    frozen = {name for name, spec in own_fields("images").items() if not spec.mutable}
    assert frozen == {"disk_format", "container_format", "virtual_size", "image"}


@pytest.mark.parametrize("name", EVERY)
def test_every_rule_a_type_names_is_a_rule(name):
    [cls] = builtin.types(name)
    assert set(dict(spec_of(cls).rules).values()) <= set(RULES)


@pytest.mark.parametrize("name", EVERY)
def test_every_type_and_field_says_what_it_is(name):
    [cls] = builtin.types(name)
    assert spec_of(cls).description
    assert [field for field, spec in own_fields(name).items() if not spec.description] == []


@pytest.mark.parametrize("name", EVERY)
def test_a_type_can_be_stored_asked_and_dumped_by_every_index(name, catalog):
    [cls] = builtin.types(name)
    given = {"name": "a", "ecosystem": "pypi", "manifest_digest": "sha256:ab"}
    made = catalog.add(cls(**{key: value for key, value in given.items() if key in cls.__fields_by_name__}))
    for field_name, spec in own_fields(name).items():
        if spec.index and spec.kind != "list":
            assert list(catalog.find(cls, order_by=[getattr(cls, field_name)])) == [made]
    assert catalog.load(cls, [catalog.dump(made)]) == 0


def test_an_image_needs_no_name_and_two_may_have_the_same(catalog):
    catalog.add(Image())
    one, other = (catalog.add(Image(name="cirros")) for _ in range(2))
    assert one.id != other.id
    assert str(one.version) == "0.0.0"


def test_a_kernel_is_named_by_its_id_in_any_spelling(catalog):
    kernel = "0190F9C4-0000-7000-8000-00000000000A"
    image = catalog.add(Image(kernel_id=UUID(kernel), disk_format="ami", container_format="ami"))
    assert list(catalog.find(Image, Image.kernel_id == kernel.lower())) == [image]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"disk_format": "floppy"}, r"\$\.disk_format"),
        ({"container_format": "box"}, r"\$\.container_format"),
        ({"min_ram": -1}, r"\$\.min_ram"),
        ({"min_disk": 2**31}, r"\$\.min_disk"),
        ({"image": Blob(size=2**41)}, r"\$\.image"),
    ],
)
def test_what_glance_refuses_in_an_image_is_refused(values, place, catalog):
    with pytest.raises(ValidationError, match=place):
        catalog.add(Image(**values))


def test_a_template_finds_its_environments_and_they_find_it(catalog):
    environment = catalog.add(HeatEnvironment(name="small"))
    template = catalog.add(HeatTemplate(name="site", environments=[Link(environment)], environment_names=["env"]))
    assert [edge.target for edge in catalog.closure(template)] == [environment.id]
    assert [edge.source for edge in catalog.back_links(environment)] == [template.id]


def test_a_secret_carries_a_reference_and_never_bytes(catalog):
    secret = catalog.add(Secret(name="key", payload=Blob("vault://keys/one"), bit_length=256))
    assert catalog.dump(secret)["payload"] == {"locations": [{"url": "vault://keys/one"}]}
    with pytest.raises(ValidationError, match=r"expected Blob at \$\.payload"):
        catalog.update(secret, payload=b"the key itself")


def test_two_platforms_of_one_tag_are_two_container_images(catalog):
    for digest in ("sha256:aa", "sha256:bb"):
        catalog.add(ContainerImage(name="library/python", version="3.12-slim", manifest_digest=digest))
    with pytest.raises(DuplicateError):
        catalog.add(ContainerImage(name="library/python", version="latest", manifest_digest="sha256:aa"))


def test_a_package_is_one_per_ecosystem_version_and_architecture(catalog):
    for ecosystem, architecture in (("pypi", None), ("deb", "amd64"), ("deb", "arm64")):
        catalog.add(Package(name="attrs", version="25.1.0", ecosystem=ecosystem, architecture=architecture))
    with pytest.raises(DuplicateError):
        catalog.add(Package(name="attrs", version="25.1.0", ecosystem="pypi"))


def test_a_third_partys_type_enters_by_the_same_door(monkeypatch, catalog):
    class Recipe(Record, type_name="recipes", unique=()):
        pass

    monkeypatch.setattr(sys.modules[__name__], "Recipe", Recipe, raising=False)
    monkeypatch.setitem(sys.modules, "their_recipes", sys.modules[__name__])
    entry = EntryPoint("recipes", "their_recipes:Recipe", builtin.GROUP)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [entry] if group == builtin.GROUP else [])
    assert builtin.types() == [Recipe]
